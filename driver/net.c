// SPDX-License-Identifier: GPL-2.0
/*
 * airlock_net.ko: virtio NICs (virtio 1.2, 5.1) whose frames go through bounce
 * memory.
 *
 * Theory
 * ------
 * This file sets an interface up and takes it down; net_rx.c and net_tx.c move its
 * frames. Everything that is shared with the device is set up once, at probe:
 * opening and closing the interface only starts and stops the two NAPIs of each
 * pair of queues. Between the two the device keeps the buffers it has.
 *
 * Features. All are optional; what is not there the stack does in software. A
 * device whose features contradict each other (segmentation without checksums) is
 * asked again without them. Frames larger than a slot need mergeable buffers, so
 * without those neither receive offload nor a larger MTU is possible.
 *
 * Failure. When the core reports that the device has failed, the carrier goes, and what
 * was on its way is lost. When the device is up again the queues start empty, and the
 * carrier comes back. Of a device that is lost the counters can still be read; all that is
 * left to do then is to remove it. Both ways are walked under the stack's lock (RTNL), so
 * that the interface is not opened or closed meanwhile.
 *
 * The address. One that the device gave cannot be changed: without a control queue
 * there is no way to tell the device, which may filter by it. One that we made up,
 * because it gave none, can.
 */
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/log2.h>
#include <linux/module.h>

#include "fault.h"
#include "net.h"

#define NET_F(name)	BIT_ULL(VIRTIO_NET_F_##name)

#define NET_F_RX_GSO	(NET_F(GUEST_TSO4) | NET_F(GUEST_TSO6))
#define NET_F_TX_GSO	(NET_F(HOST_TSO4) | NET_F(HOST_TSO6))

/* What this driver can use of a NIC, beyond what the core negotiates. */
#define NET_FEATURES	(NET_F(CSUM) | NET_F_TX_GSO | NET_F(HOST_ECN) |		\
			 NET_F(GUEST_CSUM) | NET_F_RX_GSO | NET_F(GUEST_ECN) |	\
			 NET_F(MRG_RXBUF) | NET_F(MAC) | NET_F(STATUS) | NET_F(MTU))

/* Rounds of negotiation: one, one without contradictions, one without what hung on them. */
#define NET_ROUNDS	3

/* Time without any completion after which a device is given up. */
#define NET_WATCHDOG	(20 * HZ)

static unsigned int rx_slots = 256;
module_param(rx_slots, uint, 0444);
MODULE_PARM_DESC(rx_slots,
		 "receive slots of each queue, a power of two from 64 to 1024 (default 256)");

static unsigned int rx_slot_bytes = 2048;
module_param(rx_slot_bytes, uint, 0444);
MODULE_PARM_DESC(rx_slot_bytes,
		 "bytes of a receive slot, a power of two from 2048 to 16384 (default 2048)");

static unsigned int tx_fifo_kib = 512;
module_param(tx_fifo_kib, uint, 0444);
MODULE_PARM_DESC(tx_fifo_kib,
		 "KiB of each transmit FIFO, 256 to 2048, a multiple of 4 (default 512)");

/* ---- features and plan ------------------------------------------------------------ */

/* Features of @f that may not be without others that are missing (5.1.3.1). */
static u64 net_unusable(u64 f)
{
	u64 bad = 0;

	if (!(f & NET_F(GUEST_CSUM)) || !(f & NET_F(MRG_RXBUF)))
		bad |= NET_F_RX_GSO;
	if (!(f & ~bad & NET_F_RX_GSO))
		bad |= NET_F(GUEST_ECN);
	if (!(f & NET_F(CSUM)))
		bad |= NET_F_TX_GSO;
	if (!(f & ~bad & NET_F_TX_GSO))
		bad |= NET_F(HOST_ECN);
	return f & bad;
}

static void net_config(struct airlock_device *adev);
static void net_failed(struct airlock_device *adev);
static int net_recover(struct airlock_device *adev);
static void net_lost(struct airlock_device *adev);

static const struct airlock_ops net_ops = {
	.config = net_config,
	.failed = net_failed,
	.recover = net_recover,
	.lost = net_lost,
};

static int net_negotiate(struct airlock_device *adev)
{
	u64 wanted = NET_FEATURES, bad;
	int round, err;

	for (round = 0; round < NET_ROUNDS; round++) {
		err = airlock_negotiate(adev, wanted, &net_ops);
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

/* A queue's size, or 0 after saying why there is none. */
static u32 net_queue_size(struct airlock_device *adev, u16 index, u32 want)
{
	const u32 size = min(want, airlock_queue_max(adev, index));

	/* Less than a frame of the largest size, or a FIFO's two descriptors, is no use. */
	if (size < NET_SLOTS_MIN) {
		dev_err(&adev->pdev->dev, "net: queue %u has %u descriptors, %u are needed\n",
			index, size, NET_SLOTS_MIN);
		return 0;
	}
	return size;
}

/* All sizes, from the parameters and what the device has. */
static int net_plan(struct net_nic *nic)
{
	nic->offloads = net_hdr_offloads_driver(nic->adev->features);
	nic->slot_bytes = rx_slot_bytes;
	nic->fifo_bytes = tx_fifo_kib << 10;
	nic->rx_size = net_queue_size(nic->adev, 0, rx_slots);
	nic->tx_size = net_queue_size(nic->adev, 1, NET_TX_DESCS_MAX);
	return nic->rx_size && nic->tx_size ? 0 : -ENODEV;
}

/* ---- configuration ----------------------------------------------------------------- */

static void net_carrier(struct net_nic *nic, bool on)
{
	mutex_lock(&nic->link_lock);
	if (!nic->leaving) {
		if (on && !nic->dead && !nic->down)
			netif_carrier_on(nic->ndev);
		else
			netif_carrier_off(nic->ndev);
	}
	mutex_unlock(&nic->link_lock);
}

static u16 net_config16(__virtio16 v)
{
	return le16_to_cpu((__force __le16)v);
}

static bool net_link(const struct net_nic *nic, const struct virtio_net_config *config)
{
	return !(nic->adev->features & NET_F(STATUS)) ||
	       net_config16(config->status) & VIRTIO_NET_S_LINK_UP;
}

/* The core's @config: the link may have changed. */
static void net_config(struct airlock_device *adev)
{
	struct net_nic *nic = auxiliary_get_drvdata(&adev->aux);
	struct virtio_net_config config;

	if (!airlock_config_read(adev, &config, sizeof(config)))
		net_carrier(nic, net_link(nic, &config));
}

static void net_set_address(struct net_nic *nic, const struct virtio_net_config *config)
{
	if (nic->adev->features & NET_F(MAC)) {
		if (is_valid_ether_addr(config->mac)) {
			eth_hw_addr_set(nic->ndev, config->mac);
			return;
		}
		dev_warn(&nic->adev->pdev->dev, "net: the device's address %pM cannot be\n",
			 config->mac);
	}
	eth_hw_addr_random(nic->ndev);
	dev_info(&nic->adev->pdev->dev, "net: using the random address %pM\n",
		 nic->ndev->dev_addr);
}

static void net_set_mtu(struct net_nic *nic, const struct virtio_net_config *config)
{
	struct net_device *ndev = nic->ndev;
	const u32 advice = net_config16(config->mtu);

	ndev->min_mtu = ETH_MIN_MTU;
	ndev->max_mtu = ETH_MAX_MTU;
	if (!(nic->adev->features & NET_F(MRG_RXBUF)))
		ndev->max_mtu = nic->slot_bytes - NET_HDR_BYTES - NET_FRAME_EXTRA;

	if (!(nic->adev->features & NET_F(MTU)))
		return;
	if (advice < ETH_MIN_MTU) {
		dev_warn(&nic->adev->pdev->dev, "net: the device's MTU %u cannot be, ignored\n",
			 advice);
		return;
	}
	ndev->max_mtu = min(ndev->max_mtu, advice);
	ndev->mtu = ndev->max_mtu;
}

/* What the stack may leave to the device. */
static void net_set_features(struct net_nic *nic)
{
	struct net_device *ndev = nic->ndev;
	const u64 f = nic->adev->features;

	/* All is copied: scattered and high memory cost nothing. */
	ndev->hw_features = NETIF_F_SG;
	if (f & NET_F(CSUM))
		ndev->hw_features |= NETIF_F_HW_CSUM;
	if (f & NET_F(HOST_TSO4))
		ndev->hw_features |= NETIF_F_TSO;
	if (f & NET_F(HOST_TSO6))
		ndev->hw_features |= NETIF_F_TSO6;
	if (f & NET_F(HOST_ECN))
		ndev->hw_features |= NETIF_F_TSO_ECN;

	ndev->features = ndev->hw_features | NETIF_F_HIGHDMA;
	ndev->vlan_features = ndev->features;
	if (f & NET_F(GUEST_CSUM))
		ndev->features |= NETIF_F_RXCSUM;
}

static int net_configure(struct net_nic *nic)
{
	struct virtio_net_config config;
	int err;

	err = airlock_config_read(nic->adev, &config, sizeof(config));
	if (err) {
		dev_err(&nic->adev->pdev->dev, "net: the configuration does not hold still\n");
		return err;
	}
	net_set_address(nic, &config);
	net_set_mtu(nic, &config);
	net_set_features(nic);
	net_carrier(nic, net_link(nic, &config));
	return 0;
}

/* ---- the interface ------------------------------------------------------------------ */

static void net_start_pairs(struct net_nic *nic)
{
	unsigned int i;

	for (i = 0; i < nic->num_pairs; i++) {
		net_rx_start(&nic->pair[i].rx);
		net_tx_start(&nic->pair[i].tx);
	}
}

static void net_stop_pairs(struct net_nic *nic)
{
	unsigned int i;

	netif_tx_disable(nic->ndev);
	for (i = 0; i < nic->num_pairs; i++) {
		net_tx_stop(&nic->pair[i].tx);
		net_rx_stop(&nic->pair[i].rx);
	}
}

/* While the device is out of service this is only a wish: net_recover() starts the queues. */
static int net_open(struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (nic->dead)
		return -EIO;
	if (!nic->down)
		net_start_pairs(nic);
	return 0;
}

static int net_stop(struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (!nic->down)
		net_stop_pairs(nic);
	return 0;
}

static int net_set_mac_address(struct net_device *ndev, void *addr)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (nic->adev->features & NET_F(MAC))
		return -EOPNOTSUPP;
	return eth_mac_addr(ndev, addr);
}

/* One consistent look at @num counters. */
static void net_read_stats(const struct u64_stats_sync *sync, const u64_stats_t *stat,
			   u64 *value, unsigned int num)
{
	unsigned int start, i;

	do {
		start = u64_stats_fetch_begin(sync);
		for (i = 0; i < num; i++)
			value[i] = u64_stats_read(&stat[i]);
	} while (u64_stats_fetch_retry(sync, start));
}

static void net_get_stats64(struct net_device *ndev, struct rtnl_link_stats64 *sum)
{
	struct net_nic *nic = netdev_priv(ndev);
	u64 rx[NET_RX_STATS], tx[NET_TX_STATS];
	unsigned int i, loss;

	for (i = 0; i < nic->num_pairs; i++) {
		net_read_stats(&nic->pair[i].rx.sync, nic->pair[i].rx.stat, rx, NET_RX_STATS);
		net_read_stats(&nic->pair[i].tx.sync, nic->pair[i].tx.stat, tx, NET_TX_STATS);
		sum->rx_packets += rx[NET_RX_PACKETS];
		sum->rx_bytes += rx[NET_RX_BYTES];
		sum->rx_dropped += rx[NET_RX_LOSS + NET_LOSS_MEMORY];
		for (loss = 0; loss < NET_LOSSES; loss++)
			if (loss != NET_LOSS_MEMORY)
				sum->rx_errors += rx[NET_RX_LOSS + loss];
		sum->tx_packets += tx[NET_TX_PACKETS];
		sum->tx_bytes += tx[NET_TX_BYTES];
		sum->tx_dropped += tx[NET_TX_DROPS];
	}
}

static const struct net_device_ops net_netdev_ops = {
	.ndo_open = net_open,
	.ndo_stop = net_stop,
	.ndo_start_xmit = net_tx_xmit,
	.ndo_tx_timeout = net_tx_timeout,
	.ndo_get_stats64 = net_get_stats64,
	.ndo_set_mac_address = net_set_mac_address,
	.ndo_validate_addr = eth_validate_addr,
};

/* ---- failure and recovery -------------------------------------------------------------- */

/* The core's @failed. */
static void net_failed(struct airlock_device *adev)
{
	struct net_nic *nic = auxiliary_get_drvdata(&adev->aux);

	rtnl_lock();
	if (netif_running(nic->ndev))
		net_stop_pairs(nic);
	WRITE_ONCE(nic->down, true);
	rtnl_unlock();
	net_carrier(nic, false);
}

static int net_restart(struct net_nic *nic, bool *link)
{
	struct virtio_net_config config;
	unsigned int i;
	int err;

	err = airlock_restart(nic->adev);
	if (!err)
		err = airlock_config_read(nic->adev, &config, sizeof(config));
	for (i = 0; !err && i < nic->num_pairs; i++) {
		err = net_rx_begin(&nic->pair[i].rx);
		if (!err)
			err = net_tx_begin(&nic->pair[i].tx);
	}
	if (!err)
		err = airlock_ready(nic->adev);
	if (!err)
		*link = net_link(nic, &config);
	return err;
}

/* The core's @recover. */
static int net_recover(struct airlock_device *adev)
{
	struct net_nic *nic = auxiliary_get_drvdata(&adev->aux);
	bool link;
	int err;

	rtnl_lock();
	err = net_restart(nic, &link);
	if (!err) {
		WRITE_ONCE(nic->down, false);
		if (netif_running(nic->ndev))
			net_start_pairs(nic);
	}
	rtnl_unlock();
	if (!err)
		net_carrier(nic, link);
	return err;
}

/* The core's @lost. */
static void net_lost(struct airlock_device *adev)
{
	struct net_nic *nic = auxiliary_get_drvdata(&adev->aux);

	rtnl_lock();
	WRITE_ONCE(nic->dead, true);
	rtnl_unlock();
	dev_err(&adev->pdev->dev, "%s: device lost, the link is down for good\n",
		netdev_name(nic->ndev));
}

/* ---- probe and remove ----------------------------------------------------------------- */

static struct net_nic *net_alloc(struct airlock_device *adev)
{
	const unsigned int pairs = 1;
	struct net_device *ndev;
	struct net_nic *nic;

	ndev = fault_ptr(alloc_etherdev_mqs(struct_size(nic, pair, pairs), pairs, pairs));
	if (!ndev)
		return NULL;
	SET_NETDEV_DEV(ndev, &adev->pdev->dev);
	ndev->netdev_ops = &net_netdev_ops;
	ndev->ethtool_ops = &net_ethtool_ops;
	ndev->watchdog_timeo = NET_WATCHDOG;

	nic = netdev_priv(ndev);
	nic->adev = adev;
	nic->ndev = ndev;
	nic->num_pairs = pairs;
	mutex_init(&nic->link_lock);
	return nic;
}

static int net_pairs_open(struct net_nic *nic)
{
	struct airlock_device *adev = nic->adev;
	unsigned int i;
	int err;

	err = airlock_region_reserve(adev, nic->num_pairs * (net_rx_region_bytes(nic) +
							     net_tx_region_bytes(nic)));
	if (err)
		return err;
	err = airlock_vectors_alloc(adev, 2 * nic->num_pairs);
	for (i = 0; !err && i < nic->num_pairs; i++) {
		err = net_rx_open(nic, i);
		if (!err)
			err = net_tx_open(nic, i);
	}
	return err;
}

/* Everything after net_alloc() and before free_netdev(), backwards. */
static void net_pairs_close(struct net_nic *nic)
{
	unsigned int i;

	airlock_stop(nic->adev);
	for (i = 0; i < nic->num_pairs; i++) {
		net_tx_close(&nic->pair[i].tx);
		net_rx_close(&nic->pair[i].rx);
	}
	airlock_vectors_free(nic->adev);
	airlock_region_release(nic->adev);
}

/*
 * No word about the link from here on: a change of carrier is queued for a work that
 * looks at the interface later, and unregistering waits for those queued before only.
 */
static void net_leave(struct net_nic *nic)
{
	mutex_lock(&nic->link_lock);
	nic->leaving = true;
	mutex_unlock(&nic->link_lock);
}

static int net_probe(struct auxiliary_device *aux, const struct auxiliary_device_id *id)
{
	struct airlock_device *adev = airlock_from_aux(aux);
	struct net_nic *nic;
	int err;

	nic = net_alloc(adev);
	if (!nic)
		return -ENOMEM;
	auxiliary_set_drvdata(aux, nic);

	err = net_negotiate(adev);
	if (err)
		goto close;
	err = net_plan(nic);
	if (err)
		goto close;
	err = net_configure(nic);
	if (err)
		goto close;
	err = net_pairs_open(nic);
	if (err)
		goto close;
	err = airlock_ready(adev);
	if (err)
		goto close;
	err = fault_int(register_netdev(nic->ndev));
	if (err)
		goto close;
	return 0;

close:
	net_leave(nic);
	net_pairs_close(nic);
	free_netdev(nic->ndev);
	return err;
}

static void net_remove(struct auxiliary_device *aux)
{
	struct net_nic *nic = auxiliary_get_drvdata(aux);

	net_leave(nic);
	unregister_netdev(nic->ndev);
	net_pairs_close(nic);
	free_netdev(nic->ndev);
}

static const struct auxiliary_device_id net_ids[] = {
	{ .name = AIRLOCK_MODULE "." AIRLOCK_AUX_NET },
	{ }
};
MODULE_DEVICE_TABLE(auxiliary, net_ids);

static struct auxiliary_driver net_driver = {
	.name = AIRLOCK_AUX_NET,
	.probe = net_probe,
	.remove = net_remove,
	.id_table = net_ids,
};

static bool net_in_powers(unsigned int value, unsigned int min, unsigned int max)
{
	return value >= min && value <= max && is_power_of_2(value);
}

static int __init net_init(void)
{
	if (!net_in_powers(rx_slots, NET_SLOTS_MIN, NET_SLOTS_MAX)) {
		pr_err("airlock_net: rx_slots=%u: must be a power of two from %u to %u\n",
		       rx_slots, NET_SLOTS_MIN, NET_SLOTS_MAX);
		return -EINVAL;
	}
	if (!net_in_powers(rx_slot_bytes, NET_SLOT_BYTES_MIN, NET_SLOT_BYTES_MAX)) {
		pr_err("airlock_net: rx_slot_bytes=%u: must be a power of two from %u to %u\n",
		       rx_slot_bytes, NET_SLOT_BYTES_MIN, NET_SLOT_BYTES_MAX);
		return -EINVAL;
	}
	if (slots_span(rx_slot_bytes, rx_slots) > AIRLOCK_SPAN_MAX) {
		pr_err("airlock_net: rx_slots=%u of rx_slot_bytes=%u: more than %u KiB together\n",
		       rx_slots, rx_slot_bytes, AIRLOCK_SPAN_MAX >> 10);
		return -EINVAL;
	}
	if (tx_fifo_kib < NET_FIFO_KIB_MIN || tx_fifo_kib > NET_FIFO_KIB_MAX ||
	    tx_fifo_kib % 4) {
		pr_err("airlock_net: tx_fifo_kib=%u: must be %u to %u and a multiple of 4\n",
		       tx_fifo_kib, NET_FIFO_KIB_MIN, NET_FIFO_KIB_MAX);
		return -EINVAL;
	}
	return auxiliary_driver_register(&net_driver);
}

static void __exit net_exit(void)
{
	auxiliary_driver_unregister(&net_driver);
}

module_init(net_init);
module_exit(net_exit);

MODULE_DESCRIPTION("airlock: virtio NIC through a small shared region");
MODULE_LICENSE("GPL");
