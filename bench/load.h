/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one operation is, for our ring and for every peer of it.
 *
 * Theory
 * ------
 * An operation moves `payload` bytes one way: the driver side copies them from
 * private memory into a slot of shared memory and hands the slot over; the device
 * side copies them out of the slot into private memory of its own and hands the
 * slot back. With a payload of 0 nothing is copied and only the hand-over is left.
 * Both copies run at the same time, of different slots, so what bounds the rate is
 * the slower side.
 *
 * Whatever is compared uses the same memory in the same order: the slots, each on
 * cache lines of its own, one after the other round and round; and for each side
 * LOAD_PRIVATE_BYTES of private memory, one buffer after the other round and round,
 * so that source and destination are warm but not always the same lines. There are
 * as many slots as descriptors, LOAD_SLOTS or as many as fit into LOAD_SLOT_BYTES.
 * Nobody looks at what is copied.
 *
 * A load that verifies is for a run that is not timed: then the driver side writes
 * a pattern, another one for each operation, and the device side compares.
 *
 * The shared memory is a memfd mapped once, for threads as for processes.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "../ring/shared.h"
#include "../ring/slots.h"
#include "pair.h"

#define LOAD_PAYLOAD_MAX	65536u
#define LOAD_SLOTS		256u
#define LOAD_SLOT_BYTES		(4u << 20)
#define LOAD_PRIVATE_BYTES	(1u << 20)
/* Shared memory in front of the slots, for a ring; enough for LOAD_SLOTS descriptors. */
#define LOAD_RING_BYTES		65536u
#define LOAD_WINDOW		((size_t)LOAD_RING_BYTES + LOAD_SLOT_BYTES)
/* Address of the shared memory as a device is told it. */
#define LOAD_BUS		0x0000640000000000ull

/**
 * struct load - the operation, and the memory that it uses
 * @payload: bytes to move; at most LOAD_PAYLOAD_MAX
 * @batch: operations that a side does between making them visible to the other
 * @processes: the device side is a process
 * @verify: compare what arrives
 * @pair: the two sides
 * @window: shared memory, LOAD_WINDOW bytes: LOAD_RING_BYTES for a ring, then the slots
 * @slot: the slots; as many as the ring has descriptors, a power of two
 * @stride: bytes from one private buffer to the next
 * @buffers: private buffers of each side; a power of two
 * @private: of each side, LOAD_PRIVATE_BYTES
 */
struct load {
	u32 payload;
	u32 batch;
	bool processes;
	bool verify;
	struct pair *pair;
	void __shared *window;
	struct slots slot;
	u32 stride;
	u32 buffers;
	u8 *private[PAIR_SIDES];
};

/**
 * struct subject - something that can do operations: our ring, or a peer
 * @name: of it
 * @run: let it do @ops operations of @l
 *
 * run() does @warm operations first; @seconds is set to the time that the others
 * took. It returns 0, -EBADMSG when bytes did not arrive, or another error.
 */
struct subject {
	const char *name;
	int (*run)(const struct subject *s, struct load *l, u64 warm, u64 ops, double *seconds);
};

/**
 * load_open() - get the memory
 * @l: filled in, for a payload of 0
 * @pair: the two sides; must outlive it
 *
 * Return: 0 or a negative error.
 */
int load_open(struct load *l, struct pair *pair);

/**
 * load_close() - give it back
 * @l: as load_open() left it
 */
void load_close(struct load *l);

/**
 * load_shape() - set what an operation is
 * @l: open
 * @payload: bytes
 * @batch: operations
 * @processes: the device side is a process
 */
void load_shape(struct load *l, u32 payload, u32 batch, bool processes);

/**
 * load_enter() - touch all memory of a side; a pair_work.enter by way of its caller
 * @l: open
 * @side: that this thread or process is
 */
void load_enter(const struct load *l, enum pair_side side);

/* The slow parts of load_put() and load_check(): all bytes of an operation. */
void load_stamp(const struct load *l, u64 nth, u8 *buf);
int load_compare(const struct load *l, u64 nth, const u8 *buf);

/* The @nth operation's slot, here. */
static inline void __shared *load_slot(const struct load *l, u64 nth)
{
	return slots_cpu(&l->slot, (u32)nth & (l->slot.num - 1));
}

/* The @nth operation's private buffer of a side. */
static inline u8 *load_buf(const struct load *l, enum pair_side side, u64 nth)
{
	return l->private[side] + ((u32)nth & (l->buffers - 1)) * (size_t)l->stride;
}

/* The driver side's copy of the @nth operation. */
static inline void load_put(const struct load *l, u64 nth, void __shared *slot)
{
	u8 *buf;

	if (!l->payload)
		return;
	buf = load_buf(l, PAIR_DRIVER, nth);
	if (unlikely(l->verify))
		load_stamp(l, nth, buf);
	shared_copy_out(slot, buf, l->payload);
}

/* Did the @nth operation's bytes arrive? 0 or -EBADMSG; of a load with a payload. */
static inline int load_check(const struct load *l, u64 nth)
{
	if (likely(!l->verify))
		return 0;
	return load_compare(l, nth, load_buf(l, PAIR_DEVICE, nth));
}

/* The device side's copy of the @nth operation; 0 or -EBADMSG. */
static inline int load_take(const struct load *l, u64 nth, const void __shared *slot)
{
	if (!l->payload)
		return 0;
	shared_copy_in(load_buf(l, PAIR_DEVICE, nth), slot, l->payload);
	return load_check(l, nth);
}

#endif /* BENCH_LOAD_H */
