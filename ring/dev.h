/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device half of a virtqueue, and access to what a chain carries; the theory is in
 * ring.h, which includes this.
 */
#ifndef RING_DEV_H
#define RING_DEV_H

struct ring_log;

/**
 * struct ring_iov - one validated piece of a chain's memory
 * @base: address in this process; good until the region is removed
 * @len: bytes, at least 1
 */
struct ring_iov {
	void __shared *base;
	u32 len;
};

/**
 * typedef ring_map_fn - translate a driver's address
 * @ctx: ring_dev_limits.ctx
 * @addr: guest-physical (or I/O virtual) address that the driver wrote
 * @len: bytes, at least 1
 * @write: true when the device is going to write there
 *
 * Return: the address in this process of a range that lies wholly inside one
 * region, or NULL.
 */
typedef void __shared *ring_map_fn(void *ctx, u64 addr, u32 len, bool write);

/**
 * typedef ring_dirty_fn - hear of memory that the device half has written
 * @ctx: ring_dev_limits.dirty_ctx
 * @at: where, in the queue's own areas; what chains carry is the caller's to know
 * @len: bytes
 */
typedef void (*ring_dirty_fn)(void *ctx, const void __shared *at, size_t len);

/**
 * struct ring_dev_limits - what the device half accepts
 * @map: translation; called for every descriptor
 * @ctx: its argument
 * @dirty: called after writes, at the latest when they are shown; NULL: nobody wants to know
 * @dirty_ctx: its argument
 * @segs: most segments a chain may have
 * @bytes: most bytes a chain may have, readable and writable together
 */
struct ring_dev_limits {
	ring_map_fn *map;
	void *ctx;
	ring_dirty_fn dirty;
	void *dirty_ctx;
	u16 segs;
	u32 bytes;
};

/**
 * struct ring_chain - a popped chain, validated
 * @iov: segments: first @out readable, then @in writable; caller's array of at
 *	least ring_dev_limits.segs, set before ring_dev_pop()
 * @id: of the chain, for ring_dev_push()
 * @count: descriptors of the queue that it took
 * @out: number of readable segments
 * @in: number of writable segments
 * @out_len: bytes in the readable segments
 * @in_len: bytes in the writable segments
 */
struct ring_chain {
	struct ring_iov *iov;
	u16 id;
	u16 count;
	u16 out;
	u16 in;
	u32 out_len;
	u32 in_len;
};

/**
 * struct ring_served - what the device half knows of one id; private
 * @in_len: bytes that may be written to its chain
 * @len: bytes that were, once it is pushed and held back
 * @count: descriptors of the queue that the chain takes
 * @state: enum ring_served_state
 * @order: in order, an entry of the list of ids as they were popped; of no particular id
 */
struct ring_served {
	u32 in_len;
	u32 len;
	u16 count;
	u16 order;
	u8 state;
};

/**
 * struct ring_dev - device half of a virtqueue; private memory
 *
 * Opaque to callers but for embedding it.
 */
struct ring_dev {
	/* private: */
	struct ring_served *served;
	struct ring_log *log;	/* or NULL: see log.h */
	union {
		struct ring_split split;
		struct ring_packed packed;
	};
	struct ring_dev_limits limits;
	/* Chains ever popped, staged as used, shown as used; a split queue's indices. */
	u64 pops;
	u64 pushes;
	u64 shown;
	u32 unasked;		/* shown since the last question whether to call */
	u32 batch_at;		/* in order: where the completion of the batch goes */
	u32 batch_len;		/* its length */
	u16 batch_id;		/* its id: the last chain's */
	u16 size;
	u16 seen;		/* split: avail.idx as last loaded and checked */
	u16 in_flight;		/* chains popped and not pushed */
	u16 taken;		/* packed: descriptors popped and not shown as used */
	u16 staged;		/* packed: of these, in completions that are staged */
	u16 order_first;	/* in order: the oldest popped chain in served[].order */
	u16 order_next;		/* in order: where the next one goes */
	bool batch;		/* in order: there is a batch to which more may be added */
	bool batch_full;	/* its last chain was written in full: it may grow */
	bool is_packed;
	bool in_order;
	bool event_idx;
	bool indirect;
	bool armed;		/* what the driver was last told of kicks */
	enum ring_fault fault;
};

/**
 * ring_base_new() - the base of a queue that was never used
 * @features: negotiated feature bits
 *
 * Return: for ring_dev_init()'s @base: indices 0, wrap counters 1 (virtio 1.2, 2.8.1).
 */
static inline u32 ring_base_new(u64 features)
{
	return features & BIT_ULL(VIRTIO_F_RING_PACKED) ? 0x80008000u : 0;
}

/**
 * ring_dev_private_bytes() - private memory that a device half needs
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes, for ring_dev_init()'s @priv.
 */
size_t ring_dev_private_bytes(u32 size);

/**
 * ring_dev_init() - start a device half
 * @r: the half
 * @a: its areas, already translated and checked for size and alignment
 * @size: number of descriptors
 * @features: negotiated feature bits
 * @base: state to go on from, as ring_dev_base() gave it; ring_base_new() for a new
 *	queue
 * @limits: what to accept; copied
 * @priv: ring_dev_private_bytes(@size) bytes, owned by the caller
 *
 * The half starts armed, as a zeroed ring says. With another @base, begin with
 * ring_dev_arm(): only it makes sure that kicks come.
 *
 * A split queue's used.idx is taken to be equal to @base: chains that were popped by
 * an earlier half must have been pushed (virtio 1.2, 2.7.8). Else see ring_dev_log().
 *
 * Return: 0, or -EINVAL for a size or a base that a queue cannot have.
 */
int ring_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 size,
		  u64 features, u32 base, const struct ring_dev_limits *limits,
		  void *priv);

/**
 * ring_dev_base() - where another half could go on
 * @r: the half; with nothing popped and unpushed, and all that was pushed shown
 *
 * Return: the vhost-user ring base: for a split queue the next avail index, for a
 * packed one the next avail index and wrap counter (bits 0 to 15) and the next used
 * ones (16 to 31); docs/interop/vhost-user.rst, "vring state description".
 */
u32 ring_dev_base(const struct ring_dev *r);

/**
 * ring_dev_pop() - take the next available chain
 * @r: the half
 * @c: @c->iov set by the caller; the rest is filled in when 1 is returned
 *
 * Return: 1, 0 when there is none, -EIO when the queue is broken (now or before).
 */
int ring_dev_pop(struct ring_dev *r, struct ring_chain *c);

/**
 * ring_dev_unpop() - give a chain back as if it had not been popped
 * @r: the half
 * @c: the chain popped latest and not given back or pushed; call it in reverse
 *	order for several
 *
 * Nothing happens on a broken queue.
 */
void ring_dev_unpop(struct ring_dev *r, const struct ring_chain *c);

/**
 * ring_dev_push() - stage a completion
 * @r: the half
 * @c: a popped chain; only @id is looked at; chains may be pushed in any order
 * @len: bytes written to the chain's writable segments, from their start
 *
 * In order, the completion is held back until all chains that were popped before are
 * pushed. Nothing happens on a broken queue.
 */
void ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len);

/**
 * ring_dev_show() - make the staged completions visible to the driver
 * @r: the half
 *
 * Without asking whether it must be called, which costs a full barrier: for a driver
 * that polls. Else ring_dev_flush() must follow before the device waits; it asks for
 * all that was shown since.
 */
void ring_dev_show(struct ring_dev *r);

/**
 * ring_dev_flush() - make the staged completions visible to the driver
 * @r: the half
 *
 * Return: true when the driver must be called (virtio 1.2, 2.7.14 and 2.8.22).
 */
bool ring_dev_flush(struct ring_dev *r);

/**
 * ring_dev_disarm() - say that no kick is needed for now
 * @r: the half
 *
 * A hint: kicks may come all the same.
 */
void ring_dev_disarm(struct ring_dev *r);

/**
 * ring_dev_pending() - has a chain come?
 * @r: the half
 *
 * One look, without a barrier: for a device that looks again and again. One that sleeps then has
 * to use ring_dev_arm().
 *
 * Return: true when there is something to pop, as it seems; false when the queue is broken.
 */
bool ring_dev_pending(const struct ring_dev *r);

/**
 * ring_dev_arm() - ask for a kick at the next available chain
 * @r: the half
 *
 * Return: true when chains came in meanwhile, for which no kick need come: pop
 * again. False when the queue is broken.
 */
bool ring_dev_arm(struct ring_dev *r);

/**
 * ring_dev_break() - break the queue for what its buffers carried
 * @r: the half
 * @fault: reason, normally RING_CALLER or RING_STALLED; the first reason stays
 */
void ring_dev_break(struct ring_dev *r, enum ring_fault fault);

/* Chains popped and not pushed. */
static inline u16 ring_dev_in_flight(const struct ring_dev *r)
{
	return r->in_flight;
}

/* Why the queue is broken; RING_OK while it is not. */
static inline enum ring_fault ring_dev_fault(const struct ring_dev *r)
{
	return r->fault;
}

/**
 * ring_iov_read() - copy out of a chain's segments into private memory
 * @iov: segments
 * @num: how many
 * @off: bytes to pass over first
 * @dst: private memory
 * @len: bytes wanted
 *
 * Return: bytes copied: @len, or less when the segments end before.
 */
size_t ring_iov_read(const struct ring_iov *iov, unsigned int num, size_t off,
		     void *dst, size_t len);

/**
 * ring_iov_write() - copy private memory into a chain's segments
 * @iov: segments
 * @num: how many
 * @off: bytes to pass over first
 * @src: private memory
 * @len: bytes to write
 *
 * Return: bytes copied: @len, or less when the segments end before.
 */
size_t ring_iov_write(const struct ring_iov *iov, unsigned int num, size_t off,
		      const void *src, size_t len);

#endif /* RING_DEV_H */
