// SPDX-License-Identifier: GPL-2.0
/*
 * The byte FIFO: any order of calls, any argument.
 *
 * Theory
 * ------
 * A model keeps the allocations in a queue, as fifo.h tells it, and so says what each call
 * must answer. Of each byte it knows whether an allocation has it: two never have one
 * byte, and none has a byte outside. Everything that is handed out is written to.
 */
#include "fuzz.h"
#include "../../ring/fifo.h"

#define BUS		0x0000510000000000ull
#define BYTES_MOST	8192u
#define ENTRIES_MOST	64u

/**
 * struct made - an allocation that was made and whose memory did not come back
 * @token: of it
 * @span: bytes that it takes
 * @ext: its extents
 * @extents: how many
 * @live: not released
 */
struct made {
	u32 token;
	u32 span;
	struct fifo_extent ext[2];
	int extents;
	bool live;
};

static struct {
	struct fuzz_in in;
	struct fifo f;
	u8 *mem;
	u32 bytes, entries;
	struct made queue[ENTRIES_MOST];
	u32 n, used;
	u32 head;		/* where the next one begins */
	u8 taken[BYTES_MOST];
} t;

/* Mark the bytes of an allocation, which must be the other way now. */
static void mark(const struct made *m, bool on)
{
	u32 i;

	for (i = 0; i < (u32)m->extents; i++) {
		const size_t off = (size_t)(m->ext[i].bus - BUS);

		fuzz_check(off < t.bytes && m->ext[i].len && m->ext[i].len <= t.bytes - off);
		fuzz_check(shared_unmark(m->ext[i].cpu) == t.mem + off);
		fuzz_check(!memchr(t.taken + off, on, m->ext[i].len));
		memset(t.taken + off, on, m->ext[i].len);
		shared_zero(m->ext[i].cpu, m->ext[i].len);
	}
}

static void do_alloc(void)
{
	const u8 how = in_u8(&t.in);
	const u32 len = how < 0xe0 ? how * (t.bytes / 256 + 1) : (u32)in_number(&t.in);
	struct made m = { .span = ALIGN(len, FIFO_ALIGN), .live = true };
	int must = 0;

	if (!len || len > t.bytes)
		must = -EMSGSIZE;
	else if (m.span > t.bytes - t.used || t.n == t.entries)
		must = -ENOSPC;
	fuzz_check(fifo_fits(&t.f, len) == !must);
	m.extents = fifo_alloc(&t.f, len, m.ext, &m.token);
	if (must) {
		fuzz_check(m.extents == must);
		return;
	}
	fuzz_check(m.extents == (len > t.bytes - t.head ? 2 : 1));
	fuzz_check(m.ext[0].bus == BUS + t.head && m.ext[0].bus % FIFO_ALIGN == 0);
	if (m.extents == 2)
		fuzz_check(m.ext[1].bus == BUS && m.ext[0].len == t.bytes - t.head);
	fuzz_check(m.ext[0].len + (u64)(m.extents == 2 ? m.ext[1].len : 0) == len);
	mark(&m, true);
	t.queue[t.n++] = m;
	t.used += m.span;
	t.head = (t.head + m.span) % t.bytes;
}

/* The token of one that was made, or any. */
static u32 in_token(u32 *at)
{
	const u8 how = in_u8(&t.in);
	u32 token;

	token = how < 0xc0 && t.n ? t.queue[how % t.n].token : (u32)in_number(&t.in);
	for (*at = 0; *at < t.n && t.queue[*at].token != token; ++*at)
		;
	return token;
}

static void do_release(void)
{
	u32 at, gone;
	const u32 token = in_token(&at);
	const bool ok = at < t.n && t.queue[at].live;

	fuzz_check(fifo_release(&t.f, token) == (ok ? 0 : -EINVAL));
	if (!ok)
		return;
	mark(&t.queue[at], false);
	t.queue[at].live = false;
	for (gone = 0; gone < t.n && !t.queue[gone].live; gone++)
		t.used -= t.queue[gone].span;
	t.n -= gone;
	memmove(t.queue, t.queue + gone, t.n * sizeof(t.queue[0]));
}

static void do_undo(void)
{
	u32 at;
	const u32 token = in_token(&at);
	const bool ok = at < t.n && at == t.n - 1 && t.queue[at].live;

	fuzz_check(fifo_undo(&t.f, token) == (ok ? 0 : -EINVAL));
	if (!ok)
		return;
	mark(&t.queue[at], false);
	t.n--;
	t.used -= t.queue[at].span;
	t.head = (t.head + t.bytes - t.queue[at].span) % t.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *priv;
	bool ok;
	u8 how;

	memset(&t, 0, sizeof(t));
	t.in = fuzz_in(data, size);
	how = in_u8(&t.in);
	t.bytes = how & 1 ? (u32)in_number(&t.in) : FIFO_ALIGN * (1 + in_u8(&t.in) % 128);
	t.entries = how & 2 ? (u32)in_number(&t.in) : 1u << in_u8(&t.in) % 7;
	ok = t.bytes && t.bytes % FIFO_ALIGN == 0 && t.bytes <= 1u << 30 &&
	     t.entries && !(t.entries & (t.entries - 1)) && t.entries <= 1u << 20;
	if (ok && (t.bytes > BYTES_MOST || t.entries > ENTRIES_MOST))
		return -1;
	t.mem = fuzz_alloc(ok ? t.bytes : 1);
	priv = fuzz_alloc(ok ? fifo_private_bytes(t.entries) : 1);
	fuzz_check(fifo_init(&t.f, shared_mark(t.mem), BUS, t.bytes, t.entries, priv) ==
		   (ok ? 0 : -EINVAL));
	while (ok && in_more(&t.in)) {
		switch (in_u8(&t.in) & 3) {
		case 0 ... 1:
			do_alloc();
			break;
		case 2:
			do_release();
			break;
		case 3:
			do_undo();
			break;
		}
	}
	free(t.mem);
	free(priv);
	return 0;
}
