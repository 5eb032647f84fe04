/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounce memory as a byte FIFO, for network transmit.
 *
 * Theory
 * ------
 * The bytes are a circle in shared memory; what describes it is private. An
 * allocation takes the next bytes at the head: one extent, or two when it wraps
 * round the end. Extents are aligned to FIFO_ALIGN, so that headers are.
 * Allocations may be released in any order (a device may complete in any
 * order), but memory comes back in the order in which it was allocated: the
 * tail moves over released entries only. One slow packet therefore holds back
 * those behind it; for a device that completes in order, as they do, that never
 * shows, and both calls are a few instructions without a search.
 *
 * No locks: calls on one FIFO must be serialised by the caller.
 */
#ifndef RING_FIFO_H
#define RING_FIFO_H

#include "shared.h"

#define FIFO_ALIGN	64u

/**
 * struct fifo_extent - a piece of shared memory
 * @cpu: its address here
 * @bus: its address as the device is told it
 * @len: bytes that are used, at least 1
 */
struct fifo_extent {
	void __shared *cpu;
	u64 bus;
	u32 len;
};

/**
 * struct fifo_entry - one allocation; private
 * @span: bytes of the circle that it takes, padding included
 * @live: not yet released
 */
struct fifo_entry {
	u32 span;
	bool live;
};

/**
 * struct fifo - a byte FIFO; private memory
 * @base: the circle
 * @bus: its address as the device is told it
 * @bytes: its size, a multiple of FIFO_ALIGN
 * @head: offset of the next allocation
 * @used: bytes from the tail to the head
 * @entry: ring of allocations
 * @entries: its size, a power of two
 * @first: oldest entry not yet given back, free-running
 * @next: entry of the next allocation, free-running
 */
struct fifo {
	void __shared *base;
	u64 bus;
	u32 bytes;
	u32 head;
	u32 used;
	struct fifo_entry *entry;
	u32 entries;
	u32 first;
	u32 next;
};

/**
 * fifo_private_bytes() - private memory that a FIFO needs
 * @entries: most allocations at a time; a power of two
 *
 * Return: bytes, for fifo_init()'s @priv.
 */
size_t fifo_private_bytes(u32 entries);

/**
 * fifo_init() - start a FIFO, empty
 * @f: the FIFO
 * @base: shared memory, aligned to FIFO_ALIGN
 * @bus: its address as the device is told it
 * @bytes: its size; a multiple of FIFO_ALIGN, at most 1 GiB
 * @entries: most allocations at a time; a power of two, at most 2^20
 * @priv: fifo_private_bytes(@entries) bytes aligned for u32, owned by the caller
 *
 * Return: 0 or -EINVAL.
 */
int fifo_init(struct fifo *f, void __shared *base, u64 bus, u32 bytes,
	      u32 entries, void *priv);

/**
 * fifo_alloc() - take the next bytes
 * @f: the FIFO
 * @len: bytes, at least 1
 * @ext: filled in with one or two extents that add up to @len
 * @token: filled in: what fifo_release() wants
 *
 * Return: the number of extents (1 or 2), -ENOSPC while it is too full,
 * -EMSGSIZE when @len can never fit.
 */
int fifo_alloc(struct fifo *f, u32 len, struct fifo_extent ext[2], u32 *token);

/**
 * fifo_release() - give an allocation back
 * @f: the FIFO
 * @token: from fifo_alloc()
 *
 * Return: 0, or -EINVAL for a token that is not live (nothing changes).
 */
int fifo_release(struct fifo *f, u32 token);

/**
 * fifo_undo() - give the latest allocation back as if it had not been made
 * @f: the FIFO
 * @token: from the latest fifo_alloc()
 *
 * Return: 0, or -EINVAL when @token is not the latest one live.
 */
int fifo_undo(struct fifo *f, u32 token);

/* Would an allocation of @len bytes succeed now? */
static inline bool fifo_fits(const struct fifo *f, u32 len)
{
	return len && len <= f->bytes && ALIGN(len, FIFO_ALIGN) <= f->bytes - f->used &&
	       f->next - f->first < f->entries;
}

#endif /* RING_FIFO_H */
