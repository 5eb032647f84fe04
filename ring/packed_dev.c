// SPDX-License-Identifier: GPL-2.0
/*
 * Device half of a packed virtqueue (virtio 1.2, 2.8).
 *
 * One load of the word with the flags of the descriptor that is next says whether a
 * chain is available; the address is loaded after that. A chain goes on with the
 * descriptors that follow, whose AVAIL and USED bits mean nothing: what ends it is a
 * descriptor without NEXT, and at the latest a full ring, counting what was popped and
 * is not yet shown as used. Its id is that of its last descriptor.
 */
#include "dev_chain.h"
#include "log.h"

/* A position from an index and a wrap counter in bit 15. */
static u32 packed_position(u16 off_wrap, u32 size)
{
	const u32 index = off_wrap & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);

	return off_wrap & 1u << VRING_PACKED_EVENT_F_WRAP_CTR ? index : index + size;
}

bool packed_base_ok(u32 base, u32 size)
{
	return (base & 0x7fff) < size && (base >> 16 & 0x7fff) < size;
}

void packed_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 base)
{
	packed_place(&r->packed, a);
	r->packed.avail = packed_position((u16)base, r->size);
	r->packed.used = packed_position((u16)(base >> 16), r->size);
}

/* The rest of a descriptor whose last word is loaded. Returns its id. */
static inline u16 packed_fetch(struct ring_words __shared *desc, u64 rest,
			       struct dev_desc *d)
{
	d->addr = shared_load64(&desc->addr);
	d->len = (u32)rest;
	d->flags = (u16)(rest >> 48);
	return (u16)(rest >> 32);
}

/* A table is a row of buffers; only WRITE counts in it (virtio 1.2, 2.8.7). */
static ring_noinline int packed_walk_table(struct ring_dev *r, const struct dev_desc *d,
			     struct ring_chain *c)
{
	struct ring_words __shared *desc;
	struct dev_desc inner;
	void __shared *table;
	u32 num, i;
	int ret;

	table = dev_table(r, d, &num);
	if (!table)
		return -EIO;
	for (i = 0; i < num; i++) {
		desc = ring_words(table, i);
		packed_fetch(desc, shared_load64(&desc->rest), &inner);
		if (unlikely(inner.flags & VRING_DESC_F_INDIRECT))
			return dev_fault(r, RING_INDIRECT_NEST);
		ret = dev_take_desc(r, &inner, c);
		if (unlikely(ret))
			return ret;
	}
	return 0;
}

static inline int packed_take(struct ring_dev *r, const struct dev_desc *d, struct ring_chain *c)
{
	c->count++;
	if (unlikely(d->flags & VRING_DESC_F_INDIRECT))
		return packed_walk_table(r, d, c);
	return dev_take_desc(r, d, c);
}

int packed_dev_take(struct ring_dev *r, const struct dev_desc *d, struct ring_chain *c)
{
	return packed_take(r, d, c);
}

int packed_dev_pop(struct ring_dev *r, struct ring_chain *c)
{
	struct ring_packed *p = &r->packed;
	u32 pos = p->avail;
	struct dev_desc d;
	u64 rest;
	u16 id;
	int ret;

	/* Barrier B pairs with A in packed_drv_show(). */
	rest = shared_load_acquire64(packed_word(p, pos, r->size));
	if (!packed_is_avail((u16)(rest >> 48), pos, r->size))
		return 0;

	dev_chain_begin(c);
	for (;;) {
		if (unlikely(r->taken + c->count == r->size))
			return dev_fault(r, RING_DESC_LOOP);
		id = packed_fetch(ring_words(p->desc, packed_index(pos, r->size)), rest, &d);
		if (unlikely(r->log))
			ring_log_desc(r, &d, id, !c->count);
		ret = packed_take(r, &d, c);
		if (unlikely(ret))
			return ret;
		pos = packed_forward(pos, 1, r->size);
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		rest = shared_load64(packed_word(p, pos, r->size));
	}

	ret = dev_check_id(r, id);
	if (unlikely(ret < 0))
		return ret;
	c->id = (u16)ret;
	p->avail = pos;
	r->taken += c->count;
	return 1;
}

/* What was staged, and is shown now: all of those descriptors, though not all were written to. */
static ring_noinline void packed_dirty(struct ring_dev *r)
{
	dev_dirty_entries(r, r->packed.desc, sizeof(*r->packed.desc),
			  packed_index(packed_back(r->packed.used, r->staged, r->size), r->size),
			  r->staged);
}

void packed_dev_show(struct ring_dev *r)
{
	/* Barrier C pairs with D in packed_drv_poll(). */
	packed_show(&r->packed);
	if (dev_is_copied(r))
		packed_dirty(r);
	/* Beyond the size it says no more, and must not wrap. */
	r->unasked = min_t(u32, r->unasked + r->staged, RING_SIZE_MAX);
	r->taken -= r->staged;
	r->staged = 0;
}

bool packed_dev_must_call(struct ring_dev *r)
{
	return packed_event_due(r->packed.driver_event, r->packed.used, r->unasked,
				r->size, r->event_idx);
}

bool packed_dev_pending(const struct ring_dev *r)
{
	const struct ring_packed *p = &r->packed;
	const u64 rest = shared_load64(packed_word(p, p->avail, r->size));

	return packed_is_avail((u16)(rest >> 48), p->avail, r->size);
}

void packed_dev_tell(struct ring_dev *r)
{
	packed_event_store(r->packed.device_event, r->packed.avail, r->size, r->armed,
			   r->event_idx);
	dev_dirty(r, r->packed.device_event, sizeof(*r->packed.device_event));
}
