// SPDX-License-Identifier: GPL-2.0
/*
 * A port on a Unix stream socket, in the framing of QEMU's -netdev stream: each
 * frame is preceded by its length, 32 bits, big-endian. passt speaks it.
 *
 * The connection belongs to the receiving worker: it connects, reads, notices
 * the end, and tries again later and later, at most every few seconds. The
 * transmitting worker only sends; while there is no connection frames are
 * dropped, as on a cable that is not plugged in. A frame that the socket took in
 * part is completed from a private copy before the next one (@finish), unless the
 * connection was replaced meanwhile (@epoch). @lock covers what both workers
 * look at. The number of the fd never changes: dup3() lets it stand for the
 * current connection, or for a socket that is none.
 *
 * #syscalls socket:AF_UNIX connect recvfrom sendto sendmsg dup3 close
 */
#include "net_port.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NET_STREAM_LEN		4u
#define NET_STREAM_BUF		(256u << 10)
#define NET_STREAM_RETRY_MIN	50u	/* ms */
#define NET_STREAM_RETRY_MAX	2000u

/**
 * struct net_stream - a stream
 * @port: what it has in common with other ports
 * @addr: whom to connect to
 * @lock: protects @connected and @epoch, and the meaning of the fd
 * @connected: there is a connection
 * @said: that there is none was said
 * @epoch: counts connections
 * @start: of unread bytes in @in
 * @end: of bytes in @in
 * @rest: bytes in @out that are not sent yet
 * @sent: bytes of @out that are
 * @out_epoch: connection that @out belongs to
 * @in: bytes received
 * @out: end of a frame that was sent in part
 */
struct net_stream {
	struct net_port port;
	struct sockaddr_un addr;
	pthread_mutex_t lock;
	bool connected;
	bool said;
	u32 epoch;
	u32 start;
	u32 end;
	u32 rest;
	u32 sent;
	u32 out_epoch;
	u8 in[NET_STREAM_BUF];
	u8 out[NET_STREAM_LEN + NET_FRAME_MAX];
};

static int net_stream_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Let the fd stand for @sock, which is taken. */
static void net_stream_replace(struct net_stream *s, int sock, bool connected)
{
	pthread_mutex_lock(&s->lock);
	/* Whoever waits for the old connection is woken by its end. */
	shutdown(s->port.fd, SHUT_RDWR);
	if (sock >= 0) {
		dup3(sock, s->port.fd, O_CLOEXEC);
		close(sock);
	}
	s->connected = connected;
	s->epoch++;
	pthread_mutex_unlock(&s->lock);
	s->start = 0;
	s->end = 0;
}

static int net_stream_disconnect(struct net_stream *s, const char *why)
{
	log_peer(s->port.limit, LOG_WARN, s->port.id, "stream %s: %s; connecting again",
		 s->addr.sun_path, why);
	net_stream_replace(s, net_stream_socket(), false);
	s->said = true;
	s->port.retry_ms = NET_STREAM_RETRY_MIN;
	return -ENOTCONN;
}

static int net_stream_connect(struct net_stream *s)
{
	int sock = net_stream_socket();
	int r = sock < 0 ? -errno : 0;

	if (!r && connect(sock, (const struct sockaddr *)&s->addr, sizeof(s->addr)))
		r = -errno;
	if (!r) {
		net_stream_replace(s, sock, true);
		log_peer(s->port.limit, LOG_INFO, s->port.id, "stream %s: connected",
			 s->addr.sun_path);
		s->said = false;
		return 0;
	}
	if (sock >= 0)
		close(sock);
	if (!s->said)
		log_peer(s->port.limit, LOG_WARN, s->port.id,
			 "stream %s: %s; start its server: it is tried again",
			 s->addr.sun_path, strerror(-r));
	s->said = true;
	s->port.retry_ms = min_t(u32, s->port.retry_ms * 2, NET_STREAM_RETRY_MAX);
	return -ENOTCONN;
}

static int net_stream_negotiated(struct net_port *p, u64 features)
{
	(void)p;
	(void)features;
	return 0;
}

/* Take a frame out of what was read. 1, 0 when it is not whole, -EPROTO. */
static int net_stream_parse(struct net_stream *s, struct net_frame *f)
{
	u32 have = s->end - s->start;
	u32 len;

	if (have < NET_STREAM_LEN)
		return 0;
	memcpy(&len, s->in + s->start, sizeof(len));
	len = be32toh(len);
	if (len < NET_ETH_BYTES || len > NET_FRAME_MAX)
		return -EPROTO;
	if (have - NET_STREAM_LEN < len)
		return 0;
	memset(&f->hdr, 0, sizeof(f->hdr));
	f->data = s->in + s->start + NET_STREAM_LEN;
	f->len = len;
	s->start += NET_STREAM_LEN + len;
	return 1;
}

static int net_stream_receive(struct net_port *p, struct net_frame *f)
{
	struct net_stream *s = (struct net_stream *)p;
	ssize_t n;
	int r;

	if (!s->connected && net_stream_connect(s))
		return -ENOTCONN;
	for (;;) {
		r = net_stream_parse(s, f);
		if (r == -EPROTO)
			return net_stream_disconnect(s, "a frame's length cannot be");
		if (r)
			return r;
		memmove(s->in, s->in + s->start, s->end - s->start);
		s->end -= s->start;
		s->start = 0;
		/* A whole frame always fits: there is room. */
		n = recv(p->fd, s->in + s->end, sizeof(s->in) - s->end, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return net_stream_disconnect(s, n ? strerror(errno) : "the server ended");
		s->end += (u32)n;
		s->port.retry_ms = NET_STREAM_RETRY_MIN;
	}
}

/* Send what is left of a frame. 0 or -EAGAIN. */
static int net_stream_finish(struct net_port *p)
{
	struct net_stream *s = (struct net_stream *)p;
	ssize_t n = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->connected || s->out_epoch != s->epoch)
		s->rest = 0;
	while (s->rest) {
		n = send(p->fd, s->out + s->sent, s->rest, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		/* After an error: the receiving worker will find out what it is. */
		s->rest = n < 0 ? 0 : s->rest - (u32)n;
		s->sent += n < 0 ? 0 : (u32)n;
	}
	pthread_mutex_unlock(&s->lock);
	return s->rest ? -EAGAIN : 0;
}

/* Keep the end of a frame of which @sent bytes, length included, went out. */
static void net_stream_keep(struct net_stream *s, const struct ring_chain *c, u32 frame, u32 sent)
{
	u32 len = htobe32(frame);	/* as it is on the wire */

	memcpy(s->out, &len, sizeof(len));
	ring_iov_read(c->iov, c->out, NET_HDR_BYTES, s->out + NET_STREAM_LEN, frame);
	s->sent = sent;
	s->rest = NET_STREAM_LEN + frame - sent;
	s->out_epoch = s->epoch;
}

static int net_stream_send(struct net_port *p, const struct virtio_net_hdr_v1 *hdr,
			   const struct ring_chain *c)
{
	struct net_stream *s = (struct net_stream *)p;
	u32 frame = c->out_len - (u32)NET_HDR_BYTES;
	u32 len = htobe32(frame);	/* as it is on the wire */
	struct iovec iov[1 + NET_PORT_SEGS];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;
	int r = 0;

	(void)hdr;	/* no offloads were offered: it says nothing */
	iov[0].iov_base = &len;
	iov[0].iov_len = sizeof(len);
	msg.msg_iovlen = 1 + net_port_gather(c, iov + 1);
	pthread_mutex_lock(&s->lock);
	if (s->connected) {
		do {
			n = sendmsg(p->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		} while (n < 0 && errno == EINTR);
		if (n < 0 && errno == EAGAIN) {
			r = -EAGAIN;
		} else if (n > 0 && (u32)n < NET_STREAM_LEN + frame) {
			net_stream_keep(s, c, frame, (u32)n);
			r = 1;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void net_stream_close(struct net_port *p)
{
	struct net_stream *s = (struct net_stream *)p;

	close(p->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct net_port_ops net_stream_ops = {
	.negotiated = net_stream_negotiated,
	.receive = net_stream_receive,
	.send = net_stream_send,
	.finish = net_stream_finish,
	.close = net_stream_close,
};

struct net_port *net_stream_open(const struct options_device *spec)
{
	struct net_stream *s;

	if (strlen(spec->stream) >= sizeof(s->addr.sun_path)) {
		log_error(spec->id, "stream path %s is too long: use at most %zu characters",
			  spec->stream, sizeof(s->addr.sun_path) - 1);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->port.ops = &net_stream_ops;
	s->port.retry_ms = NET_STREAM_RETRY_MIN;
	s->port.fd = net_stream_socket();
	if (s->port.fd < 0) {
		log_error(spec->id, "stream %s: %s", spec->stream, strerror(errno));
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->addr.sun_family = AF_UNIX;
	strcpy(s->addr.sun_path, spec->stream);
	return &s->port;
}
