// SPDX-License-Identifier: GPL-2.0
/*
 * The block pool of ring/extent.h, by hand and beside a reference model: one
 * flag a block. A request must be met when the free blocks suffice and lie in no
 * more runs than the caller allows; in one run when there is one long enough.
 */
#include "../../ring/extent.h"
#include "rig.h"

#define BUS		0x0000660000000000ull
#define BLOCKS_MAX	1024u
#define HELD_MAX	256u
#define RUNS_MAX	16u

struct holding {
	struct extent ext[RUNS_MAX];
	u32 num;
};

struct bench {
	struct extent_pool p;
	void *priv;
	u32 blocks;
	u64 random;
	bool used[BLOCKS_MAX];
	u32 num_used;
	struct holding held[HELD_MAX];
	u32 num;
	u32 refused;
};

/* A pool has no business in its memory: any address will do. */
static struct bench *bench_new(void **state, u32 block, u32 blocks)
{
	struct bench *b = *state;

	if (b) {
		free(b->priv);
		free(b);
	}
	*state = b = calloc(1, sizeof(*b));
	assert_non_null(b);
	b->blocks = blocks;
	b->priv = malloc(extent_private_bytes(blocks));
	assert_non_null(b->priv);
	memset(b->priv, 0xa5, extent_private_bytes(blocks));
	assert_int_equal(extent_init(&b->p, shared_mark((void *)(uintptr_t)0x10000), BUS, block,
				     blocks, b->priv), 0);
	return b;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	if (b) {
		free(b->priv);
		free(b);
	}
	*state = NULL;
	return 0;
}

/* Maximal runs of free blocks; *@longest is the length of the longest. */
static u32 free_runs(const struct bench *b, u32 *longest)
{
	u32 i, len = 0, runs = 0;

	*longest = 0;
	for (i = 0; i < b->blocks; i++) {
		if (b->used[i]) {
			len = 0;
			continue;
		}
		runs += !len++;
		if (len > *longest)
			*longest = len;
	}
	return runs;
}

static void check_runs(struct bench *b, const struct holding *h, u32 count)
{
	u32 i, j, sum = 0;

	for (i = 0; i < h->num; i++) {
		const struct extent *e = &h->ext[i];

		assert_true(e->count >= 1);
		assert_true(e->first < b->blocks && e->count <= b->blocks - e->first);
		for (j = e->first; j < e->first + e->count; j++) {
			assert_false(b->used[j]);
			b->used[j] = true;
		}
		sum += e->count;
		assert_int_equal(extent_bus(&b->p, e), BUS + (u64)e->first * b->p.block);
		assert_int_equal((uintptr_t)shared_unmark(extent_cpu(&b->p, e)),
				 0x10000 + (u64)e->first * b->p.block);
		assert_int_equal(extent_bytes(&b->p, e), e->count * b->p.block);
	}
	assert_int_equal(sum, count);
	b->num_used += count;
}

static void do_alloc(struct bench *b)
{
	struct holding h = { .num = 0 };
	const u32 most = rig_below(&b->random, 6) ? b->blocks / 8 + 1 : b->blocks;
	const u32 count = 1 + rig_below(&b->random, most);
	const u32 max = 1 + rig_below(&b->random, RUNS_MAX);
	u32 longest, i;
	const u32 runs = free_runs(b, &longest);
	int ret;

	for (i = 0; i < RUNS_MAX; i++)
		h.ext[i] = (struct extent) { 0xdeadbeef, 0xdeadbeef };
	ret = extent_alloc(&b->p, count, h.ext, max);
	for (i = max; i < RUNS_MAX; i++)
		assert_int_equal(h.ext[i].first, 0xdeadbeef);
	if (ret < 0) {
		assert_int_equal(ret, -ENOSPC);
		assert_true(b->blocks - b->num_used < count ||
			    (runs > max && longest < count));
		b->refused++;
		return;
	}
	assert_true(ret >= 1 && (u32)ret <= max);
	assert_true(count <= b->blocks - b->num_used);
	if (longest >= count)
		assert_int_equal(ret, 1);
	h.num = (u32)ret;
	check_runs(b, &h, count);
	if (b->num == HELD_MAX) {
		extent_free(&b->p, h.ext, h.num);
		for (i = 0; i < h.num; i++)
			memset(&b->used[h.ext[i].first], 0, h.ext[i].count);
		b->num_used -= count;
		return;
	}
	b->held[b->num++] = h;
}

static void do_free(struct bench *b)
{
	struct holding *h;
	u32 i;

	if (!b->num)
		return;
	h = &b->held[rig_below(&b->random, b->num)];
	extent_free(&b->p, h->ext, h->num);
	for (i = 0; i < h->num; i++) {
		memset(&b->used[h->ext[i].first], 0, h->ext[i].count);
		b->num_used -= h->ext[i].count;
	}
	*h = b->held[--b->num];
}

static void run(void **state, u32 blocks, u64 seed)
{
	struct bench *b = bench_new(state, 4096, blocks);
	struct extent all;
	u32 i;

	b->random = seed;
	for (i = 0; i < 30000; i++) {
		if (rig_below(&b->random, 16) < 9)
			do_alloc(b);
		else
			do_free(b);
	}
	assert_true(b->refused > 0);
	while (b->num)
		do_free(b);
	/* Everything came back, in one piece. */
	assert_int_equal(extent_alloc(&b->p, blocks, &all, 1), 1);
	assert_int_equal(all.first, 0);
	assert_int_equal(all.count, blocks);
	assert_int_equal(extent_alloc(&b->p, 1, &all, 1), -ENOSPC);
}

static void random_calls_agree(void **state)
{
	static const u32 blocks[] = { 1, 2, 8, 63, 64, 65, 127, 128, 200, 1024 };
	const u64 seed = rig_seed(0x9908b0df);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		run(state, blocks[i], seed + i);
}

static void init_refuses(void **state)
{
	struct bench *b = bench_new(state, 4096, 8);
	static const struct {
		u32 block, blocks;
	} bad[] = {
		{ 0, 8 }, { 256, 8 }, { 511, 8 }, { 513, 8 }, { 3072, 8 }, { 4096, 0 },
		{ 4096, (1u << 18) + 1 }, { 512, (1u << 21) + 1 }, { 1u << 31, 1 },
		{ 1u << 30, 2 }, { 4096, 0xffffffffu }, { 1u << 20, 4096 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(extent_init(&b->p, NULL, BUS, bad[i].block, bad[i].blocks,
					     b->priv), -EINVAL);
}

static void a_gibibyte_is_allowed(void **state)
{
	static const u32 block[] = { 512, 4096, 1u << 20, 1u << 30 };
	struct extent e;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(block); i++) {
		const u32 blocks = (1u << 30) / block[i];
		struct bench *b = bench_new(state, block[i], blocks);

		assert_int_equal(extent_alloc(&b->p, blocks, &e, 1), 1);
		assert_int_equal(e.count, blocks);
		assert_int_equal(extent_bytes(&b->p, &e), 1u << 30);
	}
}

static void requests_that_never_fit(void **state)
{
	struct bench *b = bench_new(state, 512, 100);
	struct extent ext[4];

	assert_int_equal(extent_alloc(&b->p, 101, ext, 4), -EMSGSIZE);
	assert_int_equal(extent_alloc(&b->p, 0xffffffffu, ext, 4), -EMSGSIZE);
	assert_int_equal(extent_alloc(&b->p, 100, ext, 4), 1);
	assert_int_equal(extent_alloc(&b->p, 101, ext, 4), -EMSGSIZE);
	assert_int_equal(extent_alloc(&b->p, 1, ext, 4), -ENOSPC);
}

/* Take all blocks one by one, then give back those that @mask names. */
static struct bench *bench_with_holes(void **state, u32 blocks, u64 mask)
{
	struct bench *b = bench_new(state, 512, blocks);
	struct extent e;
	u32 i;

	for (i = 0; i < blocks; i++)
		assert_int_equal(extent_alloc(&b->p, 1, &e, 1), 1);
	for (i = 0; i < blocks; i++) {
		if (mask & BIT_ULL(i))
			extent_free(&b->p, &(struct extent) { i, 1 }, 1);
	}
	return b;
}

static void nothing_is_taken_when_runs_do_not_suffice(void **state)
{
	struct bench *b = bench_with_holes(state, 16, 0x5555);
	struct extent ext[8];

	assert_int_equal(extent_alloc(&b->p, 8, ext, 7), -ENOSPC);
	assert_int_equal(extent_alloc(&b->p, 2, ext, 1), -ENOSPC);
	assert_int_equal(extent_alloc(&b->p, 9, ext, 8), -ENOSPC);
	assert_int_equal(extent_alloc(&b->p, 8, ext, 8), 8);
}

static void one_long_run_is_preferred(void **state)
{
	struct bench *b = bench_with_holes(state, 64, 0x00f0000000000bb5ull);
	struct extent ext[8];

	assert_int_equal(extent_alloc(&b->p, 4, ext, 8), 1);
	assert_int_equal(ext[0].first, 52);
	assert_int_equal(ext[0].count, 4);
}

/* Free are 1 to 4 and 6; the search goes on at 3 and must see one run there. */
static void a_run_across_the_cursor_is_one_run(void **state)
{
	struct bench *b = bench_with_holes(state, 8, 0x07);
	struct extent ext[2], e;

	assert_int_equal(extent_alloc(&b->p, 3, &e, 1), 1);
	assert_int_equal(e.first, 0);
	extent_free(&b->p, &(struct extent) { 1, 4 }, 1);
	extent_free(&b->p, &(struct extent) { 6, 1 }, 1);
	assert_int_equal(extent_alloc(&b->p, 5, ext, 2), 2);
	assert_int_equal(ext[0].count + ext[1].count, 5);
}

static void the_search_goes_on_where_it_ended(void **state)
{
	struct bench *b = bench_new(state, 512, 16);
	struct extent a, e;

	assert_int_equal(extent_alloc(&b->p, 4, &a, 1), 1);
	assert_int_equal(a.first, 0);
	extent_free(&b->p, &a, 1);
	assert_int_equal(extent_alloc(&b->p, 4, &e, 1), 1);
	assert_int_equal(e.first, 4);
	assert_int_equal(extent_alloc(&b->p, 8, &e, 1), 1);
	assert_int_equal(e.first, 8);
	assert_int_equal(extent_alloc(&b->p, 2, &e, 1), 1);
	assert_int_equal(e.first, 0);
}

#define EXTENT_TEST(words, func) \
	{ .name = words, .test_func = func, .teardown_func = bench_close }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		EXTENT_TEST("random calls agree with the model", random_calls_agree),
		EXTENT_TEST("init refuses", init_refuses),
		EXTENT_TEST("a gibibyte is allowed", a_gibibyte_is_allowed),
		EXTENT_TEST("requests that never fit", requests_that_never_fit),
		EXTENT_TEST("nothing is taken when runs do not suffice",
			    nothing_is_taken_when_runs_do_not_suffice),
		EXTENT_TEST("one long run is preferred", one_long_run_is_preferred),
		EXTENT_TEST("a run across the cursor is one run",
			    a_run_across_the_cursor_is_one_run),
		EXTENT_TEST("the search goes on where it ended",
			    the_search_goes_on_where_it_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
