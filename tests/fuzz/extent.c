// SPDX-License-Identifier: GPL-2.0
/*
 * The pool of blocks: any order of calls, any argument.
 *
 * Theory
 * ------
 * A model has one byte for each block. A run that is handed out lies in the pool and is
 * nobody's; a request that one run can meet gets one; one that is refused could not be
 * met with the runs that there are, from the first one on. Everything that is handed out is
 * written to.
 */
#include "fuzz.h"
#include "../../ring/extent.h"

#define BUS		0x0000510000000000ull
#define BLOCKS_MOST	300u
#define HELD_MOST	64u
#define RUNS_MOST	8u

/**
 * struct held - what an allocation gave
 * @ext: its runs
 * @n: how many
 */
struct held {
	struct extent ext[RUNS_MOST];
	u32 n;
};

static struct {
	struct fuzz_in in;
	struct extent_pool p;
	u8 *mem;
	u32 block, blocks, free;
	u8 used[BLOCKS_MOST];
	struct held held[HELD_MOST];
	u32 n;
} t;

/* The longest free run, and what the first @max of them hold together. */
static void survey(u32 max, u32 *longest, u32 *first)
{
	u32 i, run = 0, runs = 0;

	*longest = *first = 0;
	for (i = 0; i < t.blocks; i++) {
		run = t.used[i] ? 0 : run + 1;
		runs += run == 1;
		*first += run && runs <= max;
		if (run > *longest)
			*longest = run;
	}
}

static void mark(const struct extent *e, bool on)
{
	u32 i;

	fuzz_check(e->count && e->first < t.blocks && e->count <= t.blocks - e->first);
	fuzz_check(extent_bus(&t.p, e) == BUS + (u64)e->first * t.block);
	fuzz_check(extent_bytes(&t.p, e) == e->count * t.block);
	for (i = 0; i < e->count; i++) {
		fuzz_check(t.used[e->first + i] == !on);
		t.used[e->first + i] = on;
		/* The ends are enough. */
		shared_zero(shared_at(extent_cpu(&t.p, e), (size_t)i * t.block), 1);
		shared_zero(shared_at(extent_cpu(&t.p, e), (size_t)(i + 1) * t.block - 1), 1);
	}
	t.free += on ? -e->count : e->count;
}

static void do_alloc(void)
{
	const u8 how = in_u8(&t.in);
	const u32 count = how < 0xf0 ? how % 80 : (u32)in_number(&t.in);
	const u32 max = in_u8(&t.in) % (RUNS_MOST + 1);
	struct held *h = &t.held[t.n];
	u32 longest, first, i;
	u64 sum = 0;
	int n;

	if (t.n == HELD_MOST)
		return;
	survey(max, &longest, &first);
	memset(h, 0xa5, sizeof(*h));
	n = extent_alloc(&t.p, count, h->ext, max);
	if (!count || !max || count > t.blocks) {
		fuzz_check(n == -EMSGSIZE);
	} else if (count > longest && count > first) {
		fuzz_check(n == -ENOSPC);
	} else {
		fuzz_check(n >= 1 && (u32)n <= max && (n == 1) == (count <= longest));
		h->n = (u32)n;
		for (i = 0; i < h->n; i++) {
			mark(&h->ext[i], true);
			sum += h->ext[i].count;
		}
		fuzz_check(sum == count);
		t.n++;
	}
	fuzz_check(t.p.free == t.free);
}

static void do_free(void)
{
	const u32 at = t.n ? in_u8(&t.in) % t.n : 0;
	u32 i;

	if (!t.n)
		return;
	extent_free(&t.p, t.held[at].ext, t.held[at].n);
	for (i = 0; i < t.held[at].n; i++)
		mark(&t.held[at].ext[i], false);
	t.held[at] = t.held[--t.n];
	fuzz_check(t.p.free == t.free);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *priv;
	bool ok;
	u8 how;

	memset(&t, 0, sizeof(t));
	t.in = fuzz_in(data, size);
	how = in_u8(&t.in);
	t.block = how & 1 ? (u32)in_number(&t.in) : 512u << in_u8(&t.in) % 2;
	t.blocks = how & 2 ? (u32)in_number(&t.in) : 1 + in_u16(&t.in) % BLOCKS_MOST;
	ok = t.block >= 512 && !(t.block & (t.block - 1)) && t.blocks &&
	     (u64)t.block * t.blocks <= 1u << 30;
	if (ok && (t.blocks > BLOCKS_MOST || t.block > 1024))
		return -1;
	t.free = t.blocks;
	t.mem = fuzz_alloc(ok ? (size_t)t.block * t.blocks : 1);
	priv = fuzz_alloc(ok ? extent_private_bytes(t.blocks) : 1);
	fuzz_check(extent_init(&t.p, shared_mark(t.mem), BUS, t.block, t.blocks, priv) ==
		   (ok ? 0 : -EINVAL));
	while (ok && in_more(&t.in)) {
		if (in_u8(&t.in) & 1)
			do_free();
		else
			do_alloc();
	}
	free(t.mem);
	free(priv);
	return 0;
}
