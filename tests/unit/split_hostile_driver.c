// SPDX-License-Identifier: GPL-2.0
/*
 * The device half of a split ring against a driver that lies: what a packed ring does
 * not know, links and the avail index above all. What both layouts have in common is in
 * hostile_driver.c.
 */
#include "hostile_driver.h"

static void case54_descriptor_is_its_own_next(void **state)
{
	u32 size;

	for (size = 1; size <= 32; size *= 2) {
		struct rig *rig = rig_with(state, size, 0);

		rig_put_desc(rig_desc(rig, spot(rig, 0)), RIG_BUS_DATA, 1, NEXT, chain_id(rig));
		expect_refused(rig, RING_DESC_LOOP);
	}
}

static void case54_indirect_chain_loops(void **state)
{
	static const u32 nums[] = { 1, 2, 5, RIG_TABLE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nums); i++) {
		struct rig *rig = rig_with(state, 4, RIG_INDIRECT);
		u32 n;

		for (n = 0; n < nums[i]; n++)
			rig_put_desc(rig_table(rig, n), RIG_BUS_DATA, 0, NEXT,
				     (u16)((n + 1) % nums[i]));
		put(rig, 0, rig_table_bus(0), 16 * nums[i], INDIRECT);
		expect_refused(rig, RING_DESC_LOOP);
	}
}

static void case54_next_beyond_the_table(void **state)
{
	static const u16 next[] = { 8, 9, 0x7fff, 0x8000, 0x8001, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(next); i++) {
		struct rig *rig = rig_with(state, 8, 0);

		rig_put_desc(rig_desc(rig, spot(rig, 0)), RIG_BUS_DATA, 1, NEXT, next[i]);
		expect_refused(rig, RING_DESC_NEXT);
		/* Without NEXT the field means nothing. */
		rig = rig_with(state, 8, 0);
		rig_put_desc(rig_desc(rig, spot(rig, 0)), RIG_BUS_DATA, 1, 0, next[i]);
		expect_popped(rig, 1, 0);
	}
}

static void case54_next_beyond_the_indirect_table(void **state)
{
	static const u16 next[] = { 3, 4, 7, 8, 0xffff };
	size_t i;

	/* Three entries in a queue of 8: the table's size counts, not the queue's. */
	for (i = 0; i < ARRAY_SIZE(next); i++) {
		struct rig *rig = rig_with(state, 8, RIG_INDIRECT);

		rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 1, NEXT, 2);
		rig_put_desc(rig_table(rig, 2), RIG_BUS_DATA, 1, NEXT, next[i]);
		put(rig, 0, rig_table_bus(0), 48, INDIRECT);
		expect_refused(rig, RING_DESC_NEXT);
	}
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

static const u32 full_bases[] = { 0, 7, 0x7fff, 0xfff8, 0xffff };

/* A ring of 8 that is all offered, from @base on. */
static struct rig *rig_full(void **state, u32 base)
{
	struct rig *rig = rig_new(state, 8, 0);
	u32 n;

	rig_start_dev(rig, base);
	for (n = 0; n < 8; n++) {
		rig_put_desc(rig_desc(rig, n), RIG_BUS_DATA, 1, WRITE, 0);
		shared_store16(&rig_avail(rig)->ring[(base + n) % 8], (u16)n);
	}
	shared_store16(&rig_avail(rig)->idx, (u16)(base + 8));
	return rig;
}

static void case58_a_full_ring_is_no_jump(void **state)
{
	size_t i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(full_bases); i++) {
		struct rig *rig = rig_full(state, full_bases[i]);

		for (n = 0; n < 8; n++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			assert_int_equal(rig->c.id, n);
		}
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	}
}

/* All 8 are popped, some pushed, some of these shown; then @more are offered. */
static void ahead(struct rig *rig, u32 base, u32 pushed, u32 shown, u32 more)
{
	u32 n;

	for (n = 0; n < 8; n++)
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	for (n = 0; n < pushed; n++) {
		if (n == shown)
			ring_dev_flush(&rig->dev);
		ring_dev_push(&rig->dev, &(struct ring_chain) { .id = (u16)n }, 1);
	}
	if (shown == pushed)
		ring_dev_flush(&rig->dev);
	shared_store16(&rig_avail(rig)->idx, (u16)(base + 8 + more));
	if (more <= shown) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	} else {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, RING_AVAIL_JUMP);
	}
}

/*
 * What the driver was not shown as used is still in the ring, whether it was pushed or
 * not: an honest driver cannot have offered it again.
 */
static void case58_avail_idx_is_ahead_of_what_was_shown(void **state)
{
	u32 pushed, shown, more;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(full_bases); i++) {
		for (pushed = 0; pushed <= 8; pushed += 2) {
			for (shown = 0; shown <= pushed; shown++) {
				for (more = 1; more <= 9; more++)
					ahead(rig_full(state, full_bases[i]), full_bases[i],
					      pushed, shown, more);
			}
		}
	}
}

static void avail_entry_outside_the_queue(void **state)
{
	static const u16 heads[] = { 8, 9, 16, 0x7fff, 0x8000, 0x8001, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		struct rig *rig = rig_with(state, 8, 0);

		rig_put_avail(rig, 0, heads[i]);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, RING_AVAIL_HEAD);
	}
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("case 54: a descriptor is its own next, split",
			 case54_descriptor_is_its_own_next),
		RIG_TEST("case 54: an indirect chain loops, split", case54_indirect_chain_loops),
		RIG_TEST("case 54: next beyond the table, split", case54_next_beyond_the_table),
		RIG_TEST("case 54: next beyond the indirect table, split",
			 case54_next_beyond_the_indirect_table),
		RIG_TEST("case 58: avail index jumps, split", case58_avail_idx_jumps),
		RIG_TEST("case 58: a full ring is no jump, split", case58_a_full_ring_is_no_jump),
		RIG_TEST("case 58: avail index is ahead of what was shown, split",
			 case58_avail_idx_is_ahead_of_what_was_shown),
		RIG_TEST("avail entry outside the queue, split", avail_entry_outside_the_queue),
		RIG_TEST("used event and flags may be anything, split",
			 used_event_and_flags_may_be_anything),
		RIG_TEST("used ring scribbled, split", used_ring_scribbled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
