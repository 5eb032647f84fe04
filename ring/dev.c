// SPDX-License-Identifier: GPL-2.0
/*
 * Device half of a virtqueue: what callers see. The layouts are in split_dev.c and
 * packed_dev.c, what they share in dev_chain.h, the in-flight log in log.c.
 *
 * Completions in order
 * --------------------
 * The caller may push in any order; what is not the oldest is held under its id. Once
 * the oldest is there, it and all that are held directly behind it are staged. Of chains
 * that were written in full (or to which nothing is written) only the last needs a
 * completion of its own (virtio 1.2, 2.7.9): they become a batch, which is written to
 * the ring when a chain follows that cannot join it, and at the latest when it is shown.
 * It goes where the completion of its first chain would have gone.
 */
#include "dev_chain.h"
#include "log.h"

size_t ring_dev_private_bytes(u32 size)
{
	return (size_t)size * sizeof(struct ring_served);
}

int ring_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 size,
		  u64 features, u32 base, const struct ring_dev_limits *limits,
		  void *priv)
{
	const bool is_packed = features & BIT_ULL(VIRTIO_F_RING_PACKED);

	if (!ring_size_ok(size, features))
		return -EINVAL;
	if (is_packed ? !packed_base_ok(base, size) : base > U16_MAX)
		return -EINVAL;

	*r = (struct ring_dev) {
		.served = priv,
		.limits = *limits,
		.size = (u16)size,
		.is_packed = is_packed,
		.in_order = features & BIT_ULL(VIRTIO_F_IN_ORDER),
		.event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
		.indirect = features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC),
		.armed = true,		/* what a zeroed ring says */
	};
	if (is_packed)
		packed_dev_init(r, a, base);
	else
		split_dev_init(r, a, base);
	memset(r->served, 0, ring_dev_private_bytes(size));
	return 0;
}

u32 ring_dev_base(const struct ring_dev *r)
{
	if (!r->is_packed)
		return (u16)r->pops;
	return packed_off_wrap(r->packed.avail, r->size) |
	       (u32)packed_off_wrap(r->packed.used, r->size) << 16;
}

void ring_dev_break(struct ring_dev *r, enum ring_fault fault)
{
	if (r->fault == RING_OK)
		r->fault = fault;
}

int ring_dev_pop(struct ring_dev *r, struct ring_chain *c)
{
	int ret;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	if (unlikely(r->log && ring_log_resubmits(r->log)))
		return ring_log_pop(r, c);

	ret = r->is_packed ? packed_dev_pop(r, c) : split_dev_pop(r, c);
	if (ret <= 0)
		return ret;
	dev_enter(r, c);
	r->pops++;
	if (unlikely(r->log))
		ring_log_popped(r, c->id);
	return 1;
}

void ring_dev_unpop(struct ring_dev *r, const struct ring_chain *c)
{
	struct ring_served *s = &r->served[c->id];

	if (r->fault != RING_OK || s->state != SERVED_POPPED)
		return;
	s->state = SERVED_FREE;
	if (r->in_order)
		r->order_next = (u16)(r->order_next ? r->order_next - 1 : r->size - 1);
	r->in_flight--;
	if (unlikely(r->log) && ring_log_unpopped(r, c->id))
		return;
	if (r->is_packed) {
		r->packed.avail = packed_back(r->packed.avail, s->count, r->size);
		r->taken -= s->count;
	}
	r->pops--;
}

/* Write the completion of a chain, or of the batch that it ends. */
static inline void dev_write(struct ring_dev *r, u32 at, u32 id, u32 len)
{
	if (r->is_packed)
		packed_dev_stage(r, at, id, len);
	else
		split_dev_stage(r, at, id, len);
}

/* Where the next completion goes; from here on it is taken, for @count descriptors. */
static inline u32 dev_advance(struct ring_dev *r, u32 count)
{
	const u32 at = r->is_packed ? r->packed.used : (u16)r->pushes;

	if (r->is_packed) {
		r->packed.used = packed_forward(at, count, r->size);
		r->staged += (u16)count;
	}
	r->pushes++;
	return at;
}

static inline void dev_close_batch(struct ring_dev *r)
{
	if (r->batch)
		dev_write(r, r->batch_at, r->batch_id, r->batch_len);
	r->batch = false;
}

/* The completion of a chain is written, or is in the batch. */
static inline void dev_staged(struct ring_dev *r, struct ring_served *s, u16 id)
{
	s->state = SERVED_FREE;
	if (unlikely(r->log))
		ring_log_staged(r, id);
}

/* In order: add a chain to the batch, or begin one. */
static void dev_stage_ordered(struct ring_dev *r, u16 id)
{
	struct ring_served *s = &r->served[id];
	u32 at;

	if (!r->batch_full)
		dev_close_batch(r);
	at = dev_advance(r, s->count);
	if (!r->batch)
		r->batch_at = at;
	r->batch = true;
	r->batch_id = id;
	r->batch_len = s->len;
	r->batch_full = s->len == s->in_len;
	dev_staged(r, s, id);
}

void ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len)
{
	struct ring_served *s = &r->served[c->id];

	if (unlikely(r->fault != RING_OK || s->state != SERVED_POPPED))
		return;

	r->in_flight--;
	if (!r->in_order) {
		dev_write(r, dev_advance(r, s->count), c->id, len);
		dev_staged(r, s, c->id);
		return;
	}

	s->state = SERVED_HELD;
	s->len = len;
	/* What is held is in the list of what was popped, so this ends with the list. */
	for (;;) {
		const u16 oldest = r->served[r->order_first].order;

		if (r->served[oldest].state != SERVED_HELD)
			break;
		r->order_first = (u16)packed_index(r->order_first + 1u, r->size);
		dev_stage_ordered(r, oldest);
	}
}

void ring_dev_show(struct ring_dev *r)
{
	if (r->pushes == r->shown || r->fault != RING_OK)
		return;
	dev_close_batch(r);
	if (unlikely(r->log))
		ring_log_before_show(r);
	if (r->is_packed)
		packed_dev_show(r);
	else
		split_dev_show(r);
	r->shown = r->pushes;
	if (unlikely(r->log))
		ring_log_shown(r);
}

bool ring_dev_flush(struct ring_dev *r)
{
	bool call;

	ring_dev_show(r);
	if (!r->unasked || r->fault != RING_OK)
		return false;

	/* Barrier G pairs with H in ring_drv_arm(). */
	shared_mb();
	call = r->is_packed ? packed_dev_must_call(r) : split_dev_must_call(r);
	r->unasked = 0;
	return call;
}

/* Write whether kicks are wanted to where the driver looks. */
static void dev_tell(struct ring_dev *r, bool armed)
{
	r->armed = armed;
	if (r->is_packed)
		packed_dev_tell(r);
	else
		split_dev_tell(r);
}

void ring_dev_disarm(struct ring_dev *r)
{
	if (r->armed && r->fault == RING_OK)
		dev_tell(r, false);
}

bool ring_dev_pending(const struct ring_dev *r)
{
	if (r->fault != RING_OK)
		return false;
	if (unlikely(r->log && ring_log_resubmits(r->log)))
		return true;
	return r->is_packed ? packed_dev_pending(r) : split_dev_pending(r);
}

bool ring_dev_arm(struct ring_dev *r)
{
	if (r->fault != RING_OK)
		return false;
	dev_tell(r, true);

	/* Barrier F pairs with E in ring_drv_publish(). */
	shared_mb();
	return ring_dev_pending(r);
}
