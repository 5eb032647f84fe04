// SPDX-License-Identifier: GPL-2.0
/*
 * A virtio function from claim to release: negotiation, start, failure, stop.
 *
 * Theory
 * ------
 * States, and what may happen in each:
 *
 *   reset       @quiet. No memory is known to the device, nothing is listened to.
 *   negotiated  FEATURES_OK holds. Configuration is read, queues are set up.
 *   live        @live. Interrupts are passed on, @ops are called.
 *   failed      @failed, and perhaps still @live. Kicks are dropped. @recover_work
 *               resets the device, calls ops->failed (@out), and then tries to lead
 *               it through negotiated to live again.
 *   asleep      the same, but the work waits for the system to wake up.
 *   lost        @lost: it tried often enough, or the function is gone.
 *
 * airlock_negotiate() leads from any state but live through reset to negotiated, and so
 * does airlock_restart() during a recovery; airlock_ready() from negotiated to live;
 * airlock_stop() from any state to reset, confirmed or not.
 *
 * Trying again is bounded: a host that fails a device for ever gets recover_tries resets
 * of it, later and later, and then no more. A device that was up for a while has
 * them all again.
 *
 * The device is never trusted to be quick, or to be there: waiting for a reset is
 * bounded, and a reset that was not confirmed is remembered in @quiet, which
 * decides whether shared memory may ever be used for something else.
 *
 * Stopping is in this order: leaving, under @event_lock, so that no recovery is queued
 * any more, and the work on one cancelled, after which none runs; no longer live; reset;
 * interrupts synchronised, after which no handler runs; the other works cancelled, after
 * which no ops run.
 */
#include <linux/cc_platform.h>
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ids.h>

#include "core.h"
#include "fault.h"

/*
 * In milliseconds. A back-end may have to drain I/O before it confirms; then it is a lost one, and
 * gets less until it is up again.
 */
#define DEVICE_RESET_MS		5000u
#define DEVICE_RESET_LOST_MS	100u

#define DEVICE_GONE		0xff

/* How long to wait before the next attempt to bring a device up: at first, then doubled. */
#define DEVICE_PAUSE		HZ
#define DEVICE_DOUBLINGS	4u

/* What airlock_renew() changes, and that being refused, are no attempts to mend anything. */
#define DEVICE_RENEWALS		2u

/* One that was up for so long has its attempts again. */
#define DEVICE_CALM		(60 * HZ)

static unsigned int recover_tries = 10;
module_param(recover_tries, uint, 0644);
MODULE_PARM_DESC(recover_tries,
		 "how often a failing device is reset and brought up again before it is given up (default 10)");

static DEFINE_IDA(device_ids);
static DEFINE_MUTEX(device_list_lock);
static LIST_HEAD(device_list);

/* ---- reset -------------------------------------------------------------- */

/*
 * Write 0, then wait until 0 is read (virtio 1.2, 4.1.4.3.2). Remembers the
 * outcome in @quiet. Bounded; and a device that was waited for in vain once is not waited
 * for as long again, so that going down stays bounded as a whole.
 */
static bool device_reset(struct core_device *core)
{
	const unsigned int patience = core->slow ? DEVICE_RESET_LOST_MS : DEVICE_RESET_MS;
	unsigned long deadline = jiffies + msecs_to_jiffies(patience);
	struct device *dev = &core->pub.pdev->dev;
	const bool fault = fault_due("reset");
	unsigned int wait_us = 10;
	bool late;
	u8 status;

	lockdep_assert_held(&core->lock);

	core->quiet = false;
	vp_modern_set_status(&core->mdev, 0);
	for (;;) {
		/* Looked at before the status, so that the last look counts. */
		late = time_after(jiffies, deadline) || fault;
		status = vp_modern_get_status(&core->mdev);
		/* Where there is no device, these are what a machine answers. */
		if ((!status || status == DEVICE_GONE) &&
		    !pci_device_is_present(core->pub.pdev)) {
			dev_err_ratelimited(dev, "the device is gone\n");
			return false;
		}
		if (!status && !fault) {
			core->quiet = true;
			return true;
		}
		if (late) {
			core->slow = true;
			dev_err_ratelimited(dev, "a reset was not confirmed within %u ms (status 0x%02x)\n",
					    patience, status);
			return false;
		}
		usleep_range(wait_us, 2 * wait_us);
		wait_us = min(2 * wait_us, 10000u);
	}
}

/* ---- negotiation -------------------------------------------------------- */

/* Decide on features; 0 when the device must not be used. */
static u64 device_choose_features(struct core_device *core, u64 wanted)
{
	u64 offered = vp_modern_get_features(&core->mdev);
	struct device *dev = &core->pub.pdev->dev;

	if (!(offered & BIT_ULL(VIRTIO_F_VERSION_1))) {
		dev_err(dev, "refused: it does not offer VIRTIO_F_VERSION_1 (features 0x%llx)\n",
			offered);
		return 0;
	}
	/*
	 * Without it a device may take addresses for host-physical ones and go
	 * round whatever protects the guest (virtio 1.2, 6.1).
	 */
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) &&
	    !(offered & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))) {
		dev_err(dev, "refused: a confidential guest needs VIRTIO_F_ACCESS_PLATFORM; give the device iommu_platform=on\n");
		return 0;
	}
	return offered & (wanted | RING_FEATURES | BIT_ULL(VIRTIO_F_ACCESS_PLATFORM));
}

/*
 * From reset to negotiated, with the features that @choose finds. Return: 0, -EIO when
 * the device does not answer, -ENODEV when it must not be used.
 */
static int device_agree(struct core_device *core,
			u64 (*choose)(struct core_device *core, u64 wanted), u64 wanted)
{
	u8 status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	u64 features;

	lockdep_assert_held(&core->lock);

	if (READ_ONCE(core->down) || !device_reset(core))
		return -EIO;
	core->failed = false;

	core->quiet = false;
	vp_modern_set_status(&core->mdev, status);
	status |= VIRTIO_CONFIG_S_DRIVER;
	vp_modern_set_status(&core->mdev, status);

	features = choose(core, wanted);
	if (!features)
		goto err_give_up;
	vp_modern_set_features(&core->mdev, features);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	vp_modern_set_status(&core->mdev, status);
	if (fault_due("FEATURES_OK") || vp_modern_get_status(&core->mdev) != status) {
		dev_err(&core->pub.pdev->dev, "refused: it does not accept features 0x%llx\n",
			features);
		goto err_give_up;
	}
	core->pub.features = features;
	return 0;

err_give_up:
	/* Tells the host that this was on purpose (virtio 1.2, 3.1.1). */
	vp_modern_set_status(&core->mdev, status | VIRTIO_CONFIG_S_FAILED);
	return -ENODEV;
}

int airlock_negotiate(struct airlock_device *adev, u64 wanted,
		      const struct airlock_ops *ops)
{
	struct core_device *core = core_from_pub(adev);
	int err;

	if (core_live(core))
		return -EBUSY;

	mutex_lock(&core->lock);
	core->ops = ops;
	core->last = false;
	core->leaving = false;
	core->out = false;
	core->lost = false;
	core->tries = 0;
	core->renew = 0;
	core->slow = false;
	err = device_agree(core, device_choose_features, wanted);
	mutex_unlock(&core->lock);
	return err;
}
EXPORT_SYMBOL_GPL(airlock_negotiate);

/* The same as before; what depends on them is set up already. */
static u64 device_same_features(struct core_device *core, u64 wanted)
{
	u64 offered = vp_modern_get_features(&core->mdev);

	if (!(wanted & ~offered))
		return wanted;
	dev_err(&core->pub.pdev->dev, "it does not offer features 0x%llx any more\n",
		wanted & ~offered);
	return 0;
}

int airlock_restart(struct airlock_device *adev)
{
	struct core_device *core = core_from_pub(adev);
	int err = -ESHUTDOWN;

	mutex_lock(&core->lock);
	if (!READ_ONCE(core->leaving))
		err = device_agree(core, device_same_features, adev->features);
	if (!err)
		err = airlock_vector_config(core);
	if (!err)
		err = airlock_queues_restart(core);
	mutex_unlock(&core->lock);
	return err;
}
EXPORT_SYMBOL_GPL(airlock_restart);

/* ---- up, failed, down --------------------------------------------------- */

static void device_set_live(struct core_device *core, bool live)
{
	unsigned long flags;

	spin_lock_irqsave(&core->event_lock, flags);
	/* Pairs with core_live(): who sees true sees all queues. */
	smp_store_release(&core->live, live);
	spin_unlock_irqrestore(&core->event_lock, flags);
}

/* No longer live, reset, and nothing of it runs any more. Was the reset confirmed? */
static bool device_silence(struct core_device *core)
{
	bool quiet;

	device_set_live(core, false);

	mutex_lock(&core->lock);
	quiet = core->quiet || device_reset(core);
	mutex_unlock(&core->lock);

	airlock_vector_synchronize(core);
	airlock_config_quiesce(core);
	return quiet;
}

int airlock_ready(struct airlock_device *adev)
{
	struct core_device *core = core_from_pub(adev);
	u8 want = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
		  VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
	u8 status;

	mutex_lock(&core->lock);
	/* One that went down is told to nobody any more, should it be live. */
	if (airlock_failed(adev) || READ_ONCE(core->leaving) || READ_ONCE(core->down)) {
		mutex_unlock(&core->lock);
		return -EIO;
	}
	/* Before DRIVER_OK: the first call can come at once. */
	device_set_live(core, true);
	vp_modern_set_status(&core->mdev, want);
	status = vp_modern_get_status(&core->mdev);
	mutex_unlock(&core->lock);

	if (status == want && !fault_due("DRIVER_OK")) {
		/* Nobody was told of what changed since it was read. (In a recovery: later.) */
		if (!core->out)
			airlock_config_look(core);
		return 0;
	}
	dev_err(&adev->pdev->dev, "it does not start: status 0x%02x instead of 0x%02x\n",
		status, want);
	device_silence(core);
	return -EIO;
}
EXPORT_SYMBOL_GPL(airlock_ready);

/* ---- recovery ----------------------------------------------------------- */

/* Reset it, and tell the function driver, once. Was the reset confirmed? */
static bool device_take_out(struct core_device *core)
{
	const bool quiet = device_silence(core);

	if (!core->out) {
		WRITE_ONCE(core->out, true);
		core->ops->failed(&core->pub);
	}
	return quiet;
}

/* Is another attempt to be made? A function that is not there any more gets none. */
static bool device_try_again(struct core_device *core)
{
	return core->tries++ < READ_ONCE(recover_tries) && !READ_ONCE(core->last) &&
	       pci_device_is_present(core->pub.pdev);
}

static void device_recover_later(struct core_device *core, unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&core->event_lock, flags);
	/* Also when it has failed meanwhile, which asks for an attempt at once. */
	if (!core->leaving && !core->asleep)
		mod_delayed_work(system_unbound_wq, &core->recover_work, delay);
	spin_unlock_irqrestore(&core->event_lock, flags);
}

static void device_recover_work(struct work_struct *work)
{
	struct core_device *core = container_of(to_delayed_work(work), struct core_device,
						recover_work);
	struct device *dev = &core->pub.pdev->dev;
	const bool renew = core->renew;
	const bool quiet = device_take_out(core);

	if (core->lost || READ_ONCE(core->down))
		return;
	if (renew) {
		core->renew--;
	} else if (!device_try_again(core)) {
		dev_err(dev, "given up after %u attempts to bring it up again\n",
			core->tries - 1);
		core->lost = true;
		core->ops->lost(&core->pub);
		return;
	}
	if (quiet && !core->ops->recover(&core->pub)) {
		WRITE_ONCE(core->out, false);
		airlock_config_look(core);
		core->renew = 0;
		core->slow = false;
		core->recoveries++;
		core->revived = jiffies;
		dev_info(dev, "it is up %s\n", renew ? "anew" : "again");
		return;
	}
	/* A renewal that was refused is the first attempt's like. */
	device_recover_later(core, DEVICE_PAUSE << min(max(core->tries, 1u) - 1,
							DEVICE_DOUBLINGS));
}

/*
 * Nothing is sent to it from here on, and its recovery begins, if there can be one. One that was
 * up for a while has its attempts again; not one that fails while it is being brought up,
 * however long that takes. With @event_lock held.
 */
static void device_out_of_service(struct core_device *core)
{
	WRITE_ONCE(core->failed, true);
	if (!core->out && time_after(jiffies, core->revived + DEVICE_CALM))
		core->tries = 0;
	if (core->live && !core->leaving && !core->asleep)
		queue_delayed_work(system_unbound_wq, &core->recover_work, 0);
}

/**
 * airlock_device_fail() - take a device out of service
 * @core: the device
 * @queue: name of the queue that is at fault, or NULL
 * @why: reason for the log
 *
 * Once for each negotiation: counts, logs, and has a work item reset the device, tell
 * the function driver, and try to bring it up again. Any context.
 */
void airlock_device_fail(struct core_device *core, const char *queue,
			 const char *why)
{
	unsigned long flags;
	bool first;

	spin_lock_irqsave(&core->event_lock, flags);
	first = !core->failed;
	if (first) {
		core->faults++;
		device_out_of_service(core);
	}
	spin_unlock_irqrestore(&core->event_lock, flags);

	if (first && __ratelimit(&core->complaints))
		dev_err(&core->pub.pdev->dev, "%s%sfailed: %s\n",
			queue ? queue : "", queue ? ": " : "", why);
}

void airlock_renew(struct airlock_device *adev)
{
	struct core_device *core = core_from_pub(adev);
	unsigned long flags;

	spin_lock_irqsave(&core->event_lock, flags);
	if (core->live && !core->failed && !core->leaving && !core->asleep) {
		core->renew = DEVICE_RENEWALS;
		device_out_of_service(core);
	}
	spin_unlock_irqrestore(&core->event_lock, flags);
}
EXPORT_SYMBOL_GPL(airlock_renew);

bool airlock_failed(const struct airlock_device *adev)
{
	return READ_ONCE(core_from_pub(adev)->failed) ||
	       pci_channel_offline(adev->pdev);
}
EXPORT_SYMBOL_GPL(airlock_failed);

void airlock_leave(struct airlock_device *adev)
{
	WRITE_ONCE(core_from_pub(adev)->last, true);
}
EXPORT_SYMBOL_GPL(airlock_leave);

bool airlock_stop(struct airlock_device *adev)
{
	struct core_device *core = core_from_pub(adev);
	unsigned long flags;

	spin_lock_irqsave(&core->event_lock, flags);
	WRITE_ONCE(core->leaving, true);
	spin_unlock_irqrestore(&core->event_lock, flags);
	cancel_delayed_work_sync(&core->recover_work);
	return device_silence(core);
}
EXPORT_SYMBOL_GPL(airlock_stop);

/**
 * airlock_device_suspend() - silence a device before the system sleeps
 * @core: the device, in any state. Sleeps; bounded.
 *
 * What is in flight waits for airlock_device_resume().
 */
void airlock_device_suspend(struct core_device *core)
{
	unsigned long flags;

	spin_lock_irqsave(&core->event_lock, flags);
	core->asleep = true;
	spin_unlock_irqrestore(&core->event_lock, flags);
	cancel_delayed_work_sync(&core->recover_work);
	core->renew = 0;

	if (core_live(core)) {
		WRITE_ONCE(core->failed, true);
		device_take_out(core);
	}
}

/**
 * airlock_device_resume() - bring a device up after the system slept
 * @core: the device. Sleeps; bounded.
 *
 * When that does not succeed at once it is tried again later, as after any failure.
 */
void airlock_device_resume(struct core_device *core)
{
	unsigned long flags;

	spin_lock_irqsave(&core->event_lock, flags);
	core->asleep = false;
	spin_unlock_irqrestore(&core->event_lock, flags);
	if (!core->out || core->lost)
		return;
	device_recover_later(core, 0);
	flush_delayed_work(&core->recover_work);
}

/**
 * airlock_device_shutdown() - silence a device for reboot or kexec
 * @core: the device, in any state. Sleeps; bounded.
 *
 * Processes still run, on other processors too, until long after this: the function driver
 * is told, so that none of them is in shared memory when it becomes private. What is in
 * flight then waits for ever: an error at the last moment is worse than none.
 */
void airlock_device_shutdown(struct core_device *core)
{
	unsigned long flags;

	/* From here on it is not negotiated with any more. */
	mutex_lock(&core->lock);
	WRITE_ONCE(core->down, true);
	mutex_unlock(&core->lock);

	spin_lock_irqsave(&core->event_lock, flags);
	/* Told by the work, which airlock_stop() in the function driver's removal waits for. */
	device_out_of_service(core);
	spin_unlock_irqrestore(&core->event_lock, flags);
	flush_delayed_work(&core->recover_work);

	airlock_stop(&core->pub);
	pci_clear_master(core->pub.pdev);
	airlock_region_retire(core);
}

/* ---- coming and going --------------------------------------------------- */

static void device_release(struct device *dev)
{
	struct auxiliary_device *aux = to_auxiliary_dev(dev);
	struct core_device *core = core_from_pub(airlock_from_aux(aux));

	ida_free(&device_ids, aux->id);
	mutex_destroy(&core->lock);
	kfree(core);
}

/**
 * airlock_device_create() - a device for a function, nobody knows of it yet
 * @pdev: the function
 * @type: VIRTIO_ID_NET or VIRTIO_ID_BLOCK
 *
 * Return: the device or an ERR_PTR.
 */
struct core_device *airlock_device_create(struct pci_dev *pdev, u16 type)
{
	struct core_device *core;
	struct auxiliary_device *aux;
	int id, err;

	core = fault_ptr(kzalloc(sizeof(*core), GFP_KERNEL));
	if (!core)
		return ERR_PTR(-ENOMEM);

	id = fault_int(ida_alloc(&device_ids, GFP_KERNEL));
	err = id;
	if (id < 0)
		goto err_free;

	core->pub.pdev = pdev;
	core->mdev.pci_dev = pdev;
	core->type = type;
	core->quiet = true;
	INIT_LIST_HEAD(&core->node);
	mutex_init(&core->lock);
	spin_lock_init(&core->event_lock);
	ratelimit_state_init(&core->complaints, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	INIT_DELAYED_WORK(&core->recover_work, device_recover_work);
	airlock_config_init(core);

	aux = &core->pub.aux;
	aux->name = type == VIRTIO_ID_NET ? AIRLOCK_AUX_NET : AIRLOCK_AUX_BLK;
	aux->id = id;
	aux->dev.parent = &pdev->dev;
	aux->dev.release = device_release;
	err = fault_int(auxiliary_device_init(aux));
	if (err)
		goto err_id;
	return core;

err_id:
	ida_free(&device_ids, id);
err_free:
	kfree(core);
	return ERR_PTR(err);
}

/**
 * airlock_device_publish() - offer a device to the function drivers
 * @core: the device, its registers mapped
 *
 * The device is reset first: whatever it did before, it does no longer.
 *
 * Return: 0, -EIO when the device does not answer, -errno.
 */
int airlock_device_publish(struct core_device *core)
{
	bool quiet;
	int err;

	mutex_lock(&core->lock);
	quiet = device_reset(core);
	mutex_unlock(&core->lock);
	if (!quiet)
		return -EIO;

	mutex_lock(&device_list_lock);
	list_add_tail(&core->node, &device_list);
	mutex_unlock(&device_list_lock);

	err = fault_int(auxiliary_device_add(&core->pub.aux));
	if (err) {
		mutex_lock(&device_list_lock);
		list_del_init(&core->node);
		mutex_unlock(&device_list_lock);
	}
	return err;
}

/**
 * airlock_device_retract() - take a published device from its function driver
 * @core: the device
 *
 * On return nobody uses it, it is reset and has no region and no interrupts.
 */
void airlock_device_retract(struct core_device *core)
{
	auxiliary_device_delete(&core->pub.aux);

	mutex_lock(&device_list_lock);
	list_del_init(&core->node);
	mutex_unlock(&device_list_lock);

	airlock_stop(&core->pub);
	airlock_vectors_free(&core->pub);
	airlock_region_release(&core->pub);
}

/**
 * airlock_device_destroy() - forget a device
 * @core: the device, not published or retracted; freed with its last reference
 */
void airlock_device_destroy(struct core_device *core)
{
	auxiliary_device_uninit(&core->pub.aux);
}

/**
 * airlock_device_each() - call a function for each device
 * @fn: called with the device's @lock held: its queues stay
 * @ctx: for @fn
 */
void airlock_device_each(void (*fn)(struct core_device *core, void *ctx), void *ctx)
{
	struct core_device *core;

	mutex_lock(&device_list_lock);
	list_for_each_entry(core, &device_list, node) {
		mutex_lock(&core->lock);
		fn(core, ctx);
		mutex_unlock(&core->lock);
	}
	mutex_unlock(&device_list_lock);
}
