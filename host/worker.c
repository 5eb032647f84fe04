// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that serves queues of a session, around one io_uring.
 *
 * Theory
 * ------
 * A device has one thread for each queue, or fewer, among which its queues are dealt out. All that
 * a thread waits for are operations in its io_uring; one system call a turn submits what
 * was prepared and waits. In a turn each queue is served once, and each for a bounded number of
 * chains (DEVICE_BUDGET), so that none keeps the others waiting.
 *
 * A thread begins with its first queue and ends with its last one. Both sides see the count under
 * @lock: a queue is either taken over by a thread that lives, or begins the next one.
 *
 * Sleep costs a driver its kick and the thread a wake-up. With a bound for it (poll=) a
 * thread looks for a while before it sleeps; queues that it looks at are not to be kicked.
 * How long it looks follows from how long it slept: had looking up to the bound been enough,
 * it looks longer next time; a sleep that was longer than that says that looking is vain,
 * and the next time it does not. So a device that is idle takes no time, and one that
 * is used now and then hardly any. (KVM's halt polling, and QEMU's, do it so.)
 *
 * #syscalls io_uring_setup io_uring_enter io_uring_register
 * #syscalls eventfd2 read write close poll ppoll sched_setaffinity
 */
#include "worker.h"

#include "queue.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKER_ENTRIES		512u	/* of an io_uring: covers any device's depth */
#define WORKER_PAUSE_MS		10	/* before the kernel is asked again when it could not */
#define WORKER_WINDOW_NS	2000u	/* the first time that looking seems to be worth it */
#define WORKER_LOOKS		16u	/* between two looks at the clock */

static const u64 worker_one = 1;

/* ---- operations ---------------------------------------------------------- */

static struct io_uring_sqe *worker_entry(struct worker *w)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->uring);

	if (sqe)
		return sqe;
	io_uring_submit(&w->uring);
	return io_uring_get_sqe(&w->uring);
}

struct io_uring_sqe *worker_sqe(struct worker *w, struct queue *q, struct queue_op *op)
{
	struct io_uring_sqe *sqe = worker_entry(w);

	if (!sqe)
		return NULL;
	op->q = q;
	op->pending = true;
	op->cancelled = false;
	if (q)
		q->pending++;
	return sqe;
}

void worker_reserve(struct worker *w, unsigned int entries)
{
	if (io_uring_sq_space_left(&w->uring) < entries)
		io_uring_submit(&w->uring);
}

/* The result of a cancellation is known by the lowest bit of its data. */
void worker_cancel(struct worker *w, struct queue_op *op)
{
	struct io_uring_sqe *sqe;

	if (!op->pending || op->cancelled)
		return;
	sqe = worker_entry(w);
	if (!sqe)
		return;
	op->cancelled = true;
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)op | 1);
	op->q->pending++;
}

static void worker_end_cancel(struct worker *w, struct queue_op *op, int res)
{
	/*
	 * Not found: between two states, or behind the one it is linked to. Once more, unless
	 * it ended and began again. One that is found running (-EALREADY) knows now.
	 */
	if (res == -ENOENT && op->cancelled) {
		op->cancelled = false;
		worker_cancel(w, op);
	}
}

/* Take every completion that is there. */
static void worker_reap_ops(struct worker *w)
{
	struct io_uring_cqe *cqe;
	struct queue_op *op;
	uintptr_t data;
	int res;

	while (!io_uring_peek_cqe(&w->uring, &cqe)) {
		data = (uintptr_t)io_uring_cqe_get_data64(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&w->uring, cqe);
		op = (struct queue_op *)(data & ~(uintptr_t)1);
		if (op->q)
			op->q->pending--;
		if (data & 1) {
			worker_end_cancel(w, op, res);
			continue;
		}
		op->pending = false;
		op->done(op->q, op, res);
	}
}

/* Submit what was prepared; with @wait until something ended. */
static void worker_turn(struct worker *w, bool wait)
{
	int r = io_uring_submit_and_wait(&w->uring, wait ? 1 : 0);
	struct queue *q;

	worker_reap_ops(w);
	if (r >= 0 || r == -EINTR)
		return;
	if (r != -EAGAIN && r != -EBUSY && !w->wedged) {
		for (q = w->queue; q; q = q->next)
			queue_fail(q, strerror(-r));
		w->wedged = true;
	}
	/* Nothing tells when it would work: do not spin. */
	poll(NULL, 0, WORKER_PAUSE_MS);
}

/* ---- wake-ups --------------------------------------------------------------- */

static void worker_wait_wake(struct worker *w)
{
	struct io_uring_sqe *sqe = worker_sqe(w, NULL, &w->op_wake);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, w->wake, POLLIN);
	queue_submit(sqe, &w->op_wake);
}

static void worker_on_wake(struct queue *none, struct queue_op *op, int res)
{
	struct worker *w = container_of(op, struct worker, op_wake);
	struct queue *q;
	u64 count;

	(void)none;
	(void)res;
	/* Our own eventfd, and non-blocking. */
	if (read(w->wake, &count, sizeof(count)) == sizeof(count)) {
		for (q = w->queue; q; q = q->next)
			queue_again(q);
	}
	worker_wait_wake(w);
}

void worker_wake(struct worker *w)
{
	if (write(w->wake, &worker_one, sizeof(worker_one)) < 0)
		return;
}

/* ---- looking for work -------------------------------------------------------- */

static u64 worker_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* One look. With COOP_TASKRUN what ended may wait for a call before it is seen to have. */
static bool worker_sees(struct worker *w)
{
	struct queue *q;

	if (io_uring_cq_ready(&w->uring) ||
	    __atomic_load_n(w->uring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN)
		return true;
	for (q = w->queue; q; q = q->next) {
		if (queue_sees(q))
			return true;
	}
	return false;
}

static void worker_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Look until @until. Return: true when there is something. */
static bool worker_look(struct worker *w, u64 until)
{
	unsigned int i;

	do {
		for (i = 0; i < WORKER_LOOKS; i++) {
			if (worker_sees(w))
				return true;
			worker_relax();
		}
	} while (worker_now() < until);
	return false;
}

/* Queues that were looked at want kicks again. Return: true when chains came in meanwhile. */
static bool worker_rest(struct worker *w)
{
	struct queue *q;
	bool more = false;

	for (q = w->queue; q; q = q->next)
		more |= queue_rest(q);
	return more;
}

/* Nothing is to be done: wait for something. */
static void worker_wait(struct worker *w)
{
	const u64 bound = (u64)w->dev->sched.poll_us * 1000u;
	u64 began, took;

	if (!bound || w->wedged) {
		worker_turn(w, true);
		return;
	}
	/* What is prepared must not wait with us. */
	if (io_uring_sq_ready(&w->uring)) {
		worker_turn(w, false);
		return;
	}
	began = worker_now();
	if (w->window && worker_look(w, began + w->window)) {
		worker_turn(w, false);
		return;
	}
	if (worker_rest(w))
		return;
	worker_turn(w, true);
	took = worker_now() - began;
	if (took > bound)
		w->window = 0;
	else if (took > w->window)
		w->window = min_t(u64, w->window ? 2 * w->window : WORKER_WINDOW_NS, bound);
}

/* ---- the thread --------------------------------------------------------------- */

/* Take over the queues that have come. */
static void worker_adopt(struct worker *w)
{
	struct queue *q, *next;

	if (!__atomic_load_n(&w->coming, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&w->lock);
	q = w->coming;
	__atomic_store_n(&w->coming, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&w->lock);
	for (; q; q = next) {
		next = q->next;
		q->next = w->queue;
		w->queue = q;
		queue_begin(q);
		if (w->wedged)
			queue_fail(q, "io_uring does not work any more");
	}
}

/* A queue has ended, and is the control thread's again. Return: true when it was the last. */
static bool worker_leave(struct worker *w, struct queue **link)
{
	struct queue *q = *link;
	bool last;

	*link = q->next;
	pthread_mutex_lock(&w->lock);
	last = !--w->queues;
	w->ended = last;
	pthread_mutex_unlock(&w->lock);
	queue_ended(q);
	return last;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct queue **link;
	bool more;

	worker_wait_wake(w);
	for (;;) {
		worker_adopt(w);
		more = false;
		for (link = &w->queue; *link;) {
			switch (queue_step(*link)) {
			case QUEUE_ENDED:
				if (worker_leave(w, link))
					return NULL;
				continue;
			case QUEUE_MORE:
				more = true;
				break;
			case QUEUE_REST:
				break;
			}
			link = &(*link)->next;
		}
		if (more)
			worker_turn(w, false);
		else
			worker_wait(w);
	}
}

/* ---- control thread ------------------------------------------------------------ */

/* What the rings are used for; each is limited to that. */
static const u8 worker_ops[] = {
	IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC,
	IORING_OP_FALLOCATE, IORING_OP_POLL_ADD, IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL,
};

/* Whoever takes the process over may ask a ring for no more (io_uring_register(2)). */
static int worker_limit(struct io_uring *uring)
{
	struct io_uring_restriction limit[ARRAY_SIZE(worker_ops) + 1];
	unsigned int i;
	int r;

	memset(limit, 0, sizeof(limit));
	for (i = 0; i < ARRAY_SIZE(worker_ops); i++) {
		limit[i].opcode = IORING_RESTRICTION_SQE_OP;
		limit[i].sqe_op = worker_ops[i];
	}
	limit[i].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	limit[i].sqe_flags = IOSQE_IO_LINK;
	/* liburing 2.3 declares functions for these, and does not have them. */
	r = (int)syscall(SYS_io_uring_register, uring->ring_fd, IORING_REGISTER_RESTRICTIONS,
			 limit, ARRAY_SIZE(limit));
	if (!r)
		r = (int)syscall(SYS_io_uring_register, uring->ring_fd,
				 IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	return r ? -errno : 0;
}

static int worker_open_uring(struct worker *w)
{
	int r = io_uring_queue_init(WORKER_ENTRIES, &w->uring,
				    IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN |
				    IORING_SETUP_TASKRUN_FLAG);

	if (r == -EINVAL)	/* before Linux 5.19 */
		r = io_uring_queue_init(WORKER_ENTRIES, &w->uring, IORING_SETUP_R_DISABLED);
	if (r)
		return r;
	r = worker_limit(&w->uring);
	if (r)
		io_uring_queue_exit(&w->uring);
	return r;
}

/* Where it may run: what the user said, one processor for each thread, over and over. */
static int worker_place(const struct worker *w, pthread_attr_t *attr)
{
	const struct options_sched *s = &w->dev->sched;
	cpu_set_t set;

	if (!s->cpus)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(s->cpu[w->index % s->cpus], &set);
	return -pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

static int worker_start(struct worker *w)
{
	pthread_attr_t attr;
	int r;

	r = worker_open_uring(w);
	if (r)
		return r;
	w->queue = NULL;
	w->window = 0;
	w->wedged = false;
	w->ended = false;
	r = -pthread_attr_init(&attr);
	if (!r) {
		r = worker_place(w, &attr);
		if (!r)
			r = -pthread_create(&w->thread, &attr, worker_main, w);
		pthread_attr_destroy(&attr);
	}
	if (r)
		io_uring_queue_exit(&w->uring);
	w->running = !r;
	return r;
}

void worker_reap(struct worker *w)
{
	bool ended;

	if (!w->running)
		return;
	pthread_mutex_lock(&w->lock);
	ended = w->ended;
	pthread_mutex_unlock(&w->lock);
	if (!ended)
		return;
	pthread_join(w->thread, NULL);
	io_uring_queue_exit(&w->uring);
	w->running = false;
}

int worker_add(struct worker *w, struct queue *q)
{
	bool lives;
	int r;

	pthread_mutex_lock(&w->lock);
	lives = w->running && !w->ended;
	q->next = w->coming;
	__atomic_store_n(&w->coming, q, __ATOMIC_RELAXED);
	w->queues++;
	pthread_mutex_unlock(&w->lock);
	if (lives) {
		worker_wake(w);
		return 0;
	}
	worker_reap(w);
	r = worker_start(w);
	if (r) {
		w->coming = NULL;
		w->queues = 0;
	}
	return r;
}

struct worker *workers_open(struct device *dev)
{
	struct worker *w = calloc(dev->sched.threads, sizeof(*w));
	u16 i;

	for (i = 0; w && i < dev->sched.threads; i++) {
		w[i].dev = dev;
		w[i].index = i;
		w[i].op_wake.done = worker_on_wake;
		w[i].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (w[i].wake < 0 || pthread_mutex_init(&w[i].lock, NULL)) {
			workers_close(w);
			return NULL;
		}
	}
	return w;
}

void workers_close(struct worker *w)
{
	u16 i;

	/* Those that were not opened have no device. */
	for (i = 0; w && i < w->dev->sched.threads && w[i].dev; i++) {
		if (w[i].wake >= 0)
			close(w[i].wake);
	}
	free(w);
}

int worker_supported(const char **why)
{
	struct io_uring_probe *probe;
	struct io_uring uring;
	unsigned int i;
	int r;

	r = io_uring_queue_init(8, &uring, 0);
	if (r) {
		*why = strerror(-r);
		return r;
	}
	probe = io_uring_get_probe_ring(&uring);
	io_uring_queue_exit(&uring);
	r = probe ? 0 : -ENOSYS;
	for (i = 0; probe && i < ARRAY_SIZE(worker_ops); i++) {
		if (!io_uring_opcode_supported(probe, worker_ops[i]))
			r = -ENOSYS;
	}
	io_uring_free_probe(probe);
	if (r)
		*why = "this kernel's io_uring is too old";
	return r;
}
