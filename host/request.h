/* SPDX-License-Identifier: GPL-2.0 */
/* What the requests of a front-end do to its session; for session.c only. */
#ifndef HOST_REQUEST_H
#define HOST_REQUEST_H

#include "dirty.h"
#include "inflight.h"
#include "loop.h"
#include "queue.h"

/**
 * struct session - a connection
 * @dev: the device
 * @loop: of the control thread
 * @sock: the connection
 * @bell: rung by the workers
 * @settle: timer: regions were removed, and none was added since; or a queue is to be started later
 * @msg: the message being received or parked
 * @features: virtio features that the front-end accepted
 * @protocol: protocol features that it accepted
 * @status: of the device, as the driver's side says it
 * @memory: regions, or NULL
 * @inflight: where queues log what they have in flight, or NULL
 * @dirty: where writes to guest memory are logged, or NULL
 * @answer_fd: goes with the answer and is closed then, or -1
 * @queue: the device's vrings
 * @worker: what serves them
 * @backend: channel for our own requests, or -1
 * @parked: @msg is whole and waits for queues
 * @settling: queues stay stopped until @settle says so, or another message comes
 * @closing: going down
 * @why: what was wrong with a message, for a handler that returns -EPROTO
 * @ended: called when gone
 * @ctx: its argument
 */
struct session {
	struct device *dev;
	struct loop *loop;
	struct loop_event sock;
	struct loop_event bell;
	struct loop_event settle;
	struct message msg;
	u64 features;
	u64 protocol;
	u64 status;
	struct memory *memory;
	struct inflight *inflight;
	struct dirty *dirty;
	int answer_fd;
	struct queue *queue;
	struct worker *worker;
	int backend;
	bool parked;
	bool settling;
	bool closing;
	const char *why;
	void (*ended)(void *ctx);
	void *ctx;
};

/**
 * enum request_scope - which queues must not run while a message is handled
 * @SCOPE_NONE: they may all run
 * @SCOPE_STATE: the one that the message's vring state names
 * @SCOPE_FD: the one that the lowest byte of its u64 names
 * @SCOPE_STATUS: all when its u64 is 0
 * @SCOPE_ALL: all
 */
enum request_scope {
	SCOPE_NONE,
	SCOPE_STATE,
	SCOPE_FD,
	SCOPE_STATUS,
	SCOPE_ALL,
};

/* What a handler can return, beside -EPROTO with @why set. */
#define REQUEST_OK	0	/* done; acknowledge it when asked to */
#define REQUEST_REPLY	1	/* done; the payload is the answer */
#define REQUEST_REFUSED	2	/* not done; say so when asked to */

/**
 * struct request_handler - how a request is served
 * @fn: serves it
 * @scope: queues that must not run meanwhile
 */
struct request_handler {
	int (*fn)(struct session *s);
	enum request_scope scope;
};

/* By request; those without a function were not offered. */
extern const struct request_handler request_handlers[MESSAGE_REQUESTS];

/**
 * request_settle() - have queues started in a moment
 * @s: the session
 *
 * Return: true when they will be.
 */
bool request_settle(struct session *s);

/**
 * request_forget_memory() - let go of the regions
 * @s: the session, none of whose queues runs
 */
void request_forget_memory(struct session *s);

/**
 * request_forget_dirty() - let go of the log of written pages
 * @s: the session, none of whose queues runs
 */
void request_forget_dirty(struct session *s);

#endif /* HOST_REQUEST_H */
