// SPDX-License-Identifier: GPL-2.0
/*
 * Virtqueues: setting them up in the device, kicks, faults.
 *
 * Theory
 * ------
 * What happens on the ring is ring/'s; this file connects a driver half to a
 * device. The device's answers are checked as they come: a size that cannot
 * be or is not kept, a notification register outside what is mapped, a queue
 * that is enabled already or will not be: the queue is refused and so, in the end,
 * is the device.
 *
 * A queue's rings are a span of the region. Spans are not given back one by one,
 * so a queue that is opened again after a confirmed reset finds the span of its
 * name and takes it up, zeroed. A queue that stays open over a reset is set up again
 * where it is, with an empty ring.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "core.h"
#include "fault.h"

/* Does a kick say how far the queue is? Then its register has 32 bits. */
static bool queue_kicks_with_data(const struct core_device *core)
{
	return core->pub.features & BIT_ULL(VIRTIO_F_NOTIFICATION_DATA);
}

/* Where to kick. The library bounds two bytes by the area's end, and does not look at alignment. */
static int queue_find_notify(struct core_device *core, struct core_queue *cq)
{
	const size_t bytes = queue_kicks_with_data(core) ? sizeof(u32) : sizeof(u16);

	cq->notify = fault_ptr(vp_modern_map_vq_notify(&core->mdev, cq->pub.index, NULL));
	if (cq->notify && IS_ALIGNED((unsigned long)cq->notify, bytes) &&
	    cq->notify - core->mdev.notify_base + bytes <= core->mdev.notify_len)
		return 0;
	dev_err(&core->pub.pdev->dev, "%s: its notification register is not where it can be\n",
		cq->pub.name);
	cq->notify = NULL;
	return -EIO;
}

static u32 queue_max(struct core_device *core, u16 index)
{
	u32 size;

	if (index >= vp_modern_get_num_queues(&core->mdev))
		return 0;
	size = vp_modern_get_queue_size(&core->mdev, index);
	/* A packed ring may have any size (virtio 1.2, 2.8.10.1); half of that is used at least. */
	return ring_size_ok(size, core->pub.features) ? rounddown_pow_of_two(size) : 0;
}

u32 airlock_queue_max(struct airlock_device *adev, u16 index)
{
	struct core_device *core = core_from_pub(adev);
	u32 size;

	mutex_lock(&core->lock);
	size = queue_max(core, index);
	mutex_unlock(&core->lock);
	return size;
}
EXPORT_SYMBOL_GPL(airlock_queue_max);

size_t airlock_queue_bytes(u32 size)
{
	struct ring_areas areas;

	/* The features are not known when this is asked; a packed queue takes less. */
	return PAGE_ALIGN(ring_place(&areas, NULL, 0, size, 0));
}
EXPORT_SYMBOL_GPL(airlock_queue_bytes);

static void queue_place_ring(struct core_device *core, struct core_queue *cq)
{
	ring_place(&cq->areas, cq->span.cpu, cq->span.bus, cq->pub.size, core->pub.features);
}

/* Private and shared memory of the driver half. */
static int queue_make_ring(struct core_device *core, struct core_queue *cq)
{
	struct airlock_queue *q = &cq->pub;
	char purpose[32];
	int err;

	snprintf(purpose, sizeof(purpose), "ring.%s", q->name);
	err = airlock_region_span(&core->pub, purpose, airlock_queue_bytes(q->size),
				  true, &cq->span);
	if (err)
		return err;

	cq->shadow = fault_ptr(kvzalloc(ring_drv_private_bytes(q->size), GFP_KERNEL));
	if (!cq->shadow)
		return -ENOMEM;

	cq->made = q->size;
	queue_place_ring(core, cq);
	return 0;
}

/* Empty the ring, and tell the device where it is. */
static int queue_start_ring(struct core_device *core, struct core_queue *cq)
{
	struct airlock_queue *q = &cq->pub;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&q->lock, flags);
	err = fault_int(ring_drv_init(&q->ring, &cq->areas, q->size, core->pub.features,
				      cq->shadow));
	spin_unlock_irqrestore(&q->lock, flags);
	if (err)
		return err;
	vp_modern_queue_address(&core->mdev, q->index, cq->areas.desc_bus,
				cq->areas.driver_bus, cq->areas.device_bus);
	return 0;
}

/* Does the device have this queue, of this size, and is it free? */
static int queue_check(struct core_device *core, struct core_queue *cq)
{
	struct virtio_pci_modern_device *mdev = &core->mdev;
	struct device *dev = &core->pub.pdev->dev;
	u16 index = cq->pub.index, size = cq->pub.size;
	u32 max;

	max = queue_max(core, index);
	if (!max) {
		dev_err(dev, "%s: there is no queue %u\n", cq->pub.name, index);
		return -ENOENT;
	}
	if (vp_modern_get_queue_enable(mdev, index)) {
		dev_err(dev, "%s: it is enabled already\n", cq->pub.name);
		return -EIO;
	}
	if (size <= max)
		vp_modern_set_queue_size(mdev, index, size);
	if (size > max || fault_due("queue size") ||
	    vp_modern_get_queue_size(mdev, index) != size) {
		dev_err(dev, "%s: it does not accept %u descriptors\n", cq->pub.name, size);
		return -EINVAL;
	}
	return 0;
}

/* An empty ring, its interrupt, and on: what a reset makes a device forget. */
static int queue_program(struct core_device *core, struct core_queue *cq)
{
	struct virtio_pci_modern_device *mdev = &core->mdev;
	const u16 index = cq->pub.index;
	int err;

	err = queue_start_ring(core, cq);
	if (!err)
		err = airlock_vector_tell(cq);
	if (err)
		return err;
	vp_modern_set_queue_enable(mdev, index, true);
	if (!fault_due("queue enable") && vp_modern_get_queue_enable(mdev, index))
		return 0;
	dev_err(&core->pub.pdev->dev, "%s: it cannot be enabled\n", cq->pub.name);
	return -EIO;
}

/* All that the device has to accept; the caller undoes what came about. */
static int queue_set_up(struct core_device *core, struct core_queue *cq)
{
	int err;

	err = queue_check(core, cq);
	if (!err)
		err = queue_make_ring(core, cq);
	if (!err)
		err = airlock_vector_attach(cq);
	if (!err)
		err = queue_find_notify(core, cq);
	if (!err)
		err = queue_program(core, cq);
	return err;
}

/**
 * airlock_queues_restart() - set all open queues up again, empty
 * @core: the device, negotiated anew; its @lock is held. Nobody uses the queues
 *
 * A queue's notification register is where it was: only the same device is restarted.
 *
 * Return: 0, or -errno when the device does not accept one of them; -EINVAL for its size.
 */
int airlock_queues_restart(struct core_device *core)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < core->num_queues; i++) {
		struct core_queue *cq = core->queues[i];

		if (!cq)
			continue;
		err = queue_check(core, cq);
		if (!err)
			err = queue_program(core, cq);
	}
	return err;
}

static void queue_free(struct core_device *core, struct core_queue *cq)
{
	airlock_vector_detach(cq);
	kvfree(cq->shadow);
	kfree(cq);
}

/* An unused entry of core_device.queues; @num_queues when there is none. */
static unsigned int queue_find_slot(const struct core_device *core)
{
	unsigned int slot;

	for (slot = 0; slot < core->num_queues; slot++) {
		if (!core->queues[slot])
			break;
	}
	return slot;
}

struct airlock_queue *airlock_queue_open(struct airlock_device *adev, u16 index,
					 u16 size, const char *name,
					 airlock_call_fn call, void *priv)
{
	struct core_device *core = core_from_pub(adev);
	struct core_queue *cq;
	int err;

	if (!ring_size_ok(size, adev->features))
		return ERR_PTR(-EINVAL);

	cq = fault_ptr(kzalloc(sizeof(*cq), GFP_KERNEL));
	if (!cq)
		return ERR_PTR(-ENOMEM);
	cq->pub.adev = adev;
	cq->pub.index = index;
	cq->pub.size = size;
	cq->pub.priv = priv;
	cq->call = call;
	strscpy(cq->pub.name, name, sizeof(cq->pub.name));
	spin_lock_init(&cq->pub.lock);

	mutex_lock(&core->lock);
	err = -EINVAL;
	cq->slot = queue_find_slot(core);
	if (core_live(core) || cq->slot == core->num_queues)
		goto err_unlock;
	err = queue_set_up(core, cq);
	if (err)
		goto err_unlock;
	core->queues[cq->slot] = cq;
	mutex_unlock(&core->lock);
	return &cq->pub;

err_unlock:
	mutex_unlock(&core->lock);
	queue_free(core, cq);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(airlock_queue_open);

int airlock_queue_resize(struct airlock_queue *q, u16 size)
{
	struct core_queue *cq = core_queue_from_pub(q);
	struct core_device *core = core_from_pub(q->adev);
	int err = 0;

	mutex_lock(&core->lock);
	if (core_live(core))
		err = -EBUSY;
	else if (size > cq->made || !ring_size_ok(size, q->adev->features))
		err = -EINVAL;
	if (!err) {
		q->size = size;
		queue_place_ring(core, cq);
	}
	mutex_unlock(&core->lock);
	return err;
}
EXPORT_SYMBOL_GPL(airlock_queue_resize);

void airlock_queue_close(struct airlock_queue *q)
{
	struct core_device *core;
	struct core_queue *cq;

	if (IS_ERR_OR_NULL(q))
		return;
	cq = core_queue_from_pub(q);
	core = core_from_pub(q->adev);

	mutex_lock(&core->lock);
	core->queues[cq->slot] = NULL;
	mutex_unlock(&core->lock);
	queue_free(core, cq);
}
EXPORT_SYMBOL_GPL(airlock_queue_close);

void airlock_queue_kick(struct airlock_queue *q)
{
	struct core_queue *cq = core_queue_from_pub(q);

	if (unlikely(airlock_failed(q->adev)))
		return;
	WRITE_ONCE(cq->kicks, cq->kicks + 1);
	/* Ordered after the ring's stores: iowrite*() is (memory-barriers.txt). */
	if (queue_kicks_with_data(core_from_pub(q->adev)))
		iowrite32(ring_drv_kick_data(&q->ring, q->index), cq->notify);
	else
		iowrite16(q->index, cq->notify);
}
EXPORT_SYMBOL_GPL(airlock_queue_kick);

void airlock_queue_fault(struct airlock_queue *q)
{
	airlock_device_fail(core_from_pub(q->adev), q->name,
			    ring_fault_name(ring_drv_fault(&q->ring)));
}
EXPORT_SYMBOL_GPL(airlock_queue_fault);
