// SPDX-License-Identifier: GPL-2.0
/*
 * airlock_blk.ko: virtio disks (virtio 1.2, 5.2) whose I/O goes through bounce
 * memory.
 *
 * Theory
 * ------
 * This file sets a disk up and takes it down; blk_io.c moves its requests. The
 * device's configuration is read and checked as a whole (blk_limits_check()), and
 * from it and from the module's parameters blk_plan() decides, once, how many
 * queues and requests there may be and how large they are. The shared memory follows
 * from that and is reserved in one piece: for each queue a control slot and a data slot
 * a tag, a pool for large requests, and the rings.
 *
 * Queues. A hardware queue of the block layer is a lane: a virtqueue with the bounce
 * memory that belongs to it. Processors on different lanes share neither lock nor memory.
 *
 * States. Between airlock_ready() and airlock_stop() the core may report a change
 * of the configuration, which is a new capacity, or that the device has failed. Then the
 * block layer is told to hold its requests. When the device is up again those that it had
 * are sent once more, and whoever waits for them has waited a little longer. When it is
 * lost all lanes end: requests in flight and all later ones get I/O errors, the disk
 * stays and says so until it is removed.
 *
 * Going down. The disk goes first, while the device still answers, so that dirty
 * pages reach it. When it does not answer any more the disk is marked dead first,
 * so that nothing waits for a write-back that cannot happen. struct blk_vdisk lives
 * as long as somebody has the disk open; after remove it has no device.
 *
 * Names. Disks are airblk0, airblk1, ... and their partitions airblk0p1, ...
 * The name is ours, not vda: which driver owns a disk is worth seeing.
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "blk.h"
#include "compat/compat.h"
#include "fault.h"

/* What this driver can use of a disk, beyond what the core negotiates. */
#define BLK_FEATURES	(BIT_ULL(VIRTIO_BLK_F_SIZE_MAX) |	\
			 BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |	\
			 BIT_ULL(VIRTIO_BLK_F_RO) |		\
			 BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |	\
			 BIT_ULL(VIRTIO_BLK_F_FLUSH) |		\
			 BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) |	\
			 BIT_ULL(VIRTIO_BLK_F_MQ) |		\
			 BIT_ULL(VIRTIO_BLK_F_DISCARD) |	\
			 BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES))

static DEFINE_IDA(blk_ida);

/* ---- configuration ------------------------------------------------------------- */

/**
 * blk_read_limits() - read and check the configuration
 * @adev: the device, negotiated
 * @limits: filled in
 *
 * Process context; sleeps.
 *
 * Return: 0, or -errno after saying why.
 */
int blk_read_limits(struct airlock_device *adev, struct blk_limits *limits)
{
	struct virtio_blk_config raw;
	const char *what;
	int err;

	err = airlock_config_read(adev, &raw, sizeof(raw));
	if (err) {
		dev_err(&adev->pdev->dev, "blk: the configuration does not hold still\n");
		return err;
	}
	err = blk_limits_check(&raw, adev->features, PAGE_SIZE, limits, &what);
	if (err)
		dev_err_ratelimited(&adev->pdev->dev,
				    "blk: the device's %s cannot be, refused\n", what);
	return err;
}

static int blk_tell_cache(struct blk_vdisk *vdisk, bool on)
{
	return airlock_config_write8(vdisk->adev, offsetof(struct virtio_blk_config, wce), on);
}

/**
 * blk_set_write_cache() - have the device cache writes, or not
 * @vdisk: the disk, of a device with VIRTIO_BLK_F_CONFIG_WCE and flushes
 * @on: whether
 *
 * Flushes are sent before they are needed and for as long as they may be, also when
 * the device fails meanwhile. Process context; sleeps until no request is under way.
 *
 * Return: 0, or -errno; then the cache is on, as far as anyone knows.
 */
int blk_set_write_cache(struct blk_vdisk *vdisk, bool on)
{
	struct blk_limits limits;
	int err = 0, ret;

	mutex_lock(&vdisk->cache_lock);
	if (on)
		err = compat_disk_set_write_cache(vdisk->disk, true);
	WRITE_ONCE(vdisk->limits.write_cache, on);
	if (!err)
		err = blk_tell_cache(vdisk, on);
	if (!err)
		err = blk_read_limits(vdisk->adev, &limits);
	/* It need not do as it was told. */
	if (err || limits.write_cache)
		WRITE_ONCE(vdisk->limits.write_cache, true);
	ret = compat_disk_set_write_cache(vdisk->disk, vdisk->limits.write_cache);
	mutex_unlock(&vdisk->cache_lock);
	return err ?: ret;
}

/* A reset made the device forget. Perhaps somebody changes his mind right now. */
static int blk_restore_cache(struct blk_vdisk *vdisk)
{
	bool on;
	int err;

	if (!(vdisk->adev->features & BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE)))
		return 0;
	do {
		on = READ_ONCE(vdisk->limits.write_cache);
		err = blk_tell_cache(vdisk, on);
	} while (!err && on != READ_ONCE(vdisk->limits.write_cache));
	return err;
}

static void blk_set_capacity(struct blk_vdisk *vdisk, bool notify)
{
	const u64 sectors = vdisk->limits.sectors;

	/* The block layer says by itself when it changes. */
	if (notify) {
		set_capacity_and_notify(vdisk->disk, sectors);
		return;
	}
	dev_info(&vdisk->adev->pdev->dev, "%s: %llu sectors of 512 bytes, blocks of %u\n",
		 vdisk->disk->disk_name, sectors, vdisk->limits.block);
	set_capacity(vdisk->disk, sectors);
}

static void blk_new_sectors(struct blk_vdisk *vdisk, u64 sectors)
{
	/* Our blocks may be larger than what the device says now: whole ones count. */
	sectors -= sectors % (vdisk->limits.block >> BLK_SECTOR_SHIFT);
	if (sectors == vdisk->limits.sectors)
		return;
	vdisk->limits.sectors = sectors;
	blk_set_capacity(vdisk, true);
}

/* The core's @config: only the capacity may change under a running disk (5.2.6.1). */
static void blk_config(struct airlock_device *adev)
{
	struct blk_vdisk *vdisk = auxiliary_get_drvdata(&adev->aux);
	struct blk_limits limits;

	if (!blk_read_limits(adev, &limits))
		blk_new_sectors(vdisk, limits.sectors);
}

static void blk_kill(struct blk_vdisk *vdisk)
{
	unsigned int i;

	for (i = 0; i < vdisk->num_lanes; i++)
		if (vdisk->lane[i].q)
			blk_io_kill(&vdisk->lane[i]);
}

/* The block layer sends nothing from here on; what it is sending now it has sent. */
static void blk_hold(struct blk_vdisk *vdisk)
{
	if (!vdisk->held)
		blk_mq_quiesce_queue(vdisk->disk->queue);
	vdisk->held = true;
}

static void blk_let_go(struct blk_vdisk *vdisk)
{
	if (!vdisk->held)
		return;
	vdisk->held = false;
	blk_mq_unquiesce_queue(vdisk->disk->queue);
	blk_mq_kick_requeue_list(vdisk->disk->queue);
}

/* All I/O gets errors from here on. */
static void blk_give_up(struct blk_vdisk *vdisk)
{
	blk_kill(vdisk);
	blk_let_go(vdisk);
}

/*
 * Wait until nobody looks at what the device gave back; of a lane that is paused. Not by the block
 * layer's wait for completed requests: a write that is to reach the medium has completed when
 * its data is written, and then waits for a flush, which waits for the device, and so for us.
 */
static void blk_settle(struct blk_lane *lane)
{
	while ((u32)atomic_read_acquire(&lane->finished) != READ_ONCE(lane->done))
		msleep(1);
}

/* The core's @failed. */
static void blk_failed(struct airlock_device *adev)
{
	struct blk_vdisk *vdisk = auxiliary_get_drvdata(&adev->aux);
	unsigned int i;

	blk_hold(vdisk);
	for (i = 0; i < vdisk->num_lanes; i++)
		blk_io_pause(&vdisk->lane[i]);
	/* Whoever took completions before has handed them on, or broken the queue. */
	synchronize_rcu();
	for (i = 0; i < vdisk->num_lanes; i++)
		blk_settle(&vdisk->lane[i]);
}

/* Is this still a disk that the plan is good for? */
static bool blk_same(const struct blk_vdisk *vdisk, const struct blk_limits *limits)
{
	return limits->block == vdisk->limits.block &&
	       limits->size_max >= vdisk->limits.size_max && limits->seg_max >= vdisk->segs &&
	       limits->discard_sectors >= vdisk->limits.discard_sectors &&
	       limits->discard_segs >= vdisk->limits.discard_segs &&
	       limits->zeroes_sectors >= vdisk->limits.zeroes_sectors &&
	       limits->queues >= vdisk->num_lanes;
}

/* The core's @recover. */
static int blk_recover(struct airlock_device *adev)
{
	struct blk_vdisk *vdisk = auxiliary_get_drvdata(&adev->aux);
	struct blk_limits limits;
	unsigned int i;
	int err;

	err = airlock_restart(adev);
	if (!err)
		err = blk_read_limits(adev, &limits);
	if (err)
		return err;
	if (!blk_same(vdisk, &limits)) {
		dev_err(&adev->pdev->dev, "%s: the device came back as another disk\n",
			vdisk->disk->disk_name);
		return -ENODEV;
	}
	err = blk_restore_cache(vdisk);
	if (err)
		return err;
	for (i = 0; i < vdisk->num_lanes; i++) {
		blk_io_take_back(&vdisk->lane[i]);
		blk_io_start(&vdisk->lane[i]);
	}
	err = airlock_ready(adev);
	if (err)
		return err;
	for (i = 0; i < vdisk->num_lanes; i++)
		blk_io_resume(&vdisk->lane[i]);
	blk_new_sectors(vdisk, limits.sectors);
	blk_let_go(vdisk);
	return 0;
}

/* The core's @lost. */
static void blk_lost(struct airlock_device *adev)
{
	struct blk_vdisk *vdisk = auxiliary_get_drvdata(&adev->aux);

	dev_err(&adev->pdev->dev, "%s: device lost, all I/O gets errors from here on\n",
		vdisk->disk->disk_name);
	blk_give_up(vdisk);
}

static const struct airlock_ops blk_ops = {
	.config = blk_config,
	.failed = blk_failed,
	.recover = blk_recover,
	.lost = blk_lost,
};

/* ---- lanes --------------------------------------------------------------------- */

/* What its queue and its memory are called, before their number. */
static const char *blk_lane_kind(const struct blk_lane *lane)
{
	return lane->polled ? "poll" : "q";
}

/* A row of slots, one a tag. */
static int blk_lane_slots(struct blk_lane *lane, unsigned int index, const char *what,
			  u32 bytes, struct slots *slots)
{
	struct airlock_span span;
	char purpose[24];
	int err;

	snprintf(purpose, sizeof(purpose), "%s%u.%s", blk_lane_kind(lane), index, what);
	err = airlock_span_alloc(lane->vdisk->adev, purpose, slots_span(bytes, lane->depth),
				 &span);
	if (!err)
		*slots = (struct slots) {
			.base = span.cpu, .bus = span.bus, .bytes = bytes, .num = lane->depth,
		};
	return err;
}

static int blk_lane_pool(struct blk_lane *lane, unsigned int index)
{
	const u32 blocks = lane->vdisk->pool_blocks;
	struct airlock_span span;
	char purpose[24];
	int err;

	snprintf(purpose, sizeof(purpose), "%s%u.pool", blk_lane_kind(lane), index);
	err = airlock_span_alloc(lane->vdisk->adev, purpose, (size_t)blocks * BLK_BLOCK, &span);
	if (err)
		return err;
	lane->pool_map = fault_ptr(kzalloc(extent_private_bytes(blocks), GFP_KERNEL));
	if (!lane->pool_map)
		return -ENOMEM;
	return extent_init(&lane->pool, span.cpu, span.bus, BLK_BLOCK, blocks, lane->pool_map);
}

static int blk_lane_open(struct blk_vdisk *vdisk, unsigned int index)
{
	struct blk_lane *lane = &vdisk->lane[index];
	struct airlock_queue *q;
	char name[16];
	int err;

	lane->vdisk = vdisk;
	lane->depth = vdisk->depth;
	lane->polled = index >= vdisk->num_lanes - vdisk->num_polled;
	lane->inflight = fault_ptr(kcalloc(lane->depth, sizeof(*lane->inflight), GFP_KERNEL));
	if (!lane->inflight)
		return -ENOMEM;
	tasklet_setup(&lane->reaper, blk_io_reap_later);
	/* The largest first, while the region's chunks are whole. */
	err = blk_lane_pool(lane, index);
	if (err)
		return err;
	err = blk_lane_slots(lane, index, "data", BLK_BLOCK, &lane->data);
	if (err)
		return err;
	err = blk_lane_slots(lane, index, "ctrl", vdisk->ctrl_bytes, &lane->ctrl);
	if (err)
		return err;

	snprintf(name, sizeof(name), "%s%u", blk_lane_kind(lane), index);
	q = airlock_queue_open(vdisk->adev, index, vdisk->queue_size, name,
			       lane->polled ? NULL : blk_io_call, lane);
	if (IS_ERR(q))
		return PTR_ERR(q);
	lane->q = q;
	blk_io_start(lane);
	return 0;
}

static void blk_lane_close(struct blk_lane *lane)
{
	if (lane->q)
		tasklet_kill(&lane->reaper);
	airlock_queue_close(lane->q);
	lane->q = NULL;
	kfree(lane->pool_map);
	kfree(lane->inflight);
}

/* After airlock_stop(); the disk is gone or never was. */
static void blk_lanes_close(struct blk_vdisk *vdisk)
{
	unsigned int i;

	blk_watch_stop(vdisk);
	for (i = 0; i < vdisk->num_lanes; i++)
		blk_lane_close(&vdisk->lane[i]);
}

static int blk_lanes_open(struct blk_vdisk *vdisk)
{
	struct airlock_device *adev = vdisk->adev;
	unsigned int i;
	int err;

	err = airlock_region_reserve(adev, vdisk->region_bytes);
	if (err)
		return err;
	err = airlock_vectors_alloc(adev, vdisk->num_lanes);
	for (i = 0; !err && i < vdisk->num_lanes; i++)
		err = blk_lane_open(vdisk, i);
	return err;
}

/* ---- the disk ------------------------------------------------------------------- */

/* The last one who had it open is gone; only for disks that were added. */
static void blk_free_disk(struct gendisk *disk)
{
	struct blk_vdisk *vdisk = disk->private_data;

	ida_free(&blk_ida, vdisk->index);
	kfree(vdisk->lane);
	kfree(vdisk);
}

static const struct block_device_operations blk_fops = {
	.owner = THIS_MODULE,
	.free_disk = blk_free_disk,
};

static int blk_disk_alloc(struct blk_vdisk *vdisk)
{
	const u64 features = vdisk->adev->features;
	/* All data is copied: how it lies in memory does not matter. */
	struct queue_limits limits = {
		.logical_block_size = vdisk->limits.block,
		.max_hw_sectors = vdisk->bytes >> BLK_SECTOR_SHIFT,
		.max_segments = USHRT_MAX,
		.max_segment_size = UINT_MAX,
		.dma_alignment = 3,
		.max_hw_discard_sectors = vdisk->limits.discard_sectors,
		.max_discard_segments = vdisk->limits.discard_segs,
		.discard_granularity = vdisk->limits.discard_align,
		.max_write_zeroes_sectors = vdisk->limits.zeroes_sectors,
	};
	struct gendisk *disk;
	int err;

	vdisk->tags = (struct blk_mq_tag_set) {
		.ops = &blk_io_ops,
		.nr_hw_queues = vdisk->num_lanes,
		.nr_maps = vdisk->num_polled ? HCTX_MAX_TYPES : 1,
		.queue_depth = vdisk->depth,
		.numa_node = dev_to_node(&vdisk->adev->pdev->dev),
		.cmd_size = blk_io_pdu_bytes(),
		.flags = BLK_MQ_F_SHOULD_MERGE,
		.driver_data = vdisk,
	};
	err = fault_int(blk_mq_alloc_tag_set(&vdisk->tags));
	if (err)
		return err;

	disk = fault_err(compat_disk_alloc(&vdisk->tags, &limits,
					   vdisk->limits.write_cache, vdisk));
	if (IS_ERR(disk)) {
		blk_mq_free_tag_set(&vdisk->tags);
		return PTR_ERR(disk);
	}
	disk->fops = &blk_fops;
	disk->private_data = vdisk;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "airblk%d", vdisk->index);
	if (features & BIT_ULL(VIRTIO_BLK_F_RO))
		set_disk_ro(disk, true);
	vdisk->disk = disk;
	blk_set_capacity(vdisk, false);
	return 0;
}

/* Agreed features, checked configuration, a plan, and its lanes. */
static int blk_negotiate(struct blk_vdisk *vdisk)
{
	int err;

	err = airlock_negotiate(vdisk->adev, BLK_FEATURES, &blk_ops);
	if (err)
		return err;
	err = blk_read_limits(vdisk->adev, &vdisk->limits);
	if (err)
		return err;
	err = blk_plan(vdisk);
	if (err)
		return err;
	vdisk->lane = fault_ptr(kcalloc(vdisk->num_lanes, sizeof(*vdisk->lane), GFP_KERNEL));
	return vdisk->lane ? 0 : -ENOMEM;
}

static int blk_probe(struct auxiliary_device *aux, const struct auxiliary_device_id *id)
{
	struct airlock_device *adev = airlock_from_aux(aux);
	struct blk_vdisk *vdisk;
	int err;

	vdisk = fault_ptr(kzalloc(sizeof(*vdisk), GFP_KERNEL));
	if (!vdisk)
		return -ENOMEM;
	vdisk->adev = adev;
	mutex_init(&vdisk->cache_lock);
	blk_watch_init(vdisk);
	auxiliary_set_drvdata(aux, vdisk);

	vdisk->index = fault_int(ida_alloc(&blk_ida, GFP_KERNEL));
	if (vdisk->index < 0) {
		err = vdisk->index;
		goto free_vdisk;
	}
	err = blk_negotiate(vdisk);
	if (err)
		goto stop;
	err = blk_disk_alloc(vdisk);
	if (err)
		goto stop;
	err = blk_lanes_open(vdisk);
	if (err)
		goto put_disk;
	err = airlock_ready(adev);
	if (err)
		goto put_disk;
	err = fault_int(device_add_disk(&adev->pdev->dev, vdisk->disk, blk_attr_groups));
	if (err)
		goto put_disk;
	return 0;

put_disk:
	airlock_stop(adev);
	put_disk(vdisk->disk);
	blk_mq_free_tag_set(&vdisk->tags);
	blk_lanes_close(vdisk);
	airlock_vectors_free(adev);
	airlock_region_release(adev);
stop:
	airlock_stop(adev);
	ida_free(&blk_ida, vdisk->index);
free_vdisk:
	kfree(vdisk->lane);
	kfree(vdisk);
	return err;
}

static void blk_remove(struct auxiliary_device *aux)
{
	struct blk_vdisk *vdisk = auxiliary_get_drvdata(aux);
	struct airlock_device *adev = vdisk->adev;

	/* Nobody waits for a device that is out of service when it is taken away. */
	airlock_leave(adev);
	if (airlock_failed(adev)) {
		airlock_stop(adev);
		blk_mark_disk_dead(vdisk->disk);
		blk_give_up(vdisk);
	}
	del_gendisk(vdisk->disk);
	airlock_stop(adev);
	blk_give_up(vdisk);
	/* Whoever sent a request that is done by now may be about to kick, and to begin a watch. */
	synchronize_rcu();
	blk_mq_free_tag_set(&vdisk->tags);
	blk_lanes_close(vdisk);
	airlock_vectors_free(adev);
	airlock_region_release(adev);
	put_disk(vdisk->disk);
}

static const struct auxiliary_device_id blk_ids[] = {
	{ .name = AIRLOCK_MODULE "." AIRLOCK_AUX_BLK },
	{ }
};
MODULE_DEVICE_TABLE(auxiliary, blk_ids);

static struct auxiliary_driver blk_driver = {
	.name = AIRLOCK_AUX_BLK,
	.probe = blk_probe,
	.remove = blk_remove,
	.id_table = blk_ids,
};

static int __init blk_init(void)
{
	int err = blk_plan_params();

	if (err)
		return err;
	return auxiliary_driver_register(&blk_driver);
}

static void __exit blk_exit(void)
{
	auxiliary_driver_unregister(&blk_driver);
	ida_destroy(&blk_ida);
}

module_init(blk_init);
module_exit(blk_exit);

MODULE_DESCRIPTION("airlock: virtio disk through a small shared region");
MODULE_LICENSE("GPL");
