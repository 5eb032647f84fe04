// SPDX-License-Identifier: GPL-2.0
/*
 * A device of the daemon: what a disk and a network card have in common.
 *
 * A device lives as long as the daemon and outlives its sessions: front-ends
 * come and go, one at a time. It owns what stands behind it (a file, a tap); the
 * session owns queues and memory.
 */
#include "device.h"

#include "blk.h"
#include "message.h"
#include "net.h"
#include "../ring/ring.h"

#include <stdio.h>

void device_init(struct device *dev, const struct device_ops *ops, const char *id)
{
	dev->ops = ops;
	snprintf(dev->id, sizeof(dev->id), "%s", id);
	log_limit_init(&dev->limit);
}

static struct device *device_open_type(const struct options_device *spec)
{
	switch (spec->type) {
	case OPTIONS_BLK:
		return blk_open(spec);
	case OPTIONS_NET:
		return net_open(spec);
	}
	return NULL;
}

struct device *device_open(const struct options_device *spec)
{
	struct device *dev = device_open_type(spec);

	if (!dev)
		return NULL;
	dev->sched = spec->sched;
	if (!dev->sched.threads || dev->sched.threads > dev->queues)
		dev->sched.threads = dev->queues;
	dev->closer = closer_open();
	if (!dev->closer) {
		log_error(spec->id, "cannot be opened: %s", strerror(errno));
		dev->ops->close(dev);
		return NULL;
	}
	return dev;
}

void device_close(struct device *dev)
{
	if (!dev)
		return;
	closer_end(dev->closer);
	dev->ops->close(dev);
}

u64 device_features(const struct device *dev)
{
	/* What a kick could say is lost in an eventfd. */
	const u64 ring = RING_FEATURES & ~BIT_ULL(VIRTIO_F_NOTIFICATION_DATA);

	return dev->features | ring | BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |
	       BIT_ULL(MESSAGE_VIRTIO_F_PROTOCOL) |
	       (dev->migrates ? BIT_ULL(MESSAGE_VIRTIO_F_LOG_ALL) : 0);
}
