/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the device half does in private memory, the same for both layouts: building a
 * chain from descriptors, entering it, completing it. Private to ring/.
 *
 * Theory
 * ------
 * A chain is validated while it is read, descriptor by descriptor, each one fetched
 * once; what comes out are segments in this process. It then is remembered under its
 * id until its completion is staged, so that a driver which offers an id twice does not
 * get two completions racing for one buffer.
 */
#ifndef RING_DEV_CHAIN_H
#define RING_DEV_CHAIN_H

#include "layout.h"

/**
 * enum ring_served_state - where the chain of an id is
 * @SERVED_FREE: there is none
 * @SERVED_POPPED: the caller has it
 * @SERVED_HELD: in order: pushed, but one that was popped before is not
 */
enum ring_served_state { SERVED_FREE, SERVED_POPPED, SERVED_HELD };

/**
 * struct dev_desc - a descriptor, private and host-endian
 * @addr: of the buffer, as the driver wrote it
 * @len: of the buffer
 * @flags: of the descriptor
 */
struct dev_desc {
	u64 addr;
	u32 len;
	u16 flags;
};

/* The layouts; contexts, arguments and answers are those of ring_dev_*. */
void split_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 base);
int split_dev_pop(struct ring_dev *r, struct ring_chain *c);
/* Pop again a chain of which only the head is known. */
int split_dev_repop(struct ring_dev *r, u32 head, struct ring_chain *c);
void split_dev_show(struct ring_dev *r);
bool split_dev_must_call(struct ring_dev *r);
bool split_dev_pending(const struct ring_dev *r);
void split_dev_tell(struct ring_dev *r);

bool packed_base_ok(u32 base, u32 size);
void packed_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 base);
int packed_dev_pop(struct ring_dev *r, struct ring_chain *c);
int packed_dev_take(struct ring_dev *r, const struct dev_desc *d, struct ring_chain *c);
void packed_dev_show(struct ring_dev *r);
bool packed_dev_must_call(struct ring_dev *r);
bool packed_dev_pending(const struct ring_dev *r);
void packed_dev_tell(struct ring_dev *r);

static inline int dev_fault(struct ring_dev *r, enum ring_fault fault)
{
	ring_dev_break(r, fault);
	return -EIO;
}

static inline void dev_chain_begin(struct ring_chain *c)
{
	c->count = 0;
	c->out = 0;
	c->in = 0;
	c->out_len = 0;
	c->in_len = 0;
}

/* Add one buffer to the chain; zero bytes are allowed and add nothing. */
static inline int dev_take_desc(struct ring_dev *r, const struct dev_desc *d,
				struct ring_chain *c)
{
	const bool write = d->flags & VRING_DESC_F_WRITE;
	const u32 segs = (u32)c->out + c->in;
	void __shared *base;

	if (unlikely(!write && c->in))
		return dev_fault(r, RING_DESC_ORDER);
	if (unlikely(!d->len))
		return 0;
	if (unlikely(segs == r->limits.segs))
		return dev_fault(r, RING_DESC_SEGS);
	if (unlikely(d->len > r->limits.bytes - c->out_len - c->in_len))
		return dev_fault(r, RING_DESC_BYTES);

	base = r->limits.map(r->limits.ctx, d->addr, d->len, write);
	if (unlikely(!base))
		return dev_fault(r, RING_DESC_ADDR);

	c->iov[segs] = (struct ring_iov) { .base = base, .len = d->len };
	if (write) {
		c->in++;
		c->in_len += d->len;
	} else {
		c->out++;
		c->out_len += d->len;
	}
	return 0;
}

/*
 * The indirect table that a descriptor names, and how many entries it has. Returns
 * NULL when it is none that can be, and the queue is broken.
 *
 * A table may be longer than the queue: no driver should (virtio 1.2, 2.7.5.3.1), Linux
 * does for large requests on small queues, and what it costs is bounded by
 * ring_dev_limits and RING_SIZE_MAX.
 */
static inline void __shared *dev_table(struct ring_dev *r, const struct dev_desc *d,
				       u32 *num)
{
	void __shared *table;

	if (!r->indirect) {
		dev_fault(r, RING_INDIRECT_OFF);
		return NULL;
	}
	if (d->flags & VRING_DESC_F_NEXT) {
		dev_fault(r, RING_INDIRECT_NEST);
		return NULL;
	}
	*num = d->len / (u32)sizeof(struct vring_desc);
	if (!d->len || d->len % sizeof(struct vring_desc) || *num > RING_SIZE_MAX) {
		dev_fault(r, RING_INDIRECT_SIZE);
		return NULL;
	}
	table = r->limits.map(r->limits.ctx, d->addr, d->len, false);
	if (!table) {
		dev_fault(r, RING_DESC_ADDR);
		return NULL;
	}
	if (!shared_is_aligned(table, sizeof(__le64))) {
		dev_fault(r, RING_INDIRECT_SIZE);
		return NULL;
	}
	return table;
}

/* May a chain be popped under this id? Then the id, safe as an index; else -EIO. */
static inline int dev_check_id(struct ring_dev *r, u32 id)
{
	if (unlikely(id >= r->size))
		return dev_fault(r, RING_AVAIL_HEAD);
	id = (u32)array_index_nospec(id, r->size);
	if (unlikely(r->served[id].state != SERVED_FREE))
		return dev_fault(r, RING_AVAIL_BUSY);
	return (int)id;
}

/* Remember a validated chain as popped. */
static inline void dev_enter(struct ring_dev *r, const struct ring_chain *c)
{
	struct ring_served *s = &r->served[c->id];

	s->in_len = c->in_len;
	s->count = c->count;
	s->state = SERVED_POPPED;
	if (r->in_order) {
		r->served[r->order_next].order = c->id;
		r->order_next = (u16)packed_index(r->order_next + 1u, r->size);
	}
	r->in_flight++;
}

/* Does somebody copy memory while it is used? Looked at once for what is shown together. */
static inline bool dev_is_copied(const struct ring_dev *r)
{
	return unlikely(r->limits.dirty);
}

/* This half has written to @at. */
static inline void dev_dirty(const struct ring_dev *r, const void __shared *at, size_t len)
{
	if (dev_is_copied(r))
		r->limits.dirty(r->limits.dirty_ctx, at, len);
}

/* To so many entries of a ring of entries of @bytes each, from index @at on. */
static inline void dev_dirty_entries(const struct ring_dev *r, void __shared *ring, size_t bytes,
				     u32 at, u32 n)
{
	const u32 first = min_t(u32, n, r->size - at);

	dev_dirty(r, shared_at(ring, at * bytes), first * bytes);
	if (n > first)
		dev_dirty(r, ring, (n - first) * bytes);
}

/* Write a completion to where it goes; it is not shown yet. */
static inline void split_dev_stage(struct ring_dev *r, u32 at, u32 id, u32 len)
{
	struct vring_used_elem __shared *elem = &r->split.used->ring[at & (r->size - 1u)];

	shared_store32(&elem->id, id);
	shared_store32(&elem->len, len);
}

static inline void packed_dev_stage(struct ring_dev *r, u32 at, u32 id, u32 len)
{
	/* WRITE where the length means something (virtio 1.2, 2.8.4). */
	packed_put(&r->packed, packed_index(at, r->size),
		   packed_rest(len, (u16)id, packed_used_flags(at, r->size) |
			       (len ? VRING_DESC_F_WRITE : 0)));
}

#endif /* RING_DEV_CHAIN_H */
