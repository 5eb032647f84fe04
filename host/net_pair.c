// SPDX-License-Identifier: GPL-2.0
/*
 * A port whose wire ends at another card of this process: what one guest sends the other
 * receives, and nobody else.
 *
 * The wire is a pair of datagram sockets, which keep frames whole. The kernel holds what the other
 * end has not taken, up to NET_PAIR_BYTES; what is sent beyond that is lost, as on any wire, so
 * neither guest waits for the other, and none can make the daemon hold more. To a guest that is
 * not there, or whose queue is not served, nothing is sent; and what one has not taken when it
 * goes is not for the next: whoever attaches begins with an empty wire.
 *
 * Headers do not go by it. What a driver may leave undone is agreed with its device before the
 * other driver has said what it takes, so no offloads are offered, and a frame is all there is.
 *
 * The two ends are opened one after the other by the control thread, and closed in any order.
 *
 * #syscalls recvfrom sendto sendmsg close
 */
#include "net_port.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_PAIR_BYTES	(1 << 20)	/* in one direction; the kernel doubles it, for its own */

/**
 * struct net_pair_wire - what both ends have
 * @next: another of which one end is not open yet
 * @name: what the user calls it
 * @fd: the end that is not open yet, or -1
 * @ends: how many are open
 * @attached: there is a driver that receives at this end (atomic)
 */
struct net_pair_wire {
	struct net_pair_wire *next;
	const char *name;
	int fd;
	unsigned int ends;
	bool attached[2];
};

/**
 * struct net_pair - one end
 * @port: what it has in common with other ports
 * @wire: the wire
 * @end: which end, 0 or 1
 * @buf: the frame that was received
 */
struct net_pair {
	struct net_port port;
	struct net_pair_wire *wire;
	unsigned int end;
	u8 buf[NET_FRAME_MAX];
};

/* Control thread, while devices are opened. */
static struct net_pair_wire *net_pair_half;

static int net_pair_negotiated(struct net_port *p, u64 features)
{
	(void)p;
	(void)features;
	return 0;
}

/* Return: bytes of a frame in @buf, or less than 0 when there is none. */
static ssize_t net_pair_take(struct net_pair *pair)
{
	ssize_t n;

	do {
		n = recv(pair->port.fd, pair->buf, sizeof(pair->buf), MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int net_pair_receive(struct net_port *p, struct net_frame *f)
{
	struct net_pair *pair = (struct net_pair *)p;
	ssize_t n = net_pair_take(pair);

	/* What the other end sends was checked there. */
	if (n <= 0)
		return 0;
	memset(&f->hdr, 0, sizeof(f->hdr));
	f->data = pair->buf;
	f->len = (u32)n;
	return 1;
}

static void net_pair_write(struct net_pair *pair, struct msghdr *msg)
{
	struct net_port *p = &pair->port;
	ssize_t n;

	if (!__atomic_load_n(&pair->wire->attached[!pair->end], __ATOMIC_ACQUIRE))
		return;
	do {
		n = sendmsg(p->fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		log_peer(p->limit, LOG_DEBUG, p->id, "pair %s: frame dropped: %s",
			 pair->wire->name, strerror(errno));
}

static int net_pair_send(struct net_port *p, const struct virtio_net_hdr_v1 *hdr,
			 const struct ring_chain *c)
{
	struct iovec iov[NET_PORT_SEGS];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = net_port_gather(c, iov) };

	(void)hdr;	/* no offloads were offered: it says nothing */
	net_pair_write((struct net_pair *)p, &msg);
	return 0;
}

static void net_pair_announce(struct net_port *p, const u8 *frame)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)frame, .iov_len = NET_ANNOUNCE_BYTES,
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	net_pair_write((struct net_pair *)p, &msg);
}

static void net_pair_attach(struct net_port *p, bool on)
{
	struct net_pair *pair = (struct net_pair *)p;

	/* There is an end to it: nothing is sent to who is not attached. */
	while (on && net_pair_take(pair) > 0)
		;
	__atomic_store_n(&pair->wire->attached[pair->end], on, __ATOMIC_RELEASE);
}

static void net_pair_close(struct net_port *p)
{
	struct net_pair *pair = (struct net_pair *)p;
	struct net_pair_wire *w = pair->wire;
	struct net_pair_wire **at;

	close(p->fd);
	if (!--w->ends) {
		for (at = &net_pair_half; *at && *at != w; at = &(*at)->next)
			;
		if (*at)
			*at = w->next;
		if (w->fd >= 0)
			close(w->fd);
		free(w);
	}
	free(pair);
}

static const struct net_port_ops net_pair_ops = {
	.negotiated = net_pair_negotiated,
	.receive = net_pair_receive,
	.send = net_pair_send,
	.attach = net_pair_attach,
	.announce = net_pair_announce,
	.close = net_pair_close,
};

/* Make the wire. Return: one end, the other one is kept; or -errno. */
static int net_pair_begin(struct net_pair *pair, const char *name)
{
	const int bytes = NET_PAIR_BYTES;
	struct net_pair_wire *w = calloc(1, sizeof(*w));
	unsigned int i;
	int fd[2], r;

	if (!w)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd)) {
		r = -errno;
		free(w);
		return r;
	}
	/* Without rights as much as net.core.wmem_max allows. */
	for (i = 0; i < 2; i++) {
		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	}
	w->name = name;
	w->fd = fd[1];
	w->next = net_pair_half;
	net_pair_half = w;
	pair->wire = w;
	return fd[0];
}

/* Take the other end of one that is half open. Return: it, or -ENOENT. */
static int net_pair_complete(struct net_pair *pair, const char *name)
{
	struct net_pair_wire **at, *w;
	int fd;

	for (at = &net_pair_half; *at && strcmp((*at)->name, name); at = &(*at)->next)
		;
	w = *at;
	if (!w)
		return -ENOENT;
	*at = w->next;
	fd = w->fd;
	w->fd = -1;
	pair->wire = w;
	pair->end = 1;
	return fd;
}

struct net_port *net_pair_open(const struct options_device *spec)
{
	struct net_pair *pair = calloc(1, sizeof(*pair));

	if (!pair)
		return NULL;
	pair->port.ops = &net_pair_ops;
	pair->port.fd = net_pair_complete(pair, spec->pair);
	if (pair->port.fd < 0)
		pair->port.fd = net_pair_begin(pair, spec->pair);
	if (pair->port.fd < 0) {
		log_error(spec->id, "pair %s: %s", spec->pair, strerror(-pair->port.fd));
		free(pair);
		return NULL;
	}
	pair->wire->ends++;
	return &pair->port;
}
