/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtqueues between two sides that do not trust each other.
 *
 * Theory
 * ------
 * A virtqueue (virtio 1.2, 2.6) is memory that a driver and a device share:
 * descriptors that name buffers, an area that the driver writes (avail), an
 * area that the device writes (used). This file declares both halves. struct
 * ring_drv is what a guest driver runs, struct ring_dev what a back-end runs.
 * The other half is whoever is out there: ours, Linux, QEMU, DPDK, or an
 * attacker that can write every shared byte at every instant.
 *
 * Threat model. Each half keeps everything that it needs to stay safe in
 * private memory (the shadow) and believes of the shared memory only what it
 * loaded once and checked:
 *
 *   - the driver half never reads the descriptor table or the avail area; it
 *     reads used.idx, used elements (8 bytes, one load) and avail_event or the
 *     used flags. An id is bounded, passed through array_index_nospec() and
 *     looked up in the shadow: not in flight, or a length above what was
 *     writable, breaks the queue;
 *   - the device half reads avail.idx, avail entries, descriptors (fields once,
 *     in order flags, next, address, length) and used_event or the avail flags.
 *     Every address goes through the caller's translation, which knows the
 *     regions; every chain is bounded in descriptors, segments and bytes.
 *
 * A lie breaks the queue: the half remembers a reason, and from then on every
 * call on it is refused with -EIO without touching shared memory. It is the
 * caller's part to count it, to say so once, to fail what was in flight and to
 * reset. A lie about notifications costs at most a late or a needless one.
 *
 * Life of a descriptor, driver half:
 *
 *   free --add--> staged --publish--> in flight --poll--> free
 *
 *   add() fills the shadow first, then writes the descriptors and the avail
 *   entry; publish() makes all that was staged visible with one store and says
 *   whether the device wants a kick; poll() hands back the cookie and the
 *   number of bytes that the device wrote, never more than was writable. What
 *   a buffer holds belongs to the device from publish() to poll(); the caller
 *   may look at it only after poll(), and only by a copy.
 *
 *   bind() and post() are the short form for buffers that never move: a
 *   descriptor is tied to its buffer once, and post() stages it again without
 *   writing the table. A ring is used in one of the two forms only.
 *
 * Life of a chain, device half:
 *
 *   available --pop--> popped --push--> used, staged --flush--> used
 *
 *   pop() validates a whole chain into private segments; unpop() gives the
 *   latest popped chain back unread; push() stages the completion; flush()
 *   publishes what was staged and says whether the driver wants a call.
 *
 * Order. The lettered barriers in split_drv.c and split_dev.c, and who pairs:
 *
 *   A  driver publish: release store of avail.idx, after descriptors and
 *      entries.            Pairs with B, device: acquire load of avail.idx.
 *   C  device flush: release store of used.idx, after used elements and data.
 *                          Pairs with D, driver: acquire load of used.idx.
 *   E  driver publish: full barrier between the store of avail.idx and the load
 *      of avail_event.     Pairs with F, device arm: full barrier between the
 *      store of avail_event and the re-check of avail.idx.
 *   G  device flush: full barrier between the store of used.idx and the load of
 *      used_event.         Pairs with H, driver arm: full barrier between the
 *      store of used_event and the re-check of used.idx.
 *
 *   E with F (and G with H) is the store-buffering pattern: at least one side
 *   sees the other's store, so either the event is sent or the re-check finds
 *   the work. No wake-up is lost.
 *
 * Concurrency. Calls on one half must be serialised by the caller; the two
 * halves need nothing of each other but the barriers above. Nothing here
 * sleeps, allocates or calls the system: all calls are good in any context.
 *
 * Typical driver                          Typical device
 *
 *   ring_drv_add(r, &buf, cookie)           do {
 *   if (ring_drv_publish(r))                        ring_dev_disarm(r)
 *           kick()                                  while (ring_dev_pop(r, &c) > 0) {
 *                                                           serve(&c)
 *   on call:                                                ring_dev_push(r, &c, n)
 *   do {                                            }
 *           ring_drv_disarm(r)                      if (ring_dev_flush(r))
 *           while (ring_drv_poll(r, &d) > 0)                call()
 *                   finish(d.cookie, d.len) } while (ring_dev_arm(r))
 *   } while (ring_drv_arm(r))
 */
#ifndef RING_RING_H
#define RING_RING_H

#include "shared.h"

#ifdef __KERNEL__
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ring.h>
#else
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#endif

/* Queue sizes (virtio 1.2, 2.7: a split queue's is a power of two). */
#define RING_SIZE_MAX		32768u

/* The features that this implementation of the ring knows how to use. */
#define RING_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) |		\
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |	\
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX))

/**
 * enum ring_fault - why a queue was broken, by what the other side did
 * @RING_OK: it was not
 * @RING_USED_JUMP: used.idx moved by more than what is in flight
 * @RING_USED_ID: a used element names no descriptor of the queue
 * @RING_USED_FREE: a used element names a descriptor that is not the head of a
 *	chain in flight: never published, mid-chain, or completed already
 * @RING_USED_LEN: a used element claims more bytes than were writable
 * @RING_AVAIL_JUMP: avail.idx moved by more than the queue's size
 * @RING_AVAIL_HEAD: an avail entry names no descriptor of the queue
 * @RING_AVAIL_BUSY: an avail entry names a chain that was not yet completed
 * @RING_DESC_NEXT: a descriptor's next is outside its table
 * @RING_DESC_LOOP: a chain is longer than its table: it loops
 * @RING_DESC_ORDER: a readable descriptor follows a writable one
 * @RING_DESC_ADDR: a descriptor's buffer is not wholly inside one region
 * @RING_DESC_SEGS: a chain has more segments than the caller's bound
 * @RING_DESC_BYTES: a chain has more bytes than the caller's bound
 * @RING_INDIRECT_OFF: an indirect descriptor without the negotiated feature
 * @RING_INDIRECT_NEST: an indirect descriptor inside an indirect table, or
 *	one that has NEXT set
 * @RING_INDIRECT_SIZE: an indirect table whose size is 0, no multiple of 16
 *	bytes, or above RING_SIZE_MAX entries
 * @RING_CALLER: the caller found the other side lying about what it carries
 *	(see ring_drv_break() and ring_dev_break())
 * @RING_STALLED: the caller gave up waiting for a completion
 * @RING_FAULTS: number of reasons
 */
enum ring_fault {
	RING_OK,
	RING_USED_JUMP,
	RING_USED_ID,
	RING_USED_FREE,
	RING_USED_LEN,
	RING_AVAIL_JUMP,
	RING_AVAIL_HEAD,
	RING_AVAIL_BUSY,
	RING_DESC_NEXT,
	RING_DESC_LOOP,
	RING_DESC_ORDER,
	RING_DESC_ADDR,
	RING_DESC_SEGS,
	RING_DESC_BYTES,
	RING_INDIRECT_OFF,
	RING_INDIRECT_NEST,
	RING_INDIRECT_SIZE,
	RING_CALLER,
	RING_STALLED,
	RING_FAULTS,
};

/**
 * ring_fault_name() - a reason in words, for the log and for statistics
 * @fault: any value
 *
 * Return: a constant string, never NULL.
 */
const char *ring_fault_name(enum ring_fault fault);

/**
 * struct ring_areas - where a queue's three areas are
 * @desc: descriptor area (virtio 1.2, 2.6); the driver writes it, so only the
 *	device half reads it
 * @driver: driver area: avail ring and used_event; the driver writes it
 * @device: device area: used ring and avail_event; the device writes it
 * @desc_bus: address of @desc as the device is told it
 * @driver_bus: address of @driver, likewise
 * @device_bus: address of @device, likewise
 *
 * The device half does not use the bus addresses.
 */
struct ring_areas {
	void __shared *desc;
	void __shared *driver;
	void __shared *device;
	u64 desc_bus;
	u64 driver_bus;
	u64 device_bus;
};

/**
 * ring_size_ok() - may a queue have this size?
 * @size: number of descriptors
 * @features: negotiated feature bits
 *
 * Return: true for a power of two from 1 to RING_SIZE_MAX (virtio 1.2, 2.7).
 */
bool ring_size_ok(u32 size, u64 features);

/**
 * ring_desc_bytes() - size of the descriptor area
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes; the area is aligned to 16 (virtio 1.2, 2.7).
 */
size_t ring_desc_bytes(u32 size);

/**
 * ring_driver_bytes() - size of the driver area, used_event included
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes; the area is aligned to 2.
 */
size_t ring_driver_bytes(u32 size);

/**
 * ring_device_bytes() - size of the device area, avail_event included
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes; the area is aligned to 4.
 */
size_t ring_device_bytes(u32 size);

/**
 * ring_place() - lay the three areas out in one piece of shared memory
 * @a: filled in
 * @base: start; page-aligned, zeroed; NULL only to ask for the size
 * @bus: address of @base as the device is told it
 * @size: number of descriptors; ring_size_ok()
 *
 * The area that the device writes starts on a cache line of its own.
 *
 * Return: bytes used, a multiple of 64.
 */
size_t ring_place(struct ring_areas *a, void __shared *base, u64 bus, u32 size);

/**
 * ring_event_passed() - has an index passed the other side's event index?
 * @event: what the other side wrote; any garbage will do
 * @new: the index as it is now
 * @old: the index as it was at the last such question
 *
 * Return: true when a notification is due (virtio 1.2, 2.7.7 and 2.7.10).
 */
static inline bool ring_event_passed(u16 event, u16 new, u16 old)
{
	return (u16)(new - event - 1) < (u16)(new - old);
}

/* ---- driver half ------------------------------------------------------- */

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
 * @desc: the table; the driver writes it, only the device reads it
 * @bus: its address as the device is told it; aligned to 16
 * @num: entries that fit
 */
struct ring_table {
	struct vring_desc __shared *desc;
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
 * struct ring_shadow - what the driver half knows of one descriptor; private
 * @cookie: of the chain that starts here
 * @writable: bytes that the device may write to the chain that starts here
 * @next: next descriptor of the chain, or of the free list
 * @count: descriptors in the chain that starts here; 0: none in flight here
 * @at: which of all chains ever staged it is
 * @bound: tied to a buffer by ring_drv_bind(), and so never on the free list
 */
struct ring_shadow {
	void *cookie;
	u64 at;
	u32 writable;
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
	struct vring_desc __shared *desc;
	struct vring_avail __shared *avail;
	struct vring_used __shared *used;
	__virtio16 __shared *used_event;
	__virtio16 __shared *avail_event;
	struct ring_shadow *shadow;
	u64 adds;		/* chains ever staged: unlike an index, never wraps */
	u16 size;
	u16 free_head;		/* of the list through shadow[].next */
	u16 num_free;		/* descriptors on it */
	u16 staged;		/* avail.idx as it will be published */
	u16 published;		/* avail.idx as it is */
	u16 seen;		/* used.idx as last loaded and checked */
	u16 polled;		/* used elements taken so far */
	u16 in_flight;		/* chains staged and not polled */
	u16 detached;		/* where ring_drv_detach() goes on */
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
 * -EINVAL when @id is not bound.
 */
int ring_drv_post(struct ring_drv *r, u16 id);

/**
 * ring_drv_publish() - make what was staged visible to the device
 * @r: the half
 *
 * Return: true when the device must be kicked (virtio 1.2, 2.7.13.3 and 2.7.13.4).
 */
bool ring_drv_publish(struct ring_drv *r);

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
 * poll again. False when the queue is broken.
 */
bool ring_drv_arm(struct ring_drv *r);

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

/* Chains that the device has. */
static inline u16 ring_drv_in_flight(const struct ring_drv *r)
{
	return r->in_flight;
}

/* Why the queue is broken; RING_OK while it is not. */
static inline enum ring_fault ring_drv_fault(const struct ring_drv *r)
{
	return r->fault;
}

/* ---- device half ------------------------------------------------------- */

/**
 * struct ring_iov - one validated piece of a chain's memory
 * @base: address in this process; good until the region is removed
 * @len: bytes, at least 1
 */
struct ring_iov {
	void __shared *base;
	u32 len;
};

/*
 * ring_map_fn - translate a driver's address
 * @ctx: ring_dev_limits.ctx
 * @addr: guest-physical (or I/O virtual) address that the driver wrote
 * @len: bytes, at least 1
 * @write: true when the device is going to write there
 *
 * Return: the address in this process of a range that lies wholly inside one
 * region, or NULL.
 */
typedef void __shared *(*ring_map_fn)(void *ctx, u64 addr, u32 len, bool write);

/**
 * struct ring_dev_limits - what the device half accepts
 * @map: translation; called for every descriptor
 * @ctx: its argument
 * @segs: most segments a chain may have
 * @bytes: most bytes a chain may have, readable and writable together
 */
struct ring_dev_limits {
	ring_map_fn map;
	void *ctx;
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
 * struct ring_dev - device half of a virtqueue; private memory
 *
 * Opaque to callers but for embedding it.
 */
struct ring_dev {
	/* private: */
	struct vring_desc __shared *desc;
	struct vring_avail __shared *avail;
	struct vring_used __shared *used;
	__virtio16 __shared *used_event;
	__virtio16 __shared *avail_event;
	struct ring_dev_limits limits;
	u8 *busy;		/* one byte a head: popped and not pushed */
	u16 size;
	u16 popped;		/* avail entries taken so far */
	u16 seen;		/* avail.idx as last loaded and checked */
	u16 staged;		/* used.idx as it will be published */
	u16 flushed;		/* used.idx as it is */
	u16 in_flight;		/* chains popped and not pushed */
	bool event_idx;
	bool indirect;
	bool armed;		/* what the driver was last told of kicks */
	enum ring_fault fault;
};

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
 * @base: state to go on from, as ring_dev_base() gave it; 0 for a new queue
 * @limits: what to accept; copied
 * @priv: ring_dev_private_bytes(@size) bytes, owned by the caller
 *
 * The half starts armed, as a zeroed ring says. With another @base, begin with
 * ring_dev_arm(): only it makes sure that kicks come.
 *
 * used.idx is taken to be equal to @base: chains that were popped by an earlier
 * half must have been pushed (virtio 1.2, 2.7.8).
 *
 * Return: 0, or -EINVAL for a size that a queue cannot have.
 */
int ring_dev_init(struct ring_dev *r, const struct ring_areas *a, u32 size,
		  u64 features, u32 base, const struct ring_dev_limits *limits,
		  void *priv);

/**
 * ring_dev_base() - where another half could go on
 * @r: the half; with nothing popped and unpushed
 *
 * Return: the vhost-user ring base: for a split queue the next avail index.
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
 */
void ring_dev_unpop(struct ring_dev *r, const struct ring_chain *c);

/**
 * ring_dev_push() - stage a completion
 * @r: the half
 * @c: a popped chain; only @id and @count are looked at, in any order
 * @len: bytes written to the chain's writable segments, from their start
 *
 * Nothing happens on a broken queue.
 */
void ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len);

/**
 * ring_dev_flush() - make the staged completions visible to the driver
 * @r: the half
 *
 * Return: true when the driver must be called (virtio 1.2, 2.7.14).
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

#endif /* RING_RING_H */
