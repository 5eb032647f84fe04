// SPDX-License-Identifier: GPL-2.0
/*
 * What ethtool shows of an interface and sets: who drives it, its rings, its channels and
 * how frames are spread over them, whether it is well, and its counters, with a counter for
 * each reason for which a received frame was dropped.
 *
 * The shared memory is laid out at probe, so what there is room for then is the most that
 * can be had. Rings can have another length only while the device is down: it is reset, and
 * the link is gone for that moment.
 */
#include <linux/ethtool.h>
#include <linux/log2.h>

#include "compat/compat.h"
#include "net.h"

static const char net_rx_names[NET_RX_STATS][16] = {
	[NET_RX_PACKETS] = "packets",
	[NET_RX_BYTES] = "bytes",
	[NET_RX_KICKS] = "kicks",
	[NET_RX_LATE] = "late",
	[NET_RX_XDP_DROPS] = "xdp_drops",
	[NET_RX_XDP_TX] = "xdp_tx",
	[NET_RX_XDP_REDIRECTS] = "xdp_redirects",
	[NET_RX_XDP_ERRORS] = "xdp_errors",
	[NET_RX_LOSS + NET_HDR_FRAME] = "bad_length",
	[NET_RX_LOSS + NET_HDR_FLAGS] = "bad_flags",
	[NET_RX_LOSS + NET_HDR_CSUM] = "bad_csum",
	[NET_RX_LOSS + NET_HDR_GSO_TYPE] = "bad_gso_type",
	[NET_RX_LOSS + NET_HDR_GSO_SIZE] = "bad_gso_size",
	[NET_RX_LOSS + NET_HDR_BUFFERS] = "bad_buffers",
	[NET_RX_LOSS + NET_LOSS_SHORT] = "no_header",
	[NET_RX_LOSS + NET_LOSS_MISSING] = "lost_buffers",
	[NET_RX_LOSS + NET_LOSS_EMPTY] = "empty_buffers",
	[NET_RX_LOSS + NET_LOSS_MTU] = "over_mtu",
	[NET_RX_LOSS + NET_LOSS_OFFLOAD] = "bad_offload",
	[NET_RX_LOSS + NET_LOSS_MEMORY] = "no_memory",
	[NET_RX_LOSS + NET_LOSS_XDP] = "not_for_xdp",
};

static const char net_tx_names[NET_TX_STATS][16] = {
	[NET_TX_PACKETS] = "packets",
	[NET_TX_BYTES] = "bytes",
	[NET_TX_KICKS] = "kicks",
	[NET_TX_STOPS] = "stops",
	[NET_TX_DROPS] = "drops",
	[NET_TX_LATE] = "late",
	[NET_TX_LATE_KICKS] = "late_kicks",
	[NET_TX_TIMEOUTS] = "timeouts",
};

/* Counters without a name are places that no reason has. */
static bool net_ethtool_named(const char *name)
{
	return name[0];
}

static void net_get_drvinfo(struct net_device *ndev, struct ethtool_drvinfo *info)
{
	struct net_nic *nic = netdev_priv(ndev);

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->bus_info, pci_name(nic->adev->pdev), sizeof(info->bus_info));
}

/* ---- rings and channels -------------------------------------------------------------- */

static void net_get_ringparam(struct net_device *ndev, struct ethtool_ringparam *ring,
			      struct kernel_ethtool_ringparam *kernel_ring,
			      struct netlink_ext_ack *extack)
{
	struct net_nic *nic = netdev_priv(ndev);

	ring->rx_max_pending = nic->plan.rx_size;
	ring->tx_max_pending = nic->plan.tx_size;
	ring->rx_pending = nic->rx_next;
	ring->tx_pending = nic->tx_next;
	kernel_ring->rx_buf_len = nic->plan.slot_bytes;
}

static int net_set_ringparam(struct net_device *ndev, struct ethtool_ringparam *ring,
			     struct kernel_ethtool_ringparam *kernel_ring,
			     struct netlink_ext_ack *extack)
{
	struct net_nic *nic = netdev_priv(ndev);

	/* The most is what ethtool checks. */
	if (ring->rx_pending < NET_SLOTS_MIN || ring->tx_pending < NET_SLOTS_MIN ||
	    !is_power_of_2(ring->rx_pending) || !is_power_of_2(ring->tx_pending)) {
		NL_SET_ERR_MSG(extack, "airlock: a ring has a power of two entries, at least 64");
		return -EINVAL;
	}
	if (ring->rx_pending == nic->rx_next && ring->tx_pending == nic->tx_next)
		return 0;
	nic->rx_next = ring->rx_pending;
	nic->tx_next = ring->tx_pending;
	/* One that is out of service gets them anyway when it is back. */
	airlock_renew(nic->adev);
	return 0;
}

static void net_get_channels(struct net_device *ndev, struct ethtool_channels *channels)
{
	struct net_nic *nic = netdev_priv(ndev);

	channels->max_combined = nic->plan.pairs;
	channels->combined_count = nic->pairs;
}

/* Counts other than the combined one, and what is above the most, ethtool refuses. */
static int net_set_channels(struct net_device *ndev, struct ethtool_channels *channels)
{
	struct net_nic *nic = netdev_priv(ndev);

	return net_use_pairs(nic, channels->combined_count);
}

/* ---- how frames are spread ------------------------------------------------------------ */

static int net_get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *info, u32 *rules)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (info->cmd != ETHTOOL_GRXRINGS)
		return -EOPNOTSUPP;
	info->data = nic->pairs;
	return 0;
}

static u32 net_get_rxfh_key_size(struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);

	return nic->plan.rss_types ? NET_RSS_KEY : 0;
}

static u32 net_get_rxfh_indir_size(struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);

	return nic->plan.rss_types ? NET_RSS_TABLE : 0;
}

static int net_get_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh)
{
	struct net_nic *nic = netdev_priv(ndev);
	unsigned int i;

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	for (i = 0; rxfh->indir && i < NET_RSS_TABLE; i++)
		rxfh->indir[i] = nic->rss_table[i];
	if (rxfh->key)
		memcpy(rxfh->key, nic->rss_key, NET_RSS_KEY);
	return 0;
}

/* Entries name a channel that is in use; ethtool sees to that. */
static int net_set_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh,
			struct netlink_ext_ack *extack)
{
	struct net_nic *nic = netdev_priv(ndev);
	u16 table[NET_RSS_TABLE];
	u8 key[NET_RSS_KEY];
	unsigned int i;
	int err;

	if (!nic->plan.rss_types || (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
				     rxfh->hfunc != ETH_RSS_HASH_TOP))
		return -EOPNOTSUPP;
	if (net_ctrl_away(nic))
		return -ENETDOWN;

	memcpy(table, nic->rss_table, sizeof(table));
	memcpy(key, nic->rss_key, sizeof(key));
	for (i = 0; rxfh->indir && i < NET_RSS_TABLE; i++)
		nic->rss_table[i] = rxfh->indir[i];
	if (rxfh->key)
		memcpy(nic->rss_key, rxfh->key, NET_RSS_KEY);
	err = net_ctrl_pairs(nic, nic->pairs);
	if (err) {
		memcpy(nic->rss_table, table, sizeof(table));
		memcpy(nic->rss_key, key, sizeof(key));
	}
	return err;
}
COMPAT_RXFH_OPS(net_get_rxfh, net_set_rxfh)

/* ---- is it well? --------------------------------------------------------------------------- */

enum net_test {
	NET_TEST_DEVICE,
	NET_TEST_LINK,
	NET_TEST_RINGS,
	NET_TEST_CONTROL,
	NET_TESTS,
};

static const char net_test_names[NET_TESTS][ETH_GSTRING_LEN] = {
	[NET_TEST_DEVICE] = "device in service",
	[NET_TEST_LINK] = "link up",
	[NET_TEST_RINGS] = "rings unbroken",
	[NET_TEST_CONTROL] = "control queue answers",
};

static bool net_ring_broken(const struct airlock_queue *q)
{
	return ring_drv_fault(&q->ring) != RING_OK;
}

/* Of nothing that disturbs the interface: there is no offline part. */
static void net_self_test(struct net_device *ndev, struct ethtool_test *test, u64 *failed)
{
	struct net_nic *nic = netdev_priv(ndev);
	unsigned int i;

	memset(failed, 0, NET_TESTS * sizeof(*failed));
	failed[NET_TEST_DEVICE] = nic->down || nic->dead || airlock_failed(nic->adev);
	failed[NET_TEST_LINK] = !netif_carrier_ok(ndev);
	for (i = 0; i < nic->plan.pairs; i++)
		failed[NET_TEST_RINGS] |= net_ring_broken(nic->pair[i].rx.q) ||
					  net_ring_broken(nic->pair[i].tx.q);
	if (nic->ctrl.q)
		failed[NET_TEST_CONTROL] = failed[NET_TEST_DEVICE] || net_ctrl_echo(nic);
	for (i = 0; i < NET_TESTS; i++)
		if (failed[i])
			test->flags |= ETH_TEST_FL_FAILED;
}

/* ---- link and counters ---------------------------------------------------------------- */

static int net_get_link_ksettings(struct net_device *ndev, struct ethtool_link_ksettings *cmd)
{
	cmd->base.speed = SPEED_UNKNOWN;
	cmd->base.duplex = DUPLEX_UNKNOWN;
	cmd->base.port = PORT_OTHER;
	return 0;
}

static unsigned int net_ethtool_count(const char (*names)[16], unsigned int num)
{
	unsigned int i, count = 0;

	for (i = 0; i < num; i++)
		count += net_ethtool_named(names[i]);
	return count;
}

static int net_get_sset_count(struct net_device *ndev, int set)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (set == ETH_SS_TEST)
		return NET_TESTS;
	if (set != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return nic->plan.pairs * (net_ethtool_count(net_rx_names, NET_RX_STATS) +
				 net_ethtool_count(net_tx_names, NET_TX_STATS));
}

static u8 *net_ethtool_strings(u8 *p, const char *queue, unsigned int index,
			       const char (*names)[16], unsigned int num)
{
	unsigned int i;

	for (i = 0; i < num; i++)
		if (net_ethtool_named(names[i]))
			ethtool_sprintf(&p, "%s%u_%s", queue, index, names[i]);
	return p;
}

static void net_get_strings(struct net_device *ndev, u32 set, u8 *p)
{
	struct net_nic *nic = netdev_priv(ndev);
	unsigned int i;

	if (set == ETH_SS_TEST)
		memcpy(p, net_test_names, sizeof(net_test_names));
	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < nic->plan.pairs; i++) {
		p = net_ethtool_strings(p, "rx", i, net_rx_names, NET_RX_STATS);
		p = net_ethtool_strings(p, "tx", i, net_tx_names, NET_TX_STATS);
	}
}

static u64 *net_ethtool_values(u64 *value, const struct u64_stats_sync *sync,
			       const u64_stats_t *stat, const char (*names)[16],
			       unsigned int num)
{
	unsigned int i, start;

	for (i = 0; i < num; i++) {
		if (!net_ethtool_named(names[i]))
			continue;
		do {
			start = u64_stats_fetch_begin(sync);
			*value = u64_stats_read(&stat[i]);
		} while (u64_stats_fetch_retry(sync, start));
		value++;
	}
	return value;
}

static void net_get_ethtool_stats(struct net_device *ndev, struct ethtool_stats *stats,
				  u64 *value)
{
	struct net_nic *nic = netdev_priv(ndev);
	unsigned int i;

	for (i = 0; i < nic->plan.pairs; i++) {
		struct net_rx *rx = &nic->pair[i].rx;
		struct net_tx *tx = &nic->pair[i].tx;

		value = net_ethtool_values(value, &rx->sync, rx->stat, net_rx_names,
					   NET_RX_STATS);
		value = net_ethtool_values(value, &tx->sync, tx->stat, net_tx_names,
					   NET_TX_STATS);
	}
}

const struct ethtool_ops net_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_RX_USECS |
				     ETHTOOL_COALESCE_USE_ADAPTIVE_RX,
	.get_coalesce = net_get_coalesce,
	.set_coalesce = net_set_coalesce,
	.get_per_queue_coalesce = net_get_queue_coalesce,
	.get_drvinfo = net_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = net_get_link_ksettings,
	.get_ringparam = net_get_ringparam,
	.set_ringparam = net_set_ringparam,
	.get_channels = net_get_channels,
	.set_channels = net_set_channels,
	.get_rxnfc = net_get_rxnfc,
	.get_rxfh_key_size = net_get_rxfh_key_size,
	.get_rxfh_indir_size = net_get_rxfh_indir_size,
	.get_rxfh = compat_get_rxfh,
	.set_rxfh = compat_set_rxfh,
	.self_test = net_self_test,
	.get_sset_count = net_get_sset_count,
	.get_strings = net_get_strings,
	.get_ethtool_stats = net_get_ethtool_stats,
};
