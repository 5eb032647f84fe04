// SPDX-License-Identifier: GPL-2.0
/*
 * Driver half of a split virtqueue (virtio 1.2, 2.7).
 *
 * The descriptor table and the avail ring are write-only here: which
 * descriptors are free, how a chain goes on, what the device may write and what
 * was published all lives in the private shadow, so that scribbling over the
 * table confuses the device alone. Of the used ring two things are read:
 * used.idx, which may advance by at most what is in flight, and then one 8-byte
 * element per completion, which cannot tear.
 *
 * An index is free-running and 16 bits wide; differences are taken modulo 2^16.
 */
#include "ring.h"

/* A used element as one word, so that one load gets id and length together. */
#define USED_ID(elem)	((u32)(elem))
#define USED_LEN(elem)	((u32)((elem) >> 32))

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
		.desc = a->desc,
		.avail = a->driver,
		.used = a->device,
		.shadow = priv,
		.size = (u16)size,
		.num_free = (u16)size,
		.event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
		.indirect = features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC),
		.armed = true,		/* what a zeroed ring says */
	};
	r->used_event = &r->avail->ring[size];
	r->avail_event = shared_at(a->device, ring_device_bytes(size) - 2);

	shared_zero(a->desc, ring_desc_bytes(size));
	shared_zero(a->driver, ring_driver_bytes(size));
	shared_zero(a->device, ring_device_bytes(size));

	for (i = 0; i < size; i++)
		r->shadow[i] = (struct ring_shadow) { .next = (u16)(i + 1) };
	ring_drv_disarm(r);
	return 0;
}

void ring_drv_break(struct ring_drv *r, enum ring_fault fault)
{
	if (r->fault == RING_OK)
		r->fault = fault;
}

/*
 * A chain that no device may be given is the caller's mistake; refusing it here
 * keeps the mistake from becoming a private length that means something else.
 */
static bool drv_buf_ok(const struct ring_drv *r, const struct ring_buf *buf, u32 *writable)
{
	const u32 num = (u32)buf->out + buf->in;
	u64 out = 0, in = 0;
	u32 i;

	if (!num)
		return false;
	if (buf->table ? !r->indirect || num > buf->table->num || num > r->size :
			 num > r->size)
		return false;

	for (i = 0; i < num; i++) {
		if (!buf->seg[i].len)
			return false;
		if (i < buf->out)
			out += buf->seg[i].len;
		else
			in += buf->seg[i].len;
	}
	*writable = (u32)in;
	return out + in <= U32_MAX;
}

static inline void drv_write_desc(struct vring_desc __shared *desc, u64 bus, u32 len,
				  u16 flags, u16 next)
{
	shared_store64(&desc->addr, bus);
	shared_store32(&desc->len, len);
	shared_store16(&desc->flags, flags);
	shared_store16(&desc->next, next);
}

static inline void drv_write_avail(struct ring_drv *r, u16 id)
{
	shared_store16(&r->avail->ring[r->staged & (r->size - 1)], id);
	r->shadow[id].at = r->adds++;
	r->staged++;
	r->in_flight++;
}

static u16 drv_seg_flags(const struct ring_buf *buf, u32 i)
{
	u16 flags = i < buf->out ? 0 : VRING_DESC_F_WRITE;

	if (i + 1 < (u32)buf->out + buf->in)
		flags |= VRING_DESC_F_NEXT;
	return flags;
}

static void drv_write_table(const struct ring_buf *buf)
{
	const u32 num = (u32)buf->out + buf->in;
	u32 i;

	for (i = 0; i < num; i++)
		drv_write_desc(&buf->table->desc[i], buf->seg[i].bus,
			       buf->seg[i].len, drv_seg_flags(buf, i), (u16)(i + 1));
}

int ring_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie)
{
	const u32 num = (u32)buf->out + buf->in;
	const u16 head = r->free_head;
	u32 writable, need, i;
	u16 id = head;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	if (unlikely(!cookie || r->bound || !drv_buf_ok(r, buf, &writable)))
		return -EINVAL;

	need = buf->table ? 1 : num;
	if (r->num_free < need)
		return -ENOSPC;

	if (buf->table) {
		drv_write_table(buf);
		drv_write_desc(&r->desc[id], buf->table->bus,
			       num * (u32)sizeof(struct vring_desc),
			       VRING_DESC_F_INDIRECT, 0);
		id = r->shadow[id].next;
	} else {
		for (i = 0; i < num; i++) {
			const u16 next = r->shadow[id].next;

			drv_write_desc(&r->desc[id], buf->seg[i].bus, buf->seg[i].len,
				       drv_seg_flags(buf, i), next);
			id = next;
		}
	}

	r->free_head = id;
	r->num_free -= (u16)need;
	r->shadow[head].cookie = cookie;
	r->shadow[head].writable = writable;
	r->shadow[head].count = (u16)need;
	drv_write_avail(r, head);
	return head;
}

int ring_drv_bind(struct ring_drv *r, u16 id, const struct ring_seg *seg, bool write)
{
	if (r->fault != RING_OK)
		return -EIO;
	if (id >= r->size || !seg->len || r->shadow[id].bound)
		return -EINVAL;
	if (!r->bound && r->num_free != r->size)
		return -EINVAL;

	drv_write_desc(&r->desc[id], seg->bus, seg->len,
		       write ? VRING_DESC_F_WRITE : 0, 0);
	r->shadow[id].writable = write ? seg->len : 0;
	r->shadow[id].bound = true;
	r->bound = true;
	r->num_free--;
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

	r->shadow[id].count = 1;
	drv_write_avail(r, id);
	return 0;
}

bool ring_drv_publish(struct ring_drv *r)
{
	const u16 old = r->published;

	if (r->staged == old || r->fault != RING_OK)
		return false;

	/* Barrier A pairs with B in dev_avail(). */
	shared_store_release16(&r->avail->idx, r->staged);
	r->published = r->staged;

	/* Barrier E pairs with F in ring_dev_arm(). */
	shared_mb();
	if (r->event_idx)
		return ring_event_passed(shared_load16(r->avail_event), r->published, old);
	return !(shared_load16(&r->used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* Was the chain that starts at @s staged and not yet shown to the device? */
static inline bool drv_is_staged(const struct ring_drv *r, const struct ring_shadow *s)
{
	return r->adds - s->at <= (u16)(r->staged - r->published);
}

/* Chains that the device may complete: those that were published. */
static inline u16 drv_outstanding(const struct ring_drv *r)
{
	return r->in_flight - (u16)(r->staged - r->published);
}

/* Number of completions to take, from one checked load of used.idx. */
static inline int drv_used(struct ring_drv *r)
{
	u16 idx;

	if (r->seen != r->polled)
		return (u16)(r->seen - r->polled);

	/* Barrier D pairs with C in ring_dev_flush(). */
	idx = shared_load_acquire16(&r->used->idx);
	if (unlikely((u16)(idx - r->polled) > drv_outstanding(r))) {
		ring_drv_break(r, RING_USED_JUMP);
		return -EIO;
	}
	r->seen = idx;
	return (u16)(idx - r->polled);
}

/* Put the descriptors of a chain, which only the shadow knows, on the free list. */
static inline void drv_free_chain(struct ring_drv *r, u16 head)
{
	struct ring_shadow *s = &r->shadow[head];
	u16 last = head, i;

	if (!s->bound) {
		for (i = 1; i < s->count; i++)
			last = r->shadow[last].next;
		r->shadow[last].next = r->free_head;
		r->free_head = head;
		r->num_free += s->count;
	}
	s->count = 0;
	s->cookie = NULL;
	r->in_flight--;
}

int ring_drv_poll(struct ring_drv *r, struct ring_done *done)
{
	const struct ring_shadow *s;
	u32 id, len;
	u64 elem;
	int n;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	n = drv_used(r);
	if (n <= 0)
		return n;

	elem = shared_load_pair32(&r->used->ring[r->polled & (r->size - 1)]);
	id = USED_ID(elem);
	len = USED_LEN(elem);
	if (unlikely(id >= r->size)) {
		ring_drv_break(r, RING_USED_ID);
		return -EIO;
	}
	id = (u32)array_index_nospec(id, r->size);
	s = &r->shadow[id];
	if (unlikely(!s->count || drv_is_staged(r, s))) {
		ring_drv_break(r, RING_USED_FREE);
		return -EIO;
	}
	if (unlikely(len > s->writable)) {
		ring_drv_break(r, RING_USED_LEN);
		return -EIO;
	}

	done->cookie = s->cookie;
	done->id = (u16)id;
	done->len = len;
	drv_free_chain(r, (u16)id);
	r->polled++;
	return 1;
}

bool ring_drv_pending(const struct ring_drv *r)
{
	if (unlikely(r->fault != RING_OK))
		return false;
	return r->seen != r->polled || shared_load16(&r->used->idx) != r->polled;
}

void ring_drv_disarm(struct ring_drv *r)
{
	if (!r->armed || r->fault != RING_OK)
		return;
	r->armed = false;
	if (r->event_idx)
		/* The event furthest away: it comes after 2^16 completions. */
		shared_store16(r->used_event, (u16)(r->polled - 1));
	else
		shared_store16(&r->avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

bool ring_drv_arm(struct ring_drv *r)
{
	if (r->fault != RING_OK)
		return false;
	r->armed = true;
	if (r->event_idx)
		shared_store16(r->used_event, r->polled);
	else
		shared_store16(&r->avail->flags, 0);

	/* Barrier H pairs with G in ring_dev_flush(). */
	shared_mb();
	return ring_drv_pending(r);
}

bool ring_drv_detach(struct ring_drv *r, struct ring_done *done)
{
	while (r->in_flight && r->detached < r->size) {
		const u16 id = r->detached++;

		if (!r->shadow[id].count)
			continue;
		done->cookie = r->shadow[id].cookie;
		done->id = id;
		done->len = 0;
		drv_free_chain(r, id);
		return true;
	}
	return false;
}
