// SPDX-License-Identifier: GPL-2.0
/*
 * The way of a frame from the device to the network stack.
 *
 * Theory
 * ------
 * Slot i of the shared memory is descriptor i's buffer for ever: the descriptor
 * table is written once, and giving a buffer back is moving an index. A frame is
 * received in these steps, each of which only looks at what the step before has
 * made private:
 *
 *   gather   take the frame's buffers out of the ring; copy its header in; learn
 *            from the private copy how many buffers there are
 *   check    header and length, against what was negotiated
 *   copy     exactly the frame's bytes, into a new skb, in one pass
 *   hand up  with the checked header's offloads
 *   repost   the slots go back to the device, whatever became of the frame
 *
 * Small frames become the linear part of an skb. Of larger ones the first bytes,
 * enough for the protocol headers, do so; the rest goes into pages of a page pool,
 * which come back to it when the frame has been read.
 *
 * A bad frame is dropped, all its buffers with it, and counted by its reason: the
 * queue stays in order, since buffers and not bytes are what the ring counts. Only
 * a lie about the ring itself breaks the queue (ring/). The number of buffers a
 * frame says it has is not bounded by anything but the buffers that came, of which
 * there are no more than the queue is long: nothing is reposted inside a frame.
 *
 * Contexts. The interrupt schedules NAPI and does no more. NAPI is the only one to
 * touch the queue while the interface is up; opening and closing happen while NAPI
 * is off. While the interface is down the device may fill the slots it has; those
 * frames are thrown away at the next opening.
 *
 * The queue's lock is held for batches of ring operations only, never for a copy.
 */
#include <linux/if_vlan.h>
#include <linux/slab.h>
#include <linux/virtio_net.h>

#include "compat/compat.h"
#include "fault.h"
#include "net.h"

/* Frames up to this go into one 2 KiB piece of memory, skb overhead included. */
#define NET_RX_LINEAR	(SKB_WITH_OVERHEAD(2048) - NET_SKB_PAD - NET_IP_ALIGN)

/* Of larger ones this much: more than the headers of any usual frame. */
#define NET_RX_HEAD	256u

/**
 * net_rx_count() - count something
 * @rx: the queue; from its NAPI
 * @stat: what
 * @n: how often
 */
void net_rx_count(struct net_rx *rx, enum net_rx_stat stat, u64 n)
{
	u64_stats_update_begin(&rx->sync);
	u64_stats_add(&rx->stat[stat], n);
	u64_stats_update_end(&rx->sync);
}

/* ---- ring ------------------------------------------------------------------- */

/* Give the slots in @back to the device again. */
static void net_rx_repost(struct net_rx *rx)
{
	struct ring_drv *ring = &rx->q->ring;
	unsigned long flags;
	unsigned int i;
	bool kick;

	if (!rx->backs)
		return;

	spin_lock_irqsave(&rx->q->lock, flags);
	for (i = 0; i < rx->backs; i++)
		ring_drv_post(ring, rx->back[i]);
	kick = ring_drv_publish(ring);
	spin_unlock_irqrestore(&rx->q->lock, flags);

	rx->backs = 0;
	if (kick) {
		airlock_queue_kick(rx->q);
		net_rx_count(rx, NET_RX_KICKS, 1);
	}
}

/* Take completions out of the ring. Return: how many, or -EIO. */
static int net_rx_fill(struct net_rx *rx)
{
	unsigned long flags;
	int ret = 0;

	rx->next = 0;
	rx->got = 0;
	spin_lock_irqsave(&rx->q->lock, flags);
	while (rx->got < NET_RX_BATCH) {
		ret = ring_drv_poll(&rx->q->ring, &rx->done[rx->got]);
		if (ret <= 0)
			break;
		rx->got++;
	}
	spin_unlock_irqrestore(&rx->q->lock, flags);

	if (unlikely(ret < 0))
		airlock_queue_fault(rx->q);
	return rx->got ? rx->got : ret;
}

/*
 * The next buffer. Its slot is down for reposting from here on, which happens when
 * the frame has been dealt with. Return: NULL when there is none, or no more ever.
 */
static const struct ring_done *net_rx_next(struct net_rx *rx)
{
	const struct ring_done *done;

	if (rx->next == rx->got && net_rx_fill(rx) <= 0)
		return NULL;
	done = &rx->done[rx->next++];
	rx->back[rx->backs++] = done->id;
	return done;
}

/* Ask for a call. Return: true when there is work already. */
static bool net_rx_arm(struct net_rx *rx)
{
	unsigned long flags;
	bool more;

	spin_lock_irqsave(&rx->q->lock, flags);
	more = ring_drv_arm(&rx->q->ring);
	spin_unlock_irqrestore(&rx->q->lock, flags);
	return more;
}

static void net_rx_disarm(struct net_rx *rx)
{
	unsigned long flags;

	spin_lock_irqsave(&rx->q->lock, flags);
	ring_drv_disarm(&rx->q->ring);
	spin_unlock_irqrestore(&rx->q->lock, flags);
}

/* ---- one frame ---------------------------------------------------------------- */

static void net_rx_part(struct net_rx *rx, const struct ring_done *done, u16 off)
{
	rx->part[rx->parts++] = (struct net_rx_part) {
		.id = done->id,
		.off = off,
		.len = done->len - off,
	};
	rx->bytes += done->len - off;
}

/*
 * Take all buffers of the next frame, also of a bad one, so that the one after it
 * is found. Return: false when there is no frame; else @loss is 0 or why it is bad.
 */
static bool net_rx_gather(struct net_rx *rx, struct virtio_net_hdr_v1 *raw,
			  unsigned int *loss)
{
	const struct ring_done *done = net_rx_next(rx);
	unsigned int i, buffers;

	*loss = 0;
	rx->parts = 0;
	rx->bytes = 0;
	if (!done)
		return false;
	if (unlikely(done->len < NET_HDR_BYTES)) {
		*loss = NET_LOSS_SHORT;
		return true;
	}
	shared_copy_in(raw, slots_cpu(&rx->slots, done->id), NET_HDR_BYTES);
	net_rx_part(rx, done, NET_HDR_BYTES);

	buffers = net_hdr_buffers(raw, rx->nic->plan.offloads);
	for (i = 1; i < buffers; i++) {
		done = net_rx_next(rx);
		if (unlikely(!done)) {
			*loss = NET_LOSS_MISSING;
			break;
		}
		if (unlikely(!done->len))
			*loss = NET_LOSS_EMPTY;
		else if (unlikely(rx->parts == NET_RX_PARTS_MAX))
			*loss = NET_HDR_BUFFERS;
		else
			net_rx_part(rx, done, 0);
	}
	return true;
}

/* Copy the next @len bytes of the frame; @part and @off say where it stands. */
static void net_rx_copy(const struct net_rx *rx, unsigned int *part, u32 *off,
			u8 *dst, u32 len)
{
	while (len) {
		const struct net_rx_part *p = &rx->part[*part];
		const u32 n = min(len, p->len - *off);

		shared_copy_in(dst, shared_at(slots_cpu(&rx->slots, p->id), p->off + *off), n);
		dst += n;
		len -= n;
		*off += n;
		if (*off == p->len) {
			*off = 0;
			++*part;
		}
	}
}

/**
 * net_rx_copy_all() - copy the current frame, without its header
 * @rx: the queue; from its NAPI
 * @dst: private memory for @rx->bytes
 */
void net_rx_copy_all(const struct net_rx *rx, u8 *dst)
{
	unsigned int part = 0;
	u32 off = 0;

	net_rx_copy(rx, &part, &off, dst, rx->bytes);
}

/* The frame as an skb, or NULL without memory. */
static struct sk_buff *net_rx_skb(struct net_rx *rx)
{
	const u32 head = rx->bytes <= NET_RX_LINEAR ? rx->bytes : NET_RX_HEAD;
	u32 left = rx->bytes - head, off = 0, n;
	unsigned int part = 0;
	struct sk_buff *skb;
	struct page *page;

	skb = napi_alloc_skb(&rx->napi, head);
	if (unlikely(!skb))
		return NULL;
	net_rx_copy(rx, &part, &off, skb_put(skb, head), head);
	if (left)
		skb_mark_for_recycle(skb);
	for (; left; left -= n) {
		page = page_pool_dev_alloc_pages(rx->pool);
		if (unlikely(!page)) {
			kfree_skb(skb);
			return NULL;
		}
		n = min_t(u32, left, PAGE_SIZE);
		net_rx_copy(rx, &part, &off, page_address(page), n);
		skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, 0, n, PAGE_SIZE);
	}
	return skb;
}

/* Apply a checked header. Return: false when the frame does not bear it. */
static bool net_rx_offload(struct sk_buff *skb, const struct net_hdr *hdr)
{
	const struct virtio_net_hdr vh = {
		.flags = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = hdr->gso_type,
		.gso_size = __cpu_to_virtio16(true, hdr->gso_size),
		.csum_start = __cpu_to_virtio16(true, hdr->csum_start),
		.csum_offset = __cpu_to_virtio16(true, hdr->csum_offset),
	};

	if (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	return !virtio_net_hdr_to_skb(skb, &vh, true);
}

static void net_rx_count_frame(struct net_rx *rx)
{
	u64_stats_update_begin(&rx->sync);
	u64_stats_inc(&rx->stat[NET_RX_PACKETS]);
	u64_stats_add(&rx->stat[NET_RX_BYTES], rx->bytes);
	u64_stats_update_end(&rx->sync);
}

/* A gathered frame into the stack. Return: 0 or why not. */
static unsigned int net_rx_deliver(struct net_rx *rx, const struct virtio_net_hdr_v1 *raw)
{
	struct net_device *ndev = rx->nic->ndev;
	struct bpf_prog *prog = rcu_dereference_bh(rx->nic->prog);
	struct net_hdr hdr;
	struct sk_buff *skb;
	unsigned int loss;

	loss = net_hdr_check(raw, rx->bytes, rx->nic->plan.offloads, &hdr);
	if (unlikely(loss != NET_HDR_OK))
		return loss;
	if (unlikely(hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE &&
		     rx->bytes > READ_ONCE(ndev->mtu) + NET_FRAME_EXTRA))
		return NET_LOSS_MTU;

	if (prog) {
		loss = net_xdp_run(rx, prog, &hdr, &skb);
		if (loss)
			return loss;
	} else {
		skb = net_rx_skb(rx);
		if (unlikely(!skb))
			return NET_LOSS_MEMORY;
	}
	net_rx_count_frame(rx);
	if (!skb)
		return 0;
	if (unlikely(!net_rx_offload(skb, &hdr))) {
		kfree_skb(skb);
		return NET_LOSS_OFFLOAD;
	}
	skb_record_rx_queue(skb, rx->q->index / 2);
	skb->protocol = eth_type_trans(skb, ndev);
	napi_gro_receive(&rx->napi, skb);
	return 0;
}

/* ---- NAPI ------------------------------------------------------------------------ */

static int net_rx_poll(struct napi_struct *napi, int budget)
{
	struct net_rx *rx = container_of(napi, struct net_rx, napi);
	struct virtio_net_hdr_v1 raw;
	unsigned int loss;
	bool later;
	int work;

	/* Netpoll wants frames sent; it polls without having scheduled, and arms nothing. */
	if (!budget)
		return 0;

	net_coalesce_look(rx);
	net_rx_disarm(rx);
	for (work = 0; work < budget; work++) {
		if (!net_rx_gather(rx, &raw, &loss))
			break;
		if (likely(!loss))
			loss = net_rx_deliver(rx, &raw);
		if (unlikely(loss))
			net_rx_count(rx, NET_RX_LOSS + loss, 1);
		if (rx->backs >= NET_RX_BATCH)
			net_rx_repost(rx);
	}
	net_rx_repost(rx);
	net_xdp_flush(rx);

	if (work == budget)
		return work;
	/* First, so that whoever has disabled NAPI finds the timer started or not at all. */
	later = net_coalesce_later(rx, work);
	if (napi_complete_done(napi, work) && !later && net_rx_arm(rx))
		napi_schedule(napi);
	return work;
}

/*
 * The device called; hard interrupt context. Where all queues share an interrupt most calls
 * are for another one: NAPI, which disarms, is worth it only when something came.
 */
static void net_rx_call(struct airlock_queue *q)
{
	struct net_rx *rx = q->priv;
	bool came;

	spin_lock(&q->lock);
	came = ring_drv_pending(&q->ring);
	spin_unlock(&q->lock);
	if (came)
		napi_schedule(&rx->napi);
}

/**
 * net_rx_start() - receive
 * @rx: the queue, stopped
 *
 * Frames that came while the interface was down are dropped unseen. The device has
 * all slots when this returns.
 */
void net_rx_start(struct net_rx *rx)
{
	while (net_rx_next(rx))
		;
	net_rx_repost(rx);

	napi_enable(&rx->napi);
	local_bh_disable();
	napi_schedule(&rx->napi);
	local_bh_enable();
}

/**
 * net_rx_stop() - stop receiving
 * @rx: the queue, started
 */
void net_rx_stop(struct net_rx *rx)
{
	napi_disable(&rx->napi);
	net_coalesce_stop(rx);
	net_rx_disarm(rx);
}

/* ---- set-up ------------------------------------------------------------------------ */

static int net_rx_pool(struct net_rx *rx)
{
	const struct page_pool_params params = {
		.pool_size = rx->nic->plan.rx_size,
		.nid = dev_to_node(&rx->nic->adev->pdev->dev),
	};
	struct page_pool *pool = page_pool_create(&params);

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	rx->pool = pool;
	return 0;
}

/**
 * net_rx_begin() - begin with an empty ring
 * @rx: the queue, stopped; its device is not ready
 *
 * Ties descriptors to slots, all of which net_rx_start() posts.
 *
 * Return: 0 or -errno.
 */
int net_rx_begin(struct net_rx *rx)
{
	unsigned long flags;
	int err = 0;
	u32 i;

	rx->next = 0;
	rx->got = 0;
	rx->backs = 0;
	rx->slots.num = rx->nic->rx_size;
	spin_lock_irqsave(&rx->q->lock, flags);
	for (i = 0; !err && i < rx->slots.num; i++) {
		const struct ring_seg seg = {
			.bus = slots_bus(&rx->slots, i),
			.len = rx->slots.bytes,
		};

		err = ring_drv_bind(&rx->q->ring, i, &seg, true);
		rx->back[rx->backs++] = i;
	}
	spin_unlock_irqrestore(&rx->q->lock, flags);
	return err;
}

/**
 * net_rx_open() - set a receive queue up
 * @nic: the interface; the device not ready
 * @index: number of the pair
 *
 * Return: 0, or -errno; net_rx_close() is needed in either case.
 */
int net_rx_open(struct net_nic *nic, unsigned int index)
{
	struct net_rx *rx = &nic->pair[index].rx;
	struct airlock_span span;
	struct airlock_queue *q;
	char name[16];
	int err;

	rx->nic = nic;
	u64_stats_init(&rx->sync);
	net_coalesce_init(rx);
	netif_napi_add(nic->ndev, &rx->napi, net_rx_poll);
	rx->back = fault_ptr(kcalloc(nic->plan.rx_size, sizeof(*rx->back), GFP_KERNEL));
	if (!rx->back)
		return -ENOMEM;
	err = fault_int(net_rx_pool(rx));
	if (!err)
		err = net_xdp_open(rx, index);
	if (err)
		return err;

	snprintf(name, sizeof(name), "rx%u.slots", index);
	err = airlock_span_alloc(nic->adev, name,
				 slots_span(nic->plan.slot_bytes, nic->plan.rx_size), &span);
	if (err)
		return err;
	rx->slots = (struct slots) {
		.base = span.cpu, .bus = span.bus, .bytes = nic->plan.slot_bytes,
	};

	snprintf(name, sizeof(name), "rx%u", index);
	q = airlock_queue_open(nic->adev, 2 * index, nic->plan.rx_size, name, net_rx_call, rx);
	if (IS_ERR(q))
		return PTR_ERR(q);
	rx->q = q;
	return net_rx_begin(rx);
}

/**
 * net_rx_close() - forget a receive queue
 * @rx: the queue, whatever net_rx_open() said; the device is stopped
 */
void net_rx_close(struct net_rx *rx)
{
	airlock_queue_close(rx->q);
	rx->q = NULL;
	net_xdp_close(rx);
	if (rx->pool)
		page_pool_destroy(rx->pool);
	rx->pool = NULL;
	kfree(rx->back);
	rx->back = NULL;
}
