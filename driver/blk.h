/* SPDX-License-Identifier: GPL-2.0 */
/*
 * airlock_blk.ko, private: a virtio disk whose I/O goes through bounce memory.
 * blk.c is the device and the disk, blk_plan.c what it may share, blk_io.c the life of a
 * request, blk_watch.c what finds those that got lost, blk_attr.c what sysfs shows.
 */
#ifndef DRIVER_BLK_H
#define DRIVER_BLK_H

#include <linux/blk-mq.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "../ring/blk_req.h"
#include "../ring/extent.h"
#include "../ring/slots.h"
#include "airlock.h"

/* Unit of the pool, size of a data slot, and the most a request can do without the pool. */
#define BLK_BLOCK	4096u

/* Most runs of pool blocks, and most data descriptors, of one request. */
#define BLK_SEGS_MAX	14u

/* Most ranges of one request to discard; they fit a data slot. */
#define BLK_RANGES_MAX	32u

/* Largest request; a smaller pool makes it smaller. */
#define BLK_BYTES_MAX	(512u << 10)

/*
 * A control slot: the header, which the device reads; the status byte, alone on
 * its cache line because the device writes it; the indirect table.
 */
#define BLK_CTRL_HDR	0u
#define BLK_CTRL_STATUS	64u
#define BLK_CTRL_TABLE	128u

/**
 * struct blk_stats - what happened on a lane; under the queue's lock
 * @kicks: times that the device was told of new requests
 * @waits: requests put back because the pool or the ring was full
 * @bad_replies: completions with an unknown status or too short a length
 * @late: times that completions were found of which no call told
 * @late_kicks: times that the device was told once more, since nothing came back
 * @timeouts: requests that the device did not answer in time
 * @requeues: requests that a device had when it failed, and got again
 */
struct blk_stats {
	u64 kicks;
	u64 waits;
	u64 bad_replies;
	u64 late;
	u64 late_kicks;
	u64 timeouts;
	u64 requeues;
};

/**
 * struct blk_lane - a hardware queue with the bounce memory that belongs to it
 * @vdisk: the disk
 * @q: the virtqueue; its lock guards the ring and all that is said so below
 * @ctrl: control slots, one a tag
 * @data: data slots of BLK_BLOCK bytes, one a tag
 * @pool: for requests above BLK_BLOCK; under the lock
 * @pool_map: the pool's private memory
 * @inflight: by tag, the request that the device has; under the lock. Whoever
 *	takes a request out of here, and nobody else, completes it
 * @reaper: takes completions, outside of the interrupt
 * @depth: number of tags
 * @polled: whoever waits looks for completions; the device is not asked to call
 * @watched: somebody will look whether something comes back; under the lock
 * @waited: something was in flight at the last look
 * @done: requests that came back, or were ended; under the lock
 * @seen: @done at the last look
 * @down: the device is out of service: nothing goes in or comes out; under the lock
 * @dead: nothing goes in any more, for good; under the lock
 * @stats: counters; under the lock
 * @finished: of @done, those that blk_io_complete() is done with
 */
struct blk_lane {
	struct blk_vdisk *vdisk;
	struct airlock_queue *q;
	struct slots ctrl;
	struct slots data;
	struct extent_pool pool;
	void *pool_map;
	struct request **inflight;
	struct tasklet_struct reaper;
	u32 depth;
	bool polled;
	bool watched;
	bool waited;
	u32 done;
	u32 seen;
	bool down;
	bool dead;
	struct blk_stats stats;
	atomic_t finished ____cacheline_aligned_in_smp;
};

/**
 * struct blk_vdisk - a virtio disk
 * @adev: the virtio function; not to be used once remove has returned
 * @disk: the block layer's view
 * @tags: the block layer's tags
 * @limits: the device's configuration, checked, and cut down to what is used of it;
 *	@limits.write_cache is what the device was told last
 * @cache_lock: held by those who change @limits.write_cache; not by the core's calls
 * @index: number in the disk's name
 * @depth: tags of each lane
 * @queue_size: descriptors of each virtqueue
 * @bytes: most bytes of a request
 * @segs: most data descriptors of a request
 * @runs: most runs of pool blocks of a request; with size_max cutting them up
 *	they still fit @segs
 * @ctrl_bytes: size of a control slot
 * @pool_blocks: blocks in each lane's pool
 * @watch: looks after calls and kicks that do not come
 * @held: the block layer was told to send nothing; of the core's calls and remove only
 * @region_bytes: that all lanes share with the host together
 * @num_lanes: entries of @lane
 * @num_polled: how many of them, the last, are polled
 * @lane: one a hardware queue
 */
struct blk_vdisk {
	struct airlock_device *adev;
	struct gendisk *disk;
	struct blk_mq_tag_set tags;
	struct blk_limits limits;
	struct mutex cache_lock;
	int index;
	u32 depth;
	u32 queue_size;
	u32 bytes;
	u32 segs;
	u32 runs;
	u32 ctrl_bytes;
	u32 pool_blocks;
	struct delayed_work watch;
	bool held;
	size_t region_bytes;
	unsigned int num_lanes;
	unsigned int num_polled;
	struct blk_lane *lane;
};

/* blk.c */
int blk_read_limits(struct airlock_device *adev, struct blk_limits *limits);
int blk_set_write_cache(struct blk_vdisk *vdisk, bool on);

/* blk_plan.c */
int blk_plan_params(void);
int blk_plan(struct blk_vdisk *vdisk);
void blk_plan_map_queues(struct blk_mq_tag_set *tags);

/* blk_watch.c */
void blk_watch_init(struct blk_vdisk *vdisk);
void blk_watch_start(struct blk_vdisk *vdisk);
void blk_watch_stop(struct blk_vdisk *vdisk);

/* blk_attr.c */
extern const struct attribute_group *blk_attr_groups[];

/* blk_io.c */
extern const struct blk_mq_ops blk_io_ops;
size_t blk_io_pdu_bytes(void);
void blk_io_call(struct airlock_queue *q);
void blk_io_reap_later(struct tasklet_struct *reaper);
void blk_io_start(struct blk_lane *lane);
void blk_io_pause(struct blk_lane *lane);
void blk_io_take_back(struct blk_lane *lane);
void blk_io_resume(struct blk_lane *lane);
void blk_io_kill(struct blk_lane *lane);

#endif /* DRIVER_BLK_H */
