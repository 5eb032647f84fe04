/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How descriptors lie in memory; what both halves say in the same words. Private to
 * ring/.
 *
 * Theory
 * ------
 * A descriptor of either layout is two words: the address, and the rest, which has the
 * length in its low half. Each is written by one store and read by one load, so that
 * no field of a descriptor can be taken from two moments:
 *
 *	split	rest = length | flags << 32 | next << 48	(virtio 1.2, 2.7.5)
 *	packed	rest = length | id << 32 | flags << 48		(2.8.13)
 *
 * A position in a packed ring runs from 0 to twice the size and then starts again. Below
 * the size the wrap counter is 1, from there on it is 0 (2.8.1).
 */
#ifndef RING_LAYOUT_H
#define RING_LAYOUT_H

#include "ring.h"

/* Kept out of a function that seldom calls it, for the registers' sake. */
#define ring_noinline	__attribute__((__noinline__))
/* Compiled for each of its callers, with what they know: that there is one buffer. */
#define ring_inline	inline __attribute__((__always_inline__))

/* struct vring_desc or struct vring_packed_desc as it is stored and loaded. */
struct ring_words {
	__le64 addr;
	__le64 rest;
};

static inline struct ring_words __shared *ring_words(void __shared *table, u32 i)
{
	return (struct ring_words __shared *)table + i;
}

static inline u64 split_rest(u32 len, u16 flags, u16 next)
{
	return len | (u64)flags << 32 | (u64)next << 48;
}

static inline u64 packed_rest(u32 len, u16 id, u16 flags)
{
	return len | (u64)id << 32 | (u64)flags << 48;
}

/* ---- split rings, either half --------------------------------------------- */

/* Of either ring's flags: VRING_USED_F_NO_NOTIFY, VRING_AVAIL_F_NO_INTERRUPT. */
#define SPLIT_NO_EVENT	1u

static inline void split_place(struct ring_split *s, const struct ring_areas *a, u32 size)
{
	s->desc = a->desc;
	s->avail = a->driver;
	s->used = a->device;
	s->used_event = &s->avail->ring[size];
	s->avail_event = shared_at(a->device, ring_device_bytes(size, 0) - 2);
}

/* Entries whose side was not asked yet whether it must be told; beyond that it is sure. */
static inline u32 split_unasked(u32 unasked, u64 shown)
{
	return min_t(u32, unasked + (u32)shown, U16_MAX + 1u);
}

/*
 * Does what the other side wrote ask for a notification, now that the @n entries before
 * @idx were shown?
 */
static inline bool split_event_due(const __virtio16 __shared *flags,
				   const __virtio16 __shared *event, u16 idx, u32 n,
				   bool event_idx)
{
	if (!event_idx)
		return !(shared_load16(flags) & SPLIT_NO_EVENT);
	/* The index went all the way round: the event cannot but be among them. */
	if (unlikely(n > U16_MAX))
		return true;
	return ring_event_passed(shared_load16(event), idx, (u16)(idx - n));
}

/* Ask for a notification once @idx is passed, or for none. */
static inline void split_event_store(__virtio16 __shared *flags, __virtio16 __shared *event,
				     u16 idx, bool armed, bool event_idx)
{
	if (event_idx)
		/* Disarmed: the event furthest away, which comes after 2^16 entries. */
		shared_store16(event, armed ? idx : (u16)(idx - 1));
	else
		shared_store16(flags, armed ? 0 : SPLIT_NO_EVENT);
}

/* ---- positions in a packed ring ----------------------------------------- */

#define PACKED_AVAIL	((u16)(1u << VRING_PACKED_DESC_F_AVAIL))
#define PACKED_USED	((u16)(1u << VRING_PACKED_DESC_F_USED))

static inline u32 packed_index(u32 pos, u32 size)
{
	return pos < size ? pos : pos - size;
}

/* @n is at most the size. */
static inline u32 packed_forward(u32 pos, u32 n, u32 size)
{
	pos += n;
	return pos < 2 * size ? pos : pos - 2 * size;
}

static inline u32 packed_back(u32 pos, u32 n, u32 size)
{
	return pos >= n ? pos - n : pos + 2 * size - n;
}

/* AVAIL is as the wrap counter, USED its opposite. */
static inline u16 packed_avail_flags(u32 pos, u32 size)
{
	return pos < size ? PACKED_AVAIL : PACKED_USED;
}

/* Both are as the wrap counter. */
static inline u16 packed_used_flags(u32 pos, u32 size)
{
	return pos < size ? PACKED_AVAIL | PACKED_USED : 0;
}

static inline bool packed_is_avail(u16 flags, u32 pos, u32 size)
{
	return (flags & (PACKED_AVAIL | PACKED_USED)) == packed_avail_flags(pos, size);
}

static inline bool packed_is_used(u16 flags, u32 pos, u32 size)
{
	return (flags & (PACKED_AVAIL | PACKED_USED)) == packed_used_flags(pos, size);
}

/* A position as it is told to the other side: index, wrap counter in bit 15. */
static inline u16 packed_off_wrap(u32 pos, u32 size)
{
	return (u16)(pos < size ? pos | 1u << VRING_PACKED_EVENT_F_WRAP_CTR : pos - size);
}

/* ---- packed rings, either half ------------------------------------------- */

/* The word of the descriptor at a position that says whose it is. */
static inline __le64 __shared *packed_word(const struct ring_packed *p, u32 pos, u32 size)
{
	return &ring_words(p->desc, packed_index(pos, size))->rest;
}

/* Write a descriptor at index @at; the first since the latest show is held back. */
static inline void packed_put(struct ring_packed *p, u32 at, u64 rest)
{
	if (!p->holds) {
		p->held = rest;
		p->held_at = (u16)at;
		p->holds = true;
	} else {
		shared_store64(&ring_words(p->desc, at)->rest, rest);
	}
}

/* Barriers A and C: what was written before is seen with the first descriptor. */
static inline void packed_show(struct ring_packed *p)
{
	if (p->holds)
		shared_store_release64(&ring_words(p->desc, p->held_at)->rest, p->held);
	p->holds = false;
}

static inline void packed_place(struct ring_packed *p, const struct ring_areas *a)
{
	p->desc = a->desc;
	p->driver_event = a->driver;
	p->device_event = a->device;
}

/* Ask for a notification at @pos, or for none: both fields by one store (2.8.14). */
static inline void packed_event_store(struct vring_packed_desc_event __shared *event,
				      u32 pos, u32 size, bool armed, bool event_idx)
{
	const u32 flags = !armed ? VRING_PACKED_EVENT_FLAG_DISABLE :
			  event_idx ? VRING_PACKED_EVENT_FLAG_DESC :
				      VRING_PACKED_EVENT_FLAG_ENABLE;

	shared_store32(event, packed_off_wrap(pos, size) | flags << 16);
}

/*
 * Does what the other side wrote ask for a notification, now that the @n descriptors
 * before @pos were shown? One load; garbage asks for one.
 */
static inline bool packed_event_due(struct vring_packed_desc_event __shared *event,
				    u32 pos, u32 n, u32 size, bool event_idx)
{
	const u32 word = shared_load32(event);
	const u32 at = word & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR) & U16_MAX;
	const bool wrap = word & 1u << VRING_PACKED_EVENT_F_WRAP_CTR;
	const u16 flags = (u16)(word >> 16);

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !event_idx || at >= size || n >= size)
		return true;
	/* Is it one of the @n? */
	return packed_back(packed_back(pos, 1, size), wrap ? at : at + size, size) < n;
}

#endif /* RING_LAYOUT_H */
