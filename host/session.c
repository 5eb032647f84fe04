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
 * A queue that needs what another process has only for a moment longer is started again by a timer.
 *
 * fds of the front-end can be anything, and so can what they do when they are
 * closed: all but events and checked regions go to the device's closer.
 *
 * #syscalls eventfd2 read close sendto shutdown timerfd_create
 */
#include "session.h"

#include "request.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

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
static bool session_quiesce(struct session *s, enum request_scope scope)
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

/* Is what is written to guest memory to be logged? Where it cannot be, nobody asked for it. */
static bool session_logs(const struct session *s)
{
	return s->features & BIT_ULL(MESSAGE_VIRTIO_F_LOG_ALL) && s->protocol & MESSAGE_F_LOG_SHMFD;
}

static void session_start_queues(struct session *s)
{
	bool logs = session_logs(s), later = false;
	u16 i;

	/* A front-end that begins in the middle of a migration sends the log last. */
	if (logs && !s->dirty)
		return;
	for (i = 0; i < s->dev->queues; i++) {
		if (!s->queue[i].running)
			queue_start(&s->queue[i], s->features, s->memory, s->inflight,
				    logs ? s->dirty : NULL);
		later |= s->queue[i].wanted && s->queue[i].later;
	}
	if (later)
		request_settle(s);
}

/* With no queue that runs, or is to go on, the device need not keep what is for them. */
static void session_rest(const struct session *s)
{
	u16 i;

	if (!s->dev->ops->idle)
		return;
	for (i = 0; s->queue && i < s->dev->queues; i++) {
		if (s->queue[i].running || s->queue[i].wanted)
			return;
	}
	s->dev->ops->idle(s->dev);
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
	request_forget_memory(s);
	request_forget_dirty(s);
	inflight_close(s->inflight);
	for (i = 0; s->queue && i < s->dev->queues; i++) {
		queue_close(&s->queue[i]);
		s->queue[i].wanted = false;
	}
	session_rest(s);
	free(s->queue);
	workers_close(s->worker);
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
	if (r != REQUEST_REPLY) {
		if (!(s->protocol & MESSAGE_F_REPLY_ACK) || !message_wants_ack(&s->msg))
			return 0;
		s->msg.u64 = r == REQUEST_OK ? 0 : 1;
		s->msg.size = sizeof(s->msg.u64);
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
	r = request_handlers[request].fn(s);
	if (r >= 0) {
		/* Before the front-end hears that a queue has stopped. */
		session_rest(s);
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
	} else if (session_quiesce(s, request_handlers[s->msg.request].scope)) {
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
	if (!s->closing && !s->parked) {
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
	if (__atomic_exchange_n(&s->dev->renewed, false, __ATOMIC_ACQUIRE))
		session_config_changed(s);
	session_reap(s);
	if ((s->memory && memory_faulted(s->memory)) || inflight_faulted(s->inflight) ||
	    dirty_faulted(s->dirty)) {
		log_peer(&s->dev->limit, LOG_WARN, s->dev->id,
			 "session closed: a region's file was truncated");
		session_close(s);
		return;
	}
	if (!s->parked || !session_quiesce(s, request_handlers[s->msg.request].scope))
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
	s->worker = workers_open(dev);
	s->queue = calloc(dev->queues, sizeof(*s->queue));
	if (!s->worker || !s->queue || s->bell.fd < 0 || s->settle.fd < 0)
		goto fail;
	for (i = 0; i < dev->queues; i++) {
		if (queue_open(&s->queue[i], &s->worker[i % dev->sched.threads], i,
			       s->bell.fd))
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
