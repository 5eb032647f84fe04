// SPDX-License-Identifier: GPL-2.0
/*
 * The device half against a driver that lies: cases 54 to 58 of ATTACKS.md as
 * far as they are the ring's business. The test is the driver and writes the
 * descriptors, tables and the avail ring by hand.
 *
 * After each lie expect_broken() takes all shared memory away and makes every
 * call: each must refuse without touching it, and the first reason must stay.
 */
#include <pthread.h>

#include "rig.h"

#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define INDIRECT	VRING_DESC_F_INDIRECT

static void expect_broken(struct rig *rig, enum ring_fault fault)
{
	const struct ring_chain old = { .id = 0, .count = 1 };
	struct ring_dev *dev = &rig->dev;

	assert_int_equal(ring_dev_fault(dev), fault);
	rig_seal(rig);
	rig->maps = 0;
	assert_int_equal(ring_dev_pop(dev, &rig->c), -EIO);
	ring_dev_push(dev, &old, 4);
	assert_false(ring_dev_flush(dev));
	ring_dev_disarm(dev);
	assert_false(ring_dev_arm(dev));
	ring_dev_disarm(dev);
	assert_int_equal(ring_dev_pop(dev, &rig->c), -EIO);
	ring_dev_break(dev, RING_CALLER);
	assert_int_equal(ring_dev_fault(dev), fault);
	assert_int_equal(rig->maps, 0);
}

static struct rig *rig_with(void **state, u32 size, u64 features)
{
	struct rig *rig = rig_new(state, size, features);

	rig_start_dev(rig, 0);
	return rig;
}

/* Offer the chain at @head as the first, and see it refused. */
static void expect_refused(struct rig *rig, u16 head, enum ring_fault fault)
{
	rig_put_avail(rig, 0, head);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, fault);
}

static void expect_popped(struct rig *rig, u16 head, u16 out, u16 in)
{
	rig_put_avail(rig, 0, head);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.id, head);
	assert_int_equal(rig->c.out, out);
	assert_int_equal(rig->c.in, in);
}

/* Descriptors 0 to @n - 1 as one chain of @len readable bytes each. */
static void put_chain(struct rig *rig, u32 n, u32 len)
{
	u32 i;

	for (i = 0; i < n; i++)
		rig_put_desc(rig_desc(rig, i), RIG_BUS_DATA, len, i + 1 < n ? NEXT : 0,
			     (u16)(i + 1));
}

static void case54_chain_loops(void **state)
{
	static const u32 lens[] = { 0, 1 };
	size_t i;
	u32 size;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (size = 1; size <= 32; size *= 2) {
			struct rig *rig = rig_with(state, size, 0);

			put_chain(rig, size, lens[i]);
			rig_put_desc(rig_desc(rig, size - 1), RIG_BUS_DATA, lens[i], NEXT, 0);
			expect_refused(rig, 0, RING_DESC_LOOP);

			rig = rig_with(state, size, 0);
			rig_put_desc(rig_desc(rig, 0), RIG_BUS_DATA, lens[i], NEXT, 0);
			expect_refused(rig, 0, RING_DESC_LOOP);
		}
	}
}

static void case54_empty_loop_ends_at_the_largest_size(void **state)
{
	struct rig *rig = rig_with(state, RING_SIZE_MAX, 0);

	put_chain(rig, RING_SIZE_MAX, 0);
	expect_popped(rig, 0, 0, 0);
	rig = rig_with(state, RING_SIZE_MAX, 0);
	put_chain(rig, RING_SIZE_MAX, 0);
	rig_put_desc(rig_desc(rig, RING_SIZE_MAX - 1), RIG_BUS_DATA, 0, NEXT, 1);
	expect_refused(rig, 0, RING_DESC_LOOP);
}

static void case54_indirect_chain_loops(void **state)
{
	static const u32 nums[] = { 1, 2, 5, RIG_TABLE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nums); i++) {
		struct rig *rig = rig_with(state, 4, rig_way(2));
		u32 n;

		for (n = 0; n < nums[i]; n++)
			rig_put_desc(rig_table(rig, n), RIG_BUS_DATA, 0, NEXT,
				     (u16)((n + 1) % nums[i]));
		rig_put_desc(rig_desc(rig, 2), rig_table_bus(0), 16 * nums[i], INDIRECT, 0);
		expect_refused(rig, 2, RING_DESC_LOOP);
	}
}

static void case54_next_beyond_the_table(void **state)
{
	static const u16 next[] = { 8, 9, 0x7fff, 0x8000, 0x8001, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(next); i++) {
		struct rig *rig = rig_with(state, 8, 0);

		rig_put_desc(rig_desc(rig, 7), RIG_BUS_DATA, 1, NEXT, next[i]);
		expect_refused(rig, 7, RING_DESC_NEXT);
		/* Without NEXT the field means nothing. */
		rig = rig_with(state, 8, 0);
		rig_put_desc(rig_desc(rig, 7), RIG_BUS_DATA, 1, 0, next[i]);
		expect_popped(rig, 7, 1, 0);
	}
}

static void case54_next_beyond_the_indirect_table(void **state)
{
	static const u16 next[] = { 3, 4, 7, 8, 0xffff };
	size_t i;

	/* Three entries in a queue of 8: the table's size counts, not the queue's. */
	for (i = 0; i < ARRAY_SIZE(next); i++) {
		struct rig *rig = rig_with(state, 8, rig_way(2));

		rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, NEXT, 2);
		rig_put_desc(rig_table(rig, 2), RIG_BUS_DATA, 1, NEXT, next[i]);
		rig_put_desc(rig_desc(rig, 7), rig_table_bus(0), 48, INDIRECT, 0);
		expect_refused(rig, 7, RING_DESC_NEXT);
	}
}

static void case54_indirect_table_longer_than_the_queue(void **state)
{
	struct rig *rig = rig_with(state, 1, rig_way(2));
	u32 i;

	for (i = 0; i < 20; i++)
		rig_put_desc(rig_table(rig, i), RIG_BUS_DATA, 1, i < 19 ? NEXT : 0, (u16)(i + 1));
	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 320, INDIRECT, 0);
	expect_popped(rig, 0, 20, 0);
}

static void case55_indirect_without_the_feature(void **state)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_with(state, 4, rig_way(way));

		rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, 0, 0);
		rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 16, INDIRECT, 0);
		expect_refused(rig, 0, RING_INDIRECT_OFF);
		assert_int_equal(rig->maps, 0);
	}
}

static void case55_indirect_inside_indirect(void **state)
{
	struct rig *rig = rig_with(state, 4, rig_way(2));

	rig_put_desc(rig_table(rig, 0), rig_table_bus(8), 16, INDIRECT, 0);
	rig_put_desc(rig_table(rig, 8), RIG_BUS_DATA, 1, 0, 0);
	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 16, INDIRECT, 0);
	expect_refused(rig, 0, RING_INDIRECT_NEST);

	/* A table that is its own. */
	rig = rig_with(state, 4, rig_way(2));
	rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, NEXT, 1);
	rig_put_desc(rig_table(rig, 1), rig_table_bus(0), 32, INDIRECT, 0);
	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 32, INDIRECT, 0);
	expect_refused(rig, 0, RING_INDIRECT_NEST);
}

static void case55_indirect_with_next(void **state)
{
	struct rig *rig = rig_with(state, 4, rig_way(2));

	rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, 0, 0);
	rig_put_desc(rig_desc(rig, 1), RIG_BUS_DATA, 1, 0, 0);
	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 16, INDIRECT | NEXT, 1);
	expect_refused(rig, 0, RING_INDIRECT_NEST);
}

static void case55_indirect_table_of_impossible_size(void **state)
{
	static const u32 lens[] = {
		0, 1, 8, 15, 17, 31, 16 * 5 + 8, 16 * (RING_SIZE_MAX + 1), 0xfffffff0u, 0xffffffffu,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct rig *rig = rig_with(state, 4, rig_way(2));

		rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, 0, 0);
		rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), lens[i], INDIRECT, 0);
		expect_refused(rig, 0, RING_INDIRECT_SIZE);
	}
}

static void case55_indirect_table_outside_the_regions(void **state)
{
	static const u64 at[] = {
		0, RIG_BUS_TABLE - 16, RIG_BUS_TABLE + 16ull * (RIG_TABLE - 1),
		RIG_BUS_TABLE + 16ull * RIG_TABLE, RIG_BUS_SEAM - 16, 0xfffffffffffffff0ull,
		0xffffffffffffffffull,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct rig *rig = rig_with(state, 4, rig_way(2));

		rig_put_desc(rig_desc(rig, 0), at[i], 32, INDIRECT, 0);
		expect_refused(rig, 0, RING_DESC_ADDR);
	}
}

static void case56_address_outside_the_regions(void **state)
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
	size_t i, f;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (f = 0; f < ARRAY_SIZE(flags); f++) {
			struct rig *rig = rig_with(state, 4, 0);

			rig_put_desc(rig_desc(rig, 3), RIG_BUS_DATA, 1, NEXT, 1);
			rig_put_desc(rig_desc(rig, 1), bad[i].addr, bad[i].len, flags[f], 0);
			expect_refused(rig, 3, RING_DESC_ADDR);
		}
	}
}

static void case56_whole_regions_are_allowed(void **state)
{
	struct rig *rig = rig_with(state, 4, 0);

	rig_put_desc(rig_desc(rig, 3), RIG_BUS_DATA, RIG_REGION, NEXT, 1);
	rig_put_desc(rig_desc(rig, 1), RIG_BUS_SEAM, RIG_REGION, WRITE, 0);
	expect_popped(rig, 3, 1, 1);
	assert_int_equal(rig->c.out_len, RIG_REGION);
	assert_int_equal(rig->c.in_len, RIG_REGION);
}

/* The translation must hear whether the device is going to write. */
static void case56_writing_needs_a_writable_region(void **state)
{
	struct rig *rig = rig_with(state, 4, 0);

	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 16, 0, 0);
	expect_popped(rig, 0, 1, 0);
	rig = rig_with(state, 4, 0);
	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 16, WRITE, 0);
	expect_refused(rig, 0, RING_DESC_ADDR);
}

static void case57_readable_after_writable(void **state)
{
	static const u32 lens[] = { 1, 0 };
	struct rig *rig;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		rig = rig_with(state, 4, 0);
		rig_put_desc(rig_desc(rig, 0), RIG_BUS_DATA, 1, NEXT, 1);
		rig_put_desc(rig_desc(rig, 1), RIG_BUS_DATA, 1, NEXT | WRITE, 2);
		rig_put_desc(rig_desc(rig, 2), RIG_BUS_DATA, lens[i], 0, 0);
		expect_refused(rig, 0, RING_DESC_ORDER);
	}
	/* Across the edge of a table as well. */
	rig = rig_with(state, 4, rig_way(2));
	rig_put_desc(rig_desc(rig, 0), RIG_BUS_DATA, 1, NEXT | WRITE, 1);
	rig_put_desc(rig_desc(rig, 1), rig_table_bus(0), 16, INDIRECT, 0);
	rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, 0, 0);
	expect_refused(rig, 0, RING_DESC_ORDER);
}

static void case57_header_split_over_many_descriptors(void **state)
{
	struct rig *rig = rig_with(state, 32, 0);
	u8 want[20], got[20];
	u32 i;

	for (i = 0; i < 20; i++) {
		want[i] = (u8)(0xa0 + i);
		shared_store8((u8 __shared *)rig_data(rig, RIG_BUS_DATA + 50 * i), want[i]);
		rig_put_desc(rig_desc(rig, i), RIG_BUS_DATA + 50 * i, 1, i < 19 ? NEXT : 0,
			     (u16)(i + 1));
	}
	expect_popped(rig, 0, 20, 0);
	assert_int_equal(ring_iov_read(rig->iov, rig->c.out, 0, got, 20), 20);
	assert_memory_equal(got, want, 20);
}

static void case58_avail_idx_jumps(void **state)
{
	static const u32 bases[] = { 0, 7, 0x7fff, 0xfff0, 0xfffe, 0xffff };
	static const u16 by[] = { 9, 10, 16, 0x7fff, 0x8000, 0x8001, 0xfff7, 0xffff };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		for (j = 0; j < ARRAY_SIZE(by); j++) {
			struct rig *rig = rig_new(state, 8, 0);

			rig_start_dev(rig, bases[i]);
			shared_store16(&rig_avail(rig)->idx, (u16)(bases[i] + by[j]));
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
			expect_broken(rig, RING_AVAIL_JUMP);
		}
	}
}

static void case58_a_full_ring_is_no_jump(void **state)
{
	static const u32 bases[] = { 0, 7, 0x7fff, 0xfff8, 0xffff };
	size_t i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		struct rig *rig = rig_new(state, 8, 0);

		rig_start_dev(rig, bases[i]);
		for (n = 0; n < 8; n++) {
			rig_put_desc(rig_desc(rig, n), RIG_BUS_DATA, 1, 0, 0);
			shared_store16(&rig_avail(rig)->ring[(bases[i] + n) % 8], (u16)n);
		}
		shared_store16(&rig_avail(rig)->idx, (u16)(bases[i] + 8));
		for (n = 0; n < 8; n++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			assert_int_equal(rig->c.id, n);
		}
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	}
}

static void avail_entry_outside_the_queue(void **state)
{
	static const u16 heads[] = { 8, 9, 16, 0x7fff, 0x8000, 0x8001, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++)
		expect_refused(rig_with(state, 8, 0), heads[i], RING_AVAIL_HEAD);
}

static void avail_entry_still_in_flight(void **state)
{
	struct rig *rig = rig_with(state, 8, 0);

	rig_put_desc(rig_desc(rig, 5), RIG_BUS_DATA, 1, WRITE, 0);
	expect_popped(rig, 5, 0, 1);
	rig_put_avail(rig, 1, 5);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
	expect_broken(rig, RING_AVAIL_BUSY);

	/* Pushed, it may come again, even before the flush. */
	rig = rig_with(state, 8, 0);
	rig_put_desc(rig_desc(rig, 5), RIG_BUS_DATA, 1, WRITE, 0);
	expect_popped(rig, 5, 0, 1);
	ring_dev_push(&rig->dev, &rig->c, 1);
	rig_put_avail(rig, 1, 5);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
}

static void segments_are_bounded(void **state)
{
	struct rig *rig = rig_with(state, 128, 0);

	put_chain(rig, RIG_SEGS, 1);
	expect_popped(rig, 0, RIG_SEGS, 0);
	rig = rig_with(state, 128, 0);
	put_chain(rig, RIG_SEGS + 1, 1);
	expect_refused(rig, 0, RING_DESC_SEGS);
	/* Of both kinds together. */
	rig = rig_with(state, 128, 0);
	put_chain(rig, RIG_SEGS + 1, 1);
	rig_put_desc(rig_desc(rig, RIG_SEGS), RIG_BUS_DATA, 1, WRITE, 0);
	expect_refused(rig, 0, RING_DESC_SEGS);
}

static void bytes_are_bounded(void **state)
{
	struct rig *rig = rig_with(state, 16, 0);
	u32 i;

	put_chain(rig, RIG_BYTES / RIG_REGION, RIG_REGION);
	expect_popped(rig, 0, RIG_BYTES / RIG_REGION, 0);
	assert_int_equal(rig->c.out_len, RIG_BYTES);

	for (i = 0; i < 2; i++) {
		rig = rig_with(state, 16, 0);
		put_chain(rig, RIG_BYTES / RIG_REGION + 1, RIG_REGION);
		rig_put_desc(rig_desc(rig, RIG_BYTES / RIG_REGION), RIG_BUS_DATA, 1,
			     i ? WRITE : 0, 0);
		expect_refused(rig, 0, RING_DESC_BYTES);
	}
	rig = rig_with(state, 16, 0);
	put_chain(rig, 2, 1);
	rig_put_desc(rig_desc(rig, 1), RIG_BUS_DATA, 0xffffffffu, WRITE, 0);
	expect_refused(rig, 0, RING_DESC_BYTES);
}

/* A driver that rewrites the chain as soon as the translation sees a piece of it. */
static void rewrite_all(struct rig *rig, u64 addr, u32 len, bool write)
{
	u32 i;

	(void)addr;
	(void)len;
	(void)write;
	for (i = 0; i < rig->size; i++)
		rig_put_desc(rig_desc(rig, i), 0, 0xffffffffu, INDIRECT | WRITE | NEXT, 0xffff);
	for (i = 0; i < 4; i++)
		rig_put_desc(rig_table(rig, i), 0, 0xffffffffu, INDIRECT | WRITE | NEXT, 0xffff);
}

static void descriptors_are_fetched_once(void **state)
{
	struct rig *rig = rig_with(state, 4, 0);

	rig->on_map = rewrite_all;
	rig_put_desc(rig_desc(rig, 2), RIG_BUS_DATA + 40, 24, 0, 0);
	expect_popped(rig, 2, 1, 0);
	assert_int_equal(rig->maps, 1);
	assert_int_equal(rig->c.out_len, 24);
	assert_int_equal(rig->iov[0].len, 24);
	assert_ptr_equal(shared_unmark(rig->iov[0].base),
			 shared_unmark(rig_data(rig, RIG_BUS_DATA + 40)));

	/* NEXT was read with the rest: the rewritten second descriptor is what counts. */
	rig = rig_with(state, 4, 0);
	rig->on_map = rewrite_all;
	rig_put_desc(rig_desc(rig, 2), RIG_BUS_DATA + 40, 24, NEXT, 1);
	rig_put_desc(rig_desc(rig, 1), RIG_BUS_DATA, 1, 0, 0);
	expect_refused(rig, 2, RING_INDIRECT_OFF);
}

/* Rewrites the descriptor that named the table; the table is then walked as it was. */
static void rewrite_head(struct rig *rig, u64 addr, u32 len, bool write)
{
	(void)len;
	(void)write;
	if (addr == rig_table_bus(0))
		rig_put_desc(rig_desc(rig, 0), rig_table_bus(64), 16, INDIRECT, 0);
}

static void indirect_descriptors_are_fetched_once(void **state)
{
	struct rig *rig = rig_with(state, 4, rig_way(2));

	rig->on_map = rewrite_head;
	rig_put_desc(rig_desc(rig, 0), rig_table_bus(0), 48, INDIRECT, 0);
	rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 3, NEXT, 2);
	rig_put_desc(rig_table(rig, 2), RIG_BUS_DATA, 4, WRITE, 0);
	rig_put_desc(rig_table(rig, 64), RIG_BUS_DATA, 99, WRITE, 0);
	expect_popped(rig, 0, 1, 1);
	assert_int_equal(rig->c.out_len, 3);
	assert_int_equal(rig->c.in_len, 4);
}

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
			rig_put_desc(rig_desc(f->rig, 0), RIG_BUS_SEAM - 8, 8, 0, 0xffff);
		else
			rig_put_desc(rig_desc(f->rig, 0), RIG_BUS_SEAM, RIG_REGION, WRITE, 0);
	}
	return NULL;
}

/*
 * Whatever mix of the two is fetched: the segment that comes out is inside one
 * region and its length is the one that was translated, or the queue is broken
 * for its address.
 */
static void flipping_descriptor_never_escapes(void **state)
{
	struct rig *rig = rig_new(state, 2, 0);
	struct flipper f = { .rig = rig };
	u32 i, wrong = 0, popped = 0;
	pthread_t thread;
	u8 *data;

	rig_put_desc(rig_desc(rig, 0), RIG_BUS_SEAM, 8, 0, 0);
	rig_put_avail(rig, 0, 0);
	data = shared_unmark(rig->data.at);
	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	for (i = 0; i < 100000; i++) {
		const struct ring_iov *iov = rig->iov;
		size_t at;

		rig_start_dev(rig, 0);
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

static void used_event_and_flags_may_be_anything(void **state)
{
	static const u16 event[] = { 0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff };
	unsigned int way;
	size_t i;
	u32 n;

	for (way = 0; way < 2; way++) {
		for (i = 0; i < ARRAY_SIZE(event); i++) {
			struct rig *rig = rig_with(state, 8, rig_way(way));
			bool called = false;

			rig_put_desc(rig_desc(rig, 3), RIG_BUS_DATA, 8, WRITE, 0);
			shared_store16(rig_used_event(rig), event[i]);
			shared_store16(&rig_avail(rig)->flags, event[i]);
			for (n = 0; n < 0x10000; n++) {
				rig_put_avail(rig, (u16)n, 3);
				assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
				ring_dev_push(&rig->dev, &rig->c, 8);
				called |= ring_dev_flush(&rig->dev);
			}
			assert_int_equal(called, way || !(event[i] & VRING_AVAIL_F_NO_INTERRUPT));
			assert_int_equal(ring_dev_fault(&rig->dev), RING_OK);
		}
	}
}

/* The used ring is write-only for the device: nothing in it changes what it does. */
static void used_ring_scribbled(void **state)
{
	struct rig *rig = rig_with(state, 8, 0);
	u32 n;

	rig_put_desc(rig_desc(rig, 3), RIG_BUS_DATA, 8, WRITE, 0);
	for (n = 0; n < 1000; n++) {
		rig_fill(&rig->device, 0, rig->device.bytes, (u8)(n * 11 + 1));
		rig_put_avail(rig, (u16)n, 3);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, n & 7);
		ring_dev_flush(&rig->dev);
		assert_int_equal(shared_load16(&rig_used(rig)->idx), n + 1);
		assert_int_equal(shared_load32(&rig_used(rig)->ring[n % 8].id), 3);
		assert_int_equal(shared_load32(&rig_used(rig)->ring[n % 8].len), n & 7);
	}
}

static void caller_can_break_with_chains_in_flight(void **state)
{
	struct rig *rig = rig_with(state, 8, rig_way(1));

	rig_put_desc(rig_desc(rig, 0), RIG_BUS_DATA, 8, WRITE, 0);
	expect_popped(rig, 0, 0, 1);
	assert_false(ring_dev_arm(&rig->dev));
	ring_dev_break(&rig->dev, RING_CALLER);
	expect_broken(rig, RING_CALLER);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("case 54: a chain loops", case54_chain_loops),
		RIG_TEST("case 54: an empty loop ends at the largest size",
			 case54_empty_loop_ends_at_the_largest_size),
		RIG_TEST("case 54: an indirect chain loops", case54_indirect_chain_loops),
		RIG_TEST("case 54: next beyond the table", case54_next_beyond_the_table),
		RIG_TEST("case 54: next beyond the indirect table",
			 case54_next_beyond_the_indirect_table),
		RIG_TEST("case 54: an indirect table longer than the queue",
			 case54_indirect_table_longer_than_the_queue),
		RIG_TEST("case 55: indirect without the feature",
			 case55_indirect_without_the_feature),
		RIG_TEST("case 55: indirect inside indirect", case55_indirect_inside_indirect),
		RIG_TEST("case 55: indirect with next", case55_indirect_with_next),
		RIG_TEST("case 55: indirect table of impossible size",
			 case55_indirect_table_of_impossible_size),
		RIG_TEST("case 55: indirect table outside the regions",
			 case55_indirect_table_outside_the_regions),
		RIG_TEST("case 56: address outside the regions",
			 case56_address_outside_the_regions),
		RIG_TEST("case 56: whole regions are allowed", case56_whole_regions_are_allowed),
		RIG_TEST("case 56: writing needs a writable region",
			 case56_writing_needs_a_writable_region),
		RIG_TEST("case 57: readable after writable", case57_readable_after_writable),
		RIG_TEST("case 57: header split over many descriptors",
			 case57_header_split_over_many_descriptors),
		RIG_TEST("case 58: avail index jumps", case58_avail_idx_jumps),
		RIG_TEST("case 58: a full ring is no jump", case58_a_full_ring_is_no_jump),
		RIG_TEST("avail entry outside the queue", avail_entry_outside_the_queue),
		RIG_TEST("avail entry still in flight", avail_entry_still_in_flight),
		RIG_TEST("segments are bounded", segments_are_bounded),
		RIG_TEST("bytes are bounded", bytes_are_bounded),
		RIG_TEST("descriptors are fetched once", descriptors_are_fetched_once),
		RIG_TEST("indirect descriptors are fetched once",
			 indirect_descriptors_are_fetched_once),
		RIG_TEST("a flipping descriptor never escapes", flipping_descriptor_never_escapes),
		RIG_TEST("used event and flags may be anything",
			 used_event_and_flags_may_be_anything),
		RIG_TEST("used ring scribbled", used_ring_scribbled),
		RIG_TEST("the caller can break with chains in flight",
			 caller_can_break_with_chains_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
