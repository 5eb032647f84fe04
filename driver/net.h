/* SPDX-License-Identifier: GPL-2.0 */
/*
 * airlock_net.ko, private: a virtio NIC whose frames go through bounce memory.
 * net.c is the device and the interface, net_plan.c what it agrees on and shares, net_rx.c and
 * net_tx.c the two ways of a frame, net_coalesce.c when they are
 * looked for, net_xdp.c programs that look at them, net_ctrl.c commands, net_ethtool.c what
 * ethtool shows and sets.
 */
#ifndef DRIVER_NET_H
#define DRIVER_NET_H

#include <linux/dim.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>
#include <linux/if_vlan.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/u64_stats_sync.h>
#include <linux/virtio_net.h>
#include <linux/workqueue.h>
#include <net/xdp.h>

#include "../ring/fifo.h"
#include "../ring/net_hdr.h"
#include "../ring/slots.h"
#include "airlock.h"

#define NET_F(name)	BIT_ULL(VIRTIO_NET_F_##name)
#define NET_F_RX_TSO	(NET_F(GUEST_TSO4) | NET_F(GUEST_TSO6))
#define NET_F_RX_USO	(NET_F(GUEST_USO4) | NET_F(GUEST_USO6))

/* Receive slots: the fewest and shortest. */
#define NET_SLOT_BYTES_MIN	2048u
#define NET_SLOTS_MIN		64u

/* The control queue's memory, and the most descriptors of a command. */
#define NET_CTRL_SPAN		4096u
#define NET_CTRL_DESCS		3u

/* Receive-side scaling: entries of the table, bytes of the key, what is hashed. */
#define NET_RSS_TABLE		128u
#define NET_RSS_KEY		40u
#define NET_RSS_TYPES		(VIRTIO_NET_RSS_HASH_TYPE_IPv4 |	\
				 VIRTIO_NET_RSS_HASH_TYPE_TCPv4 |	\
				 VIRTIO_NET_RSS_HASH_TYPE_UDPv4 |	\
				 VIRTIO_NET_RSS_HASH_TYPE_IPv6 |	\
				 VIRTIO_NET_RSS_HASH_TYPE_TCPv6 |	\
				 VIRTIO_NET_RSS_HASH_TYPE_UDPv6)

/* Bytes of a frame besides its MTU: Ethernet header and one VLAN tag. */
#define NET_FRAME_EXTRA		(ETH_HLEN + VLAN_HLEN)

/* Most buffers that a received frame can fill. */
#define NET_RX_PARTS_MAX	DIV_ROUND_UP(NET_FRAME_MAX + NET_HDR_BYTES, NET_SLOT_BYTES_MIN)

/* Completions that are taken out of the receive ring, and put back, at a time. */
#define NET_RX_BATCH		32u

/**
 * enum net_loss - why a received frame was dropped; goes on after net_hdr_fault
 * @NET_LOSS_SHORT: its first buffer does not hold a header
 * @NET_LOSS_MISSING: it says it has more buffers than came
 * @NET_LOSS_EMPTY: a later buffer of it is empty
 * @NET_LOSS_MTU: it is longer than the MTU allows and is not to be segmented
 * @NET_LOSS_OFFLOAD: its offsets do not fit its headers, says the network stack
 * @NET_LOSS_MEMORY: no memory for it
 * @NET_LOSS_XDP: it is joined or too long, and there is an XDP program
 * @NET_LOSSES: number of reasons
 */
enum net_loss {
	NET_LOSS_SHORT = NET_HDR_FAULTS,
	NET_LOSS_MISSING,
	NET_LOSS_EMPTY,
	NET_LOSS_MTU,
	NET_LOSS_OFFLOAD,
	NET_LOSS_MEMORY,
	NET_LOSS_XDP,
	NET_LOSSES,
};

/* Counters of a receive queue; from NET_RX_LOSS on one for each net_loss. */
enum net_rx_stat {
	NET_RX_PACKETS,
	NET_RX_BYTES,
	NET_RX_KICKS,
	NET_RX_LATE,		/* times frames were found without a call */
	NET_RX_XDP_DROPS,
	NET_RX_XDP_TX,
	NET_RX_XDP_REDIRECTS,
	NET_RX_XDP_ERRORS,	/* what the program wanted could not be done */
	NET_RX_LOSS,
	NET_RX_STATS = NET_RX_LOSS + NET_LOSSES,
};

/* Counters of a transmit queue. */
enum net_tx_stat {
	NET_TX_PACKETS,
	NET_TX_BYTES,
	NET_TX_KICKS,
	NET_TX_STOPS,		/* times the queue had to wait for room */
	NET_TX_DROPS,
	NET_TX_LATE,		/* times completions were found without a call */
	NET_TX_LATE_KICKS,	/* kicks that the device had not asked for */
	NET_TX_TIMEOUTS,
	NET_TX_STATS,
};

/**
 * struct net_rx_part - a buffer of the frame that is being received
 * @id: its slot
 * @off: where the frame's bytes start in the slot
 * @len: how many there are
 */
struct net_rx_part {
	u16 id;
	u16 off;
	u32 len;
};

/**
 * struct net_coalesce - when a receive queue is looked at again; net_coalesce.c
 * @timer: when it is time
 * @dim: what chooses when the interface is adaptive
 * @usecs: how long after a look that found frames; 0: at the device's next call
 * @adapted: likewise, when @dim chooses
 * @looks: looks
 * @seen: @looks at the last watch
 * @waited: something was in the ring at the last watch
 * @kicked: nothing came since it was kicked by the watch
 * @late: the watch found what no call told of
 */
struct net_coalesce {
	struct hrtimer timer;
	struct dim dim;
	u32 usecs;
	u32 adapted;
	u16 looks;
	u16 seen;
	bool waited;
	bool kicked;
	bool late;
};

/**
 * struct net_rx - a receive queue; after net_rx_open() only its NAPI touches it
 * @nic: the interface
 * @q: the virtqueue
 * @napi: polls it
 * @slots: slot i is descriptor i's buffer for ever
 * @pool: pages for frames that do not fit the linear part of an skb
 * @done: completions taken out of the ring
 * @next: first of @done not looked at
 * @got: end of @done
 * @part: buffers of the current frame
 * @parts: entries of @part
 * @bytes: of the current frame, without the header
 * @coalesce: when it is looked at again
 * @xdp: what XDP programs know of the queue
 * @redirected: XDP frames wait for xdp_do_flush()
 * @sent: XDP frames wait for net_tx_flush()
 * @back: slots to give back to the device, when the current frame is copied
 * @backs: entries of @back
 * @sync: for readers of @stat
 * @stat: counters
 */
struct net_rx {
	struct net_nic *nic;
	struct airlock_queue *q;
	struct napi_struct napi;
	struct slots slots;
	struct page_pool *pool;
	struct ring_done done[NET_RX_BATCH];
	unsigned int next;
	unsigned int got;
	struct net_rx_part part[NET_RX_PARTS_MAX];
	unsigned int parts;
	u32 bytes;
	struct net_coalesce coalesce;
	struct xdp_rxq_info xdp;
	bool redirected;
	bool sent;
	u16 *back;
	unsigned int backs;
	struct u64_stats_sync sync;
	u64_stats_t stat[NET_RX_STATS];
};

/**
 * struct net_tx_frame - a frame that the device has, by its first descriptor
 * @token: its memory
 * @bytes: what byte queue limits were told
 */
struct net_tx_frame {
	u32 token;
	u32 bytes;
};

/**
 * struct net_tx - a transmit queue
 * @nic: the interface
 * @q: the virtqueue; its lock guards the rest but @napi
 * @napi: gives back what the device is done with
 * @span: bounce memory
 * @fifo: the bytes of it in use
 * @fifo_priv: its private memory
 * @frame: frames in flight
 * @armed: a call was asked for and has not been seen
 * @full: the stack's queue is stopped for want of room
 * @done: frames that came back
 * @seen: @done at the last watch
 * @stalled: watches one after the other that nothing had come back at
 * @sync: for readers of @stat
 * @stat: counters
 */
struct net_tx {
	struct net_nic *nic;
	struct airlock_queue *q;
	struct napi_struct napi;
	struct airlock_span span;
	struct fifo fifo;
	void *fifo_priv;
	struct net_tx_frame *frame;
	bool armed;
	bool full;
	u32 done;
	u32 seen;
	u32 stalled;
	struct u64_stats_sync sync;
	u64_stats_t stat[NET_TX_STATS];
};

/**
 * struct net_pair - a receive and a transmit queue
 * @rx: virtqueue 2 i
 * @tx: virtqueue 2 i + 1
 */
struct net_pair {
	struct net_rx rx;
	struct net_tx tx;
};

/**
 * struct net_plan - what a NIC agreed on and shares
 * @offloads: what the device may use towards us, NET_OFF_*
 * @slot_bytes: of a receive slot
 * @rx_size: descriptors of a receive queue
 * @tx_size: descriptors of a transmit queue
 * @fifo_bytes: of a transmit FIFO
 * @pairs: pairs of queues that there is memory for
 * @ctrl_index: which queue takes commands
 * @ctrl_size: its descriptors; 0: there is none
 * @rss_types: what the device can hash, VIRTIO_NET_RSS_HASH_TYPE_*; 0: no RSS
 * @region_bytes: all shared memory
 */
struct net_plan {
	u32 offloads;
	u32 slot_bytes;
	u32 rx_size;
	u32 tx_size;
	u32 fifo_bytes;
	unsigned int pairs;
	u16 ctrl_index;
	u16 ctrl_size;
	u32 rss_types;
	size_t region_bytes;
};

/**
 * struct net_ctrl - the control queue; under the stack's lock (RTNL)
 * @q: the virtqueue; NULL when there is none
 * @span: where a command is
 * @data: where it is composed
 * @since: until when @spent is counted down
 * @spent: time for which answers were waited for, less a part of what has gone by
 */
struct net_ctrl {
	struct airlock_queue *q;
	struct airlock_span span;
	u8 *data;
	unsigned long since;
	unsigned long spent;
};

/**
 * struct net_nic - a virtio NIC; the private part of its net_device
 * @adev: the virtio function
 * @ndev: the interface
 * @plan: what was agreed on, and the most of each size
 * @ctrl: commands
 * @link_lock: one change of the carrier at a time
 * @down: the device is out of service; under the stack's lock
 * @dead: the device is lost; never cleared
 * @leaving: the interface is going away; under @link_lock, never cleared
 * @announce: the device asks to have the interface announced
 * @whole: received frames are not to be joined; under the stack's lock, like the rest
 * @adaptive: receive queues choose when they are looked at again
 * @pairs: pairs in use
 * @rx_size: descriptors of a receive queue in use
 * @tx_size: descriptors of a transmit queue in use
 * @rx_next: what @rx_size is to be when the device is up again
 * @tx_next: likewise
 * @rss_table: which pair gets frames of which hashes
 * @rss_key: of the hash
 * @prog: XDP program, or NULL
 * @vlans: VLANs that are wanted
 * @chores: what waits for the stack's lock
 * @watch: looks after calls and kicks that do not come
 * @pair: the plan's pairs
 */
struct net_nic {
	struct airlock_device *adev;
	struct net_device *ndev;
	struct net_plan plan;
	struct net_ctrl ctrl;
	struct mutex link_lock;
	bool down;
	bool dead;
	bool leaving;
	bool announce;
	bool whole;
	bool adaptive;
	unsigned int pairs;
	u32 rx_size;
	u32 tx_size;
	u32 rx_next;
	u32 tx_next;
	u16 rss_table[NET_RSS_TABLE];
	u8 rss_key[NET_RSS_KEY];
	struct bpf_prog __rcu *prog;
	DECLARE_BITMAP(vlans, VLAN_N_VID);
	struct work_struct chores;
	struct delayed_work watch;
	struct net_pair pair[];
};

/* net.c */
int net_use_pairs(struct net_nic *nic, unsigned int pairs);

/* net_plan.c */
int net_plan_params(void);
int net_plan_features(struct airlock_device *adev, const struct airlock_ops *ops);
int net_plan(struct airlock_device *adev, const struct virtio_net_config *config,
	     struct net_plan *plan);

/* net_ctrl.c */
void net_ctrl_init(struct net_nic *nic);
void net_ctrl_leave(struct net_nic *nic);
int net_ctrl_open(struct net_nic *nic);
void net_ctrl_close(struct net_nic *nic);
int net_ctrl_restore(struct net_nic *nic);
int net_ctrl_pairs(struct net_nic *nic, unsigned int pairs);
int net_ctrl_mac(struct net_nic *nic, const u8 *mac);
void net_ctrl_offloads(struct net_nic *nic, bool whole);
bool net_ctrl_away(const struct net_nic *nic);
int net_ctrl_echo(struct net_nic *nic);
void net_set_rx_mode(struct net_device *ndev);
int net_vlan_add(struct net_device *ndev, __be16 proto, u16 vid);
int net_vlan_kill(struct net_device *ndev, __be16 proto, u16 vid);

/* net_coalesce.c */
void net_coalesce_init(struct net_rx *rx);
void net_coalesce_stop(struct net_rx *rx);
void net_coalesce_look(struct net_rx *rx);
bool net_coalesce_later(struct net_rx *rx, int work);
void net_watch_init(struct net_nic *nic);
void net_watch_start(struct net_nic *nic);
void net_watch_stop(struct net_nic *nic);
int net_get_coalesce(struct net_device *ndev, struct ethtool_coalesce *coal,
		     struct kernel_ethtool_coalesce *kernel_coal,
		     struct netlink_ext_ack *extack);
int net_get_queue_coalesce(struct net_device *ndev, u32 queue, struct ethtool_coalesce *coal);
int net_set_coalesce(struct net_device *ndev, struct ethtool_coalesce *coal,
		     struct kernel_ethtool_coalesce *kernel_coal,
		     struct netlink_ext_ack *extack);

/* net_xdp.c */
unsigned int net_xdp_run(struct net_rx *rx, struct bpf_prog *prog, struct net_hdr *hdr,
			 struct sk_buff **skb);
void net_xdp_flush(struct net_rx *rx);
int net_xdp_xmit(struct net_device *ndev, int num, struct xdp_frame **frames, u32 flags);
int net_xdp_bpf(struct net_device *ndev, struct netdev_bpf *bpf);
netdev_features_t net_fix_features(struct net_device *ndev, netdev_features_t features);
int net_change_mtu(struct net_device *ndev, int mtu);
int net_xdp_open(struct net_rx *rx, unsigned int index);
void net_xdp_close(struct net_rx *rx);

/* net_rx.c */
void net_rx_count(struct net_rx *rx, enum net_rx_stat stat, u64 n);
void net_rx_copy_all(const struct net_rx *rx, u8 *dst);
int net_rx_open(struct net_nic *nic, unsigned int index);
void net_rx_close(struct net_rx *rx);
int net_rx_begin(struct net_rx *rx);
void net_rx_start(struct net_rx *rx);
void net_rx_stop(struct net_rx *rx);

/* net_tx.c */
int net_tx_open(struct net_nic *nic, unsigned int index);
void net_tx_close(struct net_tx *tx);
int net_tx_begin(struct net_tx *tx);
void net_tx_watch(struct net_tx *tx);
void net_tx_start(struct net_tx *tx);
void net_tx_stop(struct net_tx *tx);
void net_tx_retire(struct net_tx *tx);
netdev_tx_t net_tx_xmit(struct sk_buff *skb, struct net_device *ndev);
int net_tx_raw(struct net_tx *tx, const void *data, u32 len);
void net_tx_flush(struct net_tx *tx);
void net_tx_timeout(struct net_device *ndev, unsigned int index);
unsigned int net_tx_seconds(void);

/* net_ethtool.c */
extern const struct ethtool_ops net_ethtool_ops;

#endif /* DRIVER_NET_H */
