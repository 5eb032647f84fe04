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
 * Pairs. All that the plan has room for are opened at probe; how many of them the device and
 * the stack use can be changed at any time. The others are stopped: what a device
 * puts into them is not looked at.
 *
 * Failure. When the core reports that the device has failed, the carrier goes, and what
 * was on its way is lost. When the device is up again the queues start empty, and the
 * carrier comes back. Of a device that is lost the counters can still be read; all that is
 * left to do then is to remove it. Both ways are walked under the stack's lock (RTNL), so
 * that the interface is not opened or closed meanwhile.
 *
 * The address. One that the device gave can be changed only when the device can be told
 * of it, which may filter by it. One that we made up, because it gave none, always can.
 */
#include <linux/cpumask.h>
#include <linux/ethtool.h>
#include <linux/module.h>

#include "compat/compat.h"
#include "fault.h"
#include "net.h"

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

/* Does the device ask to have the interface announced? Only then is the bit there. */
static bool net_asks(const struct net_nic *nic, const struct virtio_net_config *config)
{
	return nic->adev->features & NET_F(GUEST_ANNOUNCE) &&
	       nic->adev->features & NET_F(STATUS) &&
	       net_config16(config->status) & VIRTIO_NET_S_ANNOUNCE;
}

/* The core's @config: the link may have changed. */
static void net_config(struct airlock_device *adev)
{
	struct net_nic *nic = auxiliary_get_drvdata(&adev->aux);
	struct virtio_net_config config;

	if (airlock_config_read(adev, &config, sizeof(config)))
		return;
	net_carrier(nic, net_link(nic, &config));

	mutex_lock(&nic->link_lock);
	if (net_asks(nic, &config))
		WRITE_ONCE(nic->announce, true);
	/* Also what a device asked for that then failed. */
	if (READ_ONCE(nic->announce) && !nic->leaving)
		schedule_work(&nic->chores);
	mutex_unlock(&nic->link_lock);
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
		ndev->max_mtu = nic->plan.slot_bytes - NET_HDR_BYTES - NET_FRAME_EXTRA;

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
	if (f & NET_F(HOST_USO))
		ndev->hw_features |= NETIF_F_GSO_UDP_L4;

	ndev->features = ndev->hw_features | NETIF_F_HIGHDMA;
	ndev->vlan_features = ndev->features;
	if (f & NET_F(GUEST_CSUM))
		ndev->features |= NETIF_F_RXCSUM;
	if (f & NET_F(CTRL_VLAN))
		ndev->features |= NETIF_F_HW_VLAN_CTAG_FILTER;
	/* What cannot be switched off is not shown: the stack warns of such. */
	if (nic->plan.offloads & NET_OFF_JOINED &&
	    f & NET_F(CTRL_GUEST_OFFLOADS)) {
		ndev->features |= NETIF_F_GRO_HW;
		ndev->hw_features |= NETIF_F_GRO_HW;
	}
	if (f & NET_F(CTRL_RX))
		ndev->priv_flags |= IFF_UNICAST_FLT;
	compat_xdp_offer(ndev);
	if (f & NET_F(CTRL_MAC_ADDR))
		ndev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
}

static void net_configure(struct net_nic *nic, const struct virtio_net_config *config)
{
	net_set_address(nic, config);
	net_set_mtu(nic, config);
	net_set_features(nic);
	net_carrier(nic, net_link(nic, config));
}

/* ---- the interface ------------------------------------------------------------------ */

static void net_start_pair(struct net_pair *pair)
{
	net_rx_start(&pair->rx);
	net_tx_start(&pair->tx);
}

static void net_stop_pair(struct net_pair *pair)
{
	/* A received frame may still be sent back. */
	net_rx_stop(&pair->rx);
	net_tx_stop(&pair->tx);
}

static void net_start_pairs(struct net_nic *nic)
{
	unsigned int i;

	for (i = 0; i < nic->pairs; i++)
		net_start_pair(&nic->pair[i]);
	/* net_stop_pairs() stops all of the stack's queues, and the watchdog watches all. */
	for (; i < nic->plan.pairs; i++)
		net_tx_retire(&nic->pair[i].tx);
	net_watch_start(nic);
}

static void net_stop_pairs(struct net_nic *nic)
{
	unsigned int i;

	net_watch_stop(nic);
	netif_tx_disable(nic->ndev);
	for (i = 0; i < nic->pairs; i++)
		net_stop_pair(&nic->pair[i]);
}

/* Processors to pairs, in turn: who sends on a pair also hears of it. */
static void net_spread(struct net_nic *nic)
{
	unsigned int i, cpu, at;
	cpumask_var_t mask;

	if (fault_due("zalloc_cpumask_var") || !zalloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	for (i = 0; i < nic->pairs; i++) {
		cpumask_clear(mask);
		at = 0;
		for_each_online_cpu(cpu)
			if (at++ % nic->pairs == i)
				cpumask_set_cpu(cpu, mask);
		/* Both are wishes: without them the pairs work as well, elsewhere. */
		netif_set_xps_queue(nic->ndev, mask, i);
		airlock_queue_affinity(nic->pair[i].rx.q, mask);
		airlock_queue_affinity(nic->pair[i].tx.q, mask);
	}
	free_cpumask_var(mask);
}

/* Frames to pairs in turn, by a key that the device does not choose. */
static void net_spread_frames(struct net_nic *nic, unsigned int pairs)
{
	unsigned int i;

	/* A table that the user made names none that goes; ethtool sees to that. */
	if (netif_is_rxfh_configured(nic->ndev))
		return;
	for (i = 0; i < NET_RSS_TABLE; i++)
		nic->rss_table[i] = ethtool_rxfh_indir_default(i, pairs);
}

static int net_tell_pairs(struct net_nic *nic, unsigned int pairs)
{
	net_spread_frames(nic, pairs);
	return net_ctrl_pairs(nic, pairs);
}

/**
 * net_use_pairs() - have so many pairs carry frames
 * @nic: the interface; under RTNL. Sleeps
 * @pairs: 1 to the plan's
 *
 * Return: 0, -ENETDOWN while the device is out of service, or -errno when it refuses; then
 * as many are used as before.
 */
int net_use_pairs(struct net_nic *nic, unsigned int pairs)
{
	const bool running = netif_running(nic->ndev);
	const unsigned int before = nic->pairs;
	unsigned int i;
	int err;

	if (net_ctrl_away(nic))
		return -ENETDOWN;
	err = net_tell_pairs(nic, pairs);
	if (err) {
		net_spread_frames(nic, before);
		return err;
	}

	/* Those that go send nothing any more before they are stopped. */
	WRITE_ONCE(nic->pairs, min(pairs, before));
	err = netif_set_real_num_queues(nic->ndev, pairs, pairs);
	if (err) {
		WRITE_ONCE(nic->pairs, before);
		net_tell_pairs(nic, before);
		return err;
	}
	for (i = pairs; running && i < before; i++) {
		net_stop_pair(&nic->pair[i]);
		net_tx_retire(&nic->pair[i].tx);
	}
	for (i = before; running && i < pairs; i++)
		net_start_pair(&nic->pair[i]);
	WRITE_ONCE(nic->pairs, pairs);
	net_spread(nic);
	return 0;
}

/* While the device is out of service this is only a wish: net_recover() starts the queues. */
static int net_open(struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (nic->dead)
		return -EIO;
	ndev->watchdog_timeo = net_tx_seconds() * HZ;
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
	const struct sockaddr *sa = addr;
	struct net_nic *nic = netdev_priv(ndev);
	const bool tell = nic->adev->features & NET_F(CTRL_MAC_ADDR);
	int err;

	if (!tell && nic->adev->features & NET_F(MAC))
		return -EOPNOTSUPP;
	err = eth_prepare_mac_addr_change(ndev, addr);
	if (err)
		return err;
	if (tell && !net_ctrl_away(nic))
		err = net_ctrl_mac(nic, sa->sa_data);
	if (err && err != -EIO)
		return err;
	/* One that fails at this moment is told when it is back. */
	eth_commit_mac_addr_change(ndev, addr);
	return 0;
}

static int net_change_features(struct net_device *ndev, netdev_features_t features)
{
	struct net_nic *nic = netdev_priv(ndev);

	if ((ndev->features ^ features) & NETIF_F_GRO_HW)
		net_ctrl_offloads(nic, !(features & NETIF_F_GRO_HW));
	return 0;
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

	for (i = 0; i < nic->plan.pairs; i++) {
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
	.ndo_fix_features = net_fix_features,
	.ndo_set_features = net_change_features,
	.ndo_change_mtu = net_change_mtu,
	.ndo_bpf = net_xdp_bpf,
	.ndo_xdp_xmit = net_xdp_xmit,
	.ndo_set_rx_mode = net_set_rx_mode,
	.ndo_vlan_rx_add_vid = net_vlan_add,
	.ndo_vlan_rx_kill_vid = net_vlan_kill,
	.ndo_validate_addr = eth_validate_addr,
};

/* ---- failure and recovery -------------------------------------------------------------- */

/* The core's @failed. */
static void net_failed(struct airlock_device *adev)
{
	struct net_nic *nic = auxiliary_get_drvdata(&adev->aux);

	/* First: the watchdog looks at queues that are stopped while there is a carrier. */
	net_carrier(nic, false);
	rtnl_lock();
	if (netif_running(nic->ndev))
		net_stop_pairs(nic);
	WRITE_ONCE(nic->down, true);
	rtnl_unlock();
	/* Frames that others redirect here look at @down only. */
	synchronize_net();
}

/* The queues get the sizes that were asked for. */
static int net_resize(struct net_nic *nic)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < nic->plan.pairs; i++) {
		err = fault_int(airlock_queue_resize(nic->pair[i].rx.q, nic->rx_next));
		if (!err)
			err = fault_int(airlock_queue_resize(nic->pair[i].tx.q, nic->tx_next));
	}
	nic->rx_size = nic->rx_next;
	nic->tx_size = nic->tx_next;
	return err;
}

static int net_restart(struct net_nic *nic, bool *link)
{
	struct virtio_net_config config;
	unsigned int i;
	int err;

	err = net_resize(nic);
	if (!err)
		err = airlock_restart(nic->adev);
	if (!err)
		err = airlock_config_read(nic->adev, &config, sizeof(config));
	for (i = 0; !err && i < nic->plan.pairs; i++) {
		err = fault_int(net_rx_begin(&nic->pair[i].rx));
		if (!err)
			err = fault_int(net_tx_begin(&nic->pair[i].tx));
	}
	if (!err)
		err = airlock_ready(nic->adev);
	if (!err)
		err = net_ctrl_restore(nic);
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
	if (err == -EINVAL) {
		netdev_warn(nic->ndev, "rings of %u and %u descriptors are not accepted, back to %u and %u\n",
			    nic->rx_next, nic->tx_next, nic->plan.rx_size, nic->plan.tx_size);
		nic->rx_next = nic->plan.rx_size;
		nic->tx_next = nic->plan.tx_size;
	} else if (!err) {
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

static struct net_nic *net_alloc(struct airlock_device *adev, const struct net_plan *plan)
{
	struct net_device *ndev;
	struct net_nic *nic;

	ndev = fault_ptr(alloc_etherdev_mqs(struct_size(nic, pair, plan->pairs), plan->pairs,
					    plan->pairs));
	if (!ndev)
		return NULL;
	SET_NETDEV_DEV(ndev, &adev->pdev->dev);
	ndev->netdev_ops = &net_netdev_ops;
	ndev->ethtool_ops = &net_ethtool_ops;

	nic = netdev_priv(ndev);
	nic->adev = adev;
	nic->ndev = ndev;
	nic->plan = *plan;
	nic->pairs = plan->pairs;
	nic->rx_size = plan->rx_size;
	nic->tx_size = plan->tx_size;
	nic->rx_next = plan->rx_size;
	nic->tx_next = plan->tx_size;
	netdev_rss_key_fill(nic->rss_key, sizeof(nic->rss_key));
	net_spread_frames(nic, nic->pairs);
	mutex_init(&nic->link_lock);
	net_watch_init(nic);
	net_ctrl_init(nic);
	return nic;
}

static int net_pairs_open(struct net_nic *nic)
{
	struct airlock_device *adev = nic->adev;
	unsigned int i;
	int err;

	err = airlock_region_reserve(adev, nic->plan.region_bytes);
	if (err)
		return err;
	err = airlock_vectors_alloc(adev, 2 * nic->plan.pairs + !!nic->plan.ctrl_size);
	for (i = 0; !err && i < nic->plan.pairs; i++) {
		err = net_rx_open(nic, i);
		if (!err)
			err = net_tx_open(nic, i);
	}
	if (!err)
		err = net_ctrl_open(nic);
	return err;
}

/* Everything after net_alloc() and before free_netdev(), backwards. */
static void net_pairs_close(struct net_nic *nic)
{
	unsigned int i;

	net_ctrl_leave(nic);
	airlock_stop(nic->adev);
	net_ctrl_close(nic);
	for (i = 0; i < nic->plan.pairs; i++) {
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

static const struct airlock_ops net_ops = {
	.config = net_config,
	.failed = net_failed,
	.recover = net_recover,
	.lost = net_lost,
};

/* What is there before anything is allocated. */
static int net_agree(struct airlock_device *adev, struct virtio_net_config *config,
		     struct net_plan *plan)
{
	int err;

	err = net_plan_features(adev, &net_ops);
	if (err)
		return err;
	err = airlock_config_read(adev, config, sizeof(*config));
	if (err) {
		dev_err(&adev->pdev->dev, "net: the configuration does not hold still\n");
		return err;
	}
	return net_plan(adev, config, plan);
}

/* Commands to a device that is ready, before anybody knows of the interface. */
static int net_command(struct net_nic *nic)
{
	int err;

	rtnl_lock();
	err = net_ctrl_restore(nic);
	rtnl_unlock();
	return err;
}

static int net_probe(struct auxiliary_device *aux, const struct auxiliary_device_id *id)
{
	struct airlock_device *adev = airlock_from_aux(aux);
	struct virtio_net_config config;
	struct net_plan plan;
	struct net_nic *nic;
	int err;

	err = net_agree(adev, &config, &plan);
	if (err)
		goto stop;
	err = -ENOMEM;
	nic = net_alloc(adev, &plan);
	if (!nic)
		goto stop;
	auxiliary_set_drvdata(aux, nic);

	net_configure(nic, &config);
	err = net_pairs_open(nic);
	if (err)
		goto close;
	err = airlock_ready(adev);
	if (err)
		goto close;
	err = net_command(nic);
	if (err)
		goto close;
	err = fault_int(register_netdev(nic->ndev));
	if (err)
		goto close;
	rtnl_lock();
	net_spread(nic);
	rtnl_unlock();
	return 0;

close:
	net_leave(nic);
	net_pairs_close(nic);
	free_netdev(nic->ndev);
	return err;

stop:
	airlock_stop(adev);
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

static int __init net_init(void)
{
	return net_plan_params() ?: auxiliary_driver_register(&net_driver);
}

static void __exit net_exit(void)
{
	auxiliary_driver_unregister(&net_driver);
}

module_init(net_init);
module_exit(net_exit);

MODULE_DESCRIPTION("airlock: virtio NIC through a small shared region");
MODULE_LICENSE("GPL");
