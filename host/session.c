// SPDX-License-Identifier: GPL-2.0
/*
 * One connection of a front-end to a device: the vhost-user protocol.
 *
 * Theory
 * ------
 * States:
 *
 *   reading ---whole message---> handled ---> reading
 *      |            |               ^
 *      |            v               |
 *      |          parked (queues that the message changes are draining)
 *      v
 *   closing (all queues are draining) ---> gone
 *
 * A handler changes set-up only while the queues concerned do not run. The
 * table of handlers says for each request which queues those are; when one of
 * them runs, it is asked to stop, the message is parked and the socket is not
 * read until the doorbell says that the worker ended. So the control thread
 * never waits, other sessions are served meanwhile, and I/O that is in flight
 * is finished before the memory under it goes. Queues that only had to step
 * aside go on afterwards from where they were.
 *
 * A message that cannot be, or comes with something that cannot be, closes the
 * session with one line; the device can be connected again. What concerns one
 * queue only (a ring in no region: SeaBIOS sets such a one up) fails that queue.
 *
 * fds of the front-end can be anything, and so can what they do when they are
 * closed: all but events and checked regions go to the device's closer.
 *
 * #syscalls eventfd2 read close sendto shutdown getsockopt timerfd_create timerfd_settime
 */
#include "session.h"

#include "inflight.h"
#include "queue.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SESSION_SETTLE_NS	20000000L

/**
 * struct session - a connection
 * @dev: the device
 * @loop: of the control thread
 * @sock: the connection
 * @bell: rung by the workers
 * @settle: timer: regions were removed, and none was added since
 * @msg: the message being received or parked
 * @features: virtio features that the front-end accepted
 * @protocol: protocol features that it accepted
 * @status: of the device, as the driver's side says it
 * @memory: regions, or NULL
 * @inflight: where queues log what they have in flight, or NULL
 * @answer_fd: goes with the answer and is closed then, or -1
 * @queue: the device's vrings
 * @backend: channel for our own requests, or -1
 * @parked: @msg is whole and waits for queues
 * @settling: queues stay stopped until @settle says so, or another message comes
 * @closing: going down
 * @why: what was wrong with a message, for a handler that returns -EPROTO
 * @ended: called when gone
 * @ctx: its argument
 */
struct session {
	struct device *dev;
	struct loop *loop;
	struct loop_event sock;
	struct loop_event bell;
	struct loop_event settle;
	struct message msg;
	u64 features;
	u64 protocol;
	u64 status;
	struct memory *memory;
	struct inflight *inflight;
	int answer_fd;
	struct queue *queue;
	int backend;
	bool parked;
	bool settling;
	bool closing;
	const char *why;
	void (*ended)(void *ctx);
	void *ctx;
};

/**
 * enum session_scope - which queues must not run while a message is handled
 * @SCOPE_NONE: they may all run
 * @SCOPE_STATE: the one that the message's vring state names
 * @SCOPE_FD: the one that the lowest byte of its u64 names
 * @SCOPE_STATUS: all when its u64 is 0
 * @SCOPE_ALL: all
 */
enum session_scope {
	SCOPE_NONE,
	SCOPE_STATE,
	SCOPE_FD,
	SCOPE_STATUS,
	SCOPE_ALL,
};

/* What a handler can return, beside -EPROTO with @why set. */
#define SESSION_OK	0	/* done; acknowledge it when asked to */
#define SESSION_REPLY	1	/* done; the payload is the answer */
#define SESSION_REFUSED	2	/* not done; say so when asked to */

static int session_lie(struct session *s, const char *why)
{
	s->why = why;
	return -EPROTO;
}

static int session_reply_u64(struct session *s, u64 value)
{
	s->msg.u64 = value;
	s->msg.size = sizeof(value);
	return SESSION_REPLY;
}

static u64 session_protocol_features(const struct session *s)
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
	return features;
}

/* ---- handlers: the device -------------------------------------------------- */

static int session_get_features(struct session *s)
{
	return session_reply_u64(s, device_features(s->dev));
}

static int session_set_features(struct session *s)
{
	if (s->msg.u64 & ~device_features(s->dev))
		return session_lie(s, "features that were not offered");
	s->features = s->msg.u64;
	return SESSION_OK;
}

static int session_get_protocol_features(struct session *s)
{
	return session_reply_u64(s, session_protocol_features(s));
}

static int session_set_protocol_features(struct session *s)
{
	if (s->msg.u64 & ~session_protocol_features(s))
		return session_lie(s, "protocol features that were not offered");
	s->protocol = s->msg.u64;
	return SESSION_OK;
}

/* Deprecated, and best ignored, says the specification. */
static int session_owner(struct session *s)
{
	(void)s;
	return SESSION_OK;
}

static int session_get_queue_num(struct session *s)
{
	return session_reply_u64(s, s->dev->queue_num);
}

/* What is sent there must not wait, nor go anywhere else. */
static bool session_is_channel(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM;
}

static int session_set_backend_req_fd(struct session *s)
{
	if (s->msg.fds != 1)
		return session_lie(s, "no file descriptor");
	if (s->backend >= 0)
		return session_lie(s, "there is such a channel already");
	if (!session_is_channel(s->msg.fd[0]))
		return session_lie(s, "the channel is no Unix stream socket");
	s->backend = message_take_fd(&s->msg, 0);
	return SESSION_OK;
}

static int session_check_config(struct session *s)
{
	const struct message_config *c = &s->msg.config;

	if (!s->dev->ops->config)
		return session_lie(s, "configuration was not offered");
	if (c->bytes > MESSAGE_CONFIG_BYTES || c->offset > MESSAGE_CONFIG_BYTES - c->bytes ||
	    s->msg.size != offsetof(struct message_config, data) + c->bytes)
		return session_lie(s, "outside the configuration space");
	return 0;
}

static int session_get_config(struct session *s)
{
	u8 space[MESSAGE_CONFIG_BYTES] = { 0 };
	int r = session_check_config(s);

	if (r)
		return r;
	s->dev->ops->config(s->dev, space);
	memcpy(s->msg.config.data, space + s->msg.config.offset, s->msg.config.bytes);
	return SESSION_REPLY;
}

static int session_set_config(struct session *s)
{
	const struct device_ops *ops = s->dev->ops;
	const struct message_config *c = &s->msg.config;
	int r = session_check_config(s);

	if (r)
		return r;
	if (!ops->set_config || ops->set_config(s->dev, c->offset, c->data, c->bytes))
		return SESSION_REFUSED;
	if (ops->note)
		inflight_note(s->inflight, ops->note(s->dev));
	return SESSION_OK;
}

/* All queues are as if they had never been set up; the connection stays. */
static int session_reset_device(struct session *s)
{
	u16 i;

	for (i = 0; i < s->dev->queues; i++)
		queue_reset(&s->queue[i]);
	/* What it says is of rings that are no more. */
	inflight_close(s->inflight);
	s->inflight = NULL;
	s->status = 0;
	return SESSION_OK;
}

static int session_set_status(struct session *s)
{
	if (s->msg.u64 > 0xff)
		return session_lie(s, "a device status has 8 bits");
	if (!s->msg.u64)
		return session_reset_device(s);
	s->status = s->msg.u64;
	return SESSION_OK;
}

static int session_get_status(struct session *s)
{
	return session_reply_u64(s, s->status);
}

static int session_net_set_mtu(struct session *s)
{
	if (!s->dev->ops->set_mtu)
		return session_lie(s, "an MTU of what is no network card");
	return s->dev->ops->set_mtu(s->dev, s->msg.u64) ? SESSION_REFUSED : SESSION_OK;
}

/* The address is in the first six bytes. */
static int session_send_rarp(struct session *s)
{
	u8 mac[sizeof(s->msg.u64)];

	if (!s->dev->announces)
		return session_lie(s, "was not offered");
	memcpy(mac, &s->msg.u64, sizeof(mac));
	s->dev->ops->announce(s->dev, mac);
	return SESSION_OK;
}

/* ---- handlers: memory ------------------------------------------------------- */

static void session_forget_memory(struct session *s)
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

/* With GPA_ADDRESSES a region has no other address than the guest's. */
static void session_name_region(const struct session *s, struct message_region *w)
{
	if (s->protocol & MESSAGE_F_GPA_ADDRESSES)
		w->user = w->guest;
}

/* Queues whose rings were in no region may have one now. */
static void session_house_queues(struct session *s)
{
	u16 i;

	for (i = 0; i < s->dev->queues; i++) {
		s->queue[i].wanted |= s->queue[i].homeless;
		s->queue[i].homeless = false;
	}
}

static int session_set_mem_table(struct session *s)
{
	struct memory *memory;
	unsigned int i;
	int r;

	for (i = 0; i < MESSAGE_REGIONS; i++) {
		struct message_region w = s->msg.table.region[i];

		session_name_region(s, &w);
		s->msg.table.region[i] = w;
	}

	r = memory_open(&s->msg, &s->why, &memory);
	if (r)
		return -EPROTO;
	session_forget_memory(s);
	s->memory = memory;
	session_house_queues(s);
	log_peer(&s->dev->limit, LOG_INFO, s->dev->id, "%u region%s, %llu bytes offered",
		 memory_regions(memory), memory_regions(memory) == 1 ? "" : "s",
		 (unsigned long long)memory_offered(memory));
	return SESSION_OK;
}

static int session_get_max_mem_slots(struct session *s)
{
	return session_reply_u64(s, MEMORY_SLOTS);
}

/* The region of a message about one. */
static void session_name_slot(struct session *s)
{
	struct message_region w = s->msg.slot.region;

	session_name_region(s, &w);
	s->msg.slot.region = w;
}

static int session_add_mem_reg(struct session *s)
{
	session_name_slot(s);
	if (memory_add(&s->msg, &s->why, &s->memory))
		return -EPROTO;
	session_house_queues(s);
	return SESSION_OK;
}

/*
 * A region that is to have another size is removed and then added anew, with what is in it
 * in use all the time. So queues stay stopped for a moment, or until what comes next is there.
 */
static int session_rem_mem_reg(struct session *s)
{
	static const struct itimerspec moment = { .it_value.tv_nsec = SESSION_SETTLE_NS };
	int r;

	session_name_slot(s);
	r = memory_remove(&s->msg, &s->why, s->memory);
	if (r)
		return r;
	s->settling = !timerfd_settime(s->settle.fd, 0, &moment, NULL);
	return SESSION_OK;
}

static int session_get_inflight_fd(struct session *s)
{
	s->answer_fd = inflight_make(&s->msg, s->features, s->dev->queues, &s->why);
	return s->answer_fd < 0 ? s->answer_fd : SESSION_REPLY;
}

static int session_set_inflight_fd(struct session *s)
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
	return SESSION_OK;
}

/* ---- handlers: queues -------------------------------------------------------- */

static struct queue *session_queue(struct session *s, u64 index)
{
	if (index >= s->dev->queues) {
		s->why = "no such queue";
		return NULL;
	}
	return &s->queue[array_index_nospec(index, s->dev->queues)];
}

static int session_set_vring_num(struct session *s)
{
	struct queue *q = session_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	if (!ring_size_ok(s->msg.state.num, s->features))
		return session_lie(s, "a queue cannot have this size");
	q->num = s->msg.state.num;
	return SESSION_OK;
}

static int session_set_vring_addr(struct session *s)
{
	struct queue *q = session_queue(s, s->msg.addr.index);

	if (!q)
		return -EPROTO;
	if (s->msg.addr.flags)
		return session_lie(s, "flags that were not offered");
	q->addr = s->msg.addr;
	q->guest = s->protocol & MESSAGE_F_GPA_ADDRESSES;
	q->addressed = true;
	return SESSION_OK;
}

static int session_set_vring_base(struct session *s)
{
	struct queue *q = session_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	if (s->msg.state.num > UINT16_MAX && !(s->features & BIT_ULL(VIRTIO_F_RING_PACKED)))
		return session_lie(s, "a split ring's index has 16 bits");
	q->base = s->msg.state.num;
	q->based = true;
	return SESSION_OK;
}

static int session_get_vring_base(struct session *s)
{
	struct queue *q = session_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	q->wanted = false;
	q->polled = false;
	queue_set_kick(q, -1);
	s->msg.state.num = queue_base(q, s->features);
	s->msg.size = sizeof(s->msg.state);
	return SESSION_REPLY;
}

/* The queue and the fd of a message that sets one. */
static struct queue *session_queue_fd(struct session *s, int *fd)
{
	struct queue *q = session_queue(s, s->msg.u64 & 0xff);
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

static int session_set_vring_kick(struct session *s)
{
	struct queue *q;
	int fd;

	q = session_queue_fd(s, &fd);
	if (!q)
		return -EPROTO;
	queue_set_kick(q, fd);
	q->polled = fd < 0;
	q->wanted = true;
	return SESSION_OK;
}

static int session_set_vring_call(struct session *s)
{
	struct queue *q;
	int fd;

	q = session_queue_fd(s, &fd);
	if (!q)
		return -EPROTO;
	return queue_set_call(q, fd) ? session_lie(s, "out of file descriptors") : SESSION_OK;
}

static int session_set_vring_err(struct session *s)
{
	struct queue *q;
	int fd;

	q = session_queue_fd(s, &fd);
	if (!q)
		return -EPROTO;
	return queue_set_err(q, fd) ? session_lie(s, "out of file descriptors") : SESSION_OK;
}

static int session_set_vring_enable(struct session *s)
{
	struct queue *q = session_queue(s, s->msg.state.index);

	if (!q)
		return -EPROTO;
	if (s->msg.state.num > 1)
		return session_lie(s, "neither 0 nor 1");
	queue_set_enabled(q, s->msg.state.num);
	return SESSION_OK;
}

/**
 * struct session_handler - how a request is served
 * @fn: serves it
 * @scope: queues that must not run meanwhile
 */
struct session_handler {
	int (*fn)(struct session *s);
	enum session_scope scope;
};

static const struct session_handler session_handlers[MESSAGE_REQUESTS] = {
	[MESSAGE_GET_FEATURES] = { session_get_features, SCOPE_NONE },
	[MESSAGE_SET_FEATURES] = { session_set_features, SCOPE_ALL },
	[MESSAGE_SET_OWNER] = { session_owner, SCOPE_NONE },
	[MESSAGE_RESET_OWNER] = { session_owner, SCOPE_NONE },
	[MESSAGE_SET_MEM_TABLE] = { session_set_mem_table, SCOPE_ALL },
	[MESSAGE_SET_VRING_NUM] = { session_set_vring_num, SCOPE_STATE },
	[MESSAGE_SET_VRING_ADDR] = { session_set_vring_addr, SCOPE_STATE },
	[MESSAGE_SET_VRING_BASE] = { session_set_vring_base, SCOPE_STATE },
	[MESSAGE_GET_VRING_BASE] = { session_get_vring_base, SCOPE_STATE },
	[MESSAGE_SET_VRING_KICK] = { session_set_vring_kick, SCOPE_FD },
	[MESSAGE_SET_VRING_CALL] = { session_set_vring_call, SCOPE_NONE },
	[MESSAGE_SET_VRING_ERR] = { session_set_vring_err, SCOPE_NONE },
	[MESSAGE_GET_PROTOCOL_FEATURES] = { session_get_protocol_features, SCOPE_NONE },
	[MESSAGE_SET_PROTOCOL_FEATURES] = { session_set_protocol_features, SCOPE_NONE },
	[MESSAGE_GET_QUEUE_NUM] = { session_get_queue_num, SCOPE_NONE },
	[MESSAGE_SET_VRING_ENABLE] = { session_set_vring_enable, SCOPE_NONE },
	[MESSAGE_SET_BACKEND_REQ_FD] = { session_set_backend_req_fd, SCOPE_NONE },
	[MESSAGE_GET_CONFIG] = { session_get_config, SCOPE_NONE },
	[MESSAGE_SET_CONFIG] = { session_set_config, SCOPE_NONE },
	[MESSAGE_GET_INFLIGHT_FD] = { session_get_inflight_fd, SCOPE_NONE },
	[MESSAGE_SET_INFLIGHT_FD] = { session_set_inflight_fd, SCOPE_ALL },
	[MESSAGE_SEND_RARP] = { session_send_rarp, SCOPE_NONE },
	[MESSAGE_NET_SET_MTU] = { session_net_set_mtu, SCOPE_NONE },
	[MESSAGE_RESET_DEVICE] = { session_reset_device, SCOPE_ALL },
	[MESSAGE_GET_MAX_MEM_SLOTS] = { session_get_max_mem_slots, SCOPE_NONE },
	[MESSAGE_ADD_MEM_REG] = { session_add_mem_reg, SCOPE_ALL },
	[MESSAGE_REM_MEM_REG] = { session_rem_mem_reg, SCOPE_ALL },
	[MESSAGE_SET_STATUS] = { session_set_status, SCOPE_STATUS },
	[MESSAGE_GET_STATUS] = { session_get_status, SCOPE_NONE },
};

/* ---- stopping queues --------------------------------------------------------- */

/* Stop a queue for a while. Return: true when it does not run. */
static bool session_quiet(struct queue *q)
{
	if (!q->running)
		return true;
	/* It goes on afterwards unless it broke or the message says otherwise. */
	q->wanted = !q->faulted;
	queue_request_stop(q);
	return false;
}

/* Stop the queues that the message is about. Return: true when none runs. */
static bool session_quiesce(struct session *s, enum session_scope scope)
{
	bool quiet = true;
	u64 index;
	u16 i;

	switch (scope) {
	case SCOPE_NONE:
		break;
	case SCOPE_STATE:
	case SCOPE_FD:
		index = scope == SCOPE_FD ? s->msg.u64 & 0xff : s->msg.state.index;
		/* A queue that is not there: the handler says so. */
		if (index < s->dev->queues)
			quiet = session_quiet(&s->queue[array_index_nospec(index, s->dev->queues)]);
		break;
	case SCOPE_STATUS:
		if (s->msg.u64)
			break;
		/* fall through */
	case SCOPE_ALL:
		for (i = 0; i < s->dev->queues; i++)
			quiet &= session_quiet(&s->queue[i]);
		break;
	}
	return quiet;
}

static void session_start_queues(struct session *s)
{
	u16 i;

	for (i = 0; i < s->dev->queues; i++) {
		if (!s->queue[i].running)
			queue_start(&s->queue[i], s->features, s->memory, s->inflight);
	}
}

/* ---- the connection ---------------------------------------------------------- */

/* Free what there is; nothing runs. */
static void session_free(struct session *s)
{
	void (*ended)(void *ctx) = s->ended;
	void *ctx = s->ctx;
	u16 i;

	loop_del(s->loop, &s->bell);
	loop_del(s->loop, &s->settle);
	session_forget_memory(s);
	inflight_close(s->inflight);
	for (i = 0; s->queue && i < s->dev->queues; i++)
		queue_close(&s->queue[i]);
	free(s->queue);
	message_reset(&s->msg);
	closer_close(s->dev->closer, s->backend);
	if (s->bell.fd >= 0)
		close(s->bell.fd);
	if (s->settle.fd >= 0)
		close(s->settle.fd);
	/* The front-end need not wait for what it left unread in there. */
	shutdown(s->sock.fd, SHUT_RDWR);
	closer_close(s->dev->closer, s->sock.fd);
	free(s);
	if (ended)
		ended(ctx);
}

static void session_reap(struct session *s)
{
	bool quiet = true;
	u16 i;

	for (i = 0; i < s->dev->queues; i++)
		quiet &= queue_reap(&s->queue[i]);
	if (s->closing && quiet)
		session_free(s);
}

void session_close(struct session *s)
{
	if (s->closing)
		return;
	s->closing = true;
	loop_del(s->loop, &s->sock);
	session_quiesce(s, SCOPE_ALL);
	session_reap(s);
}

/* Answer a message. Return: 0 or -errno. */
static int session_answer(struct session *s, int r)
{
	if (r != SESSION_REPLY) {
		if (!(s->protocol & MESSAGE_F_REPLY_ACK) || !message_wants_ack(&s->msg))
			return 0;
		session_reply_u64(s, r == SESSION_OK ? 0 : 1);
	}
	r = message_reply(&s->msg, s->sock.fd, s->msg.size, s->answer_fd);
	if (s->answer_fd >= 0)
		close(s->answer_fd);
	s->answer_fd = -1;
	return r;
}

/* docs/interop/vhost-user.rst, "Back-end message types" */
void session_config_changed(struct session *s)
{
	static const u32 msg[] = { MESSAGE_BACKEND_CONFIG_CHANGE_MSG, MESSAGE_VERSION, 0 };

	if (s->backend < 0 || !(s->protocol & MESSAGE_F_CONFIG))
		return;
	if (send(s->backend, msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(msg))
		log_peer(&s->dev->limit, LOG_WARN, s->dev->id,
			 "the front-end does not take the news of a changed configuration: %s",
			 strerror(errno));
}

/* Handle the whole message. Return: false when the session is gone or going. */
static bool session_handle(struct session *s)
{
	u32 request = s->msg.request;
	int r;

	log_debug(s->dev->id, "%s", message_name(request));
	r = session_handlers[request].fn(s);
	if (r >= 0) {
		r = session_answer(s, r);
		s->why = "the answer is not taken";
	}
	if (r < 0) {
		log_peer(&s->dev->limit, LOG_WARN, s->dev->id, "session closed: %s: %s",
			 message_name(request), s->why);
		session_close(s);
		return false;
	}
	if (request != MESSAGE_REM_MEM_REG)
		s->settling = false;
	message_reset(&s->msg);
	if (!s->settling)
		session_start_queues(s);
	return true;
}

static void session_on_sock(struct loop_event *ev)
{
	struct session *s = container_of(ev, struct session, sock);
	int r;

	r = message_receive(&s->msg, s->sock.fd, &s->why);
	if (r == 0)
		return;
	if (r == -EPROTO) {
		log_peer(&s->dev->limit, LOG_WARN, s->dev->id, "session closed: %s: %s",
			 s->msg.have < MESSAGE_HDR_BYTES ? "header" :
			 message_name(s->msg.request), s->why);
		session_close(s);
	} else if (r < 0) {
		log_peer(&s->dev->limit, LOG_INFO, s->dev->id, "front-end disconnected");
		session_close(s);
	} else if (session_quiesce(s, session_handlers[s->msg.request].scope)) {
		session_handle(s);
	} else {
		s->parked = true;
		loop_del(s->loop, &s->sock);
	}
}

static void session_on_settle(struct loop_event *ev)
{
	struct session *s = container_of(ev, struct session, settle);
	u64 count;

	if (read(ev->fd, &count, sizeof(count)) != sizeof(count))
		return;
	if (s->settling && !s->closing && !s->parked) {
		s->settling = false;
		session_start_queues(s);
	}
}

static void session_on_bell(struct loop_event *ev)
{
	struct session *s = container_of(ev, struct session, bell);
	u64 count;

	if (read(s->bell.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (s->closing) {
		session_reap(s);
		return;
	}
	session_reap(s);
	if ((s->memory && memory_faulted(s->memory)) || inflight_faulted(s->inflight)) {
		log_peer(&s->dev->limit, LOG_WARN, s->dev->id,
			 "session closed: a region's file was truncated");
		session_close(s);
		return;
	}
	if (!s->parked || !session_quiesce(s, session_handlers[s->msg.request].scope))
		return;
	s->parked = false;
	if (!session_handle(s))
		return;
	if (loop_add(s->loop, &s->sock))
		session_close(s);
}

struct session *session_open(struct device *dev, struct loop *loop, int sock,
			     void (*ended)(void *ctx), void *ctx)
{
	struct session *s = calloc(1, sizeof(*s));
	u16 i;

	if (!s) {
		closer_close(dev->closer, sock);
		return NULL;
	}
	s->dev = dev;
	s->loop = loop;
	s->sock.fd = sock;
	s->sock.fn = session_on_sock;
	s->bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->bell.fn = session_on_bell;
	s->settle.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	s->settle.fn = session_on_settle;
	s->backend = -1;
	s->answer_fd = -1;
	message_init(&s->msg, dev->closer);
	s->queue = calloc(dev->queues, sizeof(*s->queue));
	if (!s->queue || s->bell.fd < 0 || s->settle.fd < 0)
		goto fail;
	for (i = 0; i < dev->queues; i++) {
		if (queue_open(&s->queue[i], dev, i, s->bell.fd))
			goto fail;
	}
	if (loop_add(loop, &s->bell) || loop_add(loop, &s->settle) || loop_add(loop, &s->sock))
		goto fail;
	if (dev->ops->recall)
		dev->ops->recall(dev, 0);
	s->ended = ended;
	s->ctx = ctx;
	return s;

fail:
	log_peer(&dev->limit, LOG_ERROR, dev->id,
		 "cannot serve a front-end: out of memory or file descriptors");
	session_free(s);
	return NULL;
}
