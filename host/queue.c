// SPDX-License-Identifier: GPL-2.0
/*
 * A vring of a session and the thread that serves it.
 *
 * Theory
 * ------
 * States, as the control thread sees them:
 *
 *   set up -----queue_start()----> running
 *      ^                              | queue_request_stop()
 *      |                              v
 *      +--------queue_reap()------ draining, then ended: the doorbell rings
 *
 * While a worker runs, everything about the queue but @stop, @enabled and what
 * @call and @err stand for belongs to it; a message that changes anything else
 * waits until the worker has ended (session.c). The worker is one loop around
 * one io_uring: kicks, wake-ups of the control thread and the device's I/O are
 * all operations in it, each with its struct queue_op; one system call a turn
 * submits what was prepared and waits.
 *
 * A ring starts at its first kick. A front-end that resumes a guest does not
 * repeat a kick that an earlier back-end has consumed, so an enabled ring is
 * also looked at once when its worker starts; with nothing new in it that has no
 * effect.
 *
 * Stopping: nothing more is taken from the ring, operations that wait for
 * events are cancelled, I/O is waited for, completions are published. Only when
 * no operation is left does the worker end; then no one else can touch guest
 * memory on its behalf and the regions may go.
 *
 * Calls. A completion that was published may not have been called: there was no
 * fd yet, or the front-end has just replaced it, or an earlier back-end died in
 * between. Nobody can tell, and a call too many is harmless, so each new fd is
 * called once, and so is the one that is there when a worker starts.
 *
 * fds of the front-end are eventfds or pipes (session.c sees to that), blocking or
 * not, and hostile. They are only touched by operations of the io_uring. One that
 * waits is cancelled: it is found among those that wait for an event, or the
 * thread that runs it is interrupted, for eventfds and pipes wait interruptibly.
 * So no fd can hold a worker, and close() of one never waits.
 *
 * #syscalls io_uring_setup io_uring_enter io_uring_register
 * #syscalls eventfd2 dup3 read write close poll ppoll
 */
#include "queue.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUEUE_ENTRIES		512u	/* of an io_uring: covers any device's depth */
#define QUEUE_PAUSE_MS		10	/* before the kernel is asked again when it could not */
#define QUEUE_TICK_NS		200000	/* between looks at a queue that never kicks */

static const u64 queue_one = 1;

/* ---- operations ---------------------------------------------------------- */

static void queue_broken(struct queue *q, const char *reason)
{
	if (q->faulted)
		return;
	q->faulted = true;
	log_peer(&q->dev->limit, LOG_WARN, q->dev->id,
		 "queue %u: %s; the queue is off until it is set up again", q->index, reason);
}

static struct io_uring_sqe *queue_entry(struct queue *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->uring);

	if (sqe)
		return sqe;
	io_uring_submit(&q->uring);
	return io_uring_get_sqe(&q->uring);
}

struct io_uring_sqe *queue_sqe(struct queue *q, struct queue_op *op)
{
	struct io_uring_sqe *sqe = queue_entry(q);

	if (!sqe) {
		ring_dev_break(&q->ring, RING_CALLER);
		queue_broken(q, "io_uring takes no more operations");
		return NULL;
	}
	op->pending = true;
	op->cancelled = false;
	q->pending++;
	return sqe;
}

void queue_submit(struct io_uring_sqe *sqe, struct queue_op *op)
{
	io_uring_sqe_set_data(sqe, op);
}

/* The result of a cancellation is known by the lowest bit of its data. */
void queue_cancel(struct queue *q, struct queue_op *op)
{
	struct io_uring_sqe *sqe;

	if (!op->pending || op->cancelled)
		return;
	sqe = queue_entry(q);
	if (!sqe)
		return;
	op->cancelled = true;
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)op | 1);
	q->pending++;
}

void queue_again(struct queue *q)
{
	q->work = true;
}

/* Take every completion that is there. */
static void queue_reap_ops(struct queue *q)
{
	struct io_uring_cqe *cqe;
	struct queue_op *op;
	uintptr_t data;
	int res;

	while (!io_uring_peek_cqe(&q->uring, &cqe)) {
		data = (uintptr_t)io_uring_cqe_get_data64(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&q->uring, cqe);
		op = (struct queue_op *)(data & ~(uintptr_t)1);
		q->pending--;
		if (data & 1) {
			/*
			 * Not found: between two states, or behind the one it is
			 * linked to. Once more, unless it ended and began again.
			 * One that is found running (-EALREADY) knows now.
			 */
			if (res == -ENOENT && op->cancelled) {
				op->cancelled = false;
				queue_cancel(q, op);
			}
			continue;
		}
		op->pending = false;
		op->done(q, op, res);
	}
}

/* Submit what was prepared; with @wait until something ended. */
static void queue_turn(struct queue *q, bool wait)
{
	int r = io_uring_submit_and_wait(&q->uring, wait ? 1 : 0);

	queue_reap_ops(q);
	if (r >= 0 || r == -EINTR)
		return;
	if (r != -EAGAIN && r != -EBUSY && !q->wedged) {
		ring_dev_break(&q->ring, RING_CALLER);
		queue_broken(q, strerror(-r));
		q->wedged = true;
	}
	/* Nothing tells when it would work: do not spin. */
	poll(NULL, 0, QUEUE_PAUSE_MS);
}

/* ---- events --------------------------------------------------------------- */

static void queue_wait_wake(struct queue *q)
{
	struct io_uring_sqe *sqe = queue_sqe(q, &q->op_wake);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, q->wake, POLLIN);
	queue_submit(sqe, &q->op_wake);
}

static void queue_on_wake(struct queue *q, struct queue_op *op, int res)
{
	u64 count;

	(void)op;
	(void)res;
	if (__atomic_load_n(&q->stop, __ATOMIC_ACQUIRE))
		return;
	/* Our own eventfd, and non-blocking. */
	if (read(q->wake, &count, sizeof(count)) == sizeof(count))
		q->work = true;
	queue_wait_wake(q);
}

/* A kick: wait until there is one, then take it; the pair is linked. */
static void queue_wait_kick(struct queue *q)
{
	struct io_uring_sqe *sqe;

	if (q->kick < 0)
		return;
	/* Both in one batch, or the link would be cut. */
	if (io_uring_sq_space_left(&q->uring) < 2)
		io_uring_submit(&q->uring);
	sqe = queue_sqe(q, &q->op_kick);
	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, q->kick, POLLIN);
	io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
	queue_submit(sqe, &q->op_kick);
	sqe = queue_sqe(q, &q->op_read);
	if (!sqe)
		return;
	io_uring_prep_read(sqe, q->kick, &q->count, sizeof(q->count), (u64)-1);
	queue_submit(sqe, &q->op_read);
}

static void queue_on_kick(struct queue *q, struct queue_op *op, int res)
{
	(void)op;
	if (res > 0)
		q->work = true;
	else if (res < 0 && res != -ECANCELED)
		queue_broken(q, "the kick file descriptor cannot be waited for");
}

static void queue_on_read(struct queue *q, struct queue_op *op, int res)
{
	(void)op;
	if (res == -ECANCELED || __atomic_load_n(&q->stop, __ATOMIC_ACQUIRE))
		return;
	/* Waiting again on an fd that fails, or is at its end, would only spin. */
	if (res <= 0 && res != -EAGAIN && res != -EINTR) {
		queue_broken(q, "the kick file descriptor cannot be read");
		return;
	}
	q->work = true;
	queue_wait_kick(q);
}

static void queue_wait_tick(struct queue *q)
{
	struct io_uring_sqe *sqe;

	if (!q->polled)
		return;
	sqe = queue_sqe(q, &q->op_tick);
	if (!sqe)
		return;
	q->tick.tv_nsec = QUEUE_TICK_NS;
	io_uring_prep_timeout(sqe, &q->tick, 0, 0);
	queue_submit(sqe, &q->op_tick);
}

static void queue_on_tick(struct queue *q, struct queue_op *op, int res)
{
	(void)op;
	if (res == -ECANCELED || __atomic_load_n(&q->stop, __ATOMIC_ACQUIRE))
		return;
	q->work = true;
	queue_wait_tick(q);
}

/* Signal an fd of the front-end. */
static void queue_signal(struct queue *q, int fd, struct queue_op *op)
{
	struct io_uring_sqe *sqe = queue_sqe(q, op);

	if (!sqe)
		return;
	io_uring_prep_write(sqe, fd, &queue_one, sizeof(queue_one), (u64)-1);
	queue_submit(sqe, op);
}

/* Publish completions and call the driver when it wants that, or is to be. */
static void queue_flush(struct queue *q)
{
	bool renewed = __atomic_exchange_n(&q->renewed, false, __ATOMIC_ACQUIRE);

	if (!ring_dev_flush(&q->ring) && !renewed)
		return;
	if (!q->op_call.pending) {
		queue_signal(q, q->call, &q->op_call);
		return;
	}
	/* An earlier call that is stuck may come too early for this one. */
	q->recall = true;
	/* And it may be stuck at an fd that nobody cares for any more. */
	if (renewed)
		queue_cancel(q, &q->op_call);
}

static void queue_on_call(struct queue *q, struct queue_op *op, int res)
{
	bool again = q->recall;

	(void)res;
	q->recall = false;
	if (again)
		queue_signal(q, q->call, op);
}

static void queue_on_err(struct queue *q, struct queue_op *op, int res)
{
	(void)q;
	(void)op;
	(void)res;
}

static void queue_ring_doorbell(struct queue *q)
{
	/* Ours and non-blocking; full means that it rings already. */
	if (write(q->doorbell, &queue_one, sizeof(queue_one)) < 0)
		return;
}

/* ---- worker --------------------------------------------------------------- */

/* Serve what is in the ring. Return: true to come back at once. */
static bool queue_serve(struct queue *q)
{
	enum device_served served;
	unsigned int round;

	for (round = 0; round < 4; round++) {
		ring_dev_disarm(&q->ring);
		served = q->dev->ops->serve(q);
		if (served == DEVICE_MORE)
			return true;
		if (served == DEVICE_BLOCKED || !ring_dev_arm(&q->ring))
			return false;
	}
	return true;
}

/* Has the queue broken, or its memory gone? Said once. */
static void queue_check(struct queue *q)
{
	/* Whatever else is wrong, this one ends the session. */
	if (unlikely(memory_faulted(q->memory) || inflight_faulted(q->inflight)) &&
	    !q->truncated) {
		q->truncated = true;
		ring_dev_break(&q->ring, RING_CALLER);
		queue_broken(q, "guest memory was taken away");
		queue_ring_doorbell(q);
	} else if (!q->faulted && unlikely(ring_dev_fault(&q->ring) != RING_OK)) {
		queue_broken(q, ring_fault_name(ring_dev_fault(&q->ring)));
		queue_signal(q, q->err, &q->op_err);
	}
}

static void queue_drain(struct queue *q)
{
	queue_cancel(q, &q->op_wake);
	queue_cancel(q, &q->op_kick);
	queue_cancel(q, &q->op_read);
	queue_cancel(q, &q->op_tick);
	queue_cancel(q, &q->op_err);
	q->dev->ops->stop(q);
	for (;;) {
		queue_flush(q);
		if (!q->pending)
			break;
		queue_turn(q, true);
		/* Nothing else is left: nobody listens to that call. */
		if (q->op_call.pending && q->pending == 1) {
			q->recall = false;
			queue_cancel(q, &q->op_call);
		}
	}
}

/* Without an io_uring that works: wait to be stopped. */
static void queue_wait_stop(struct queue *q)
{
	struct pollfd wake = { .fd = q->wake, .events = POLLIN };
	u64 count;

	while (!__atomic_load_n(&q->stop, __ATOMIC_ACQUIRE)) {
		poll(&wake, 1, -1);
		/* Our own eventfd, and non-blocking. */
		if (read(q->wake, &count, sizeof(count)) < 0)
			continue;
	}
}

static void *queue_worker(void *arg)
{
	struct queue *q = arg;

	queue_wait_wake(q);
	queue_wait_kick(q);
	queue_wait_tick(q);
	q->work = true;
	while (!q->wedged && !__atomic_load_n(&q->stop, __ATOMIC_ACQUIRE)) {
		if (q->work && !q->faulted) {
			q->work = false;
			if (queue_serve(q))
				q->work = true;
		}
		queue_flush(q);
		queue_check(q);
		queue_turn(q, !q->work || q->faulted);
	}
	queue_wait_stop(q);
	queue_drain(q);
	__atomic_store_n(&q->ended, true, __ATOMIC_RELEASE);
	queue_ring_doorbell(q);
	return NULL;
}

/* ---- control thread ------------------------------------------------------- */

static int queue_nobody(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int queue_open(struct queue *q, struct device *dev, u16 index, int doorbell)
{
	memset(q, 0, sizeof(*q));
	q->dev = dev;
	q->index = index;
	q->doorbell = doorbell;
	q->kick = -1;
	q->op_wake.done = queue_on_wake;
	q->op_kick.done = queue_on_kick;
	q->op_read.done = queue_on_read;
	q->op_tick.done = queue_on_tick;
	q->op_call.done = queue_on_call;
	q->op_err.done = queue_on_err;
	q->wake = queue_nobody();
	q->call = queue_nobody();
	q->err = queue_nobody();
	if (q->wake < 0 || q->call < 0 || q->err < 0)
		return -errno;
	return 0;
}

void queue_close(struct queue *q)
{
	if (!q->dev)
		return;
	queue_set_kick(q, -1);
	if (q->wake >= 0)
		close(q->wake);
	if (q->call >= 0)
		close(q->call);
	if (q->err >= 0)
		close(q->err);
	q->dev = NULL;
}

void queue_reset(struct queue *q)
{
	q->num = 0;
	q->base = 0;
	q->based = false;
	q->addressed = false;
	q->polled = false;
	q->wanted = false;
	q->homeless = false;
	queue_set_kick(q, -1);
	queue_set_enabled(q, false);
}

void queue_set_kick(struct queue *q, int fd)
{
	if (q->kick >= 0)
		close(q->kick);
	q->kick = fd;
}

/*
 * Let the number @at stand for what @fd stands for; @fd is taken. What @at stood
 * for is an event, like @fd: dropping it never waits.
 */
static int queue_replace(int at, int fd)
{
	int r;

	if (fd < 0)
		fd = queue_nobody();
	if (fd < 0)
		return -errno;
	r = dup3(fd, at, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static void queue_wake(struct queue *q)
{
	if (write(q->wake, &queue_one, sizeof(queue_one)) < 0)
		return;
}

int queue_set_call(struct queue *q, int fd)
{
	int r = queue_replace(q->call, fd);

	if (r || fd < 0)
		return r;
	__atomic_store_n(&q->renewed, true, __ATOMIC_RELEASE);
	queue_wake(q);
	return 0;
}

int queue_set_err(struct queue *q, int fd)
{
	return queue_replace(q->err, fd);
}

void queue_set_enabled(struct queue *q, bool enabled)
{
	__atomic_store_n(&q->enabled, enabled, __ATOMIC_RELEASE);
	queue_wake(q);
}

bool queue_enabled(const struct queue *q)
{
	/* Without protocol features a ring has no such state: it is enabled. */
	return !(q->features & BIT_ULL(MESSAGE_VIRTIO_F_PROTOCOL)) ||
	       __atomic_load_n(&q->enabled, __ATOMIC_ACQUIRE);
}

static void __shared *queue_area(struct queue *q, u64 addr, size_t bytes, u64 align)
{
	if (addr & (align - 1))
		return NULL;
	return memory_map_user(q->memory, addr, bytes);
}

/*
 * Log what is in flight, and go on with what the log has of an earlier daemon. The log
 * comes from the front-end: one that cannot be is a lie like any other.
 */
static int queue_start_log(struct queue *q)
{
	void __shared *part;
	int n;

	if (inflight_part(q->inflight, q->index, q->num, q->features, &part)) {
		queue_broken(q, "the ring is larger than its part of the in-flight log");
		return -EINVAL;
	}
	if (!part)
		return 0;
	q->log_priv = malloc(ring_log_private_bytes(q->num));
	if (!q->log_priv)
		return -ENOMEM;
	n = ring_dev_log(&q->ring, &q->log, part, q->log_priv);
	if (n < 0)
		queue_broken(q, "the in-flight log cannot be: it is of another ring, or was changed");
	if (n > 0)
		log_peer(&q->dev->limit, LOG_INFO, q->dev->id,
			 "queue %u: %d requests of an earlier daemon are served again", q->index, n);
	return n < 0 ? n : 0;
}

/* Find the ring and begin its device half. */
static int queue_start_ring(struct queue *q)
{
	const struct ring_dev_limits *limits = q->dev->ops->limits;
	struct ring_dev_limits l = *limits;
	struct ring_areas a;
	int r;

	if (!(q->features & BIT_ULL(VIRTIO_F_VERSION_1))) {
		queue_broken(q, "the driver did not accept VIRTIO_F_VERSION_1 (a legacy driver?)");
		return -EINVAL;
	}
	if (!ring_size_ok(q->num, q->features)) {
		queue_broken(q, "the size of the ring cannot be");
		return -EINVAL;
	}
	memset(&a, 0, sizeof(a));
	a.desc = queue_area(q, q->addr.desc, ring_desc_bytes(q->num), 16);
	a.driver = queue_area(q, q->addr.avail, ring_driver_bytes(q->num, q->features),
			      q->features & BIT_ULL(VIRTIO_F_RING_PACKED) ? 4 : 2);
	a.device = queue_area(q, q->addr.used, ring_device_bytes(q->num, q->features), 4);
	q->homeless = !a.desc || !a.driver || !a.device;
	if (q->homeless) {
		queue_broken(q, "the ring is in no region of the memory that is shared");
		return -EINVAL;
	}
	l.map = memory_map;
	l.ctx = q->memory;
	q->ring_priv = malloc(ring_dev_private_bytes(q->num));
	if (!q->ring_priv)
		return -ENOMEM;
	q->base = queue_base(q, q->features);
	r = ring_dev_init(&q->ring, &a, q->num, q->features, q->base, &l, q->ring_priv);
	if (r) {
		queue_broken(q, "the ring cannot go on from the base that was set");
		return r;
	}
	return queue_start_log(q);
}

static void queue_free_ring(struct queue *q)
{
	free(q->ring_priv);
	free(q->log_priv);
	q->ring_priv = NULL;
	q->log_priv = NULL;
}

/* What the rings of queues are used for; each is limited to that. */
static const u8 queue_ops[] = {
	IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC,
	IORING_OP_FALLOCATE, IORING_OP_POLL_ADD, IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL,
};

/* Whoever takes the process over may ask a ring for no more (io_uring_register(2)). */
static int queue_limit(struct io_uring *uring)
{
	struct io_uring_restriction limit[ARRAY_SIZE(queue_ops) + 1];
	unsigned int i;
	int r;

	memset(limit, 0, sizeof(limit));
	for (i = 0; i < ARRAY_SIZE(queue_ops); i++) {
		limit[i].opcode = IORING_RESTRICTION_SQE_OP;
		limit[i].sqe_op = queue_ops[i];
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

static int queue_start_uring(struct queue *q)
{
	int r = io_uring_queue_init(QUEUE_ENTRIES, &q->uring,
				    IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN);

	if (r == -EINVAL)	/* before Linux 5.19 */
		r = io_uring_queue_init(QUEUE_ENTRIES, &q->uring, IORING_SETUP_R_DISABLED);
	if (r)
		return r;
	r = queue_limit(&q->uring);
	if (r)
		io_uring_queue_exit(&q->uring);
	return r;
}

static void queue_start_failed(struct queue *q, int r)
{
	if (r)
		log_peer(&q->dev->limit, LOG_WARN, q->dev->id, "queue %u: cannot start: %s",
			 q->index, strerror(-r));
	queue_free_ring(q);
}

void queue_start(struct queue *q, u64 features, struct memory *memory, struct inflight *inflight)
{
	u64 count;
	int r;

	if (!q->wanted || !q->num || !q->addressed || !memory || (q->kick < 0 && !q->polled))
		return;
	q->wanted = false;
	q->features = features;
	q->memory = memory;
	q->inflight = inflight;
	q->faulted = false;
	q->truncated = false;
	q->wedged = false;
	q->recall = false;
	q->renewed = true;
	q->pending = 0;
	__atomic_store_n(&q->stop, false, __ATOMIC_RELAXED);
	__atomic_store_n(&q->ended, false, __ATOMIC_RELAXED);
	/* An old wake-up is harmless, but need not be. */
	if (read(q->wake, &count, sizeof(count)) > 0)
		count = 0;

	r = queue_start_ring(q);
	if (r) {
		queue_start_failed(q, q->faulted ? 0 : r);
		return;
	}
	r = queue_start_uring(q);
	if (r) {
		queue_start_failed(q, r);
		return;
	}
	r = q->dev->ops->start(q);
	if (r)
		goto exit_uring;
	r = -pthread_create(&q->thread, NULL, queue_worker, q);
	if (r)
		goto finish;
	q->running = true;
	log_debug(q->dev->id, "queue %u: started, %u descriptors from %u", q->index, q->num,
		  q->base);
	return;

finish:
	q->dev->ops->finish(q);
exit_uring:
	io_uring_queue_exit(&q->uring);
	queue_start_failed(q, r);
}

void queue_request_stop(struct queue *q)
{
	if (!q->running)
		return;
	__atomic_store_n(&q->stop, true, __ATOMIC_RELEASE);
	queue_wake(q);
}

bool queue_reap(struct queue *q)
{
	if (!q->running)
		return true;
	if (!__atomic_load_n(&q->ended, __ATOMIC_ACQUIRE))
		return false;
	pthread_join(q->thread, NULL);
	q->running = false;
	q->dev->ops->finish(q);
	q->base = ring_dev_base(&q->ring);
	q->based = true;
	io_uring_queue_exit(&q->uring);
	queue_free_ring(q);
	q->memory = NULL;
	q->inflight = NULL;
	log_debug(q->dev->id, "queue %u: stopped at %u", q->index, q->base);
	return true;
}

int queue_supported(const char **why)
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
	for (i = 0; probe && i < ARRAY_SIZE(queue_ops); i++) {
		if (!io_uring_opcode_supported(probe, queue_ops[i]))
			r = -ENOSYS;
	}
	io_uring_free_probe(probe);
	if (r)
		*why = "this kernel's io_uring is too old";
	return r;
}
