// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk stands on: an export of an NBD server.
 *
 * Theory
 * ------
 * Each queue of the disk has a connection of its own, a link (blk_link.c), where the server
 * says that a flush on one covers what was written on all (multi-conn); else the disk has one
 * queue. All links are made when the disk is opened, so that what cannot be is known then, and are
 * kept when queues stop and start. All data is bounced.
 *
 * Flushes. With a server went, perhaps, what was written and not flushed: whatever completed since
 * the last good flush, on any link. And links learn of that one after the other, while a flush on
 * one that is new already would cover nothing of it. So links live and die together.
 * Connections of one time are an era. When the first of them is lost the era is over: the others
 * are cut, and writes that end on them all the same are done anew. If writes had
 * completed that no flush covers, every flush fails that is under way, or comes, until one failure
 * was told. That is how fsync tells, but to all who wait.
 *
 * Durable writes have FUA, or are followed by a flush on the same connection; both are done anew
 * when that is lost. A server that cannot flush has, by what it says, nothing to flush.
 */
#include "blk_nbd.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- what a flush covers ----------------------------------------------------------- */

u32 blk_nbd_lost(struct blk_nbd *n, const struct blk_link *l)
{
	u32 losses = 0, i;

	pthread_mutex_lock(&n->lock);
	if (l->era == n->era) {
		n->era++;
		losses = ++n->losses;
		if (n->flushed != n->written)
			n->lost++;
		n->flushed = n->written;
		/* Whoever has them sees the end of it. */
		for (i = 0; i < n->links; i++) {
			if (n->link[i].fd >= 0)
				shutdown(n->link[i].fd, SHUT_RDWR);
		}
	}
	pthread_mutex_unlock(&n->lock);
	return losses;
}

void blk_nbd_came(struct blk_nbd *n, struct blk_io *io)
{
	if (io->stamped)
		return;
	io->stamped = true;
	pthread_mutex_lock(&n->lock);
	io->told = n->told;
	pthread_mutex_unlock(&n->lock);
}

bool blk_nbd_may_flush(struct blk_nbd *n, struct blk_io *io)
{
	bool may;

	pthread_mutex_lock(&n->lock);
	io->mark = n->written;
	may = io->req.op != BLK_OP_FLUSH || io->told == n->lost;
	pthread_mutex_unlock(&n->lock);
	return may;
}

void blk_nbd_flush_fails(struct blk_nbd *n, const struct blk_io *io)
{
	bool lost;

	pthread_mutex_lock(&n->lock);
	lost = io->told != n->lost;
	n->told = n->lost;
	pthread_mutex_unlock(&n->lock);
	if (lost)
		log_peer(&n->limit, LOG_WARN, n->store.id,
			 "NBD server %s: a flush fails, since writes before it may have been lost with the connection",
			 n->store.name);
}

int blk_nbd_done(struct blk_nbd *n, const struct blk_link *l, const struct blk_io *io)
{
	const bool writes = io->step.op == BLK_OP_WRITE || io->step.op == BLK_OP_ZEROES;
	int r = 0;

	/* Of one that is durable nobody believes anything before its flush or FUA. */
	if (io->req.op != BLK_OP_FLUSH && (io->durable || !writes))
		return 0;
	pthread_mutex_lock(&n->lock);
	if (io->req.op == BLK_OP_FLUSH) {
		if (io->told != n->lost)
			r = -EIO;
		else if (l->era == n->era && n->flushed < io->mark)
			n->flushed = io->mark;
	} else if (l->era != n->era) {
		r = -ESTALE;
	} else if (io->step.last && nbd_can_flush(l->h) > 0) {
		n->written++;
	}
	pthread_mutex_unlock(&n->lock);
	return r;
}

/* ---- what the disk asks for ----------------------------------------------------------- */

static struct blk_link *blk_nbd_link(struct blk_store *s, const struct queue *q)
{
	return &container_of(s, struct blk_nbd, store)->link[q->index];
}

static void blk_nbd_begin(struct blk_store *s, struct queue *q)
{
	blk_link_begin(blk_nbd_link(s, q), q);
}

static void blk_nbd_submit(struct blk_store *s, struct queue *q, struct blk_io *io)
{
	blk_link_submit(blk_nbd_link(s, q), q, io);
}

static void blk_nbd_stop(struct blk_store *s, struct queue *q)
{
	blk_link_stop(blk_nbd_link(s, q), q);
}

static void blk_nbd_finish(struct blk_store *s, struct queue *q)
{
	blk_link_finish(blk_nbd_link(s, q));
}

static void blk_nbd_close(struct blk_store *s)
{
	struct blk_nbd *n = container_of(s, struct blk_nbd, store);
	u32 i;

	for (i = 0; i < n->links; i++)
		blk_link_close(&n->link[i]);
	pthread_mutex_destroy(&n->lock);
	free(n->export);
	free(n);
}

static const struct blk_store_ops blk_nbd_ops = {
	.begin = blk_nbd_begin,
	.submit = blk_nbd_submit,
	.stop = blk_nbd_stop,
	.finish = blk_nbd_finish,
	.close = blk_nbd_close,
};

/* ---- opening --------------------------------------------------------------------------- */

/* The first link. Says what is wrong. */
static int blk_nbd_meet(struct blk_nbd *n)
{
	const char *why = blk_link_meet(&n->link[0]);

	if (!why)
		return 0;
	log_error(n->store.id, "NBD server %s cannot be used: %s: see that it runs and has that export, and what nbd= says",
		  n->store.name, why);
	return -ENOTCONN;
}

/* Size and blocks. Says what is wrong. */
static int blk_nbd_measure(struct blk_nbd *n, struct nbd_handle *h)
{
	int64_t min = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
	int64_t max = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);
	const int64_t bytes = nbd_get_size(h);
	struct blk_store *s = &n->store;

	min = min < BLK_SECTOR ? BLK_SECTOR : min;
	max = max <= 0 || max > BLK_PIECE_BYTES ? BLK_PIECE_BYTES : max;
	if (min > BLK_BLOCK_MAX || min & (min - 1) || max < min) {
		log_error(s->id, "NBD server %s: the export has blocks of %lld bytes, and a disk has such of 512 to %u: put a filter before it (nbdkit --filter=blocksize)",
			  s->name, (long long)min, BLK_BLOCK_MAX);
		return -EINVAL;
	}
	s->block = (u32)min;
	s->piece = (u32)max & ~(s->block - 1);
	if (bytes <= 0 || bytes % s->block) {
		log_error(s->id, "NBD server %s: the export has %lld bytes: make it a multiple of %u and not empty",
			  s->name, (long long)bytes, s->block);
		return -EINVAL;
	}
	s->sectors = (u64)bytes >> BLK_SECTOR_SHIFT;
	if (!n->readonly && nbd_is_read_only(h) > 0) {
		log_error(s->id, "NBD server %s: the export may only be read: use readonly=on", s->name);
		return -EROFS;
	}
	return 0;
}

/* The other links. Says what is wrong. */
static int blk_nbd_meet_more(struct blk_nbd *n, u32 links)
{
	const char *why;

	if (links > 1 && nbd_can_multi_conn(n->link[0].h) <= 0) {
		log_info(n->store.id, "NBD server %s: one queue only, since a flush on one connection does not cover others (multi-conn)",
			 n->store.name);
		return 0;
	}
	while (n->links < links) {
		why = blk_link_meet(&n->link[n->links++]);
		if (!why)
			continue;
		log_error(n->store.id, "NBD server %s takes %u connections only, and each queue needs one: use queues=%u (%s)",
			  n->store.name, n->links - 1, n->links - 1, why);
		return -ENOTCONN;
	}
	return 0;
}

struct blk_store *blk_nbd_open(const struct options_device *spec)
{
	struct blk_nbd *n = calloc(1, sizeof(*n) + spec->queues * sizeof(*n->link));
	struct blk_store *s;
	u32 i;

	if (!n)
		return NULL;
	s = &n->store;
	s->ops = &blk_nbd_ops;
	s->id = spec->id;
	s->name = spec->nbd;
	s->distant = true;
	log_limit_init(&n->limit);
	n->readonly = spec->readonly;
	n->timeout = (u32)spec->nbd_timeout * 1000;
	n->era = 1;
	n->back = 1;
	pthread_mutex_init(&n->lock, NULL);
	for (i = 0; i < spec->queues; i++)
		blk_link_init(&n->link[i], n);
	n->links = 1;
	if (blk_nbd_meet(n) || blk_nbd_measure(n, n->link[0].h) ||
	    blk_nbd_meet_more(n, spec->queues)) {
		blk_nbd_close(s);
		return NULL;
	}
	s->queues = (u16)n->links;
	log_debug(s->id, "NBD server %s: %llu bytes in blocks of %u, %u connections", s->name,
		  (unsigned long long)s->sectors * BLK_SECTOR, s->block, n->links);
	return s;
}
