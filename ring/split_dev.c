// SPDX-License-Identifier: GPL-2.0
/*
 * Device half of a split virtqueue (virtio 1.2, 2.7).
 *
 * Everything that the driver wrote is fetched once: avail.idx into the count of
 * chains to take, an avail entry into a head, a descriptor, by two loads, into a
 * private copy. A chain may take as many steps as its table has entries and yields at
 * most the caller's bound of segments and bytes.
 */
#include "dev_chain.h"

void split_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 base)
{
	split_place(&r->split, a, r->size);
	r->pops = base;
	r->pushes = base;
	r->shown = base;
	r->seen = (u16)base;
}

/* Number of chains to take, from one checked load of avail.idx. */
static inline int split_avail(struct ring_dev *r)
{
	const u16 popped = (u16)r->pops;
	u16 idx;

	if (r->seen != popped)
		return (u16)(r->seen - popped);

	/*
	 * Barrier B pairs with A in split_drv_show(). The driver cannot have more in
	 * the ring than fits, and what it was not shown as used is in the ring.
	 */
	idx = shared_load_acquire16(&r->split.avail->idx);
	if (unlikely((u16)(idx - popped) > r->size - (r->pops - r->shown)))
		return dev_fault(r, RING_AVAIL_JUMP);
	r->seen = idx;
	return (u16)(idx - popped);
}

/* Returns the descriptor's next. */
static inline u16 split_fetch(void __shared *table, u32 i, struct dev_desc *d)
{
	struct ring_words __shared *desc = ring_words(table, i);
	const u64 rest = shared_load64(&desc->rest);

	d->addr = shared_load64(&desc->addr);
	d->len = (u32)rest;
	d->flags = (u16)(rest >> 32);
	return (u16)(rest >> 48);
}

/*
 * Walk the chain from descriptor @i of the queue, and on in the indirect table that one
 * of them may name. A chain that goes on after as many steps as its table has entries
 * loops.
 */
static inline int split_walk(struct ring_dev *r, u32 i, struct ring_chain *c)
{
	void __shared *table = r->split.desc;
	u32 num = r->size, steps = 0;
	bool nested = false;
	struct dev_desc d;
	u16 next;
	int ret;

	for (;;) {
		next = split_fetch(table, i, &d);
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT)) {
			/* Not by the table's address: a driver may name the ring itself. */
			if (nested)
				return dev_fault(r, RING_INDIRECT_NEST);
			nested = true;
			table = dev_table(r, &d, &num);
			if (!table)
				return -EIO;
			c->count = (u16)(steps + 1);
			steps = 0;
			i = 0;
			continue;
		}

		ret = dev_take_desc(r, &d, c);
		if (unlikely(ret))
			return ret;
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		if (unlikely(next >= num))
			return dev_fault(r, RING_DESC_NEXT);
		if (unlikely(++steps == num))
			return dev_fault(r, RING_DESC_LOOP);
		i = (u32)array_index_nospec(next, num);
	}
	/* What an indirect table holds takes no descriptors of the queue. */
	if (!c->count)
		c->count = (u16)(steps + 1);
	return 0;
}

int split_dev_repop(struct ring_dev *r, u32 head, struct ring_chain *c)
{
	const int id = dev_check_id(r, head);
	int ret;

	if (unlikely(id < 0))
		return id;
	dev_chain_begin(c);
	c->id = (u16)id;
	ret = split_walk(r, (u32)id, c);
	return unlikely(ret) ? ret : 1;
}

int split_dev_pop(struct ring_dev *r, struct ring_chain *c)
{
	const int ret = split_avail(r);

	if (ret <= 0)
		return ret;
	return split_dev_repop(r, shared_load16(&r->split.avail->ring[(u16)r->pops &
								      (r->size - 1)]), c);
}

/* What was staged, and is shown now. */
static ring_noinline void split_dirty(struct ring_dev *r)
{
	dev_dirty_entries(r, r->split.used->ring, sizeof(*r->split.used->ring),
			  (u32)r->shown & (r->size - 1u),
			  min_t(u32, (u32)(r->pushes - r->shown), r->size));
	dev_dirty(r, &r->split.used->idx, sizeof(r->split.used->idx));
}

void split_dev_show(struct ring_dev *r)
{
	/* Barrier C pairs with D in split_used(). */
	shared_store_release16(&r->split.used->idx, (u16)r->pushes);
	if (dev_is_copied(r))
		split_dirty(r);
	r->unasked = split_unasked(r->unasked, r->pushes - r->shown);
}

bool split_dev_must_call(struct ring_dev *r)
{
	return split_event_due(&r->split.avail->flags, r->split.used_event, (u16)r->shown,
			       r->unasked, r->event_idx);
}

bool split_dev_pending(const struct ring_dev *r)
{
	const u16 popped = (u16)r->pops;

	return r->seen != popped || shared_load16(&r->split.avail->idx) != popped;
}

void split_dev_tell(struct ring_dev *r)
{
	const __virtio16 __shared *event = r->event_idx ? r->split.avail_event :
							  &r->split.used->flags;

	split_event_store(&r->split.used->flags, r->split.avail_event, (u16)r->pops, r->armed,
			  r->event_idx);
	dev_dirty(r, event, sizeof(*event));
}
