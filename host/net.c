// SPDX-License-Identifier: GPL-2.0
/*
 * A network card (virtio 1.2, 5.1).
 *
 * Theory
 * ------
 * Queues come in pairs: even ones receive, odd ones transmit; the control queue, the MAC
 * address and the link stay with the front-end. What a pair stands on is a port
 * (net_port.h): a queue of a tap with offloads, or a way of plain frames. A pair whose
 * receiving queue is not enabled has its port detached: a network that spreads what comes
 * over several queues must not send into one that nobody serves.
 *
 * Transmit: a chain's net header is copied and checked once (net_hdr_check()),
 * and the port sends the private header with the frame straight from guest
 * memory. What was refused is dropped and said. A port that takes no more has
 * the chain put back, and the queue waits until it does.
 *
 * Receive: a frame comes from the port into private memory and goes from there
 * into as many chains as it takes. When there are too few, it is held, with the
 * chains it has, and the queue waits for a kick: meanwhile the port keeps what
 * comes, and drops when it is full, as a real card's wire does. A queue that
 * stops gives such chains back; until a chain is pushed its contents mean nothing
 * to the driver. A frame that would need more chains than the ring can hold is
 * dropped instead: for it no kick would ever come.
 */
#include "net.h"

#include "net_port.h"
#include "queue.h"

#include <linux/if_ether.h>
#include <poll.h>
#include <stdlib.h>

#define NET_BYTES	(1u << 20)	/* of a chain */
#define NET_MERGE_MAX	256u		/* chains that a frame may take */
#define NET_MTU_MIN	68u		/* of IPv4 (RFC 791) */
#define NET_HEADERS	18u		/* of Ethernet, with a VLAN's tag: not in an MTU */

/**
 * struct net - a network card
 * @dev: what it has in common with other devices
 * @mtu: frames that are longer are dropped; 0: none is too long; the control thread
 *	changes it, atomically
 * @port: what each pair of queues stands on
 */
struct net {
	struct device dev;
	u32 mtu;
	struct net_port *port[OPTIONS_PAIRS_MAX];
};

/**
 * struct net_rx - the receiving queue
 * @ready: wait until the port has a frame
 * @retry: wait until the port is to be asked again
 * @delay: how long
 * @frame: the frame that is held
 * @held: there is one
 * @attached: the port takes part in its network
 * @merge: several chains for a frame were negotiated
 * @chains: number of chains that it has
 * @at: bytes of it that are in them
 * @used: the chains
 * @bytes: how much of it went into each
 * @first: segments of the first of them
 * @seg: segments of the latest
 */
struct net_rx {
	struct queue_op ready;
	struct queue_op retry;
	struct __kernel_timespec delay;
	struct net_frame frame;
	bool held;
	bool attached;
	bool merge;
	unsigned int chains;
	u32 at;
	struct ring_chain used[NET_MERGE_MAX];
	u32 bytes[NET_MERGE_MAX];
	struct ring_iov first[NET_PORT_SEGS];
	struct ring_iov seg[NET_PORT_SEGS];
};

/**
 * struct net_tx - the transmitting queue
 * @ready: wait until the port takes frames
 * @retry: wait until the port is to be asked again
 * @delay: how long
 * @offloads: that the driver may ask for
 * @seg: segments of the chain that is served
 */
struct net_tx {
	struct queue_op ready;
	struct queue_op retry;
	struct __kernel_timespec delay;
	u32 offloads;
	struct ring_iov seg[NET_PORT_SEGS];
};

static struct net *net_of(const struct queue *q)
{
	return container_of(q->dev, struct net, dev);
}

static struct net_port *net_port_of(const struct queue *q)
{
	return net_of(q)->port[q->index / 2];
}

static bool net_receives(const struct queue *q)
{
	return !(q->index & 1);
}

unsigned int net_port_gather(const struct ring_chain *c, struct iovec *iov)
{
	u32 skip = NET_HDR_BYTES;
	unsigned int i, n = 0;

	for (i = 0; i < c->out; i++) {
		if (skip >= c->iov[i].len) {
			skip -= c->iov[i].len;
			continue;
		}
		iov[n].iov_base = shared_unmark(shared_at(c->iov[i].base, skip));
		iov[n].iov_len = c->iov[i].len - skip;
		skip = 0;
		n++;
	}
	return n;
}

static void net_on_ready(struct queue *q, struct queue_op *op, int res)
{
	(void)op;
	if (res != -ECANCELED)
		queue_again(q);
}

/* Have the queue served again when the port is ready for @events. */
static enum device_served net_wait_port(struct queue *q, struct queue_op *op, short events)
{
	struct io_uring_sqe *sqe;

	if (op->pending)
		return DEVICE_BLOCKED;
	sqe = queue_sqe(q, op);
	if (!sqe)
		return DEVICE_BLOCKED;
	io_uring_prep_poll_add(sqe, net_port_of(q)->fd, (unsigned int)events);
	queue_submit(sqe, op);
	return DEVICE_BLOCKED;
}

/* Have the queue served again when the port is to be asked again. */
static enum device_served net_wait_retry(struct queue *q, struct queue_op *op,
					 struct __kernel_timespec *delay)
{
	u32 ms = net_port_of(q)->retry_ms;
	struct io_uring_sqe *sqe;

	if (op->pending)
		return DEVICE_BLOCKED;
	sqe = queue_sqe(q, op);
	if (!sqe)
		return DEVICE_BLOCKED;
	delay->tv_sec = ms / 1000;
	delay->tv_nsec = (long long)(ms % 1000) * 1000000;
	io_uring_prep_timeout(sqe, delay, 0, 0);
	queue_submit(sqe, op);
	return DEVICE_BLOCKED;
}

/* ---- receive ---------------------------------------------------------------- */

/* Let go of the frame and give back what it took, latest first. */
static void net_rx_undo(struct queue *q, struct net_rx *rx)
{
	while (rx->chains)
		ring_dev_unpop(&q->ring, &rx->used[--rx->chains]);
	rx->at = 0;
	rx->held = false;
}

/* Take one more chain and fill it. Return: 1, 0 when there is none, -EIO. */
static int net_rx_chain(struct queue *q, struct net_rx *rx)
{
	unsigned int i = rx->chains;
	struct ring_chain *c = &rx->used[i];
	u32 skip = i ? 0 : NET_HDR_BYTES;
	int r;

	c->iov = i ? rx->seg : rx->first;
	r = ring_dev_pop(&q->ring, c);
	if (r <= 0)
		return r;
	if (c->in_len <= skip) {
		/* Not even the header fits: the driver does not know its device. */
		ring_dev_break(&q->ring, RING_CALLER);
		return -EIO;
	}
	rx->bytes[i] = (u32)dirty_iov_write(&q->dirty, c->iov + c->out, c->in, skip,
					    rx->frame.data + rx->at, rx->frame.len - rx->at);
	rx->at += rx->bytes[i];
	rx->chains++;
	return 1;
}

/* The frame is in its chains: hand them over. */
static void net_rx_push(struct queue *q, struct net_rx *rx)
{
	const struct ring_chain *c = &rx->used[0];
	unsigned int i;

	rx->frame.hdr.num_buffers = (__force __virtio16)cpu_to_le16((u16)rx->chains);
	dirty_iov_write(&q->dirty, c->iov + c->out, c->in, 0, &rx->frame.hdr, NET_HDR_BYTES);
	rx->bytes[0] += NET_HDR_BYTES;
	for (i = 0; i < rx->chains; i++)
		ring_dev_push(&q->ring, &rx->used[i], rx->bytes[i]);
	rx->chains = 0;
	rx->at = 0;
	rx->held = false;
}

/* Could another chain like those that are held be in the ring at all? */
static bool net_rx_room(const struct queue *q, const struct net_rx *rx)
{
	u32 held = 0, least = 1;
	unsigned int i;

	for (i = 0; i < rx->chains; i++) {
		held += rx->used[i].count;
		if (!i || rx->used[i].count < least)
			least = rx->used[i].count;
	}
	return held + least <= q->num;
}

static void net_rx_drop(struct queue *q, struct net_rx *rx)
{
	log_peer(&q->dev->limit, LOG_WARN, q->dev->id,
		 "queue %u: frame of %u bytes dropped: the driver's buffers are too small",
		 q->index, rx->frame.len);
	net_rx_undo(q, rx);
}

/*
 * Put the held frame into the ring.
 * Return: 0 when it is no longer held, -ENOSPC when chains are missing, -EIO.
 */
static int net_rx_deliver(struct queue *q, struct net_rx *rx)
{
	unsigned int max = rx->merge ? NET_MERGE_MAX : 1;
	int r;

	while (rx->at < rx->frame.len) {
		if (rx->chains == max) {
			net_rx_drop(q, rx);
			return 0;
		}
		r = net_rx_chain(q, rx);
		if (!r && !net_rx_room(q, rx)) {
			net_rx_drop(q, rx);
			return 0;
		}
		if (r <= 0)
			return r ? r : -ENOSPC;
	}
	net_rx_push(q, rx);
	return 0;
}

/* Take part in the network or not. */
static void net_rx_attach(const struct queue *q, struct net_rx *rx, bool on)
{
	struct net_port *port = net_port_of(q);

	if (rx->attached == on)
		return;
	if (port->ops->attach)
		port->ops->attach(port, on);
	rx->attached = on;
}

/* Is the frame too long for what the front-end said the network carries? */
static bool net_rx_over_mtu(const struct queue *q, const struct net_frame *f)
{
	u32 mtu = __atomic_load_n(&net_of(q)->mtu, __ATOMIC_RELAXED);

	/* One that is to be segmented is cut up by whoever forwards it. */
	if (!mtu || f->hdr.gso_type || f->len <= mtu + NET_HEADERS)
		return false;
	log_peer(&q->dev->limit, LOG_WARN, q->dev->id,
		 "queue %u: frame dropped: %u bytes are more than the MTU of %u allows: give the network the same",
		 q->index, f->len, mtu);
	return true;
}

static enum device_served net_rx_serve(struct queue *q, struct net_rx *rx)
{
	struct net_port *port = net_port_of(q);
	unsigned int i;
	int r;

	net_rx_attach(q, rx, queue_enabled(q));
	if (!rx->attached)
		return DEVICE_BLOCKED;
	for (i = 0; i < DEVICE_BUDGET; i++) {
		if (!rx->held) {
			r = port->ops->receive(port, &rx->frame);
			if (!r)
				return net_wait_port(q, &rx->ready, POLLIN);
			if (r < 0)
				return net_wait_retry(q, &rx->retry, &rx->delay);
			if (net_rx_over_mtu(q, &rx->frame))
				continue;
			rx->held = true;
		}
		r = net_rx_deliver(q, rx);
		if (r)
			return r == -ENOSPC ? DEVICE_DRY : DEVICE_BLOCKED;
	}
	return DEVICE_MORE;
}

/* ---- transmit --------------------------------------------------------------- */

/*
 * Send one chain.
 * Return: 0 when done with it, 1 when the port must finish it first, -EAGAIN when
 * the port is full.
 */
static int net_tx_chain(struct queue *q, struct net_tx *tx, const struct ring_chain *c)
{
	struct net_port *port = net_port_of(q);
	enum net_hdr_fault fault = NET_HDR_FRAME;
	struct virtio_net_hdr_v1 raw;
	struct net_hdr hdr;

	/* Started but disabled: frames are discarded, says vhost-user. */
	if (!queue_enabled(q))
		return 0;
	if (c->out_len > NET_HDR_BYTES &&
	    ring_iov_read(c->iov, c->out, 0, &raw, sizeof(raw)) == sizeof(raw))
		fault = net_hdr_check(&raw, c->out_len - (u32)NET_HDR_BYTES, tx->offloads, &hdr);
	if (fault != NET_HDR_OK) {
		log_peer(&q->dev->limit, LOG_WARN, q->dev->id, "queue %u: frame dropped: %s",
			 q->index, net_hdr_fault_name(fault));
		return 0;
	}
	net_hdr_write(&hdr, &raw);
	return port->ops->send(port, &raw, c);
}

/* The port takes no more. */
static enum device_served net_tx_wait(struct queue *q, struct net_tx *tx)
{
	return net_port_of(q)->clocked ? net_wait_retry(q, &tx->retry, &tx->delay) :
					 net_wait_port(q, &tx->ready, POLLOUT);
}

static bool net_tx_finished(struct net_port *port)
{
	return !port->ops->finish || !port->ops->finish(port);
}

static enum device_served net_tx_serve(struct queue *q, struct net_tx *tx)
{
	struct ring_chain c = { .iov = tx->seg };
	struct net_port *port = net_port_of(q);
	bool dry = false;
	unsigned int i;
	int r;

	if (tx->ready.pending || tx->retry.pending)
		return DEVICE_BLOCKED;
	if (!net_tx_finished(port))
		return net_tx_wait(q, tx);
	for (i = 0; i < DEVICE_BUDGET; i++) {
		dry = ring_dev_pop(&q->ring, &c) <= 0;
		if (dry)
			break;
		r = net_tx_chain(q, tx, &c);
		if (r == -EAGAIN)
			ring_dev_unpop(&q->ring, &c);
		else
			ring_dev_push(&q->ring, &c, 0);
		if (r)
			return net_tx_wait(q, tx);
	}
	if (!net_tx_finished(port))
		return net_tx_wait(q, tx);
	return dry ? DEVICE_DRY : DEVICE_MORE;
}

/* ---- what the queue asks for -------------------------------------------------- */

static enum device_served net_serve(struct queue *q)
{
	return net_receives(q) ? net_rx_serve(q, q->priv) : net_tx_serve(q, q->priv);
}

static void net_stop(struct queue *q)
{
	struct net_rx *rx = q->priv;
	struct net_tx *tx = q->priv;

	if (!net_receives(q)) {
		queue_cancel(q, &tx->ready);
		queue_cancel(q, &tx->retry);
		return;
	}
	queue_cancel(q, &rx->ready);
	queue_cancel(q, &rx->retry);
}

static void *net_start_rx(const struct queue *q)
{
	struct net_rx *rx = malloc(sizeof(*rx));

	if (!rx)
		return NULL;
	rx->ready = (struct queue_op) { .done = net_on_ready };
	rx->retry = (struct queue_op) { .done = net_on_ready };
	rx->held = false;
	rx->attached = false;
	rx->chains = 0;
	rx->at = 0;
	rx->merge = q->features & BIT_ULL(VIRTIO_NET_F_MRG_RXBUF);
	return rx;
}

static void *net_start_tx(const struct queue *q)
{
	struct net_tx *tx = malloc(sizeof(*tx));

	if (!tx)
		return NULL;
	tx->ready = (struct queue_op) { .done = net_on_ready };
	tx->retry = (struct queue_op) { .done = net_on_ready };
	tx->offloads = net_hdr_offloads_device(q->features);
	return tx;
}

static int net_start(struct queue *q)
{
	struct net_port *port = net_port_of(q);
	/* It is about frames that come from there, and not to be said while they do. */
	int r = net_receives(q) ? port->ops->negotiated(port, q->features) : 0;

	if (r)
		return r;
	q->priv = net_receives(q) ? net_start_rx(q) : net_start_tx(q);
	return q->priv ? 0 : -ENOMEM;
}

static void net_finish(struct queue *q)
{
	if (net_receives(q)) {
		net_rx_undo(q, q->priv);
		net_rx_attach(q, q->priv, false);
	}
	free(q->priv);
	q->priv = NULL;
}

/* docs/interop/vhost-user.rst, VHOST_USER_NET_SET_MTU */
static int net_set_mtu(struct device *dev, u64 mtu)
{
	struct net *net = container_of(dev, struct net, dev);

	if (mtu < NET_MTU_MIN || mtu > UINT16_MAX) {
		log_peer(&dev->limit, LOG_WARN, dev->id, "refused: an MTU is from %u to %u, not %llu",
			 NET_MTU_MIN, UINT16_MAX, (unsigned long long)mtu);
		return -EINVAL;
	}
	__atomic_store_n(&net->mtu, (u32)mtu, __ATOMIC_RELAXED);
	return 0;
}

/* A front-end has begun: it has not said anything of an MTU yet. */
static void net_recall(struct device *dev, u8 note)
{
	(void)note;
	__atomic_store_n(&container_of(dev, struct net, dev)->mtu, 0, __ATOMIC_RELAXED);
}

/*
 * A reverse ARP request from the guest to all, by which switches learn where it is now (RFC 903;
 * docs/interop/vhost-user.rst, VHOST_USER_SEND_RARP).
 */
static void net_announce(struct device *dev, const u8 *mac)
{
	static const u8 rarp[] = { 0x80, 0x35, 0, 1, 8, 0, ETH_ALEN, 4, 0, 3 };
	struct net *net = container_of(dev, struct net, dev);
	u8 frame[NET_ANNOUNCE_BYTES] = { 0 };

	memset(frame, 0xff, ETH_ALEN);
	memcpy(frame + ETH_ALEN, mac, ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, rarp, sizeof(rarp));
	/* Sender and target, each with an IP address that is not known. */
	memcpy(frame + 22, mac, ETH_ALEN);
	memcpy(frame + 32, mac, ETH_ALEN);
	net->port[0]->ops->announce(net->port[0], frame);
}

static void net_close(struct device *dev)
{
	struct net *net = container_of(dev, struct net, dev);
	u16 i;

	for (i = 0; i < dev->queue_num; i++)
		net->port[i]->ops->close(net->port[i]);
	free(net);
}

static const struct ring_dev_limits net_limits = { .segs = NET_PORT_SEGS, .bytes = NET_BYTES };

static const struct device_ops net_ops = {
	.limits = &net_limits,
	.set_mtu = net_set_mtu,
	.recall = net_recall,
	.announce = net_announce,
	.start = net_start,
	.serve = net_serve,
	.stop = net_stop,
	.finish = net_finish,
	.close = net_close,
};

/* One more pair. Says in one line what is wrong when there is something. */
static bool net_open_port(struct net *net, const struct options_device *spec)
{
	struct net_port *port;

	port = spec->tap ? net_tap_open(spec, net->dev.queue_num, net->port[0]) :
	       spec->xdp ? net_xdp_open(spec, net->dev.queue_num, net->port[0]) :
	       spec->pair ? net_pair_open(spec) : net_stream_open(spec);
	if (!port)
		return false;
	port->id = net->dev.id;
	port->limit = &net->dev.limit;
	net->port[net->dev.queue_num++] = port;
	return true;
}

struct device *net_open(const struct options_device *spec)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	device_init(&net->dev, &net_ops, spec->id);
	while (net->dev.queue_num < spec->queues) {
		if (!net_open_port(net, spec)) {
			net_close(&net->dev);
			return NULL;
		}
	}
	net->dev.queues = 2 * spec->queues;
	net->dev.announces = net->port[0]->ops->announce;
	net->dev.migrates = true;
	net->dev.features = net->port[0]->features | BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) |
			    BIT_ULL(VIRTIO_NET_F_MTU);
	if (spec->queues > 1)
		net->dev.features |= BIT_ULL(VIRTIO_NET_F_MQ);
	return &net->dev;
}
