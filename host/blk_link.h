/* SPDX-License-Identifier: GPL-2.0 */
/* A connection of a disk to its NBD server. */
#ifndef HOST_BLK_LINK_H
#define HOST_BLK_LINK_H

#include "blk_store.h"

#include <libnbd.h>

struct blk_nbd;

/**
 * struct blk_link - a connection, which serves one queue
 * @nbd: whose
 * @h: of libnbd; NULL: there is none, and none is being made
 * @fd: its socket, duplicated, or -1; stays until no operation waits for it
 * @era: of the connection, see blk_nbd.c
 * @up: the server answers
 * @failing: there has been no connection for too long
 * @stopping: the queue stops
 * @leaving: and has waited long enough
 * @settling: blk_link_settle() is at work
 * @spent: @h is of no use any more: why; else NULL
 * @down: it is not up since; times are in ms
 * @dial: it is being connected since
 * @next: when to connect
 * @pause: between attempts
 * @stop: the queue stops since
 * @held: requests whose step was submitted; blk_io's slot is the index
 * @holds: how many
 * @answered: of those, those that libnbd has ended
 * @answered_end: where the next such is linked
 * @op_in: wait until the socket can be read
 * @op_out: wait until it can be written
 * @op_tick: wait for @tick
 * @tick: until the next look at what has a time
 *
 * Belongs to its queue's worker, or to the control thread while that does not run; but @fd and
 * @era change under the disk's lock, so that others can cut it.
 */
struct blk_link {
	struct blk_nbd *nbd;
	struct nbd_handle *h;
	int fd;
	u32 era;
	bool up;
	bool failing;
	bool stopping;
	bool leaving;
	bool settling;
	const char *spent;
	u64 down;
	u64 dial;
	u64 next;
	u32 pause;
	u64 stop;
	struct blk_io *held[BLK_DEPTH];
	u32 holds;
	struct blk_io *answered;
	struct blk_io **answered_end;
	struct queue_op op_in;
	struct queue_op op_out;
	struct queue_op op_tick;
	struct __kernel_timespec tick;
};

/**
 * blk_link_init() - make a link, not connected
 * @l: zeroed
 * @n: whose
 */
void blk_link_init(struct blk_link *l, struct blk_nbd *n);

/**
 * blk_link_meet() - connect, and wait until the server has greeted; while the disk is opened
 * @l: the link, not connected
 *
 * The first one of a disk finds out where the server is.
 *
 * Return: NULL, or why there is no connection.
 */
const char *blk_link_meet(struct blk_link *l);

/**
 * blk_link_begin() - serve a queue from here on; worker
 * @l: the link
 * @q: the queue
 */
void blk_link_begin(struct blk_link *l, struct queue *q);

/**
 * blk_link_submit() - do a request's step, now or when there is a connection; worker
 * @l: the link
 * @q: the queue
 * @io: the request
 */
void blk_link_submit(struct blk_link *l, struct queue *q, struct blk_io *io);

/**
 * blk_link_stop() - come to an end, in bounded time; worker
 * @l: the link
 * @q: the queue, which stops
 */
void blk_link_stop(struct blk_link *l, struct queue *q);

/**
 * blk_link_finish() - the worker has ended; control thread
 * @l: the link, which stays connected if it is
 */
void blk_link_finish(struct blk_link *l);

/**
 * blk_link_close() - take leave of the server
 * @l: the link, not in use
 */
void blk_link_close(struct blk_link *l);

#endif /* HOST_BLK_LINK_H */
