/* SPDX-License-Identifier: GPL-2.0 */
/* A thread that serves queues of a session, around one io_uring. */
#ifndef HOST_WORKER_H
#define HOST_WORKER_H

#include <liburing.h>
#include <pthread.h>

#include "device.h"

struct queue;

/**
 * struct queue_op - an operation in the io_uring of a queue's worker
 * @done: called by the worker with the result when it ended
 * @q: the queue, while it is pending
 * @pending: submitted and not ended
 * @cancelled: and was told to end
 *
 * Embedded in its owner, which must stay until the operation ended.
 */
struct queue_op {
	void (*done)(struct queue *q, struct queue_op *op, int res);
	struct queue *q;
	bool pending;
	bool cancelled;
};

/**
 * struct worker - a thread
 * @dev: the device
 * @index: of its threads
 * @wake: eventfd: something changed for one of its queues
 *
 * Control thread:
 * @running: @thread and @uring exist
 * @thread: it
 *
 * Between the two threads, under @lock:
 * @lock: a mutex
 * @coming: queues that it is to serve from now on
 * @queues: how many it has, with those
 * @ended: the last one has ended, and so does the thread
 *
 * Worker, from start to end:
 * @uring: its io_uring
 * @queue: what it serves, linked by @next of a queue
 * @op_wake: wait for @wake
 * @window: how long to look for work before it sleeps, in nanoseconds; from 0 to what was asked for
 * @wedged: the io_uring does not work any more
 */
struct worker {
	struct device *dev;
	u16 index;
	int wake;

	bool running;
	pthread_t thread;

	pthread_mutex_t lock;
	struct queue *coming;
	unsigned int queues;
	bool ended;

	struct io_uring uring;
	struct queue *queue;
	struct queue_op op_wake;
	u64 window;
	bool wedged;
};

/**
 * workers_open() - make the workers of a session, none of which runs yet
 * @dev: the device, which says how many
 *
 * Return: them, or NULL: out of memory or file descriptors.
 */
struct worker *workers_open(struct device *dev);

/**
 * workers_close() - free them
 * @w: with no queue; NULL is ignored
 */
void workers_close(struct worker *w);

/**
 * worker_add() - serve a queue
 * @w: the worker
 * @q: the queue; its worker's from here on, until it has ended
 *
 * Control thread. Return: 0 or -errno.
 */
int worker_add(struct worker *w, struct queue *q);

/**
 * worker_wake() - have it look what changed for its queues
 * @w: the worker, running or not
 */
void worker_wake(struct worker *w);

/**
 * worker_reap() - join the thread if it has no queue any more
 * @w: the worker
 *
 * Control thread.
 */
void worker_reap(struct worker *w);

/**
 * worker_supported() - can this machine run workers?
 * @why: set, when an error is returned, to what is missing
 *
 * Return: 0 or -errno.
 */
int worker_supported(const char **why);

/* ---- for queues, in the worker --------------------------------------------- */

/**
 * worker_sqe() - get an entry for an operation
 * @w: the worker
 * @q: whose operation it is; NULL: the worker's own
 * @op: the operation, not pending; pending from here on
 *
 * Return: the entry, or NULL when the kernel takes no more.
 */
struct io_uring_sqe *worker_sqe(struct worker *w, struct queue *q, struct queue_op *op);

/**
 * worker_reserve() - have entries that go to the kernel together
 * @w: the worker
 * @entries: how many
 */
void worker_reserve(struct worker *w, unsigned int entries);

/**
 * worker_cancel() - end an operation that waits
 * @w: the worker
 * @op: the operation of a queue; harmless when it is not pending
 */
void worker_cancel(struct worker *w, struct queue_op *op);

#endif /* HOST_WORKER_H */
