/* SPDX-License-Identifier: GPL-2.0 */
/* What a disk stands on: an export of an NBD server. */
#ifndef HOST_BLK_NBD_H
#define HOST_BLK_NBD_H

#include "blk_link.h"

#include <sys/socket.h>

/**
 * struct blk_nbd - an export
 * @store: what it has in common with others; its name is the URI
 * @limit: for messages about the connections; those about requests do not crowd them out
 * @readonly: nothing is written
 * @timeout: ms that requests wait for a connection
 * @export: its name
 * @addr: the server's; no family: it is not known yet
 * @addr_bytes: of that
 * @lock: protects what follows, and what links say
 * @era: of connections
 * @losses: eras that ended
 * @written: writes that completed and are not durable by themselves
 * @flushed: of which a flush covers so many, or it was counted that they may be lost
 * @lost: how often some may have been
 * @told: of which a failed flush has told
 * @back: era in which it was said that the server is there again
 * @gone: era of which it was said that requests fail
 * @links: number of links
 * @link: the links
 */
struct blk_nbd {
	struct blk_store store;
	struct log_limit limit;
	bool readonly;
	u32 timeout;
	char *export;
	struct sockaddr_storage addr;
	socklen_t addr_bytes;
	pthread_mutex_t lock;
	u32 era;
	u32 losses;
	u64 written;
	u64 flushed;
	u32 lost;
	u32 told;
	u32 back;
	u32 gone;
	u32 links;
	struct blk_link link[];
};

/* For the links, in workers: what is lost with a connection, and what a flush covers. */

/**
 * blk_nbd_lost() - a connection is lost
 * @n: the export
 * @l: its link
 *
 * Return: how many were until now, when it is the first of its era, else 0.
 */
u32 blk_nbd_lost(struct blk_nbd *n, const struct blk_link *l);

/**
 * blk_nbd_came() - a request came
 * @n: the export
 * @io: the request, or what is to be done anew of it
 */
void blk_nbd_came(struct blk_nbd *n, struct blk_io *io);

/**
 * blk_nbd_may_flush() - a request's flush is about to be sent
 * @n: the export
 * @io: the request
 *
 * Return: false when it has to fail, since writes may have been lost.
 */
bool blk_nbd_may_flush(struct blk_nbd *n, struct blk_io *io);

/**
 * blk_nbd_flush_fails() - a flush that was asked for fails: that tells of what was lost
 * @n: the export
 * @io: the request
 */
void blk_nbd_flush_fails(struct blk_nbd *n, const struct blk_io *io);

/**
 * blk_nbd_done() - the server has done a step
 * @n: the export
 * @l: by this connection
 * @io: of this request
 *
 * Return: 0, -EIO of a flush that has to fail, -ESTALE when it counts for nothing, since the era of
 * the connection is over.
 */
int blk_nbd_done(struct blk_nbd *n, const struct blk_link *l, const struct blk_io *io);

#endif /* HOST_BLK_NBD_H */
