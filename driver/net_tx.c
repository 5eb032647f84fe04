// SPDX-License-Identifier: GPL-2.0
/*
 * The way of a frame from the network stack to the device.
 *
 * Theory
 * ------
 * A frame and its header are copied once, into the next bytes of a FIFO in shared
 * memory, and the skb is freed at once: nothing of the stack's waits for the
 * device. What the device has is one descriptor, or two when the bytes wrap round
 * the end of the FIFO.
 *
 *   take      reclaim what is done, take bytes of the FIFO        under the lock
 *   copy      the header, which was composed privately, and the frame
 *   submit    stage the chain, perhaps publish it                  under the lock
 *
 * The copy needs no lock: only one context sends at a time (the stack's transmit
 * lock), and reclaiming moves the other end of the FIFO. Only of a frame in one piece, which
 * is short, the copy is shorter than dropping the lock and taking it again.
 *
 * Room. The queue is stopped as soon as it might not take another frame of the
 * largest size, and woken when half of it is free; both under the lock, and a
 * stopped queue always has a call on order or NAPI scheduled, so no wake-up is lost. Byte queue
 * limits count from publishing to reclaiming and keep the FIFO short when the
 * device is slow; they stop the queue by a mark of their own.
 *
 * Calls. Since nothing waits for a completion but room and byte queue limits, a call is
 * asked for only when one of these has stopped the stack's queue, and of many small
 * frames it comes when half of them are done. Otherwise completions are looked for with
 * a frame, once a quarter of the room is taken or the limits would stop the queue, many
 * at a time. What was sent last may stay unreclaimed until the next frame, and counts
 * as in flight in the limits' statistics (sysfs) for so long.
 *
 * When only a call was lost, net_tx_watch() sees it, which looks each second. A device that
 * never completes stops the queue for ever; the stack's watchdog then calls
 * net_tx_timeout(), which looks once more and gives the device up. With too few frames
 * for that, net_tx_watch() does so, in the end.
 *
 * The lock is taken with interrupts off, since netpoll may send from anywhere.
 */
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "fault.h"
#include "net.h"

/* The largest chunk of the FIFO that one frame takes. */
#define NET_TX_BYTES_MAX	(NET_HDR_BYTES + NET_FRAME_MAX)

/* Descriptors that a frame takes at most: two when it wraps. */
#define NET_TX_DESCS		2u

/* Up to this a frame in one piece is copied under the lock. */
#define NET_TX_PIECE		(u32)PAGE_SIZE

static struct netdev_queue *net_tx_stack_queue(const struct net_tx *tx)
{
	return netdev_get_tx_queue(tx->nic->ndev, tx->q->index / 2);
}

/* With the lock held: all writers of the counters hold it. */
static void net_tx_count(struct net_tx *tx, enum net_tx_stat stat, u64 n)
{
	u64_stats_update_begin(&tx->sync);
	u64_stats_add(&tx->stat[stat], n);
	u64_stats_update_end(&tx->sync);
}

/* ---- room; all with the lock held --------------------------------------------- */

static bool net_tx_has_room(const struct net_tx *tx, u32 bytes, u32 descs)
{
	return fifo_fits(&tx->fifo, bytes) && ring_drv_num_free(&tx->q->ring) >= descs;
}

/* Does anything wait for completions? */
static bool net_tx_is_stopped(const struct net_tx *tx)
{
	return tx->full || netif_xmit_stopped(net_tx_stack_queue(tx));
}

/*
 * Have a call come, when something waits for what is in flight and none is on order. Return:
 * true when there is work already: schedule NAPI.
 */
static bool net_tx_arm(struct net_tx *tx)
{
	if (tx->armed || !net_tx_is_stopped(tx) || !ring_drv_in_flight(&tx->q->ring))
		return false;
	tx->armed = true;
	return ring_drv_arm_later(&tx->q->ring);
}

/*
 * Give back what the device is done with; wake the stack's queue when that makes
 * room. As many rounds at most as frames are in flight: none go in meanwhile.
 * Return: frames, or -EIO.
 */
static int net_tx_reclaim(struct net_tx *tx)
{
	struct netdev_queue *txq = net_tx_stack_queue(tx);
	unsigned int frames = 0, bytes = 0;
	struct ring_done done;
	int ret;

	while ((ret = ring_drv_poll(&tx->q->ring, &done)) > 0) {
		const struct net_tx_frame *frame = &tx->frame[done.id];

		fifo_release(&tx->fifo, frame->token);
		bytes += frame->bytes;
		frames++;
	}
	tx->done += frames;
	if (frames)
		netdev_tx_completed_queue(txq, frames, bytes);
	if (tx->full && !READ_ONCE(tx->nic->down) &&
	    net_tx_has_room(tx, tx->fifo.bytes / 2, tx->q->size / 2)) {
		tx->full = false;
		netif_tx_wake_queue(txq);
	}
	return ret < 0 ? ret : (int)frames;
}

/* Stop the stack's queue until there is room. */
static void net_tx_wait(struct net_tx *tx)
{
	tx->full = true;
	netif_tx_stop_queue(net_tx_stack_queue(tx));
	net_tx_count(tx, NET_TX_STOPS, 1);
}

/**
 * struct net_tx_after - what is to be done when the lock has been dropped
 * @kick: tell the device
 * @work: schedule NAPI: what a call would have told is there already
 * @fault: the ring broke
 */
struct net_tx_after {
	bool kick;
	bool work;
	bool fault;
};

/* Show the device all that was staged; when the stack must wait, have it woken. */
static void net_tx_publish(struct net_tx *tx, struct net_tx_after *after)
{
	after->kick = ring_drv_publish(&tx->q->ring);
	if (after->kick)
		net_tx_count(tx, NET_TX_KICKS, 1);
	if (likely(!net_tx_is_stopped(tx)) || tx->armed)
		return;
	/* More often than not enough is done, and nobody has to be asked. */
	if (unlikely(net_tx_reclaim(tx) < 0))
		after->fault = true;
	else
		after->work = net_tx_arm(tx);
}

/* Without the lock. */
static void net_tx_follow_up(struct net_tx *tx, struct net_tx_after after)
{
	if (after.kick)
		airlock_queue_kick(tx->q);
	if (unlikely(after.work))
		napi_schedule(&tx->napi);
	if (unlikely(after.fault))
		airlock_queue_fault(tx->q);
}

/* ---- one frame ------------------------------------------------------------------ */

/**
 * struct net_tx_chunk - a frame's bounce memory
 * @ext: its extents; two when it wraps
 * @extents: how many
 * @token: what gives it back
 */
struct net_tx_chunk {
	struct fifo_extent ext[NET_TX_DESCS];
	u16 extents;
	u32 token;
};

/**
 * struct net_tx_cursor - where in a frame's bounce memory the next bytes go
 * @ext: of the chunk
 * @i: which of them
 * @off: where in it
 */
struct net_tx_cursor {
	const struct fifo_extent *ext;
	unsigned int i;
	u32 off;
};

/* The extents add up to what is put in all. */
static void net_tx_put(struct net_tx_cursor *c, const u8 *src, u32 len)
{
	while (len) {
		const struct fifo_extent *e = &c->ext[c->i];
		const u32 n = min(len, e->len - c->off);

		shared_copy_out(shared_at(e->cpu, c->off), src, n);
		src += n;
		len -= n;
		c->off += n;
		if (c->off == e->len) {
			c->off = 0;
			c->i++;
		}
	}
}

/* Header and frame into the FIFO; the skb has no frag_list. */
static void net_tx_copy(const struct net_tx_chunk *chunk, const struct virtio_net_hdr_v1 *hdr,
			const struct sk_buff *skb)
{
	struct net_tx_cursor c = { .ext = chunk->ext };
	u32 off, len, copied;
	struct page *page;
	unsigned int i;

	net_tx_put(&c, (const u8 *)hdr, sizeof(*hdr));
	net_tx_put(&c, skb->data, skb_headlen(skb));
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		skb_frag_foreach_page(frag, skb_frag_off(frag), skb_frag_size(frag),
				      page, off, len, copied) {
			u8 *private = kmap_local_page(page);

			net_tx_put(&c, private + off, len);
			kunmap_local(private);
		}
	}
}

/* Header and frame, which is in one piece. */
static void net_tx_copy_piece(const struct net_tx_chunk *chunk,
			      const struct virtio_net_hdr_v1 *hdr, const void *data, u32 len)
{
	struct net_tx_cursor c = { .ext = chunk->ext };

	if (likely(chunk->extents == 1)) {
		shared_copy_out(chunk->ext[0].cpu, hdr, sizeof(*hdr));
		shared_copy_out(shared_at(chunk->ext[0].cpu, sizeof(*hdr)), data, len);
		return;
	}
	net_tx_put(&c, (const u8 *)hdr, sizeof(*hdr));
	net_tx_put(&c, data, len);
}

/* The header, in private memory. Return: 0 or -EINVAL for what was never offered. */
static int net_tx_compose(const struct sk_buff *skb, struct virtio_net_hdr_v1 *hdr)
{
	/* The one is the other and, behind it, how many buffers there are: none, says who sends. */
	hdr->num_buffers = 0;
	if (virtio_net_hdr_from_skb(skb, (struct virtio_net_hdr *)hdr, true, false, 0))
		return -EINVAL;
	return 0;
}

/* Is it worth looking for completions before a frame? Most looks would find none. */
static bool net_tx_is_filling(const struct net_tx *tx)
{
	return tx->fifo.used > tx->fifo.bytes / 4 ||
	       ring_drv_num_free(&tx->q->ring) < tx->q->size - tx->q->size / 4;
}

/* Take memory for a frame, with the lock held. Return: 0, -ENOSPC, or -EIO. */
static int net_tx_take(struct net_tx *tx, u32 bytes, struct net_tx_chunk *chunk,
		       struct net_tx_after *after)
{
	int ret = net_tx_is_filling(tx) ? net_tx_reclaim(tx) : 0;

	if (unlikely(ret < 0)) {
		after->fault = true;
		return ret;
	}
	ret = -ENOSPC;
	if (ring_drv_num_free(&tx->q->ring) >= NET_TX_DESCS)
		ret = fifo_alloc(&tx->fifo, bytes, chunk->ext, &chunk->token);
	if (unlikely(ret == -ENOSPC)) {
		net_tx_wait(tx);
		net_tx_publish(tx, after);
	}
	chunk->extents = (u16)ret;
	return min(ret, 0);
}

/*
 * Would byte queue limits stop the queue? What is done and was not looked for is no reason: they
 * would take the device for slow, and then for starved, and let ever more into the FIFO.
 */
static bool net_tx_is_over_limit(const struct netdev_queue *txq, u32 bytes)
{
#ifdef CONFIG_BQL
	return dql_avail(&txq->dql) < (int)bytes;
#else
	return false;
#endif
}

/*
 * Hand the copied frame to the device, with the lock held. Return: 0 or -EIO; then it holds no
 * memory. Byte queue limits, and whether more is to come, are the stack's: only for a frame
 * of its own, which has an @skb.
 */
static int net_tx_submit(struct net_tx *tx, const struct net_tx_chunk *chunk, u32 bytes,
			 struct sk_buff *skb, struct net_tx_after *after)
{
	struct ring_seg seg[NET_TX_DESCS];
	const struct ring_buf buf = { .seg = seg, .out = chunk->extents };
	struct netdev_queue *txq = net_tx_stack_queue(tx);
	bool publish = false;
	int i, id;

	for (i = 0; i < chunk->extents; i++)
		seg[i] = (struct ring_seg) { chunk->ext[i].bus, chunk->ext[i].len };
	id = ring_drv_add(&tx->q->ring, &buf, tx);
	if (unlikely(id < 0)) {
		fifo_undo(&tx->fifo, chunk->token);
		after->fault = true;
		return -EIO;
	}
	tx->frame[id] = (struct net_tx_frame) {
		.token = chunk->token,
		.bytes = skb ? bytes : 0,
	};
	u64_stats_update_begin(&tx->sync);
	u64_stats_inc(&tx->stat[NET_TX_PACKETS]);
	u64_stats_add(&tx->stat[NET_TX_BYTES], bytes);
	u64_stats_update_end(&tx->sync);

	if (skb) {
		if (net_tx_is_over_limit(txq, bytes) && unlikely(net_tx_reclaim(tx) < 0))
			after->fault = true;
		publish = __netdev_tx_sent_queue(txq, bytes, netdev_xmit_more());
	}
	if (unlikely(!net_tx_has_room(tx, NET_TX_BYTES_MAX, NET_TX_DESCS))) {
		publish = true;
		net_tx_wait(tx);
	}
	if (publish)
		net_tx_publish(tx, after);
	return 0;
}

/*
 * A frame in one piece, of a page at most: the copy costs less than letting the lock go for
 * it. @skb is what it came as, or NULL. Return: 0, -ENOSPC when the queue is full, -EIO.
 */
static int net_tx_send_piece(struct net_tx *tx, const struct virtio_net_hdr_v1 *hdr,
			     const void *data, u32 len, struct sk_buff *skb)
{
	struct net_tx_after after = {};
	struct net_tx_chunk chunk;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&tx->q->lock, flags);
	err = net_tx_take(tx, NET_HDR_BYTES + len, &chunk, &after);
	if (likely(!err)) {
		net_tx_copy_piece(&chunk, hdr, data, len);
		err = net_tx_submit(tx, &chunk, len, skb, &after);
	}
	spin_unlock_irqrestore(&tx->q->lock, flags);
	/* Before the kick, and not under the lock, which what it calls could want too. */
	if (!err && skb)
		skb_tx_timestamp(skb);
	net_tx_follow_up(tx, after);
	return err;
}

/* Any other frame. Return: likewise. */
static int net_tx_send_pieces(struct net_tx *tx, const struct virtio_net_hdr_v1 *hdr,
			      struct sk_buff *skb)
{
	struct net_tx_after after = {};
	struct net_tx_chunk chunk;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&tx->q->lock, flags);
	err = net_tx_take(tx, NET_HDR_BYTES + skb->len, &chunk, &after);
	spin_unlock_irqrestore(&tx->q->lock, flags);
	if (likely(!err)) {
		net_tx_copy(&chunk, hdr, skb);
		skb_tx_timestamp(skb);
		spin_lock_irqsave(&tx->q->lock, flags);
		err = net_tx_submit(tx, &chunk, skb->len, skb, &after);
		spin_unlock_irqrestore(&tx->q->lock, flags);
	}
	net_tx_follow_up(tx, after);
	return err;
}

/* A frame that cannot be sent; what was staged before it must not wait for it. */
static netdev_tx_t net_tx_drop(struct net_tx *tx, struct sk_buff *skb)
{
	struct net_tx_after after = {};
	unsigned long flags;

	spin_lock_irqsave(&tx->q->lock, flags);
	net_tx_count(tx, NET_TX_DROPS, 1);
	if (!netdev_xmit_more() && !READ_ONCE(tx->nic->down))
		net_tx_publish(tx, &after);
	spin_unlock_irqrestore(&tx->q->lock, flags);

	net_tx_follow_up(tx, after);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

/**
 * net_tx_xmit() - send a frame; the interface's ndo_start_xmit
 * @skb: the frame
 * @ndev: the interface
 *
 * Return: NETDEV_TX_OK, or NETDEV_TX_BUSY with the queue stopped.
 */
netdev_tx_t net_tx_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	struct net_nic *nic = netdev_priv(ndev);
	struct net_tx *tx = &nic->pair[skb_get_queue_mapping(skb)].tx;
	struct virtio_net_hdr_v1 hdr;
	int err;

	if (unlikely(READ_ONCE(nic->down) || skb->len > NET_FRAME_MAX))
		return net_tx_drop(tx, skb);
	if (unlikely(skb_has_frag_list(skb) && skb_linearize(skb)))
		return net_tx_drop(tx, skb);
	if (unlikely(net_tx_compose(skb, &hdr)))
		return net_tx_drop(tx, skb);

	if (!skb_is_nonlinear(skb) && skb->len <= NET_TX_PIECE)
		err = net_tx_send_piece(tx, &hdr, skb->data, skb->len, skb);
	else
		err = net_tx_send_pieces(tx, &hdr, skb);
	if (unlikely(err == -ENOSPC))
		return NETDEV_TX_BUSY;
	if (unlikely(err))
		return net_tx_drop(tx, skb);
	dev_consume_skb_any(skb);
	return NETDEV_TX_OK;
}

/* ---- frames that are no skb --------------------------------------------------------- */

/**
 * net_tx_raw() - send a frame that is no skb
 * @tx: the queue; software interrupt context
 * @data: the frame; copied
 * @len: bytes
 *
 * net_tx_flush() must follow, after the last of several.
 *
 * Return: 0, -ENOSPC when the queue is full, -EINVAL for a frame of no possible length,
 * -EIO when the device has failed.
 */
int net_tx_raw(struct net_tx *tx, const void *data, u32 len)
{
	const struct virtio_net_hdr_v1 hdr = {};
	struct netdev_queue *txq = net_tx_stack_queue(tx);
	int err;

	if (unlikely(len < ETH_HLEN || len > NET_TX_PIECE))
		return -EINVAL;
	/* With the stack's lock, as for any frame: one context sends at a time. */
	__netif_tx_lock(txq, smp_processor_id());
	txq_trans_cond_update(txq);
	err = net_tx_send_piece(tx, &hdr, data, len, NULL);
	__netif_tx_unlock(txq);
	return err;
}

/**
 * net_tx_flush() - show the device what net_tx_raw() staged
 * @tx: the queue; software interrupt context
 */
void net_tx_flush(struct net_tx *tx)
{
	struct net_tx_after after = {};
	unsigned long flags;

	spin_lock_irqsave(&tx->q->lock, flags);
	net_tx_publish(tx, &after);
	spin_unlock_irqrestore(&tx->q->lock, flags);
	net_tx_follow_up(tx, after);
}

/* ---- NAPI ------------------------------------------------------------------------- */

static int net_tx_poll(struct napi_struct *napi, int budget)
{
	struct net_tx *tx = container_of(napi, struct net_tx, napi);
	unsigned long flags;
	bool work;
	int ret;

	spin_lock_irqsave(&tx->q->lock, flags);
	/* Netpoll, with a budget of 0, may not complete: a call on order stays so. */
	if (budget) {
		tx->armed = false;
		ring_drv_disarm(&tx->q->ring);
	}
	ret = net_tx_reclaim(tx);
	spin_unlock_irqrestore(&tx->q->lock, flags);
	if (unlikely(ret < 0))
		airlock_queue_fault(tx->q);

	if (!budget || !napi_complete_done(napi, 0))
		return 0;

	spin_lock_irqsave(&tx->q->lock, flags);
	work = net_tx_arm(tx);
	spin_unlock_irqrestore(&tx->q->lock, flags);
	if (work)
		napi_schedule(napi);
	return 0;
}

/* The device called; hard interrupt context. NAPI disarms: one call too many is cheap. */
static void net_tx_call(struct airlock_queue *q)
{
	struct net_tx *tx = q->priv;

	napi_schedule(&tx->napi);
}

/*
 * Seconds without any completion of what was sent after which a device is given up while the
 * stack's queue is stopped for it. While it is not they are more, by default more than a device
 * must be up to have all its attempts again (device.c): one whose peer sleeps is not lost for it.
 */
static unsigned int tx_timeout = 20;

static int net_tx_set_timeout(const char *value, const struct kernel_param *param)
{
	return param_set_uint_minmax(value, param, 1, 600);
}

static const struct kernel_param_ops net_tx_timeout_ops = {
	.set = net_tx_set_timeout,
	.get = param_get_uint,
};

module_param_cb(tx_timeout, &net_tx_timeout_ops, &tx_timeout, 0644);
MODULE_PARM_DESC(tx_timeout,
		 "seconds in which a card must complete something of what was sent, 1 to 600, of an interface that is brought up from then on; nearly four times as long while it has room for more (default 20)");

/**
 * net_tx_seconds() - how long the stack's queue may be stopped
 *
 * Context: any. Return: seconds, 1 to 600.
 */
unsigned int net_tx_seconds(void)
{
	return READ_ONCE(tx_timeout);
}

static unsigned int net_tx_deaf_seconds(void)
{
	return net_tx_seconds() * 15 / 4;
}

/* Nothing comes back; the ring was broken for it. */
static void net_tx_stalled(struct net_tx *tx, unsigned int seconds)
{
	netdev_err(tx->nic->ndev, "%s: the device completes nothing for %u s, giving it up\n",
		   tx->q->name, seconds);
	airlock_queue_fault(tx->q);
}

/**
 * net_tx_watch() - kick for what does not come back, wake what no call woke
 * @tx: the queue; process context, once a second
 *
 * The stack's watchdog looks only at queues that are stopped, and a few frames that are never
 * completed stop none: connections would send again, less and less often, and hear nothing.
 * While anything comes back without being looked for here, there is nothing to be done.
 */
void net_tx_watch(struct net_tx *tx)
{
	struct net_tx_after after = {};
	bool waited, stuck = false;
	unsigned int deaf = 0;
	unsigned long flags;

	spin_lock_irqsave(&tx->q->lock, flags);
	if (tx->done != tx->seen) {
		tx->stalled = 0;
		goto out;
	}
	waited = tx->armed && net_tx_is_stopped(tx);
	if (net_tx_reclaim(tx) < 0)
		after.fault = true;
	else if (ring_drv_in_flight(&tx->q->ring) && tx->done == tx->seen)
		after.kick = true;
	/* The call was lost. As long as it counts as on order none comes when it is needed next. */
	after.work = waited && !net_tx_is_stopped(tx);
	if (after.work)
		net_tx_count(tx, NET_TX_LATE, 1);
	if (after.kick)
		net_tx_count(tx, NET_TX_LATE_KICKS, 1);
	tx->stalled = after.kick && netif_carrier_ok(tx->nic->ndev) ? tx->stalled + 1 : 0;
	deaf = net_tx_deaf_seconds();
	stuck = tx->stalled >= deaf;
	if (stuck) {
		net_tx_count(tx, NET_TX_TIMEOUTS, 1);
		ring_drv_break(&tx->q->ring, RING_STALLED);
	}
out:
	tx->seen = tx->done;
	spin_unlock_irqrestore(&tx->q->lock, flags);
	if (stuck) {
		net_tx_stalled(tx, deaf);
		return;
	}
	local_bh_disable();
	net_tx_follow_up(tx, after);
	local_bh_enable();
}

/**
 * net_tx_timeout() - the stack's queue is stopped for too long; ndo_tx_timeout
 * @ndev: the interface
 * @index: which queue
 */
void net_tx_timeout(struct net_device *ndev, unsigned int index)
{
	struct net_nic *nic = netdev_priv(ndev);
	struct net_tx *tx = &nic->pair[index].tx;
	unsigned long flags;
	bool stuck;
	int ret;

	if (index >= READ_ONCE(nic->pairs))
		return;
	spin_lock_irqsave(&tx->q->lock, flags);
	ret = net_tx_reclaim(tx);
	stuck = !ret && ring_drv_in_flight(&tx->q->ring);
	if (ret >= 0)
		net_tx_count(tx, stuck ? NET_TX_TIMEOUTS : NET_TX_LATE, 1);
	if (stuck)
		ring_drv_break(&tx->q->ring, RING_STALLED);
	spin_unlock_irqrestore(&tx->q->lock, flags);

	if (stuck)
		net_tx_stalled(tx, ndev->watchdog_timeo / HZ);
	else if (ret < 0)
		airlock_queue_fault(tx->q);
	else
		/* NAPI puts a new call on order in place of the one that was lost. */
		napi_schedule(&tx->napi);
}

/* ---- up, down, set-up ----------------------------------------------------------------- */

/**
 * net_tx_start() - let frames in
 * @tx: the queue, stopped
 *
 * What was in flight when the interface went down is reclaimed by the first poll.
 */
void net_tx_start(struct net_tx *tx)
{
	unsigned long flags;

	spin_lock_irqsave(&tx->q->lock, flags);
	tx->full = false;
	tx->armed = false;
	tx->stalled = 0;
	spin_unlock_irqrestore(&tx->q->lock, flags);

	napi_enable(&tx->napi);
	/* What was sent while the device was out of service waits in the stack's queue. */
	netif_tx_wake_queue(net_tx_stack_queue(tx));
	local_bh_disable();
	napi_schedule(&tx->napi);
	local_bh_enable();
}

/**
 * net_tx_stop() - let no more frames in
 * @tx: the queue, started; nothing sends any more
 *
 * The device keeps what it has and may go on with it.
 */
void net_tx_stop(struct net_tx *tx)
{
	unsigned long flags;

	napi_disable(&tx->napi);
	spin_lock_irqsave(&tx->q->lock, flags);
	tx->full = false;
	ring_drv_disarm(&tx->q->ring);
	spin_unlock_irqrestore(&tx->q->lock, flags);
}

/**
 * net_tx_retire() - a stopped queue is not one of the stack's any more
 * @tx: the queue, stopped; nothing sends any more
 *
 * What the device still has it keeps, but nobody waits for it: the stack's queue is neither
 * full nor over its limit, or the watchdog would bark at it.
 */
void net_tx_retire(struct net_tx *tx)
{
	struct netdev_queue *txq = net_tx_stack_queue(tx);
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&tx->q->lock, flags);
	/* What is told to byte queue limits later must not be more than they know of. */
	for (i = 0; i < tx->q->size; i++)
		tx->frame[i].bytes = 0;
	netdev_tx_reset_queue(txq);
	netif_tx_start_queue(txq);
	spin_unlock_irqrestore(&tx->q->lock, flags);
}

/**
 * net_tx_begin() - begin with an empty ring
 * @tx: the queue, stopped; its device is not ready
 *
 * After a restart what was in flight is lost; it was counted as sent.
 *
 * Return: 0 or -errno.
 */
int net_tx_begin(struct net_tx *tx)
{
	netdev_tx_reset_queue(net_tx_stack_queue(tx));
	return fifo_init(&tx->fifo, tx->span.cpu, tx->span.bus, tx->nic->plan.fifo_bytes,
			 tx->nic->tx_size, tx->fifo_priv);
}

/**
 * net_tx_open() - set a transmit queue up
 * @nic: the interface; the device not ready
 * @index: number of the pair
 *
 * Return: 0, or -errno; net_tx_close() is needed in either case.
 */
int net_tx_open(struct net_nic *nic, unsigned int index)
{
	struct net_tx *tx = &nic->pair[index].tx;
	struct airlock_queue *q;
	char name[16];
	int err;

	tx->nic = nic;
	u64_stats_init(&tx->sync);
	netif_napi_add_tx(nic->ndev, &tx->napi, net_tx_poll);
	tx->frame = fault_ptr(kcalloc(nic->plan.tx_size, sizeof(*tx->frame), GFP_KERNEL));
	tx->fifo_priv = fault_ptr(kzalloc(fifo_private_bytes(nic->plan.tx_size), GFP_KERNEL));
	if (!tx->frame || !tx->fifo_priv)
		return -ENOMEM;

	snprintf(name, sizeof(name), "tx%u.fifo", index);
	err = airlock_span_alloc(nic->adev, name, nic->plan.fifo_bytes, &tx->span);
	if (err)
		return err;

	snprintf(name, sizeof(name), "tx%u", index);
	q = airlock_queue_open(nic->adev, 2 * index + 1, nic->plan.tx_size, name, net_tx_call,
			       tx);
	if (IS_ERR(q))
		return PTR_ERR(q);
	tx->q = q;
	return net_tx_begin(tx);
}

/**
 * net_tx_close() - forget a transmit queue
 * @tx: the queue, whatever net_tx_open() said; the device is stopped
 */
void net_tx_close(struct net_tx *tx)
{
	airlock_queue_close(tx->q);
	tx->q = NULL;
	kfree(tx->fifo_priv);
	tx->fifo_priv = NULL;
	kfree(tx->frame);
	tx->frame = NULL;
}
