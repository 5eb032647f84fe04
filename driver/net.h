/* SPDX-License-Identifier: GPL-2.0 */
/*
 * airlock_net.ko, private: a virtio NIC whose frames go through bounce memory.
 * net.c is the device and the interface, net_rx.c and net_tx.c the two ways of a
 * frame, net_ethtool.c what ethtool shows.
 */
#ifndef DRIVER_NET_H
#define DRIVER_NET_H

#include <linux/etherdevice.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/u64_stats_sync.h>

#include "../ring/fifo.h"
#include "../ring/net_hdr.h"
#include "../ring/slots.h"
#include "airlock.h"

/* Receive slots: sizes that the module's parameters may ask for. */
#define NET_SLOT_BYTES_MIN	2048u
#define NET_SLOT_BYTES_MAX	16384u
#define NET_SLOTS_MIN		64u
#define NET_SLOTS_MAX		1024u

/* Transmit FIFO: half of the least holds a frame of any size. */
#define NET_FIFO_KIB_MIN	256u
#define NET_FIFO_KIB_MAX	(AIRLOCK_SPAN_MAX >> 10)

/* Most descriptors of a transmit queue. */
#define NET_TX_DESCS_MAX	512u

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
 * @NET_LOSSES: number of reasons
 */
enum net_loss {
	NET_LOSS_SHORT = NET_HDR_FAULTS,
	NET_LOSS_MISSING,
	NET_LOSS_EMPTY,
	NET_LOSS_MTU,
	NET_LOSS_OFFLOAD,
	NET_LOSS_MEMORY,
	NET_LOSSES,
};

/* Counters of a receive queue; from NET_RX_LOSS on one for each net_loss. */
enum net_rx_stat {
	NET_RX_PACKETS,
	NET_RX_BYTES,
	NET_RX_KICKS,
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
 * struct net_nic - a virtio NIC; the private part of its net_device
 * @adev: the virtio function
 * @ndev: the interface
 * @offloads: what the device may use towards us, NET_OFF_*
 * @slot_bytes: of a receive slot
 * @rx_size: descriptors of a receive queue
 * @tx_size: descriptors of a transmit queue
 * @fifo_bytes: of a transmit FIFO
 * @link_lock: one change of the carrier at a time
 * @down: the device is out of service; under the stack's lock
 * @dead: the device is lost; never cleared
 * @leaving: the interface is going away; under @link_lock, never cleared
 * @num_pairs: entries of @pair
 * @pair: the queues
 */
struct net_nic {
	struct airlock_device *adev;
	struct net_device *ndev;
	u32 offloads;
	u32 slot_bytes;
	u32 rx_size;
	u32 tx_size;
	u32 fifo_bytes;
	struct mutex link_lock;
	bool down;
	bool dead;
	bool leaving;
	unsigned int num_pairs;
	struct net_pair pair[];
};

/* net_rx.c */
size_t net_rx_region_bytes(const struct net_nic *nic);
int net_rx_open(struct net_nic *nic, unsigned int index);
void net_rx_close(struct net_rx *rx);
int net_rx_begin(struct net_rx *rx);
void net_rx_start(struct net_rx *rx);
void net_rx_stop(struct net_rx *rx);

/* net_tx.c */
size_t net_tx_region_bytes(const struct net_nic *nic);
int net_tx_open(struct net_nic *nic, unsigned int index);
void net_tx_close(struct net_tx *tx);
int net_tx_begin(struct net_tx *tx);
void net_tx_start(struct net_tx *tx);
void net_tx_stop(struct net_tx *tx);
netdev_tx_t net_tx_xmit(struct sk_buff *skb, struct net_device *ndev);
void net_tx_timeout(struct net_device *ndev, unsigned int index);

/* net_ethtool.c */
extern const struct ethtool_ops net_ethtool_ops;

#endif /* DRIVER_NET_H */
