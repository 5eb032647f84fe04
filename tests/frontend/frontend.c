// SPDX-License-Identifier: GPL-2.0
/* See frontend.h. */
#include "frontend.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FE_REPLY	5u	/* version 1, and the flag of an answer */
#define FE_NEED_REPLY	9u

/* ---- memory ----------------------------------------------------------------- */

int fe_open(struct fe *fe, u64 bytes)
{
	unsigned int i;

	memset(fe, 0, sizeof(*fe));
	fe->sock = -1;
	fe->log_fd = -1;
	fe->bytes = bytes;
	for (i = 0; i < FE_QUEUES; i++)
		fe->queue[i].kick = fe->queue[i].call = -1;
	fe->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	if (fe->mem_fd < 0 || ftruncate(fe->mem_fd, (off_t)bytes))
		return -errno;
	fe->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fe->mem_fd, 0);
	return fe->mem == MAP_FAILED ? -errno : 0;
}

void fe_close(struct fe *fe)
{
	unsigned int i;

	fe_drop(fe);
	for (i = 0; i < FE_QUEUES; i++) {
		if (!fe->queue[i].size)
			continue;
		close(fe->queue[i].kick);
		close(fe->queue[i].call);
		free(fe->queue[i].priv);
	}
	if (fe->log_fd >= 0)
		close(fe->log_fd);
	munmap(fe->mem, fe->bytes);
	close(fe->mem_fd);
}

void *fe_alloc(struct fe *fe, u64 bytes)
{
	void *p = fe->mem + fe->used;

	bytes = ALIGN(bytes, (u64)4096);
	if (bytes > fe->bytes - fe->used) {
		fprintf(stderr, "front-end: out of guest memory: give fe_open() more\n");
		return NULL;
	}
	fe->used += bytes;
	return p;
}

/* ---- messages --------------------------------------------------------------- */

struct fe_header {
	u32 request;
	u32 flags;
	u32 size;
};

static int fe_send_flags(struct fe *fe, u32 request, u32 flags, const void *payload, u32 size,
			 int fd)
{
	struct fe_header hdr = { .request = request, .flags = flags, .size = size };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr hdr;
	} control = { .hdr = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS } };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { (void *)(uintptr_t)payload, size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	return sendmsg(fe->sock, &msg, MSG_NOSIGNAL) == (ssize_t)(sizeof(hdr) + size) ?
		0 : -ENOTCONN;
}

int fe_send(struct fe *fe, u32 request, const void *payload, u32 size, int fd)
{
	return fe_send_flags(fe, request, MESSAGE_VERSION, payload, size, fd);
}

/* Take so many bytes; an fd that comes with them is put to @fd. */
static int fe_take(struct fe *fe, void *to, size_t size, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr hdr;
	} control;
	struct iovec iov = { to, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf };
	ssize_t n;

	while (iov.iov_len) {
		msg.msg_controllen = sizeof(control.buf);
		n = recvmsg(fe->sock, &msg, MSG_CMSG_CLOEXEC);
		if (n <= 0) {
			if (n < 0 && errno == EAGAIN)
				fprintf(stderr, "front-end: no answer within %d s\n", FE_SECONDS);
			return n < 0 && errno == EAGAIN ? -ETIMEDOUT : -ENOTCONN;
		}
		if (fd && CMSG_FIRSTHDR(&msg))
			memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
	}
	return 0;
}

static int fe_take_reply(struct fe *fe, u32 request, void *payload, u32 size, int *fd)
{
	struct fe_header hdr;
	int r;

	r = fe_take(fe, &hdr, sizeof(hdr), fd);
	if (r)
		return r;
	if (hdr.request != request || hdr.flags != FE_REPLY || hdr.size != size) {
		fprintf(stderr, "front-end: %s: another answer came: %u, flags %u, %u bytes\n",
			message_name(request), hdr.request, hdr.flags, hdr.size);
		return -EPROTO;
	}
	return fe_take(fe, payload, size, fd);
}

int fe_ask(struct fe *fe, u32 request, void *payload, u32 size, int *fd)
{
	static const u32 asks[] = { MESSAGE_GET_FEATURES, MESSAGE_GET_PROTOCOL_FEATURES,
				    MESSAGE_GET_QUEUE_NUM };
	bool empty = false;
	unsigned int i;
	int r;

	for (i = 0; i < ARRAY_SIZE(asks); i++)
		empty |= asks[i] == request;
	if (fd)
		*fd = -1;
	r = fe_send(fe, request, payload, empty ? 0 : size, -1);
	return r ? r : fe_take_reply(fe, request, payload, size, fd);
}

/* Send, and wait until it is done. */
static int fe_tell(struct fe *fe, u32 request, const void *payload, u32 size, int fd)
{
	u64 answer;
	int r;

	if (!(fe->protocol & MESSAGE_F_REPLY_ACK))
		return fe_send(fe, request, payload, size, fd);
	r = fe_send_flags(fe, request, FE_NEED_REPLY, payload, size, fd);
	if (!r)
		r = fe_take_reply(fe, request, &answer, sizeof(answer), NULL);
	if (!r && answer) {
		fprintf(stderr, "front-end: %s was refused\n", message_name(request));
		r = -EPROTO;
	}
	return r;
}

/* ---- the connection ---------------------------------------------------------- */

void fe_drop(struct fe *fe)
{
	if (fe->sock >= 0)
		close(fe->sock);
	fe->sock = -1;
}

static int fe_dial(struct fe *fe, const char *path)
{
	const struct timeval patience = { .tv_sec = FE_SECONDS };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	fe->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fe->sock < 0)
		return -errno;
	if (connect(fe->sock, (const struct sockaddr *)&sa, sizeof(sa)) ||
	    setsockopt(fe->sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		return errno == ENOENT || errno == ECONNREFUSED ? -ENOTCONN : -errno;
	return 0;
}

int fe_connect(struct fe *fe, const char *path, u64 features, u64 protocol)
{
	u64 offered;
	int r;

	fe_drop(fe);
	r = fe_dial(fe, path);
	if (r)
		return r;
	features |= BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(MESSAGE_VIRTIO_F_PROTOCOL);
	r = fe_ask(fe, MESSAGE_GET_FEATURES, &offered, sizeof(offered), NULL);
	if (!r && (features & ~offered))
		r = -ENOTSUP;
	if (!r)
		r = fe_ask(fe, MESSAGE_GET_PROTOCOL_FEATURES, &offered, sizeof(offered), NULL);
	if (!r && (protocol & ~offered))
		r = -ENOTSUP;
	if (r == -ENOTSUP)
		fprintf(stderr, "front-end: the back-end does not offer what is wanted: %#llx\n",
			(unsigned long long)offered);
	if (!r)
		r = fe_send(fe, MESSAGE_SET_PROTOCOL_FEATURES, &protocol, sizeof(protocol), -1);
	if (!r)
		r = fe_send(fe, MESSAGE_SET_OWNER, NULL, 0, -1);
	fe->features = features;
	fe->protocol = protocol;
	if (!r)
		r = fe_tell(fe, MESSAGE_SET_FEATURES, &features, sizeof(features), -1);
	return r;
}

/* ---- queues ------------------------------------------------------------------ */

int fe_queue_open(struct fe *fe, u16 index, u16 size)
{
	struct fe_queue *q = &fe->queue[index];
	void *at = fe_alloc(fe, ring_place(&q->areas, NULL, 0, size, fe->features));

	if (!at)
		return -ENOMEM;
	ring_place(&q->areas, shared_mark(at), fe_bus(fe, at), size, fe->features);
	q->priv = calloc(1, ring_drv_private_bytes(size));
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!q->priv || q->kick < 0 || q->call < 0)
		return -ENOMEM;
	q->size = size;
	return ring_drv_init(&q->ring, &q->areas, size, fe->features, q->priv);
}

int fe_log(struct fe *fe, u16 queues, u16 size)
{
	fe->log = (struct message_inflight) { .queues = queues, .size = size };
	return fe_ask(fe, MESSAGE_GET_INFLIGHT_FD, &fe->log, sizeof(fe->log), &fe->log_fd);
}

/*
 * Where an earlier back-end was, by what it showed: what a VMM takes it for when the
 * back-end can no longer be asked.
 */
static u32 fe_base(const struct fe *fe, const struct fe_queue *q)
{
	u32 at;

	if (!(fe->features & BIT_ULL(VIRTIO_F_RING_PACKED)))
		return shared_load16(&q->ring.split.used->idx);
	at = q->ring.packed.used;
	at = at < q->size ? at | 0x8000u : at - q->size;
	return at | at << 16;
}

static int fe_start(struct fe *fe, u16 index)
{
	struct fe_queue *q = &fe->queue[index];
	struct message_state num = { index, q->size }, base = { index, fe_base(fe, q) };
	struct message_state enable = { index, 1 };
	struct message_addr addr = { .index = index };
	u64 fd = index;
	int r;

	addr.desc = (uintptr_t)shared_unmark(q->areas.desc);
	addr.avail = (uintptr_t)shared_unmark(q->areas.driver);
	addr.used = (uintptr_t)shared_unmark(q->areas.device);
	r = fe_send(fe, MESSAGE_SET_VRING_NUM, &num, sizeof(num), -1);
	if (!r)
		r = fe_send(fe, MESSAGE_SET_VRING_BASE, &base, sizeof(base), -1);
	if (!r)
		r = fe_send(fe, MESSAGE_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	if (!r)
		r = fe_send(fe, MESSAGE_SET_VRING_CALL, &fd, sizeof(fd), q->call);
	if (!r)
		r = fe_send(fe, MESSAGE_SET_VRING_KICK, &fd, sizeof(fd), q->kick);
	if (!r)
		r = fe_tell(fe, MESSAGE_SET_VRING_ENABLE, &enable, sizeof(enable), -1);
	return r;
}

int fe_resume(struct fe *fe)
{
	struct __attribute__((packed)) {
		u32 regions;
		u32 padding;
		struct message_region region;
	} table = { .regions = 1, .region = { .guest = FE_GUEST, .bytes = fe->bytes,
					      .user = (uintptr_t)fe->mem } };
	u16 i;
	int r;

	r = fe_tell(fe, MESSAGE_SET_MEM_TABLE, &table, sizeof(table), fe->mem_fd);
	if (!r && fe->log_fd >= 0)
		r = fe_tell(fe, MESSAGE_SET_INFLIGHT_FD, &fe->log, sizeof(fe->log), fe->log_fd);
	for (i = 0; i < FE_QUEUES && !r; i++) {
		if (fe->queue[i].size)
			r = fe_start(fe, i);
	}
	return r;
}

int64_t fe_stop(struct fe *fe, u16 index)
{
	struct message_state state = { .index = index };
	int r = fe_ask(fe, MESSAGE_GET_VRING_BASE, &state, sizeof(state), NULL);

	return r ? r : (int64_t)state.num;
}

bool fe_kick(struct fe_queue *q)
{
	return ring_drv_publish(&q->ring) && !eventfd_write(q->kick, 1);
}

bool fe_wait(struct fe *fe, int ms)
{
	struct pollfd p[FE_QUEUES];
	eventfd_t count;
	unsigned int i;

	for (i = 0; i < FE_QUEUES; i++)
		p[i] = (struct pollfd) { .fd = fe->queue[i].size ? fe->queue[i].call : -1,
					 .events = POLLIN };
	if (poll(p, FE_QUEUES, ms) <= 0)
		return false;
	for (i = 0; i < FE_QUEUES; i++) {
		if (p[i].fd >= 0 && p[i].revents)
			eventfd_read(p[i].fd, &count);
	}
	return true;
}
