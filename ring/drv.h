/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver half of a virtqueue; the theory is in ring.h, which includes this.
 */
#ifndef RING_DRV_H
#define RING_DRV_H

/**
 * struct ring_seg - one buffer of a chain, as the driver half submits it
 * @bus: its address as the device is told it
 * @len: bytes, at least 1
 */
struct ring_seg {
	u64 bus;
	u32 len;
};

/**
 * struct ring_table - shared memory for one indirect descriptor table
 * @desc: the table, aligned to 16; the driver writes it, only the device reads it
 * @bus: its address as the device is told it; aligned to 16
 * @num: entries that fit
 */
struct ring_table {
	void __shared *desc;
	u64 bus;
	u16 num;
};

/**
 * struct ring_buf - a chain to submit
 * @seg: the buffers: first @out that the device reads, then @in that it writes
 * @out: number of device-readable buffers
 * @in: number of device-writable buffers
 * @table: indirect table to use, or NULL for descriptors of the queue; only with
 *	VIRTIO_RING_F_INDIRECT_DESC negotiated
 */
struct ring_buf {
	const struct ring_seg *seg;
	u16 out;
	u16 in;
	const struct ring_table *table;
};

/**
 * struct ring_done - a completion, checked
 * @cookie: what add() was given; NULL in bind()/post() form
 * @id: index of the chain's first descriptor; in bind()/post() form the buffer
 * @len: bytes that the device says it wrote; at most what was writable
 */
struct ring_done {
	void *cookie;
	u16 id;
	u32 len;
};

/**
 * struct ring_shadow - what the driver half knows of one id; private
 * @cookie: of the chain of that id
 * @bus: of the bound buffer, as the device is told it
 * @at: which of all chains ever staged it is
 * @writable: bytes that the device may write to the chain
 * @len: bytes of the bound buffer
 * @next: next descriptor of the chain, or of the free list
 * @count: descriptors of the chain; 0: none of that id is in flight
 * @bound: tied to a buffer by ring_drv_bind(), and so never on the free list
 *
 * The id is that of the chain's first descriptor (split), or the buffer id (packed).
 */
struct ring_shadow {
	union {
		void *cookie;
		u64 bus;
	};
	u64 at;
	u32 writable;
	u32 len;
	u16 next;
	u16 count;
	bool bound;
};

/**
 * struct ring_drv - driver half of a virtqueue; private memory
 *
 * Opaque to callers but for embedding it.
 */
struct ring_drv {
	/* private: */
	struct ring_shadow *shadow;
	union {
		struct ring_split split;
		struct ring_packed packed;
	};
	/* Chains ever staged, shown, completed; unlike an index they never wrap. */
	u64 adds;
	u64 shown;
	u64 polls;
	u64 promised;		/* what polls was when arm() said that there is more */
	u32 unasked;		/* shown since the last question whether to kick */
	u32 batch_len;		/* in order: length of the batch's last chain */
	u16 batch;		/* in order: chains known to be complete, not polled */
	u16 size;
	u16 free_head;		/* of the list through shadow[].next */
	u16 num_free;		/* descriptors that add() may take */
	u16 oldest;		/* in order: id of the oldest chain */
	u16 seen;		/* split: used.idx as last loaded and checked */
	u16 patience;		/* split: completions that no call is wanted for */
	u16 detached;		/* where ring_drv_detach() goes on */
	bool is_packed;
	bool in_order;
	bool event_idx;
	bool indirect;
	bool armed;		/* what the device was last told of calls */
	bool bound;		/* in bind()/post() form */
	enum ring_fault fault;
};

/**
 * ring_drv_private_bytes() - private memory that a driver half needs
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes, for ring_drv_init()'s @priv.
 */
size_t ring_drv_private_bytes(u32 size);

/**
 * ring_drv_init() - start a driver half
 * @r: the half
 * @a: its areas; zeroed by this call
 * @size: number of descriptors
 * @features: negotiated feature bits
 * @priv: ring_drv_private_bytes(@size) bytes aligned for pointers, owned by the
 *	caller until the ring is no longer used
 *
 * Before the device is told of the queue. Also after a confirmed reset, to start
 * afresh. The half starts disarmed: no call need come before ring_drv_arm().
 *
 * Return: 0, or -EINVAL for a size that a queue cannot have.
 */
int ring_drv_init(struct ring_drv *r, const struct ring_areas *a, u32 size,
		  u64 features, void *priv);

/**
 * ring_drv_add() - stage a chain
 * @r: the half
 * @buf: the chain; copied, so it may live on the stack
 * @cookie: given back by ring_drv_poll(); not NULL
 *
 * Return: the chain's id (>= 0), -ENOSPC while too few descriptors are free,
 * -EIO when the queue is broken, -EINVAL for a chain that no device may be
 * given (empty, zero length, sum of 4 GiB or more, larger than its table or the
 * queue).
 */
int ring_drv_add(struct ring_drv *r, const struct ring_buf *buf, void *cookie);

/**
 * ring_drv_bind() - tie a descriptor to a buffer for ever
 * @r: the half; freshly initialised and not used with ring_drv_add()
 * @id: descriptor, below the queue's size
 * @seg: the buffer
 * @write: true when the device writes it
 *
 * In order, buffers must be bound to all descriptors, and posted in the order of
 * their ids, round and round.
 *
 * Return: 0, -EIO when the queue is broken, or -EINVAL.
 */
int ring_drv_bind(struct ring_drv *r, u16 id, const struct ring_seg *seg,
		  bool write);

/**
 * ring_drv_post() - stage a bound descriptor
 * @r: the half
 * @id: a descriptor given to ring_drv_bind()
 *
 * Return: 0, -EBUSY when it is in flight already, -EIO when the queue is broken,
 * -EINVAL when @id is not bound or, in order, not the next.
 */
int ring_drv_post(struct ring_drv *r, u16 id);

/**
 * ring_drv_show() - make what was staged visible to the device
 * @r: the half
 *
 * Without asking whether it must be kicked, which costs a full barrier: for a device
 * that polls. Else ring_drv_publish() must follow before the driver waits; it asks
 * for all that was shown since.
 */
void ring_drv_show(struct ring_drv *r);

/**
 * ring_drv_publish() - make what was staged visible to the device
 * @r: the half
 *
 * Return: true when the device must be kicked (virtio 1.2, 2.7.13.3, 2.7.13.4 and
 * 2.8.21).
 */
bool ring_drv_publish(struct ring_drv *r);

/**
 * ring_drv_kick_data() - what to write to the notification register
 * @r: the half
 * @index: the queue's number
 *
 * With VIRTIO_F_NOTIFICATION_DATA negotiated (virtio 1.2, 2.9 and 4.1.5.2). Need not be
 * serialised with other calls: a kick comes after the lock was dropped, and names what the
 * latest ring_drv_show() or ring_drv_publish() showed, its own or another's.
 *
 * Return: queue number, and where the next descriptor will be made available.
 */
u32 ring_drv_kick_data(const struct ring_drv *r, u16 index);

/**
 * ring_drv_poll() - take one completion
 * @r: the half
 * @done: filled in when 1 is returned
 *
 * Return: 1, 0 when there is none, -EIO when the queue is broken (now or before).
 */
int ring_drv_poll(struct ring_drv *r, struct ring_done *done);

/**
 * ring_drv_disarm() - say that no call is needed for now
 * @r: the half
 *
 * A hint: calls may come all the same.
 */
void ring_drv_disarm(struct ring_drv *r);

/**
 * ring_drv_arm() - ask for a call at the next completion
 * @r: the half
 *
 * Return: true when completions came in meanwhile, for which no call need come:
 * poll again; if the device has taken them back by then, that breaks the queue. False when
 * the queue is broken.
 */
bool ring_drv_arm(struct ring_drv *r);

/**
 * ring_drv_arm_later() - ask for a call when about half of what is in flight is complete
 * @r: the half
 *
 * For a driver that need not hear of each completion. As ring_drv_arm() with less than
 * RING_LATER chains in flight, where the device does not count (no EVENT_IDX), and packed.
 *
 * Return: true when so many are complete already: poll again.
 */
bool ring_drv_arm_later(struct ring_drv *r);

#define RING_LATER	16u

/**
 * ring_drv_pending() - is there a completion to poll?
 * @r: the half
 *
 * One load of shared memory; says nothing of whether it is a valid one.
 */
bool ring_drv_pending(const struct ring_drv *r);

/**
 * ring_drv_break() - break the queue for what its buffers carried
 * @r: the half
 * @fault: reason, normally RING_CALLER or RING_STALLED; the first reason stays
 */
void ring_drv_break(struct ring_drv *r, enum ring_fault fault);

/**
 * ring_drv_detach() - take back one chain that never completed
 * @r: the half
 * @done: filled in when true is returned; its length is 0
 *
 * Only once the device can no longer touch the buffers: after a confirmed reset.
 * The ring is of no use from then on until ring_drv_init().
 *
 * Return: true while there was one.
 */
bool ring_drv_detach(struct ring_drv *r, struct ring_done *done);

/* Descriptors free for ring_drv_add(). */
static inline u16 ring_drv_num_free(const struct ring_drv *r)
{
	return r->num_free;
}

/* Chains staged or in flight. */
static inline u16 ring_drv_in_flight(const struct ring_drv *r)
{
	return (u16)(r->adds - r->polls);
}

/* Why the queue is broken; RING_OK while it is not. */
static inline enum ring_fault ring_drv_fault(const struct ring_drv *r)
{
	return r->fault;
}

#endif /* RING_DRV_H */
