// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic whose every byte is checked.
 *
 *	traffic serve ADDRESS PORT			echo, TCP and UDP, until SIGTERM
 *	traffic tcp ADDRESS PORT BYTES CHUNK		send BYTES in writes of CHUNK
 *	traffic udp ADDRESS PORT COUNT SIZE		send COUNT datagrams of SIZE
 *	traffic segments ADDRESS PORT COUNT SIZE N	likewise, N in one piece (UDP_SEGMENT)
 *
 * Theory
 * ------
 * The server sends back what it gets. The client sends a sequence that any position
 * determines, and compares what returns with what must be there: loss,
 * duplication, reordering and damage all show. TCP runs full duplex, both ways
 * filled at once. UDP keeps one datagram on its way, numbered; a lost one is
 * sent again after a second, up to UDP_TRIES times, late ones are ignored. Of a piece, whose
 * datagrams may come back in any order, all are sent again.
 *
 * Exit: 0 all came back right, 1 it did not (one line says what), 2 usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES	65536
#define STALL_MS	60000
#define UDP_TRIES	30
#define SEGMENTS_MAX	64

static void __attribute__((format(printf, 2, 3), noreturn))
traffic_die(int status, const char *fmt, ...)
{
	va_list args;

	fputs("traffic: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

static unsigned long traffic_number(const char *text, unsigned long max, const char *what)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || !value || value > max)
		traffic_die(2, "%s is %s, must be 1 to %lu", what, text, max);
	return value;
}

/* The byte at position @at of the sequence. Never the same for long, any @at. */
static unsigned char traffic_byte(uint64_t at)
{
	uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	return (unsigned char)((x * 0xbf58476d1ce4e5b9ULL) >> (8 * (at & 7)));
}

static void traffic_fill(unsigned char *buf, size_t len, uint64_t at)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = traffic_byte(at + i);
}

static void traffic_check(const unsigned char *buf, size_t len, uint64_t at)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != traffic_byte(at + i))
			traffic_die(1, "byte %llu came back wrong",
				    (unsigned long long)(at + i));
}

static struct sockaddr_in traffic_address(char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, argv[0], &sin.sin_addr) != 1)
		traffic_die(2, "%s is not an IPv4 address", argv[0]);
	sin.sin_port = htons((uint16_t)traffic_number(argv[1], 65535, "port"));
	return sin;
}

static int traffic_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		traffic_die(1, "socket: %s", strerror(errno));
	return fd;
}

/* ---- server ------------------------------------------------------------- */

static void traffic_write_all(int fd, const unsigned char *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			exit(0);
		buf += n;
		len -= (size_t)n;
	}
}

/* One connection, in a process of its own: ends with the connection. */
static void __attribute__((noreturn)) traffic_echo(int fd)
{
	static unsigned char buf[BUFFER_BYTES];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		traffic_write_all(fd, buf, (size_t)n);
	exit(0);
}

static void traffic_accept(int listener, int udp)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	if (!fork()) {
		/* A connection whose other end vanished must not outlive the server. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		close(listener);
		close(udp);
		traffic_echo(fd);
	}
	close(fd);
}

static void traffic_return(int udp)
{
	static unsigned char buf[BUFFER_BYTES];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(udp, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

	if (n >= 0)
		sendto(udp, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static int traffic_serve(char **argv)
{
	struct sockaddr_in sin = traffic_address(argv);
	int tcp = traffic_socket(SOCK_STREAM), udp = traffic_socket(SOCK_DGRAM), one = 1;
	struct pollfd fds[2] = { { .fd = tcp, .events = POLLIN }, { .fd = udp, .events = POLLIN } };

	signal(SIGCHLD, SIG_IGN);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(udp, (struct sockaddr *)&sin, sizeof(sin)) ||
	    bind(tcp, (struct sockaddr *)&sin, sizeof(sin)) || listen(tcp, 64))
		traffic_die(1, "cannot serve %s port %s: %s", argv[0], argv[1], strerror(errno));
	puts("serving");
	fflush(stdout);
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			traffic_accept(tcp, udp);
		if (fds[1].revents)
			traffic_return(udp);
	}
	traffic_die(1, "poll: %s", strerror(errno));
}

/* ---- clients ------------------------------------------------------------ */

static int traffic_tcp(char **argv)
{
	struct sockaddr_in sin = traffic_address(argv);
	uint64_t total = traffic_number(argv[2], 1UL << 40, "BYTES"), sent = 0, back = 0;
	size_t chunk = traffic_number(argv[3], BUFFER_BYTES, "CHUNK");
	static unsigned char out[BUFFER_BYTES], in[BUFFER_BYTES];
	struct pollfd pfd = { .fd = traffic_socket(SOCK_STREAM) };
	int one = 1;

	if (connect(pfd.fd, (struct sockaddr *)&sin, sizeof(sin)))
		traffic_die(1, "%s port %s: %s", argv[0], argv[1], strerror(errno));
	setsockopt(pfd.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (back < total) {
		ssize_t n;

		pfd.events = sent < total ? POLLIN | POLLOUT : POLLIN;
		n = poll(&pfd, 1, STALL_MS);
		if (!n)
			traffic_die(1, "nothing moves any more after %llu of %llu bytes",
				    (unsigned long long)back, (unsigned long long)total);
		if (sent < total && pfd.revents & POLLOUT) {
			size_t len = total - sent < chunk ? (size_t)(total - sent) : chunk;

			traffic_fill(out, len, sent);
			n = send(pfd.fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n > 0)
				sent += (uint64_t)n;
		}
		n = recv(pfd.fd, in, sizeof(in), MSG_DONTWAIT);
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			traffic_die(1, "connection lost after %llu bytes: %s",
				    (unsigned long long)back, n ? strerror(errno) : "closed");
		if (n > 0) {
			traffic_check(in, (size_t)n, back);
			back += (uint64_t)n;
		}
	}
	printf("%llu bytes there and back\n", (unsigned long long)back);
	return 0;
}

/* Is @in the answer to datagram @number? It is checked when it says so. */
static bool traffic_is_answer(const unsigned char *in, ssize_t n, size_t size, uint64_t number)
{
	uint64_t got;

	if (n < (ssize_t)sizeof(got))
		return false;
	memcpy(&got, in, sizeof(got));
	if (got != number)
		return false;
	if ((size_t)n != size)
		traffic_die(1, "datagram of %zu bytes came back with %zd", size, n);
	traffic_check(in + sizeof(got), size - sizeof(got), number * size);
	return true;
}

/* Datagram @number into @out. */
static void traffic_compose(unsigned char *out, size_t size, uint64_t number)
{
	memcpy(out, &number, sizeof(number));
	traffic_fill(out + sizeof(number), size - sizeof(number), number * size);
}

static void traffic_datagram(int fd, size_t size, uint64_t number)
{
	static unsigned char out[BUFFER_BYTES], in[BUFFER_BYTES];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	traffic_compose(out, size, number);
	for (int try = 0; try < UDP_TRIES; try++) {
		if (send(fd, out, size, 0) != (ssize_t)size && errno != ECONNREFUSED)
			traffic_die(1, "send: %s", strerror(errno));
		while (poll(&pfd, 1, 1000) > 0)
			if (traffic_is_answer(in, recv(fd, in, sizeof(in), 0), size, number))
				return;
	}
	traffic_die(1, "datagram %llu was lost %d times", (unsigned long long)number, UDP_TRIES);
}

/* Datagrams @number to @number + @n, of which each that is back has its bit in @back. */
static uint64_t traffic_answers(int fd, size_t size, unsigned int n, uint64_t number,
				uint64_t back)
{
	static unsigned char in[BUFFER_BYTES];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t len;

	while (back + 1 != 1ULL << n && poll(&pfd, 1, 1000) > 0) {
		len = recv(fd, in, sizeof(in), 0);
		for (unsigned int i = 0; i < n; i++)
			if (traffic_is_answer(in, len, size, number + i))
				back |= 1ULL << i;
	}
	return back;
}

static void traffic_piece(int fd, size_t size, unsigned int n, uint64_t number)
{
	static unsigned char out[BUFFER_BYTES];
	uint64_t back = 0;

	for (unsigned int i = 0; i < n; i++)
		traffic_compose(out + i * size, size, number + i);
	for (int try = 0; try < UDP_TRIES; try++) {
		if (send(fd, out, n * size, 0) != (ssize_t)(n * size) && errno != ECONNREFUSED)
			traffic_die(1, "send: %s", strerror(errno));
		back = traffic_answers(fd, size, n, number, back);
		if (back + 1 == 1ULL << n)
			return;
	}
	traffic_die(1, "of the %u datagrams from %llu some were lost %d times", n,
		    (unsigned long long)number, UDP_TRIES);
}

static size_t traffic_datagram_size(const char *text)
{
	size_t size = traffic_number(text, 65507, "SIZE");

	if (size < sizeof(uint64_t))
		traffic_die(2, "SIZE is %zu, must be at least %zu", size, sizeof(uint64_t));
	return size;
}

static int traffic_udp_socket(char **argv)
{
	struct sockaddr_in sin = traffic_address(argv);
	int fd = traffic_socket(SOCK_DGRAM);

	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		traffic_die(1, "%s port %s: %s", argv[0], argv[1], strerror(errno));
	return fd;
}

static int traffic_segments(char **argv)
{
	uint64_t count = traffic_number(argv[2], 1UL << 32, "COUNT");
	size_t size = traffic_datagram_size(argv[3]);
	unsigned int n = (unsigned int)traffic_number(argv[4], SEGMENTS_MAX - 1, "N");
	int fd = traffic_udp_socket(argv), segment = (int)size;

	if (n * size > 65507)
		traffic_die(2, "%u datagrams of %zu bytes do not go into one piece", n, size);
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		traffic_die(1, "UDP_SEGMENT: %s", strerror(errno));
	for (uint64_t i = 0; i < count; i++)
		traffic_piece(fd, size, n, i * n);
	printf("%llu datagrams there and back\n", (unsigned long long)(count * n));
	return 0;
}

static int traffic_udp(char **argv)
{
	uint64_t count = traffic_number(argv[2], 1UL << 32, "COUNT");
	size_t size = traffic_datagram_size(argv[3]);
	int fd = traffic_udp_socket(argv);

	for (uint64_t i = 0; i < count; i++)
		traffic_datagram(fd, size, i);
	printf("%llu datagrams there and back\n", (unsigned long long)count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return traffic_serve(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "tcp"))
		return traffic_tcp(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "udp"))
		return traffic_udp(argv + 2);
	if (argc == 7 && !strcmp(argv[1], "segments"))
		return traffic_segments(argv + 2);
	traffic_die(2, "usage: traffic serve ADDRESS PORT | tcp ADDRESS PORT BYTES CHUNK | "
		    "udp ADDRESS PORT COUNT SIZE | segments ADDRESS PORT COUNT SIZE N");
}
