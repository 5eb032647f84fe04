// SPDX-License-Identifier: GPL-2.0
/*
 * The socket at which a device waits for its front-end.
 *
 * A device has one session at a time: while there is one the socket is not
 * listened to, and who connects meanwhile waits until it is over and what came
 * with it is closed (closer.c). When a connection cannot be taken because file
 * descriptors or memory are short, it is tried again by the clock.
 *
 * A socket file that a daemon left behind when it was killed refuses connections;
 * such a one is replaced. At the end the file is removed, if it is still the one
 * that was made here.
 *
 * The front-end can also be the one that listens (client=on): then it is connected to, and tried
 * again by the clock while it is not there, and when a session is over.
 *
 * A socket can also be inherited: one that listens, or one that is connected
 * already; the latter is done with when its connection ends.
 *
 * #syscalls socket:AF_UNIX connect accept4 timerfd_create timerfd_settime read close
 */
#include "listener.h"

#include "session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTENER_BACKLOG	8
#define LISTENER_PAUSE_MS	200	/* until a connection is tried again */

/**
 * struct listener - a device's socket
 * @dev: the device
 * @loop: of the control thread, once started
 * @ev: the socket; -1 when it is used up
 * @closed: bell of the device's closer
 * @pause: timer: end of a pause, or -1 until started
 * @front: of a front-end that listens: its address
 * @short_of: a pause was said
 * @path: file to remove at the end, or NULL
 * @st_dev: identity of that file
 * @st_ino: likewise
 * @session: the front-end, or NULL
 * @connected: @ev is an inherited connection
 * @client: the front-end listens
 * @stopped: takes no more front-ends
 */
struct listener {
	struct device *dev;
	struct loop *loop;
	struct loop_event ev;
	struct loop_event closed;
	struct loop_event pause;
	struct sockaddr_un front;
	bool short_of;
	const char *path;
	dev_t st_dev;
	ino_t st_ino;
	struct session *session;
	bool connected;
	bool client;
	bool stopped;
};

/* Wait for what @ev says. */
static void listener_wait(struct listener *l, struct loop_event *ev)
{
	int r = loop_add(l->loop, ev);

	if (r)
		log_error(l->dev->id, "cannot listen again: %s", strerror(-r));
}

static void listener_wait_pause(struct listener *l)
{
	static const struct itimerspec in = {
		.it_value.tv_nsec = LISTENER_PAUSE_MS * 1000000L,
	};

	/* Setting the timer also takes back that it expired. */
	timerfd_settime(l->pause.fd, 0, &in, NULL);
	listener_wait(l, &l->pause);
}

/* The device is free: wait for the next front-end. */
static void listener_again(struct listener *l)
{
	/* One that connects and goes, over and over, is not to be connected to without a pause. */
	if (l->client)
		listener_wait_pause(l);
	else
		listener_wait(l, &l->ev);
}

static void listener_on_ended(void *ctx)
{
	struct listener *l = ctx;

	l->session = NULL;
	if (l->stopped || l->connected)
		return;
	if (!closer_idle(l->dev->closer))
		listener_wait(l, &l->closed);
	else
		listener_again(l);
}

static int listener_serve(struct listener *l, int sock)
{
	l->session = session_open(l->dev, l->loop, sock, listener_on_ended, l);
	return l->session ? 0 : -ENOMEM;
}

/* Return: a socket that is connected to that address, or -errno. */
static int listener_connect(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0 || !connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return fd < 0 ? -errno : fd;
	r = -errno;
	close(fd);
	return r;
}

/* Connect to a front-end that listens, or try again later. */
static void listener_dial(struct listener *l)
{
	int sock = listener_connect(&l->front);

	if (sock >= 0) {
		l->short_of = false;
		log_peer(&l->dev->limit, LOG_INFO, l->dev->id, "connected to the front-end at %s",
			 l->front.sun_path);
		if (!listener_serve(l, sock))
			return;
	} else {
		if (!l->short_of)
			log_info(l->dev->id, "no front-end at %s yet (%s): trying again",
				 l->front.sun_path, strerror(-sock));
		l->short_of = true;
	}
	listener_wait_pause(l);
}

static void listener_on_closed(struct loop_event *ev)
{
	struct listener *l = container_of(ev, struct listener, closed);
	u64 count;

	/* It may be an old ring of the bell. */
	if (read(ev->fd, &count, sizeof(count)) < 0 || !closer_idle(l->dev->closer))
		return;
	loop_del(l->loop, ev);
	listener_again(l);
}

static void listener_on_pause(struct loop_event *ev)
{
	struct listener *l = container_of(ev, struct listener, pause);

	loop_del(l->loop, ev);
	if (l->client)
		listener_dial(l);
	else
		listener_wait(l, &l->ev);
}

/* Do not listen for a while: the socket would only say again that it is ready. */
static void listener_pause(struct listener *l, int err)
{
	if (!l->short_of)
		log_peer(&l->dev->limit, LOG_WARN, l->dev->id,
			 "cannot take a front-end: %s; trying again", strerror(err));
	l->short_of = true;
	loop_del(l->loop, &l->ev);
	listener_wait_pause(l);
}

static void listener_on_connect(struct loop_event *ev)
{
	struct listener *l = container_of(ev, struct listener, ev);
	int sock;

	sock = accept4(l->ev.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			listener_pause(l, errno);
		return;
	}
	l->short_of = false;
	log_peer(&l->dev->limit, LOG_INFO, l->dev->id, "front-end connected");
	if (!listener_serve(l, sock))
		loop_del(l->loop, &l->ev);
}

/* Says what is wrong. */
static int listener_address(const struct listener *l, struct sockaddr_un *sa, const char *path)
{
	*sa = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sa->sun_path)) {
		log_error(l->dev->id, "socket path %s is too long: use at most %zu characters",
			  path, sizeof(sa->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(sa->sun_path, path);
	return 0;
}

/* Is somebody listening at the address? 1: yes, 0: nobody any more, -errno. */
static int listener_probe(const struct sockaddr_un *sa)
{
	int r = listener_connect(sa);

	if (r >= 0)
		close(r);
	/* A full backlog means that somebody is there. */
	if (r >= 0 || r == -EAGAIN)
		return 1;
	return r == -ECONNREFUSED ? 0 : r;
}

/* The file is made with its permissions: at no time may more connect to it. */
static int listener_bind(int fd, const struct sockaddr_un *sa, int mode)
{
	mode_t mask = mode < 0 ? 0 : umask(~(mode_t)mode & 0777);
	int r;

	r = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) ? -errno : 0;
	if (mode >= 0)
		umask(mask);
	return r;
}

/* Bind, replacing a socket that nobody listens to. Says what is wrong. */
static int listener_bind_path(struct listener *l, const char *path, int mode)
{
	struct sockaddr_un sa;
	struct stat st;
	int r;

	r = listener_address(l, &sa, path);
	if (r)
		return r;
	r = listener_bind(l->ev.fd, &sa, mode);
	if (r == -EADDRINUSE) {
		if (lstat(path, &st) || !S_ISSOCK(st.st_mode)) {
			log_error(l->dev->id, "socket path %s exists and is not a socket: remove it or choose another path", path);
			return r;
		}
		if (listener_probe(&sa)) {
			log_error(l->dev->id, "socket path %s is in use: stop its owner or choose another path", path);
			return r;
		}
		if (!unlink(path))
			r = listener_bind(l->ev.fd, &sa, mode);
	}
	if (r == -ENOENT || r == -ENOTDIR) {
		log_error(l->dev->id, "socket path %s: its directory does not exist: create it first", path);
		return r;
	}
	if (r) {
		log_error(l->dev->id, "socket path %s cannot be made: %s: choose a directory you may write",
			  path, strerror(-r));
		return r;
	}
	l->path = path;
	if (!lstat(path, &st)) {
		l->st_dev = st.st_dev;
		l->st_ino = st.st_ino;
	}
	return 0;
}

/* Look at an inherited socket. Says what is wrong. */
static int listener_inherit(struct listener *l, int fd)
{
	struct sockaddr_un sa;
	int domain = 0, type = 0, listens = 0, flags;
	socklen_t len = sizeof(int), sa_len = sizeof(sa);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) || domain != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len)) {
		log_error(l->dev->id, "file descriptor %d is not a Unix stream socket: pass one that listens or is connected", fd);
		return -ENOTSOCK;
	}
	if (!listens && getpeername(fd, (struct sockaddr *)&sa, &sa_len)) {
		log_error(l->dev->id, "the socket of file descriptor %d neither listens nor is connected: pass one that does", fd);
		return -ENOTCONN;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		log_error(l->dev->id, "the socket of file descriptor %d cannot be used: %s", fd,
			  strerror(errno));
		return -EINVAL;
	}
	l->ev.fd = fd;
	l->connected = !listens;
	return 0;
}

struct listener *listener_open(struct device *dev, const struct options_device *spec)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->dev = dev;
	l->ev.fn = listener_on_connect;
	l->ev.fd = -1;
	l->closed.fn = listener_on_closed;
	l->closed.fd = closer_bell(dev->closer);
	l->pause.fn = listener_on_pause;
	l->pause.fd = -1;
	if (!spec->socket) {
		if (listener_inherit(l, spec->fd))
			goto fail;
		return l;
	}
	l->client = spec->client;
	if (l->client) {
		if (listener_address(l, &l->front, spec->socket))
			goto fail;
		return l;
	}
	l->ev.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->ev.fd < 0) {
		log_error(dev->id, "cannot make a socket: %s", strerror(errno));
		goto fail;
	}
	if (listener_bind_path(l, spec->socket, spec->mode))
		goto fail;
	if (listen(l->ev.fd, LISTENER_BACKLOG)) {
		log_error(dev->id, "cannot listen at %s: %s", spec->socket, strerror(errno));
		goto fail;
	}
	return l;

fail:
	listener_close(l);
	return NULL;
}

int listener_start(struct listener *l, struct loop *loop)
{
	int sock = l->ev.fd;
	int r;

	l->loop = loop;
	if (l->connected) {
		l->ev.fd = -1;
		return listener_serve(l, sock);
	}
	/* Now, since there may be none to be had when it is needed. */
	l->pause.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = l->pause.fd < 0 ? -errno : l->client ? 0 : loop_add(loop, &l->ev);
	if (r) {
		log_error(l->dev->id, "cannot listen: %s", strerror(-r));
		return r;
	}
	if (l->client)
		listener_dial(l);
	else if (l->path)
		log_info(l->dev->id, "waiting for a front-end at %s", l->path);
	else
		log_info(l->dev->id, "waiting for a front-end at file descriptor %d", l->ev.fd);
	return 0;
}

void listener_stop(struct listener *l)
{
	if (l->stopped)
		return;
	l->stopped = true;
	if (l->loop) {
		loop_del(l->loop, &l->ev);
		loop_del(l->loop, &l->closed);
		loop_del(l->loop, &l->pause);
	}
	if (l->session)
		session_close(l->session);
}

void listener_refresh(struct listener *l)
{
	const struct device_ops *ops = l->dev->ops;

	if (ops->refresh && ops->refresh(l->dev) && l->session)
		session_config_changed(l->session);
}

bool listener_busy(const struct listener *l)
{
	return l->session || !(l->stopped || l->connected);
}

void listener_close(struct listener *l)
{
	struct stat st;

	if (!l)
		return;
	if (l->path && !lstat(l->path, &st) && st.st_dev == l->st_dev && st.st_ino == l->st_ino)
		unlink(l->path);
	if (l->pause.fd >= 0)
		close(l->pause.fd);
	/* With it go connections that were not taken, and what was sent by them. */
	closer_close(l->dev->closer, l->ev.fd);
	free(l);
}
