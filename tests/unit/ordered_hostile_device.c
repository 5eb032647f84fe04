// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half against a device that lies about batches: case 17 of ATTACKS.md, with
 * VIRTIO_F_IN_ORDER in both layouts (virtio 1.2, 2.7.9 and 2.8.10). One completion stands
 * for all chains up to the one that it names; how long the others are is the shadow's
 * knowledge. Lies that have nothing to do with batches are in hostile_device.c.
 */
#include "hostile_device.h"

#define FLYING	5u

/* Say that @chains are complete, where that is said: in a split ring. */
static void announce(struct rig *rig, u32 chains)
{
	if (!rig_packed(rig))
		shared_store_release16(&rig_used(rig)->idx, (u16)chains);
}

/* After @done, announce @chains more, of which only the first is written. */
static void batch(struct rig *rig, u32 done, u32 chains, u32 id, u32 len)
{
	complete(rig, done, id, len);
	announce(rig, done + chains);
}

static void case17_batch_id_not_in_flight(void **state, u64 layout)
{
	u32 id, i, k;

	for (id = 0; id < 20; id++) {
		struct rig *rig = rig_with(state, 16, layout, FLYING);

		for (k = 0; k < FLYING && rig->id[k] != id; k++)
			;
		batch(rig, 0, FLYING, id, 7);
		if (k == FLYING) {
			expect_fault(rig, id < 16 ? RING_USED_FREE : RING_USED_ID, 0, FLYING);
			continue;
		}
		for (i = 0; i < k; i++)
			rig_poll_one(rig, i, 101);
		rig_poll_one(rig, k, 7);
		if (k + 1 == FLYING)
			expect_nothing(rig);
	}
}
RIG_IN_ORDER(case17_batch_id_not_in_flight)

static void case17_batch_id_only_staged(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, 3);

	batch(rig, 0, 3, add_three(rig, 3), 7);
	expect_fault(rig, RING_USED_FREE, 0, 4);
}
RIG_IN_ORDER(case17_batch_id_only_staged)

/* The next batch names a chain of the one before it, which is over. */
static void case17_batch_id_of_the_batch_before(void **state, u64 layout)
{
	u32 k, i;

	for (k = 0; k < 3; k++) {
		struct rig *rig = rig_with(state, 16, layout, FLYING);

		batch(rig, 0, 3, rig->id[2], 7);
		for (i = 0; i < 3; i++)
			rig_poll_one(rig, i, i < 2 ? 101 : 7);
		batch(rig, 3, 2, rig->id[k], 7);
		expect_fault(rig, RING_USED_FREE, 3, 2);
	}
}
RIG_IN_ORDER(case17_batch_id_of_the_batch_before)

/* Of a split ring used.idx says how many there are at most; a packed one has no such word. */
static void case17_batch_beyond_what_was_announced(void **state)
{
	u32 announced, k, i;

	for (announced = 1; announced <= FLYING; announced++) {
		for (k = 0; k < FLYING; k++) {
			struct rig *rig = rig_with(state, 16, RIG_ORDERED, FLYING);

			batch(rig, 0, announced, rig->id[k], 7);
			if (k >= announced) {
				expect_fault(rig, RING_USED_ORDER, 0, FLYING);
				continue;
			}
			for (i = 0; i <= k; i++)
				rig_poll_one(rig, i, i < k ? 101 : 7);
		}
	}
}

/* The second batch may go as far as is announced, not as far as it is long. */
static void case17_announced_is_what_is_left(void **state)
{
	struct rig *rig = rig_with(state, 16, RIG_ORDERED, FLYING);

	complete(rig, 2, rig->id[4], 7);
	complete(rig, 0, rig->id[1], 7);
	shared_store_release16(&rig_used(rig)->idx, 4);
	rig_poll_one(rig, 0, 101);
	rig_poll_one(rig, 1, 7);
	/* Four were announced, two of them are left, and this would be the third. */
	expect_fault(rig, RING_USED_ORDER, 2, 3);
}

/* Each chain has room for other lengths, and each length that is not asked for is a lie. */
static void case17_lengths_of_earlier_buffers_are_the_shadow_s(void **state, u64 layout)
{
	static const u32 lies[] = { 0, 1, 8, 0xffff, 0xffffffffu };
	size_t l;
	u32 i;

	for (l = 0; l < ARRAY_SIZE(lies); l++) {
		struct rig *rig = rig_new(state, 8, layout);

		rig_start_drv(rig);
		for (i = 0; i < 8; i++)
			rig->id[i] = (u16)rig_add_in(rig, 10 + i, rig_cookie(i));
		ring_drv_publish(&rig->drv);
		for (i = 1; i < 8; i++)
			rig_complete(rig, i, rig->id[i], lies[l]);
		rig_complete(rig, 0, rig->id[6], 3);
		announce(rig, 7);
		for (i = 0; i < 6; i++)
			rig_poll_one(rig, i, 10 + i);
		rig_poll_one(rig, 6, 3);
		announce(rig, 8);
		if (lies[l] <= 17)
			rig_poll_one(rig, 7, lies[l]);
		else
			expect_fault(rig, RING_USED_LEN, 7, 1);
	}
}
RIG_IN_ORDER(case17_lengths_of_earlier_buffers_are_the_shadow_s)

/* Nothing of a batch whose last length is a lie is given out. */
static void case17_length_of_the_last_buffer_is_checked(void **state, u64 layout)
{
	static const u32 lens[] = { 102, 0x80000000u, 0xffffffffu };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct rig *rig = rig_with(state, 16, layout, FLYING);

		batch(rig, 0, 4, rig->id[3], lens[i]);
		expect_fault(rig, RING_USED_LEN, 0, FLYING);
	}
}
RIG_IN_ORDER(case17_length_of_the_last_buffer_is_checked)

/* Readable chains have no length to give. */
static void case17_readable_buffers_are_used_with_no_length(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 8, layout);
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < 4; i++)
		rig->id[i] = (u16)rig_add(rig, three, 1, 0, rig_cookie(i));
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 0, rig->id[3], 0);
	announce(rig, 4);
	for (i = 0; i < 4; i++)
		rig_poll_one(rig, i, 0);
	expect_nothing(rig);
}
RIG_IN_ORDER(case17_readable_buffers_are_used_with_no_length)

/* Once a batch is checked, it is polled out of private memory. */
static void case17_a_batch_is_read_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, FLYING);
	u32 i;

	batch(rig, 0, FLYING, rig->id[FLYING - 1], 7);
	rig_poll_one(rig, 0, 101);
	rig_seal(rig);
	for (i = 1; i < FLYING; i++) {
		assert_true(ring_drv_pending(&rig->drv));
		rig_poll_one(rig, i, i < FLYING - 1 ? 101 : 7);
		assert_int_equal(ring_drv_num_free(&rig->drv), 16 - 3 * (FLYING - 1 - i));
	}
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
}
RIG_IN_ORDER(case17_a_batch_is_read_once)

static void case17_a_half_polled_batch_is_detached_once(void **state, u64 layout)
{
	u32 polled, i;

	for (polled = 0; polled <= 4; polled++) {
		struct rig *rig = rig_with(state, 16, layout, FLYING);

		batch(rig, 0, 4, rig->id[3], 7);
		for (i = 0; i < polled; i++)
			rig_poll_one(rig, i, i < 3 ? 101 : 7);
		ring_drv_break(&rig->drv, RING_CALLER);
		expect_broken(rig, RING_CALLER, polled, FLYING - polled);
	}
}
RIG_IN_ORDER(case17_a_half_polled_batch_is_detached_once)

static void case17_bound_buffers(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 4, layout);
	struct ring_done done;
	u16 i;

	rig_start_drv(rig);
	for (i = 0; i < 4; i++) {
		const struct ring_seg seg = { RIG_BUS_DATA, 8u + i };

		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
		assert_int_equal(ring_drv_post(&rig->drv, i), 0);
	}
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 0, 2, 5);
	announce(rig, 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_int_equal(done.id, i);
		assert_int_equal(done.len, i < 2 ? 8 + i : 5);
	}
	/* Not posted again: it is not in flight. */
	rig_complete(rig, 3, 1, 0);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_USED_FREE);
	assert_true(ring_drv_detach(&rig->drv, &done));
	assert_int_equal(done.id, 3);
	assert_false(ring_drv_detach(&rig->drv, &done));
}
RIG_IN_ORDER(case17_bound_buffers)

/* Ids and places come round while batches of all lengths do. */
static void case17_lies_after_many_rounds(void **state, u64 layout)
{
	struct rig *rig;
	u32 rounds, at, n, i;

	for (rounds = 0; rounds < 40; rounds++) {
		rig = rig_new(state, 8, layout);
		rig_start_drv(rig);
		for (at = 0, n = 1; n <= rounds; n++) {
			const u32 chains = 1 + n % 8;

			for (i = 0; i < chains; i++)
				rig->id[i] = (u16)rig_add_in(rig, 9, rig_cookie(i));
			ring_drv_publish(&rig->drv);
			rig_complete(rig, at, rig->id[chains - 1], 4);
			at += chains;
			announce(rig, at);
			for (i = 0; i < chains; i++)
				rig_poll_one(rig, i, i + 1 < chains ? 9 : 4);
		}
		for (i = 0; i < 4; i++)
			rig->id[i] = (u16)rig_add_in(rig, 9, rig_cookie(i));
		ring_drv_publish(&rig->drv);
		/* The fifth id from here is that of a chain long gone. */
		rig_complete(rig, at, (rig->id[0] + 4u + rounds % 4) % 8, 4);
		announce(rig, at + 4);
		expect_fault(rig, RING_USED_FREE, 0, 4);
	}
}
RIG_IN_ORDER(case17_lies_after_many_rounds)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_IN_ORDER("case 17: a batch's id is not in flight",
				  case17_batch_id_not_in_flight),
		RIG_TEST_IN_ORDER("case 17: a batch's id is only staged",
				  case17_batch_id_only_staged),
		RIG_TEST_IN_ORDER("case 17: a batch's id is of the batch before",
				  case17_batch_id_of_the_batch_before),
		RIG_TEST("case 17: a batch beyond what was announced, split in order",
			 case17_batch_beyond_what_was_announced),
		RIG_TEST("case 17: announced is what is left, split in order",
			 case17_announced_is_what_is_left),
		RIG_TEST_IN_ORDER("case 17: lengths of earlier buffers are the shadow's",
				  case17_lengths_of_earlier_buffers_are_the_shadow_s),
		RIG_TEST_IN_ORDER("case 17: the length of the last buffer is checked",
				  case17_length_of_the_last_buffer_is_checked),
		RIG_TEST_IN_ORDER("case 17: readable buffers are used with no length",
				  case17_readable_buffers_are_used_with_no_length),
		RIG_TEST_IN_ORDER("case 17: a batch is read once", case17_a_batch_is_read_once),
		RIG_TEST_IN_ORDER("case 17: a half polled batch is detached once",
				  case17_a_half_polled_batch_is_detached_once),
		RIG_TEST_IN_ORDER("case 17: bound buffers", case17_bound_buffers),
		RIG_TEST_IN_ORDER("case 17: lies after many rounds",
				  case17_lies_after_many_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
