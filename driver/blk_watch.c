// SPDX-License-Identifier: GPL-2.0
/*
 * A disk's calls and kicks that do not come.
 *
 * Theory
 * ------
 * A host may keep a call back, or not listen to a kick. The block layer's timeout would find
 * that half a minute later, and take a lost kick for a device that is stuck. So while a lane
 * has requests in flight, somebody looks each second. When nothing was completed from one
 * look to the next, what is in the ring by then is taken as if the device had called; when
 * nothing is there, the device is kicked. One that only takes its time gets a notification
 * more, which is harmless.
 * A lane with nothing in flight is left alone: its next request begins the watch anew.
 */
#include <linux/workqueue.h>

#include "blk.h"

/* Time between two looks. */
#define BLK_WATCH	HZ

/* Return: is there something to look at again? */
static bool blk_watch_lane(struct blk_lane *lane)
{
	struct airlock_queue *q = lane->q;
	bool pending, late = false, kick = false;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	lane->watched = !lane->dead && !lane->down && ring_drv_in_flight(&q->ring);
	if (lane->watched && lane->waited && lane->done == lane->seen) {
		pending = ring_drv_pending(&q->ring);
		/* On a polled lane completions wait for whoever wants them. */
		late = pending && !lane->polled;
		kick = !pending;
	}
	lane->waited = lane->watched;
	lane->seen = lane->done;
	lane->stats.late += late;
	lane->stats.late_kicks += kick;
	spin_unlock_irqrestore(&q->lock, flags);

	if (late)
		tasklet_schedule(&lane->reaper);
	if (kick)
		airlock_queue_kick(q);
	return lane->waited;
}

static void blk_watch(struct work_struct *work)
{
	struct blk_vdisk *vdisk = container_of(to_delayed_work(work), struct blk_vdisk, watch);
	bool again = false;
	unsigned int i;

	for (i = 0; i < vdisk->num_lanes; i++)
		again |= blk_watch_lane(&vdisk->lane[i]);
	if (again)
		blk_watch_start(vdisk);
}

/**
 * blk_watch_init() - before there are lanes
 * @vdisk: the disk
 */
void blk_watch_init(struct blk_vdisk *vdisk)
{
	INIT_DELAYED_WORK(&vdisk->watch, blk_watch);
}

/**
 * blk_watch_start() - look a second from now; harmless when that is to be done already
 * @vdisk: the disk, one of whose lanes has become watched. Any context
 */
void blk_watch_start(struct blk_vdisk *vdisk)
{
	queue_delayed_work(system_power_efficient_wq, &vdisk->watch,
			   round_jiffies_relative(BLK_WATCH));
}

/**
 * blk_watch_stop() - nobody looks any more
 * @vdisk: the disk, to whose lanes nothing is sent any more. Sleeps
 */
void blk_watch_stop(struct blk_vdisk *vdisk)
{
	cancel_delayed_work_sync(&vdisk->watch);
}
