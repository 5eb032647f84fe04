/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtqueues between two sides that do not trust each other.
 *
 * Theory
 * ------
 * A virtqueue (virtio 1.2, 2.6) is memory that a driver and a device share:
 * descriptors that name buffers, and areas in which each side tells the other
 * how far it is. drv.h declares the driver half, what a guest driver runs, dev.h
 * the device half, what a back-end runs. The other half is whoever is out there:
 * ours, Linux, QEMU, DPDK, or an attacker that can write every shared byte at
 * every instant.
 *
 * Two layouts, one set of calls; which one is a matter of the feature bits:
 *
 *   split (2.7): a descriptor table and an avail ring that only the driver writes,
 *      a used ring that only the device writes. An index that runs freely says how
 *      many entries there are.
 *   packed (2.8, VIRTIO_F_RING_PACKED): one ring of descriptors that both write.
 *      Two bits in a descriptor's flags say whose it is, relative to a wrap
 *      counter that flips at each round. A position here is a number below twice
 *      the size: the descriptor's index, plus the size while the counter is 0.
 *
 * With VIRTIO_F_IN_ORDER buffers are used in the order in which they were made
 * available. A device then may write one completion for a batch, the last one's;
 * those before it count as used in full (2.7.9, 2.8.10).
 *
 * Threat model. Each half keeps everything that it needs to stay safe in
 * private memory (the shadow) and believes of the shared memory only what it
 * loaded once and checked:
 *
 *   - the driver half never reads descriptors that it wrote nor the avail area.
 *     Split: it reads used.idx, used elements (8 bytes, one load) and avail_event
 *     or the used flags. Packed: flags, id and length of the one descriptor where the
 *     next completion is due, by one load, and the device's event structure, by one
 *     load. An id is bounded, passed through
 *     array_index_nospec() and looked up in the shadow: not in flight, or a length
 *     above what was writable, breaks the queue. How many descriptors a completion
 *     gives back is the shadow's knowledge;
 *   - the device half reads avail.idx and avail entries, or the last word of the
 *     descriptor that is next; descriptors, each field once; and used_event, the
 *     avail flags or the driver's event structure. Every address goes through the
 *     caller's translation, which knows the regions; every chain is bounded in
 *     descriptors, segments and bytes.
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
 *   add() fills the shadow first, then writes the descriptors; publish() makes all
 *   that was staged visible with one store and says whether the device wants a
 *   kick; poll() hands back the cookie and the number of bytes that the device
 *   wrote, never more than was writable. What a buffer holds belongs to the device
 *   from publish() to poll(); the caller may look at it only after poll(), and only
 *   by a copy. show() is publish() without the question: for a device that polls,
 *   or for work that is shown at once and kicked for later, all together.
 *
 *   bind() and post() are the short form for buffers that never move: an id is
 *   tied to its buffer once, and post() stages it again. A ring is used in one of
 *   the two forms only.
 *
 * Life of a chain, device half:
 *
 *   available --pop--> popped --push--> used, staged --flush--> used
 *
 *   pop() validates a whole chain into private segments; unpop() gives the
 *   latest popped chain back unread; push() stages the completion; flush()
 *   publishes what was staged and says whether the driver wants a call; show() is
 *   flush() without the question. In order, push() may come in any order all the
 *   same: a completion is held back until those before it are there.
 *
 * Order. The lettered barriers in split_*.c, packed_*.c, drv.c and dev.c, and who
 * pairs. "Index" is avail.idx or used.idx in a split ring, in a packed one the last
 * word (length, id, flags) of the first descriptor that is shown; "event" is
 * avail_event or used_event, a flags field, or an event structure.
 *
 *   A  driver show: release store of the index, after descriptors and entries.
 *                          Pairs with B, device pop: acquire load of the index.
 *   C  device show: release store of the index, after used elements and data.
 *                          Pairs with D, driver poll: acquire load of the index.
 *   E  driver publish: full barrier between the store of the index and the load
 *      of the event.       Pairs with F, device arm: full barrier between the
 *      store of the event and the re-check of the index.
 *   G  device flush: full barrier between the store of the index and the load of
 *      the event.          Pairs with H, driver arm: full barrier between the
 *      store of the event and the re-check of the index.
 *
 *   E with F (and G with H) is the store-buffering pattern: at least one side
 *   sees the other's store, so either the notification is sent or the re-check
 *   finds the work. No wake-up is lost; tests/model/ proves it.
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

/* Most descriptors of a queue (virtio 1.2, 2.7 and 2.8.10.1). */
#define RING_SIZE_MAX		32768u

/* virtio 1.2, 6; the kernel's headers of 6.1 do not have it. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA	38
#endif

/* The features that this implementation of the ring knows how to use. */
#define RING_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) |		\
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |	\
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |	\
			 BIT_ULL(VIRTIO_F_RING_PACKED) |	\
			 BIT_ULL(VIRTIO_F_IN_ORDER) |		\
			 BIT_ULL(VIRTIO_F_NOTIFICATION_DATA))

/**
 * enum ring_fault - why a queue was broken, by what the other side did
 * @RING_OK: it was not
 * @RING_USED_JUMP: used.idx moved by more than what is in flight, or back after
 *	ring_drv_arm() had seen it move; or a packed descriptor is marked used while nothing
 *	is in flight, or no longer, likewise
 * @RING_USED_ID: a completion names no descriptor of the queue
 * @RING_USED_FREE: a completion names a descriptor that is not the head of a
 *	chain in flight: never published, mid-chain, or completed already
 * @RING_USED_ORDER: in order, a completion names a chain beyond those that used.idx
 *	announced
 * @RING_USED_LEN: a completion claims more bytes than were writable
 * @RING_AVAIL_JUMP: avail.idx is ahead of used.idx by more than the queue's size
 * @RING_AVAIL_HEAD: an avail entry, or the id of a packed chain, names no descriptor
 *	of the queue
 * @RING_AVAIL_BUSY: an avail entry, or the id of a packed chain, names a chain that
 *	was not yet completed
 * @RING_DESC_NEXT: a descriptor's next is outside its table
 * @RING_DESC_LOOP: a chain is longer than its table, or runs into descriptors that
 *	are not yet completed: it loops
 * @RING_DESC_ORDER: a readable descriptor follows a writable one
 * @RING_DESC_ADDR: a descriptor's buffer is not wholly inside one region
 * @RING_DESC_SEGS: a chain has more segments than the caller's bound
 * @RING_DESC_BYTES: a chain has more bytes than the caller's bound
 * @RING_INDIRECT_OFF: an indirect descriptor without the negotiated feature
 * @RING_INDIRECT_NEST: an indirect descriptor inside an indirect table, or
 *	one that has NEXT set
 * @RING_INDIRECT_SIZE: an indirect table whose size is 0, no multiple of 16
 *	bytes, or above RING_SIZE_MAX entries; or that is not aligned to 8, as its
 *	64-bit fields must be (virtio 1.2, 1.4)
 * @RING_LOG_CHAIN: the in-flight log's copy of a chain does not end where the log says
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
	RING_USED_ORDER,
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
	RING_LOG_CHAIN,
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
 * @desc: descriptor area (virtio 1.2, 2.6): the table, written by the driver only, or
 *	the packed ring, written by both
 * @driver: driver area, which the driver writes: avail ring and used_event, or the
 *	driver's event structure
 * @device: device area, which the device writes: used ring and avail_event, or the
 *	device's event structure
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
 * Return: true for 1 to RING_SIZE_MAX; a split queue's must be a power of two
 * (virtio 1.2, 2.7 and 2.8.10.1).
 */
bool ring_size_ok(u32 size, u64 features);

/**
 * ring_desc_bytes() - size of the descriptor area
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes; the area is aligned to 16 (virtio 1.2, 2.7 and 2.8.10.1).
 */
size_t ring_desc_bytes(u32 size);

/**
 * ring_driver_bytes() - size of the driver area, used_event included
 * @size: number of descriptors; ring_size_ok()
 * @features: negotiated feature bits
 *
 * Return: bytes; the area is aligned to 2, of a packed queue to 4.
 */
size_t ring_driver_bytes(u32 size, u64 features);

/**
 * ring_device_bytes() - size of the device area, avail_event included
 * @size: number of descriptors; ring_size_ok()
 * @features: negotiated feature bits
 *
 * Return: bytes; the area is aligned to 4.
 */
size_t ring_device_bytes(u32 size, u64 features);

/**
 * ring_place() - lay the three areas out in one piece of shared memory
 * @a: filled in
 * @base: start; page-aligned, zeroed; NULL only to ask for the size
 * @bus: address of @base as the device is told it
 * @size: number of descriptors; ring_size_ok()
 * @features: negotiated feature bits
 *
 * The area that the device writes starts on a cache line of its own.
 *
 * Return: bytes used, a multiple of 64.
 */
size_t ring_place(struct ring_areas *a, void __shared *base, u64 bus, u32 size,
		  u64 features);

/**
 * ring_event_passed() - has an index passed the other side's event index?
 * @event: what the other side wrote; any garbage will do
 * @new: the index as it is now
 * @old: the index as it was at the last such question
 *
 * Of a split queue. Return: true when a notification is due (virtio 1.2, 2.7.7 and
 * 2.7.10).
 */
static inline bool ring_event_passed(u16 event, u16 new, u16 old)
{
	return (u16)(new - event - 1) < (u16)(new - old);
}

/* ---- what both halves are made of -------------------------------------- */

/**
 * struct ring_split - the areas of a split queue; private to ring/
 * @desc: written by the driver
 * @avail: written by the driver
 * @used: written by the device
 * @used_event: written by the driver
 * @avail_event: written by the device
 */
struct ring_split {
	struct vring_desc __shared *desc;
	struct vring_avail __shared *avail;
	struct vring_used __shared *used;
	__virtio16 __shared *used_event;
	__virtio16 __shared *avail_event;
};

/**
 * struct ring_packed - the areas of a packed queue, and where its half is; private
 * to ring/
 * @desc: written by both, in turns
 * @driver_event: written by the driver
 * @device_event: written by the device
 * @avail: position of the next descriptor to make available or to pop
 * @used: position of the next descriptor to be used
 * @shown: driver half: position of the next descriptor that was not shown
 * @held: the last word of the first descriptor that was written since the latest
 *	show, which shows all: it is stored last
 * @held_addr: of the driver half, its first word
 * @held_at: its index
 * @holds: there is one
 */
struct ring_packed {
	struct vring_packed_desc __shared *desc;
	struct vring_packed_desc_event __shared *driver_event;
	struct vring_packed_desc_event __shared *device_event;
	u64 held;
	u64 held_addr;
	u32 avail;
	u32 used;
	u32 shown;
	u16 held_at;
	bool holds;
};

#include "drv.h"
#include "dev.h"

#endif /* RING_RING_H */
