/* SPDX-License-Identifier: GPL-2.0 */
/* Private buffers of a disk's queue. */
#ifndef HOST_BLK_BOUNCE_H
#define HOST_BLK_BOUNCE_H

#include "blk_store.h"
#include "../ring/extent.h"

#define BLK_BOUNCE_BYTES	(2u << 20)	/* of a queue */
#define BLK_BOUNCE_BLOCKS	(BLK_BOUNCE_BYTES / BLK_BLOCK_MAX)

/**
 * struct blk_bounce - the buffers
 * @pool: which of their blocks are in use
 * @map: its memory
 * @mem: theirs, or NULL while none was used
 * @waiting: requests that wait for one, first to last
 * @end: where the next such is linked
 */
struct blk_bounce {
	struct extent_pool pool;
	u64 map[BLK_BOUNCE_BLOCKS / 64];
	u8 *mem;
	struct blk_io *waiting;
	struct blk_io **end;
};

/**
 * blk_bounce_init() - begin, with no memory yet
 * @b: the buffers
 */
void blk_bounce_init(struct blk_bounce *b);

/**
 * blk_bounce_get() - give a request a buffer
 * @b: the buffers
 * @io: the request, without one
 * @bytes: of it, 1 to BLK_PIECE_BYTES
 *
 * Return: 1, 0 when it waits for one (blk_bounce_next()), -ENOMEM.
 */
int blk_bounce_get(struct blk_bounce *b, struct blk_io *io, u32 bytes);

/**
 * blk_bounce_put() - a request needs its buffer no longer
 * @b: the buffers
 * @io: the request, with one
 */
void blk_bounce_put(struct blk_bounce *b, struct blk_io *io);

/**
 * blk_bounce_next() - give the first request that waits its buffer, if there is room now
 * @b: the buffers
 *
 * Return: the request, or NULL.
 */
struct blk_io *blk_bounce_next(struct blk_bounce *b);

/**
 * blk_bounce_free() - free the memory
 * @b: the buffers, not in use
 */
void blk_bounce_free(struct blk_bounce *b);

#endif /* HOST_BLK_BOUNCE_H */
