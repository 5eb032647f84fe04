// SPDX-License-Identifier: GPL-2.0
/*
 * What the requests of a front-end do to its session.
 *
 * A handler runs in the control thread, while the queues that its request is about do not
 * run: session.c sees to that. Its message has the right size, and not more files than it may
 * have (message.c); all else is checked here. What cannot be ends the session, with the
 * reason that the handler leaves in @why.
 *
 * #syscalls getsockopt timerfd_settime
 */
#include "request.h"

#include <sys/socket.h>
#include <sys/timerfd.h>

#define REQUEST_SETTLE_NS	20000000L

static int request_lie(struct session *s, const char *why)
{
	s->why = why;
	return -EPROTO;
}

static int request_reply_u64(struct session *s, u64 value)
{
	s->msg.u64 = value;
	s->msg.size = sizeof(value);
	return REQUEST_REPLY;
}

static u64 request_protocol_features(const struct session *s)
{
	const struct device_ops *ops = s->dev->ops;
	u64 features = MESSAGE_F_MQ | MESSAGE_F_REPLY_ACK | MESSAGE_F_BACKEND_REQ |
		       MESSAGE_F_BACKEND_SEND_FD | MESSAGE_F_RESET_DEVICE |
		       MESSAGE_F_CONFIGURE_MEM_SLOTS | MESSAGE_F_STATUS | MESSAGE_F_GPA_ADDRESSES;

	if (ops->config)
		features |= MESSAGE_F_CONFIG;
	if (ops->logged)
		features |= MESSAGE_F_INFLIGHT_SHMFD;
	if (ops->set_mtu)
		features |= MESSAGE_F_NET_MTU;
	if (s->dev->announces)
		features |= MESSAGE_F_RARP;
	if (s->dev->migrates)
		features |= MESSAGE_F_LOG_SHMFD;
	return features;
}

/* Queues that memory or its log had no room for may have it now. */
static void request_house_queues(struct session *s)
{
	u16 i;

	for (i = 0; i < s->dev->queues; i++) {
		s->queue[i].wanted |= s->queue[i].homeless;
		s->queue[i].homeless = false;
	}
}

/* ---- handlers: the device -------------------------------------------------- */

static int request_get_features(struct session *s)
{
	return request_reply_u64(s, device_features(s->dev));
}

static int request_set_features(struct session *s)
{
	if (s->msg.u64 & ~device_features(s->dev))
		return request_lie(s, "features that were not offered");
	s->features = s->msg.u64;
	request_house_queues(s);
	return REQUEST_OK;
}

static int request_get_protocol_features(struct session *s)
{
	return request_reply_u64(s, request_protocol_features(s));
}

static int request_set_protocol_features(struct session *s)
{
	if (s->msg.u64 & ~request_protocol_features(s))
		return request_lie(s, "protocol features that were not offered");
	s->protocol = s->msg.u64;
	return REQUEST_OK;
}

/* Deprecated, and best ignored, says the specification. */
static int request_owner(struct session *s)
{
	(void)s;
	return REQUEST_OK;
}

static int request_get_queue_num(struct session *s)
{
	return request_reply_u64(s, s->dev->queue_num);
}

/* What is sent there must not wait, nor go anywhere else. */
static bool request_is_channel(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM;
}

static int request_set_backend_req_fd(struct session *s)
{
	if (s->msg.fds != 1)
		return request_lie(s, "no file descriptor");
	if (s->backend >= 0)
		return request_lie(s, "there is such a channel already");
	if (!request_is_channel(s->msg.fd[0]))
		return request_lie(s, "the channel is no Unix stream socket");
	s->backend = message_take_fd(&s->msg, 0);
	return REQUEST_OK;
}

static int request_check_config(struct session *s)
{
	const struct message_config *c = &s->msg.config;

	if (!s->dev->ops->config)
		return request_lie(s, "configuration was not offered");
	if (c->bytes > MESSAGE_CONFIG_BYTES || c->offset > MESSAGE_CONFIG_BYTES - c->bytes ||
	    s->msg.size != offsetof(struct message_config, data) + c->bytes)
		return request_lie(s, "outside the configuration space");
	return 0;
}

static int request_get_config(struct session *s)
{
	u8 space[MESSAGE_CONFIG_BYTES] = { 0 };
	int r = request_check_config(s);

	if (r)
		return r;
	s->dev->ops->config(s->dev, space);
	memcpy(s->msg.config.data, space + s->msg.config.offset, s->msg.config.bytes);
	return REQUEST_REPLY;
}

static int request_set_config(struct session *s)
{
	const struct device_ops *ops = s->dev->ops;
	const struct message_config *c = &s->msg.config;
	int r = request_check_config(s);

	if (r)
		return r;
	if (!ops->set_config || ops->set_config(s->dev, c->offset, c->data, c->bytes))
		return REQUEST_REFUSED;
	if (ops->note)
		inflight_note(s->inflight, ops->note(s->dev));
	return REQUEST_OK;
}

/* All queues are as if they had never been set up; the connection stays. */
static int request_reset_device(struct session *s)
{
	u16 i;

	for (i = 0; i < s->dev->queues; i++)
		queue_reset(&s->queue[i]);
	/* What it says is of rings that are no more. */
	inflight_close(s->inflight);
	s->inflight = NULL;
	s->status = 0;
	return REQUEST_OK;
}

static int request_set_status(struct session *s)
{
	if (s->msg.u64 > 0xff)
		return request_lie(s, "a device status has 8 bits");
	if (!s->msg.u64)
		return request_reset_device(s);
	s->status = s->msg.u64;
	return REQUEST_OK;
}

static int request_get_status(struct session *s)
{
	return request_reply_u64(s, s->status);
}

static int request_net_set_mtu(struct session *s)
{
	if (!s->dev->ops->set_mtu)
		return request_lie(s, "an MTU of what is no network card");
	return s->dev->ops->set_mtu(s->dev, s->msg.u64) ? REQUEST_REFUSED : REQUEST_OK;
}

/* The address is in the first six bytes. */
static int request_send_rarp(struct session *s)
{
	u8 mac[sizeof(s->msg.u64)];

	if (!s->dev->announces)
		return request_lie(s, "was not offered");
	memcpy(mac, &s->msg.u64, sizeof(mac));
	s->dev->ops->announce(s->dev, mac);
	return REQUEST_OK;
}

/* ---- handlers: memory ------------------------------------------------------- */

bool request_settle(struct session *s)
{
	static const struct itimerspec moment = { .it_value.tv_nsec = REQUEST_SETTLE_NS };

	return !timerfd_settime(s->settle.fd, 0, &moment, NULL);
}

void request_forget_memory(struct session *s)
{
	if (!s->memory)
		return;
	log_peer(&s->dev->limit, LOG_INFO, s->dev->id,
		 "mapped %llu bytes of %llu offered",
		 (unsigned long long)memory_mapped(s->memory),
		 (unsigned long long)memory_offered(s->memory));
	memory_close(s->memory);
	s->memory = NULL;
}

/* With GPA_ADDRESSES a region has no other address than the guest's, and rings are told by it. */
static void request_name_region(const struct session *s, struct message_region *w)
{
	if (s->protocol & MESSAGE_F_GPA_ADDRESSES)
		w->user = w->guest;
}

static int request_set_mem_table(struct session *s)
{
	struct memory *memory;
	unsigned int i;
	int r;

	for (i = 0; i < MESSAGE_REGIONS; i++) {
		struct message_region w = s->msg.table.region[i];

		request_name_region(s, &w);
		s->msg.table.region[i] = w;
	}

	r = memory_open(&s->msg, &s->why, &memory);
	if (r)
		return -EPROTO;
	request_forget_memory(s);
	s->memory = memory;
	request_house_queues(s);
	log_peer(&s->dev->limit, LOG_INFO, s->dev->id, "%u region%s, %llu bytes offered",
		 memory_regions(memory), memory_regions(memory) == 1 ? "" : "s",
		 (unsigned long long)memory_offered(memory));
	return REQUEST_OK;
}

static int request_get_max_mem_slots(struct session *s)
{
	return request_reply_u64(s, MEMORY_SLOTS);
}

/* The region of a message about one. */
static void request_name_slot(struct session *s)
{
	struct message_region w = s->msg.slot.region;

	request_name_region(s, &w);
	s->msg.slot.region = w;
}

static int request_add_mem_reg(struct session *s)
{
	request_name_slot(s);
	if (memory_add(&s->msg, &s->why, &s->memory))
		return -EPROTO;
	request_house_queues(s);
	return REQUEST_OK;
}

/*
 * A region that is to have another size is removed and then added anew, with what is in it
 * in use all the time. So queues stay stopped for a moment, or until what comes next is there.
 */
static int request_rem_mem_reg(struct session *s)
{
	int r;

	request_name_slot(s);
	r = memory_remove(&s->msg, &s->why, s->memory);
	if (r)
		return r;
	s->settling = request_settle(s);
	return REQUEST_OK;
}

void request_forget_dirty(struct session *s)
{
	if (!s->dirty)
		return;
	log_peer(&s->dev->limit, LOG_INFO, s->dev->id, "%llu marks in the log of written pages",
		 (unsigned long long)dirty_marks(s->dirty));
	dirty_close(s->dirty);
	s->dirty = NULL;
}

/* Its answer is waited for, whether one is asked for or not. */
static int request_set_log_base(struct session *s)
{
	struct dirty *dirty;
	int r;

	if (!(s->protocol & MESSAGE_F_LOG_SHMFD))
		return request_lie(s, "was not negotiated");
	r = dirty_open(&s->msg, &s->why, &dirty);
	if (r)
		return r;
	request_forget_dirty(s);
	s->dirty = dirty;
	request_house_queues(s);
	return request_reply_u64(s, 0);
}

/* An event for each mark is for a front-end that waits for one; none is known. */
static int request_set_log_fd(struct session *s)
{
	return s->protocol & MESSAGE_F_LOG_SHMFD ? REQUEST_REFUSED :
						   request_lie(s, "was not negotiated");
}

static int request_get_inflight_fd(struct session *s)
{
	s->answer_fd = inflight_make(&s->msg, s->features, s->dev->queues, &s->why);
	return s->answer_fd < 0 ? s->answer_fd : REQUEST_REPLY;
}

static int request_set_inflight_fd(struct session *s)
{
	struct inflight *inflight;
	const struct device_ops *ops = s->dev->ops;
	int r = inflight_open(&s->msg, s->features, s->dev->queues, &s->why, &inflight);

	if (r)
		return r;
	inflight_close(s->inflight);
	s->inflight = inflight;
	r = inflight_recall(inflight);
	if (ops->recall && r >= 0)
		ops->recall(s->dev, (u8)r);
	else if (ops->note)
		inflight_note(inflight, ops->note(s->dev));
	return REQUEST_OK;
}

/* ---- handlers: queues -------------------------------------------------------- */

static struct queue *request_queue(struct session *s, u64 index)
{
	if (index >= s->dev->queues) {
		s->why = "no such queue";
		return NULL;
	}
	return &s->queue[array_index_nospec(index, s->dev->queues)];
}

static int request_set_vring_num(struct session *s)
{
	struct queue *q = request_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	if (!ring_size_ok(s->msg.state.num, s->features))
		return request_lie(s, "a queue cannot have this size");
	q->num = s->msg.state.num;
	return REQUEST_OK;
}

static int request_set_vring_addr(struct session *s)
{
	struct queue *q = request_queue(s, s->msg.addr.index);

	if (!q)
		return -EPROTO;
	if (s->msg.addr.flags & ~(s->protocol & MESSAGE_F_LOG_SHMFD ? MESSAGE_ADDR_LOG : 0))
		return request_lie(s, "flags that were not offered");
	q->addr = s->msg.addr;
	q->addressed = true;
	return REQUEST_OK;
}

static int request_set_vring_base(struct session *s)
{
	struct queue *q = request_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	if (s->msg.state.num > UINT16_MAX && !(s->features & BIT_ULL(VIRTIO_F_RING_PACKED)))
		return request_lie(s, "a split ring's index has 16 bits");
	q->base = s->msg.state.num;
	q->based = true;
	q->leaves = false;
	return REQUEST_OK;
}

static int request_get_vring_base(struct session *s)
{
	struct queue *q = request_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	q->wanted = false;
	q->polled = false;
	queue_set_kick(q, -1);
	s->msg.state.num = queue_leave_base(q, s->features);
	s->msg.size = sizeof(s->msg.state);
	return REQUEST_REPLY;
}

/* The queue and the fd of a message that sets one. */
static struct queue *request_queue_fd(struct session *s, int *fd)
{
	struct queue *q = request_queue(s, s->msg.u64 & 0xff);
	bool nofd = s->msg.u64 & MESSAGE_NOFD;

	if (!q)
		return NULL;
	if (s->msg.u64 & ~(MESSAGE_NOFD | 0xff) || s->msg.fds != (nofd ? 0 : 1)) {
		s->why = "file descriptor missing or not announced";
		return NULL;
	}
	if (!nofd && !closer_is_event(s->msg.fd[0])) {
		s->why = "file descriptor is neither an eventfd nor a pipe";
		return NULL;
	}
	*fd = nofd ? -1 : message_take_fd(&s->msg, 0);
	return q;
}

static int request_set_vring_kick(struct session *s)
{
	struct queue *q;
	int fd;

	q = request_queue_fd(s, &fd);
	if (!q)
		return -EPROTO;
	queue_set_kick(q, fd);
	q->polled = fd < 0;
	q->wanted = true;
	return REQUEST_OK;
}

static int request_set_vring_call(struct session *s)
{
	struct queue *q;
	int fd;

	q = request_queue_fd(s, &fd);
	if (!q)
		return -EPROTO;
	return queue_set_call(q, fd) ? request_lie(s, "out of file descriptors") : REQUEST_OK;
}

static int request_set_vring_err(struct session *s)
{
	struct queue *q;
	int fd;

	q = request_queue_fd(s, &fd);
	if (!q)
		return -EPROTO;
	return queue_set_err(q, fd) ? request_lie(s, "out of file descriptors") : REQUEST_OK;
}

static int request_set_vring_enable(struct session *s)
{
	struct queue *q = request_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	if (s->msg.state.num > 1)
		return request_lie(s, "neither 0 nor 1");
	queue_set_enabled(q, s->msg.state.num);
	return REQUEST_OK;
}

const struct request_handler request_handlers[MESSAGE_REQUESTS] = {
	[MESSAGE_GET_FEATURES] = { request_get_features, SCOPE_NONE },
	[MESSAGE_SET_FEATURES] = { request_set_features, SCOPE_ALL },
	[MESSAGE_SET_OWNER] = { request_owner, SCOPE_NONE },
	[MESSAGE_RESET_OWNER] = { request_owner, SCOPE_NONE },
	[MESSAGE_SET_MEM_TABLE] = { request_set_mem_table, SCOPE_ALL },
	[MESSAGE_SET_VRING_NUM] = { request_set_vring_num, SCOPE_STATE },
	[MESSAGE_SET_VRING_ADDR] = { request_set_vring_addr, SCOPE_STATE },
	[MESSAGE_SET_VRING_BASE] = { request_set_vring_base, SCOPE_STATE },
	[MESSAGE_GET_VRING_BASE] = { request_get_vring_base, SCOPE_STATE },
	[MESSAGE_SET_VRING_KICK] = { request_set_vring_kick, SCOPE_FD },
	[MESSAGE_SET_VRING_CALL] = { request_set_vring_call, SCOPE_NONE },
	[MESSAGE_SET_VRING_ERR] = { request_set_vring_err, SCOPE_NONE },
	[MESSAGE_GET_PROTOCOL_FEATURES] = { request_get_protocol_features, SCOPE_NONE },
	[MESSAGE_SET_PROTOCOL_FEATURES] = { request_set_protocol_features, SCOPE_NONE },
	[MESSAGE_GET_QUEUE_NUM] = { request_get_queue_num, SCOPE_NONE },
	[MESSAGE_SET_VRING_ENABLE] = { request_set_vring_enable, SCOPE_NONE },
	[MESSAGE_SET_BACKEND_REQ_FD] = { request_set_backend_req_fd, SCOPE_NONE },
	[MESSAGE_GET_CONFIG] = { request_get_config, SCOPE_NONE },
	[MESSAGE_SET_CONFIG] = { request_set_config, SCOPE_NONE },
	[MESSAGE_SET_LOG_BASE] = { request_set_log_base, SCOPE_ALL },
	[MESSAGE_SET_LOG_FD] = { request_set_log_fd, SCOPE_NONE },
	[MESSAGE_GET_INFLIGHT_FD] = { request_get_inflight_fd, SCOPE_NONE },
	[MESSAGE_SET_INFLIGHT_FD] = { request_set_inflight_fd, SCOPE_ALL },
	[MESSAGE_SEND_RARP] = { request_send_rarp, SCOPE_NONE },
	[MESSAGE_NET_SET_MTU] = { request_net_set_mtu, SCOPE_NONE },
	[MESSAGE_RESET_DEVICE] = { request_reset_device, SCOPE_ALL },
	[MESSAGE_GET_MAX_MEM_SLOTS] = { request_get_max_mem_slots, SCOPE_NONE },
	[MESSAGE_ADD_MEM_REG] = { request_add_mem_reg, SCOPE_ALL },
	[MESSAGE_REM_MEM_REG] = { request_rem_mem_reg, SCOPE_ALL },
	[MESSAGE_SET_STATUS] = { request_set_status, SCOPE_STATUS },
	[MESSAGE_GET_STATUS] = { request_get_status, SCOPE_NONE },
};
