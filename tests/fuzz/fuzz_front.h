/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A front-end for a fuzz target: what it can send along, and whether all of that is closed
 * at the end.
 *
 * Theory
 * ------
 * What is sent is always the same few files, one of each kind that the daemon tells apart;
 * the receiver gets descriptors of its own. After an input nothing may be open that was not
 * before. The daemon's closer (host/closer.c) is the real one, with its thread: it
 * is waited for.
 */
#ifndef TESTS_FUZZ_FUZZ_FRONT_H
#define TESTS_FUZZ_FUZZ_FRONT_H

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "../../host/closer.h"

/* Numbers that are looked at: more than an input can have open. */
#define FRONT_FDS	128

/* What a front-end can send along. */
enum { FRONT_EVENT, FRONT_PIPE, FRONT_SMALL, FRONT_LARGE, FRONT_HUGE, FRONT_SOCKET, FRONT_NULL,
       FRONT_KINDS };

#define FRONT_SMALL_BYTES	(64ull << 10)
#define FRONT_LARGE_BYTES	(4ull << 20)
#define FRONT_HUGE_BYTES	(5ull << 40)

static int front_fd[FRONT_KINDS];
static bool front_open[FRONT_FDS];	/* those that were open before the input */
static struct closer *front_closer;

static inline int front_memfd(u64 bytes)
{
	const int fd = memfd_create("fuzz", MFD_CLOEXEC);

	fuzz_check(fd >= 0 && !ftruncate(fd, (off_t)bytes));
	return fd;
}

/* The lowest number that is free. */
static inline int front_free_fd(void)
{
	const int fd = dup(front_fd[FRONT_NULL]);

	fuzz_check(fd >= 0);
	close(fd);
	return fd;
}

static inline void front_first(void)
{
	int ends[2];

	fuzz_check(!pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	front_fd[FRONT_EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	front_fd[FRONT_PIPE] = ends[1];
	front_fd[FRONT_SMALL] = front_memfd(FRONT_SMALL_BYTES);
	front_fd[FRONT_LARGE] = front_memfd(FRONT_LARGE_BYTES);
	front_fd[FRONT_HUGE] = front_memfd(FRONT_HUGE_BYTES);
	front_fd[FRONT_SOCKET] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	front_fd[FRONT_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	front_closer = closer_open();
	fuzz_check(front_closer && front_fd[FRONT_NULL] >= 0);
}

/* Which descriptors are open; asked by one call. */
static inline void front_look(bool open[FRONT_FDS])
{
	struct pollfd fds[FRONT_FDS];
	int fd;

	for (fd = 0; fd < FRONT_FDS; fd++)
		fds[fd] = (struct pollfd) { .fd = fd };
	fuzz_check(poll(fds, FRONT_FDS, 0) >= 0);
	for (fd = 0; fd < FRONT_FDS; fd++)
		open[fd] = !(fds[fd].revents & POLLNVAL);
}

/* Before an input. Between two, libFuzzer may have started a symbolizer. */
static inline void front_begin(void)
{
	if (!front_closer)
		front_first();
	front_look(front_open);
}

/* Wait until the closer has closed what it was given. */
static inline void front_settle(void)
{
	struct pollfd bell = { .fd = closer_bell(front_closer), .events = POLLIN };
	u64 count;

	while (!closer_idle(front_closer)) {
		poll(&bell, 1, -1);
		if (read(bell.fd, &count, sizeof(count)) < 0)
			fuzz_check(errno == EAGAIN);
	}
}

/* After an input: nothing is left open. */
static inline void front_end(void)
{
	bool open[FRONT_FDS];
	int fd;

	front_settle();
	front_look(open);
	for (fd = 0; fd < FRONT_FDS; fd++)
		fuzz_check(!open[fd] || front_open[fd]);
}

/* Send bytes, with @fds descriptors along; kinds come from the input. */
static inline bool front_send(struct fuzz_in *in, int sock, const void *data, size_t bytes,
			      unsigned int fds, const u8 *kinds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	unsigned int i;
	int fd;

	if (fds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds);
		for (i = 0; i < fds; i++) {
			fd = front_fd[(kinds ? kinds[i] : in_u8(in)) % FRONT_KINDS];
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
		}
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes;
}

#endif /* TESTS_FUZZ_FUZZ_FRONT_H */
