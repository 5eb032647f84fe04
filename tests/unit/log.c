// SPDX-License-Identifier: GPL-2.0
/*
 * The in-flight log of a device half among honest people: what it says on the wire, and
 * that another half goes on where one was killed between two calls (ATTACKS.md, 66).
 * log_killed.c kills it in the middle of one; logs that lie are in log_hostile.c.
 */
#include "log_book.h"

static void expect_split_entry(u32 i, u8 inflight, u64 counter)
{
	assert_int_equal(log8(split_at(i) + INFLIGHT), inflight);
	assert_int_equal(log64(split_at(i) + COUNTER), counter);
}

static void expect_packed_head(u32 i, u32 last, u32 num, u64 counter)
{
	assert_int_equal(log8(packed_at(i) + INFLIGHT), 1);
	assert_int_equal(log16(packed_at(i) + LAST), last);
	assert_int_equal(log16(packed_at(i) + NUM), num);
	assert_int_equal(log64(packed_at(i) + COUNTER), counter);
}

/* ---- on the wire ---------------------------------------------------------- */

static void log_is_as_large_as_the_protocol_says(void **state)
{
	(void)state;
	/* 16 bytes and 16 for each entry, or 32 and 32, in units of 64. */
	assert_int_equal(ring_log_bytes(1, 0), 64);
	assert_int_equal(ring_log_bytes(4, 0), 128);
	assert_int_equal(ring_log_bytes(256, 0), 4160);
	assert_int_equal(ring_log_bytes(RING_SIZE_MAX, 0), 524352);
	assert_int_equal(ring_log_bytes(1, RIG_PACKED), 64);
	assert_int_equal(ring_log_bytes(3, RIG_PACKED), 128);
	assert_int_equal(ring_log_bytes(256, RIG_PACKED), 8256);
	assert_int_equal(ring_log_bytes(RING_SIZE_MAX, RIG_PACKED), 1048640);
}

static void split_log_on_the_wire(void **state)
{
	struct rig *rig = rig_logged(state, 4, 0);
	u16 a, b, c;

	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 4);
	expect_zero(FEATURES, VERSION);
	expect_zero(LAST_BATCH_HEAD, book.map.bytes);

	/* Only the head of a chain is in it. */
	a = publish(rig, 2, 8, 0);
	b = publish(rig, 1, 8, 1);
	c = publish(rig, 1, 8, 2);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 0);
	pop(rig, a);
	expect_split_entry(a, 1, 0);
	pop(rig, b);
	pop(rig, c);
	expect_split_entry(b, 1, 1);
	expect_split_entry(c, 1, 2);
	expect_zero(split_at(6 - a - b - c), split_at(7 - a - b - c));

	/* Until it is seen, a completion changes nothing. */
	push(rig, c, 8);
	push(rig, a, 8);
	expect_split_entry(a, 1, 0);
	expect_split_entry(c, 1, 2);
	assert_int_equal(log16(SPLIT_USED_IDX), 0);

	ring_dev_flush(&rig->dev);
	assert_int_equal(log16(SPLIT_USED_IDX), 2);
	assert_int_equal(log16(LAST_BATCH_HEAD), a);
	assert_int_equal(log16(split_at(a) + SPLIT_NEXT), c);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 0);
	assert_int_equal(log8(split_at(c) + INFLIGHT), 0);
	expect_split_entry(b, 1, 1);

	push(rig, b, 8);
	ring_dev_show(&rig->dev);
	assert_int_equal(log16(SPLIT_USED_IDX), 3);
	assert_int_equal(log16(LAST_BATCH_HEAD), b);
	assert_int_equal(log8(split_at(b) + INFLIGHT), 0);

	/* Version and size stay, and what is nobody's stays zero. */
	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 4);
	expect_zero(FEATURES, VERSION);
	for (a = 0; a < 4; a++)
		expect_zero(split_at(a) + 1, split_at(a) + SPLIT_NEXT);
	expect_zero(split_at(4), book.map.bytes);
}

static void packed_log_on_the_wire(void **state)
{
	const u16 avail = 1u << VRING_PACKED_DESC_F_AVAIL, used = 1u << VRING_PACKED_DESC_F_USED;
	struct rig *rig = rig_logged(state, 5, RIG_PACKED);
	u16 a, b, i;

	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 5);
	expect_heads(0, 0, 1);
	expect_zero(FEATURES, VERSION);
	for (i = 0; i < 5; i++) {
		assert_int_equal(log16(packed_at(i) + NEXT), i + 1);
		expect_zero(packed_at(i), packed_at(i) + NEXT);
		expect_zero(packed_at(i) + LAST, packed_at(i + 1));
	}

	/* Each descriptor is in it, as the driver wrote it. */
	a = publish(rig, 2, 8, 0);
	b = publish(rig, 1, 16, 1);
	pop(rig, a);
	expect_packed_head(0, 1, 2, 0);
	expect_packed_desc(0, a, avail | VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA);
	expect_packed_desc(1, a, avail | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA + 8);
	assert_int_equal(log16(packed_at(0) + NEXT), 1);
	assert_int_equal(log8(packed_at(1) + INFLIGHT), 0);
	expect_heads(2, 0, 1);
	pop(rig, b);
	expect_packed_head(2, 2, 1, 1);
	expect_packed_desc(2, b, avail | VRING_DESC_F_WRITE, 16, RIG_BUS_DATA);
	expect_heads(3, 0, 1);

	/* Until it is seen, a completion changes nothing. */
	push(rig, a, 8);
	expect_packed_head(0, 1, 2, 0);
	expect_heads(3, 0, 1);

	ring_dev_flush(&rig->dev);
	assert_int_equal(log8(packed_at(0) + INFLIGHT), 0);
	assert_int_equal(log16(packed_at(1) + NEXT), 3);
	expect_heads(0, 2, 1);
	expect_packed_head(2, 2, 1, 1);
	rig_poll_one(rig, 0, 8);

	/* Entries are taken as they came back, and the wrap counter flips. */
	a = publish(rig, 3, 8, 2);
	pop(rig, a);
	expect_packed_head(0, 3, 3, 2);
	expect_packed_desc(0, a, avail | VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA);
	expect_packed_desc(1, a, avail | VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8,
			   RIG_BUS_DATA + 8);
	expect_packed_desc(3, a, used | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA + 16);
	push(rig, b, 16);
	push(rig, a, 24);
	ring_dev_show(&rig->dev);
	assert_int_equal(log16(packed_at(2) + NEXT), 4);
	assert_int_equal(log16(packed_at(3) + NEXT), 2);
	expect_heads(0, 1, 0);

	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 5);
	expect_zero(FEATURES, VERSION);
	expect_zero(OLD_USED_WRAP + 1, packed_at(0));
	for (i = 0; i < 5; i++)
		expect_zero(packed_at(i), packed_at(i) + NEXT);
	expect_zero(packed_at(5), book.map.bytes);
}

static void unpopped_chain_leaves_a_split_log(void **state)
{
	struct rig *rig = rig_logged(state, 4, 0);
	const u16 a = publish(rig, 1, 8, 0), b = publish(rig, 1, 8, 1);

	pop(rig, a);
	pop(rig, b);
	unpop(rig, b);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 1);
	assert_int_equal(log8(split_at(b) + INFLIGHT), 0);
	unpop(rig, a);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 0);
	assert_int_equal(restart(rig), 0);
	pop(rig, a);
	pop(rig, b);
}

static void unpopped_chain_leaves_a_packed_log(void **state)
{
	struct rig *rig = rig_logged(state, 4, RIG_PACKED);
	const u16 a = publish(rig, 2, 8, 0), b = publish(rig, 2, 8, 1);

	pop(rig, a);
	pop(rig, b);
	/* The list of what is free ends with the size. */
	expect_heads(4, 0, 1);
	unpop(rig, b);
	assert_int_equal(log8(packed_at(2) + INFLIGHT), 0);
	assert_int_equal(log16(packed_at(2) + NEXT), 3);
	assert_int_equal(log16(packed_at(3) + NEXT), 4);
	expect_heads(2, 0, 1);
	expect_packed_head(0, 1, 2, 0);
	unpop(rig, a);
	assert_int_equal(log8(packed_at(0) + INFLIGHT), 0);
	assert_int_equal(log16(packed_at(1) + NEXT), 2);
	expect_heads(0, 0, 1);
	assert_int_equal(restart(rig), 0);
	pop(rig, a);
	pop(rig, b);
}

static void broken_queue_takes_nothing_back(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way += 4) {
		struct rig *rig = rig_logged(state, 4, rig_way(way));
		const size_t at = rig_way(way) & RIG_PACKED ? packed_at(0) : split_at(0);

		pop(rig, publish(rig, 1, 8, 0));
		ring_dev_break(&rig->dev, RING_CALLER);
		ring_dev_unpop(&rig->dev, &rig->c);
		assert_int_equal(log8(at + INFLIGHT), 1);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 1);
	}
}

static void unpopped_resubmission_stays_in_the_log(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		struct rig *rig = rig_logged(state, 4, rig_way(way));
		const u16 a = publish(rig, 1, 8, 0), b = publish(rig, 1, 8, 1);

		pop(rig, a);
		assert_int_equal(restart(rig), 1);
		/* What is to be popped again is pending, without any kick. */
		assert_true(ring_dev_arm(&rig->dev));
		pop(rig, a);
		pop(rig, b);
		unpop(rig, b);
		unpop(rig, a);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
		assert_int_equal(restart(rig), 1);
		pop(rig, a);
		pop(rig, b);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 2);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
		push(rig, b, 8);
		push(rig, a, 8);
		ring_dev_flush(&rig->dev);
		assert_int_equal(restart(rig), 0);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	}
}

static void log_begins_where_the_queue_is(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		const bool packed = rig_way(way) & RIG_PACKED;
		struct rig *rig = book_new(state, 4, rig_way(way));
		u16 id;

		rig_start_drv(rig);
		start_dev(rig, ring_base_new(rig->features));
		go_ahead(rig, 7);
		start_dev(rig, ring_dev_base(&rig->dev));
		assert_int_equal(attach(rig), 0);
		if (packed)
			expect_heads(0, 3, 0);
		else
			assert_int_equal(log16(SPLIT_USED_IDX), 7);
		id = publish(rig, 1, 8, 1);
		pop(rig, id);
		/* The base is nothing to a log that has begun. */
		assert_int_equal(restart(rig), 1);
		pop(rig, id);
		push(rig, id, 5);
		ring_dev_show(&rig->dev);
		rig_poll_one(rig, 1, 5);
		go_ahead(rig, 20);
	}
}

static void queue_goes_on_without_the_log(void **state)
{
	unsigned int way;
	u32 ahead;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		for (ahead = 0; ahead < 9; ahead++) {
			struct rig *rig = rig_logged(state, 4, rig_way(way));
			u16 a, b;
			u32 base;

			go_ahead(rig, ahead);
			a = publish(rig, 2, 8, 1);
			b = publish(rig, 1, 8, 2);
			pop(rig, a);
			assert_int_equal(restart(rig), 1);
			pop(rig, a);
			push(rig, a, 9);
			ring_dev_show(&rig->dev);
			base = ring_dev_base(&rig->dev);
			if (!(rig_way(way) & RIG_PACKED))
				assert_int_equal(base, ahead + 1);
			else
				assert_int_equal(base, ((ahead + 2) % 4 |
							((ahead + 2) / 4 % 2 ? 0 : 0x8000)) *
						       0x10001u);
			rig_poll_one(rig, 1, 9);
			start_dev(rig, base);
			pop(rig, b);
			push(rig, b, 3);
			ring_dev_show(&rig->dev);
			rig_poll_one(rig, 2, 3);
			go_ahead(rig, 9);
		}
	}
}

static void another_half_calls_when_it_is_asked_to(void **state)
{
	unsigned int way;
	u16 id[3], i;

	for (way = 1; way < RIG_ALL_WAYS; way += 2) {
		struct rig *rig = rig_logged(state, 4, rig_way(way));

		go_ahead(rig, 7);
		for (i = 0; i < 3; i++)
			id[i] = publish(rig, 1, 8, i);
		pop(rig, id[0]);
		pop(rig, id[1]);
		assert_false(ring_drv_arm(&rig->drv));
		push(rig, id[0], 8);
		assert_true(ring_dev_flush(&rig->dev));
		/* The driver asked for one call, and that one came. */
		assert_int_equal(restart(rig), 1);
		pop(rig, id[1]);
		push(rig, id[1], 8);
		assert_false(ring_dev_flush(&rig->dev));
		rig_poll_one(rig, 0, 8);
		rig_poll_one(rig, 1, 8);
		assert_false(ring_drv_arm(&rig->drv));
		pop(rig, id[2]);
		push(rig, id[2], 8);
		assert_true(ring_dev_flush(&rig->dev));
	}
}

/* ---- many chains ---------------------------------------------------------- */

/* A full queue of which every third chain is done, and taken again. */
static void come_back_in_order(struct rig *rig)
{
	const bool in_order = rig->features & RIG_ORDERED;
	const u32 size = rig->size, done = in_order ? size / 3 : (size + 2) / 3;
	u16 *id = calloc(2 * (size_t)size, sizeof(*id));
	u32 left = 0, i;

	assert_non_null(id);
	for (i = 0; i < size; i++) {
		id[i] = publish(rig, 1, 8, i);
		pop(rig, id[i]);
	}
	for (i = 0; i < size; i++) {
		if (in_order ? i < done : i % 3 == 0)
			push(rig, id[i], 8);
		else
			id[left++] = id[i];
	}
	ring_dev_flush(&rig->dev);
	assert_int_equal(left, size - done);
	for (i = 0; i < done; i++)
		rig_poll_one(rig, in_order ? i : 3 * i, 8);
	for (i = 0; i < done; i++) {
		id[left + i] = publish(rig, 1, 8, size + i);
		pop(rig, id[left + i]);
	}

	assert_int_equal(restart(rig), size);
	for (i = 0; i < size; i++)
		pop(rig, id[i]);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	for (i = 0; i < size; i++)
		push(rig, id[i], 8);
	ring_dev_flush(&rig->dev);
	assert_int_equal(restart(rig), 0);
	free(id);
}

static void chains_come_back_in_their_old_order(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 7, 16, 100, 1021, 4096, 32768 };
	unsigned int way;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (way = 0; way < RIG_ALL_WAYS; way += 4) {
			if (ring_size_ok(sizes[i], rig_way(way)))
				come_back_in_order(rig_logged(state, sizes[i], rig_way(way)));
		}
	}
}

static void staged_completions_are_not_seen_later(void **state)
{
	u32 ahead;

	/* What is staged behind the first is in the ring, and the first never comes. */
	for (ahead = 0; ahead < 8; ahead++) {
		struct rig *rig = rig_logged(state, 4, RIG_PACKED);
		u16 id[4], i;

		go_ahead(rig, ahead);
		for (i = 0; i < 4; i++) {
			id[i] = publish(rig, 1, 8, i);
			pop(rig, id[i]);
		}
		for (i = 0; i < 4; i++)
			push(rig, id[i], 8);
		assert_int_equal(restart(rig), 4);
		for (i = 0; i < 4; i++)
			pop(rig, id[i]);
		for (i = 4; i-- > 0;) {
			push(rig, id[i], i);
			ring_dev_show(&rig->dev);
			rig_poll_one(rig, i, i);
			poll_none(rig);
		}
		go_ahead(rig, 8);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LOG_TEST("a log is as large as the protocol says", log_is_as_large_as_the_protocol_says),
		LOG_TEST("the log of a split queue is laid out and written as the protocol says",
			 split_log_on_the_wire),
		LOG_TEST("the log of a packed queue is laid out and written as the protocol says",
			 packed_log_on_the_wire),
		LOG_TEST("a chain that is given back leaves the log, split",
			 unpopped_chain_leaves_a_split_log),
		LOG_TEST("a chain that is given back leaves the log, packed",
			 unpopped_chain_leaves_a_packed_log),
		LOG_TEST("a broken queue takes nothing back", broken_queue_takes_nothing_back),
		LOG_TEST("a chain that was popped again and is given back stays in the log",
			 unpopped_resubmission_stays_in_the_log),
		LOG_TEST("a log begins where the queue is", log_begins_where_the_queue_is),
		LOG_TEST("a queue goes on without the log from its base",
			 queue_goes_on_without_the_log),
		LOG_TEST("another half calls when the driver asked for it",
			 another_half_calls_when_it_is_asked_to),
		LOG_TEST("case 66: chains come back in their old order at every size",
			 chains_come_back_in_their_old_order),
		LOG_TEST("case 66: completions that were staged and not shown are not seen later",
			 staged_completions_are_not_seen_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
