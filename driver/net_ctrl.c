// SPDX-License-Identifier: GPL-2.0
/*
 * Commands to a NIC (virtio 1.2, 5.1.6.5): which frames it passes on, what its address is,
 * how many queues it uses and how it chooses among them.
 *
 * Theory
 * ------
 * A command is composed in private memory, copied into a page of its own, and answered with
 * one byte, which says yes or anything else. One at a time, under the stack's lock (RTNL),
 * and waited for by looking: a device that does not answer in NET_CTRL_WAIT, or makes others
 * wait for more than its share of the time, has broken its control queue, and fails
 * like one that lies about a ring. All later commands fail at once until it has been brought
 * up again.
 *
 * What was asked for is kept here, not in the device, which a reset makes forget it: while
 * it is out of service, or fails at that moment, a wish is noted and succeeds, and
 * net_ctrl_restore() sends all of them when it is back.
 *
 * The stack says which addresses it wants while it holds a lock that spins, and the device
 * asks for an announcement in a context that must not wait for RTNL. Both only queue
 * @chores, which does what is due by then.
 */
#include <linux/delay.h>
#include <linux/if_vlan.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "fault.h"
#include "net.h"

/* QEMU answers from its main loop, which a busy host may keep waiting. */
#define NET_CTRL_WAIT	(5 * HZ)

/*
 * All that waits for RTNL waits too, so slow answers are not to add up: this much, and of
 * time that goes by one part in so many.
 */
#define NET_CTRL_SHARE	(20 * HZ)
#define NET_CTRL_PART	3

/* Where the answer is in the command's page; the command has all before it. */
#define NET_CTRL_ACK	(NET_CTRL_SPAN - 64)

/* Addresses of either kind that are filtered one by one; for more all are let in. */
#define NET_CTRL_ADDRESSES	64u

/* Class and command. */
#define NET_CTRL_HDR	2u

/* ---- one command ---------------------------------------------------------------------- */

/* How long the next answer may be waited for. */
static unsigned long net_ctrl_patience(struct net_ctrl *ctrl)
{
	const unsigned long back = (jiffies - ctrl->since) / NET_CTRL_PART;

	/* What is too little to count stays in @since. */
	ctrl->since += back * NET_CTRL_PART;
	ctrl->spent -= min(ctrl->spent, back);
	return min_t(unsigned long, NET_CTRL_WAIT,
		     NET_CTRL_SHARE - min_t(unsigned long, ctrl->spent, NET_CTRL_SHARE));
}

/* Wait for the answer. Return: 1, or 0 or -EIO when it does not come any more. */
static int net_ctrl_wait(struct net_ctrl *ctrl, struct ring_done *done)
{
	const unsigned long begin = jiffies, deadline = begin + net_ctrl_patience(ctrl);
	const bool fault = fault_due("command's answer");
	unsigned int wait_us = 20;
	unsigned long flags;
	bool late;
	int ret;

	for (;;) {
		/* Looked at before the ring, so that the last look counts. */
		late = time_after(jiffies, deadline) || airlock_failed(ctrl->q->adev) || fault;
		spin_lock_irqsave(&ctrl->q->lock, flags);
		ret = fault ? 0 : ring_drv_poll(&ctrl->q->ring, done);
		if (!ret && late)
			ring_drv_break(&ctrl->q->ring, RING_STALLED);
		spin_unlock_irqrestore(&ctrl->q->lock, flags);
		if (ret || late)
			break;
		usleep_range(wait_us, 2 * wait_us);
		wait_us = min(2 * wait_us, 5000u);
	}
	ctrl->spent += jiffies - begin;
	return ret;
}

static int net_ctrl_submit(struct net_ctrl *ctrl, u32 bytes)
{
	const struct ring_seg seg[NET_CTRL_DESCS] = {
		{ .bus = ctrl->span.bus, .len = NET_CTRL_HDR },
		{ .bus = ctrl->span.bus + NET_CTRL_HDR, .len = bytes },
		{ .bus = ctrl->span.bus + NET_CTRL_ACK, .len = 1 },
	};
	const struct ring_seg bare[NET_CTRL_DESCS - 1] = { seg[0], seg[2] };
	const struct ring_buf buf = {
		.seg = bytes ? seg : bare, .out = bytes ? 2 : 1, .in = 1,
	};
	unsigned long flags;
	bool kick = false;
	int id;

	spin_lock_irqsave(&ctrl->q->lock, flags);
	id = ring_drv_add(&ctrl->q->ring, &buf, ctrl);
	if (id >= 0)
		kick = ring_drv_publish(&ctrl->q->ring);
	spin_unlock_irqrestore(&ctrl->q->lock, flags);
	if (kick)
		airlock_queue_kick(ctrl->q);
	return id < 0 ? -EIO : 0;
}

/*
 * Send a command with the first @bytes of ctrl->data. Return: 0, -EOPNOTSUPP when the device
 * says no, -EIO when it does not answer or lies.
 */
static int net_ctrl_command(struct net_nic *nic, u8 class, u8 cmd, u32 bytes)
{
	const u8 hdr[NET_CTRL_HDR] = { class, cmd };
	struct net_ctrl *ctrl = &nic->ctrl;
	u8 ack = VIRTIO_NET_ERR;
	struct ring_done done;

	ASSERT_RTNL();
	shared_copy_out(ctrl->span.cpu, hdr, sizeof(hdr));
	shared_copy_out(shared_at(ctrl->span.cpu, NET_CTRL_HDR), ctrl->data, bytes);
	shared_copy_out(shared_at(ctrl->span.cpu, NET_CTRL_ACK), &ack, sizeof(ack));
	if (net_ctrl_submit(ctrl, bytes) || net_ctrl_wait(ctrl, &done) <= 0) {
		airlock_queue_fault(ctrl->q);
		return -EIO;
	}
	if (done.len)
		shared_copy_in(&ack, shared_at(ctrl->span.cpu, NET_CTRL_ACK), sizeof(ack));
	return ack == VIRTIO_NET_OK && !fault_due("command") ? 0 : -EOPNOTSUPP;
}

static void net_ctrl_put16(u8 **p, u16 value)
{
	const __le16 v = cpu_to_le16(value);

	memcpy(*p, &v, sizeof(v));
	*p += sizeof(v);
}

static void net_ctrl_put32(u8 **p, u32 value)
{
	const __le32 v = cpu_to_le32(value);

	memcpy(*p, &v, sizeof(v));
	*p += sizeof(v);
}

static u32 net_ctrl_bytes(const struct net_nic *nic, const u8 *end)
{
	return end - nic->ctrl.data;
}

static bool net_ctrl_has(const struct net_nic *nic, u64 feature)
{
	return nic->adev->features & feature;
}

/**
 * net_ctrl_away() - is the device out of service, or about to be?
 * @nic: the interface; under RTNL
 *
 * Return: true when no command would reach it.
 */
bool net_ctrl_away(const struct net_nic *nic)
{
	return nic->down || airlock_failed(nic->adev);
}

/* A wish that the device does not grant is no reason to be without a network. */
static int net_ctrl_note(struct net_nic *nic, const char *what, int err)
{
	if (err != -EOPNOTSUPP)
		return err;
	if (net_ratelimit())
		netdev_warn(nic->ndev, "the device refuses to set %s\n", what);
	return 0;
}

/* ---- queues ---------------------------------------------------------------------------- */

/* The command that sets @pairs and how frames are spread over them (5.1.6.5.7.1). */
static int net_ctrl_rss(struct net_nic *nic, unsigned int pairs)
{
	u8 *p = nic->ctrl.data;
	unsigned int i;

	net_ctrl_put32(&p, nic->plan.rss_types);
	net_ctrl_put16(&p, NET_RSS_TABLE - 1);
	net_ctrl_put16(&p, 0);
	for (i = 0; i < NET_RSS_TABLE; i++)
		net_ctrl_put16(&p, nic->rss_table[i]);
	net_ctrl_put16(&p, pairs);
	*p++ = NET_RSS_KEY;
	memcpy(p, nic->rss_key, NET_RSS_KEY);
	p += NET_RSS_KEY;
	return net_ctrl_command(nic, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
				net_ctrl_bytes(nic, p));
}

/**
 * net_ctrl_pairs() - have the device use so many pairs of queues
 * @nic: the interface, in service; under RTNL. Sleeps
 * @pairs: 1 to the plan's
 *
 * With RSS by the table and key in @nic, which name no queue beyond @pairs.
 *
 * Return: 0 or -errno.
 */
int net_ctrl_pairs(struct net_nic *nic, unsigned int pairs)
{
	u8 *p = nic->ctrl.data;

	if (nic->plan.rss_types)
		return net_ctrl_rss(nic, pairs);
	if (!net_ctrl_has(nic, NET_F(MQ)))
		return pairs == 1 ? 0 : -EOPNOTSUPP;
	net_ctrl_put16(&p, pairs);
	return net_ctrl_command(nic, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
				net_ctrl_bytes(nic, p));
}

/* ---- offloads of received frames -------------------------------------------------------- */

/* The feature bits that @nic wants of those that can be switched off. */
static u64 net_ctrl_wanted(const struct net_nic *nic)
{
	u64 all = NET_F(GUEST_CSUM) | NET_F_RX_TSO | NET_F(GUEST_ECN) | NET_F_RX_USO;

	all &= nic->adev->features;
	return nic->whole ? all & NET_F(GUEST_CSUM) : all;
}

static int net_ctrl_tell_offloads(struct net_nic *nic)
{
	const u64 bits = net_ctrl_wanted(nic);
	u8 *p = nic->ctrl.data;

	net_ctrl_put32(&p, lower_32_bits(bits));
	net_ctrl_put32(&p, upper_32_bits(bits));
	return net_ctrl_command(nic, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, net_ctrl_bytes(nic, p));
}

/**
 * net_ctrl_offloads() - have the device join segments, or not
 * @nic: the interface, with CTRL_GUEST_OFFLOADS; under RTNL. Sleeps
 * @whole: frames are to come as they were on the wire
 *
 * What is on its way already may still be joined. A device that refuses goes on; the log says so.
 */
void net_ctrl_offloads(struct net_nic *nic, bool whole)
{
	nic->whole = whole;
	if (!net_ctrl_away(nic))
		net_ctrl_note(nic, "its offloads", net_ctrl_tell_offloads(nic));
}

/* ---- addresses and VLANs ----------------------------------------------------------------- */

/**
 * net_ctrl_mac() - tell the device the interface's own address
 * @nic: the interface, in service, with CTRL_MAC_ADDR; under RTNL. Sleeps
 * @mac: the address
 *
 * Return: 0 or -errno.
 */
int net_ctrl_mac(struct net_nic *nic, const u8 *mac)
{
	memcpy(nic->ctrl.data, mac, ETH_ALEN);
	return net_ctrl_command(nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, ETH_ALEN);
}

static int net_ctrl_flag(struct net_nic *nic, u8 cmd, bool on)
{
	nic->ctrl.data[0] = on;
	return net_ctrl_command(nic, VIRTIO_NET_CTRL_RX, cmd, 1);
}

/* Number and addresses of one kind; with too many for the table: none, and false. */
static bool net_ctrl_list(u8 **p, const struct netdev_hw_addr_list *list)
{
	const bool fits = netdev_hw_addr_list_count(list) <= NET_CTRL_ADDRESSES;
	const struct netdev_hw_addr *ha;

	net_ctrl_put32(p, fits ? netdev_hw_addr_list_count(list) : 0);
	netdev_hw_addr_list_for_each(ha, list) {
		if (!fits)
			break;
		memcpy(*p, ha->addr, ETH_ALEN);
		*p += ETH_ALEN;
	}
	return fits;
}

/* Which frames the device is to pass on (5.1.6.5.1, 5.1.6.5.2). */
static int net_ctrl_filter(struct net_nic *nic)
{
	struct net_device *ndev = nic->ndev;
	bool promisc, allmulti;
	u8 *p = nic->ctrl.data;
	int err;

	netif_addr_lock_bh(ndev);
	promisc = ndev->flags & IFF_PROMISC;
	allmulti = ndev->flags & IFF_ALLMULTI;
	if (!net_ctrl_list(&p, &ndev->uc))
		promisc = true;
	if (!net_ctrl_list(&p, &ndev->mc))
		allmulti = true;
	netif_addr_unlock_bh(ndev);

	err = net_ctrl_command(nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
			       net_ctrl_bytes(nic, p));
	if (!err)
		err = net_ctrl_flag(nic, VIRTIO_NET_CTRL_RX_PROMISC, promisc);
	if (!err)
		err = net_ctrl_flag(nic, VIRTIO_NET_CTRL_RX_ALLMULTI, allmulti);
	return err;
}

/**
 * net_set_rx_mode() - other addresses are wanted; ndo_set_rx_mode
 * @ndev: the interface, whose list of addresses is locked
 */
void net_set_rx_mode(struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (net_ctrl_has(nic, NET_F(CTRL_RX)))
		schedule_work(&nic->chores);
}

static int net_ctrl_vlan(struct net_nic *nic, u16 vid, bool add)
{
	u8 *p = nic->ctrl.data;

	net_ctrl_put16(&p, vid);
	return net_ctrl_command(nic, VIRTIO_NET_CTRL_VLAN,
				add ? VIRTIO_NET_CTRL_VLAN_ADD : VIRTIO_NET_CTRL_VLAN_DEL,
				net_ctrl_bytes(nic, p));
}

/**
 * net_vlan_add() - frames of a VLAN are wanted; ndo_vlan_rx_add_vid
 * @ndev: the interface; under RTNL
 * @proto: ETH_P_8021Q
 * @vid: the VLAN
 *
 * Return: 0, or -EOPNOTSUPP when the device refuses.
 */
int net_vlan_add(struct net_device *ndev, __be16 proto, u16 vid)
{
	struct net_nic *nic = netdev_priv(ndev);
	int err = 0;

	__set_bit(vid, nic->vlans);
	if (!net_ctrl_away(nic))
		err = net_ctrl_vlan(nic, vid, true);
	if (err != -EOPNOTSUPP)
		return 0;
	__clear_bit(vid, nic->vlans);
	return err;
}

/**
 * net_vlan_kill() - frames of a VLAN are not wanted any more; ndo_vlan_rx_kill_vid
 * @ndev: the interface; under RTNL
 * @proto: ETH_P_8021Q
 * @vid: the VLAN
 *
 * Return: 0; a device that refuses passes on too much.
 */
int net_vlan_kill(struct net_device *ndev, __be16 proto, u16 vid)
{
	struct net_nic *nic = netdev_priv(ndev);

	__clear_bit(vid, nic->vlans);
	if (!net_ctrl_away(nic))
		net_ctrl_vlan(nic, vid, false);
	return 0;
}

/* ---- all of it, and what is due ----------------------------------------------------------- */

static int net_ctrl_restore_filters(struct net_nic *nic)
{
	unsigned int vid;
	int err = 0;

	if (net_ctrl_has(nic, NET_F(CTRL_RX)))
		err = net_ctrl_note(nic, "its filter", net_ctrl_filter(nic));
	for_each_set_bit(vid, nic->vlans, VLAN_N_VID) {
		if (err)
			break;
		err = net_ctrl_note(nic, "a VLAN", net_ctrl_vlan(nic, vid, true));
	}
	return err;
}

/**
 * net_ctrl_restore() - tell a device that was reset all that was asked for
 * @nic: the interface, its device ready, before anything is sent; under RTNL. Sleeps
 *
 * Return: 0, or -errno when it does not answer or will not use its queues.
 */
int net_ctrl_restore(struct net_nic *nic)
{
	int err;

	if (!nic->ctrl.q)
		return 0;
	err = net_ctrl_pairs(nic, nic->pairs);
	if (err)
		netdev_err(nic->ndev, "the device does not use %u pairs of queues\n", nic->pairs);
	if (!err && net_ctrl_has(nic, NET_F(CTRL_MAC_ADDR)))
		err = net_ctrl_note(nic, "its address", net_ctrl_mac(nic, nic->ndev->dev_addr));
	if (!err && nic->ndev->reg_state == NETREG_REGISTERED)
		err = net_ctrl_restore_filters(nic);
	if (!err && nic->whole)
		err = net_ctrl_note(nic, "its offloads", net_ctrl_tell_offloads(nic));
	return err;
}

static void net_ctrl_announce(struct net_nic *nic)
{
	/* Sends and asks to have sent: ARP, neighbour advertisements, some more later. */
	__netdev_notify_peers(nic->ndev);
	net_ctrl_command(nic, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0);
}

static void net_chores(struct work_struct *work)
{
	struct net_nic *nic = container_of(work, struct net_nic, chores);

	rtnl_lock();
	/* Of one that is out of service all is sent when it is back. */
	if (nic->ndev->reg_state == NETREG_REGISTERED && !net_ctrl_away(nic)) {
		if (net_ctrl_has(nic, NET_F(CTRL_RX)))
			net_ctrl_note(nic, "its filter", net_ctrl_filter(nic));
		if (xchg(&nic->announce, false))
			net_ctrl_announce(nic);
	}
	rtnl_unlock();
}

/**
 * net_ctrl_echo() - does the device answer? By sending what it knows already
 * @nic: the interface, in service; under RTNL. Sleeps
 *
 * Return: 0 or -errno.
 */
int net_ctrl_echo(struct net_nic *nic)
{
	return net_ctrl_has(nic, NET_F(CTRL_RX)) ? net_ctrl_filter(nic) :
	       net_ctrl_pairs(nic, nic->pairs);
}

/* ---- set-up --------------------------------------------------------------------------------- */

/**
 * net_ctrl_init() - before anything that net_ctrl_leave() undoes
 * @nic: the interface
 */
void net_ctrl_init(struct net_nic *nic)
{
	INIT_WORK(&nic->chores, net_chores);
}

/**
 * net_ctrl_leave() - no chore runs any more
 * @nic: the interface, not registered, @leaving. Sleeps
 */
void net_ctrl_leave(struct net_nic *nic)
{
	cancel_work_sync(&nic->chores);
}

/**
 * net_ctrl_open() - set the control queue up, if the device has one
 * @nic: the interface; its device not ready
 *
 * Return: 0, or -errno; net_ctrl_close() is needed in either case.
 */
int net_ctrl_open(struct net_nic *nic)
{
	struct net_ctrl *ctrl = &nic->ctrl;
	struct airlock_queue *q;
	int err;

	if (!nic->plan.ctrl_size)
		return 0;
	ctrl->data = fault_ptr(kzalloc(NET_CTRL_ACK - NET_CTRL_HDR, GFP_KERNEL));
	if (!ctrl->data)
		return -ENOMEM;
	err = airlock_span_alloc(nic->adev, "ctrl.command", NET_CTRL_SPAN, &ctrl->span);
	if (err)
		return err;
	q = airlock_queue_open(nic->adev, nic->plan.ctrl_index, nic->plan.ctrl_size, "ctrl",
			       NULL, ctrl);
	if (IS_ERR(q))
		return PTR_ERR(q);
	ctrl->q = q;
	ctrl->since = jiffies;
	return 0;
}

/**
 * net_ctrl_close() - forget the control queue
 * @nic: the interface, whatever net_ctrl_open() said; its device stopped
 */
void net_ctrl_close(struct net_nic *nic)
{
	airlock_queue_close(nic->ctrl.q);
	nic->ctrl.q = NULL;
	kfree(nic->ctrl.data);
	nic->ctrl.data = NULL;
}
