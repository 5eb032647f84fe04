// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts.
 *
 * Theory
 * ------
 * The host raises whatever it likes whenever it likes. A handler therefore does
 * nothing unless the device is live (see core.h), and then only what the function
 * driver's call does with an interrupt too many, which is nothing either: a
 * call says "look", never "there is".
 *
 * Three ways, the first that works: MSI-X with a vector for each queue; MSI-X with
 * one vector for all queues; the interrupt line. Vector 0 is for configuration.
 * The device says which vectors it took (virtio 1.2, 4.1.5.1.2.1). One that does not take
 * those of a way is given the next; that is asked of its first queue, before any is open.
 * When it takes them there and does not later, it is refused.
 *
 * Handlers are requested before the device learns of a vector, and freed after
 * the device was reset and the handlers were waited for. core_device.queues is
 * filled before the device is live and emptied after, so handlers walk it freely.
 */
#include <linux/slab.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_pci.h>

#include "core.h"
#include "fault.h"

#define VECTOR_CONFIG	0
#define VECTOR_QUEUES	1	/* the first, or the only one */

/* Bits of the interrupt status (virtio 1.2, 4.1.4.5). */
#define VECTOR_ISR_QUEUE	0x01
#define VECTOR_ISR_CONFIG	0x02
#define VECTOR_ISR_GONE		0xff

static void vector_call(struct core_queue *cq)
{
	if (!cq || !cq->call)
		return;
	WRITE_ONCE(cq->calls, cq->calls + 1);
	cq->call(&cq->pub);
}

static void vector_call_all(struct core_device *core)
{
	unsigned int i;

	for (i = 0; i < core->num_queues; i++)
		vector_call(core->queues[i]);
}

static irqreturn_t vector_on_queue(int irq, void *data)
{
	struct core_queue *cq = data;

	if (core_live(core_from_pub(cq->pub.adev)))
		vector_call(cq);
	return IRQ_HANDLED;
}

static irqreturn_t vector_on_shared(int irq, void *data)
{
	struct core_device *core = data;

	if (core_live(core))
		vector_call_all(core);
	return IRQ_HANDLED;
}

static irqreturn_t vector_on_config(int irq, void *data)
{
	struct core_device *core = data;

	if (core_live(core))
		airlock_config_changed(core);
	return IRQ_HANDLED;
}

static irqreturn_t vector_on_line(int irq, void *data)
{
	struct core_device *core = data;
	u8 isr;

	/* Live or not: reading it is what makes a device let go of the line. */
	isr = ioread8(core->mdev.isr);
	if (!isr || isr == VECTOR_ISR_GONE)
		return IRQ_NONE;
	if (!core_live(core))
		return IRQ_HANDLED;
	if (isr & VECTOR_ISR_CONFIG)
		airlock_config_changed(core);
	if (isr & VECTOR_ISR_QUEUE)
		vector_call_all(core);
	return IRQ_HANDLED;
}

/* Give back everything that vector_set_up() took, however far it came. */
static void vector_tear_down(struct core_device *core)
{
	if (core->shared_irq)
		free_irq(core->shared_irq, core);
	if (core->config_irq)
		free_irq(core->config_irq, core);
	core->shared_irq = 0;
	core->config_irq = 0;
	if (core->vector_mode == VECTOR_EACH || core->vector_mode == VECTOR_SHARED)
		pci_free_irq_vectors(core->pub.pdev);
	core->vector_mode = VECTOR_NONE;
}

static int vector_request(struct core_device *core, int irq, irq_handler_t handler,
			  unsigned long flags, const char *name, int *requested)
{
	int err = fault_int(request_irq(irq, handler, flags, name, core));

	if (!err)
		*requested = irq;
	return err;
}

/**
 * airlock_vector_config() - tell the device its vector for configuration
 * @core: the device, with vectors; its @lock is held
 *
 * A reset makes it forget.
 *
 * Return: 0, or -EIO when it does not take it.
 */
int airlock_vector_config(struct core_device *core)
{
	if (core->vector_mode == VECTOR_LINE)
		return 0;
	if (!fault_due("config vector") &&
	    vp_modern_config_vector(&core->mdev, VECTOR_CONFIG) == VECTOR_CONFIG)
		return 0;
	return -EIO;
}

/* Does the device take the vectors of this way? Each queue is told its own when it is opened. */
static int vector_try(struct core_device *core, unsigned int num)
{
	unsigned int vector;

	for (vector = VECTOR_QUEUES; vector < num; vector++)
		if (vp_modern_queue_vector(&core->mdev, 0, vector) != vector)
			return -EIO;
	return 0;
}

static int vector_set_up_msix(struct core_device *core, unsigned int queues,
			      enum vector_mode mode)
{
	unsigned int num = VECTOR_QUEUES + (mode == VECTOR_EACH ? queues : 1);
	struct pci_dev *pdev = core->pub.pdev;
	int err;

	err = fault_int(pci_alloc_irq_vectors(pdev, num, num, PCI_IRQ_MSIX));
	if (err < 0)
		return err;
	core->vector_mode = mode;

	err = vector_request(core, pci_irq_vector(pdev, VECTOR_CONFIG), vector_on_config,
			     0, core->config_irq_name, &core->config_irq);
	if (!err && mode == VECTOR_SHARED)
		err = vector_request(core, pci_irq_vector(pdev, VECTOR_QUEUES),
				     vector_on_shared, 0, core->shared_irq_name,
				     &core->shared_irq);
	if (!err)
		err = airlock_vector_config(core);
	if (!err)
		err = fault_int(vector_try(core, num));
	if (err)
		vector_tear_down(core);
	return err;
}

static int vector_set_up_line(struct core_device *core)
{
	struct pci_dev *pdev = core->pub.pdev;
	int err;

	if (!pdev->irq)
		return -ENODEV;
	core->vector_mode = VECTOR_LINE;
	pci_intx(pdev, 1);
	err = vector_request(core, pdev->irq, vector_on_line, IRQF_SHARED,
			     core->config_irq_name, &core->config_irq);
	if (err)
		vector_tear_down(core);
	return err;
}

int airlock_vectors_alloc(struct airlock_device *adev, unsigned int queues)
{
	struct core_device *core = core_from_pub(adev);
	const char *name = dev_name(&adev->aux.dev);
	int err;

	if (!queues || core->vector_mode != VECTOR_NONE)
		return -EINVAL;

	core->queues = fault_ptr(kcalloc(queues, sizeof(*core->queues), GFP_KERNEL));
	if (!core->queues)
		return -ENOMEM;

	mutex_lock(&core->lock);
	core->num_queues = queues;
	snprintf(core->config_irq_name, sizeof(core->config_irq_name), "%s-config", name);
	snprintf(core->shared_irq_name, sizeof(core->shared_irq_name), "%s-queues", name);
	err = vector_set_up_msix(core, queues, VECTOR_EACH);
	if (err)
		err = vector_set_up_msix(core, queues, VECTOR_SHARED);
	if (err)
		err = vector_set_up_line(core);
	mutex_unlock(&core->lock);

	if (err) {
		dev_err(&adev->pdev->dev, "no interrupts to be had (%d)\n", err);
		airlock_vectors_free(adev);
	}
	return err;
}
EXPORT_SYMBOL_GPL(airlock_vectors_alloc);

void airlock_vectors_free(struct airlock_device *adev)
{
	struct core_device *core = core_from_pub(adev);

	mutex_lock(&core->lock);
	vector_tear_down(core);
	kfree(core->queues);
	core->queues = NULL;
	core->num_queues = 0;
	mutex_unlock(&core->lock);
}
EXPORT_SYMBOL_GPL(airlock_vectors_free);

static u16 vector_of(const struct core_queue *cq)
{
	if (!cq->call)
		return VIRTIO_MSI_NO_VECTOR;
	if (core_from_pub(cq->pub.adev)->vector_mode == VECTOR_EACH)
		return VECTOR_QUEUES + cq->slot;
	return VECTOR_QUEUES;
}

/**
 * airlock_vector_tell() - tell the device a queue's vector
 * @cq: the queue, attached, not enabled; the device's @lock is held
 *
 * A reset makes it forget.
 *
 * Return: 0, or -EIO when it does not take it.
 */
int airlock_vector_tell(struct core_queue *cq)
{
	struct core_device *core = core_from_pub(cq->pub.adev);
	const u16 vector = vector_of(cq);

	if (core->vector_mode == VECTOR_LINE)
		return 0;
	if (!fault_due("queue vector") &&
	    vp_modern_queue_vector(&core->mdev, cq->pub.index, vector) == vector)
		return 0;
	dev_err(&core->pub.pdev->dev, "%s: it does not take vector %u\n",
		cq->pub.name, vector);
	return -EIO;
}

/**
 * airlock_vector_attach() - request a queue's interrupt
 * @cq: the queue, not yet enabled; the device's @lock is held. Sleeps.
 *
 * The device learns of it by airlock_vector_tell().
 *
 * Return: 0 or -errno.
 */
int airlock_vector_attach(struct core_queue *cq)
{
	struct core_device *core = core_from_pub(cq->pub.adev);
	int irq, err;

	if (!cq->call || core->vector_mode != VECTOR_EACH)
		return 0;
	irq = pci_irq_vector(core->pub.pdev, vector_of(cq));
	snprintf(cq->irq_name, sizeof(cq->irq_name), "%s-%s",
		 dev_name(&core->pub.aux.dev), cq->pub.name);
	err = fault_int(request_irq(irq, vector_on_queue, 0, cq->irq_name, cq));
	if (!err)
		cq->irq = irq;
	return err;
}

void airlock_queue_affinity(struct airlock_queue *q, const struct cpumask *mask)
{
	struct core_queue *cq = core_queue_from_pub(q);
	struct core_device *core = core_from_pub(q->adev);

	mutex_lock(&core->lock);
	/* Whoever administers the machine may choose otherwise later; so no hint stays. */
	if (cq->irq && !irq_set_affinity_and_hint(cq->irq, mask))
		irq_update_affinity_hint(cq->irq, NULL);
	mutex_unlock(&core->lock);
}
EXPORT_SYMBOL_GPL(airlock_queue_affinity);

/**
 * airlock_vector_detach() - disconnect a queue
 * @cq: the queue; its device is not live. Sleeps.
 */
void airlock_vector_detach(struct core_queue *cq)
{
	if (cq->irq)
		free_irq(cq->irq, cq);
	cq->irq = 0;
}

/**
 * airlock_vector_synchronize() - wait until no handler runs
 * @core: the device, no longer live. Sleeps; takes @lock, which no handler does.
 */
void airlock_vector_synchronize(struct core_device *core)
{
	unsigned int i;

	mutex_lock(&core->lock);
	if (core->config_irq)
		synchronize_irq(core->config_irq);
	if (core->shared_irq)
		synchronize_irq(core->shared_irq);
	for (i = 0; i < core->num_queues; i++) {
		if (core->queues[i] && core->queues[i]->irq)
			synchronize_irq(core->queues[i]->irq);
	}
	mutex_unlock(&core->lock);
}
