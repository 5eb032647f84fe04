// SPDX-License-Identifier: GPL-2.0
/*
 * Driver half of a virtqueue: what callers see. The layouts are in split_drv.c and
 * packed_drv.c, what they share in drv_shadow.h.
 *
 * A call goes to its layout by a branch that is always taken the same way. Calls of
 * the data path are a jump; what is rare is here.
 */
#include "drv_shadow.h"

size_t ring_drv_private_bytes(u32 size)
{
	return (size_t)size * sizeof(struct ring_shadow);
}

int ring_drv_init(struct ring_drv *r, const struct ring_areas *a, u32 size,
		  u64 features, void *priv)
{
	u32 i;

	if (!ring_size_ok(size, features))
		return -EINVAL;

	*r = (struct ring_drv) {
		.shadow = priv,
		.size = (u16)size,
		.num_free = (u16)size,
		.is_packed = features & BIT_ULL(VIRTIO_F_RING_PACKED),
		.in_order = features & BIT_ULL(VIRTIO_F_IN_ORDER),
		.event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
		.indirect = features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC),
		.armed = true,		/* what a zeroed ring says */
		.promised = DRV_NOTHING,
	};
	shared_zero(a->desc, ring_desc_bytes(size));
	shared_zero(a->driver, ring_driver_bytes(size, features));
	shared_zero(a->device, ring_device_bytes(size, features));
	if (r->is_packed)
		packed_drv_init(r, a);
	else
		split_drv_init(r, a);

	for (i = 0; i < size; i++)
		r->shadow[i] = (struct ring_shadow) {
			.next = (u16)packed_index(i + 1, size),
		};
	ring_drv_disarm(r);
	return 0;
}

void ring_drv_break(struct ring_drv *r, enum ring_fault fault)
{
	if (r->fault == RING_OK)
		r->fault = fault;
}

int ring_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie)
{
	return r->is_packed ? packed_drv_add(r, buf, cookie) :
			      split_drv_add(r, buf, cookie);
}

int ring_drv_bind(struct ring_drv *r, u16 id, const struct ring_seg *seg, bool write)
{
	struct ring_shadow *s;

	if (r->fault != RING_OK)
		return -EIO;
	if (id >= r->size || !seg->len || r->shadow[id].bound)
		return -EINVAL;
	if (!r->bound && r->num_free != r->size)
		return -EINVAL;

	s = &r->shadow[id];
	s->bus = seg->bus;
	s->len = seg->len;
	s->writable = write ? seg->len : 0;
	s->bound = true;
	r->bound = true;
	r->num_free--;
	if (!r->is_packed)
		split_drv_bind(r, id);
	return 0;
}

int ring_drv_post(struct ring_drv *r, u16 id)
{
	if (unlikely(r->fault != RING_OK))
		return -EIO;
	if (unlikely(id >= r->size || !r->shadow[id].bound))
		return -EINVAL;
	if (unlikely(r->shadow[id].count))
		return -EBUSY;
	if (r->in_order) {
		if (unlikely(id != r->free_head))
			return -EINVAL;
		r->free_head = r->shadow[id].next;
	}

	if (r->is_packed)
		packed_drv_post(r, id);
	else
		split_drv_post(r, id);
	return 0;
}

void ring_drv_show(struct ring_drv *r)
{
	if (r->adds == r->shown || r->fault != RING_OK)
		return;
	if (r->is_packed)
		packed_drv_show(r);
	else
		split_drv_show(r);
	WRITE_ONCE(r->shown, r->adds);
}

bool ring_drv_publish(struct ring_drv *r)
{
	bool kick;

	ring_drv_show(r);
	if (!r->unasked || r->fault != RING_OK)
		return false;

	/* Barrier E pairs with F in ring_dev_arm(). */
	shared_mb();
	kick = r->is_packed ? packed_drv_must_kick(r) : split_drv_must_kick(r);
	r->unasked = 0;
	return kick;
}

u32 ring_drv_kick_data(const struct ring_drv *r, u16 index)
{
	u16 next;

	if (r->is_packed)
		next = packed_off_wrap(READ_ONCE(r->packed.shown), r->size);
	else
		next = (u16)READ_ONCE(r->shown);

	/* Of a packed queue the wrap counter is the highest bit (virtio 1.2, 2.9.1). */
	return index | (u32)next << 16;
}

int ring_drv_poll(struct ring_drv *r, struct ring_done *done)
{
	return r->is_packed ? packed_drv_poll(r, done) : split_drv_poll(r, done);
}

bool ring_drv_pending(const struct ring_drv *r)
{
	if (unlikely(r->fault != RING_OK))
		return false;
	if (r->batch)
		return true;
	return r->is_packed ? packed_drv_pending(r) : split_drv_pending(r);
}

/* Write whether calls are wanted to where the device looks. */
static void drv_tell(struct ring_drv *r, bool armed, u16 patience)
{
	r->armed = armed;
	r->patience = patience;
	if (r->is_packed)
		packed_drv_tell(r);
	else
		split_drv_tell(r);
}

void ring_drv_disarm(struct ring_drv *r)
{
	if (r->armed && r->fault == RING_OK)
		drv_tell(r, false, 0);
}

/* Ask for a call after @patience completions, then look whether there are more already. */
static ring_noinline bool drv_arm(struct ring_drv *r, u16 patience)
{
	bool more;

	if (r->fault != RING_OK)
		return false;
	drv_tell(r, true, patience);

	/* Barrier H pairs with G in ring_dev_flush(). */
	shared_mb();
	more = patience && !r->batch ? split_drv_passed(r) : ring_drv_pending(r);
	r->promised = more ? r->polls : DRV_NOTHING;
	return more;
}

bool ring_drv_arm(struct ring_drv *r)
{
	return drv_arm(r, 0);
}

bool ring_drv_arm_later(struct ring_drv *r)
{
	const u64 flying = r->shown - r->polls;
	const bool counted = !r->is_packed && r->event_idx && flying >= RING_LATER;

	return drv_arm(r, counted ? (u16)(flying / 2) : 0);
}

bool ring_drv_detach(struct ring_drv *r, struct ring_done *done)
{
	r->batch = 0;
	while (r->adds != r->polls && r->detached < r->size) {
		const u16 id = r->detached++;

		if (!r->shadow[id].count)
			continue;
		drv_finish(r, id, 0, done);
		return true;
	}
	return false;
}
