/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounce memory as equal slots, one for each owner for ever: for network
 * receive (slot i belongs to descriptor i) and block control blocks and small
 * data (slot i belongs to tag i).
 *
 * There is nothing to allocate and so nothing to run out of, to search or to
 * lock; the index is the allocation. An index that comes from the other side
 * has passed through the ring's shadow before it gets here.
 */
#ifndef RING_SLOTS_H
#define RING_SLOTS_H

#include "shared.h"

/**
 * struct slots - a row of equal slots; private memory
 * @base: the first slot
 * @bus: its address as the device is told it
 * @bytes: size of a slot
 * @num: how many there are
 */
struct slots {
	void __shared *base;
	u64 bus;
	u32 bytes;
	u32 num;
};

/* Bytes that @num slots of @bytes take. */
static inline size_t slots_span(u32 bytes, u32 num)
{
	return (size_t)bytes * num;
}

/* Address of slot @i here; @i is below @num. */
static inline void __shared *slots_cpu(const struct slots *s, u32 i)
{
	return shared_at(s->base, (size_t)i * s->bytes);
}

/* Address of slot @i as the device is told it; @i is below @num. */
static inline u64 slots_bus(const struct slots *s, u32 i)
{
	return s->bus + (u64)i * s->bytes;
}

#endif /* RING_SLOTS_H */
