// SPDX-License-Identifier: GPL-2.0
/*
 * How many requests a disk may have, how large they are, and what memory they share.
 *
 * Theory
 * ------
 * The parameters are bounds, the budget is the strictest: all lanes of a disk together
 * share no more than that. A lane has tags with a control slot and a data slot each, a
 * ring, and a pool. Tags are what a lane is for, so depth is never shortened for the budget;
 * the pool is what is left of the lane's share, and as many lanes are opened as leave each
 * of them BLK_POOL_KIB_MIN. A budget that cannot hold one lane is refused.
 *
 * No lane but one that is alone is larger than a chunk or lies in two: budget.h says why.
 *
 * Polled lanes come last. They are asked for by name, so when there are too few
 * lanes it is the others that become fewer, but one stays: not all I/O polls.
 */
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/module.h>

#include "blk.h"
#include "budget.h"

#define BLK_DEPTH_MAX		512u
#define BLK_POOL_KIB_MIN	256u
#define BLK_POOL_KIB_MAX	(AIRLOCK_SPAN_MAX >> 10)
#define BLK_QUEUES_MAX		256u

/* Descriptors of the shortest request with data; a ring that holds fewer is useless. */
#define BLK_CHAIN_MIN		3u

/* A small pool has requests of this size all the same: two fit the smallest. */
#define BLK_BYTES_MIN		(128u << 10)

static unsigned int depth = 128;
module_param(depth, uint, 0444);
MODULE_PARM_DESC(depth, "requests in flight for each queue, 1 to 512 (default 128)");

static unsigned int pool_kib = 2048;
module_param(pool_kib, uint, 0444);
MODULE_PARM_DESC(pool_kib,
		 "most KiB of shared memory for requests above 4 KiB, for each queue, 256 to 2048, a multiple of 4 (default 2048)");

static unsigned int budget_kib = 4096;
module_param(budget_kib, uint, 0444);
MODULE_PARM_DESC(budget_kib,
		 "most KiB of shared memory for a disk with all its queues, 256 to 65536, a multiple of 4 (default 4096)");

static unsigned int queues;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues,
		 "most queues of a disk that call when they are done, 0 to 256; 0: one a processor, as far as the budget goes (default 0)");

static unsigned int poll_queues;
module_param(poll_queues, uint, 0444);
MODULE_PARM_DESC(poll_queues,
		 "most queues of a disk that are polled (io_uring's IOPOLL), beside the others, 0 to 256 (default 0)");

/**
 * blk_plan_params() - are the module's parameters in range?
 *
 * Return: 0, or -EINVAL after saying which is not.
 */
int blk_plan_params(void)
{
	return param_number_ok("depth", depth, 1, BLK_DEPTH_MAX) &&
	       param_kib_ok("pool_kib", pool_kib, BLK_POOL_KIB_MIN, BLK_POOL_KIB_MAX) &&
	       param_kib_ok("budget_kib", budget_kib, BUDGET_KIB_MIN,
			       BUDGET_KIB_MAX) &&
	       param_number_ok("queues", queues, 0, BLK_QUEUES_MAX) &&
	       param_number_ok("poll_queues", poll_queues, 0, BLK_QUEUES_MAX) ? 0 : -EINVAL;
}

/* ---- a lane ------------------------------------------------------------------- */

/* Size of the rings and number of tags. */
static int blk_plan_ring(struct blk_vdisk *vdisk)
{
	struct airlock_device *adev = vdisk->adev;
	const bool indirect = adev->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	const u32 max = airlock_queue_max(adev, 0);
	u32 descs;

	if (max < BLK_CHAIN_MIN) {
		dev_err(&adev->pdev->dev,
			"blk: queue of %u descriptors, a request needs %u\n", max, BLK_CHAIN_MIN);
		return -ENODEV;
	}

	/* A chain may not be longer than the queue, in a table or not (2.7.5.3.1). */
	descs = indirect ? max(depth, BLK_SEGS_MAX + 2) : depth * BLK_CHAIN_MIN;
	descs = roundup_pow_of_two(descs);
	vdisk->queue_size = min(descs, max);
	vdisk->depth = min(depth, vdisk->queue_size / (indirect ? 1 : BLK_CHAIN_MIN));
	vdisk->segs = min3(vdisk->limits.seg_max, BLK_SEGS_MAX, vdisk->queue_size - 2);
	vdisk->limits.discard_segs = min(vdisk->limits.discard_segs, BLK_RANGES_MAX);
	vdisk->ctrl_bytes = ALIGN(BLK_CTRL_TABLE +
				  (BLK_SEGS_MAX + 2) * sizeof(struct vring_desc), 64);
	return 0;
}

static size_t blk_plan_data(const struct blk_vdisk *vdisk)
{
	return PAGE_ALIGN(slots_span(BLK_BLOCK, vdisk->depth));
}

/* A lane's memory without data slots and pool. */
static size_t blk_plan_rest(const struct blk_vdisk *vdisk)
{
	return PAGE_ALIGN(slots_span(vdisk->ctrl_bytes, vdisk->depth)) +
	       airlock_queue_bytes(vdisk->queue_size);
}

/* How large requests may be, and of how many runs. */
static void blk_plan_requests(struct blk_vdisk *vdisk, size_t pool)
{
	u32 cuts;

	/*
	 * size_max cuts runs: a request of @bytes is cut at most (bytes - 1) /
	 * size_max times, and each cut takes a descriptor from the runs. Half of
	 * the descriptors go to either, so that small limits leave both some.
	 */
	vdisk->limits.size_max = rounddown(vdisk->limits.size_max, BLK_BLOCK);
	vdisk->pool_blocks = pool / BLK_BLOCK;
	vdisk->bytes = clamp_t(u32, pool / 4, BLK_BYTES_MIN, BLK_BYTES_MAX);
	vdisk->bytes = min_t(u64, vdisk->bytes,
			     (u64)vdisk->limits.size_max * DIV_ROUND_UP(vdisk->segs, 2));
	vdisk->bytes = rounddown(vdisk->bytes, BLK_BLOCK);
	cuts = (vdisk->bytes - 1) / vdisk->limits.size_max;
	vdisk->runs = vdisk->segs - cuts;
}

/* ---- the sum ------------------------------------------------------------------- */

/* The pool of the only lane, and all that is shared, in @region. 0: it does not fit. */
static size_t blk_plan_alone(const struct blk_vdisk *vdisk, size_t *region)
{
	const size_t data = blk_plan_data(vdisk), rest = blk_plan_rest(vdisk);
	const size_t budget = (size_t)budget_kib << 10;
	size_t pool = (size_t)pool_kib << 10, fixed = data + rest;

	if (fixed + pool <= min(budget, BUDGET_CHUNK)) {
		*region = fixed + pool;
	} else if (fixed <= BUDGET_CHUNK && BUDGET_CHUNK + fixed <= budget) {
		/* The pool in one chunk, all else in the other. */
		*region = BUDGET_CHUNK + fixed;
	} else if (rest < BUDGET_CHUNK && BUDGET_CHUNK + data <= budget) {
		/* The data slots have the other for themselves. */
		pool = min(pool, BUDGET_CHUNK - rest);
		*region = BUDGET_CHUNK + data;
	} else {
		*region = min(budget, BUDGET_CHUNK);
		pool = *region > fixed ? *region - fixed : 0;
	}
	return pool;
}

/* The pool of each of @n lanes, and what they share together. 0: they do not fit. */
static size_t blk_plan_pool(const struct blk_vdisk *vdisk, unsigned int n, size_t *region)
{
	const size_t fixed = blk_plan_data(vdisk) + blk_plan_rest(vdisk);
	size_t share, pool;

	if (n == 1)
		return blk_plan_alone(vdisk, region);

	share = budget_share((size_t)budget_kib << 10, n);
	if (share <= fixed)
		return 0;
	pool = min(share - fixed, (size_t)pool_kib << 10);
	*region = budget_total(fixed + pool, n);
	return pool;
}

/* Queues, of the @wanted first, that the device has and that are as large as queue 0. */
static unsigned int blk_plan_queues(const struct blk_vdisk *vdisk, unsigned int wanted)
{
	unsigned int n;

	wanted = min_t(unsigned int, wanted, vdisk->limits.queues);
	for (n = 1; n < wanted; n++)
		if (airlock_queue_max(vdisk->adev, n) < vdisk->queue_size)
			break;
	return n;
}

/**
 * blk_plan() - decide on everything that has a size
 * @vdisk: the disk, its limits read; sizes and numbers are filled in
 *
 * Return: 0, or -errno after saying why the device or the parameters will not do.
 */
int blk_plan(struct blk_vdisk *vdisk)
{
	const unsigned int cpus = num_online_cpus();
	const unsigned int ordinary = queues ? min(queues, cpus) : cpus;
	const unsigned int polled = min(poll_queues, cpus);
	struct device *dev = &vdisk->adev->pdev->dev;
	size_t pool = 0;
	unsigned int n;
	int err;

	err = blk_plan_ring(vdisk);
	if (err)
		return err;
	for (n = blk_plan_queues(vdisk, ordinary + polled); n; n--) {
		pool = blk_plan_pool(vdisk, n, &vdisk->region_bytes);
		if (pool >= BLK_POOL_KIB_MIN << 10)
			break;
	}
	if (!n) {
		dev_err(dev, "blk: refused: budget_kib=%u does not hold one queue of depth=%u, which takes %zu KiB; load airlock_blk with a larger budget or less depth\n",
			budget_kib, vdisk->depth,
			((blk_plan_data(vdisk) + blk_plan_rest(vdisk)) >> 10) + BLK_POOL_KIB_MIN);
		return -ENOSPC;
	}
	vdisk->num_lanes = n;
	vdisk->num_polled = min(polled, n - 1);
	blk_plan_requests(vdisk, pool);
	dev_info(dev, "blk: %u of %u queues, %u of them polled, each with %u requests of up to %u KiB and a pool of %zu KiB\n",
		 n, vdisk->limits.queues, vdisk->num_polled, vdisk->depth, vdisk->bytes >> 10,
		 pool >> 10);
	return 0;
}

/**
 * blk_plan_map_queues() - processors to lanes
 * @tags: of a disk
 *
 * First to the ordinary ones, then to those that are polled.
 */
void blk_plan_map_queues(struct blk_mq_tag_set *tags)
{
	const struct blk_vdisk *vdisk = tags->driver_data;
	unsigned int i, first = 0;

	for (i = 0; i < tags->nr_maps; i++) {
		struct blk_mq_queue_map *map = &tags->map[i];

		map->nr_queues = 0;
		if (i == HCTX_TYPE_DEFAULT)
			map->nr_queues = vdisk->num_lanes - vdisk->num_polled;
		else if (i == HCTX_TYPE_POLL)
			map->nr_queues = vdisk->num_polled;
		map->queue_offset = first;
		first += map->nr_queues;
		if (map->nr_queues)
			blk_mq_map_queues(map);
	}
}
