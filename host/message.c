// SPDX-License-Identifier: GPL-2.0
/*
 * One vhost-user message, as it comes off the socket.
 *
 * The socket is a byte stream: a message may come in one piece or byte by byte,
 * and its file descriptors with any of its bytes. message_receive() takes what
 * is there and keeps it in struct message until the message is whole. Whatever
 * can be said about a message from its header alone is checked here, before a
 * handler sees it: version, flags, size of the payload and number of fds for
 * each request. Fds belong to the message until a handler takes them, and
 * message_reset() closes the rest, so that no path leaks one. The kernel drops fds
 * that there is no room for in the middle of recvmsg(), which can take as long as
 * their close() does (closer.c): so there is room for as many as a message can have.
 *
 * #syscalls recvmsg sendmsg
 */
#include "message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define MESSAGE_VERSION_MASK	0x3u
#define MESSAGE_FDS_MAX		253u	/* SCM_MAX_FD of the kernel */
#define MESSAGE_F_REPLY		0x4u
#define MESSAGE_F_NEED_REPLY	0x8u
#define MESSAGE_INFLIGHT_BYTES	20u	/* of its description, as the specification has it */

_Static_assert(sizeof(struct message_table) == 8 + 32 * MESSAGE_REGIONS, "wire format");
_Static_assert(sizeof(struct message_addr) == 40, "wire format");
_Static_assert(offsetof(struct message, u64) - offsetof(struct message, request) ==
	       MESSAGE_HDR_BYTES, "wire format");

/**
 * struct message_rule - what a request must look like
 * @name: in words
 * @min: least bytes of payload
 * @max: most bytes of payload
 * @fds: most fds; exact numbers are the handler's to check
 */
struct message_rule {
	const char *name;
	u16 min;
	u16 max;
	u8 fds;
};

#define RULE(n, lo, hi, f)	[MESSAGE_##n] = { #n, lo, hi, f }

static const struct message_rule message_rules[MESSAGE_REQUESTS] = {
	RULE(GET_FEATURES, 0, 0, 0),
	RULE(SET_FEATURES, 8, 8, 0),
	RULE(SET_OWNER, 0, 0, 0),
	RULE(RESET_OWNER, 0, 0, 0),
	RULE(SET_MEM_TABLE, 8 + 32, sizeof(struct message_table), MESSAGE_REGIONS),
	RULE(SET_LOG_BASE, 16, 16, 1),
	RULE(SET_LOG_FD, 0, 8, 1),
	RULE(SET_VRING_NUM, 8, 8, 0),
	RULE(SET_VRING_ADDR, 40, 40, 0),
	RULE(SET_VRING_BASE, 8, 8, 0),
	RULE(GET_VRING_BASE, 8, 8, 0),
	RULE(SET_VRING_KICK, 8, 8, 1),
	RULE(SET_VRING_CALL, 8, 8, 1),
	RULE(SET_VRING_ERR, 8, 8, 1),
	RULE(GET_PROTOCOL_FEATURES, 0, 0, 0),
	RULE(SET_PROTOCOL_FEATURES, 8, 8, 0),
	RULE(GET_QUEUE_NUM, 0, 0, 0),
	RULE(SET_VRING_ENABLE, 8, 8, 0),
	RULE(SEND_RARP, 8, 8, 0),
	RULE(NET_SET_MTU, 8, 8, 0),
	RULE(SET_BACKEND_REQ_FD, 0, 0, 1),
	RULE(GET_CONFIG, 12, sizeof(struct message_config), 0),
	RULE(SET_CONFIG, 12, sizeof(struct message_config), 0),
	RULE(GET_INFLIGHT_FD, MESSAGE_INFLIGHT_BYTES, sizeof(struct message_inflight), 0),
	RULE(SET_INFLIGHT_FD, MESSAGE_INFLIGHT_BYTES, sizeof(struct message_inflight), 1),
	RULE(RESET_DEVICE, 0, 0, 0),
	RULE(GET_MAX_MEM_SLOTS, 0, 0, 0),
	RULE(ADD_MEM_REG, sizeof(struct message_slot), sizeof(struct message_slot), 1),
	/* Some front-ends send the fd once more. */
	RULE(REM_MEM_REG, sizeof(struct message_slot), sizeof(struct message_slot), 1),
	RULE(SET_STATUS, 8, 8, 0),
	RULE(GET_STATUS, 0, 0, 0),
};

static const struct message_rule *message_rule(u32 request)
{
	if (request >= MESSAGE_REQUESTS || !message_rules[request].name)
		return NULL;
	return &message_rules[request];
}

const char *message_name(u32 request)
{
	const struct message_rule *rule = message_rule(request);

	return rule ? rule->name : "unknown request";
}

void message_init(struct message *m, struct closer *closer)
{
	memset(m, 0, sizeof(*m));
	m->closer = closer;
}

void message_reset(struct message *m)
{
	unsigned int i;

	for (i = 0; i < m->fds; i++)
		closer_close(m->closer, m->fd[i]);
	message_init(m, m->closer);
}

/* Keep the fds of one recvmsg(); those that do not fit are closed. */
static bool message_keep_fds(struct message *m, struct msghdr *msg)
{
	bool fit = !(msg->msg_flags & MSG_CTRUNC);
	struct cmsghdr *c;
	size_t i, num;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		num = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < num; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->fds < MESSAGE_REGIONS) {
				m->fd[m->fds++] = fd;
			} else {
				closer_close(m->closer, fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* Check what the header says. Return: NULL, or what is wrong. */
static const char *message_check_header(const struct message *m)
{
	const struct message_rule *rule = message_rule(m->request);

	if ((m->flags & MESSAGE_VERSION_MASK) != MESSAGE_VERSION)
		return "protocol version is not 1";
	if (m->flags & ~(MESSAGE_VERSION_MASK | MESSAGE_F_NEED_REPLY))
		return "reply flag or an unknown flag is set";
	if (!rule)
		return "request is not known or was not offered";
	if (m->size < rule->min || m->size > rule->max)
		return "payload has the wrong size";
	return NULL;
}

int message_receive(struct message *m, int sock, const char **why)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr msg;
	ssize_t n;
	u32 want;

	for (;;) {
		want = MESSAGE_HDR_BYTES;
		if (m->have >= MESSAGE_HDR_BYTES)
			want += m->size;
		if (m->have && m->have == want)
			break;
		iov.iov_base = (char *)&m->request + m->have;
		iov.iov_len = want - m->have;
		memset(&msg, 0, sizeof(msg));
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0) {
			*why = "connection ended inside a message";
			return m->have ? -EPROTO : -ENOTCONN;
		}
		m->have += (u32)n;
		if (!message_keep_fds(m, &msg)) {
			*why = "too many file descriptors";
			return -EPROTO;
		}
		if (m->have == MESSAGE_HDR_BYTES) {
			*why = message_check_header(m);
			if (*why)
				return -EPROTO;
		}
	}
	if (m->fds > message_rule(m->request)->fds) {
		*why = "file descriptors that do not belong there";
		return -EPROTO;
	}
	return 1;
}

bool message_wants_ack(const struct message *m)
{
	return m->flags & MESSAGE_F_NEED_REPLY;
}

int message_reply(struct message *m, int sock, u32 size, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr hdr;
	} control = { .hdr = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = &m->request, .iov_len = MESSAGE_HDR_BYTES + size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	m->flags = MESSAGE_VERSION | MESSAGE_F_REPLY;
	m->size = size;
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == MESSAGE_HDR_BYTES + size ? 0 : -EAGAIN;
}

int message_take_fd(struct message *m, unsigned int i)
{
	int fd = i < m->fds ? m->fd[i] : -1;

	if (fd >= 0)
		m->fd[i] = -1;
	return fd;
}
