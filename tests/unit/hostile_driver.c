// SPDX-License-Identifier: GPL-2.0
/*
 * The device half against a driver that lies: cases 54 to 58 of ATTACKS.md as far as
 * they are the ring's business, in each layout. What only one layout can lie about is in
 * split_hostile_driver.c and packed_hostile_driver.c.
 */
#include <pthread.h>

#include "hostile_driver.h"

/* ---- loops ----------------------------------------------------------------- */

static void case54_chain_loops(void **state, u64 layout)
{
	static const u32 lens[] = { 0, 1 };
	size_t i;
	u32 size, n;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (size = 1; size <= 32; size = rig_next_size(size, layout)) {
			struct rig *rig = rig_with(state, size, layout);

			/* All of the ring, and from the last one on to the first. */
			for (n = 0; n < size; n++)
				put(rig, n, RIG_BUS_DATA, lens[i], NEXT);
			assert_int_equal(offer_and_pop(rig), -EIO);
			/* No descriptor was taken twice. */
			assert_int_equal(rig->maps, lens[i] ? size : 0);
			expect_broken(rig, RING_DESC_LOOP);
		}
	}
}
RIG_ANY(case54_chain_loops)

static void case54_empty_loop_ends_at_the_largest_size(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, RING_SIZE_MAX, layout);

	put_chain(rig, RING_SIZE_MAX, 0);
	expect_popped(rig, 0, 0);
	rig = rig_with(state, RING_SIZE_MAX, layout);
	put_chain(rig, RING_SIZE_MAX, 0);
	put(rig, RING_SIZE_MAX - 1, RIG_BUS_DATA, 0, NEXT);
	expect_refused(rig, RING_DESC_LOOP);
}
RIG_ANY(case54_empty_loop_ends_at_the_largest_size)

/* Drivers do that; the segments are bounded all the same: see dev_table(). */
static void case54_indirect_table_longer_than_the_queue(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 1, layout | RIG_INDIRECT);
	u32 i;

	for (i = 0; i < 20; i++)
		put_entry(rig, i, RIG_BUS_DATA, 1, i < 19 ? NEXT : 0);
	put(rig, 0, rig_table_bus(0), 320, INDIRECT);
	expect_popped(rig, 20, 0);
}
RIG_ANY(case54_indirect_table_longer_than_the_queue)

/* ---- indirect tables --------------------------------------------------------- */

static void case55_indirect_without_the_feature(void **state, u64 layout)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_with(state, 4, layout | rig_way(way));

		put_entry(rig, 0, RIG_BUS_DATA, 1, 0);
		put(rig, 0, rig_table_bus(0), 16, INDIRECT);
		expect_refused(rig, RING_INDIRECT_OFF);
		assert_int_equal(rig->maps, 0);
	}
}
RIG_ANY(case55_indirect_without_the_feature)

static void case55_indirect_inside_indirect(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

	put_entry(rig, 0, rig_table_bus(8), 16, INDIRECT);
	put_entry(rig, 8, RIG_BUS_DATA, 1, 0);
	put(rig, 0, rig_table_bus(0), 16, INDIRECT);
	expect_refused(rig, RING_INDIRECT_NEST);

	/* A table that is its own. */
	rig = rig_with(state, 4, layout | RIG_INDIRECT);
	put_entry(rig, 0, RIG_BUS_DATA, 1, NEXT);
	put_entry(rig, 1, rig_table_bus(0), 32, INDIRECT);
	put(rig, 0, rig_table_bus(0), 32, INDIRECT);
	expect_refused(rig, RING_INDIRECT_NEST);
}
RIG_ANY(case55_indirect_inside_indirect)

/* Else it would go on for ever. */
static void expect_few_maps(struct rig *rig, u64 addr, u32 len, bool write)
{
	(void)addr;
	(void)len;
	(void)write;
	if (rig->maps > 1000)
		fail_msg("the chain does not end");
}

/* @before buffers, then descriptors that say the table is the ring, from @from on. */
static void ring_as_table(struct rig *rig, u32 before, u32 len, u32 from, u32 num)
{
	u32 n;

	rig->on_map = expect_few_maps;
	for (n = 0; n < 4; n++) {
		if (n < before)
			put(rig, n, RIG_BUS_DATA, len, NEXT);
		else
			put(rig, n, RIG_BUS_DESC + 16 * from, 16 * num, INDIRECT);
	}
	expect_refused(rig, RING_INDIRECT_NEST);
}

/* The ring is memory of the driver's too, so a table may lie in it, and name itself. */
static void case55_ring_is_its_own_indirect_table(void **state, u64 layout)
{
	u32 before, from, num;

	for (from = 0; from < 4; from++) {
		for (num = 1; from + num <= 4; num++)
			ring_as_table(rig_with(state, 4, layout | RIG_INDIRECT), 0, 0, from, num);
	}
	for (before = 1; before < 4; before++) {
		ring_as_table(rig_with(state, 4, layout | RIG_INDIRECT), before, 0, 0, 4);
		ring_as_table(rig_with(state, 4, layout | RIG_INDIRECT), before, 1, 0, 4);
	}
}
RIG_ANY(case55_ring_is_its_own_indirect_table)

static void case55_indirect_with_next(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

	put_entry(rig, 0, RIG_BUS_DATA, 1, 0);
	put(rig, 1, RIG_BUS_DATA, 1, 0);
	put(rig, 0, rig_table_bus(0), 16, INDIRECT | NEXT);
	expect_refused(rig, RING_INDIRECT_NEST);
}
RIG_ANY(case55_indirect_with_next)

static void case55_indirect_table_of_impossible_size(void **state, u64 layout)
{
	static const u32 lens[] = {
		0, 1, 8, 15, 17, 31, 16 * 5 + 8, 16 * (RING_SIZE_MAX + 1), 0xfffffff0u, 0xffffffffu,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

		put_entry(rig, 0, RIG_BUS_DATA, 1, 0);
		put(rig, 0, rig_table_bus(0), lens[i], INDIRECT);
		expect_refused(rig, RING_INDIRECT_SIZE);
	}
}
RIG_ANY(case55_indirect_table_of_impossible_size)

static void case55_indirect_table_not_aligned(void **state, u64 layout)
{
	u32 skew;

	for (skew = 1; skew < 8; skew++) {
		struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

		put(rig, 0, rig_table_bus(0) + skew, 16, INDIRECT);
		expect_refused(rig, RING_INDIRECT_SIZE);
	}
}
RIG_ANY(case55_indirect_table_not_aligned)

static void case55_indirect_table_outside_the_regions(void **state, u64 layout)
{
	static const u64 at[] = {
		0, RIG_BUS_TABLE - 16, RIG_BUS_TABLE + 16ull * (RIG_TABLE - 1),
		RIG_BUS_TABLE + 16ull * RIG_TABLE, RIG_BUS_SEAM - 16, 0xfffffffffffffff0ull,
		0xffffffffffffffffull,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

		put(rig, 0, at[i], 32, INDIRECT);
		expect_refused(rig, RING_DESC_ADDR);
	}
}
RIG_ANY(case55_indirect_table_outside_the_regions)

/* A table may have more entries than the caller takes segments, if they are empty. */
static void case55_indirect_table_larger_than_the_bound(void **state, u64 layout)
{
	u32 full, i;

	for (full = RIG_SEGS; full <= RIG_SEGS + 1; full++) {
		struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

		for (i = 0; i < RIG_TABLE; i++)
			put_entry(rig, i, RIG_BUS_DATA, i < RIG_TABLE - full ? 0 : 1,
				  i < RIG_TABLE - 1 ? NEXT : 0);
		put(rig, 0, rig_table_bus(0), 16 * RIG_TABLE, INDIRECT);
		if (full > RIG_SEGS)
			expect_refused(rig, RING_DESC_SEGS);
		else
			expect_popped(rig, RIG_SEGS, 0);
	}
}
RIG_ANY(case55_indirect_table_larger_than_the_bound)

/* ---- addresses --------------------------------------------------------------- */

static void case56_address_outside_the_regions(void **state, u64 layout)
{
	static const struct {
		u64 addr;
		u32 len;
	} bad[] = {
		{ 0, 1 }, { RIG_BUS_DATA - 1, 1 }, { RIG_BUS_DATA - 1, 2 },
		{ RIG_BUS_SEAM - 1, 2 }, { RIG_BUS_DATA, RIG_REGION + 1 },
		{ RIG_BUS_SEAM, RIG_REGION + 1 }, { RIG_BUS_SEAM + RIG_REGION - 1, 2 },
		{ RIG_BUS_SEAM + RIG_REGION, 1 }, { 0xffffffffffffffffull, 1 },
		{ 0xffffffffffffffffull, 2 }, { 0xfffffffffffff000ull, 0x1001 },
	};
	static const u16 flags[] = { 0, WRITE };
	struct rig *rig;
	size_t i, f;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (f = 0; f < ARRAY_SIZE(flags); f++) {
			rig = rig_with(state, 4, layout);
			put(rig, 0, RIG_BUS_DATA, 1, NEXT);
			put(rig, 1, bad[i].addr, bad[i].len, flags[f]);
			expect_refused(rig, RING_DESC_ADDR);
			rig = rig_with(state, 4, layout | RIG_INDIRECT);
			put_entry(rig, 0, RIG_BUS_DATA, 1, NEXT);
			put_entry(rig, 1, bad[i].addr, bad[i].len, flags[f]);
			put(rig, 0, rig_table_bus(0), 32, INDIRECT);
			expect_refused(rig, RING_DESC_ADDR);
		}
	}
}
RIG_ANY(case56_address_outside_the_regions)

static void case56_whole_regions_are_allowed(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout);

	put(rig, 0, RIG_BUS_DATA, RIG_REGION, NEXT);
	put(rig, 1, RIG_BUS_SEAM, RIG_REGION, WRITE);
	expect_popped(rig, 1, 1);
	assert_int_equal(rig->c.out_len, RIG_REGION);
	assert_int_equal(rig->c.in_len, RIG_REGION);
}
RIG_ANY(case56_whole_regions_are_allowed)

/* The translation must hear whether the device is going to write. */
static void case56_writing_needs_a_writable_region(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout);

	put(rig, 0, rig_table_bus(0), 16, 0);
	expect_popped(rig, 1, 0);
	rig = rig_with(state, 4, layout);
	put(rig, 0, rig_table_bus(0), 16, WRITE);
	expect_refused(rig, RING_DESC_ADDR);
}
RIG_ANY(case56_writing_needs_a_writable_region)

/* ---- order and size ----------------------------------------------------------- */

static void case57_readable_after_writable(void **state, u64 layout)
{
	static const u32 lens[] = { 1, 0 };
	struct rig *rig;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		rig = rig_with(state, 4, layout);
		put(rig, 0, RIG_BUS_DATA, 1, NEXT);
		put(rig, 1, RIG_BUS_DATA, 1, NEXT | WRITE);
		put(rig, 2, RIG_BUS_DATA, lens[i], 0);
		expect_refused(rig, RING_DESC_ORDER);
		rig = rig_with(state, 4, layout | RIG_INDIRECT);
		put_entry(rig, 0, RIG_BUS_DATA, 1, NEXT | WRITE);
		put_entry(rig, 1, RIG_BUS_DATA, lens[i], 0);
		put(rig, 0, rig_table_bus(0), 32, INDIRECT);
		expect_refused(rig, RING_DESC_ORDER);
	}
	/* Across the edge of a table as well. */
	rig = rig_with(state, 4, layout | RIG_INDIRECT);
	put(rig, 0, RIG_BUS_DATA, 1, NEXT | WRITE);
	put(rig, 1, rig_table_bus(0), 16, INDIRECT);
	put_entry(rig, 0, RIG_BUS_DATA, 1, 0);
	expect_refused(rig, RING_DESC_ORDER);
}
RIG_ANY(case57_readable_after_writable)

static void case57_header_split_over_many_descriptors(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 32, layout);
	u8 want[20], got[20];
	u32 i;

	for (i = 0; i < 20; i++) {
		want[i] = (u8)(0xa0 + i);
		shared_store8((u8 __shared *)rig_data(rig, RIG_BUS_DATA + 50 * i), want[i]);
		put(rig, i, RIG_BUS_DATA + 50 * i, 1, i < 19 ? NEXT : 0);
	}
	expect_popped(rig, 20, 0);
	assert_int_equal(ring_iov_read(rig->iov, rig->c.out, 0, got, 20), 20);
	assert_memory_equal(got, want, 20);
}
RIG_ANY(case57_header_split_over_many_descriptors)

/* What comes out is as long as it is; whoever wants a header or a status looks. */
static void case57_chain_too_short_is_as_short_as_it_is(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout);
	u8 got[8];

	put(rig, 0, RIG_BUS_DATA, 3, NEXT);
	put(rig, 1, RIG_BUS_DATA, 0, WRITE);
	expect_popped(rig, 1, 0);
	assert_int_equal(rig->c.out_len, 3);
	assert_int_equal(rig->c.in_len, 0);
	assert_int_equal(ring_iov_read(rig->iov, rig->c.out, 0, got, 8), 3);
	assert_int_equal(ring_iov_write(rig->iov + rig->c.out, rig->c.in, 0, got, 1), 0);
}
RIG_ANY(case57_chain_too_short_is_as_short_as_it_is)

static void segments_are_bounded(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 128, layout);

	put_chain(rig, RIG_SEGS, 1);
	expect_popped(rig, RIG_SEGS, 0);
	rig = rig_with(state, 128, layout);
	put_chain(rig, RIG_SEGS + 1, 1);
	expect_refused(rig, RING_DESC_SEGS);
	/* Of both kinds together. */
	rig = rig_with(state, 128, layout);
	put_chain(rig, RIG_SEGS + 1, 1);
	put(rig, RIG_SEGS, RIG_BUS_DATA, 1, WRITE);
	expect_refused(rig, RING_DESC_SEGS);
}
RIG_EITHER(segments_are_bounded)

static void bytes_are_bounded(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout);
	u32 i;

	put_chain(rig, RIG_BYTES / RIG_REGION, RIG_REGION);
	expect_popped(rig, RIG_BYTES / RIG_REGION, 0);
	assert_int_equal(rig->c.out_len, RIG_BYTES);

	for (i = 0; i < 2; i++) {
		rig = rig_with(state, 16, layout);
		put_chain(rig, RIG_BYTES / RIG_REGION + 1, RIG_REGION);
		put(rig, RIG_BYTES / RIG_REGION, RIG_BUS_DATA, 1, i ? WRITE : 0);
		expect_refused(rig, RING_DESC_BYTES);
	}
	rig = rig_with(state, 16, layout);
	put_chain(rig, 2, 1);
	put(rig, 1, RIG_BUS_DATA, 0xffffffffu, WRITE);
	expect_refused(rig, RING_DESC_BYTES);
}
RIG_EITHER(bytes_are_bounded)

/* ---- ids --------------------------------------------------------------------- */

/* Chain @nth of one descriptor, under @id. */
static void offer_one(struct rig *rig, u32 nth, u16 id)
{
	if (rig_packed(rig)) {
		rig_put_packed(rig, nth, RIG_BUS_DATA, 1, id, WRITE);
	} else {
		rig_put_desc(rig_desc(rig, id), RIG_BUS_DATA, 1, WRITE, 0);
		rig_put_avail(rig, (u16)nth, id);
	}
}

static void id_still_in_flight(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 8, layout);

	rig_start_dev(rig, ring_base_new(rig->features));
	offer_one(rig, 0, 5);
	offer_one(rig, 1, 5);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
	expect_broken(rig, RING_AVAIL_BUSY);

	/* Pushed, it may come again, even before the flush. */
	rig = rig_new(state, 8, layout);
	rig_start_dev(rig, ring_base_new(rig->features));
	offer_one(rig, 0, 5);
	offer_one(rig, 1, 5);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	ring_dev_push(&rig->dev, &rig->c, 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
}
RIG_ANY(id_still_in_flight)

/* In order: pushed, but one that was popped before is not. */
static void id_held_back_is_in_flight(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 8, layout);

	rig_start_dev(rig, ring_base_new(rig->features));
	offer_one(rig, 0, 0);
	offer_one(rig, 1, 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	ring_dev_push(&rig->dev, &rig->c, 1);
	/* To push it twice is to push it once, also while it is held. */
	ring_dev_push(&rig->dev, &rig->c, 1);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
	offer_one(rig, 2, 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, RING_AVAIL_BUSY);
}
RIG_IN_ORDER(id_held_back_is_in_flight)

/* ---- what changes between two reads --------------------------------------------- */

/* A driver that rewrites the chain as soon as the translation sees a piece of it. */
static void rewrite_all(struct rig *rig, u64 addr, u32 len, bool write)
{
	u32 i;

	(void)addr;
	(void)len;
	(void)write;
	for (i = 0; i < rig->size; i++)
		put(rig, i, 0, 0xffffffffu, INDIRECT | WRITE | NEXT);
	for (i = 0; i < 4; i++)
		put_entry(rig, i, 0, 0xffffffffu, INDIRECT | WRITE | NEXT);
}

static void descriptors_are_fetched_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout);

	rig->on_map = rewrite_all;
	put(rig, 0, RIG_BUS_DATA + 40, 24, 0);
	expect_popped(rig, 1, 0);
	assert_int_equal(rig->maps, 1);
	assert_int_equal(rig->c.out_len, 24);
	assert_int_equal(rig->iov[0].len, 24);
	assert_ptr_equal(shared_unmark(rig->iov[0].base),
			 shared_unmark(rig_data(rig, RIG_BUS_DATA + 40)));

	/* NEXT was read with the rest: the rewritten second descriptor is what counts. */
	rig = rig_with(state, 4, layout);
	rig->on_map = rewrite_all;
	put(rig, 0, RIG_BUS_DATA + 40, 24, NEXT);
	put(rig, 1, RIG_BUS_DATA, 1, 0);
	expect_refused(rig, RING_INDIRECT_OFF);
}
RIG_EITHER(descriptors_are_fetched_once)

/* Rewrites the descriptor that named the table; the table is then walked as it was. */
static void rewrite_head(struct rig *rig, u64 addr, u32 len, bool write)
{
	(void)len;
	(void)write;
	if (addr == rig_table_bus(0))
		put(rig, 0, rig_table_bus(64), 16, INDIRECT);
}

static void indirect_descriptors_are_fetched_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 4, layout | RIG_INDIRECT);

	rig->on_map = rewrite_head;
	put(rig, 0, rig_table_bus(0), 48, INDIRECT);
	put_entry(rig, 0, RIG_BUS_DATA, 3, NEXT);
	put_entry(rig, 1, RIG_BUS_DATA, 0, NEXT);
	put_entry(rig, 2, RIG_BUS_DATA, 4, WRITE);
	put_entry(rig, 64, RIG_BUS_DATA, 99, WRITE);
	expect_popped(rig, 1, 1);
	assert_int_equal(rig->c.out_len, 3);
	assert_int_equal(rig->c.in_len, 4);
}
RIG_EITHER(indirect_descriptors_are_fetched_once)

struct flipper {
	struct rig *rig;
	u32 stop;
};

/* Two lives of one descriptor: one small in the first region, one large in the second. */
static void *flip(void *arg)
{
	struct flipper *f = arg;
	u32 i;

	for (i = 0; !__atomic_load_n(&f->stop, __ATOMIC_RELAXED); i++) {
		if (i & 1)
			put(f->rig, 0, RIG_BUS_SEAM - 8, 8, 0);
		else
			put(f->rig, 0, RIG_BUS_SEAM, RIG_REGION, WRITE);
	}
	return NULL;
}

/*
 * Whatever mix of the two is fetched: the segment that comes out is inside one
 * region and its length is the one that was translated, or the queue is broken
 * for its address.
 */
static void flipping_descriptor_never_escapes(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 2, layout);
	const u32 base = ring_dev_base(&rig->dev);
	struct flipper f = { .rig = rig };
	u32 i, wrong = 0, popped = 0;
	pthread_t thread;
	u8 *data;

	put(rig, 0, RIG_BUS_SEAM, 8, 0);
	if (!rig_packed(rig))
		rig_put_avail(rig, 0, chain_id(rig));
	data = shared_unmark(rig->data.at);
	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	/* The other thread may sleep with the descriptor in a bad state. */
	for (i = 0; i < 100000 || (!popped && i < 100000000); i++) {
		const struct ring_iov *iov = rig->iov;
		size_t at;

		rig_start_dev(rig, base);
		if (ring_dev_pop(&rig->dev, &rig->c) != 1) {
			wrong += ring_dev_fault(&rig->dev) != RING_DESC_ADDR;
			continue;
		}
		popped++;
		at = (size_t)((u8 *)shared_unmark(iov->base) - data);
		wrong += rig->c.out + rig->c.in != 1 || iov->len != rig->c.out_len + rig->c.in_len;
		wrong += at + iov->len > 2 * RIG_REGION;
		wrong += at < RIG_REGION && at + iov->len > RIG_REGION;
	}
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	assert_true(popped > 0);
}
RIG_EITHER(flipping_descriptor_never_escapes)

/* ---- the caller ---------------------------------------------------------------- */

static void caller_can_break_with_chains_in_flight(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 8, layout | RIG_EVENT);

	put(rig, 0, RIG_BUS_DATA, 8, WRITE);
	expect_popped(rig, 0, 1);
	assert_false(ring_dev_arm(&rig->dev));
	ring_dev_break(&rig->dev, RING_CALLER);
	ring_dev_push(&rig->dev, &rig->c, 8);
	expect_broken(rig, RING_CALLER);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
}
RIG_ANY(caller_can_break_with_chains_in_flight)

/* What was pushed and not shown when the queue broke is never shown. */
static void staged_when_broken_is_never_shown(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 8, layout);

	put(rig, 0, RIG_BUS_DATA, 8, WRITE);
	expect_popped(rig, 0, 1);
	ring_dev_push(&rig->dev, &rig->c, 8);
	ring_dev_break(&rig->dev, RING_CALLER);
	expect_broken(rig, RING_CALLER);
}
RIG_ANY(staged_when_broken_is_never_shown)

/* And what was shown is not asked for any more. */
static void shown_when_broken_is_not_asked_for(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 8, layout);

	put(rig, 0, RIG_BUS_DATA, 8, WRITE);
	expect_popped(rig, 0, 1);
	ring_dev_push(&rig->dev, &rig->c, 8);
	ring_dev_show(&rig->dev);
	ring_dev_break(&rig->dev, RING_CALLER);
	expect_broken(rig, RING_CALLER);
}
RIG_ANY(shown_when_broken_is_not_asked_for)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_ANY("case 54: a chain loops", case54_chain_loops),
		RIG_TEST_ANY("case 54: an empty loop ends at the largest size",
				case54_empty_loop_ends_at_the_largest_size),
		RIG_TEST_ANY("case 54: an indirect table longer than the queue",
				case54_indirect_table_longer_than_the_queue),
		RIG_TEST_ANY("case 55: indirect without the feature",
				case55_indirect_without_the_feature),
		RIG_TEST_ANY("case 55: indirect inside indirect",
				case55_indirect_inside_indirect),
		RIG_TEST_ANY("case 55: the ring is its own indirect table",
				case55_ring_is_its_own_indirect_table),
		RIG_TEST_ANY("case 55: indirect with next", case55_indirect_with_next),
		RIG_TEST_ANY("case 55: indirect table of impossible size",
				case55_indirect_table_of_impossible_size),
		RIG_TEST_ANY("case 55: indirect table not aligned",
				case55_indirect_table_not_aligned),
		RIG_TEST_ANY("case 55: indirect table outside the regions",
				case55_indirect_table_outside_the_regions),
		RIG_TEST_ANY("case 55: indirect table larger than the bound",
				case55_indirect_table_larger_than_the_bound),
		RIG_TEST_ANY("case 56: address outside the regions",
				case56_address_outside_the_regions),
		RIG_TEST_ANY("case 56: whole regions are allowed",
				case56_whole_regions_are_allowed),
		RIG_TEST_ANY("case 56: writing needs a writable region",
				case56_writing_needs_a_writable_region),
		RIG_TEST_ANY("case 57: readable after writable",
				case57_readable_after_writable),
		RIG_TEST_ANY("case 57: header split over many descriptors",
				case57_header_split_over_many_descriptors),
		RIG_TEST_ANY("case 57: a chain too short is as short as it is",
				case57_chain_too_short_is_as_short_as_it_is),
		RIG_TEST_ANY("an id that is still in flight", id_still_in_flight),
		RIG_TEST_IN_ORDER("an id that is held back is in flight",
				  id_held_back_is_in_flight),
		RIG_TEST_EITHER("segments are bounded", segments_are_bounded),
		RIG_TEST_EITHER("bytes are bounded", bytes_are_bounded),
		RIG_TEST_EITHER("descriptors are fetched once", descriptors_are_fetched_once),
		RIG_TEST_EITHER("indirect descriptors are fetched once",
				indirect_descriptors_are_fetched_once),
		RIG_TEST_EITHER("a flipping descriptor never escapes",
				flipping_descriptor_never_escapes),
		RIG_TEST_ANY("the caller can break with chains in flight",
			     caller_can_break_with_chains_in_flight),
		RIG_TEST_ANY("what was staged when the queue broke is never shown",
			     staged_when_broken_is_never_shown),
		RIG_TEST_ANY("what was shown when the queue broke is not asked for",
			     shown_when_broken_is_not_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
