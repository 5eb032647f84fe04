// SPDX-License-Identifier: GPL-2.0
/*
 * What /sys/block/airblkN shows of a disk, beside what the block layer does.
 */
#include <linux/blkdev.h>
#include <linux/ctype.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "blk.h"

static struct blk_vdisk *blk_from_dev(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

/* The device's serial number; 20 bytes that need not end with a zero (5.2.6). */
static ssize_t serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct request_queue *queue = dev_to_disk(dev)->queue;
	blk_status_t status;
	struct request *rq;
	int i, len, err;
	char *id;

	id = kzalloc(VIRTIO_BLK_ID_BYTES, GFP_KERNEL);
	if (!id)
		return -ENOMEM;
	rq = blk_mq_alloc_request(queue, REQ_OP_DRV_IN, 0);
	if (IS_ERR(rq)) {
		err = PTR_ERR(rq);
		goto free_id;
	}
	err = blk_rq_map_kern(queue, rq, id, VIRTIO_BLK_ID_BYTES, GFP_KERNEL);
	if (err)
		goto free_rq;

	status = blk_execute_rq(rq, false);
	if (status == BLK_STS_NOTSUPP) {
		err = sysfs_emit(buf, "\n");
		goto free_rq;
	}
	err = blk_status_to_errno(status);
	if (err)
		goto free_rq;

	len = strnlen(id, VIRTIO_BLK_ID_BYTES);
	for (i = 0; i < len; i++)
		if (!isascii(id[i]) || !isprint(id[i]))
			id[i] = '?';
	err = sysfs_emit(buf, "%.*s\n", len, id);
free_rq:
	blk_mq_free_request(rq);
free_id:
	kfree(id);
	return err;
}
static DEVICE_ATTR_RO(serial);

/* The words of mainline's virtio_blk, and of its documentation. */
static const char * const blk_cache_types[] = { "write through", "write back" };

static ssize_t cache_type_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const bool on = READ_ONCE(blk_from_dev(dev)->limits.write_cache);

	return sysfs_emit(buf, "%s\n", blk_cache_types[on]);
}

static ssize_t cache_type_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	int type = sysfs_match_string(blk_cache_types, buf);

	if (type >= 0)
		type = blk_set_write_cache(blk_from_dev(dev), type);
	return type ?: count;
}
static DEVICE_ATTR_RW(cache_type);

static struct attribute *blk_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_cache_type.attr,
	NULL,
};

/* Where the cache cannot be chosen its type can be read. */
static umode_t blk_attr_mode(struct kobject *kobj, struct attribute *attr, int index)
{
	const u64 need = BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) | BIT_ULL(VIRTIO_BLK_F_FLUSH);
	struct blk_vdisk *vdisk = blk_from_dev(kobj_to_dev(kobj));

	if (attr == &dev_attr_cache_type.attr && (vdisk->adev->features & need) != need)
		return 0444;
	return attr->mode;
}

static const struct attribute_group blk_group = {
	.is_visible = blk_attr_mode,
	.attrs = blk_attrs,
};

/* Sum of one counter over all lanes; @offset is its place in struct blk_stats. */
static u64 blk_stat(struct blk_vdisk *vdisk, size_t offset)
{
	unsigned long flags;
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < vdisk->num_lanes; i++) {
		struct blk_lane *lane = &vdisk->lane[i];

		spin_lock_irqsave(&lane->q->lock, flags);
		sum += *(u64 *)((u8 *)&lane->stats + offset);
		spin_unlock_irqrestore(&lane->q->lock, flags);
	}
	return sum;
}

#define BLK_STAT(name)								\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr,	\
			   char *buf)						\
{										\
	return sysfs_emit(buf, "%llu\n",					\
			  blk_stat(blk_from_dev(dev),				\
				   offsetof(struct blk_stats, name)));		\
}										\
static DEVICE_ATTR_RO(name)

BLK_STAT(kicks);
BLK_STAT(waits);
BLK_STAT(bad_replies);
BLK_STAT(late);
BLK_STAT(late_kicks);
BLK_STAT(timeouts);
BLK_STAT(requeues);

static struct attribute *blk_stat_attrs[] = {
	&dev_attr_kicks.attr,
	&dev_attr_waits.attr,
	&dev_attr_bad_replies.attr,
	&dev_attr_late.attr,
	&dev_attr_late_kicks.attr,
	&dev_attr_timeouts.attr,
	&dev_attr_requeues.attr,
	NULL,
};

/* /sys/block/airblkN/airlock/: struct blk_stats, a file each. */
static const struct attribute_group blk_stat_group = {
	.name = "airlock",
	.attrs = blk_stat_attrs,
};

const struct attribute_group *blk_attr_groups[] = {
	&blk_group,
	&blk_stat_group,
	NULL,
};
