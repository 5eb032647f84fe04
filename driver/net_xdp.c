// SPDX-License-Identifier: GPL-2.0
/*
 * XDP: a program of the guest's looks at each received frame before the stack does.
 *
 * Theory
 * ------
 * A program gets a private copy, never the slot: what it decides on is what becomes of the
 * frame, whatever the device does to the slot meanwhile. The copy is one page of the receive
 * queue's pool, with the room before and behind the frame that programs and skbs want.
 *
 *   pass       the page becomes an skb; nothing is copied again
 *   tx         copied into the FIFO of the same pair, the page goes back to its pool
 *   redirect   the page goes where the program says, and comes back to its pool from there
 *   drop       the page goes back to its pool
 *
 * Frames that others redirect to this interface are copied into the FIFO as well, and given
 * back at once.
 *
 * A program sees what was on the wire. So the device is asked not to join segments while
 * there is one; joined frames that come all the same, and frames that are too long for the
 * page, are dropped and counted, for to let them pass would be to go round the
 * program. A checksum that is still to be filled in is filled in first.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <net/xdp.h>

#include "compat/compat.h"
#include "fault.h"
#include "net.h"

/* Bytes of a frame that fit the page. */
#define NET_XDP_BYTES	(PAGE_SIZE - XDP_PACKET_HEADROOM -			\
			 SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))

#define NET_XDP_MTU	(NET_XDP_BYTES - NET_FRAME_EXTRA)

/* ---- received frames -------------------------------------------------------------------- */

/* What the device left to be summed; net_hdr_check() saw that it is inside the frame. */
static void net_xdp_sum(u8 *data, u32 bytes, struct net_hdr *hdr)
{
	__sum16 sum;

	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	sum = csum_fold(csum_partial(data + hdr->csum_start, bytes - hdr->csum_start, 0));
	if (!sum)
		sum = CSUM_MANGLED_0;
	memcpy(data + hdr->csum_start + hdr->csum_offset, &sum, sizeof(sum));
	hdr->flags = 0;
	hdr->csum_start = 0;
	hdr->csum_offset = 0;
}

/* The page as an skb; it is the skb's from here on. */
static struct sk_buff *net_xdp_skb(const struct xdp_buff *xdp)
{
	const u32 meta = xdp->data - xdp->data_meta;
	struct sk_buff *skb = napi_build_skb(xdp->data_hard_start, PAGE_SIZE);

	if (unlikely(!skb))
		return NULL;
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	skb_put(skb, xdp->data_end - xdp->data);
	if (meta)
		skb_metadata_set(skb, meta);
	skb_mark_for_recycle(skb);
	return skb;
}

static bool net_xdp_tx(struct net_rx *rx, const struct xdp_buff *xdp)
{
	struct net_tx *tx = &rx->nic->pair[rx->q->index / 2].tx;

	if (net_tx_raw(tx, xdp->data, xdp->data_end - xdp->data))
		return false;
	rx->sent = true;
	return true;
}

/*
 * What the program wants. Return: true when the frame is dealt with, but for its page
 * where @keep says so; false when it is to be passed on.
 */
static bool net_xdp_act(struct net_rx *rx, struct bpf_prog *prog, struct xdp_buff *xdp,
			bool *keep)
{
	struct net_device *ndev = rx->nic->ndev;
	enum net_rx_stat stat = NET_RX_XDP_ERRORS;
	const u32 act = bpf_prog_run_xdp(prog, xdp);

	*keep = false;
	switch (act) {
	case XDP_PASS:
		return false;
	case XDP_DROP:
		stat = NET_RX_XDP_DROPS;
		break;
	case XDP_TX:
		if (net_xdp_tx(rx, xdp))
			stat = NET_RX_XDP_TX;
		break;
	case XDP_REDIRECT:
		if (!xdp_do_redirect(ndev, xdp, prog)) {
			stat = NET_RX_XDP_REDIRECTS;
			rx->redirected = true;
			*keep = true;
		}
		break;
	default:
		bpf_warn_invalid_xdp_action(ndev, prog, act);
		break;
	}
	if (stat == NET_RX_XDP_ERRORS)
		trace_xdp_exception(ndev, prog, act);
	net_rx_count(rx, stat, 1);
	return true;
}

/**
 * net_xdp_run() - show a gathered frame to the program
 * @rx: the queue; from its NAPI
 * @prog: the program
 * @hdr: the frame's header, checked; changed to what holds for @skb
 * @skb: set to what the program passes on, or NULL
 *
 * Return: 0, or why the frame is lost.
 */
unsigned int net_xdp_run(struct net_rx *rx, struct bpf_prog *prog, struct net_hdr *hdr,
			 struct sk_buff **skb)
{
	struct xdp_buff xdp;
	struct page *page;
	bool keep;
	u8 *start;

	*skb = NULL;
	if (unlikely(hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE || rx->bytes > NET_XDP_BYTES))
		return NET_LOSS_XDP;
	page = page_pool_dev_alloc_pages(rx->pool);
	if (unlikely(!page))
		return NET_LOSS_MEMORY;

	start = page_address(page);
	net_rx_copy_all(rx, start + XDP_PACKET_HEADROOM);
	net_xdp_sum(start + XDP_PACKET_HEADROOM, rx->bytes, hdr);
	xdp_init_buff(&xdp, PAGE_SIZE, &rx->xdp);
	xdp_prepare_buff(&xdp, start, XDP_PACKET_HEADROOM, rx->bytes, true);

	if (!net_xdp_act(rx, prog, &xdp, &keep)) {
		*skb = net_xdp_skb(&xdp);
		if (likely(*skb))
			return 0;
		page_pool_recycle_direct(rx->pool, page);
		return NET_LOSS_MEMORY;
	}
	if (!keep)
		page_pool_recycle_direct(rx->pool, page);
	return 0;
}

/**
 * net_xdp_flush() - what net_xdp_run() has put aside goes now
 * @rx: the queue; from its NAPI, at the end of a round
 */
void net_xdp_flush(struct net_rx *rx)
{
	if (rx->redirected)
		xdp_do_flush();
	if (rx->sent)
		net_tx_flush(&rx->nic->pair[rx->q->index / 2].tx);
	rx->redirected = false;
	rx->sent = false;
}

/* ---- frames of others -------------------------------------------------------------------- */

/**
 * net_xdp_xmit() - send what another interface's program redirected; ndo_xdp_xmit
 * @ndev: the interface
 * @num: entries of @frames
 * @frames: the frames
 * @flags: XDP_XMIT_FLUSH
 *
 * Return: how many were taken, the first ones; or -errno.
 */
int net_xdp_xmit(struct net_device *ndev, int num, struct xdp_frame **frames, u32 flags)
{
	struct net_nic *nic = netdev_priv(ndev);
	struct net_tx *tx;
	int i;

	if (unlikely(flags & ~XDP_XMIT_FLAGS_MASK))
		return -EINVAL;
	if (unlikely(READ_ONCE(nic->down) || !netif_running(ndev) || !netif_carrier_ok(ndev)))
		return -ENETDOWN;

	tx = &nic->pair[smp_processor_id() % READ_ONCE(nic->pairs)].tx;
	for (i = 0; i < num; i++) {
		if (unlikely(xdp_frame_has_frags(frames[i]) ||
			     net_tx_raw(tx, frames[i]->data, frames[i]->len)))
			break;
		xdp_return_frame(frames[i]);
	}
	if (flags & XDP_XMIT_FLUSH)
		net_tx_flush(tx);
	return i;
}

/* ---- programs come and go ------------------------------------------------------------------ */

static int net_xdp_check(const struct net_nic *nic, struct netlink_ext_ack *extack)
{
	if (nic->ndev->mtu > NET_XDP_MTU) {
		NL_SET_ERR_MSG(extack, "airlock: the MTU is too large for XDP");
		return -EINVAL;
	}
	if (nic->plan.offloads & NET_OFF_JOINED &&
	    !(nic->adev->features & NET_F(CTRL_GUEST_OFFLOADS))) {
		NL_SET_ERR_MSG(extack, "airlock: the device joins segments and cannot be told not to");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int net_xdp_set(struct net_nic *nic, struct bpf_prog *prog,
		       struct netlink_ext_ack *extack)
{
	struct bpf_prog *old;
	int err = prog ? net_xdp_check(nic, extack) : 0;

	if (err)
		return err;
	old = rcu_replace_pointer(nic->prog, prog, lockdep_rtnl_is_held());
	if (old)
		bpf_prog_put(old);
	/* Joining goes and comes back by net_fix_features(). */
	netdev_update_features(nic->ndev);
	return 0;
}

/**
 * net_xdp_bpf() - a program comes, or goes; ndo_bpf
 * @ndev: the interface; under RTNL
 * @bpf: what is wanted
 *
 * Return: 0 or -errno.
 */
int net_xdp_bpf(struct net_device *ndev, struct netdev_bpf *bpf)
{
	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	return net_xdp_set(netdev_priv(ndev), bpf->prog, bpf->extack);
}

/**
 * net_fix_features() - what cannot be at the same time; ndo_fix_features
 * @ndev: the interface; under RTNL
 * @features: wanted
 *
 * Return: those of them that can be.
 */
netdev_features_t net_fix_features(struct net_device *ndev, netdev_features_t features)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (rtnl_dereference(nic->prog))
		features &= ~NETIF_F_GRO_HW;
	return features;
}

/**
 * net_change_mtu() - ndo_change_mtu
 * @ndev: the interface; under RTNL
 * @mtu: between what it says is the least and the most
 *
 * Return: 0, or -EINVAL when it is too large for the program that is there.
 */
int net_change_mtu(struct net_device *ndev, int mtu)
{
	struct net_nic *nic = netdev_priv(ndev);

	if (rtnl_dereference(nic->prog) && mtu > NET_XDP_MTU)
		return -EINVAL;
	WRITE_ONCE(ndev->mtu, mtu);
	return 0;
}

/* ---- set-up --------------------------------------------------------------------------------- */

/**
 * net_xdp_open() - let programs know of a receive queue
 * @rx: the queue, with its pool
 * @index: number of the pair
 *
 * Return: 0, or -errno; net_xdp_close() is needed in either case.
 */
int net_xdp_open(struct net_rx *rx, unsigned int index)
{
	int err;

	err = fault_int(xdp_rxq_info_reg(&rx->xdp, rx->nic->ndev, index, rx->napi.napi_id));
	if (err)
		return err;
	return fault_int(xdp_rxq_info_reg_mem_model(&rx->xdp, MEM_TYPE_PAGE_POOL, rx->pool));
}

/**
 * net_xdp_close() - programs forget it
 * @rx: the queue, whatever net_xdp_open() said
 */
void net_xdp_close(struct net_rx *rx)
{
	if (xdp_rxq_info_is_reg(&rx->xdp))
		xdp_rxq_info_unreg(&rx->xdp);
}
