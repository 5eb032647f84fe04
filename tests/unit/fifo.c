// SPDX-License-Identifier: GPL-2.0
/*
 * The byte FIFO of ring/fifo.h, by hand and beside a reference model.
 *
 * The model keeps a list of allocations in order, with what each was given, and
 * one owner for every FIFO_ALIGN bytes of the circle. Memory comes back in
 * order: bytes are free when everything allocated before them is released, too.
 */
#include "../../ring/fifo.h"
#include "rig.h"

#define BUS		0x0000770000000000ull
#define ENTRIES_MAX	64u
#define UNITS_MAX	1024u

struct allocation {
	u32 token;
	u32 len;
	u32 n;
	struct fifo_extent ext[2];
	bool live;
};

struct bench {
	struct fifo f;
	struct rig_map map;
	void *priv;
	u32 bytes, entries;
	u64 random;
	/* The model: allocations not yet back, oldest first. */
	struct allocation line[ENTRIES_MAX];
	u32 num;
	u32 owned[UNITS_MAX];		/* allocations that a unit belongs to */
	u32 stale;			/* a token that is not live any more */
	bool have_stale;
};

static struct bench *bench_new(void **state, u32 bytes, u32 entries)
{
	struct bench *b;

	if (*state) {
		b = *state;
		rig_map_close(&b->map);
		free(b->priv);
		free(b);
	}
	*state = b = calloc(1, sizeof(*b));
	assert_non_null(b);
	b->bytes = bytes;
	b->entries = entries;
	rig_map_open(&b->map, bytes, FIFO_ALIGN, BUS);
	b->priv = malloc(fifo_private_bytes(entries));
	assert_non_null(b->priv);
	memset(b->priv, 0xa5, fifo_private_bytes(entries));
	assert_int_equal(fifo_init(&b->f, b->map.at, BUS, bytes, entries, b->priv), 0);
	return b;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	if (!b)
		return 0;
	rig_map_close(&b->map);
	free(b->priv);
	free(b);
	*state = NULL;
	return 0;
}

static u32 units(u32 len)
{
	return (len + FIFO_ALIGN - 1) / FIFO_ALIGN;
}

/* Units of the circle that the allocations not yet back take. */
static u32 taken(const struct bench *b)
{
	u32 i, n = 0;

	for (i = 0; i < b->num; i++)
		n += units(b->line[i].len);
	return n;
}

static bool fits(const struct bench *b, u32 len)
{
	return len && b->num < b->entries && len <= b->bytes &&
	       units(len) <= b->bytes / FIFO_ALIGN - taken(b);
}

/* Extents are inside, aligned, agree with the bus and add up; each unit is new. */
static void check_extents(struct bench *b, const struct allocation *a)
{
	u32 i, sum = 0;

	assert_in_range(a->n, 1, 2);
	for (i = 0; i < a->n; i++) {
		const struct fifo_extent *e = &a->ext[i];
		const u64 off = e->bus - BUS;
		u64 u;

		assert_true(e->len >= 1);
		assert_true(off < b->bytes && e->len <= b->bytes - off);
		assert_int_equal(off % FIFO_ALIGN, 0);
		assert_ptr_equal(shared_unmark(e->cpu), shared_unmark(shared_at(b->map.at, off)));
		for (u = off / FIFO_ALIGN; u * FIFO_ALIGN < off + e->len; u++)
			assert_int_equal(b->owned[u]++, 0);
		sum += e->len;
	}
	/* Two only because it wrapped: up to the end, and on from the start. */
	if (a->n == 2) {
		assert_int_equal(a->ext[0].bus + a->ext[0].len, BUS + b->bytes);
		assert_int_equal(a->ext[1].bus, BUS);
	}
	assert_int_equal(sum, a->len);
}

static void disown(struct bench *b, const struct allocation *a)
{
	u32 i;
	u64 u;

	for (i = 0; i < a->n; i++) {
		const u64 off = a->ext[i].bus - BUS;

		for (u = off / FIFO_ALIGN; u * FIFO_ALIGN < off + a->ext[i].len; u++)
			assert_int_equal(b->owned[u]--, 1);
	}
}

static void do_alloc(struct bench *b)
{
	struct allocation *a = &b->line[b->num % ENTRIES_MAX];
	const u32 most = rig_below(&b->random, 8) ? b->bytes / 6 : b->bytes;
	const u32 len = 1 + rig_below(&b->random, most);
	const bool ok = fits(b, len);
	struct allocation tmp = { .len = len, .live = true };
	int ret;

	assert_int_equal(fifo_fits(&b->f, len), ok);
	ret = fifo_alloc(&b->f, len, tmp.ext, &tmp.token);
	if (!ok) {
		assert_int_equal(ret, -ENOSPC);
		return;
	}
	assert_in_range(ret, 1, 2);
	tmp.n = (u32)ret;
	*a = tmp;
	b->num++;
	check_extents(b, a);
}

static void do_release(struct bench *b)
{
	struct allocation *a;
	u32 back = 0;

	if (!b->num)
		return;
	/* Mostly in order, as devices do. */
	a = &b->line[rig_below(&b->random, 4) ? 0 : rig_below(&b->random, b->num)];
	if (!a->live) {
		assert_int_equal(fifo_release(&b->f, a->token), -EINVAL);
		return;
	}
	assert_int_equal(fifo_release(&b->f, a->token), 0);
	assert_int_equal(fifo_release(&b->f, a->token), -EINVAL);
	a->live = false;
	b->stale = a->token;
	b->have_stale = true;
	while (back < b->num && !b->line[back].live)
		disown(b, &b->line[back++]);
	memmove(b->line, b->line + back, (b->num - back) * sizeof(b->line[0]));
	b->num -= back;
}

static void do_undo(struct bench *b)
{
	struct allocation *latest = &b->line[(b->num - 1) % ENTRIES_MAX];

	if (!b->num)
		return;
	if (b->num > 1)
		assert_int_equal(fifo_undo(&b->f, b->line[0].token), -EINVAL);
	if (!latest->live) {
		assert_int_equal(fifo_undo(&b->f, latest->token), -EINVAL);
		return;
	}
	assert_int_equal(fifo_undo(&b->f, latest->token), 0);
	assert_int_equal(fifo_release(&b->f, latest->token), -EINVAL);
	disown(b, latest);
	b->num--;
	/* Its token may be given again, so what was stale may live again. */
	b->have_stale = false;
}

static void run(void **state, u32 bytes, u32 entries, u64 seed)
{
	struct bench *b = bench_new(state, bytes, entries);
	u32 i, len;

	b->random = seed;
	for (i = 0; i < 60000; i++) {
		const u32 what = rig_below(&b->random, 10);

		if (what < 5)
			do_alloc(b);
		else if (what < 9)
			do_release(b);
		else
			do_undo(b);
		if (b->have_stale)
			assert_int_equal(fifo_release(&b->f, b->stale), -EINVAL);
	}
	/* All comes back: then everything fits again. */
	for (i = 0; i < b->num; i++) {
		if (b->line[i].live)
			assert_int_equal(fifo_release(&b->f, b->line[i].token), 0);
	}
	for (len = 1; len <= bytes; len += bytes / 16 + 1)
		assert_true(fifo_fits(&b->f, len));
	assert_true(fifo_fits(&b->f, bytes));
}

static void random_calls_agree(void **state)
{
	const u64 seed = rig_seed(0x6c078965);

	run(state, 64, 1, seed);
	run(state, 128, 4, seed + 1);
	run(state, 4096, 8, seed + 2);
	run(state, 4096, 64, seed + 3);
	run(state, 65536, 64, seed + 4);
	run(state, 64 * 1021, 32, seed + 5);
}

static void init_refuses(void **state)
{
	struct bench *b = bench_new(state, 4096, 8);
	static const struct {
		u32 bytes, entries;
	} bad[] = {
		{ 0, 8 }, { 63, 8 }, { 65, 8 }, { 4095, 8 }, { (1u << 30) + 64, 8 },
		{ 0xffffffc0u, 8 }, { 4096, 0 }, { 4096, 3 }, { 4096, 12 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(fifo_init(&b->f, b->map.at, BUS, bad[i].bytes, bad[i].entries,
					   b->priv), -EINVAL);
}

static void lengths_that_never_fit(void **state)
{
	struct bench *b = bench_new(state, 4096, 8);
	struct fifo_extent ext[2];
	u32 token;
	static const u32 lens[] = { 0, 4097, 8192, 0x80000000u, 0xffffffc1u, 0xffffffffu };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		assert_false(fifo_fits(&b->f, lens[i]));
		assert_int_equal(fifo_alloc(&b->f, lens[i], ext, &token), -EMSGSIZE);
	}
	assert_int_equal(fifo_alloc(&b->f, 4096, ext, &token), 1);
	/* Too long stays too long while it is full. */
	assert_int_equal(fifo_alloc(&b->f, 4097, ext, &token), -EMSGSIZE);
	assert_int_equal(fifo_alloc(&b->f, 1, ext, &token), -ENOSPC);
}

static void wrap_gives_two_extents(void **state)
{
	struct bench *b = bench_new(state, 1024, 8);
	struct fifo_extent ext[2];
	u32 first, token;

	assert_int_equal(fifo_alloc(&b->f, 700, ext, &first), 1);
	assert_int_equal(fifo_alloc(&b->f, 100, ext, &token), 1);
	assert_int_equal(ext[0].bus, BUS + 704);
	assert_int_equal(fifo_release(&b->f, first), 0);
	/* 832 to 1024 are 192 bytes; the rest goes to the start. */
	assert_int_equal(fifo_alloc(&b->f, 500, ext, &token), 2);
	assert_int_equal(ext[0].bus, BUS + 832);
	assert_int_equal(ext[0].len, 192);
	assert_int_equal(ext[1].bus, BUS);
	assert_int_equal(ext[1].len, 308);
	/* Undone and taken again without wrapping: up to the very end. */
	assert_int_equal(fifo_undo(&b->f, token), 0);
	assert_int_equal(fifo_alloc(&b->f, 192, ext, &token), 1);
	assert_int_equal(ext[0].bus, BUS + 832);
	assert_int_equal(fifo_alloc(&b->f, 64, ext, &token), 1);
	assert_int_equal(ext[0].bus, BUS);
}

static void padding_may_wrap_no_byte(void **state)
{
	struct bench *b = bench_new(state, 256, 8);
	struct fifo_extent ext[2];
	u32 first, token;

	assert_int_equal(fifo_alloc(&b->f, 129, ext, &first), 1);
	assert_int_equal(fifo_alloc(&b->f, 1, ext, &token), 1);
	assert_int_equal(ext[0].bus, BUS + 192);
	assert_int_equal(ext[0].len, 1);
	assert_false(fifo_fits(&b->f, 1));
	assert_int_equal(fifo_release(&b->f, first), 0);
	assert_true(fifo_fits(&b->f, 192));
	assert_false(fifo_fits(&b->f, 193));
}

static void memory_returns_in_order(void **state)
{
	struct bench *b = bench_new(state, 256, 8);
	struct fifo_extent ext[2];
	u32 token[4], i;

	for (i = 0; i < 4; i++)
		assert_int_equal(fifo_alloc(&b->f, 64, ext, &token[i]), 1);
	for (i = 3; i >= 1; i--) {
		assert_int_equal(fifo_release(&b->f, token[i]), 0);
		assert_false(fifo_fits(&b->f, 1));
	}
	assert_int_equal(fifo_release(&b->f, token[0]), 0);
	assert_true(fifo_fits(&b->f, 256));
}

static void entries_bound_the_allocations(void **state)
{
	struct bench *b = bench_new(state, 4096, 4);
	struct fifo_extent ext[2];
	u32 token, i;

	for (i = 0; i < 4; i++)
		assert_int_equal(fifo_alloc(&b->f, 1, ext, &token), 1);
	assert_false(fifo_fits(&b->f, 1));
	assert_int_equal(fifo_alloc(&b->f, 1, ext, &token), -ENOSPC);
}

static void strange_tokens_are_refused(void **state)
{
	struct bench *b = bench_new(state, 4096, 4);
	struct fifo_extent ext[2];
	u32 token, i;

	assert_int_equal(fifo_release(&b->f, 0), -EINVAL);
	assert_int_equal(fifo_undo(&b->f, 0), -EINVAL);
	assert_int_equal(fifo_undo(&b->f, 0xffffffffu), -EINVAL);
	assert_int_equal(fifo_alloc(&b->f, 100, ext, &token), 1);
	for (i = 1; i < 9; i++) {
		assert_int_equal(fifo_release(&b->f, token + i), -EINVAL);
		assert_int_equal(fifo_release(&b->f, token - i), -EINVAL);
		assert_int_equal(fifo_undo(&b->f, token + i), -EINVAL);
	}
	assert_int_equal(fifo_release(&b->f, token ^ 0x80000000u), -EINVAL);
	assert_int_equal(fifo_release(&b->f, token), 0);
}

#define FIFO_TEST(words, func) \
	{ .name = words, .test_func = func, .teardown_func = bench_close }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FIFO_TEST("random calls agree with the model", random_calls_agree),
		FIFO_TEST("init refuses", init_refuses),
		FIFO_TEST("lengths that never fit", lengths_that_never_fit),
		FIFO_TEST("a wrap gives two extents", wrap_gives_two_extents),
		FIFO_TEST("padding may wrap but no byte", padding_may_wrap_no_byte),
		FIFO_TEST("memory returns in order", memory_returns_in_order),
		FIFO_TEST("entries bound the allocations", entries_bound_the_allocations),
		FIFO_TEST("strange tokens are refused", strange_tokens_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
