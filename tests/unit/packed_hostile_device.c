// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half of a packed ring against a device that lies: the cases of ATTACKS.md
 * that a split ring does not know, or in which a lie looks quite different there. What
 * both layouts have in common is in hostile_device.c.
 *
 * The driver looks at one word of the ring, that where the next completion is due by its
 * own count, and at one word of the device's event structure. That it does so once shows
 * in touch.c.
 */
#include "hostile_device.h"

/* Offer one chain of @segs buffers of a byte to write, beginning at place @at. */
static u16 offer(struct rig *rig, u32 segs, u32 cookie)
{
	struct ring_seg seg[8];
	int id;
	u32 i;

	for (i = 0; i < segs; i++)
		seg[i] = (struct ring_seg) { RIG_BUS_DATA + i, 1 };
	id = rig_add(rig, seg, 0, (u16)segs, rig_cookie(cookie));
	assert_true(id >= 0);
	return (u16)id;
}

/* @rounds chains of one descriptor come and go. */
static void go_round(struct rig *rig, u32 rounds)
{
	u32 i;

	for (i = 0; i < rounds; i++) {
		const u16 id = offer(rig, 1, 0);

		ring_drv_publish(&rig->drv);
		rig_complete(rig, i, id, 1);
		rig_poll_one(rig, 0, 1);
	}
}

static struct rig *rig_idle(void **state, u32 size, u64 features)
{
	struct rig *rig = rig_new(state, size, RIG_PACKED | features);

	rig_start_drv(rig);
	return rig;
}

/* ---- how many are used ------------------------------------------------------ */

static void case04_more_is_used_than_is_in_flight(void **state)
{
	static const u32 sizes[] = { 1, 3, 7, 8 };
	u32 before, flying, i;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		const u32 size = sizes[s];

		for (before = 0; before <= 2 * size; before++) {
			for (flying = 0; flying <= size; flying++) {
				struct rig *rig = rig_idle(state, size, RIG_EVENT);
				u16 id[8] = { 0 };

				go_round(rig, before);
				for (i = 0; i < flying; i++)
					id[i] = offer(rig, 1, i);
				ring_drv_publish(&rig->drv);
				/* All that can be marked at once, or one too many after it. */
				for (i = 0; i < size; i++)
					rig_complete(rig, before + i, id[i % (flying ? flying : 1)],
						     1);
				for (i = 0; i < flying; i++)
					rig_poll_one(rig, i, 1);
				if (flying == size)
					rig_complete(rig, before + size, id[0], 1);
				expect_fault(rig, RING_USED_JUMP, 0, 0);
			}
		}
	}
}

static void case13_untouched_descriptor_is_marked_used(void **state)
{
	u32 place, before;

	for (before = 0; before < 16; before++) {
		/* Whatever is marked that is not due, nobody looks at. */
		for (place = before + 1; place < before + 8; place++) {
			struct rig *rig = rig_idle(state, 8, 0);

			go_round(rig, before);
			rig_complete(rig, place, 0, 1);
			expect_nothing(rig);
			rig_complete(rig, before, 0, 1);
			assert_true(ring_drv_pending(&rig->drv));
			expect_fault(rig, RING_USED_JUMP, 0, 0);
		}
	}
}

static void case13_id_not_in_flight(void **state)
{
	struct rig *rig;
	u32 id;

	for (id = 0; id < 8; id++) {
		rig = rig_idle(state, 8, 0);
		rig->id[0] = offer(rig, 2, 0);
		rig->id[1] = offer(rig, 2, 1);
		ring_drv_publish(&rig->drv);
		rig->id[2] = offer(rig, 1, 2);
		rig_complete(rig, 0, id, 0);
		if (id == rig->id[0] || id == rig->id[1])
			rig_poll_one(rig, id == rig->id[1], 0);
		else
			expect_fault(rig, RING_USED_FREE, 0, 3);
	}
}

static void case13_used_mark_of_a_later_chain_waits(void **state)
{
	struct rig *rig = rig_idle(state, 8, 0);

	rig->id[0] = offer(rig, 3, 0);
	rig->id[1] = offer(rig, 2, 1);
	ring_drv_publish(&rig->drv);
	/* Where the second chain lies; but the first completion is due at place 0. */
	rig_complete(rig, 3, rig->id[1], 2);
	expect_nothing(rig);
	rig_complete(rig, 0, rig->id[1], 2);
	rig_poll_one(rig, 1, 2);
	/* That chain took two descriptors, so that is where the next one is due. */
	expect_nothing(rig);
	rig_complete(rig, 2, rig->id[0], 3);
	rig_poll_one(rig, 0, 3);
	expect_nothing(rig);
}

/* ---- wrap counters ---------------------------------------------------------- */

static void case14_marks_of_another_round_are_not_used(void **state)
{
	static const u16 marks[] = {
		0, 1u << VRING_PACKED_DESC_F_AVAIL, 1u << VRING_PACKED_DESC_F_USED,
		1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED,
	};
	static const u32 sizes[] = { 1, 3, 8 };
	u32 at, taken = 0;
	size_t s, m;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_idle(state, sizes[s], 0);

		for (at = 0; at < 6 * sizes[s]; at++) {
			const u16 id = offer(rig, 1, at);

			ring_drv_publish(&rig->drv);
			for (m = 0; m < ARRAY_SIZE(marks); m++) {
				if (marks[m] == rig_marks(rig, at, true))
					continue;
				/* With all other flags, and with lies that nobody sees. */
				shared_store64(rig_rest_word(rig, at),
					       rig_rest(9, 99, marks[m] | 0x7f7f));
				expect_nothing(rig);
			}
			shared_store64(rig_rest_word(rig, at),
				       rig_rest(1, id, rig_marks(rig, at, true) | 0x7f7f));
			assert_true(ring_drv_pending(&rig->drv));
			rig_poll_one(rig, at, 1);
			taken++;
		}
	}
	assert_int_equal(taken, 6 * (1 + 3 + 8));
}

/* A completion that was taken stays in the ring; a round later it must not count again. */
static void case14_old_completions_do_not_count_again(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 7 };
	u32 at;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_idle(state, sizes[s], 0);

		for (at = 0; at < 10 * sizes[s]; at++) {
			expect_nothing(rig);
			rig->id[0] = offer(rig, 1, at);
			expect_nothing(rig);
			ring_drv_publish(&rig->drv);
			expect_nothing(rig);
			rig_complete(rig, at, rig->id[0], 1);
			rig_poll_one(rig, at, 1);
		}
	}
}

/* ---- where the next one is due ---------------------------------------------- */

/*
 * Chains of 1 to 3 descriptors; the device marks every other place of the ring as used,
 * each with an id that is in flight, so that wherever the driver looked it would find
 * something to take.
 */
static void case15_device_skips_descriptors(void **state, u64 layout)
{
	static const u32 sizes[] = { 3, 7, 8 };
	u32 round, at, i, n;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_idle(state, sizes[s], layout);

		for (round = 0, at = 0; round < 200; round++) {
			n = 1 + round % 3;
			rig->id[0] = offer(rig, n, round);
			ring_drv_publish(&rig->drv);
			for (i = 1; i < sizes[s]; i++) {
				rig_complete(rig, at + i, rig->id[0], 0);
				/* And the mark of the other round, in every other round. */
				if (round % 2)
					rig_complete(rig, at + i + sizes[s], rig->id[0], 0);
				expect_nothing(rig);
			}
			rig_complete(rig, at, rig->id[0], n);
			rig_poll_one(rig, round, n);
			assert_int_equal(ring_drv_num_free(&rig->drv), sizes[s]);
			at += n;
			assert_int_equal(ring_drv_kick_data(&rig->drv, 0) >> 16,
					 rig_off_wrap(rig, at));
			/* Nothing is in flight: what is marked where it would be due is a lie. */
			shared_store64(rig_rest_word(rig, at), 0);
			if (rig_marks(rig, at, true) == 0)
				rig_complete(rig, at + sizes[s], 0, 0);
		}
	}
}
RIG_PACKED_ONLY(case15_device_skips_descriptors)

/* The device says by NEXT that a chain goes on, or that it does not. */
static void case15_length_of_a_chain_is_not_the_device_s(void **state)
{
	static const u16 flags[] = { 0, VRING_DESC_F_NEXT, VRING_DESC_F_INDIRECT, 0x7f7f };
	size_t f;
	u32 i;

	for (f = 0; f < ARRAY_SIZE(flags); f++) {
		struct rig *rig = rig_with(state, 16, RIG_PACKED, 4);

		for (i = 0; i < 16; i++)
			rig_put_packed(rig, i, 0, 0, 9, flags[f]);
		for (i = 0; i < 4; i++)
			shared_store64(rig_rest_word(rig, 3 * i),
				       rig_rest(i, rig->id[3 - i],
						flags[f] | rig_marks(rig, 3 * i, true)));
		for (i = 0; i < 4; i++)
			rig_poll_one(rig, 3 - i, i);
		assert_int_equal(ring_drv_num_free(&rig->drv), 16);
		expect_nothing(rig);
	}
}

/* ---- what is read ------------------------------------------------------------ */

/*
 * The ring lies such that a page begins with the word where a completion is due, behind
 * the address of the same descriptor. All other pages are taken away, and the rest of
 * this one says with every word that it is used.
 */
static void case09_one_word_is_read(void **state)
{
	const u32 size = 2 * RIG_PAGE / 16, due = RIG_PAGE / 16 - 1;
	struct rig *rig = rig_new(state, size + 1, RIG_PACKED | RIG_EVENT);
	u8 *page;
	u32 i;

	rig->size = size;
	rig->a.desc = shared_mark(rig->desc.start + 8);
	page = rig->desc.start + RIG_PAGE;
	assert_ptr_equal(shared_unmark(rig_rest_word(rig, due)), page);
	rig_start_drv(rig);
	go_round(rig, due);
	for (i = 0; i < 3; i++)
		rig->id[i] = add_three(rig, i);
	ring_drv_publish(&rig->drv);

	for (i = due; i < due + size; i++) {
		rig_complete(rig, i, 0xeeee, 0xeeeeeeee);
		shared_store64(rig_addr_word(rig, i), 0xeeeeeeeeeeeeeeeeull);
	}
	rig_complete(rig, due, rig->id[0], 77);
	rig_map_protect(&rig->driver, PROT_NONE);
	rig_map_protect(&rig->device, PROT_NONE);
	rig_map_protect(&rig->desc, PROT_NONE);
	assert_int_equal(mprotect(page, RIG_PAGE, PROT_READ), 0);
	assert_true(ring_drv_pending(&rig->drv));
	rig_poll_one(rig, 0, 77);
	expect_fault(rig, RING_USED_ID, 1, 2);
}

/* ---- the device's event structure -------------------------------------------- */

/* All flags with some places: what is not plainly a "no" is a "yes", and breaks nothing. */
static void events(void **state, u32 size, u64 features)
{
	const u16 places[] = {
		0, 1, 0x8000, 0x8001, (u16)(size - 1), (u16)(size - 1) | 0x8000, (u16)size,
		(u16)size | 0x8000, 0x7fff, 0xffff,
	};
	struct rig *rig = rig_idle(state, size, features);
	u32 flags, at = 0;
	size_t p;

	for (flags = 0; flags < 0x10000; flags++) {
		for (p = 0; p < ARRAY_SIZE(places); p++, at++) {
			const u16 id = offer(rig, 1, at);
			bool due = flags != VRING_PACKED_EVENT_FLAG_DISABLE;

			if (flags == VRING_PACKED_EVENT_FLAG_DESC && features &&
			    (places[p] & 0x7fff) < size)
				due = rig_place_due(rig, places[p], at + 1, at);
			rig_put_event(&rig->device, places[p], (u16)flags);
			assert_int_equal(ring_drv_publish(&rig->drv), due);
			rig_complete(rig, at, id, 1);
			rig_poll_one(rig, at, 1);
			/* The small values are what is in use. */
			if (flags > 16)
				p += flags % 5;
		}
	}
}

static void case16_garbage_notifies(void **state)
{
	static const u32 sizes[] = { 1, 3, 8 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		events(state, sizes[i], 0);
		events(state, sizes[i], RIG_EVENT);
	}
}

/* A place that the driver comes to once in two rounds: a late kick, no missing one. */
static void case11_places_at_extremes(void **state)
{
	u32 place, at, kicks;

	for (place = 0; place < 16; place++) {
		struct rig *rig = rig_idle(state, 8, RIG_EVENT);

		rig_put_event(&rig->device, rig_off_wrap(rig, place),
			      VRING_PACKED_EVENT_FLAG_DESC);
		for (at = 0, kicks = 0; at < 160; at++) {
			const u16 id = offer(rig, 1, at);

			kicks += ring_drv_publish(&rig->drv);
			rig_complete(rig, at, id, 1);
			rig_poll_one(rig, at, 1);
		}
		assert_int_equal(kicks, 10);
	}
}

static void case11_no_notify_is_stuck(void **state)
{
	unsigned int way;
	u32 at;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_idle(state, 8, rig_way(way));

		rig_put_event(&rig->device, 0xffff, VRING_PACKED_EVENT_FLAG_DISABLE);
		for (at = 0; at < 1000; at++) {
			const u16 id = offer(rig, 1, at);

			/* That no kick comes is the watchdog's; it still polls. */
			assert_false(ring_drv_publish(&rig->drv));
			rig_complete(rig, at, id, 1);
			rig_poll_one(rig, at, 1);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("case 04: more is used than is in flight, packed",
			 case04_more_is_used_than_is_in_flight),
		RIG_TEST("case 09: one word of the ring is read, packed",
			 case09_one_word_is_read),
		RIG_TEST("case 11: event places at extremes, packed", case11_places_at_extremes),
		RIG_TEST("case 11: the device never wants to be notified, packed",
			 case11_no_notify_is_stuck),
		RIG_TEST("case 13: an untouched descriptor is marked used",
			 case13_untouched_descriptor_is_marked_used),
		RIG_TEST("case 13: an id that is not in flight", case13_id_not_in_flight),
		RIG_TEST("case 13: the mark of a later chain waits",
			 case13_used_mark_of_a_later_chain_waits),
		RIG_TEST("case 14: marks of another round are not used",
			 case14_marks_of_another_round_are_not_used),
		RIG_TEST("case 14: old completions do not count again",
			 case14_old_completions_do_not_count_again),
		RIG_TEST_PACKED_ONLY("case 15: the device skips descriptors",
				     case15_device_skips_descriptors),
		RIG_TEST("case 15: how long a chain is, is not the device's to say",
			 case15_length_of_a_chain_is_not_the_device_s),
		RIG_TEST("case 16: garbage in the event structure notifies",
			 case16_garbage_notifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
