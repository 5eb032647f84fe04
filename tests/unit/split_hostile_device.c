// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half of a split ring against a device that lies: what a packed ring does
 * not know, the used index above all. What both layouts have in common is in
 * hostile_device.c.
 */
#include "hostile_device.h"

static void jump(void **state, u64 order, u32 before, u32 flying, u16 by)
{
	struct rig *rig = rig_new(state, 8, order | RIG_EVENT);
	struct ring_done done;
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < before; i++) {
		const int id = rig_add_in(rig, 8, rig_cookie(0));

		ring_drv_publish(&rig->drv);
		rig_put_used(rig, (u16)i, (u32)id, 0);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	}
	for (i = 0; i < flying; i++) {
		const int id = rig_add_in(rig, 8, rig_cookie(i));

		assert_true(id >= 0);
		rig_put_elem(rig, (u16)(before + i), (u32)id, 0);
	}
	ring_drv_publish(&rig->drv);
	shared_store16(&rig_used(rig)->idx, (u16)(before + by));
	if (by > flying)
		expect_fault(rig, RING_USED_JUMP, 0, flying);
	for (i = 0; by <= flying && i < by; i++)
		rig_poll_one(rig, i, 0);
}

static void case04_used_idx_jumps(void **state, u64 order)
{
	static const u32 before[] = { 0, 5, 0x7ffd, 0xfffc, 0xffff, 0x10000 };
	static const u16 by[] = {
		1, 2, 3, 4, 7, 8, 9, 0x7fff, 0x8000, 0x8001, 0xfff7, 0xfffe, 0xffff,
	};
	size_t i, j;
	u32 flying;

	for (i = 0; i < ARRAY_SIZE(before); i++) {
		for (j = 0; j < ARRAY_SIZE(by); j++) {
			for (flying = 0; flying <= 8; flying += 4)
				jump(state, order, before[i], flying, by[j]);
		}
	}
}
RIG_SPLIT_ONLY(case04_used_idx_jumps)

static void case04_used_idx_passes_what_is_only_staged(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 1);

	add_three(rig, 1);
	rig_put_elem(rig, 0, 0, 0);
	shared_store16(&rig_used(rig)->idx, 2);
	expect_fault(rig, RING_USED_JUMP, 0, 2);
}

static void case04_used_idx_goes_back_between_polls(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 3);

	complete(rig, 0, rig->id[0], 1);
	complete(rig, 1, rig->id[1], 2);
	rig_poll_one(rig, 0, 1);
	/* Two were announced: the second is taken whatever the index says now. */
	shared_store16(&rig_used(rig)->idx, 0);
	rig_poll_one(rig, 1, 2);
	expect_fault(rig, RING_USED_JUMP, 2, 1);
}

/* The table and the avail ring are write-only: they may as well be unreadable. */
static void case09_driver_never_reads_its_own_areas(void **state)
{
	struct rig *rig = rig_with(state, 16, RIG_EVENT, 4);
	u32 i;

	rig_map_protect(&rig->desc, PROT_NONE);
	rig_map_protect(&rig->driver, PROT_NONE);
	for (i = 0; i < 4; i++)
		complete(rig, i, rig->id[i], i);
	for (i = 0; i < 4; i++)
		rig_poll_one(rig, i, i);
	expect_nothing(rig);
	assert_int_equal(ring_drv_num_free(&rig->drv), 16);
}

static void case11_events_at_extremes(void **state)
{
	static const u16 event[] = { 0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff };
	unsigned int way;
	size_t i;

	for (way = 0; way < 2; way++) {
		for (i = 0; i < ARRAY_SIZE(event); i++) {
			struct rig *rig = rig_new(state, 8, rig_way(way));
			bool kicked = false;
			u32 n;

			rig_start_drv(rig);
			shared_store16(rig_avail_event(rig), event[i]);
			shared_store16(&rig_used(rig)->flags, event[i]);
			for (n = 0; n < 0x10000; n++) {
				const int id = rig_add_in(rig, 8, rig_cookie(n));

				kicked |= ring_drv_publish(&rig->drv);
				rig_put_used(rig, (u16)n, (u32)id, 8);
				rig_poll_one(rig, n, 8);
			}
			/* An event index comes round; a stuck flag is the watchdog's. */
			assert_int_equal(kicked, way || !(event[i] & VRING_USED_F_NO_NOTIFY));
			assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_SPLIT_ONLY("case 04: used index jumps", case04_used_idx_jumps),
		RIG_TEST("case 04: used index passes what is only staged, split",
			 case04_used_idx_passes_what_is_only_staged),
		RIG_TEST("case 04: used index goes back between polls, split",
			 case04_used_idx_goes_back_between_polls),
		RIG_TEST("case 09: the driver never reads its own areas, split",
			 case09_driver_never_reads_its_own_areas),
		RIG_TEST("case 11: event indices and flags at extremes, split",
			 case11_events_at_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
