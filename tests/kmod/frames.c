// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that lie in the midst of the secret, sent out of any network device.
 *
 * Theory
 * ------
 * The number of a frame decides all about it: linear, or with 1 to MAX_SKB_FRAGS
 * fragments; its size, where the smallest, the largest and all between come up. Head
 * and tail of its buffer, and its pages around the fragments, which begin at odd
 * offsets, are full of the token.
 *
 * Frames are of an Ethernet type for experiments, and tell their number, bytes and
 * fragments. When the device segments TCP, half of them are TCP instead: IPv4 from
 * 192.0.2.2 to the discard port of 192.0.2.1, checksum left to the device, and from more
 * than one segment on the cutting, too. Their bytes go on from one to the next as a
 * stream's do, so that it does not matter where who cuts it.
 *
 * In flight. Of IN_FLIGHT_MAX frames at most that are on their way each tells when it is
 * freed; sending ends when all are. If it gave up waiting, unloading waits instead:
 * frames that are still to be freed need this code.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/ip.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "sentinel.h"

#define IN_FLIGHT_MAX	64
#define WAIT		(20 * HZ)

#define HEADROOM_MIN	128
#define TAILROOM_MIN	128

/* A linear frame beyond this would want memory that is seldom there in one piece. */
#define LINEAR_MAX	16384u

#define TEST_PROTOCOL	0x88b5		/* IEEE 802, for local experiments */
#define TEST_SOURCE	0xc0000202	/* 192.0.2.2 */
#define TEST_DEST	0xc0000201	/* 192.0.2.1 */
#define TEST_DISCARD	9

/**
 * struct frames - what was sent
 * @lock: one sender at a time; for all that follows but @in_flight
 * @number: of the next frame
 * @stream: position of the next byte of the stream
 * @sent: frames that the device's queue took, and may drop later for reasons of its own
 * @dropped: frames that it did not take
 * @ether: those sent that were not TCP
 * @tcp: those sent that were
 * @gso: those of @tcp that the device had to cut
 * @in_flight: frames not yet freed
 * @freed: woken when one is
 */
static struct frames {
	struct mutex lock;
	u32 number;
	u64 stream;
	u64 sent, dropped, ether, tcp, gso;
	atomic_t in_flight;
	wait_queue_head_t freed;
} frames = {
	.lock = __MUTEX_INITIALIZER(frames.lock),
	.freed = __WAIT_QUEUE_HEAD_INITIALIZER(frames.freed),
};

/**
 * struct frame_shape - what a frame is to look like
 * @number: of the frame
 * @at: position in the sequence of its first byte after the headers
 * @bytes: of the sequence
 * @linear: those of them that are in the linear part
 * @frags: fragments that the others are in
 * @mss: what the device is to cut it to; 0: it is not to
 * @tcp: it is TCP
 */
struct frame_shape {
	u32 number;
	u64 at;
	u32 bytes, linear;
	unsigned int frags;
	u32 mss;
	bool tcp;
};

/* What follows the Ethernet header of a frame that is not TCP. */
struct frame_tag {
	__be32 number;
	__be16 bytes;
	__be16 frags;
} __packed;

/* The headers of one that is. */
struct frame_tcp {
	struct iphdr ip;
	struct tcphdr tcp;
} __packed;

/* ---- plan ----------------------------------------------------------------- */

/* The stack leaves a frame to the device to cut when it is shorter than gso_max_size. */
static u32 frames_bytes_max(const struct net_device *dev, const struct frame_shape *shape)
{
	u32 max;

	if (!shape->tcp)
		return dev->mtu - sizeof(struct frame_tag);
	max = min_t(u32, dev->gso_max_size, SZ_64K) - 1 - ETH_HLEN - sizeof(struct frame_tcp);
	return shape->frags ? max : min(max, LINEAR_MAX);
}

static struct frame_shape frames_plan(const struct net_device *dev)
{
	const u32 min = ETH_ZLEN - ETH_HLEN - sizeof(struct frame_tag);
	const u32 kinds = (MAX_SKB_FRAGS + 1) * (dev->features & NETIF_F_TSO ? 2 : 1);
	const u32 round = frames.number / kinds, kind = frames.number % kinds;
	struct frame_shape shape = {
		.number = frames.number,
		.frags = kind % (MAX_SKB_FRAGS + 1),
		.tcp = kind > MAX_SKB_FRAGS,
	};
	const u32 max = frames_bytes_max(dev, &shape);

	shape.at = shape.tcp ? frames.stream : pattern_of(shape.number);
	switch (round % 8) {
	case 0:
		shape.bytes = min;
		break;
	case 1:
		shape.bytes = max;
		break;
	default:
		shape.bytes = min + (round * 977 + kind * 131) % (max - min + 1);
	}
	/* Even of the fewest bytes one is left for each fragment. */
	shape.linear = shape.frags ? round % 3 * 7 : shape.bytes;
	if (shape.tcp && shape.bytes > dev->mtu - sizeof(struct frame_tcp))
		shape.mss = dev->mtu - sizeof(struct frame_tcp);
	return shape;
}

/* ---- make ----------------------------------------------------------------- */

static void frames_put_tag(struct sk_buff *skb, const struct frame_shape *shape)
{
	const struct frame_tag tag = {
		.number = cpu_to_be32(shape->number),
		.bytes = cpu_to_be16(shape->bytes),
		.frags = cpu_to_be16(shape->frags),
	};

	skb_put_data(skb, &tag, sizeof(tag));
}

static void frames_put_tcp(struct sk_buff *skb, const struct frame_shape *shape)
{
	const u32 tcp_bytes = sizeof(struct tcphdr) + shape->bytes;
	struct frame_tcp hdr = {
		.ip = {
			.version = 4,
			.ihl = sizeof(hdr.ip) / 4,
			.tot_len = cpu_to_be16(sizeof(hdr.ip) + tcp_bytes),
			.id = cpu_to_be16(shape->number),
			.frag_off = cpu_to_be16(IP_DF),
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.saddr = cpu_to_be32(TEST_SOURCE),
			.daddr = cpu_to_be32(TEST_DEST),
		},
		.tcp = {
			.source = cpu_to_be16(TEST_PROTOCOL),
			.dest = cpu_to_be16(TEST_DISCARD),
			.seq = cpu_to_be32(shape->at),
			.ack_seq = cpu_to_be32(1),
			.doff = sizeof(hdr.tcp) / 4,
			.ack = 1,
			.window = cpu_to_be16(1024),
		},
	};

	hdr.ip.check = ip_fast_csum(&hdr.ip, hdr.ip.ihl);
	hdr.tcp.check = ~csum_tcpudp_magic(hdr.ip.saddr, hdr.ip.daddr, tcp_bytes,
					   IPPROTO_TCP, 0);
	skb_put_data(skb, &hdr, sizeof(hdr));

	skb_set_transport_header(skb, ETH_HLEN + sizeof(hdr.ip));
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	if (shape->mss) {
		skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
		skb_shinfo(skb)->gso_size = shape->mss;
		skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(shape->bytes, shape->mss);
	}
}

/* One more fragment, at an odd offset that @salt chooses. Return: 0 or -ENOMEM. */
static int frames_put_fragment(struct sk_buff *skb, u64 at, u32 bytes, u32 salt)
{
	const unsigned int order = get_order(bytes + 2);
	const u32 room = PAGE_SIZE << order;
	const u32 offset = 1 + 2 * (salt % ((room - bytes) / 2));
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, order);

	if (!page)
		return -ENOMEM;
	secret_fill(page_address(page), room);
	memcpy(page_address(page) + offset, pattern_at(at), bytes);
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, offset, bytes, room);
	return 0;
}

static int frames_put_fragments(struct sk_buff *skb, const struct frame_shape *shape)
{
	u32 done = shape->linear, bytes;
	unsigned int i;

	for (i = 0; i < shape->frags; i++) {
		bytes = (shape->bytes - done) / (shape->frags - i);
		if (frames_put_fragment(skb, shape->at + done, bytes,
					shape->number * 37 + i * 101))
			return -ENOMEM;
		done += bytes;
	}
	return 0;
}

/* A frame has been freed; any context, without preemption. */
static void frames_freed(struct sk_buff *skb)
{
	atomic_dec(&frames.in_flight);
	wake_up(&frames.freed);
}

static struct sk_buff *frames_make(struct net_device *dev, const u8 *mac,
				   const struct frame_shape *shape)
{
	const u32 before = LL_RESERVED_SPACE(dev) + HEADROOM_MIN + shape->number % 64;
	const u32 after = TAILROOM_MIN + shape->number % 61;
	const u32 hdrs = ETH_HLEN + (shape->tcp ? sizeof(struct frame_tcp) :
						  sizeof(struct frame_tag));
	const u16 protocol = shape->tcp ? ETH_P_IP : TEST_PROTOCOL;
	struct sk_buff *skb = alloc_skb(before + hdrs + shape->linear + after, GFP_KERNEL);
	struct ethhdr *eth;

	if (!skb)
		return NULL;
	secret_fill(skb->head, skb_end_pointer(skb) - skb->head);
	skb_reserve(skb, before);

	skb->dev = dev;
	skb->protocol = cpu_to_be16(protocol);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	eth = skb_put(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, mac);
	ether_addr_copy(eth->h_source, dev->dev_addr);
	eth->h_proto = cpu_to_be16(protocol);
	if (shape->tcp)
		frames_put_tcp(skb, shape);
	else
		frames_put_tag(skb, shape);
	skb_put_data(skb, pattern_at(shape->at), shape->linear);
	if (frames_put_fragments(skb, shape)) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

/* ---- send ----------------------------------------------------------------- */

/* Until @max are in flight at most. Return: 0, -ETIMEDOUT, or -EINTR. */
static int frames_wait(int max)
{
	const long left = wait_event_interruptible_timeout(frames.freed,
			atomic_read(&frames.in_flight) <= max, WAIT);

	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

/* Return: 0, also when the frame was dropped, which is counted; or -errno. */
static int frames_send_one(struct net_device *dev, const u8 *mac)
{
	const struct frame_shape shape = frames_plan(dev);
	struct sk_buff *skb;

	if (!netif_running(dev) || !netif_carrier_ok(dev))
		return -ENETDOWN;
	/* A position in the stream has 32 bits in the frame: it must not begin anew. */
	if (frames.stream > U32_MAX - SZ_64K)
		return -EOVERFLOW;
	skb = frames_make(dev, mac, &shape);
	if (!skb)
		return -ENOMEM;
	atomic_inc(&frames.in_flight);
	skb->destructor = frames_freed;
	if (dev_queue_xmit(skb) != NET_XMIT_SUCCESS) {
		frames.dropped++;
		return 0;
	}
	frames.number++;
	frames.sent++;
	if (shape.tcp) {
		frames.tcp++;
		frames.stream += shape.bytes;
		frames.gso += !!shape.mss;
	} else {
		frames.ether++;
	}
	return 0;
}

static int frames_send_all(struct net_device *dev, const u8 *mac, u32 count)
{
	const u64 dropped = frames.dropped;
	int err;

	while (count--) {
		err = frames_wait(IN_FLIGHT_MAX - 1);
		if (err)
			return err;
		err = frames_send_one(dev, mac);
		if (err)
			return err;
		cond_resched();
	}
	err = frames_wait(0);
	if (err)
		return err;
	return frames.dropped == dropped ? 0 : -EIO;
}

/*
 * Send @count frames to @mac. Return when all are freed: 0, -EIO when any was dropped,
 * -EINVAL for a device that is not Ethernet, or another -errno.
 */
int frames_send(struct net_device *dev, const u8 *mac, u32 count)
{
	int err;

	if (dev->type != ARPHRD_ETHER || dev->mtu < ETH_MIN_MTU)
		return -EINVAL;
	mutex_lock(&frames.lock);
	err = frames_send_all(dev, mac, count);
	mutex_unlock(&frames.lock);
	return err;
}

/* No frame needs this code any more afterwards. */
void frames_end(void)
{
	wait_event(frames.freed, !atomic_read(&frames.in_flight));
	/* The last one is counted, but frames_freed() may not have returned. */
	synchronize_rcu();
}

void frames_status(struct seq_file *seq)
{
	mutex_lock(&frames.lock);
	seq_printf(seq, "sent: %llu\ndropped: %llu\nether: %llu\n",
		   frames.sent, frames.dropped, frames.ether);
	seq_printf(seq, "tcp: %llu\ntcp_bytes: %llu\ngso: %llu\n",
		   frames.tcp, frames.stream, frames.gso);
	mutex_unlock(&frames.lock);
}
