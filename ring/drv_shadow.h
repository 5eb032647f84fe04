/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the driver half does in private memory, the same for both layouts: admitting a
 * chain, entering it into the shadow, and judging a completion by it. Private to ring/.
 *
 * Theory
 * ------
 * An id is in flight while its count is not 0, and the device may complete it once it
 * was shown: when it was staged, counted over all time, before what is shown. Ids that
 * are free are a list through the shadow. In order there is no list: ids are taken and
 * come back round and round, and free_head is simply the next.
 */
#ifndef RING_DRV_SHADOW_H
#define RING_DRV_SHADOW_H

#include "layout.h"

/* The layouts; contexts, arguments and answers are those of ring_drv_*. */
void split_drv_init(struct ring_drv *r, const struct ring_areas *a);
int split_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie);
void split_drv_bind(struct ring_drv *r, u16 id);
void split_drv_post(struct ring_drv *r, u16 id);
void split_drv_show(struct ring_drv *r);
bool split_drv_must_kick(struct ring_drv *r);
int split_drv_poll(struct ring_drv *r, struct ring_done *done);
bool split_drv_pending(const struct ring_drv *r);
bool split_drv_passed(const struct ring_drv *r);
void split_drv_tell(struct ring_drv *r);

void packed_drv_init(struct ring_drv *r, const struct ring_areas *a);
int packed_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie);
void packed_drv_post(struct ring_drv *r, u16 id);
void packed_drv_show(struct ring_drv *r);
bool packed_drv_must_kick(struct ring_drv *r);
int packed_drv_poll(struct ring_drv *r, struct ring_done *done);
bool packed_drv_pending(const struct ring_drv *r);
void packed_drv_tell(struct ring_drv *r);

static inline int drv_fault(struct ring_drv *r, enum ring_fault fault)
{
	ring_drv_break(r, fault);
	return -EIO;
}

/* More chains than there will ever be. */
#define DRV_NOTHING	(~(u64)0)

/*
 * There is no completion. Where arm() had seen one the device has taken it back, which no device
 * may: who polls until arm() sees nothing would go on for ever.
 */
static ring_inline int drv_none(struct ring_drv *r)
{
	return unlikely(r->promised == r->polls) ? drv_fault(r, RING_USED_JUMP) : 0;
}

/*
 * A chain that no device may be given is the caller's mistake; refusing it here
 * keeps the mistake from becoming a private length that means something else.
 */
static ring_inline bool drv_buf_ok(const struct ring_drv *r, const struct ring_buf *buf,
				   u32 num, const struct ring_table *table, u32 *writable)
{
	u64 sum = 0, in = 0;
	u32 i;

	if (unlikely(!num || num > r->size))
		return false;
	if (table && unlikely(!r->indirect || num > table->num))
		return false;
	for (i = 0; i < num; i++) {
		if (unlikely(!buf->seg[i].len))
			return false;
		sum += buf->seg[i].len;
		in += i < buf->out ? 0 : buf->seg[i].len;
	}
	*writable = (u32)in;
	return likely(sum <= U32_MAX);
}

/* May this chain of @num buffers be staged? Then the number of descriptors that it takes. */
static ring_inline int drv_admit(const struct ring_drv *r, const struct ring_buf *buf,
				 u32 num, const struct ring_table *table,
				 const void *cookie, u32 *writable)
{
	const u32 need = table ? 1 : num;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	if (unlikely(!cookie || r->bound || !drv_buf_ok(r, buf, num, table, writable)))
		return -EINVAL;
	return r->num_free < need ? -ENOSPC : (int)need;
}

/* One buffer that needs no table, as most chains are: worth a path without loops. */
static inline bool drv_is_single(const struct ring_buf *buf)
{
	return likely((u32)buf->out + buf->in == 1 && !buf->table);
}

/* Enter a chain of @count descriptors as staged. */
static inline void drv_enter(struct ring_drv *r, u32 id, u32 count)
{
	r->shadow[id].count = (u16)count;
	r->shadow[id].at = r->adds++;
}

/* NEXT where the chain goes on, WRITE where the device writes. */
static inline u16 drv_seg_flags(const struct ring_buf *buf, u32 num, u32 i)
{
	u16 flags = i < buf->out ? 0 : VRING_DESC_F_WRITE;

	if (i + 1 < num)
		flags |= VRING_DESC_F_NEXT;
	return flags;
}

/* Give the id and the descriptors of a chain, which only the shadow knows, back. */
static inline void drv_free(struct ring_drv *r, u32 id)
{
	struct ring_shadow *s = &r->shadow[id];
	u32 last = id, i;

	if (r->in_order) {
		r->oldest = (u16)packed_index(r->oldest + s->count, r->size);
	} else if (!s->bound) {
		for (i = 1; !r->is_packed && i < s->count; i++)
			last = r->shadow[last].next;
		r->shadow[last].next = r->free_head;
		r->free_head = (u16)id;
	}
	if (!s->bound) {
		r->num_free += s->count;
		s->cookie = NULL;
	}
	s->count = 0;
	r->polls++;
}

/* Take a completion that was checked. Returns the descriptors that it gave back. */
static inline int drv_finish(struct ring_drv *r, u32 id, u32 len, struct ring_done *done)
{
	const struct ring_shadow *s = &r->shadow[id];
	const int count = s->count;

	done->cookie = s->bound ? NULL : s->cookie;
	done->id = (u16)id;
	done->len = len;
	drv_free(r, id);
	return count;
}

/*
 * In order: the next chain of a batch whose last one was checked before. Those that
 * the device did not name were used in full (virtio 1.2, 2.7.9).
 */
static inline int drv_next_of_batch(struct ring_drv *r, struct ring_done *done)
{
	const u32 id = r->oldest;

	r->batch--;
	return drv_finish(r, id, r->batch ? r->shadow[id].writable : r->batch_len, done);
}

/*
 * Judge a completion that the device wrote, when it announced @announced of them, and
 * take it; in order, the first of the batch that it stands for. Returns the descriptors
 * that this gave back, or -EIO.
 */
static inline int drv_complete(struct ring_drv *r, u32 id, u32 len, u64 announced,
			       struct ring_done *done)
{
	const struct ring_shadow *s;
	u64 before;

	if (unlikely(id >= r->size))
		return drv_fault(r, RING_USED_ID);
	id = (u32)array_index_nospec(id, r->size);
	s = &r->shadow[id];
	if (unlikely(!s->count || s->at >= r->shown))
		return drv_fault(r, RING_USED_FREE);
	if (unlikely(len > s->writable))
		return drv_fault(r, RING_USED_LEN);
	if (!r->in_order)
		return drv_finish(r, id, len, done);

	before = s->at - r->polls;
	if (unlikely(before >= announced))
		return drv_fault(r, RING_USED_ORDER);
	r->batch = (u16)(before + 1);
	r->batch_len = len;
	return drv_next_of_batch(r, done);
}

#endif /* RING_DRV_SHADOW_H */
