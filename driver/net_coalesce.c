// SPDX-License-Identifier: GPL-2.0
/*
 * Fewer interrupts: a receive queue that was just emptied is looked at again after a while,
 * instead of at the device's next call.
 *
 * Theory
 * ------
 * When NAPI has found frames and the queue is empty, no call is asked for: a timer has NAPI
 * look again @usecs later. Only a look that finds nothing asks for a call. So a flow costs
 * one look for each @usecs at most and no interrupt, and the first frame after a pause
 * costs an interrupt and is not late. With 0, which is the default, there is no timer, and
 * each time the queue is empty a call is asked for.
 *
 * How long is set by ethtool -C (rx-usecs), or, with adaptive-rx, by the kernel's own
 * moderation (DIM), which watches how many frames come and how many looks they cost.
 * The device takes no part in this: whatever it does, the time is bounded by
 * NET_COALESCE_MAX.
 */
#include <linux/dim.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>

#include "net.h"

/* Longer than this a frame need not wait. */
#define NET_COALESCE_MAX	1000u

static enum hrtimer_restart net_coalesce_look(struct hrtimer *timer)
{
	struct net_rx *rx = container_of(timer, struct net_rx, coalesce.timer);

	napi_schedule(&rx->napi);
	return HRTIMER_NORESTART;
}

/* What holds for a queue now. */
static u32 net_coalesce_usecs(const struct net_rx *rx)
{
	return READ_ONCE(rx->nic->adaptive) ? READ_ONCE(rx->coalesce.adapted) :
					      READ_ONCE(rx->coalesce.usecs);
}

/* DIM has decided; process context. */
static void net_coalesce_adapt(struct work_struct *work)
{
	struct dim *dim = container_of(work, struct dim, work);
	struct net_rx *rx = container_of(dim, struct net_rx, coalesce.dim);
	const struct dim_cq_moder moder = net_dim_get_rx_moderation(dim->mode,
								     dim->profile_ix);

	WRITE_ONCE(rx->coalesce.adapted, min_t(u32, moder.usec, NET_COALESCE_MAX));
	dim->state = DIM_START_MEASURE;
}

/**
 * net_coalesce_later() - a look at the queue has ended: look again by the clock?
 * @rx: the queue, empty; from its NAPI, which is about to be complete
 * @work: frames that this look found
 *
 * Return: true when NAPI will be scheduled; false when a call is to be asked for.
 */
bool net_coalesce_later(struct net_rx *rx, int work)
{
	struct net_coalesce *c = &rx->coalesce;
	const u32 usecs = net_coalesce_usecs(rx);
	struct dim_sample sample = {};

	if (READ_ONCE(rx->nic->adaptive)) {
		c->looks++;
		dim_update_sample(c->looks, u64_stats_read(&rx->stat[NET_RX_PACKETS]),
				  u64_stats_read(&rx->stat[NET_RX_BYTES]), &sample);
		net_dim(&c->dim, sample);
	}
	if (!usecs || !work)
		return false;
	hrtimer_start(&c->timer, ns_to_ktime((u64)usecs * NSEC_PER_USEC), HRTIMER_MODE_REL_PINNED);
	return true;
}

/**
 * net_coalesce_init() - before anything else of this file
 * @rx: the queue
 */
void net_coalesce_init(struct net_rx *rx)
{
	hrtimer_init(&rx->coalesce.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	rx->coalesce.timer.function = net_coalesce_look;
	INIT_WORK(&rx->coalesce.dim.work, net_coalesce_adapt);
	rx->coalesce.dim.mode = DIM_CQ_PERIOD_MODE_START_FROM_EQE;
}

/**
 * net_coalesce_stop() - no look and no decision is due any more
 * @rx: the queue, its NAPI disabled. Sleeps
 */
void net_coalesce_stop(struct net_rx *rx)
{
	hrtimer_cancel(&rx->coalesce.timer);
	cancel_work_sync(&rx->coalesce.dim.work);
	rx->coalesce.dim.state = DIM_START_MEASURE;
}

/**
 * net_get_coalesce() - ethtool_ops.get_coalesce
 * @ndev: the interface; under RTNL
 * @coal: filled in
 * @kernel_coal: not used
 * @extack: not used
 *
 * Return: 0.
 */
int net_get_coalesce(struct net_device *ndev, struct ethtool_coalesce *coal,
		     struct kernel_ethtool_coalesce *kernel_coal,
		     struct netlink_ext_ack *extack)
{
	struct net_nic *nic = netdev_priv(ndev);

	coal->rx_coalesce_usecs = net_coalesce_usecs(&nic->pair[0].rx);
	coal->use_adaptive_rx_coalesce = nic->adaptive;
	return 0;
}

/**
 * net_set_coalesce() - ethtool_ops.set_coalesce
 * @ndev: the interface; under RTNL
 * @coal: what is wanted
 * @kernel_coal: not used
 * @extack: says what is wrong
 *
 * Return: 0, or -EINVAL for a time that is too long.
 */
int net_set_coalesce(struct net_device *ndev, struct ethtool_coalesce *coal,
		     struct kernel_ethtool_coalesce *kernel_coal,
		     struct netlink_ext_ack *extack)
{
	struct net_nic *nic = netdev_priv(ndev);
	unsigned int i;

	if (coal->rx_coalesce_usecs > NET_COALESCE_MAX) {
		NL_SET_ERR_MSG(extack, "airlock: rx-usecs is at most 1000");
		return -EINVAL;
	}
	WRITE_ONCE(nic->adaptive, coal->use_adaptive_rx_coalesce);
	for (i = 0; i < nic->plan.pairs; i++)
		WRITE_ONCE(nic->pair[i].rx.coalesce.usecs, coal->rx_coalesce_usecs);
	return 0;
}
