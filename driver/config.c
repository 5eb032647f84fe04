// SPDX-License-Identifier: GPL-2.0
/*
 * The device's configuration structure: reading, writing, changes.
 *
 * Theory
 * ------
 * The configuration is the host's and can change at every read. It is copied
 * once, between two reads of the generation counter that agree (virtio 1.2,
 * 2.5.1), and nobody looks at the registers again; what it says is checked by
 * whoever knows its meaning. A counter that never holds still costs a bounded
 * number of tries.
 *
 * Fields are read with accesses of their own width, as 4.1.3.1 demands; a
 * table for each device type says what those are.
 *
 * A change interrupt only queues work. That work waits CONFIG_INTERVAL after the
 * last one, and twice as long each time, up to CONFIG_INTERVAL_MAX, until none came for
 * CONFIG_INTERVAL_MAX after such a wait: a host that sends nothing else, at whatever
 * pace, gets no more work and no more lines in the log than that.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ids.h>

#include "core.h"
#include "fault.h"

#define CONFIG_TRIES	64
#define CONFIG_INTERVAL	(HZ / 4)
#define CONFIG_INTERVAL_MAX (8 * HZ)

/* Widths of the fields in order; 64-bit ones are two 32-bit accesses. */
static const u8 config_net_widths[] = {
	1, 1, 1, 1, 1, 1,	/* mac */
	2, 2, 2,		/* status, max_virtqueue_pairs, mtu */
	4, 1,			/* speed, duplex */
	1, 2, 4,		/* rss_max_key_size, ..., supported_hash_types */
};

static const u8 config_blk_widths[] = {
	4, 4,			/* capacity */
	4, 4,			/* size_max, seg_max */
	2, 1, 1, 4,		/* geometry, blk_size */
	1, 1, 2, 4,		/* topology */
	1, 1, 2,		/* writeback, num_queues */
	4, 4, 4,		/* discard */
	4, 4, 1, 1, 1, 1,	/* write zeroes */
	4, 4, 4,		/* secure erase */
};

static void config_read_field(const void __iomem *from, u8 *to, u8 width)
{
	__le32 v32;
	__le16 v16;

	switch (width) {
	case 4:
		v32 = cpu_to_le32(ioread32(from));
		memcpy(to, &v32, sizeof(v32));
		break;
	case 2:
		v16 = cpu_to_le16(ioread16(from));
		memcpy(to, &v16, sizeof(v16));
		break;
	default:
		*to = ioread8(from);
	}
}

/* One pass over all fields that are there and fit; the rest stays zero. */
static void config_read_fields(struct core_device *core, u8 *buf, size_t len)
{
	const u8 *widths = config_blk_widths;
	size_t num = ARRAY_SIZE(config_blk_widths);
	size_t i, off = 0;

	if (core->type == VIRTIO_ID_NET) {
		widths = config_net_widths;
		num = ARRAY_SIZE(config_net_widths);
	}
	len = min(len, core->mdev.device_len);
	for (i = 0; i < num && off + widths[i] <= len; i++) {
		config_read_field(core->mdev.device + off, buf + off, widths[i]);
		off += widths[i];
	}
}

int airlock_config_read(struct airlock_device *adev, void *buf, size_t len)
{
	struct core_device *core = core_from_pub(adev);
	unsigned int try;
	u32 before;

	for (try = fault_due("generation") ? CONFIG_TRIES : 0; try < CONFIG_TRIES; try++) {
		memset(buf, 0, len);
		before = vp_modern_generation(&core->mdev);
		config_read_fields(core, buf, len);
		if (vp_modern_generation(&core->mdev) == before)
			return 0;
		usleep_range(100, 200);
	}
	dev_err_ratelimited(&adev->pdev->dev,
			    "its configuration changed during each of %u reads\n",
			    CONFIG_TRIES);
	return -EIO;
}
EXPORT_SYMBOL_GPL(airlock_config_read);

int airlock_config_write8(struct airlock_device *adev, size_t offset, u8 value)
{
	struct core_device *core = core_from_pub(adev);
	int err = 0;

	mutex_lock(&core->lock);
	if (fault_due("config write") || airlock_failed(adev))
		err = -EIO;
	else if (offset >= core->mdev.device_len)
		err = -ENXIO;
	else
		iowrite8(value, core->mdev.device + offset);
	mutex_unlock(&core->lock);
	return err;
}
EXPORT_SYMBOL_GPL(airlock_config_write8);

/* How long the device's next change has to wait. */
static void config_slow_down(struct core_device *core)
{
	if (time_after(jiffies, core->config_next + CONFIG_INTERVAL_MAX))
		core->config_wait = CONFIG_INTERVAL;
	else
		core->config_wait = min_t(unsigned long, 2 * core->config_wait,
					  CONFIG_INTERVAL_MAX);
	WRITE_ONCE(core->config_next, jiffies + core->config_wait);
}

static void config_work(struct work_struct *work)
{
	struct core_device *core = container_of(to_delayed_work(work),
						struct core_device, config_work);
	u8 status;

	if (!xchg(&core->config_look, false))
		config_slow_down(core);
	if (!core_live(core) || airlock_failed(&core->pub))
		return;

	status = vp_modern_get_status(&core->mdev);
	if (status == 0xff)
		airlock_device_fail(core, NULL, "the device is gone");
	else if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		airlock_device_fail(core, NULL, "the device asks for a reset");
	/* While it is being brought up, its function driver is looking by itself. */
	else if (core->ops->config && !READ_ONCE(core->out))
		core->ops->config(&core->pub);
}

/**
 * airlock_config_init() - prepare a device for changes
 * @core: the device
 */
void airlock_config_init(struct core_device *core)
{
	INIT_DELAYED_WORK(&core->config_work, config_work);
	core->config_next = jiffies;
	core->config_wait = CONFIG_INTERVAL;
}

/**
 * airlock_config_changed() - the device says that its configuration changed
 * @core: the device, live
 *
 * Any context; from an interrupt handler, which airlock_stop() waits for.
 */
void airlock_config_changed(struct core_device *core)
{
	unsigned long now = jiffies, next = READ_ONCE(core->config_next);
	unsigned long delay = time_before(now, next) ? next - now : 0;

	/* Never longer than the interval can be, also when @next is very old. */
	queue_delayed_work(system_wq, &core->config_work,
			   min_t(unsigned long, delay, CONFIG_INTERVAL_MAX));
}

/**
 * airlock_config_look() - look at the configuration without being told
 * @core: the device, live, just brought up
 *
 * For what changed since it was read at first. At once, and later changes do not wait for it.
 */
void airlock_config_look(struct core_device *core)
{
	WRITE_ONCE(core->config_look, true);
	mod_delayed_work(system_wq, &core->config_work, 0);
}

/**
 * airlock_config_quiesce() - wait for the work on changes and cancel it
 * @core: the device, not live, its interrupts synchronised. Sleeps.
 */
void airlock_config_quiesce(struct core_device *core)
{
	if (current_work() != &core->config_work.work)
		cancel_delayed_work_sync(&core->config_work);
}
