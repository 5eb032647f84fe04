// SPDX-License-Identifier: GPL-2.0
/*
 * A port on a tap interface.
 *
 * The tap carries virtio net headers, so that checksums and segmentation that
 * one side left to do are left to the other: the kernel's stack does what the
 * guest did not, and the guest gets no offload that its driver did not accept.
 * Headers towards the tap were checked before; headers from it come from this
 * kernel. The receiving worker reads, the transmitting one writes; the kernel
 * needs no lock for that.
 *
 * An interface that is down is no error, since whoever runs the host may bring it up
 * at any time: it is said at the start, and again when the first frame is lost to it.
 *
 * A tap can be inherited, as open file descriptors of its queues: then no right is needed here,
 * and the interface may be in another network namespace, where nobody here can look at it. What
 * they are is checked once, at the start. Who opened them may keep them, for the daemon that is
 * started when this one ends: where that left a queue detached, it is attached again.
 *
 * #syscalls readv writev close ioctl:TUNSETOFFLOAD ioctl:TUNSETQUEUE
 */
#include "net_port.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NET_TAP_DEVICE	"/dev/net/tun"
#define NET_TAP_TRIES	100u	/* of one that is busy */
#define NET_TAP_PAUSE_MS 20

/* Of Linux 6.2; headers of older systems do not have them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

/* Features that a tap makes possible, in both directions. */
#define NET_TAP_FEATURES						\
	(BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4) |	\
	 BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_ECN) | \
	 BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | BIT_ULL(VIRTIO_NET_F_GUEST_ECN))

/* Those of a kernel that can cut up UDP. */
#define NET_TAP_FEATURES_USO						\
	(BIT_ULL(VIRTIO_NET_F_HOST_USO) |				\
	 BIT_ULL(VIRTIO_NET_F_GUEST_USO4) | BIT_ULL(VIRTIO_NET_F_GUEST_USO6))

/**
 * struct net_tap - a tap
 * @port: what it has in common with other ports
 * @name: of the interface
 * @queues: it is one of several, and attached only while it is served
 * @csum: the driver takes packets whose checksum is known to be good
 * @down: tx worker: that frames are lost because it is down was said
 * @iov: of the frame being sent
 * @buf: the frame that was received
 */
struct net_tap {
	struct net_port port;
	char name[IFNAMSIZ];
	bool queues;
	bool csum;
	bool down;
	struct iovec iov[1 + NET_PORT_SEGS];
	u8 buf[NET_FRAME_MAX];
};

/* With several queues frames go to those that are attached. */
static void net_tap_attach_queue(struct net_port *p, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (((struct net_tap *)p)->queues && ioctl(p->fd, TUNSETQUEUE, &ifr))
		log_peer(p->limit, LOG_WARN, p->id, "tap: a queue cannot be %s: %s",
			 on ? "attached" : "detached", strerror(errno));
}

static int net_tap_negotiated(struct net_port *p, u64 features)
{
	struct net_tap *tap = (struct net_tap *)p;
	unsigned int offloads = 0;
	int r;

	tap->csum = features & BIT_ULL(VIRTIO_NET_F_GUEST_CSUM);
	if (tap->csum) {
		offloads = TUN_F_CSUM;
		if (features & BIT_ULL(VIRTIO_NET_F_GUEST_TSO4))
			offloads |= TUN_F_TSO4;
		if (features & BIT_ULL(VIRTIO_NET_F_GUEST_TSO6))
			offloads |= TUN_F_TSO6;
		if ((offloads & (TUN_F_TSO4 | TUN_F_TSO6)) &&
		    (features & BIT_ULL(VIRTIO_NET_F_GUEST_ECN)))
			offloads |= TUN_F_TSO_ECN;
		/* The kernel has it for both or for none. */
		if (net_hdr_offloads_driver(features) & NET_OFF_USO)
			offloads |= TUN_F_USO4 | TUN_F_USO6;
	}
	/* What is detached cannot be told anything. */
	net_tap_attach_queue(p, true);
	r = ioctl(p->fd, TUNSETOFFLOAD, offloads) ? -errno : 0;
	net_tap_attach_queue(p, false);
	return r;
}

static int net_tap_receive(struct net_port *p, struct net_frame *f)
{
	struct net_tap *tap = (struct net_tap *)p;
	struct iovec iov[2] = {
		{ .iov_base = &f->hdr, .iov_len = sizeof(f->hdr) },
		{ .iov_base = tap->buf, .iov_len = sizeof(tap->buf) },
	};
	ssize_t n;

	do {
		n = readv(p->fd, iov, 2);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		log_peer(p->limit, LOG_WARN, p->id, "tap: %s", strerror(errno));
		return -ENOTCONN;
	}
	if (n < (ssize_t)(sizeof(f->hdr) + NET_ETH_BYTES))
		return 0;
	f->data = tap->buf;
	f->len = (u32)n - (u32)sizeof(f->hdr);
	if (!tap->csum)
		f->hdr.flags = 0;
	return 1;
}

/* A frame was lost. */
static void net_tap_lost(struct net_tap *tap, int err)
{
	struct net_port *p = &tap->port;

	if (err != EIO) {
		log_peer(p->limit, LOG_DEBUG, p->id, "tap: frame dropped: %s", strerror(err));
		return;
	}
	if (!tap->down)
		log_peer(p->limit, LOG_WARN, p->id,
			 "tap %s is down, frames are dropped: ip link set %s up",
			 tap->name, tap->name);
	tap->down = true;
}

static int net_tap_send(struct net_port *p, const struct virtio_net_hdr_v1 *hdr,
			const struct ring_chain *c)
{
	struct net_tap *tap = (struct net_tap *)p;
	unsigned int n;
	ssize_t r;

	tap->iov[0].iov_base = (void *)hdr;
	tap->iov[0].iov_len = sizeof(*hdr);
	n = 1 + net_port_gather(c, tap->iov + 1);
	do {
		r = writev(p->fd, tap->iov, (int)n);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (r < 0)
		net_tap_lost(tap, errno);
	else
		tap->down = false;
	return 0;
}

/* One write is one frame, whoever else writes. */
static void net_tap_announce(struct net_port *p, const u8 *frame)
{
	struct virtio_net_hdr_v1 hdr = { 0 };
	const struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)(uintptr_t)frame, .iov_len = NET_ANNOUNCE_BYTES },
	};

	if (writev(p->fd, iov, 2) < 0)
		log_peer(p->limit, LOG_WARN, p->id, "tap: no announcement: %s", strerror(errno));
}

static void net_tap_close(struct net_port *p)
{
	close(p->fd);
	free(p);
}

static const struct net_port_ops net_tap_ops = {
	.negotiated = net_tap_negotiated,
	.receive = net_tap_receive,
	.send = net_tap_send,
	.attach = net_tap_attach_queue,
	.announce = net_tap_announce,
	.close = net_tap_close,
};

static const char *net_tap_advice(int err, bool queues)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return "create it for this user (ip tuntap add NAME mode tap user USER) or start airlockd with CAP_NET_ADMIN";
	case EBUSY:
		return "another program has it open: stop that or choose another tap";
	case EINVAL:
		return queues ? "it exists but is no tap of several queues: choose another name, or make it with multi_queue" :
				"it exists but is no tap of a single queue: choose another name, or give queues=";
	case ENOENT:
	case ENODEV:
		return "load the kernel module tun";
	default:
		return "check the name";
	}
}

/* As the kernel has it, but '%' too, by which it would make up a name. */
static bool net_tap_name_valid(const char *name)
{
	const char *c;

	for (c = name; *c && !strchr("/:%", *c) && !isspace((unsigned char)*c); c++)
		;
	return !*c && c != name && c - name < IFNAMSIZ && strcmp(name, ".") && strcmp(name, "..");
}

/* Say when the interface is down. */
static void net_tap_look(const struct net_tap *tap, const char *id)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP };
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	strcpy(ifr.ifr_name, tap->name);
	if (!ioctl(fd, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP))
		log_warn(id, "tap %s is down: no frame passes until: ip link set %s up",
			 tap->name, tap->name);
	close(fd);
}

/* Sets what this kernel's taps can do. Return: NULL, or the step that failed, with errno. */
static const char *net_tap_prepare(struct net_tap *tap)
{
	struct ifreq ifr = { .ifr_flags = IFF_DETACH_QUEUE };
	int fd = tap->port.fd, hdr = NET_HDR_BYTES, little = 1;

	tap->port.features = NET_TAP_FEATURES;
	if (!ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6))
		tap->port.features |= NET_TAP_FEATURES_USO;
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) || ioctl(fd, TUNSETVNETLE, &little) ||
	    ioctl(fd, TUNSETOFFLOAD, 0))
		return "cannot carry virtio headers";
	if (tap->queues && ioctl(fd, TUNSETQUEUE, &ifr))
		return "cannot have a queue detached";
	return NULL;
}

/* Attach to the interface. Return: as above. */
static const char *net_tap_attach(const struct net_tap *tap)
{
	const struct timespec pause = { .tv_nsec = NET_TAP_PAUSE_MS * 1000000L };
	unsigned int tries = NET_TAP_TRIES;
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, tap->name, sizeof(tap->name));
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (tap->queues)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	/*
	 * The kernel lets go of what a killed process had when the last of its requests is
	 * over: the daemon that is started in its place must not fail because of that.
	 */
	while (ioctl(tap->port.fd, TUNSETIFF, &ifr)) {
		if (errno != EBUSY || !tries--)
			return "cannot be opened";
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* Open one by its name. Says what is wrong. */
static int net_tap_open_name(struct net_tap *tap, const struct options_device *spec)
{
	const char *what;
	int err;

	if (!net_tap_name_valid(spec->tap)) {
		log_error(spec->id, "tap %s: not a name of an interface: use 1 to %d characters, but no '/', ':', '%%' or white space",
			  spec->tap, IFNAMSIZ - 1);
		return -EINVAL;
	}
	strcpy(tap->name, spec->tap);
	tap->queues = spec->queues > 1;
	tap->port.fd = open(NET_TAP_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	what = tap->port.fd < 0 ? "cannot be opened (" NET_TAP_DEVICE ")" : net_tap_attach(tap);
	if (!what)
		what = net_tap_prepare(tap);
	if (!what) {
		net_tap_look(tap, spec->id);
		return 0;
	}
	err = errno;
	log_error(spec->id, "tap %s %s: %s: %s", spec->tap, what, strerror(err),
		  net_tap_advice(err, tap->queues));
	return -err;
}

/*
 * TUNGETIFF has one bit for "no packet information" and for "no filter" (IFF_NOFILTER): with a
 * filter, which lets all pass, it says the first. One that was there before is gone.
 */
static bool net_tap_plain(int fd)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog filter = { .len = 1, .filter = &all };
	struct ifreq ifr = { .ifr_name = "" };
	bool plain;

	plain = !ioctl(fd, TUNATTACHFILTER, &filter) && !ioctl(fd, TUNGETIFF, &ifr) &&
		(ifr.ifr_flags & IFF_NO_PI);
	ioctl(fd, TUNDETACHFILTER, &filter);
	return plain;
}

/* What is wrong with a queue that was inherited, and what to pass? NULL: nothing. */
static const char *net_tap_wrong(const struct options_device *spec, int fd,
				 const struct ifreq *ifr, const struct net_tap *first)
{
	if (!(ifr->ifr_flags & IFF_TAP))
		return "not a tap but a tun: pass one that was opened with IFF_TAP";
	if (!net_tap_plain(fd))
		return "it puts packet information before frames: pass one that was opened with IFF_NO_PI";
	if (!(ifr->ifr_flags & IFF_VNET_HDR))
		return "it carries no virtio headers: pass one that was opened with IFF_VNET_HDR";
	if (spec->queues > 1 && !(ifr->ifr_flags & IFF_MULTI_QUEUE))
		return "not one of several queues: pass one that was opened with IFF_MULTI_QUEUE";
	if (first && strcmp(ifr->ifr_name, first->name))
		return "not of the same interface as the first: pass queues of one";
	return NULL;
}

/* Look at an inherited queue. Return: NULL, or what is wrong and what to do. */
static const char *net_tap_look_at(int fd, struct ifreq *ifr)
{
	struct ifreq attach = { .ifr_flags = IFF_ATTACH_QUEUE };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return "it is not open: pass an open tap";
	if (ioctl(fd, TUNGETIFF, ifr))
		return errno == EBADFD ? "it has no interface: pass one after TUNSETIFF, whose interface was not deleted" :
					 "not a tap: pass one that was opened at " NET_TAP_DEVICE;
	if (((ifr->ifr_flags & IFF_DETACH_QUEUE) && ioctl(fd, TUNSETQUEUE, &attach)) ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return "it cannot be used: pass another";
	return NULL;
}

/* Take one that is open. Says what is wrong. */
static int net_tap_inherit(struct net_tap *tap, const struct options_device *spec, int fd,
			   const struct net_tap *first)
{
	struct ifreq ifr = { .ifr_name = "" };
	const char *wrong = net_tap_look_at(fd, &ifr);

	if (!wrong)
		wrong = net_tap_wrong(spec, fd, &ifr, first);
	if (wrong) {
		log_error(spec->id, "tap: file descriptor %d: %s", fd, wrong);
		return -EINVAL;
	}
	memcpy(tap->name, ifr.ifr_name, sizeof(tap->name));
	tap->queues = ifr.ifr_flags & IFF_MULTI_QUEUE;
	tap->port.fd = fd;
	wrong = net_tap_prepare(tap);
	if (!wrong)
		return 0;
	log_error(spec->id, "tap: file descriptor %d (%s) %s: %s", fd, tap->name, wrong,
		  strerror(errno));
	return -EINVAL;
}

struct net_port *net_tap_open(const struct options_device *spec, unsigned int pair,
			      const struct net_port *first)
{
	struct net_tap *tap = calloc(1, sizeof(*tap));
	int r;

	if (!tap)
		return NULL;
	tap->port.ops = &net_tap_ops;
	tap->port.retry_ms = 1000;
	tap->port.fd = -1;
	r = spec->tap_fds ? net_tap_inherit(tap, spec, spec->tap_fd[pair],
					    (const struct net_tap *)first) :
			    net_tap_open_name(tap, spec);
	if (!r)
		return &tap->port;
	if (tap->port.fd >= 0)
		close(tap->port.fd);
	free(tap);
	return NULL;
}
