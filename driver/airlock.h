/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What airlock.ko offers to the function drivers airlock_net.ko and
 * airlock_blk.ko.
 *
 * Theory
 * ------
 * airlock.ko claims a virtio PCI function and publishes it as an auxiliary
 * device "airlock.net" or "airlock.blk"; the function driver binds to that.
 * The core owns what every device needs and what must be right once: registers,
 * features, interrupt vectors, shared memory, the reset. The function driver
 * owns what the device is for, and never sees a register, a ring's layout or an
 * unchecked byte.
 *
 * Life of a device, in the function driver's probe, and backwards in remove:
 *
 *   airlock_negotiate()       features agreed, FEATURES_OK held
 *   airlock_config_read()     configuration, copied into private memory
 *   airlock_region_reserve()  the device's whole budget of shared pages
 *   airlock_span_alloc() ...  slots, FIFOs, pools: pieces of the budget
 *   airlock_vectors_alloc()   interrupts
 *   airlock_queue_open() ...  queues; their rings are pieces of the budget too
 *   airlock_ready()           DRIVER_OK: the device may touch the region
 *   ... I/O ...
 *   airlock_stop()            reset, confirmed or not; no call comes after it
 *   airlock_queue_close() ... detach what was in flight first
 *   airlock_vectors_free()
 *   airlock_region_release()  pages back, zeroed and private; leaked, loudly,
 *                             when the reset was not confirmed
 *
 * airlock_stop() comes first when going down, whatever was reached going up, and
 * is harmless more than once.
 *
 * A device that lies breaks its queue: the function driver calls
 * airlock_queue_fault() with the reason, which counts it, names it once in the
 * log and fails the device. A work item then resets it, calls @failed, and tries to
 * bring it up again, at longer and longer intervals:
 *
 *   @failed                   submit nothing any more; what is in flight stays so
 *   @recover                  the reset was confirmed, memory is ours again:
 *     airlock_restart()       features agreed, queues set up anew, rings empty
 *     ...                     take back what was in flight, to be submitted again
 *     airlock_ready()         DRIVER_OK
 *   @lost                     it does not come back: fail what is in flight
 *
 * The same way leads through a sleep of the system.
 */
#ifndef DRIVER_AIRLOCK_H
#define DRIVER_AIRLOCK_H

#include <linux/auxiliary_bus.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "../ring/ring.h"

#define AIRLOCK_MODULE		"airlock"
#define AIRLOCK_AUX_NET		"net"
#define AIRLOCK_AUX_BLK		"blk"

struct airlock_queue;
struct cpumask;

/**
 * struct airlock_device - one virtio function; the part that others may read
 * @aux: what the function driver binds to
 * @pdev: the PCI function; for messages use &@aux.dev's parent: &@pdev->dev
 * @features: negotiated features, after airlock_negotiate()
 *
 * The rest is private to airlock.ko (driver/core.h embeds this).
 */
struct airlock_device {
	struct auxiliary_device aux;
	struct pci_dev *pdev;
	u64 features;
};

/**
 * struct airlock_ops - what the core tells a function driver
 * @config: the device's configuration changed; process context, never two at a
 *	time, coalesced and rate-limited
 * @failed: the device was failed by airlock_queue_fault(), went away, is put to sleep, or
 *	the machine goes down. It has been reset, but perhaps did not confirm that: what is
 *	in flight must neither be completed nor its memory be used. When this returns
 *	nobody is in shared memory any more, nor will be before @recover
 * @recover: after @failed, and with the reset confirmed: bring the device up. Return:
 *	0, or -errno; then it is called again later, or @lost is
 * @lost: after @failed: the device is given up for good; once
 *
 * All in process context, never two of them at a time, none before airlock_ready() or
 * after airlock_stop(), which waits for them: they must not take a lock that its
 * caller holds, and not call it.
 */
struct airlock_ops {
	void (*config)(struct airlock_device *adev);
	void (*failed)(struct airlock_device *adev);
	int (*recover)(struct airlock_device *adev);
	void (*lost)(struct airlock_device *adev);
};

static inline struct airlock_device *airlock_from_aux(struct auxiliary_device *aux)
{
	return container_of(aux, struct airlock_device, aux);
}

/**
 * airlock_negotiate() - agree on features
 * @adev: the device
 * @wanted: features of the device type that the caller can use; the core adds
 *	those of the transport and the ring
 * @ops: calls back to the caller; kept
 *
 * Resets the device first. Refuses a device without VERSION_1 and, in a
 * confidential guest, one without ACCESS_PLATFORM. Sleeps.
 *
 * Return: 0 with @adev->features set, -ENODEV for a device that must not be
 * used (said why in the log), -EIO when it does not answer.
 */
int airlock_negotiate(struct airlock_device *adev, u64 wanted,
		      const struct airlock_ops *ops);

/**
 * airlock_config_read() - copy the device's configuration
 * @adev: the device, negotiated
 * @buf: private memory; what the device does not have reads as zero
 * @len: bytes
 *
 * One consistent generation (virtio 1.2, 2.5.1), with a bounded number of tries.
 * Sleeps.
 *
 * Return: 0, or -EIO when the configuration never holds still.
 */
int airlock_config_read(struct airlock_device *adev, void *buf, size_t len);

/**
 * airlock_config_write8() - write a byte of the device's configuration
 * @adev: the device, negotiated
 * @offset: of a field of one byte that the driver may write
 * @value: what to write
 *
 * Whether the device took it is seen when it is read. A reset makes the device forget it.
 * Sleeps.
 *
 * Return: 0, -EIO while the device is failed, -ENXIO when it has no such field.
 */
int airlock_config_write8(struct airlock_device *adev, size_t offset, u8 value);

/* ---- shared memory ------------------------------------------------------ */

/**
 * struct airlock_span - a piece of a device's shared memory
 * @cpu: its address here
 * @bus: its address as the device is told it
 * @bytes: its size, a multiple of the page size
 *
 * Zeroed when it is handed out. Contiguous in both addresses.
 */
struct airlock_span {
	void __shared *cpu;
	u64 bus;
	size_t bytes;
};

/**
 * airlock_queue_bytes() - shared memory that a queue's rings take
 * @size: number of descriptors; a power of two
 *
 * Return: bytes, a multiple of the page size; add it to the budget.
 */
size_t airlock_queue_bytes(u32 size);

/**
 * airlock_region_reserve() - share the device's budget of pages
 * @adev: the device; no region yet
 * @bytes: sum of what airlock_span_alloc() and airlock_queue_open() will take,
 *	each rounded up to pages
 *
 * From the provider that fits the platform or that airlock.provider= names. The
 * pages are zeroed before they are shared. Prints the budget. Sleeps.
 *
 * Return: 0, -ENODEV without the means to share (no window; said what to do),
 * -ENOSPC when the window is too small (said what it needs), -ENOMEM (likewise).
 */
int airlock_region_reserve(struct airlock_device *adev, size_t bytes);

/**
 * airlock_span_alloc() - take a piece of the region
 * @adev: the device, with a region
 * @purpose: one word for the audit: "rx0.slots"; copied
 * @bytes: rounded up to pages; at most AIRLOCK_SPAN_MAX
 * @span: filled in
 *
 * There is no free: pieces go back with the region.
 *
 * Return: 0 or -ENOSPC when the budget does not hold it.
 */
int airlock_span_alloc(struct airlock_device *adev, const char *purpose,
		       size_t bytes, struct airlock_span *span);

#define AIRLOCK_SPAN_MAX	(2u << 20)

/**
 * airlock_region_release() - take the pages back
 * @adev: the device, stopped; harmless without a region
 *
 * Zeroed after they are private again. Pages that cannot be made private, or
 * that the device may still write because its reset was not confirmed, are
 * leaked and the log says so. Sleeps.
 */
void airlock_region_release(struct airlock_device *adev);

/* ---- interrupts and queues ---------------------------------------------- */

/**
 * airlock_vectors_alloc() - get interrupts
 * @adev: the device
 * @queues: number of queues that will be opened
 *
 * One vector for each queue and one for configuration where the machine gives
 * as many; else two, one of them for all queues; else one interrupt line. Sleeps.
 *
 * Return: 0 or -errno.
 */
int airlock_vectors_alloc(struct airlock_device *adev, unsigned int queues);

/**
 * airlock_vectors_free() - give interrupts back
 * @adev: the device, stopped, with all queues closed; harmless without vectors
 */
void airlock_vectors_free(struct airlock_device *adev);

/**
 * struct airlock_queue - a virtqueue of a device
 * @adev: its device
 * @ring: driver half; all calls on it under @lock
 * @lock: serialises @ring; taken in the caller's context (use the irqsave form
 *	when the call handler takes it)
 * @index: which queue of the device
 * @size: descriptors
 * @name: one word: "rx0"
 * @priv: the function driver's
 *
 * The rest is private to airlock.ko (driver/core.h embeds this).
 */
struct airlock_queue {
	struct airlock_device *adev;
	struct ring_drv ring;
	spinlock_t lock;
	u16 index;
	u16 size;
	char name[16];
	void *priv;
};

/**
 * typedef airlock_call_fn - the device called (interrupt)
 * @q: the queue
 *
 * Hard interrupt context; only between airlock_ready() and airlock_stop().
 */
typedef void (*airlock_call_fn)(struct airlock_queue *q);

/**
 * airlock_queue_max() - how large a queue the device offers
 * @adev: the device, negotiated
 * @index: which queue
 *
 * Return: descriptors, a power of two up to RING_SIZE_MAX; 0 when the device
 * has no such queue or its answer cannot be.
 */
u32 airlock_queue_max(struct airlock_device *adev, u16 index);

/**
 * airlock_queue_open() - set a queue up
 * @adev: the device, with region and vectors
 * @index: which queue
 * @size: descriptors; a power of two, at most airlock_queue_max()
 * @name: one word for messages and the audit ("ring." is put before it); copied
 * @call: called at an interrupt; NULL when the caller polls only
 * @priv: for @call
 *
 * The ring starts disarmed. Sleeps.
 *
 * Return: the queue or an ERR_PTR: -ENOENT when the device has no such queue,
 * -EIO when it does not accept the size, the vector or the enabling, -ENOMEM.
 */
struct airlock_queue *airlock_queue_open(struct airlock_device *adev, u16 index,
					 u16 size, const char *name,
					 airlock_call_fn call, void *priv);

/**
 * airlock_queue_close() - forget a queue
 * @q: the queue of a stopped device, with nothing in flight that still matters
 *	(see ring_drv_detach()); NULL and ERR_PTR are ignored
 */
void airlock_queue_close(struct airlock_queue *q);

/**
 * airlock_queue_resize() - have a queue be shorter, or as long again as it was
 * @q: an open queue; only from &struct airlock_ops.recover, before airlock_restart()
 * @size: descriptors; a power of two, at most what airlock_queue_open() was given
 *
 * It stays where it is. Whether the device accepts it is seen by airlock_restart(). Sleeps.
 *
 * Return: 0, -EINVAL for a size that cannot be, -EBUSY while the device is live.
 */
int airlock_queue_resize(struct airlock_queue *q, u16 size);

/**
 * airlock_queue_affinity() - where a queue's interrupt should be handled
 * @q: the queue
 * @mask: processors; of the caller, not kept
 *
 * A wish: nothing happens for a queue without an interrupt of its own. Sleeps.
 */
void airlock_queue_affinity(struct airlock_queue *q, const struct cpumask *mask);

/**
 * airlock_queue_kick() - tell the device of new buffers
 * @q: the queue; call it when ring_drv_publish() says so
 *
 * Any context, with or without @q->lock.
 */
void airlock_queue_kick(struct airlock_queue *q);

/**
 * airlock_queue_fault() - the device lied on this queue
 * @q: the queue
 *
 * Call it when a ring call returned -EIO, or after ring_drv_break(). The first
 * call since the device was started counts, logs one line that names device, queue and
 * reason, and fails the device; later ones do nothing. Any context, @q->lock may be held.
 */
void airlock_queue_fault(struct airlock_queue *q);

/* ---- going up and down -------------------------------------------------- */

/**
 * airlock_renew() - reset a device that works, and bring it up again
 * @adev: the device, live
 *
 * By the way of a failed one, @failed and @recover, but it is not counted or reported as
 * one. For what can be changed only while a device is down. Returns at once. Any context.
 */
void airlock_renew(struct airlock_device *adev);

/**
 * airlock_restart() - reset the device and set it up as it was
 * @adev: the device; only from &struct airlock_ops.recover
 *
 * Features are agreed as before, and all open queues are set up with empty rings; calls
 * are disarmed. airlock_ready() comes next. Sleeps.
 *
 * Return: 0, -ENODEV when the device is not what it was (said why in the log), -EIO when
 * it does not answer, -ESHUTDOWN when it is being stopped.
 */
int airlock_restart(struct airlock_device *adev);

/**
 * airlock_ready() - DRIVER_OK
 * @adev: the device, with its queues open
 *
 * Calls come from here on. Sleeps.
 *
 * Return: 0, or -EIO when the device does not hold the status.
 */
int airlock_ready(struct airlock_device *adev);

/**
 * airlock_leave() - the device is about to be stopped
 * @adev: the device
 *
 * If it fails from here on, nobody waits for it to come back: @lost is called. For a
 * function driver that goes down while the device still works. Any context.
 */
void airlock_leave(struct airlock_device *adev);

/**
 * airlock_stop() - reset the device and wait until it is quiet
 * @adev: the device
 *
 * After it no call and no @ops comes and no interrupt handler runs; work on them is
 * finished or cancelled, and no recovery begins. Bounded in time. Sleeps.
 *
 * Return: true when the device confirmed the reset: memory may be reused. The
 * core remembers, and leaks the region otherwise.
 */
bool airlock_stop(struct airlock_device *adev);

/**
 * airlock_failed() - is the device failed or removed?
 * @adev: the device
 *
 * Return: true from airlock_queue_fault() until it is up again, for ever when it is not
 * or when the function is gone.
 */
bool airlock_failed(const struct airlock_device *adev);

#endif /* DRIVER_AIRLOCK_H */
