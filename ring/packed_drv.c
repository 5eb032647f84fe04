// SPDX-License-Identifier: GPL-2.0
/*
 * Driver half of a packed virtqueue (virtio 1.2, 2.8).
 *
 * The ring is written by both sides, so of what it holds nothing is believed. One
 * descriptor is looked at, that where the oldest completion is due, and one load takes
 * its flags, id and length together. Where the next one is due follows from how many
 * descriptors the shadow says that chain had; a device that skips more or fewer loses its
 * own place.
 *
 * A buffer id is the driver's to choose: a free entry of the shadow; in order, the index
 * of the chain's first descriptor. Of all chains that are shown together the first
 * descriptor is written last; the device does not look beyond it before.
 */
#include "drv_shadow.h"

void packed_drv_init(struct ring_drv *r, const struct ring_areas *a)
{
	packed_place(&r->packed, a);
}

/* Write the next descriptor. */
static inline void packed_write(struct ring_drv *r, u64 bus, u32 len, u32 id, u16 flags)
{
	struct ring_packed *p = &r->packed;
	const u32 at = packed_index(p->avail, r->size);

	/* Held back with the rest: between two stores the device could take the line away. */
	if (p->holds)
		shared_store64(&ring_words(p->desc, at)->addr, bus);
	else
		p->held_addr = bus;
	packed_put(p, at, packed_rest(len, (u16)id,
				      flags | packed_avail_flags(p->avail, r->size)));
	p->avail = packed_forward(p->avail, 1, r->size);
	r->unasked++;
}

/* Write an indirect table, and the descriptor of the queue that names it. */
static ring_noinline void packed_write_table(struct ring_drv *r, const struct ring_buf *buf, u32 id)
{
	const u32 num = (u32)buf->out + buf->in;
	u32 i;

	/* No NEXT, no id: the table is as long as it is (virtio 1.2, 2.8.7). */
	for (i = 0; i < num; i++) {
		struct ring_words __shared *desc = ring_words(buf->table->desc, i);

		shared_store64(&desc->addr, buf->seg[i].bus);
		shared_store64(&desc->rest,
			       packed_rest(buf->seg[i].len, 0,
					   i < buf->out ? 0 : VRING_DESC_F_WRITE));
	}
	packed_write(r, buf->table->bus, num * (u32)sizeof(struct vring_packed_desc), id,
		     VRING_DESC_F_INDIRECT);
}

static ring_inline int packed_add(struct ring_drv *r, const struct ring_buf *buf, u32 num,
				  const struct ring_table *table, void *cookie)
{
	const u32 id = r->free_head;
	u32 writable, i;
	const int need = drv_admit(r, buf, num, table, cookie, &writable);

	if (unlikely(need < 0))
		return need;

	if (table) {
		packed_write_table(r, buf, id);
	} else {
		for (i = 0; i < (u32)need; i++)
			packed_write(r, buf->seg[i].bus, buf->seg[i].len, id,
				     drv_seg_flags(buf, num, i));
	}

	r->free_head = r->in_order ? (u16)packed_index(r->packed.avail, r->size) :
				     r->shadow[id].next;
	r->num_free -= (u16)need;
	r->shadow[id].cookie = cookie;
	r->shadow[id].writable = writable;
	drv_enter(r, id, (u32)need);
	return (int)id;
}

static ring_noinline int packed_add_chain(struct ring_drv *r, const struct ring_buf *buf,
					  void *cookie)
{
	return packed_add(r, buf, (u32)buf->out + buf->in, buf->table, cookie);
}

int packed_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie)
{
	return drv_is_single(buf) ? packed_add(r, buf, 1, NULL, cookie) :
				    packed_add_chain(r, buf, cookie);
}

void packed_drv_post(struct ring_drv *r, u16 id)
{
	const struct ring_shadow *s = &r->shadow[id];

	packed_write(r, s->bus, s->len, id, s->writable ? VRING_DESC_F_WRITE : 0);
	drv_enter(r, id, 1);
}

void packed_drv_show(struct ring_drv *r)
{
	struct ring_packed *p = &r->packed;

	if (p->holds)
		shared_store64(&ring_words(p->desc, p->held_at)->addr, p->held_addr);
	/* Barrier A pairs with B in packed_dev_pop(). */
	packed_show(p);
	/* For ring_drv_kick_data(), which may look at any time. */
	WRITE_ONCE(p->shown, p->avail);
	/* Beyond the size it says no more, and must not wrap. */
	r->unasked = min_t(u32, r->unasked, RING_SIZE_MAX);
}

bool packed_drv_must_kick(struct ring_drv *r)
{
	return packed_event_due(r->packed.device_event, r->packed.avail, r->unasked,
				r->size, r->event_idx);
}

int packed_drv_poll(struct ring_drv *r, struct ring_done *done)
{
	struct ring_packed *p = &r->packed;
	u64 rest;
	int n;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	if (r->batch) {
		n = drv_next_of_batch(r, done);
	} else {
		/* Barrier D pairs with C in packed_dev_show(). */
		rest = shared_load_acquire64(packed_word(p, p->used, r->size));
		if (!packed_is_used((u16)(rest >> 48), p->used, r->size))
			return drv_none(r);
		if (unlikely(r->shown == r->polls))
			return drv_fault(r, RING_USED_JUMP);
		n = drv_complete(r, (u16)(rest >> 32), (u32)rest, r->shown - r->polls, done);
		if (unlikely(n < 0))
			return n;
	}
	p->used = packed_forward(p->used, (u32)n, r->size);
	return 1;
}

bool packed_drv_pending(const struct ring_drv *r)
{
	const struct ring_packed *p = &r->packed;
	const u64 rest = shared_load64(packed_word(p, p->used, r->size));

	return packed_is_used((u16)(rest >> 48), p->used, r->size);
}

void packed_drv_tell(struct ring_drv *r)
{
	packed_event_store(r->packed.driver_event, r->packed.used, r->size, r->armed, r->event_idx);
}
