// SPDX-License-Identifier: GPL-2.0
/*
 * Private buffers of a disk's queue.
 *
 * For data that cannot go between guest memory and what the disk stands on: one area, which is
 * there when it is first needed, and of which each request takes as many blocks in a row as it
 * needs at a time, and keeps them until it is complete. So hundreds of small requests or a
 * few large ones have room. When there is none requests wait, first come, first served.
 */
#include "blk_bounce.h"

#include <stdlib.h>

void blk_bounce_init(struct blk_bounce *b)
{
	/* The pool keeps count only: private memory is not for its addresses. */
	extent_init(&b->pool, NULL, 0, BLK_BLOCK_MAX, BLK_BOUNCE_BLOCKS, b->map);
	b->mem = NULL;
	b->waiting = NULL;
	b->end = &b->waiting;
}

static bool blk_bounce_take(struct blk_bounce *b, struct blk_io *io)
{
	struct extent e;

	if (extent_alloc(&b->pool, io->blocks, &e, 1) < 0)
		return false;
	io->block = e.first;
	io->buf = b->mem + (size_t)e.first * BLK_BLOCK_MAX;
	return true;
}

int blk_bounce_get(struct blk_bounce *b, struct blk_io *io, u32 bytes)
{
	void *mem;

	if (!b->mem) {
		if (posix_memalign(&mem, BLK_BLOCK_MAX, BLK_BOUNCE_BYTES))
			return -ENOMEM;
		b->mem = mem;
	}
	io->blocks = (bytes + BLK_BLOCK_MAX - 1) / BLK_BLOCK_MAX;
	if (!b->waiting && blk_bounce_take(b, io))
		return 1;
	io->next = NULL;
	*b->end = io;
	b->end = &io->next;
	return 0;
}

void blk_bounce_put(struct blk_bounce *b, struct blk_io *io)
{
	const struct extent e = { .first = io->block, .count = io->blocks };

	extent_free(&b->pool, &e, 1);
	io->buf = NULL;
}

struct blk_io *blk_bounce_next(struct blk_bounce *b)
{
	struct blk_io *io = b->waiting;

	if (!io || !blk_bounce_take(b, io))
		return NULL;
	b->waiting = io->next;
	if (!b->waiting)
		b->end = &b->waiting;
	return io;
}

void blk_bounce_free(struct blk_bounce *b)
{
	free(b->mem);
}
