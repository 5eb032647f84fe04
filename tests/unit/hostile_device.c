// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half against a device that lies: the cases of ATTACKS.md that are the
 * ring's business, by their numbers, in each layout, with and without order. What only
 * one layout can lie about is in split_hostile_device.c and packed_hostile_device.c,
 * batches are in ordered_hostile_device.c.
 */
#include <pthread.h>

#include "hostile_device.h"

static void case01_used_id_outside(void **state, u64 layout)
{
	static const u32 ids[] = {
		16, 17, 32, 0x7fff, 0x8000, 0x8003, 0xffff, 0x10000, 0x10003, 0x20000,
		0x80000000u, 0x80000003u, 0xffff0003u, 0xffffffffu,
	};
	unsigned int way;
	size_t i;

	for (way = 0; way < RIG_WAYS; way++) {
		for (i = 0; i < ARRAY_SIZE(ids); i++) {
			struct rig *rig = rig_with(state, 16, layout | rig_way(way), 2);

			/* An id of a packed ring has 16 bits. */
			if (rig_packed(rig) && ids[i] > 0xffff)
				continue;
			complete(rig, 0, ids[i], 0);
			expect_fault(rig, RING_USED_ID, 0, 2);
		}
	}
}
RIG_ANY(case01_used_id_outside)

static void case01_used_id_outside_at_every_size(void **state, u64 layout)
{
	u32 size;

	for (size = 1; size; size = rig_next_size(size, layout)) {
		struct rig *rig = rig_new(state, size, layout);

		rig_start_drv(rig);
		assert_true(rig_add_in(rig, 8, rig_cookie(0)) >= 0);
		ring_drv_publish(&rig->drv);
		rig_complete(rig, 0, size, 0);
		expect_fault(rig, RING_USED_ID, 0, 1);
	}
}
RIG_ANY(case01_used_id_outside_at_every_size)

static void case02_used_id_never_submitted(void **state, u64 layout)
{
	struct rig *rig;
	u32 id;

	/* Of 16 ids at most 6 are descriptors of the 2 chains; only 2 are theirs. */
	for (id = 0; id < 16; id++) {
		rig = rig_with(state, 16, layout, 2);
		complete(rig, 0, id, 0);
		if (id != rig->id[0] && id != rig->id[1]) {
			expect_fault(rig, RING_USED_FREE, 0, 2);
			continue;
		}
		/* In order, the second stands for both, when two were announced. */
		if (id == rig->id[1] && rig_ordered(rig)) {
			if (!rig_packed(rig)) {
				expect_fault(rig, RING_USED_ORDER, 0, 2);
				continue;
			}
			rig_poll_one(rig, 0, 101);
		}
		rig_poll_one(rig, id == rig->id[1], 0);
		expect_nothing(rig);
	}
}
RIG_ANY(case02_used_id_never_submitted)

/* The ids of a chain's descriptors but the first: of a split ring, they are its links. */
static void case02_used_id_mid_chain(void **state, u64 layout)
{
	u32 nth;

	for (nth = 1; nth < 3; nth++) {
		struct rig *rig = rig_with(state, 4, layout, 1);
		u32 id = rig->id[0], i;

		for (i = 0; i < nth; i++)
			id = rig_packed(rig) ? id + 1 : shared_load16(&rig_desc(rig, id)->next);
		complete(rig, 0, id, 0);
		expect_fault(rig, RING_USED_FREE, 0, 1);
	}
}
RIG_ANY(case02_used_id_mid_chain)

static void case02_used_id_staged_only(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, 1);

	complete(rig, 0, add_three(rig, 1), 0);
	expect_fault(rig, RING_USED_FREE, 0, 2);
}
RIG_ANY(case02_used_id_staged_only)

static void case02_bound_id_not_posted(void **state, u64 layout)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 };
	struct rig *rig = rig_new(state, 4, layout);
	struct ring_done done;
	u16 i;

	rig_start_drv(rig);
	for (i = 0; i < 4; i++)
		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
	assert_int_equal(ring_drv_post(&rig->drv, 0), 0);
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 0, 1, 0);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_USED_FREE);
	rig_seal(rig);
	assert_int_equal(ring_drv_post(&rig->drv, 1), -EIO);
	assert_true(ring_drv_detach(&rig->drv, &done));
	assert_int_equal(done.id, 0);
	assert_false(ring_drv_detach(&rig->drv, &done));
}
RIG_ANY(case02_bound_id_not_posted)

static void case03_same_id_twice_in_a_batch(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, 3);
	u32 i;

	for (i = 0; i < 3; i++)
		complete(rig, i, rig->id[0], 5);
	rig_poll_one(rig, 0, 5);
	expect_fault(rig, RING_USED_FREE, 1, 2);
}
RIG_ANY(case03_same_id_twice_in_a_batch)

static void case03_same_id_after_it_completed(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, 2);

	complete(rig, 0, rig->id[0], 5);
	rig_poll_one(rig, 0, 5);
	complete(rig, 1, rig->id[0], 5);
	expect_fault(rig, RING_USED_FREE, 1, 1);
}
RIG_ANY(case03_same_id_after_it_completed)

static void case03_recycled_id_is_another_chain(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 1, layout);

	rig_start_drv(rig);
	assert_int_equal(rig_add_in(rig, 101, rig_cookie(0)), 0);
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 0, 0, 101);
	rig_poll_one(rig, 0, 101);
	assert_int_equal(rig_add_in(rig, 7, rig_cookie(1)), 0);
	ring_drv_publish(&rig->drv);
	/* Its length counts, not that of the chain that was there before. */
	rig_complete(rig, 1, 0, 8);
	expect_fault(rig, RING_USED_LEN, 1, 1);
}
RIG_ANY(case03_recycled_id_is_another_chain)

/* ---- lengths --------------------------------------------------------------- */

static void case05_used_len_above_writable(void **state, u64 layout)
{
	static const u32 lens[] = { 102, 103, 117, 118, 4096, 0x10000, 0x80000000u };
	unsigned int way;
	size_t i;

	for (way = 0; way < 2; way++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			struct rig *rig = rig_with(state, 8, layout | rig_way(way), 2);

			complete(rig, 0, rig->id[0], lens[i]);
			expect_fault(rig, RING_USED_LEN, 0, 2);
		}
	}
}
RIG_ANY(case05_used_len_above_writable)

static void case05_indirect_length_is_bounded_by_the_shadow(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 8, layout | RIG_INDIRECT);
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 3 };
	const struct ring_buf buf = { .seg = three, .out = 1, .in = 2, .table = &table };
	int id;

	rig_start_drv(rig);
	id = ring_drv_add(&rig->drv, &buf, rig_cookie(0));
	ring_drv_publish(&rig->drv);
	rig_fill(&rig->table, 0, 48, 0xff);
	rig_complete(rig, 0, (u32)id, 101);
	rig_poll_one(rig, 0, 101);
	id = ring_drv_add(&rig->drv, &buf, rig_cookie(1));
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 1, (u32)id, 102);
	expect_fault(rig, RING_USED_LEN, 1, 1);
}
RIG_ANY(case05_indirect_length_is_bounded_by_the_shadow)

static void case06_short_lengths_pass_as_they_are(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, 3);
	u32 i;

	for (i = 0; i < 3; i++)
		complete(rig, i, rig->id[i], i == 2 ? 101 : i);
	rig_poll_one(rig, 0, 0);
	rig_poll_one(rig, 1, 1);
	rig_poll_one(rig, 2, 101);
	expect_nothing(rig);
}
RIG_ANY(case06_short_lengths_pass_as_they_are)

static void case07_used_len_at_the_end_of_32_bits(void **state, u64 layout)
{
	static const struct ring_seg huge[] = {
		{ RIG_BUS_DATA, 0x80000000u }, { RIG_BUS_DATA, 0x7fffffffu },
	};
	struct rig *rig = rig_with(state, 8, layout, 1);
	int id;

	complete(rig, 0, rig->id[0], 0xffffffffu);
	expect_fault(rig, RING_USED_LEN, 0, 1);

	/* All of it writable: then it is the truth; one readable byte less: a lie. */
	rig = rig_with(state, 8, layout, 0);
	id = rig_add(rig, huge, 0, 2, rig_cookie(0));
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 0, (u32)id, 0xffffffffu);
	rig_poll_one(rig, 0, 0xffffffffu);
	rig = rig_with(state, 8, layout, 0);
	id = rig_add(rig, huge, 1, 1, rig_cookie(0));
	ring_drv_publish(&rig->drv);
	rig_complete(rig, 0, (u32)id, 0x80000000u);
	expect_fault(rig, RING_USED_LEN, 0, 1);
}
RIG_ANY(case07_used_len_at_the_end_of_32_bits)

/* ---- what changes between two reads ---------------------------------------- */

/* Completions to take, and how often to look for one at most. */
#define FLIPS	500000u
#define LOOKS	(40u * FLIPS)

/* Two places that are rewritten all the time, each word by one store of 8 bytes. */
struct flipper {
	u64 __shared *at[2];
	u64 word[8];
	u32 words;
	u32 stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	u32 i;

	for (i = 0; !__atomic_load_n(&f->stop, __ATOMIC_RELAXED); i++) {
		shared_store64(f->at[0], f->word[i % f->words]);
		shared_store64(f->at[1], f->word[i % f->words]);
	}
	return NULL;
}

/*
 * Buffer 0 has room for 1000 bytes, buffer 1 for 2000: an id of one completion with the
 * length of the other either breaks the queue or shows.
 */
static void poll_while_flipping(struct rig *rig, struct flipper *f)
{
	static const struct ring_seg seg[] = { { RIG_BUS_DATA, 1000 }, { RIG_BUS_DATA, 2000 } };
	struct ring_done done;
	u32 i, torn = 0, taken = 0;
	pthread_t thread;
	int ret = 0;

	rig_start_drv(rig);
	for (i = 0; i < 2; i++) {
		assert_int_equal(ring_drv_bind(&rig->drv, (u16)i, &seg[i], true), 0);
		assert_int_equal(ring_drv_post(&rig->drv, (u16)i), 0);
	}
	ring_drv_publish(&rig->drv);
	shared_store64(f->at[0], f->word[0]);
	shared_store64(f->at[1], f->word[0]);
	assert_int_equal(pthread_create(&thread, NULL, flip, f), 0);
	for (i = 0; taken < FLIPS && i < LOOKS && ret >= 0; i++) {
		if (!rig_packed(rig))
			shared_store_release16(&rig_used(rig)->idx, (u16)(taken + 1));
		ret = ring_drv_poll(&rig->drv, &done);
		if (ret != 1)
			continue;
		taken++;
		torn += done.id > 1 || done.len != seg[done.id & 1].len;
		ring_drv_post(&rig->drv, done.id);
		ring_drv_publish(&rig->drv);
	}
	__atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(ret >= 0);
	assert_int_equal(torn, 0);
	assert_true(taken > 0);
}

static void case08_used_element_is_one_load(void **state)
{
	struct rig *rig = rig_new(state, 2, 0);
	struct flipper f = { .word = { 1000ull << 32, 1 | 2000ull << 32 }, .words = 2 };

	/* The elements must be aligned to 8 for the flipper's store to be one. */
	if ((uintptr_t)shared_unmark(rig->device.at) % 8 != 4) {
		rig->device.at = shared_mark((u8 *)shared_unmark(rig->device.at) - 4);
		rig->a.device = rig->device.at;
	}
	assert_int_equal((uintptr_t)shared_unmark(rig->device.at) % 8, 4);
	f.at[0] = shared_at(rig->device.at, 4);
	f.at[1] = shared_at(rig->device.at, 12);
	poll_while_flipping(rig, &f);
}

/* The flags of a used descriptor in a round, and of one that is used in none. */
#define USED_1	(1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED)
#define USED_0	0
#define UNUSED	(1u << VRING_PACKED_DESC_F_AVAIL)

static void case08_used_descriptor_is_one_load(void **state)
{
	struct rig *rig = rig_new(state, 2, RIG_PACKED);
	struct flipper f = {
		.at = { rig_rest_word(rig, 0), rig_rest_word(rig, 1) },
		.word = {
			rig_rest(1000, 0, USED_1), rig_rest(2000, 1, USED_1),
			rig_rest(1000, 0, USED_0), rig_rest(2000, 1, USED_0),
		},
		.words = 4,
	};

	poll_while_flipping(rig, &f);
}

/* Only with flags that are not those of a used descriptor there are lies beside them. */
static void case14_flags_flip_between_reads(void **state)
{
	struct rig *rig = rig_new(state, 2, RIG_PACKED);
	struct flipper f = {
		.at = { rig_rest_word(rig, 0), rig_rest_word(rig, 1) },
		.word = {
			rig_rest(1000, 0, USED_1), rig_rest(2000, 0, UNUSED),
			rig_rest(2000, 1, USED_0), rig_rest(1000, 1, UNUSED),
			rig_rest(2000, 1, USED_1), rig_rest(2000, 7, UNUSED),
			rig_rest(1000, 0, USED_0), rig_rest(0xffffffffu, 1, UNUSED),
		},
		.words = 8,
	};

	poll_while_flipping(rig, &f);
}

static void case09_descriptors_scribbled_after_submission(void **state, u64 layout)
{
	static const u8 bytes[] = { 0x00, 0x01, 0x02, 0x04, 0x55, 0x80, 0xff };
	size_t b;

	for (b = 0; b < ARRAY_SIZE(bytes); b++) {
		struct rig *rig = rig_with(state, 16, layout, 4);
		u32 round, i;

		for (round = 0; round < 50; round++) {
			rig_fill(&rig->desc, 0, rig->desc.bytes, bytes[b]);
			for (i = 0; i < 4; i++) {
				const u32 of = rig_ordered(rig) ? i : 3 - i;

				complete(rig, 4 * round + i, rig->id[of], 101 - i);
			}
			for (i = 0; i < 4; i++)
				rig_poll_one(rig, rig_ordered(rig) ? i : 3 - i, 101 - i);
			assert_int_equal(ring_drv_num_free(&rig->drv), 16);
			for (i = 0; i < 4; i++)
				rig->id[i] = add_three(rig, i);
			assert_int_equal(ring_drv_num_free(&rig->drv), 4);
			ring_drv_publish(&rig->drv);
		}
	}
}
RIG_ANY(case09_descriptors_scribbled_after_submission)

/* The avail ring, or the driver's event structure. */
static void case10_driver_area_scribbled(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 8, layout);
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < 70000; i++) {
		const int id = rig_add_in(rig, 8, rig_cookie(i));

		assert_true(id >= 0);
		ring_drv_publish(&rig->drv);
		if (!rig_packed(rig)) {
			assert_int_equal(shared_load16(&rig_avail(rig)->idx), (u16)(i + 1));
			assert_int_equal(shared_load16(&rig_avail(rig)->ring[i % 8]), id);
		}
		rig_fill(&rig->driver, 0, rig->driver.bytes, (u8)(i * 7));
		rig_complete(rig, i, (u32)id, 3);
		rig_poll_one(rig, i, 3);
	}
}
RIG_ANY(case10_driver_area_scribbled)

/* ---- before the start, and the rest ---------------------------------------- */

static void case12_completions_before_the_start_are_wiped(void **state, u64 layout)
{
	static const u8 bytes[] = { 0x03, 0x80, 0xff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		struct rig *rig = rig_new(state, 8, layout | RIG_EVENT);

		rig_fill(&rig->desc, 0, rig->desc.bytes, bytes[i]);
		rig_fill(&rig->device, 0, rig->device.bytes, bytes[i]);
		rig_start_drv(rig);
		expect_nothing(rig);
	}
}
RIG_ANY(case12_completions_before_the_start_are_wiped)

static void case12_completion_before_anything_is_published(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 8, layout, 0);

	rig_complete(rig, 0, 0, 0);
	expect_fault(rig, RING_USED_JUMP, 0, 0);

	rig = rig_new(state, 8, layout);
	rig_start_drv(rig);
	assert_int_equal(rig_add_in(rig, 8, rig_cookie(0)), 0);
	rig_complete(rig, 0, 0, 0);
	expect_fault(rig, RING_USED_JUMP, 0, 1);
}
RIG_ANY(case12_completion_before_anything_is_published)

/* Seen when the driver asked for a call, and gone when it looks: else it would go on asking. */
static void case04_completion_is_taken_back(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout | RIG_EVENT, 3);
	struct ring_done done;

	assert_false(ring_drv_arm(&rig->drv));
	complete(rig, 0, rig->id[0], 0);
	assert_true(ring_drv_arm(&rig->drv));
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	expect_nothing(rig);

	complete(rig, 1, rig->id[1], 0);
	assert_true(ring_drv_arm(&rig->drv));
	if (rig_packed(rig))
		shared_store64(rig_rest_word(rig, 3), rig_rest(0, 0, rig_marks(rig, 3, false)));
	else
		shared_store16(&rig_used(rig)->idx, 1);
	expect_fault(rig, RING_USED_JUMP, 1, 2);
}
RIG_ANY(case04_completion_is_taken_back)

static void case53_index_is_masked(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 8, 255, 256, 1000, 32767, 32768, 65536 };
	size_t i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (n = 0; n < 2 * sizes[i]; n++)
			assert_int_equal(array_index_nospec(n, sizes[i]), n < sizes[i] ? n : 0);
		assert_int_equal(array_index_nospec(0xffff0001u, sizes[i]), 0);
		assert_int_equal(array_index_nospec(0xffffffffu, sizes[i]), 0);
	}
}

static void caller_can_break(void **state, u64 layout)
{
	unsigned int way;

	for (way = 0; way < RIG_WAYS; way++) {
		struct rig *rig = rig_with(state, 16, layout | rig_way(way), 5);

		assert_false(ring_drv_arm(&rig->drv));
		ring_drv_break(&rig->drv, RING_CALLER);
		expect_broken(rig, RING_CALLER, 0, 5);
	}
}
RIG_ANY(caller_can_break)

/* With one that is staged and never will be shown. */
static void armed_when_broken_is_left_alone(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout | RIG_EVENT, 2);

	assert_false(ring_drv_arm(&rig->drv));
	add_three(rig, 2);
	complete(rig, 0, 99, 0);
	expect_fault(rig, RING_USED_ID, 0, 3);
}
RIG_ANY(armed_when_broken_is_left_alone)

/* What was shown before is not asked for any more. */
static void shown_when_broken_is_not_asked_for(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, 16, layout, 2);

	add_three(rig, 2);
	ring_drv_show(&rig->drv);
	ring_drv_break(&rig->drv, RING_STALLED);
	expect_broken(rig, RING_STALLED, 0, 3);
}
RIG_ANY(shown_when_broken_is_not_asked_for)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_ANY("case 01: used id outside the queue", case01_used_id_outside),
		RIG_TEST_ANY("case 01: used id outside the queue, every size",
			     case01_used_id_outside_at_every_size),
		RIG_TEST_ANY("case 02: used id never submitted", case02_used_id_never_submitted),
		RIG_TEST_ANY("case 02: used id in the middle of a chain",
			     case02_used_id_mid_chain),
		RIG_TEST_ANY("case 02: used id only staged", case02_used_id_staged_only),
		RIG_TEST_ANY("case 02: bound id not posted", case02_bound_id_not_posted),
		RIG_TEST_ANY("case 03: same used id twice in a batch",
			     case03_same_id_twice_in_a_batch),
		RIG_TEST_ANY("case 03: same used id after it completed",
			     case03_same_id_after_it_completed),
		RIG_TEST_ANY("case 03: a recycled id is another chain",
			     case03_recycled_id_is_another_chain),
		RIG_TEST_ANY("case 04: a completion is taken back", case04_completion_is_taken_back),
		RIG_TEST_ANY("case 05: used length above what was writable",
			     case05_used_len_above_writable),
		RIG_TEST_ANY("case 05: used length of an indirect chain",
			     case05_indirect_length_is_bounded_by_the_shadow),
		RIG_TEST_ANY("case 06: short used lengths pass as they are",
			     case06_short_lengths_pass_as_they_are),
		RIG_TEST_ANY("case 07: used length at the end of 32 bits",
			     case07_used_len_at_the_end_of_32_bits),
		RIG_TEST("case 08: a used element is one load, split",
			 case08_used_element_is_one_load),
		RIG_TEST("case 08: a used descriptor is one load, packed",
			 case08_used_descriptor_is_one_load),
		RIG_TEST_ANY("case 09: descriptors scribbled after submission",
			     case09_descriptors_scribbled_after_submission),
		RIG_TEST_ANY("case 10: what the driver writes is scribbled",
			     case10_driver_area_scribbled),
		RIG_TEST_ANY("case 12: completions before the start are wiped",
			     case12_completions_before_the_start_are_wiped),
		RIG_TEST_ANY("case 12: a completion before anything is published",
			     case12_completion_before_anything_is_published),
		RIG_TEST("case 14: flags flip between reads, packed",
			 case14_flags_flip_between_reads),
		RIG_TEST("case 53: an index beyond the size is masked", case53_index_is_masked),
		RIG_TEST_ANY("the caller can break the queue", caller_can_break),
		RIG_TEST_ANY("a queue broken while armed is left alone",
			     armed_when_broken_is_left_alone),
		RIG_TEST_ANY("what was shown when the queue broke is not asked for",
			     shown_when_broken_is_not_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
