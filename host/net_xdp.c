// SPDX-License-Identifier: GPL-2.0
/*
 * A port on a queue of a network interface, by AF_XDP: what comes in by that queue is the guest's,
 * and the stack of the host does not see it.
 *
 * Frames are in memory of the daemon (UMEM), in halves: one for what comes, one for what goes. The
 * kernel and this file hand them to each other by four rings, which libxdp knows how to read and
 * write; between that memory and the guest's, frames are copied. A frame that was received stays
 * in its place until the next is asked for, and then goes back to the kernel. The receiving
 * worker has the rings rx and fill, the transmitting one tx and completion: no lock is needed.
 *
 * A system call has the kernel send what is in tx, a bounded part of it each time. Frames are put
 * there one by one and sent together (@finish). While the kernel takes no more, or has not given
 * frames back yet, the queue waits by the clock: there is no event for either (the socket counts as
 * writable whenever tx is half empty).
 *
 * What leads frames here is a program of a few instructions on the interface: those of a queue that
 * has a socket in its map go there, others to the stack as ever. It is attached by a link that
 * lives as long as its file descriptor, so that nothing is left behind, however the process ends.
 * The rights for all of this are needed only to open it. Whether the driver runs the program, and
 * has frames in UMEM without a copy, is the kernel's choice; where it cannot, the kernel does.
 * Unlike those of a tap a queue cannot step aside: while nobody serves it, what comes by it is
 * lost.
 *
 * An interface that is down is no error, as with a tap. One that was deleted is gone for good: to
 * bind to another of its name would take the rights that were given up.
 *
 * #syscalls sendto recvfrom getsockopt close
 */
#include "net_port.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#define NET_XDP_FRAMES		1024u	/* each way; no ring ever holds more */
#define NET_XDP_FRAME_BYTES	4096u	/* the most that a kernel allows with pages of 4096 bytes */
#define NET_XDP_HALF		(NET_XDP_FRAMES * NET_XDP_FRAME_BYTES)
#define NET_XDP_KICKS		64u	/* one sends 16 frames or more */
#define NET_XDP_TRIES		100u	/* of what is busy */
#define NET_XDP_PAUSE_MS	20
#define NET_XDP_RETRY_MS	1u

/**
 * struct net_xdp - a queue of an interface
 * @port: what it has in common with other ports
 * @name: of the interface
 * @area: UMEM: a half for rx, then one for tx
 * @umem: libxdp's view of that
 * @xsk: the socket
 * @fill: frames that the kernel may fill
 * @rx: those that it filled
 * @tx: those that it is to send
 * @completion: those that it sent
 * @map: of the program: a socket for each queue; -1 but in the first port of a card
 * @link: what the program is attached by; likewise
 * @held: the frame that was received last is still in use
 * @frame: where it is
 * @free: tx worker: frames that can be sent with
 * @frees: how many
 * @unsent: tx worker: there may be frames in tx that the kernel was not told of, or did not take
 * @err: tx worker: error by which frames are lost, said; or 0
 */
struct net_xdp {
	struct net_port port;
	const char *name;
	u8 *area;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons completion;
	int map;
	int link;
	bool held;
	u64 frame;
	u64 free[NET_XDP_FRAMES];
	u32 frees;
	bool unsent;
	int err;
};

static int net_xdp_negotiated(struct net_port *p, u64 features)
{
	(void)p;
	(void)features;
	return 0;
}

/* ---- receive ---------------------------------------------------------------- */

/* Give a frame to the kernel: there are no more of them than the ring holds. */
static void net_xdp_fill(struct net_xdp *x, u64 frame)
{
	u32 at;

	if (!xsk_ring_prod__reserve(&x->fill, 1, &at))
		return;
	*xsk_ring_prod__fill_addr(&x->fill, at) = frame;
	xsk_ring_prod__submit(&x->fill, 1);
}

static int net_xdp_receive(struct net_port *p, struct net_frame *f)
{
	struct net_xdp *x = (struct net_xdp *)p;
	const struct xdp_desc *desc;
	u32 at;

	for (;;) {
		if (x->held)
			net_xdp_fill(x, x->frame);
		x->held = xsk_ring_cons__peek(&x->rx, 1, &at);
		if (!x->held)
			break;
		desc = xsk_ring_cons__rx_desc(&x->rx, at);
		x->frame = desc->addr;
		f->len = desc->len;
		xsk_ring_cons__release(&x->rx, 1);
		if (f->len < NET_ETH_BYTES)
			continue;
		memset(&f->hdr, 0, sizeof(f->hdr));
		f->data = xsk_umem__get_data(x->area, x->frame);
		return 1;
	}
	/* Some drivers stop when they have no frames, and want to hear that there are again. */
	if (xsk_ring_prod__needs_wakeup(&x->fill))
		recv(p->fd, NULL, 0, MSG_DONTWAIT);
	return 0;
}

/* What came while nobody was there is not for the next. */
static void net_xdp_attach(struct net_port *p, bool on)
{
	struct net_frame f;
	unsigned int i;

	for (i = 0; on && i < NET_XDP_FRAMES && net_xdp_receive(p, &f) > 0; i++)
		;
}

/* ---- transmit --------------------------------------------------------------- */

/* Take back what was sent. */
static void net_xdp_reap(struct net_xdp *x)
{
	u32 at, i, n = xsk_ring_cons__peek(&x->completion, NET_XDP_FRAMES - x->frees, &at);

	for (i = 0; i < n; i++)
		x->free[x->frees++] = *xsk_ring_cons__comp_addr(&x->completion, at + i);
	xsk_ring_cons__release(&x->completion, n);
}

/* Frames are lost: said once. */
static void net_xdp_lost(struct net_xdp *x, int err)
{
	const struct net_port *p = &x->port;

	if (x->err == err)
		return;
	x->err = err;
	if (err == ENETDOWN)
		log_peer(p->limit, LOG_WARN, p->id,
			 "interface %s is down, frames are dropped: ip link set %s up", x->name,
			 x->name);
	else if (err == ENXIO)
		log_peer(p->limit, LOG_WARN, p->id,
			 "interface %s is gone, frames are dropped: when there is one again start airlockd again",
			 x->name);
	else
		log_peer(p->limit, LOG_WARN, p->id, "interface %s: frames are dropped: %s",
			 x->name, strerror(err));
}

/* Have the kernel send what it has not yet: 0, or -EAGAIN when it does not take all. */
static int net_xdp_finish(struct net_port *p)
{
	struct net_xdp *x = (struct net_xdp *)p;
	unsigned int i;

	for (i = 0; x->unsent && i < NET_XDP_KICKS; i++) {
		if (xsk_ring_prod__needs_wakeup(&x->tx) &&
		    sendto(p->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0) {
			if (errno == EAGAIN || errno == EINTR || errno == EBUSY ||
			    errno == ENOBUFS)
				continue;
			net_xdp_lost(x, errno);
			return 0;
		}
		x->unsent = false;
		x->err = 0;
	}
	return x->unsent ? -EAGAIN : 0;
}

static int net_xdp_send(struct net_port *p, const struct virtio_net_hdr_v1 *hdr,
			const struct ring_chain *c)
{
	struct net_xdp *x = (struct net_xdp *)p;
	u32 at, len = c->out_len - (u32)NET_HDR_BYTES;
	struct xdp_desc *desc;
	u64 frame;

	(void)hdr;	/* no offloads were offered: it says nothing */
	if (len > NET_XDP_FRAME_BYTES) {
		log_peer(p->limit, LOG_WARN, p->id,
			 "frame of %u bytes dropped: AF_XDP takes %u: give the driver a lower MTU",
			 len, NET_XDP_FRAME_BYTES);
		return 0;
	}
	if (!x->frees)
		net_xdp_reap(x);
	if (!x->frees) {
		if (net_xdp_finish(p))
			return -EAGAIN;
		net_xdp_reap(x);
	}
	if (!x->frees)
		return x->err ? 0 : -EAGAIN;
	/* There are no more frames than the ring holds. */
	if (!xsk_ring_prod__reserve(&x->tx, 1, &at))
		return -EAGAIN;
	frame = x->free[--x->frees];
	ring_iov_read(c->iov, c->out, NET_HDR_BYTES, xsk_umem__get_data(x->area, frame), len);
	desc = xsk_ring_prod__tx_desc(&x->tx, at);
	*desc = (struct xdp_desc) { .addr = frame, .len = len };
	xsk_ring_prod__submit(&x->tx, 1);
	x->unsent = true;
	return 0;
}

/* ---- open and close ------------------------------------------------------------ */

static void net_xdp_unbind(struct net_xdp *x)
{
	if (x->xsk)
		xsk_socket__delete(x->xsk);
	if (x->umem)
		xsk_umem__delete(x->umem);
	x->xsk = NULL;
	x->umem = NULL;
}

static void net_xdp_close(struct net_port *p)
{
	struct net_xdp *x = (struct net_xdp *)p;

	if (x->link >= 0)
		close(x->link);
	if (x->map >= 0)
		close(x->map);
	net_xdp_unbind(x);
	if (x->area)
		munmap(x->area, 2 * NET_XDP_HALF);
	free(x);
}

static const struct net_port_ops net_xdp_ops = {
	.negotiated = net_xdp_negotiated,
	.receive = net_xdp_receive,
	.send = net_xdp_send,
	.finish = net_xdp_finish,
	.attach = net_xdp_attach,
	.close = net_xdp_close,
};

/* Make the socket of a queue. */
static int net_xdp_bind(struct net_xdp *x, u32 queue)
{
	const struct xsk_umem_config frames = {
		.fill_size = NET_XDP_FRAMES, .comp_size = NET_XDP_FRAMES,
		.frame_size = NET_XDP_FRAME_BYTES,
	};
	const struct xsk_socket_config config = {
		.rx_size = NET_XDP_FRAMES, .tx_size = NET_XDP_FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	int r;

	r = xsk_umem__create(&x->umem, x->area, 2 * NET_XDP_HALF, &x->fill, &x->completion,
			     &frames);
	if (r) {
		x->umem = NULL;
		return r;
	}
	r = xsk_socket__create(&x->xsk, x->name, queue, x->umem, &x->rx, &x->tx, &config);
	if (r) {
		x->xsk = NULL;
		net_xdp_unbind(x);
	}
	return r;
}

/* Return: a program that leads queues to the sockets in a map, or -errno. */
static int net_xdp_program(int map)
{
	const struct bpf_insn code[] = {
		/* bpf_redirect_map(map, ctx->rx_queue_index, XDP_PASS) */
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
		{ .code = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "airlock", "GPL", code, ARRAY_SIZE(code), NULL);
}

/* Return: a link of the program to the interface, or -errno. */
static int net_xdp_link(int program, int ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
	int r = bpf_link_create(program, ifindex, BPF_XDP, NULL);

	/* The driver may not be able to, or not with what the interface is set to. */
	if (r < 0 && r != -EBUSY && r != -EEXIST && r != -EPERM)
		r = bpf_link_create(program, ifindex, BPF_XDP, &generic);
	return r;
}

/* Put the program on the interface. Return: NULL, or the step that failed, with its error. */
static const char *net_xdp_lead(struct net_xdp *x, int queues, int ifindex, int *err)
{
	int program;

	x->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "airlock", sizeof(u32), sizeof(u32),
				(u32)queues, NULL);
	*err = x->map;
	if (x->map < 0)
		return "has no map of sockets";
	program = net_xdp_program(x->map);
	*err = program;
	if (program < 0)
		return "has no program";
	x->link = net_xdp_link(program, ifindex);
	*err = x->link;
	close(program);
	return x->link < 0 ? "takes no program" : NULL;
}

static const char *net_xdp_advice(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return "start airlockd with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF, or as root (and with --user)";
	case -EBUSY:
	case -EEXIST:
		return "another program has it: stop that, or take its program away (ip link set NAME xdp off)";
	case -EINVAL:
		return "there may be no such queue: see ethtool -l";
	case -ENODEV:
		return "check the name: ip link";
	case -ENOBUFS:
	case -ENOMEM:
		return "let it lock more memory: ulimit -l";
	default:
		return "AF_XDP of Linux 5.11 or later is needed";
	}
}

/* Open all of a port. Return: NULL, or the step that failed, with its error. */
static const char *net_xdp_start(struct net_xdp *x, const struct options_device *spec,
				 unsigned int pair, const struct net_xdp *first, int *err)
{
	const u32 queue = spec->xdp_queue + pair;
	const int ifindex = (int)if_nametoindex(spec->xdp), sndbuf = 2 * NET_XDP_HALF;
	const char *what = NULL;
	int fd;

	*err = -ENODEV;
	if (!ifindex)
		return "is not there";
	x->area = mmap(NULL, 2 * NET_XDP_HALF, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x->area == MAP_FAILED) {
		x->area = NULL;
		*err = -ENOMEM;
		return "has no memory for frames";
	}
	*err = net_xdp_bind(x, queue);
	if (*err)
		return "cannot be bound to";
	fd = xsk_socket__fd(x->xsk);
	x->port.fd = fd;
	/* All frames may be on their way: they count with what the kernel needs for each. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	if (!first)
		what = net_xdp_lead(x, (int)(spec->xdp_queue + spec->queues), ifindex, err);
	if (what)
		return what;
	*err = bpf_map_update_elem(first ? first->map : x->map, &queue, &fd, BPF_ANY);
	return *err ? "takes no socket" : NULL;
}

struct net_port *net_xdp_open(const struct options_device *spec, unsigned int pair,
			      const struct net_port *first)
{
	const struct timespec pause = { .tv_nsec = NET_XDP_PAUSE_MS * 1000000L };
	unsigned int i, tries = NET_XDP_TRIES;
	struct net_xdp *x;
	const char *what;
	int err;

	/* What is wrong is said here, in one line. */
	libbpf_set_print(NULL);
	libxdp_set_print(NULL);
	/* As with a tap: what a killed daemon had is let go of a moment later. */
	for (;;) {
		x = calloc(1, sizeof(*x));
		if (!x)
			return NULL;
		x->port.ops = &net_xdp_ops;
		x->port.retry_ms = NET_XDP_RETRY_MS;
		x->port.clocked = true;
		x->name = spec->xdp;
		x->map = -1;
		x->link = -1;
		what = net_xdp_start(x, spec, pair, (const struct net_xdp *)first, &err);
		if (!what)
			break;
		net_xdp_close(&x->port);
		if (err != -EBUSY || !tries--) {
			log_error(spec->id, "interface %s, queue %u, %s: %s: %s", spec->xdp,
				  spec->xdp_queue + pair, what, strerror(-err),
				  net_xdp_advice(err));
			return NULL;
		}
		nanosleep(&pause, NULL);
	}
	for (i = 0; i < NET_XDP_FRAMES; i++) {
		net_xdp_fill(x, (u64)i * NET_XDP_FRAME_BYTES);
		x->free[i] = NET_XDP_HALF + (u64)i * NET_XDP_FRAME_BYTES;
	}
	x->frees = NET_XDP_FRAMES;
	return &x->port;
}
