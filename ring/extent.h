/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounce memory as a pool of blocks, for large block requests.
 *
 * Theory
 * ------
 * The pool is a row of equal blocks in shared memory and a private bitmap of
 * those in use. A request takes as many blocks as it needs, in few runs: the
 * search goes on where the last one ended (next fit), takes the first run that is
 * long enough, and only when there is none gathers shorter ones. All or nothing:
 * a request that cannot be met now takes nothing.
 *
 * No locks: calls on one pool must be serialised by the caller.
 */
#ifndef RING_EXTENT_H
#define RING_EXTENT_H

#include "shared.h"

/**
 * struct extent - a run of blocks
 * @first: index of the first block
 * @count: blocks, at least 1
 */
struct extent {
	u32 first;
	u32 count;
};

/**
 * struct extent_pool - a pool of blocks; private memory
 * @base: the first block
 * @bus: its address as the device is told it
 * @block: bytes of a block
 * @blocks: how many there are
 * @free: how many are free
 * @cursor: where the next search starts
 * @map: one bit a block, set while it is in use
 */
struct extent_pool {
	void __shared *base;
	u64 bus;
	u32 block;
	u32 blocks;
	u32 free;
	u32 cursor;
	u64 *map;
};

/**
 * extent_private_bytes() - private memory that a pool needs
 * @blocks: number of blocks
 *
 * Return: bytes, for extent_init()'s @priv.
 */
size_t extent_private_bytes(u32 blocks);

/**
 * extent_init() - start a pool, all free
 * @p: the pool
 * @base: shared memory
 * @bus: its address as the device is told it
 * @block: bytes of a block; a power of two, at least 512
 * @blocks: how many; @block * @blocks at most 1 GiB
 * @priv: extent_private_bytes(@blocks) bytes aligned for u64, owned by the caller
 *
 * Return: 0 or -EINVAL.
 */
int extent_init(struct extent_pool *p, void __shared *base, u64 bus, u32 block,
		u32 blocks, void *priv);

/**
 * extent_alloc() - take blocks
 * @p: the pool
 * @count: blocks wanted, at least 1
 * @ext: filled in with the runs, in the order in which data goes into them
 * @max: entries of @ext
 *
 * Return: number of runs, -ENOSPC when there are too few blocks or they lie in
 * more than @max runs, -EMSGSIZE when the pool could never hold @count.
 */
int extent_alloc(struct extent_pool *p, u32 count, struct extent *ext,
		 unsigned int max);

/**
 * extent_free() - give runs back
 * @p: the pool
 * @ext: runs that extent_alloc() gave, each exactly once
 * @num: how many
 */
void extent_free(struct extent_pool *p, const struct extent *ext,
		 unsigned int num);

/* Address of a run, here and as the device is told it, and its bytes. */
static inline void __shared *extent_cpu(const struct extent_pool *p,
					const struct extent *e)
{
	return shared_at(p->base, (size_t)e->first * p->block);
}

static inline u64 extent_bus(const struct extent_pool *p, const struct extent *e)
{
	return p->bus + (u64)e->first * p->block;
}

static inline u32 extent_bytes(const struct extent_pool *p, const struct extent *e)
{
	return e->count * p->block;
}

#endif /* RING_EXTENT_H */
