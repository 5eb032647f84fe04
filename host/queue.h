/* SPDX-License-Identifier: GPL-2.0 */
/* A vring of a session. */
#ifndef HOST_QUEUE_H
#define HOST_QUEUE_H

#include "device.h"
#include "dirty.h"
#include "inflight.h"
#include "memory.h"
#include "message.h"
#include "worker.h"
#include "../ring/log.h"

struct queue;

/**
 * struct queue - a vring
 * @dev: the device
 * @index: of the vring
 * @worker: of the session, which serves it
 * @doorbell: eventfd of the session: rung when the queue ended or memory faulted
 *
 * Set-up; control thread, only while the queue does not run:
 * @num: descriptors, 0 until told
 * @base: where the ring goes on, as ring_dev_base() says it
 * @based: @base was set: by the front-end, or when the ring stopped
 * @left: where the ring was when the device was reset, and
 * @leaves: nobody has asked for it since, nor set another @base
 * @addr: addresses of the areas in the front-end
 * @addressed: they were told
 * @kick: fd that the driver kicks, or -1
 * @polled: the driver does not kick: look by the clock
 * @wanted: to be started as soon as it is set up
 * @later: what it needs is not free, but may be in a moment; it is still @wanted
 * @homeless: its ring is in no region, or memory is beyond its log; another may come
 * @features: negotiated, at start
 * @memory: the session's, at start
 * @inflight: likewise: where chains in flight are logged, or NULL
 * @dirty: likewise: marks what is written to guest memory, when that is logged
 *
 * Between the two threads:
 * @stop: the queue is to end (atomic); the worker is woken, as for all of these
 * @enabled: SET_VRING_ENABLE (atomic)
 * @ended: it has, and is the control thread's again (atomic)
 * @renewed: @call stands for something new, which has to be called (atomic)
 * @call: fd that calls the driver, or one nobody listens to; the number never
 *	changes while the queue exists, what it stands for does, atomically
 * @err: likewise, for a queue that broke
 *
 * Worker, from start to end:
 * @running: the worker has it (control thread's view)
 * @next: of the worker's queues
 * @ring: device half of the vring
 * @ring_priv: its private memory
 * @log: its in-flight log, when there is one
 * @log_priv: private memory of that
 * @priv: the device type's
 * @pending: operations that were submitted and have not ended
 * @work: there may be something to serve
 * @faulted: the vring broke and that was said
 * @truncated: memory was lost and that was said
 * @draining: nothing more is taken from the ring; what is pending is waited for
 * @unarmed: it was served to its end, and kicks were not asked for again
 * @recall: a call came due while one was on its way
 * @count: where kicks are read to
 * @tick: until the next look at a queue that is not kicked
 * @op_kick: wait for @kick
 * @op_read: take a kick; linked to @op_kick
 * @op_tick: wait for @tick
 * @op_call: signal @call
 * @op_err: signal @err
 */
struct queue {
	struct device *dev;
	u16 index;
	struct worker *worker;
	int doorbell;

	u32 num;
	u32 base;
	bool based;
	u32 left;
	bool leaves;
	struct message_addr addr;
	bool addressed;
	int kick;
	bool polled;
	bool wanted;
	bool later;
	bool homeless;
	u64 features;
	struct memory *memory;
	struct inflight *inflight;
	struct dirty_marker dirty;

	bool stop;
	bool enabled;
	bool ended;
	bool renewed;
	int call;
	int err;

	bool running;
	struct queue *next;
	struct ring_dev ring;
	void *ring_priv;
	struct ring_log log;
	void *log_priv;
	void *priv;
	u32 pending;
	bool work;
	bool faulted;
	bool truncated;
	bool draining;
	bool unarmed;
	bool recall;
	u64 count;
	struct __kernel_timespec tick;
	struct queue_op op_kick;
	struct queue_op op_read;
	struct queue_op op_tick;
	struct queue_op op_call;
	struct queue_op op_err;
};

/* Where the ring goes on; a queue that was never used begins where the features say. */
static inline u32 queue_base(const struct queue *q, u64 features)
{
	return q->based ? q->base : ring_base_new(features);
}

/**
 * queue_leave_base() - the answer to GET_VRING_BASE
 * @q: the queue, not running
 * @features: negotiated
 *
 * QEMU before 8.1 resets a device (SET_STATUS) and asks then: it is told where the ring was, once.
 *
 * Return: as ring_dev_base().
 */
static inline u32 queue_leave_base(struct queue *q, u64 features)
{
	const u32 base = q->leaves ? q->left : queue_base(q, features);

	q->leaves = false;
	return base;
}

/**
 * queue_open() - make a queue, stopped and not set up
 * @q: the queue
 * @worker: what is to serve it; the device is that one's
 * @index: of the vring
 * @doorbell: see struct queue
 *
 * Return: 0 or -errno; queue_close() is harmless in any case.
 */
int queue_open(struct queue *q, struct worker *worker, u16 index, int doorbell);

/**
 * queue_close() - free a queue
 * @q: the queue, not running
 */
void queue_close(struct queue *q);

/**
 * queue_reset() - forget the set-up, but not what calls the driver
 * @q: the queue, not running
 */
void queue_reset(struct queue *q);

/**
 * queue_set_kick() - what the driver kicks
 * @q: the queue, not running
 * @fd: an event (closer_is_event()), taken; -1: nothing, look by the clock
 */
void queue_set_kick(struct queue *q, int fd);

/**
 * queue_set_call() - what calls the driver; the queue may run
 * @q: the queue
 * @fd: an event (closer_is_event()), taken; -1: nothing
 *
 * It is called once, as soon as the queue runs, for what its predecessor may have
 * missed.
 *
 * Return: 0 or -errno.
 */
int queue_set_call(struct queue *q, int fd);

/**
 * queue_set_err() - what says that the queue broke; the queue may run
 * @q: the queue
 * @fd: an event (closer_is_event()), taken; -1: nothing
 *
 * Return: 0 or -errno.
 */
int queue_set_err(struct queue *q, int fd);

/**
 * queue_set_enabled() - SET_VRING_ENABLE; the queue may run
 * @q: the queue
 * @enabled: serve it
 */
void queue_set_enabled(struct queue *q, bool enabled);

/**
 * queue_enabled() - may the device serve the queue? Any thread.
 * @q: the queue
 *
 * Return: true when it may.
 */
bool queue_enabled(const struct queue *q);

/**
 * queue_start() - give the queue to its worker when it is wanted and set up
 * @q: the queue, not running
 * @features: negotiated
 * @memory: regions; must outlive its run; NULL: not yet
 * @inflight: where chains in flight are logged; must outlive its run; NULL: nowhere
 * @dirty: where writes to guest memory are logged; likewise
 *
 * A queue that cannot be (no ring at that address) is said and left off until
 * it is wanted again; one with @later set is to be started again in a moment. Control thread.
 */
void queue_start(struct queue *q, u64 features, struct memory *memory, struct inflight *inflight,
		 struct dirty *dirty);

/**
 * queue_request_stop() - have the queue drain and end
 * @q: the queue; harmless when it does not run
 *
 * The doorbell rings when it ended. Control thread.
 */
void queue_request_stop(struct queue *q);

/**
 * queue_reap() - take a queue back that ended
 * @q: the queue
 *
 * Return: true when the queue does not run (any more). Control thread.
 */
bool queue_reap(struct queue *q);

/* ---- for the device types, in the worker --------------------------------- */

/**
 * queue_sqe() - get an entry for an operation
 * @q: the queue
 * @op: the operation, not pending; pending from here on
 *
 * The caller prepares the entry with an io_uring_prep function and then calls
 * queue_submit().
 *
 * Return: the entry, or NULL when the kernel takes no more (the queue is broken
 * then, and that was said).
 */
struct io_uring_sqe *queue_sqe(struct queue *q, struct queue_op *op);

/**
 * queue_submit() - finish an entry; goes to the kernel with the next batch
 * @sqe: a prepared entry
 * @op: its operation
 */
void queue_submit(struct io_uring_sqe *sqe, struct queue_op *op);

/**
 * queue_cancel() - end an operation that waits
 * @q: the queue
 * @op: the operation; harmless when it is not pending
 */
void queue_cancel(struct queue *q, struct queue_op *op);

/**
 * queue_again() - there is something to serve again
 * @q: the queue
 */
void queue_again(struct queue *q);

/**
 * queue_is_logged() - are chains in flight in a log that outlives the queue?
 * @q: the queue
 *
 * Return: true: what is popped and not pushed when the queue stops is served again.
 */
static inline bool queue_is_logged(const struct queue *q)
{
	return q->log_priv;
}

/**
 * queue_renew_config() - the device's configuration changed: have the front-end told
 * @q: a queue of the device
 */
void queue_renew_config(struct queue *q);

/* ---- for its worker --------------------------------------------------------- */

/**
 * enum queue_stepped - how far a queue came in its turn
 * @QUEUE_REST: there is nothing to do
 * @QUEUE_MORE: there is; come back at once
 * @QUEUE_ENDED: it was to stop, and has: see queue_ended()
 */
enum queue_stepped {
	QUEUE_REST,
	QUEUE_MORE,
	QUEUE_ENDED,
};

/**
 * queue_begin() - wait for what can happen to the queue
 * @q: the queue, which the worker has just been given
 */
void queue_begin(struct queue *q);

/**
 * queue_step() - serve what is there, once
 * @q: the queue
 *
 * Return: what is to follow.
 */
enum queue_stepped queue_step(struct queue *q);

/**
 * queue_sees() - look whether chains have come, for a worker that does not sleep yet
 * @q: the queue
 *
 * Return: true when some have and can be served.
 */
bool queue_sees(struct queue *q);

/**
 * queue_rest() - ask for kicks, where that was put off
 * @q: the queue
 *
 * Return: true when chains came in meanwhile.
 */
bool queue_rest(struct queue *q);

/**
 * queue_fail() - the queue cannot be served any more
 * @q: the queue
 * @reason: why, in words
 */
void queue_fail(struct queue *q, const char *reason);

/**
 * queue_ended() - give a queue back to the control thread
 * @q: the queue, which the worker must not touch any more
 */
void queue_ended(struct queue *q);

#endif /* HOST_QUEUE_H */
