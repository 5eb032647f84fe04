// SPDX-License-Identifier: GPL-2.0
/*
 * The control thread's event loop: level-triggered epoll.
 *
 * One event is taken at a time. An event's function may therefore remove and
 * free whatever it likes, itself included: no stale event is left in a batch.
 * The control path is rare enough not to care about the extra calls, and the
 * kernel rotates ready events, so that no peer starves another.
 *
 * #syscalls epoll_ctl epoll_wait epoll_pwait close
 */
#include "loop.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop {
	int epoll;
};

struct loop *loop_open(void)
{
	struct loop *loop = malloc(sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_close(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll);
	free(loop);
}

int loop_add(struct loop *loop, struct loop_event *ev)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = ev };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, ev->fd, &e) ? -errno : 0;
}

void loop_del(struct loop *loop, struct loop_event *ev)
{
	if (ev->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, ev->fd, NULL);
}

int loop_turn(struct loop *loop)
{
	struct loop_event *ev;
	struct epoll_event e;
	int n;

	n = epoll_wait(loop->epoll, &e, 1, -1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n > 0) {
		ev = e.data.ptr;
		ev->fn(ev);
	}
	return 0;
}
