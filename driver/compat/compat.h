/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that the modules are for.
 *
 * Theory
 * ------
 * The drivers are written for the newest kernel. Where an older one has other words for the
 * same thing, the difference is hidden here, and here only: a driver calls what this
 * file offers and never asks which kernel it is compiled for.
 *
 * Nor does this file ask for a version. For each difference there is a probe_NAME.c,
 * which probe.sh compiles with the kernel's own headers and flags; what it found is in have.h,
 * which Kbuild makes beside the objects before it compiles any of them.
 *
 * A new difference is a new probe_NAME.c and an #ifdef HAVE_NAME below.
 */
#ifndef DRIVER_COMPAT_COMPAT_H
#define DRIVER_COMPAT_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#include "have.h"

#ifdef HAVE_PAGE_POOL_HELPERS
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

/* ---- disks ------------------------------------------------------------------------ */

/**
 * compat_disk_alloc() - allocate a disk, not rotating, with these limits
 * @tags: its tag set
 * @limits: of these the logical block, the largest request, number and size of
 *	segments, the alignment of memory, and those of discards and zeroes; all of them set,
 *	the rest zero
 * @write_cache: the device has a cache and wants flushes
 * @data: the queue's
 *
 * Process context; sleeps.
 *
 * Return: the disk or an ERR_PTR.
 */
static inline struct gendisk *compat_disk_alloc(struct blk_mq_tag_set *tags,
						struct queue_limits *limits,
						bool write_cache, void *data)
{
#ifdef HAVE_DISK_LIMITS
	/* Without BLK_FEAT_ROTATIONAL it does not rotate. */
	if (write_cache)
		limits->features |= BLK_FEAT_WRITE_CACHE;
	return blk_mq_alloc_disk(tags, limits, data);
#else
	struct gendisk *disk = blk_mq_alloc_disk(tags, data);
	struct request_queue *queue;

	if (IS_ERR(disk))
		return disk;
	queue = disk->queue;
	blk_queue_logical_block_size(queue, limits->logical_block_size);
	blk_queue_max_hw_sectors(queue, limits->max_hw_sectors);
	blk_queue_max_segments(queue, limits->max_segments);
	blk_queue_max_segment_size(queue, limits->max_segment_size);
	blk_queue_dma_alignment(queue, limits->dma_alignment);
	blk_queue_max_discard_sectors(queue, limits->max_hw_discard_sectors);
	blk_queue_max_discard_segments(queue, limits->max_discard_segments);
	queue->limits.discard_granularity = limits->discard_granularity;
	blk_queue_max_write_zeroes_sectors(queue, limits->max_write_zeroes_sectors);
	blk_queue_write_cache(queue, write_cache, false);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, queue);
	return disk;
#endif
}

/**
 * compat_disk_set_write_cache() - does the disk want flushes from here on?
 * @disk: the disk, added
 * @write_cache: whether
 *
 * Process context; sleeps until no request is under way.
 *
 * Return: 0 or -errno.
 */
static inline int compat_disk_set_write_cache(struct gendisk *disk, bool write_cache)
{
#ifdef HAVE_DISK_LIMITS
	struct queue_limits limits = queue_limits_start_update(disk->queue);
	int err;

	if (write_cache)
		limits.features |= BLK_FEAT_WRITE_CACHE;
	else
		limits.features &= ~BLK_FEAT_WRITE_CACHE;
	blk_mq_freeze_queue(disk->queue);
	err = queue_limits_commit_update(disk->queue, &limits);
	blk_mq_unfreeze_queue(disk->queue);
	return err;
#else
	blk_mq_freeze_queue(disk->queue);
	blk_queue_write_cache(disk->queue, write_cache, false);
	blk_mq_unfreeze_queue(disk->queue);
	return 0;
#endif
}

/* ---- batches of requests ----------------------------------------------------------- */

/*
 * What blk_mq_ops.queue_rqs is given a pointer to. rq_list_pop() takes the first request
 * out of either; compat_rq_list_push() puts one in front.
 */
#ifdef HAVE_RQ_LIST
typedef struct rq_list compat_rq_list;
#else
typedef struct request *compat_rq_list;
#endif

/**
 * compat_rq_list_push() - put a request back
 * @list: the batch
 * @rq: the request; becomes the first
 */
static inline void compat_rq_list_push(compat_rq_list *list, struct request *rq)
{
#ifdef HAVE_RQ_LIST
	rq_list_add_head(list, rq);
#else
	rq_list_add(list, rq);
#endif
}

/* ---- spreading of received frames --------------------------------------------------- */

/*
 * COMPAT_RXFH_OPS() - define compat_get_rxfh() and compat_set_rxfh(), for ethtool_ops, by
 * two functions that take a struct ethtool_rxfh_param.
 */
#ifdef HAVE_RXFH_PARAM
#define COMPAT_RXFH_OPS(get, set)						\
static int compat_get_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh) \
{										\
	return get(ndev, rxfh);							\
}										\
static int compat_set_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh, \
			   struct netlink_ext_ack *extack)			\
{										\
	return set(ndev, rxfh, extack);						\
}
#else
/* What newer kernels have, as far as it is used. */
struct ethtool_rxfh_param {
	u8 hfunc;
	u32 *indir;
	u8 *key;
};

#define COMPAT_RXFH_OPS(get, set)						\
static int compat_get_rxfh(struct net_device *ndev, u32 *indir, u8 *key, u8 *hfunc) \
{										\
	struct ethtool_rxfh_param rxfh = { .indir = indir, .key = key };	\
	int err = get(ndev, &rxfh);						\
										\
	if (hfunc)								\
		*hfunc = rxfh.hfunc;						\
	return err;								\
}										\
static int compat_set_rxfh(struct net_device *ndev, const u32 *indir, const u8 *key, \
			   const u8 hfunc)					\
{										\
	struct ethtool_rxfh_param rxfh = {					\
		.hfunc = hfunc, .indir = (u32 *)indir, .key = (u8 *)key,	\
	};									\
										\
	return set(ndev, &rxfh, NULL);						\
}
#endif

/* ---- segments of UDP ------------------------------------------------------------------- */

/**
 * compat_net_uso() - do the stack's helpers for virtio headers know segments of UDP?
 *
 * Return: true when they may be asked for.
 */
static inline bool compat_net_uso(void)
{
#ifdef HAVE_NET_USO
	return true;
#else
	return false;
#endif
}

/* ---- XDP ------------------------------------------------------------------------------ */

/**
 * compat_xdp_offer() - say that an interface has XDP: pass, drop, tx, redirect, both ways
 * @ndev: the interface, not registered
 *
 * Where a kernel wants that to be said.
 */
static inline void compat_xdp_offer(struct net_device *ndev)
{
#ifdef HAVE_XDP_FEATURES
	ndev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			     NETDEV_XDP_ACT_NDO_XMIT;
#endif
}

#endif /* DRIVER_COMPAT_COMPAT_H */
