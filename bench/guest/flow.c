// SPDX-License-Identifier: GPL-2.0
/*
 * Load on a network card, with little of its own.
 *
 *	flow serve ADDRESS PORT			the other side, TCP and UDP, until SIGTERM
 *	flow send ADDRESS PORT STREAMS		TCP to the server
 *	flow receive ADDRESS PORT STREAMS	TCP from it
 *	flow ask ADDRESS PORT STREAMS		one byte there and one back, again and again
 *	flow udp-send ADDRESS PORT SIZE		datagrams of SIZE to it
 *	flow udp-receive ADDRESS PORT SIZE RATE	datagrams from it, about RATE a second
 *
 * Theory
 * ------
 * All of it goes on until it is killed, and says nothing of how fast it is: who measures looks at
 * the card (meter.c). What goes over TCP is not checked, and not even changed: tests are
 * about that (tests/guest/traffic.c), here the generator should cost nothing.
 *
 * Each stream is a connection and a process of its own at both ends; its first byte tells
 * the server what to do. For udp-receive the connection says where to, how large and how fast,
 * and the datagrams end with it.
 *
 * Nobody reads a datagram: its socket is there so that none is answered with an error, and
 * when its buffer is full the kernel drops what comes, at the same cost each time. With a reader
 * on a single processor it would be chance how many it reads and how many are dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		(128 << 10)
#define BATCH		32
#define STREAMS_MAX	64
#define SIZE_MAX_UDP	1472

/* What a client wants; its first byte is the kind, the rest is for datagrams only. */
struct flow_order {
	char kind;		/* of FLOW_* */
	char unused;
	uint16_t size;
	uint32_t rate;
	uint32_t port;
};

#define FLOW_SEND	's'
#define FLOW_RECEIVE	'r'
#define FLOW_ASK	'a'
#define FLOW_DATAGRAMS	'd'

static char flow_buffer[CHUNK];

static void __attribute__((format(printf, 1, 2), noreturn)) flow_die(const char *fmt, ...)
{
	va_list args;

	fputs("flow: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static unsigned long flow_number(const char *text, unsigned long max, const char *what)
{
	char *end;
	const unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || !value || value > max)
		flow_die("%s is %s, must be 1 to %lu", what, text, max);
	return value;
}

static struct sockaddr_in flow_address(char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, argv[0], &sin.sin_addr) != 1)
		flow_die("%s is not an IPv4 address", argv[0]);
	sin.sin_port = htons((uint16_t)flow_number(argv[1], 65535, "port"));
	return sin;
}

static int flow_socket(int type)
{
	const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		flow_die("socket: %s", strerror(errno));
	return fd;
}

/* A process of one stream; it does not outlive who started it. */
static pid_t flow_fork(void)
{
	const pid_t pid = fork();

	if (pid < 0)
		flow_die("fork: %s", strerror(errno));
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* ---- what both sides do ---------------------------------------------------- */

static void __attribute__((noreturn)) flow_write(int fd)
{
	while (send(fd, flow_buffer, CHUNK, MSG_NOSIGNAL) > 0)
		;
	exit(0);
}

static void __attribute__((noreturn)) flow_read(int fd)
{
	while (recv(fd, flow_buffer, CHUNK, 0) > 0)
		;
	exit(0);
}

/* Whoever @asks begins. */
static void __attribute__((noreturn)) flow_rally(int fd, int asks)
{
	const int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (asks && send(fd, flow_buffer, 1, MSG_NOSIGNAL) != 1)
		exit(1);
	while (recv(fd, flow_buffer, 1, 0) == 1 && send(fd, flow_buffer, 1, MSG_NOSIGNAL) == 1)
		;
	exit(0);
}

static void flow_batch(struct mmsghdr *messages, struct iovec *iov, size_t size)
{
	memset(messages, 0, BATCH * sizeof(*messages));
	iov->iov_base = flow_buffer;
	iov->iov_len = size;
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = iov;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static int flow_connected(int type, const struct sockaddr_in *to)
{
	const int fd = flow_socket(type);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		flow_die("cannot connect: %s", strerror(errno));
	return fd;
}

/* ---- server ---------------------------------------------------------------- */

static int64_t flow_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Not faster than asked, a batch at a time; time that was lost is not made up for. */
static void __attribute__((noreturn)) flow_datagrams(int control, const struct flow_order *order)
{
	const int64_t apart = BATCH * 1000000000LL / order->rate;
	struct pollfd gone = { .fd = control, .events = POLLIN };
	struct mmsghdr messages[BATCH];
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	struct iovec iov;
	int64_t next = flow_now();
	int fd;

	if (getpeername(control, (struct sockaddr *)&to, &len))
		exit(1);
	to.sin_port = htons((uint16_t)order->port);
	fd = flow_connected(SOCK_DGRAM, &to);
	flow_batch(messages, &iov, order->size);
	while (poll(&gone, 1, 0) == 0) {
		const int64_t now = flow_now();

		if (now < next) {
			const struct timespec t = { .tv_nsec = (long)(next - now) };

			nanosleep(&t, NULL);
			continue;
		}
		next = (now - next < 10 * apart ? next : now) + apart;
		sendmmsg(fd, messages, BATCH, 0);
	}
	exit(0);
}

static void __attribute__((noreturn)) flow_obey(int fd)
{
	struct flow_order order;

	if (recv(fd, &order, sizeof(order), MSG_WAITALL) != sizeof(order))
		exit(1);
	switch (order.kind) {
	case FLOW_SEND:
		flow_read(fd);
	case FLOW_RECEIVE:
		flow_write(fd);
	case FLOW_ASK:
		flow_rally(fd, 0);
	case FLOW_DATAGRAMS:
		if (order.size && order.size <= SIZE_MAX_UDP && order.rate)
			flow_datagrams(fd, &order);
	}
	exit(1);
}

static void flow_bind(int fd, const struct sockaddr_in *sin)
{
	const int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)sin, sizeof(*sin)))
		flow_die("bind: %s", strerror(errno));
}

static void __attribute__((noreturn)) flow_serve(const struct sockaddr_in *sin)
{
	const int tcp = flow_socket(SOCK_STREAM);

	flow_bind(tcp, sin);
	flow_bind(flow_socket(SOCK_DGRAM), sin);
	if (listen(tcp, STREAMS_MAX))
		flow_die("listen: %s", strerror(errno));
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		const int fd = accept(tcp, NULL, NULL);

		if (fd >= 0 && !flow_fork())
			flow_obey(fd);
		close(fd);
	}
}

/* ---- clients --------------------------------------------------------------- */

static int flow_ordered(const struct sockaddr_in *to, const struct flow_order *order)
{
	const int fd = flow_connected(SOCK_STREAM, to);

	if (send(fd, order, sizeof(*order), MSG_NOSIGNAL) != sizeof(*order))
		flow_die("the server does not listen");
	return fd;
}

static void flow_streams(const struct sockaddr_in *to, char kind, unsigned long streams)
{
	const struct flow_order order = { .kind = kind };

	while (streams--) {
		int fd;

		if (flow_fork())
			continue;
		fd = flow_ordered(to, &order);
		if (kind == FLOW_SEND)
			flow_write(fd);
		if (kind == FLOW_RECEIVE)
			flow_read(fd);
		flow_rally(fd, 1);
	}
	/* The first that ends, ends all. */
	wait(NULL);
	flow_die("a stream ended");
}

static void __attribute__((noreturn)) flow_udp_send(const struct sockaddr_in *to, size_t size)
{
	const int fd = flow_connected(SOCK_DGRAM, to);
	struct mmsghdr messages[BATCH];
	struct iovec iov;

	flow_batch(messages, &iov, size);
	for (;;)
		if (sendmmsg(fd, messages, BATCH, 0) < 0 && errno != ENOBUFS)
			flow_die("sendmmsg: %s", strerror(errno));
}

static void flow_udp_receive(const struct sockaddr_in *from, struct flow_order *order)
{
	struct sockaddr_in own = { .sin_family = AF_INET };
	socklen_t len = sizeof(own);
	const int fd = flow_socket(SOCK_DGRAM);
	char end;

	flow_bind(fd, &own);
	if (getsockname(fd, (struct sockaddr *)&own, &len))
		flow_die("getsockname: %s", strerror(errno));
	order->port = ntohs(own.sin_port);
	while (recv(flow_ordered(from, order), &end, 1, 0) < 0 && errno == EINTR)
		;
	flow_die("the server ended");
}

int main(int argc, char **argv)
{
	const char *what = argc < 4 ? "" : argv[1];
	struct flow_order order = { .kind = FLOW_DATAGRAMS };
	struct sockaddr_in sin;

	if (argc >= 4)
		sin = flow_address(argv + 2);
	if (argc == 4 && !strcmp(what, "serve"))
		flow_serve(&sin);
	if (argc == 5 && !strcmp(what, "udp-send"))
		flow_udp_send(&sin, flow_number(argv[4], SIZE_MAX_UDP, "SIZE"));
	if (argc == 6 && !strcmp(what, "udp-receive")) {
		order.size = (uint16_t)flow_number(argv[4], SIZE_MAX_UDP, "SIZE");
		order.rate = (uint32_t)flow_number(argv[5], 100000000, "RATE");
		flow_udp_receive(&sin, &order);
	}
	if (argc == 5 && !strcmp(what, "send"))
		flow_streams(&sin, FLOW_SEND, flow_number(argv[4], STREAMS_MAX, "STREAMS"));
	if (argc == 5 && !strcmp(what, "receive"))
		flow_streams(&sin, FLOW_RECEIVE, flow_number(argv[4], STREAMS_MAX, "STREAMS"));
	if (argc == 5 && !strcmp(what, "ask"))
		flow_streams(&sin, FLOW_ASK, flow_number(argv[4], STREAMS_MAX, "STREAMS"));
	flow_die("usage: see the head of flow.c");
}
