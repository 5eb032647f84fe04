// SPDX-License-Identifier: GPL-2.0
/*
 * Driver half of a split virtqueue (virtio 1.2, 2.7).
 *
 * The descriptor table and the avail ring are write-only here: which
 * descriptors are free, how a chain goes on, what the device may write and what
 * was published all lives in the private shadow, so that scribbling over the
 * table confuses the device alone. Of the used ring two things are read:
 * used.idx, which may advance by at most what is in flight, and then one 8-byte
 * element per completion, by one load. (Of eight elements one lies in two cache lines,
 * where a load may find half of a new value: it is judged as any other.)
 *
 * An index is free-running and 16 bits wide; differences are taken modulo 2^16.
 */
#include "drv_shadow.h"

/* A used element as one word, so that one load gets id and length together. */
#define USED_ID(elem)	((u32)(elem))
#define USED_LEN(elem)	((u32)((elem) >> 32))

void split_drv_init(struct ring_drv *r, const struct ring_areas *a)
{
	split_place(&r->split, a, r->size);
}

static inline void split_write(void __shared *table, u32 i, u64 bus, u32 len, u16 flags,
			       u16 next)
{
	struct ring_words __shared *desc = ring_words(table, i);

	shared_store64(&desc->addr, bus);
	shared_store64(&desc->rest, split_rest(len, flags, next));
}

/* Write an indirect table, and the descriptor of the queue that names it. */
static ring_noinline void split_write_table(struct ring_drv *r, const struct ring_buf *buf, u32 id)
{
	const u32 num = (u32)buf->out + buf->in;
	u32 i;

	for (i = 0; i < num; i++)
		split_write(buf->table->desc, i, buf->seg[i].bus, buf->seg[i].len,
			    drv_seg_flags(buf, num, i), (u16)(i + 1));
	split_write(r->split.desc, id, buf->table->bus, num * (u32)sizeof(struct vring_desc),
		    VRING_DESC_F_INDIRECT, 0);
}

/* Offer the chain of @count descriptors at @id. */
static inline void split_stage(struct ring_drv *r, u32 id, u32 count)
{
	shared_store16(&r->split.avail->ring[(u16)r->adds & (r->size - 1)], (u16)id);
	drv_enter(r, id, count);
}

static ring_inline int split_add(struct ring_drv *r, const struct ring_buf *buf, u32 num,
				 const struct ring_table *table, void *cookie)
{
	const u32 head = r->free_head;
	u32 writable, id = head, i;
	const int need = drv_admit(r, buf, num, table, cookie, &writable);

	if (unlikely(need < 0))
		return need;

	if (table) {
		split_write_table(r, buf, id);
		id = r->shadow[id].next;
	} else {
		for (i = 0; i < (u32)need; i++) {
			const u16 next = r->shadow[id].next;

			split_write(r->split.desc, id, buf->seg[i].bus, buf->seg[i].len,
				    drv_seg_flags(buf, num, i), next);
			id = next;
		}
	}

	r->free_head = (u16)id;
	r->num_free -= (u16)need;
	r->shadow[head].cookie = cookie;
	r->shadow[head].writable = writable;
	split_stage(r, head, (u32)need);
	return (int)head;
}

static ring_noinline int split_add_chain(struct ring_drv *r, const struct ring_buf *buf,
					 void *cookie)
{
	return split_add(r, buf, (u32)buf->out + buf->in, buf->table, cookie);
}

int split_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie)
{
	return drv_is_single(buf) ? split_add(r, buf, 1, NULL, cookie) :
				    split_add_chain(r, buf, cookie);
}

void split_drv_bind(struct ring_drv *r, u16 id)
{
	const struct ring_shadow *s = &r->shadow[id];

	split_write(r->split.desc, id, s->bus, s->len,
		    s->writable ? VRING_DESC_F_WRITE : 0, 0);
}

void split_drv_post(struct ring_drv *r, u16 id)
{
	split_stage(r, id, 1);
}

void split_drv_show(struct ring_drv *r)
{
	/* Barrier A pairs with B in split_avail(). */
	shared_store_release16(&r->split.avail->idx, (u16)r->adds);
	r->unasked = split_unasked(r->unasked, r->adds - r->shown);
}

bool split_drv_must_kick(struct ring_drv *r)
{
	return split_event_due(&r->split.used->flags, r->split.avail_event, (u16)r->shown,
			       r->unasked, r->event_idx);
}

/* Number of completions to take, from one checked load of used.idx. */
static inline int split_used(struct ring_drv *r)
{
	const u16 polled = (u16)r->polls;
	u16 idx;

	if (r->seen != polled)
		return (u16)(r->seen - polled);

	/* Barrier D pairs with C in split_dev_show(). */
	idx = shared_load_acquire16(&r->split.used->idx);
	if (unlikely((u16)(idx - polled) > r->shown - r->polls))
		return drv_fault(r, RING_USED_JUMP);
	r->seen = idx;
	return (u16)(idx - polled);
}

int split_drv_poll(struct ring_drv *r, struct ring_done *done)
{
	int n;
	u64 elem;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	if (r->batch) {
		drv_next_of_batch(r, done);
		return 1;
	}
	n = split_used(r);
	if (n <= 0)
		return n ? n : drv_none(r);

	elem = shared_load_pair32(&r->split.used->ring[(u16)r->polls & (r->size - 1)]);
	n = drv_complete(r, USED_ID(elem), USED_LEN(elem), (u64)n, done);
	return n < 0 ? n : 1;
}

bool split_drv_pending(const struct ring_drv *r)
{
	const u16 polled = (u16)r->polls;

	return r->seen != polled || shared_load16(&r->split.used->idx) != polled;
}

/* Are more complete than there is patience for? */
bool split_drv_passed(const struct ring_drv *r)
{
	return (u16)(shared_load16(&r->split.used->idx) - (u16)r->polls) > r->patience;
}

void split_drv_tell(struct ring_drv *r)
{
	split_event_store(&r->split.avail->flags, r->split.used_event,
			  (u16)(r->polls + r->patience), r->armed, r->event_idx);
}
