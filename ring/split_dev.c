// SPDX-License-Identifier: GPL-2.0
/*
 * Device half of a split virtqueue (virtio 1.2, 2.7).
 *
 * Everything that the driver wrote is fetched once: avail.idx into the count of
 * chains to take, an avail entry into a head, a descriptor (16 bytes, one pass)
 * into a private copy. A head that was popped and not yet pushed is remembered
 * as busy, so that a driver which offers it twice does not get two completions
 * racing for one buffer. A chain may take as many steps as its table has
 * entries and yields at most the caller's bound of segments and bytes.
 */
#include "ring.h"

size_t ring_dev_private_bytes(u32 size)
{
	return size;
}

int ring_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 size,
		  u64 features, u32 base, const struct ring_dev_limits *limits,
		  void *priv)
{
	if (!ring_size_ok(size, features) || base > U16_MAX)
		return -EINVAL;

	*r = (struct ring_dev) {
		.desc = a->desc,
		.avail = a->driver,
		.used = a->device,
		.limits = *limits,
		.busy = priv,
		.size = (u16)size,
		.popped = (u16)base,
		.seen = (u16)base,
		.staged = (u16)base,
		.flushed = (u16)base,
		.event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
		.indirect = features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC),
		.armed = true,		/* what a zeroed ring says */
	};
	r->used_event = &r->avail->ring[size];
	r->avail_event = shared_at(a->device, ring_device_bytes(size) - 2);
	memset(r->busy, 0, size);
	return 0;
}

u32 ring_dev_base(const struct ring_dev *r)
{
	return r->popped;
}

void ring_dev_break(struct ring_dev *r, enum ring_fault fault)
{
	if (r->fault == RING_OK)
		r->fault = fault;
}

static int dev_fault(struct ring_dev *r, enum ring_fault fault)
{
	ring_dev_break(r, fault);
	return -EIO;
}

/* Number of chains to take, from one checked load of avail.idx. */
static inline int dev_avail(struct ring_dev *r)
{
	u16 idx;

	if (r->seen != r->popped)
		return (u16)(r->seen - r->popped);

	/* Barrier B pairs with A in ring_drv_publish(). */
	idx = shared_load_acquire16(&r->avail->idx);
	if (unlikely((u16)(idx - r->popped) > r->size))
		return dev_fault(r, RING_AVAIL_JUMP);
	r->seen = idx;
	return (u16)(idx - r->popped);
}

/* A descriptor, private and host-endian. */
struct dev_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

static inline void dev_fetch(const void __shared *table, u32 i, struct dev_desc *d)
{
	struct vring_desc raw;

	shared_copy_in(&raw, (const u8 __shared *)table + i * sizeof(raw), sizeof(raw));
	d->addr = le64_to_cpu((__force __le64)raw.addr);
	d->len = le32_to_cpu((__force __le32)raw.len);
	d->flags = le16_to_cpu((__force __le16)raw.flags);
	d->next = le16_to_cpu((__force __le16)raw.next);
}

/* Add one buffer to the chain; zero bytes are allowed and add nothing. */
static int dev_take_desc(struct ring_dev *r, const struct dev_desc *d,
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
 * Walk a table of @num entries from entry @i. A chain that goes on after as many
 * steps as its table has entries loops.
 */
static int dev_walk(struct ring_dev *r, const void __shared *table, u32 num, u32 i,
		    bool nested, struct ring_chain *c)
{
	struct dev_desc d;
	u32 steps = 0;
	int ret;

	for (;;) {
		dev_fetch(table, i, &d);
		if (!nested)
			c->count++;
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT)) {
			const void __shared *inner;

			if (!r->indirect)
				return dev_fault(r, RING_INDIRECT_OFF);
			if (nested || (d.flags & VRING_DESC_F_NEXT))
				return dev_fault(r, RING_INDIRECT_NEST);
			if (!d.len || d.len % sizeof(struct vring_desc) ||
			    d.len / sizeof(struct vring_desc) > RING_SIZE_MAX)
				return dev_fault(r, RING_INDIRECT_SIZE);
			inner = r->limits.map(r->limits.ctx, d.addr, d.len, false);
			if (!inner)
				return dev_fault(r, RING_DESC_ADDR);
			return dev_walk(r, inner, d.len / (u32)sizeof(struct vring_desc),
					0, true, c);
		}

		ret = dev_take_desc(r, &d, c);
		if (unlikely(ret))
			return ret;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		if (unlikely(d.next >= num))
			return dev_fault(r, RING_DESC_NEXT);
		if (unlikely(++steps == num))
			return dev_fault(r, RING_DESC_LOOP);
		i = (u32)array_index_nospec(d.next, num);
	}
}

int ring_dev_pop(struct ring_dev *r, struct ring_chain *c)
{
	u32 head;
	int ret;

	if (unlikely(r->fault != RING_OK))
		return -EIO;
	ret = dev_avail(r);
	if (ret <= 0)
		return ret;

	head = shared_load16(&r->avail->ring[r->popped & (r->size - 1)]);
	if (unlikely(head >= r->size))
		return dev_fault(r, RING_AVAIL_HEAD);
	head = (u32)array_index_nospec(head, r->size);
	if (unlikely(r->busy[head]))
		return dev_fault(r, RING_AVAIL_BUSY);

	c->id = (u16)head;
	c->count = 0;
	c->out = 0;
	c->in = 0;
	c->out_len = 0;
	c->in_len = 0;
	ret = dev_walk(r, r->desc, r->size, head, false, c);
	if (unlikely(ret))
		return ret;

	r->busy[head] = 1;
	r->popped++;
	r->in_flight++;
	return 1;
}

void ring_dev_unpop(struct ring_dev *r, const struct ring_chain *c)
{
	if (!r->busy[c->id])
		return;
	r->busy[c->id] = 0;
	r->popped--;
	r->in_flight--;
}

void ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len)
{
	struct vring_used_elem __shared *elem;

	if (unlikely(r->fault != RING_OK || !r->busy[c->id]))
		return;

	elem = &r->used->ring[r->staged & (r->size - 1)];
	shared_store32(&elem->id, c->id);
	shared_store32(&elem->len, len);
	r->busy[c->id] = 0;
	r->staged++;
	r->in_flight--;
}

bool ring_dev_flush(struct ring_dev *r)
{
	const u16 old = r->flushed;

	if (r->staged == old || r->fault != RING_OK)
		return false;

	/* Barrier C pairs with D in ring_drv_poll(). */
	shared_store_release16(&r->used->idx, r->staged);
	r->flushed = r->staged;

	/* Barrier G pairs with H in ring_drv_arm(). */
	shared_mb();
	if (r->event_idx)
		return ring_event_passed(shared_load16(r->used_event), r->flushed, old);
	return !(shared_load16(&r->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

void ring_dev_disarm(struct ring_dev *r)
{
	if (!r->armed || r->fault != RING_OK)
		return;
	r->armed = false;
	if (r->event_idx)
		/* The event furthest away: it comes after 2^16 chains. */
		shared_store16(r->avail_event, (u16)(r->popped - 1));
	else
		shared_store16(&r->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool ring_dev_arm(struct ring_dev *r)
{
	if (r->fault != RING_OK)
		return false;
	r->armed = true;
	if (r->event_idx)
		shared_store16(r->avail_event, r->popped);
	else
		shared_store16(&r->used->flags, 0);

	/* Barrier F pairs with E in ring_drv_publish(). */
	shared_mb();
	return r->seen != r->popped || shared_load16(&r->avail->idx) != r->popped;
}
