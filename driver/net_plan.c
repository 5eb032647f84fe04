// SPDX-License-Identifier: GPL-2.0
/*
 * What a NIC and this driver agree on, how many queues it has, and what memory they share.
 *
 * Theory
 * ------
 * Features. All are optional; what is not there the stack does in software. A
 * device whose features contradict each other (segmentation without checksums) is
 * asked again without them. Frames larger than a slot need mergeable buffers, so
 * without those neither receive offload nor a larger MTU is possible.
 *
 * Sizes. The parameters are bounds, the budget is the strictest: all queues together share
 * no more than that. Receive slots are what a device that is faster than the guest fills,
 * so they are not fewer for the budget; the transmit FIFO is what is left of the pair's share,
 * and as many pairs are opened as leave each of them NET_FIFO_KIB_MIN. A budget that cannot
 * hold one pair is refused. No pair but one that is alone lies in two chunks: budget.h.
 *
 * A slot costs as much time as a kilobyte that is copied, so slots are NET_SLOT_LONG long
 * if the parameters leave that open, unless there would be fewer pairs for it.
 */
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/module.h>

#include "budget.h"
#include "compat/compat.h"
#include "net.h"

/* Receive slots: sizes that the module's parameters may ask for. */
#define NET_SLOT_BYTES_MAX	16384u
#define NET_SLOT_LONG		4096u
#define NET_SLOTS_MAX		1024u

/* Transmit FIFO: half of the least holds a frame of any size. */
#define NET_FIFO_KIB_MIN	256u
#define NET_FIFO_KIB_MAX	(AIRLOCK_SPAN_MAX >> 10)

/* Most descriptors of a transmit queue. */
#define NET_TX_DESCS_MAX	512u

/* Most pairs that leave room for a control queue behind them; with it one less than 5.1.5.1. */
#define NET_PAIRS_MAX		0x7fffu
#define NET_QUEUES_MAX		256u

/* Descriptors of the control queue, where a command takes NET_CTRL_DESCS. */
#define NET_CTRL_SIZE		16u

/* What a device with RSS must have at least (5.1.4). */
#define NET_RSS_TABLE_MIN	128u

#define NET_F_TX_TSO	(NET_F(HOST_TSO4) | NET_F(HOST_TSO6))
#define NET_F_TX_USO	NET_F(HOST_USO)

/* What is done by commands. */
#define NET_F_CTRL	(NET_F(CTRL_RX) | NET_F(CTRL_VLAN) | NET_F(CTRL_MAC_ADDR) |	\
			 NET_F(GUEST_ANNOUNCE) | NET_F(MQ) | NET_F(RSS) |		\
			 NET_F(CTRL_GUEST_OFFLOADS))

/* What this driver can use of a NIC, beyond what the core negotiates. */
#define NET_FEATURES	(NET_F(CSUM) | NET_F_TX_TSO | NET_F(HOST_ECN) |		\
			 NET_F(GUEST_CSUM) | NET_F_RX_TSO | NET_F(GUEST_ECN) |	\
			 NET_F(MRG_RXBUF) | NET_F(MAC) | NET_F(STATUS) | NET_F(MTU) |	\
			 NET_F(CTRL_VQ) | NET_F_CTRL)

/* Rounds of negotiation: one, one without contradictions, one without what hung on them. */
#define NET_ROUNDS	3

static unsigned int rx_slots = 256;
module_param(rx_slots, uint, 0444);
MODULE_PARM_DESC(rx_slots,
		 "receive slots of each queue, a power of two from 64 to 1024 (default 256)");

static unsigned int rx_slot_bytes;
module_param(rx_slot_bytes, uint, 0444);
MODULE_PARM_DESC(rx_slot_bytes,
		 "bytes of a receive slot, a power of two from 2048 to 16384; 0: 4096, or 2048 where the budget holds more queues then (default 0)");

/* By default a card with a pair and a disk with a queue fit a window of 4 MiB together. */
static unsigned int tx_fifo_kib = 432;
module_param(tx_fifo_kib, uint, 0444);
MODULE_PARM_DESC(tx_fifo_kib,
		 "most KiB of each transmit FIFO, 256 to 2048, a multiple of 4 (default 432)");

static unsigned int budget_kib = 4096;
module_param(budget_kib, uint, 0444);
MODULE_PARM_DESC(budget_kib,
		 "most KiB of shared memory for a card with all its queues, 256 to 65536, a multiple of 4 (default 4096)");

static unsigned int queues;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues,
		 "most pairs of queues of a card, 0 to 256; 0: one a processor, as far as the budget goes (default 0)");

static bool net_plan_power_ok(const char *name, unsigned int value, unsigned int least,
			      unsigned int most)
{
	if (value >= least && value <= most && is_power_of_2(value))
		return true;
	pr_err(KBUILD_MODNAME ": %s=%u: must be a power of two from %u to %u\n", name, value,
	       least, most);
	return false;
}

static bool net_plan_slots_ok(void)
{
	if (slots_span(rx_slot_bytes, rx_slots) <= AIRLOCK_SPAN_MAX)
		return true;
	pr_err(KBUILD_MODNAME ": rx_slots=%u of rx_slot_bytes=%u: more than %u KiB together\n",
	       rx_slots, rx_slot_bytes, AIRLOCK_SPAN_MAX >> 10);
	return false;
}

/**
 * net_plan_params() - are the module's parameters in range?
 *
 * Return: 0, or -EINVAL after saying which is not.
 */
int net_plan_params(void)
{
	return net_plan_power_ok("rx_slots", rx_slots, NET_SLOTS_MIN, NET_SLOTS_MAX) &&
	       (!rx_slot_bytes ||
		net_plan_power_ok("rx_slot_bytes", rx_slot_bytes, NET_SLOT_BYTES_MIN,
				  NET_SLOT_BYTES_MAX)) &&
	       net_plan_slots_ok() &&
	       param_kib_ok("tx_fifo_kib", tx_fifo_kib, NET_FIFO_KIB_MIN, NET_FIFO_KIB_MAX) &&
	       param_kib_ok("budget_kib", budget_kib, BUDGET_KIB_MIN, BUDGET_KIB_MAX) &&
	       param_number_ok("queues", queues, 0, NET_QUEUES_MAX) ? 0 : -EINVAL;
}

/* ---- features ----------------------------------------------------------------------- */

/* Features of @f that may not be without others that are missing (5.1.3.1). */
static u64 net_unusable(u64 f)
{
	u64 bad = 0;

	if (!(f & NET_F(GUEST_CSUM)) || !(f & NET_F(MRG_RXBUF)))
		bad |= NET_F_RX_TSO | NET_F_RX_USO;
	/* One alone is no use: net_hdr_offloads_driver(). */
	if ((f & NET_F_RX_USO) != NET_F_RX_USO)
		bad |= NET_F_RX_USO;
	if (!(f & ~bad & NET_F_RX_TSO))
		bad |= NET_F(GUEST_ECN);
	if (!(f & NET_F(CSUM)))
		bad |= NET_F_TX_TSO | NET_F_TX_USO;
	if (!(f & ~bad & NET_F_TX_TSO))
		bad |= NET_F(HOST_ECN);
	if (!(f & NET_F(CTRL_VQ)))
		bad |= NET_F_CTRL;
	return f & bad;
}

/**
 * net_plan_features() - agree on features that do not contradict each other
 * @adev: the device
 * @ops: calls back
 *
 * Return: 0, or what airlock_negotiate() says.
 */
int net_plan_features(struct airlock_device *adev, const struct airlock_ops *ops)
{
	u64 wanted = NET_FEATURES, bad;
	int round, err;

	if (compat_net_uso())
		wanted |= NET_F_RX_USO | NET_F_TX_USO;
	for (round = 0; round < NET_ROUNDS; round++) {
		err = airlock_negotiate(adev, wanted, ops);
		if (err)
			return err;
		bad = net_unusable(adev->features);
		if (!bad)
			return 0;
		wanted &= ~bad;
	}
	dev_err(&adev->pdev->dev, "net: the device's features change while they are agreed on\n");
	return -ENODEV;
}

/* ---- sizes -------------------------------------------------------------------------- */

/* A queue's size, or 0 after saying why there is none. */
static u32 net_plan_queue(struct airlock_device *adev, u16 index, u32 want, u32 least)
{
	const u32 size = min(want, airlock_queue_max(adev, index));

	if (size < least) {
		dev_err(&adev->pdev->dev, "net: queue %u has %u descriptors, %u are needed\n",
			index, size, least);
		return 0;
	}
	return size;
}

/* Pairs of queues that the device says that it has, or 0 after saying why not. */
static unsigned int net_plan_offered(struct airlock_device *adev,
				     const struct virtio_net_config *config)
{
	const unsigned int offered = le16_to_cpu((__force __le16)config->max_virtqueue_pairs);

	if (!(adev->features & (NET_F(MQ) | NET_F(RSS))))
		return 1;
	if (offered && offered <= NET_PAIRS_MAX)
		return offered;
	dev_err(&adev->pdev->dev, "net: it says that it has %u pairs of queues\n", offered);
	return 0;
}

/* Pairs, of the @wanted first, that are as large as the first. */
static unsigned int net_plan_equal(struct airlock_device *adev, const struct net_plan *plan,
				   unsigned int wanted)
{
	unsigned int n;

	for (n = 1; n < wanted; n++)
		if (airlock_queue_max(adev, 2 * n) < plan->rx_size ||
		    airlock_queue_max(adev, 2 * n + 1) < plan->tx_size)
			break;
	return n;
}

/* Shared memory of a pair without its FIFO, and of the control queue. */
static size_t net_plan_slots(const struct net_plan *plan)
{
	return PAGE_ALIGN(slots_span(plan->slot_bytes, plan->rx_size));
}

static size_t net_plan_rings(const struct net_plan *plan)
{
	return airlock_queue_bytes(plan->rx_size) + airlock_queue_bytes(plan->tx_size);
}

static size_t net_plan_ctrl(const struct net_plan *plan)
{
	return plan->ctrl_size ? NET_CTRL_SPAN + airlock_queue_bytes(plan->ctrl_size) : 0;
}

/* What one pair takes without its FIFO. */
static size_t net_plan_fixed(const struct net_plan *plan)
{
	return net_plan_slots(plan) + net_plan_rings(plan) + net_plan_ctrl(plan);
}

/* The FIFO of each of @n pairs, at most @want, and what all share. 0: they do not fit. */
static size_t net_plan_fifo(const struct net_plan *plan, unsigned int n, size_t *region)
{
	const size_t budget = (size_t)budget_kib << 10, want = (size_t)tx_fifo_kib << 10;
	const size_t slots = net_plan_slots(plan), rings = net_plan_rings(plan);
	const size_t ctrl = net_plan_ctrl(plan), fixed = net_plan_fixed(plan);
	const size_t share = budget_share(budget, n);
	size_t fifo = share > fixed ? min(share - fixed, want) : 0, room;

	if (fifo)
		*region = budget_total(slots + rings + fifo, n) + ctrl;
	if (n > 1 || fifo == want || budget <= BUDGET_CHUNK)
		return fifo;

	/* One that is alone: the slots in one chunk, all else in the other. */
	room = min(budget - BUDGET_CHUNK, BUDGET_CHUNK);
	room = room > rings + ctrl ? min(room - rings - ctrl, want) : 0;
	if (room > fifo) {
		fifo = room;
		*region = BUDGET_CHUNK + rings + ctrl + fifo;
	}
	return fifo;
}

/* RSS, if the device can as much of it as it must; else it steers as it likes. */
static void net_plan_rss(struct airlock_device *adev, struct net_plan *plan,
			 const struct virtio_net_config *config)
{
	const u32 entries =
		le16_to_cpu((__force __le16)config->rss_max_indirection_table_length);

	if (!(adev->features & NET_F(RSS)))
		return;
	if (entries < NET_RSS_TABLE_MIN || config->rss_max_key_size < NET_RSS_KEY) {
		dev_warn(&adev->pdev->dev, "net: its RSS has a table of %u and a key of %u bytes, not used\n",
			 entries, config->rss_max_key_size);
		return;
	}
	plan->rss_types = le32_to_cpu((__force __le32)config->supported_hash_types) &
			  NET_RSS_TYPES;
}

/* As many pairs, up to @most, as fit with slots of so many bytes; 0: not one. */
static unsigned int net_plan_fit(struct net_plan *plan, unsigned int most, u32 slot_bytes)
{
	size_t fifo;

	plan->slot_bytes = slot_bytes;
	plan->pairs = most;
	if (slots_span(slot_bytes, plan->rx_size) > AIRLOCK_SPAN_MAX)
		plan->pairs = 0;
	for (; plan->pairs; plan->pairs--) {
		fifo = net_plan_fifo(plan, plan->pairs, &plan->region_bytes);
		if (fifo >= NET_FIFO_KIB_MIN << 10) {
			plan->fifo_bytes = fifo;
			break;
		}
	}
	return plan->pairs;
}

static int net_plan_pairs(struct airlock_device *adev, struct net_plan *plan,
			  unsigned int offered)
{
	const unsigned int cpus = num_online_cpus();
	/* Without a command that says how many, it is the first. */
	const unsigned int usable = adev->features & NET_F(MQ) || plan->rss_types ? offered : 1;
	const unsigned int most = net_plan_equal(adev, plan, min(usable, queues ?
						 min(queues, cpus) : cpus));

	if (net_plan_fit(plan, most, rx_slot_bytes ?: NET_SLOT_LONG) < most && !rx_slot_bytes)
		net_plan_fit(plan, most, NET_SLOT_BYTES_MIN);
	if (!plan->pairs) {
		dev_err(&adev->pdev->dev, "net: refused: budget_kib=%u does not hold one pair of queues of rx_slots=%u, which takes %zu KiB; load airlock_net with a larger budget or fewer slots\n",
			budget_kib, plan->rx_size,
			(net_plan_fixed(plan) >> 10) + NET_FIFO_KIB_MIN);
		return -ENOSPC;
	}
	dev_info(&adev->pdev->dev, "net: %u of %u pairs of queues, each with %u receive slots of %u bytes and a FIFO of %u KiB\n",
		 plan->pairs, offered, plan->rx_size, plan->slot_bytes, plan->fifo_bytes >> 10);
	return 0;
}

/**
 * net_plan() - decide on everything that has a size
 * @adev: the device, negotiated
 * @config: its configuration
 * @plan: filled in
 *
 * Return: 0, or -errno after saying why the device or the parameters will not do.
 */
int net_plan(struct airlock_device *adev, const struct virtio_net_config *config,
	     struct net_plan *plan)
{
	const unsigned int offered = net_plan_offered(adev, config);
	int err;

	if (!offered)
		return -ENODEV;
	*plan = (struct net_plan) {
		.offloads = net_hdr_offloads_driver(adev->features),
		/* Less than a frame of the largest size is no use, nor a FIFO's few. */
		.rx_size = net_plan_queue(adev, 0, rx_slots, NET_SLOTS_MIN),
		.tx_size = net_plan_queue(adev, 1, NET_TX_DESCS_MAX, NET_SLOTS_MIN),
	};
	if (!plan->rx_size || !plan->tx_size)
		return -ENODEV;
	if (adev->features & NET_F(CTRL_VQ)) {
		/* Behind all queues that the device has, used or not (5.1.2). */
		plan->ctrl_index = 2 * offered;
		plan->ctrl_size = net_plan_queue(adev, plan->ctrl_index, NET_CTRL_SIZE,
						 NET_CTRL_DESCS);
		if (!plan->ctrl_size)
			return -ENODEV;
	}
	net_plan_rss(adev, plan, config);
	err = net_plan_pairs(adev, plan, offered);
	if (plan->pairs < 2)
		plan->rss_types = 0;
	return err;
}
