/* SPDX-License-Identifier: GPL-2.0 */
/* What a network card stands on: a tap, a stream, another card, or a queue of an interface. */
#ifndef HOST_NET_PORT_H
#define HOST_NET_PORT_H

#include "options.h"
#include "../ring/net_hdr.h"
#include "../ring/ring.h"

#include <sys/uio.h>

/* Most segments of a chain that a card accepts. */
#define NET_PORT_SEGS		256u

struct net_port;

/* Shortest frame of Ethernet. */
#define NET_ANNOUNCE_BYTES	60u

/**
 * struct net_frame - a frame from the port; private memory
 * @hdr: its header; num_buffers is not set
 * @data: the frame; stays until the next receive
 * @len: its bytes, from NET_ETH_BYTES to NET_FRAME_MAX
 */
struct net_frame {
	struct virtio_net_hdr_v1 hdr;
	const u8 *data;
	u32 len;
};

/**
 * struct net_port_ops - what a kind of port does
 * @negotiated: control thread, before the rx worker runs: the driver's features;
 *	0 or -errno
 * @receive: rx worker: take a frame; 1, 0 when there is none (wait until @fd is
 *	readable), or -ENOTCONN (ask again after @retry_ms)
 * @send: tx worker: send the frame of a chain; its net header, checked, is @hdr.
 *	0 when it was taken or dropped, 1 when it was taken and @finish must be
 *	called once @fd is writable, -EAGAIN when it must be sent again then
 * @finish: tx worker, before the first frame of a round and after the last: go on with what
 *	was taken; 0 or -EAGAIN; NULL: what is taken is sent
 * @attach: take part in the network, or not; not at first; rx worker, or control thread when that
 *	does not run; NULL: it always does
 * @announce: control thread: send a frame of NET_ANNOUNCE_BYTES in the driver's stead;
 *	NULL: it cannot
 * @close: free the port
 */
struct net_port_ops {
	int (*negotiated)(struct net_port *p, u64 features);
	int (*receive)(struct net_port *p, struct net_frame *f);
	int (*send)(struct net_port *p, const struct virtio_net_hdr_v1 *hdr,
		    const struct ring_chain *c);
	int (*finish)(struct net_port *p);
	void (*attach)(struct net_port *p, bool on);
	void (*announce)(struct net_port *p, const u8 *frame);
	void (*close)(struct net_port *p);
};

/**
 * struct net_port - a port; embedded in its kind
 * @ops: of its kind
 * @id: of the card, for messages
 * @limit: of the card, for messages that peers provoke
 * @fd: what to wait for; the number never changes
 * @features: virtio features that the port makes possible
 * @retry_ms: when to ask again after -ENOTCONN
 * @clocked: likewise after -EAGAIN of @send and @finish: @fd does not tell when it is writable
 */
struct net_port {
	const struct net_port_ops *ops;
	const char *id;
	struct log_limit *limit;
	int fd;
	u64 features;
	u32 retry_ms;
	bool clocked;
};

/**
 * net_tap_open() - open a tap interface, or one more queue of it
 * @spec: names it, and says how many queues it has; or says where they are inherited
 * @pair: of queues of the card
 * @first: port of pair 0, for the others
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the port or NULL.
 */
struct net_port *net_tap_open(const struct options_device *spec, unsigned int pair,
			      const struct net_port *first);

/**
 * net_stream_open() - make a port of a Unix stream socket
 * @spec: names the path to connect to
 *
 * A peer that is not there yet is no error: it is tried again later.
 *
 * Return: the port or NULL.
 */
struct net_port *net_stream_open(const struct options_device *spec);

/**
 * net_pair_open() - open one end of a wire between two cards of this process
 * @spec: names the wire; the second card that names it has the other end
 *
 * Control thread. Says in one line what is wrong when there is something.
 *
 * Return: the port or NULL.
 */
struct net_port *net_pair_open(const struct options_device *spec);

/**
 * net_xdp_open() - open a queue of a network interface by AF_XDP
 * @spec: names the interface, and its first queue for this card
 * @pair: of queues of the card
 * @first: port of pair 0, for the others
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the port or NULL.
 */
struct net_port *net_xdp_open(const struct options_device *spec, unsigned int pair,
			      const struct net_port *first);

/**
 * net_port_gather() - the frame of a chain as an iovec
 * @c: a chain that holds a net header and a frame
 * @iov: filled in; room for NET_PORT_SEGS
 *
 * For handing to the kernel, which copies; nobody may look at the data.
 *
 * Return: number of entries.
 */
unsigned int net_port_gather(const struct ring_chain *c, struct iovec *iov);

#endif /* HOST_NET_PORT_H */
