// SPDX-License-Identifier: GPL-2.0
/* A disk is made with its limits and features; or they are set one by one, afterwards. */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>

struct gendisk *probe(struct blk_mq_tag_set *tags);
struct gendisk *probe(struct blk_mq_tag_set *tags)
{
	struct gendisk *disk;

#ifdef HAVE_DISK_LIMITS
	struct queue_limits limits = {
		.features = BLK_FEAT_WRITE_CACHE,
		.dma_alignment = 3,
	};

	disk = blk_mq_alloc_disk(tags, &limits, NULL);
#else
	disk = blk_mq_alloc_disk(tags, NULL);
	blk_queue_dma_alignment(disk->queue, 3);
	blk_queue_write_cache(disk->queue, true, false);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
#endif
	return disk;
}
