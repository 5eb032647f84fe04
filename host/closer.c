// SPDX-License-Identifier: GPL-2.0
/*
 * Closes the fds that a device's front-ends sent, so that nobody waits for it.
 *
 * Theory
 * ------
 * close(2) runs code of whatever the fd stands for, in the thread that drops the
 * last reference: a TCP socket lingers, a FUSE file asks its server to flush, and
 * a Unix socket closes the fds in messages that were not read from it, a
 * front-end's connection included. A front-end can make any of these take for
 * ever. So only an eventfd or a pipe is closed where it is dropped; everything
 * else is left to a thread of the device's closer, which runs while there is
 * something to close. A device takes no front-end until its closer is idle
 * (listener.c): so one who has an fd closed slowly waits for it alone, and
 * cannot gather fds here. One session can bring as many as one message, and what
 * it holds: CLOSER_FDS cover that.
 *
 * What an fd is must be found out without asking its file system, which fstat()
 * and fstatfs() do. The link in /proc/self/fd is made by the kernel alone; that
 * of a file in a file system begins with a slash, whatever its name.
 *
 * The daemon does not wait for closers when it ends: nothing lingers in a process
 * that exits.
 *
 * #syscalls readlink readlinkat close write
 */
#include "closer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CLOSER_FDS	512u

/**
 * struct closer - what is to be closed
 * @lock: protects the rest
 * @bell: eventfd; rung when @busy ends
 * @busy: the thread runs
 * @ended: freed by the thread
 * @fds: how many are not yet closed
 * @fd: they
 */
struct closer {
	pthread_mutex_t lock;
	int bell;
	bool busy;
	bool ended;
	unsigned int fds;
	int fd[CLOSER_FDS];
};

struct closer *closer_open(void)
{
	struct closer *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->bell < 0) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void closer_free(struct closer *c)
{
	close(c->bell);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void closer_end(struct closer *c)
{
	bool busy;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ended = true;
	busy = c->busy;
	pthread_mutex_unlock(&c->lock);
	if (!busy)
		closer_free(c);
}

static void *closer_thread(void *arg)
{
	static const u64 one = 1;
	struct closer *c = arg;
	bool ended;
	int fd;

	pthread_mutex_lock(&c->lock);
	while (c->fds) {
		fd = c->fd[--c->fds];
		pthread_mutex_unlock(&c->lock);
		close(fd);
		pthread_mutex_lock(&c->lock);
	}
	c->busy = false;
	/* Ours and non-blocking; full means that it rings already. */
	if (write(c->bell, &one, sizeof(one)) < 0)
		errno = 0;
	ended = c->ended;
	pthread_mutex_unlock(&c->lock);
	if (ended)
		closer_free(c);
	return NULL;
}

static bool closer_start(struct closer *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool ok;

	if (pthread_attr_init(&attr))
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ok = !pthread_create(&thread, &attr, closer_thread, c);
	pthread_attr_destroy(&attr);
	return ok;
}

/* Leave an fd to the thread. Return: false when that cannot be. */
static bool closer_put(struct closer *c, int fd)
{
	bool ok;

	pthread_mutex_lock(&c->lock);
	ok = c->fds < CLOSER_FDS;
	if (ok) {
		c->fd[c->fds++] = fd;
		if (!c->busy)
			c->busy = ok = closer_start(c);
		if (!ok)
			c->fds--;
	}
	pthread_mutex_unlock(&c->lock);
	return ok;
}

void closer_close(struct closer *c, int fd)
{
	if (fd < 0)
		return;
	if (closer_is_event(fd) || !closer_put(c, fd))
		close(fd);
}

bool closer_idle(struct closer *c)
{
	bool idle;

	pthread_mutex_lock(&c->lock);
	idle = !c->busy;
	pthread_mutex_unlock(&c->lock);
	return idle;
}

int closer_bell(const struct closer *c)
{
	return c->bell;
}

bool closer_is_event(int fd)
{
	static const char pipe[] = "pipe:[", event[] = "anon_inode:[eventfd]";
	char name[32], link[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = 0;
	return !strcmp(link, event) || !strncmp(link, pipe, sizeof(pipe) - 1);
}
