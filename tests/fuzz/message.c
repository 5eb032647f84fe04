// SPDX-License-Identifier: GPL-2.0
/*
 * Parsing of vhost-user messages.
 *
 * Theory
 * ------
 * The input says what a front-end sends: messages that can be, with something changed, or
 * bytes; in which pieces, and how many files with which of them; and when the daemon looks.
 * The target keeps the stream that it sent and knows from that, by a table of its own,
 * what message_receive() must say: for what is a whole message now, it must take exactly the
 * message's bytes and the files that came with them; no other. Answers are read back.
 *
 * Sometimes there is no room for as many descriptors as were sent. At the end nothing may be
 * left open, whatever happened.
 */
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "fuzz_front.h"
#include "../../host/message.h"

#define STREAM_MOST	8192u
#define PIECES_MOST	512u
#define FDS_MOST	16u

/* What a request may be: name, least and most bytes, most files; as the protocol has it. */
static const struct { u32 request; u32 min; u32 max; u32 fds; } rules[] = {
	{ 1, 0, 0, 0 }, { 2, 8, 8, 0 }, { 3, 0, 0, 0 }, { 4, 0, 0, 0 }, { 5, 40, 264, 8 },
	{ 8, 8, 8, 0 }, { 9, 40, 40, 0 }, { 10, 8, 8, 0 }, { 11, 8, 8, 0 }, { 12, 8, 8, 1 },
	{ 13, 8, 8, 1 }, { 14, 8, 8, 1 }, { 15, 0, 0, 0 }, { 16, 8, 8, 0 }, { 17, 0, 0, 0 },
	{ 18, 8, 8, 0 }, { 21, 0, 0, 1 }, { 24, 12, 268, 0 }, { 25, 12, 268, 0 },
};

/**
 * struct piece - bytes that were sent by one call
 * @start: where they begin in the stream
 * @fds: files that came with them
 */
struct piece {
	u32 start;
	u32 fds;
};

static struct {
	struct fuzz_in in;
	struct message m;
	int ours, theirs;
	u8 stream[STREAM_MOST];
	u32 written, sent;	/* of the stream: made, and sent */
	u32 at;			/* where the message that is due begins */
	struct piece piece[PIECES_MOST];
	u32 pieces;
	bool ended;		/* the front-end sends no more */
	bool gone;		/* and reads no more */
	bool tight;		/* few descriptors are left */
} t;

static u32 stream_u32(u32 at)
{
	u32 v;

	memcpy(&v, t.stream + at, sizeof(v));
	return le32toh(v);
}

/* ---- the front-end --------------------------------------------------------------- */

static void put(const void *data, u32 bytes)
{
	if (bytes > STREAM_MOST - t.written)
		return;
	memcpy(t.stream + t.written, data, bytes);
	t.written += bytes;
}

static void make_message(void)
{
	const u8 which = in_u8(&t.in), how = in_u8(&t.in);
	const u32 i = which % ARRAY_SIZE(rules);
	u32 head[3] = { rules[i].request, 1, rules[i].max };
	u8 payload[512];
	u32 n, bytes;

	if (rules[i].max > rules[i].min)
		head[2] = rules[i].min + in_u8(&t.in) % (rules[i].max - rules[i].min + 1);
	if (which >= 0xf0)
		head[0] = (u32)in_number(&t.in);
	if (how & 1)
		head[1] |= 8;
	if (how >= 0xf0)
		head[1] = (u32)in_number(&t.in);
	bytes = head[2];
	if (how & 2 && how & 4)
		head[2] = (u32)in_number(&t.in);
	if (how & 2 && how & 8)
		bytes = in_u8(&t.in);
	for (n = 0; n < bytes; n++)
		payload[n] = in_u8(&t.in);
	for (n = 0; n < 3; n++)
		head[n] = htole32(head[n]);
	put(head, sizeof(head));
	put(payload, bytes);
}

static void make_bytes(void)
{
	u8 bytes[16];
	u32 n = in_u8(&t.in) % 16, i;

	for (i = 0; i < n; i++)
		bytes[i] = in_u8(&t.in);
	put(bytes, n);
}

static void send_some(void)
{
	const u8 how = in_u8(&t.in);
	u32 bytes = how & 1 ? 1u + in_u8(&t.in) : STREAM_MOST;
	u32 fds = how & 2 ? how >> 2 & 1 : how & 4 ? how >> 3 & 15 : 0;

	if (bytes > t.written - t.sent)
		bytes = t.written - t.sent;
	if (!bytes || t.ended || t.pieces == PIECES_MOST)
		return;
	if (fds > FDS_MOST)
		fds = FDS_MOST;
	if (!front_send(&t.in, t.theirs, t.stream + t.sent, bytes, fds, NULL))
		return;
	t.piece[t.pieces++] = (struct piece) { .start = t.sent, .fds = fds };
	t.sent += bytes;
}

/* ---- the daemon -------------------------------------------------------------------- */

/* Files that came with the bytes from the message's start to @end. */
static u32 files_until(u32 end, bool *fit)
{
	u32 i, fds = 0;

	for (i = 0; i < t.pieces; i++) {
		if (t.piece[i].start >= t.at && t.piece[i].start < end)
			fds += t.piece[i].fds;
	}
	*fit = fds <= MESSAGE_REGIONS;
	return fds;
}

/*
 * What message_receive() must answer, and where it must have stopped reading. Where it
 * stops when there are too many files is its own affair.
 */
static int must_receive(u32 *end, u32 *fds)
{
	const u32 have = t.sent - t.at;
	u32 request, flags, size, i;
	bool fit;

	*end = t.sent;
	*fds = files_until(t.at + (have < 12 ? have : 12), &fit);
	if (!fit)
		return -EPROTO;
	if (have < 12)
		return !t.ended ? 0 : have ? -EPROTO : -ENOTCONN;
	request = stream_u32(t.at);
	flags = stream_u32(t.at + 4);
	size = stream_u32(t.at + 8);
	for (i = 0; i < ARRAY_SIZE(rules) && rules[i].request != request; i++)
		;
	if ((flags & ~8u) != 1 || i == ARRAY_SIZE(rules) ||
	    size < rules[i].min || size > rules[i].max) {
		*end = t.at + 12;
		return -EPROTO;
	}
	if (have > 12 + size)
		*end = t.at + 12 + size;
	*fds = files_until(*end, &fit);
	if (!fit)
		return -EPROTO;
	if (have < 12 + size)
		return t.ended ? -EPROTO : 0;
	return *fds > rules[i].fds ? -EPROTO : 1;
}

/* An answer arrives as it was meant. */
static void check_reply(u32 size)
{
	u8 got[12 + sizeof(struct message_config) + 1];
	const u8 head[] = { t.m.request & 0xff, 0, 0, 0, 5, 0, 0, 0, size & 0xff, (u8)(size >> 8), 0, 0 };
	int ret = message_reply(&t.m, t.ours, size, -1);

	if (t.gone) {
		fuzz_check(ret == -EPIPE || ret == -ECONNRESET);
		return;
	}
	fuzz_check(!ret);
	fuzz_check(recv(t.theirs, got, sizeof(got), MSG_DONTWAIT) == (ssize_t)(12 + size));
	fuzz_check(!memcmp(got, head, sizeof(head)));
	fuzz_check(!memcmp(got + 12, &t.m.u64, size));
}

static void handle(u32 fds)
{
	const u8 how = in_u8(&t.in);
	u32 i, taken = 0;
	int fd;

	fuzz_check(t.m.request == stream_u32(t.at) && t.m.size == stream_u32(t.at + 8));
	fuzz_check(!memcmp(&t.m.u64, t.stream + t.at + 12, t.m.size));
	fuzz_check(message_wants_ack(&t.m) == !!(stream_u32(t.at + 4) & 8));
	fuzz_check(strcmp(message_name(t.m.request), "unknown request"));
	fuzz_check(t.m.fds == fds);
	for (i = 0; i < fds; i++)
		fuzz_check(fcntl(t.m.fd[i], F_GETFD) == FD_CLOEXEC);
	for (i = 0; how & 1 && i < 10; i++) {
		fd = message_take_fd(&t.m, i % (how >> 4 ? how >> 4 : 1));
		taken += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	fuzz_check(taken <= fds);
	if (how & 2)
		check_reply(how & 4 ? 8 : in_u16(&t.in) % (sizeof(struct message_config) + 1));
	message_reset(&t.m);
}

static u32 consumed(void)
{
	int left = 0;

	fuzz_check(!ioctl(t.ours, FIONREAD, &left));
	return t.sent - (u32)left;
}

/* Return: false when the session ends. */
static bool receive(void)
{
	const char *why = NULL;
	u32 end, fds;
	const int must = must_receive(&end, &fds);
	struct rlimit limit, less;
	int ret;

	fuzz_check(!getrlimit(RLIMIT_NOFILE, &limit));
	less = limit;
	if (t.tight) {
		less.rlim_cur = (rlim_t)front_free_fd() + in_u8(&t.in) % 4;
		fuzz_check(!setrlimit(RLIMIT_NOFILE, &less));
	}
	ret = message_receive(&t.m, t.ours, &why);
	fuzz_check(!setrlimit(RLIMIT_NOFILE, &limit));

	/* Where nobody reads any more, what was not read is an error of the connection. */
	if (t.tight && ret == -EPROTO && must >= 0)
		return false;
	fuzz_check(ret == must);
	if (ret == -EPROTO)
		fuzz_check(why);
	if (ret >= 0)
		fuzz_check(consumed() == end);
	if (ret != 1)
		return ret == 0;
	handle(fds);
	t.at = end;
	return true;
}

/* Return: false when the session ends. */
static bool step(void)
{
	switch (in_u8(&t.in) & 0xf) {
	case 0 ... 4:
		make_message();
		break;
	case 5:
		make_bytes();
		break;
	case 6 ... 9:
		send_some();
		break;
	case 10 ... 13:
		return receive();
	case 14:
		if (in_u8(&t.in) & 1 && !t.gone) {
			shutdown(t.theirs, SHUT_WR);
			t.ended = true;
		} else if (!t.ended && t.written == t.sent && consumed() == t.sent) {
			close(t.theirs);
			t.theirs = -1;
			t.ended = t.gone = true;
		}
		break;
	case 15:
		t.tight = in_u8(&t.in) & 1;
		break;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	memset(&t, 0, sizeof(t));
	t.in = fuzz_in(data, size);
	front_begin();
	fuzz_check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	t.ours = pair[0];
	t.theirs = pair[1];
	message_init(&t.m, front_closer);
	fuzz_check(message_name(in_u32(&t.in)));
	while (in_more(&t.in) && step())
		;
	message_reset(&t.m);
	close(t.ours);
	if (t.theirs >= 0)
		close(t.theirs);
	front_end();
	return 0;
}
