// SPDX-License-Identifier: GPL-2.0
/*
 * When a receive queue is looked at: for fewer interrupts again a while after it was emptied,
 * instead of at the device's next call; and without a call, when one was lost.
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
 *
 * A call that was asked for may never come, and no other would: the device has made its
 * one, it says. So each second somebody watches for a frame that was in the ring the
 * second before, while nobody looked, and has NAPI look.
 *
 * So may a kick, or the device have said that it wants none and then waited. The watch
 * kicks for frames that are with the device and do not come back, and once when nothing
 * is received any more. (A device that never answers is given up by net_tx_watch(), or by
 * net_tx_timeout() when its queue is full.)
 */
#include <linux/dim.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>

#include "net.h"

/* Longer than this a frame need not wait. In microseconds. */
#define NET_COALESCE_MAX	1000u

/* Time between two watches. */
#define NET_WATCH		HZ

static enum hrtimer_restart net_coalesce_timer(struct hrtimer *timer)
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
 * net_coalesce_look() - a look at the queue begins
 * @rx: the queue; from its NAPI
 */
void net_coalesce_look(struct net_rx *rx)
{
	struct net_coalesce *c = &rx->coalesce;

	WRITE_ONCE(c->looks, c->looks + 1);
	if (unlikely(READ_ONCE(c->late))) {
		WRITE_ONCE(c->late, false);
		net_rx_count(rx, NET_RX_LATE, 1);
	}
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
	rx->coalesce.timer.function = net_coalesce_timer;
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

/* ---- calls and kicks that do not come ---------------------------------------------- */

static void net_watch_queue(struct net_rx *rx)
{
	struct net_coalesce *c = &rx->coalesce;
	const u16 looks = READ_ONCE(c->looks);
	unsigned long flags;
	bool waits;

	spin_lock_irqsave(&rx->q->lock, flags);
	waits = ring_drv_pending(&rx->q->ring);
	spin_unlock_irqrestore(&rx->q->lock, flags);

	if (waits && c->waited && looks == c->seen && napi_schedule_prep(&rx->napi)) {
		WRITE_ONCE(c->late, true);
		local_bh_disable();
		__napi_schedule(&rx->napi);
		local_bh_enable();
	}
	if (waits || looks != c->seen) {
		c->kicked = false;
	} else if (!c->kicked) {
		c->kicked = true;
		airlock_queue_kick(rx->q);
	}
	c->waited = waits;
	c->seen = looks;
}

static void net_watch(struct work_struct *work)
{
	struct net_nic *nic = container_of(to_delayed_work(work), struct net_nic, watch);
	const unsigned int pairs = READ_ONCE(nic->pairs);
	unsigned int i;

	for (i = 0; i < pairs; i++) {
		net_watch_queue(&nic->pair[i].rx);
		net_tx_watch(&nic->pair[i].tx);
	}
	net_watch_start(nic);
}

/**
 * net_watch_init() - before the interface is opened
 * @nic: the interface
 */
void net_watch_init(struct net_nic *nic)
{
	INIT_DELAYED_WORK(&nic->watch, net_watch);
}

/**
 * net_watch_start() - watch, from a second from now on
 * @nic: the interface, its queues started
 */
void net_watch_start(struct net_nic *nic)
{
	queue_delayed_work(system_power_efficient_wq, &nic->watch,
			   round_jiffies_relative(NET_WATCH));
}

/**
 * net_watch_stop() - nobody watches any more
 * @nic: the interface. Sleeps
 */
void net_watch_stop(struct net_nic *nic)
{
	cancel_delayed_work_sync(&nic->watch);
}

/* ---- ethtool ------------------------------------------------------------------------ */

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

	/* Not what holds by moderation, which ethtool would give back with any other change. */
	coal->rx_coalesce_usecs = READ_ONCE(nic->pair[0].rx.coalesce.usecs);
	coal->use_adaptive_rx_coalesce = nic->adaptive;
	return 0;
}

/**
 * net_get_queue_coalesce() - ethtool_ops.get_per_queue_coalesce: what holds for a queue now
 * @ndev: the interface; under RTNL
 * @queue: which
 * @coal: filled in
 *
 * Return: 0, or -EINVAL when there is no such queue.
 */
int net_get_queue_coalesce(struct net_device *ndev, u32 queue, struct ethtool_coalesce *coal)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (queue >= nic->pairs)
		return -EINVAL;
	coal->rx_coalesce_usecs = net_coalesce_usecs(&nic->pair[queue].rx);
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
