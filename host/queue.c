// SPDX-License-Identifier: GPL-2.0
/*
 * A vring of a session.
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
 * While it runs, everything about the queue but @stop, @enabled and what @call and
 * @err stand for belongs to its worker (worker.c); a message that changes anything else
 * waits until the queue has ended (session.c). Kicks, calls and the device's I/O
 * are all operations in the worker's io_uring, each with its struct queue_op.
 *
 * A ring starts at its first kick. A front-end that resumes a guest does not
 * repeat a kick that an earlier back-end has consumed, so an enabled ring is
 * also looked at once when it starts; with nothing new in it that has no effect.
 *
 * Stopping: nothing more is taken from the ring, operations that wait for
 * events are cancelled, I/O is waited for, completions are published. Only when
 * no operation is left has it ended; then no one else can touch guest memory on
 * its behalf and the regions may go.
 *
 * Calls. A completion that was published may not have been called: there was no
 * fd yet, or the front-end has just replaced it, or an earlier back-end died in
 * between. Nobody can tell, and a call too many is harmless, so each new fd is
 * called once, and so is the one that is there when a queue starts.
 *
 * fds of the front-end are eventfds or pipes (session.c sees to that), blocking or
 * not, and hostile. They are only touched by operations of the io_uring. One that
 * waits is cancelled: it is found among those that wait for an event, or the
 * thread that runs it is interrupted, for eventfds and pipes wait interruptibly.
 * So no fd can hold a worker, and close() of one never waits.
 *
 * #syscalls eventfd2 dup3 write close
 */
#include "queue.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

void queue_fail(struct queue *q, const char *reason)
{
	ring_dev_break(&q->ring, RING_CALLER);
	queue_broken(q, reason);
}

struct io_uring_sqe *queue_sqe(struct queue *q, struct queue_op *op)
{
	struct io_uring_sqe *sqe = worker_sqe(q->worker, q, op);

	if (!sqe)
		queue_fail(q, "io_uring takes no more operations");
	return sqe;
}

void queue_submit(struct io_uring_sqe *sqe, struct queue_op *op)
{
	io_uring_sqe_set_data(sqe, op);
}

void queue_cancel(struct queue *q, struct queue_op *op)
{
	worker_cancel(q->worker, op);
}

void queue_again(struct queue *q)
{
	q->work = true;
}

/* ---- events --------------------------------------------------------------- */

/* A kick: wait until there is one, then take it; the pair is linked. */
static void queue_wait_kick(struct queue *q)
{
	struct io_uring_sqe *sqe;

	if (q->kick < 0)
		return;
	/* Both in one batch, or the link would be cut. */
	worker_reserve(q->worker, 2);
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

static void queue_ring_doorbell(int doorbell)
{
	/* Ours and non-blocking; full means that it rings already. */
	if (write(doorbell, &queue_one, sizeof(queue_one)) < 0)
		return;
}

void queue_renew_config(struct queue *q)
{
	__atomic_store_n(&q->dev->renewed, true, __ATOMIC_RELEASE);
	queue_ring_doorbell(q->doorbell);
}

/* ---- a turn --------------------------------------------------------------- */

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
		if (served == DEVICE_BLOCKED)
			return false;
		/* A worker that looks before it sleeps asks for kicks when it does sleep. */
		if (q->dev->sched.poll_us) {
			q->unarmed = true;
			return false;
		}
		if (!ring_dev_arm(&q->ring))
			return false;
	}
	return true;
}

bool queue_sees(struct queue *q)
{
	if (!q->unarmed || q->faulted || !ring_dev_pending(&q->ring))
		return false;
	q->work = true;
	return true;
}

bool queue_rest(struct queue *q)
{
	if (!q->unarmed)
		return false;
	q->unarmed = false;
	if (q->faulted || !ring_dev_arm(&q->ring))
		return false;
	q->work = true;
	return true;
}

/* Has the queue broken, or its memory gone? Said once. */
static void queue_check(struct queue *q)
{
	/* Whatever else is wrong, this one ends the session. */
	if (unlikely(memory_faulted(q->memory) || inflight_faulted(q->inflight) ||
		     dirty_faulted(q->dirty.log)) && !q->truncated) {
		q->truncated = true;
		queue_fail(q, "guest memory was taken away");
		queue_ring_doorbell(q->doorbell);
	} else if (!q->faulted && unlikely(ring_dev_fault(&q->ring) != RING_OK)) {
		queue_broken(q, ring_fault_name(ring_dev_fault(&q->ring)));
		queue_signal(q, q->err, &q->op_err);
	}
}

/* A turn of a queue that is to stop. Return: true when it has. */
static bool queue_drain(struct queue *q)
{
	if (!q->draining) {
		q->draining = true;
		queue_cancel(q, &q->op_kick);
		queue_cancel(q, &q->op_read);
		queue_cancel(q, &q->op_tick);
		queue_cancel(q, &q->op_err);
		q->dev->ops->stop(q);
	} else if (q->op_call.pending && q->pending == 1) {
		/* Nothing else is left: nobody listens to that call. */
		q->recall = false;
		queue_cancel(q, &q->op_call);
	}
	queue_flush(q);
	return !q->pending;
}

void queue_begin(struct queue *q)
{
	queue_wait_kick(q);
	queue_wait_tick(q);
	if (q->dev->ops->begin)
		q->dev->ops->begin(q);
	q->work = true;
}

enum queue_stepped queue_step(struct queue *q)
{
	if (unlikely(__atomic_load_n(&q->stop, __ATOMIC_ACQUIRE)))
		return queue_drain(q) ? QUEUE_ENDED : QUEUE_REST;
	if (q->work && !q->faulted) {
		q->unarmed = false;
		q->work = queue_serve(q);
	}
	queue_flush(q);
	queue_check(q);
	return q->work && !q->faulted ? QUEUE_MORE : QUEUE_REST;
}

void queue_ended(struct queue *q)
{
	int doorbell = q->doorbell;

	__atomic_store_n(&q->ended, true, __ATOMIC_RELEASE);
	queue_ring_doorbell(doorbell);
}

/* ---- control thread ------------------------------------------------------- */

static int queue_nobody(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int queue_open(struct queue *q, struct worker *worker, u16 index, int doorbell)
{
	memset(q, 0, sizeof(*q));
	q->dev = worker->dev;
	q->worker = worker;
	q->index = index;
	q->doorbell = doorbell;
	q->kick = -1;
	q->op_kick.done = queue_on_kick;
	q->op_read.done = queue_on_read;
	q->op_tick.done = queue_on_tick;
	q->op_call.done = queue_on_call;
	q->op_err.done = queue_on_err;
	q->call = queue_nobody();
	q->err = queue_nobody();
	if (q->call < 0 || q->err < 0)
		return -errno;
	return 0;
}

void queue_close(struct queue *q)
{
	if (!q->dev)
		return;
	queue_set_kick(q, -1);
	if (q->call >= 0)
		close(q->call);
	if (q->err >= 0)
		close(q->err);
	q->dev = NULL;
}

void queue_reset(struct queue *q)
{
	q->num = 0;
	q->leaves |= q->based;
	if (q->based)
		q->left = q->base;
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

int queue_set_call(struct queue *q, int fd)
{
	int r = queue_replace(q->call, fd);

	if (r || fd < 0)
		return r;
	__atomic_store_n(&q->renewed, true, __ATOMIC_RELEASE);
	worker_wake(q->worker);
	return 0;
}

int queue_set_err(struct queue *q, int fd)
{
	return queue_replace(q->err, fd);
}

void queue_set_enabled(struct queue *q, bool enabled)
{
	__atomic_store_n(&q->enabled, enabled, __ATOMIC_RELEASE);
	worker_wake(q->worker);
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
			 "queue %u: %d requests that were left in flight are served again", q->index, n);
	return n < 0 ? n : 0;
}

/* What is to be told of writes to guest memory. */
static int queue_start_dirty(struct queue *q, const struct ring_areas *a, struct ring_dev_limits *l)
{
	struct dirty_marker *d = &q->dirty;

	if (!d->log)
		return 0;
	d->memory = q->memory;
	d->used_bytes = 0;
	if (q->addr.flags & MESSAGE_ADDR_LOG && memory_guest(q->memory, a->device, &d->used)) {
		d->used_bytes = ring_device_bytes(q->num, q->features);
		d->used_log = q->addr.log;
	}
	l->dirty = dirty_wrote_ring;
	l->dirty_ctx = d;
	q->homeless = !dirty_covers(d->log, 0, memory_end(q->memory)) ||
		      !dirty_covers(d->log, d->used_log, d->used_bytes);
	if (!q->homeless)
		return 0;
	queue_broken(q, "the log of written pages has no bits for all of the memory");
	return -EINVAL;
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
	r = queue_start_dirty(q, &a, &l);
	if (r)
		return r;
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

static void queue_start_failed(struct queue *q, int r)
{
	if (r)
		log_peer(&q->dev->limit, LOG_WARN, q->dev->id, "queue %u: cannot start: %s",
			 q->index, strerror(-r));
	queue_free_ring(q);
}

void queue_start(struct queue *q, u64 features, struct memory *memory, struct inflight *inflight,
		 struct dirty *dirty)
{
	int r;

	if (!q->wanted || !q->num || !q->addressed || !memory || (q->kick < 0 && !q->polled))
		return;
	q->wanted = false;
	q->later = false;
	q->leaves = false;
	q->features = features;
	q->memory = memory;
	q->inflight = inflight;
	q->dirty.log = dirty;
	q->faulted = false;
	q->truncated = false;
	q->draining = false;
	q->unarmed = false;
	q->recall = false;
	q->renewed = true;
	q->pending = 0;
	__atomic_store_n(&q->stop, false, __ATOMIC_RELAXED);
	__atomic_store_n(&q->ended, false, __ATOMIC_RELAXED);
	r = queue_start_ring(q);
	if (r) {
		queue_start_failed(q, q->faulted ? 0 : r);
		return;
	}
	r = q->dev->ops->start(q);
	if (r) {
		q->later = r == -EAGAIN;
		q->wanted = q->later;
		queue_start_failed(q, r == -EAGAIN || r == -EBUSY ? 0 : r);
		return;
	}
	r = worker_add(q->worker, q);
	if (r) {
		q->dev->ops->finish(q);
		queue_start_failed(q, r);
		return;
	}
	q->running = true;
	log_debug(q->dev->id, "queue %u: started, %u descriptors from %u", q->index, q->num,
		  q->base);
}

void queue_request_stop(struct queue *q)
{
	if (!q->running)
		return;
	__atomic_store_n(&q->stop, true, __ATOMIC_RELEASE);
	worker_wake(q->worker);
}

bool queue_reap(struct queue *q)
{
	if (!q->running)
		return true;
	if (!__atomic_load_n(&q->ended, __ATOMIC_ACQUIRE))
		return false;
	worker_reap(q->worker);
	q->running = false;
	q->dev->ops->finish(q);
	q->base = ring_dev_base(&q->ring);
	q->based = true;
	queue_free_ring(q);
	q->memory = NULL;
	q->inflight = NULL;
	q->dirty.log = NULL;
	log_debug(q->dev->id, "queue %u: stopped at %u", q->index, q->base);
	return true;
}
