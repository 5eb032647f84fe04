/* SPDX-License-Identifier: GPL-2.0 */
/* A vring of a session and the thread that serves it. */
#ifndef HOST_QUEUE_H
#define HOST_QUEUE_H

#include <liburing.h>
#include <pthread.h>

#include "device.h"
#include "inflight.h"
#include "memory.h"
#include "message.h"
#include "../ring/log.h"

struct queue;

/**
 * struct queue_op - an operation in a queue's io_uring
 * @done: called by the worker with the result when it ended
 * @pending: submitted and not ended
 * @cancelled: and was told to end
 *
 * Embedded in its owner, which must stay until the operation ended.
 */
struct queue_op {
	void (*done)(struct queue *q, struct queue_op *op, int res);
	bool pending;
	bool cancelled;
};

/**
 * struct queue - a vring and its worker
 * @dev: the device
 * @index: of the vring
 * @doorbell: eventfd of the session: rung when the worker ended or memory faulted
 *
 * Set-up; control thread, only while no worker runs:
 * @num: descriptors, 0 until told
 * @base: where the ring goes on, as ring_dev_base() says it
 * @based: @base was set: by the front-end, or when the ring stopped
 * @addr: addresses of the areas in the front-end
 * @addressed: they were told
 * @kick: fd that the driver kicks, or -1
 * @polled: the driver does not kick: look by the clock
 * @wanted: to be started as soon as it is set up
 * @homeless: its ring is in no region; another may come
 * @features: negotiated, at start
 * @memory: the session's, at start
 * @inflight: likewise: where chains in flight are logged, or NULL
 *
 * Between the two threads:
 * @stop: the worker is to end (atomic)
 * @enabled: SET_VRING_ENABLE (atomic)
 * @ended: the worker is about to return (atomic)
 * @renewed: @call stands for something new, which has to be called (atomic)
 * @wake: eventfd: @stop, @enabled or @renewed changed
 * @call: fd that calls the driver, or one nobody listens to; the number never
 *	changes while the queue exists, what it stands for does, atomically
 * @err: likewise, for a queue that broke
 *
 * Worker, from start to end:
 * @running: a worker exists (control thread's view)
 * @thread: the worker
 * @uring: its io_uring
 * @ring: device half of the vring
 * @ring_priv: its private memory
 * @log: its in-flight log, when there is one
 * @log_priv: private memory of that
 * @priv: the device type's
 * @pending: operations that were submitted and have not ended
 * @work: there may be something to serve
 * @faulted: the vring broke and that was said
 * @truncated: memory was lost and that was said
 * @wedged: the io_uring does not work any more
 * @recall: a call came due while one was on its way
 * @count: where kicks are read to
 * @tick: until the next look at a queue that is not kicked
 * @op_wake: wait for @wake
 * @op_kick: wait for @kick
 * @op_read: take a kick; linked to @op_kick
 * @op_tick: wait for @tick
 * @op_call: signal @call
 * @op_err: signal @err
 */
struct queue {
	struct device *dev;
	u16 index;
	int doorbell;

	u32 num;
	u32 base;
	bool based;
	struct message_addr addr;
	bool addressed;
	int kick;
	bool polled;
	bool wanted;
	bool homeless;
	u64 features;
	struct memory *memory;
	struct inflight *inflight;

	bool stop;
	bool enabled;
	bool ended;
	bool renewed;
	int wake;
	int call;
	int err;

	bool running;
	pthread_t thread;
	struct io_uring uring;
	struct ring_dev ring;
	void *ring_priv;
	struct ring_log log;
	void *log_priv;
	void *priv;
	u32 pending;
	bool work;
	bool faulted;
	bool truncated;
	bool wedged;
	bool recall;
	u64 count;
	struct __kernel_timespec tick;
	struct queue_op op_wake;
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
 * queue_open() - make a queue, stopped and not set up
 * @q: the queue
 * @dev: the device
 * @index: of the vring
 * @doorbell: see struct queue
 *
 * Return: 0 or -errno; queue_close() is harmless in any case.
 */
int queue_open(struct queue *q, struct device *dev, u16 index, int doorbell);

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
 * queue_start() - start the worker when the queue is wanted and set up
 * @q: the queue, not running
 * @features: negotiated
 * @memory: regions; must outlive the worker; NULL: not yet
 * @inflight: where chains in flight are logged; must outlive the worker; NULL: nowhere
 *
 * A queue that cannot be (no ring at that address) is said and left off until
 * it is wanted again. Control thread.
 */
void queue_start(struct queue *q, u64 features, struct memory *memory, struct inflight *inflight);

/**
 * queue_request_stop() - have the worker drain and end
 * @q: the queue; harmless when it does not run
 *
 * The doorbell rings when it ended. Control thread.
 */
void queue_request_stop(struct queue *q);

/**
 * queue_reap() - join a worker that ended
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
 * queue_supported() - can this machine run queues?
 * @why: set, when an error is returned, to what is missing
 *
 * Return: 0 or -errno.
 */
int queue_supported(const char **why);

#endif /* HOST_QUEUE_H */
