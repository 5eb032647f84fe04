// SPDX-License-Identifier: GPL-2.0
/*
 * What ethtool shows of an interface: who drives it, its rings, and its counters,
 * with a counter for each reason for which a received frame was dropped. Nothing
 * can be changed here: the shared memory is laid out at probe.
 */
#include <linux/ethtool.h>

#include "net.h"

static const char net_rx_names[NET_RX_STATS][16] = {
	[NET_RX_PACKETS] = "packets",
	[NET_RX_BYTES] = "bytes",
	[NET_RX_KICKS] = "kicks",
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
};

static const char net_tx_names[NET_TX_STATS][16] = {
	[NET_TX_PACKETS] = "packets",
	[NET_TX_BYTES] = "bytes",
	[NET_TX_KICKS] = "kicks",
	[NET_TX_STOPS] = "stops",
	[NET_TX_DROPS] = "drops",
	[NET_TX_LATE] = "late",
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

static void net_get_ringparam(struct net_device *ndev, struct ethtool_ringparam *ring,
			      struct kernel_ethtool_ringparam *kernel_ring,
			      struct netlink_ext_ack *extack)
{
	struct net_nic *nic = netdev_priv(ndev);

	ring->rx_max_pending = nic->rx_size;
	ring->tx_max_pending = nic->tx_size;
	ring->rx_pending = nic->rx_size;
	ring->tx_pending = nic->tx_size;
	kernel_ring->rx_buf_len = nic->slot_bytes;
}

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

	if (set != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return nic->num_pairs * (net_ethtool_count(net_rx_names, NET_RX_STATS) +
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

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < nic->num_pairs; i++) {
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

	for (i = 0; i < nic->num_pairs; i++) {
		struct net_rx *rx = &nic->pair[i].rx;
		struct net_tx *tx = &nic->pair[i].tx;

		value = net_ethtool_values(value, &rx->sync, rx->stat, net_rx_names,
					   NET_RX_STATS);
		value = net_ethtool_values(value, &tx->sync, tx->stat, net_tx_names,
					   NET_TX_STATS);
	}
}

const struct ethtool_ops net_ethtool_ops = {
	.get_drvinfo = net_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = net_get_link_ksettings,
	.get_ringparam = net_get_ringparam,
	.get_sset_count = net_get_sset_count,
	.get_strings = net_get_strings,
	.get_ethtool_stats = net_get_ethtool_stats,
};
