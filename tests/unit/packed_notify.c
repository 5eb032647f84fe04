// SPDX-License-Identifier: GPL-2.0
/*
 * When a notification is due in a packed ring: by the flags of the other side's event
 * structure, or when the place that it names is among the descriptors that were shown
 * (virtio 1.2, 2.8.10 and 2.8.14). rig_place_due() is the model: it counts. What is the
 * same in both layouts is in notify.c; garbage is in packed_hostile_*.c.
 */
#include "rig.h"

#define ENABLE	VRING_PACKED_EVENT_FLAG_ENABLE
#define DISABLE	VRING_PACKED_EVENT_FLAG_DISABLE
#define DESC	VRING_PACKED_EVENT_FLAG_DESC

/* Stage a chain of @n descriptors. */
static void stage(struct rig *rig, u32 n)
{
	struct ring_seg seg[16];
	u32 i;

	for (i = 0; i < n; i++)
		seg[i] = (struct ring_seg) { RIG_BUS_DATA, 1 };
	assert_true(rig_add(rig, seg, 0, (u16)n, rig_cookie(0)) >= 0);
}

/* Take @chains and stage their completions. */
static void serve(struct rig *rig, u32 chains)
{
	while (chains--) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, rig->c.in_len);
	}
}

static void drain(struct rig *rig)
{
	struct ring_done done;

	while (ring_drv_poll(&rig->drv, &done) > 0)
		;
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
}

/* A chain of @n descriptors, all the way. */
static void go_ahead(struct rig *rig, u32 n)
{
	stage(rig, n);
	ring_drv_publish(&rig->drv);
	serve(rig, 1);
	ring_dev_flush(&rig->dev);
	drain(rig);
}

/* ---- when one is due ---------------------------------------------------------- */

/* DESC means no place but "yes" where places were not negotiated. */
static void flags_are_followed(void **state, u64 layout)
{
	static const u16 flags[] = { ENABLE, DISABLE, DESC };
	unsigned int way;
	u32 at;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_started(state, 8, layout | rig_way(way));

		assert_false(ring_drv_publish(&rig->drv));
		assert_false(ring_dev_flush(&rig->dev));
		for (at = 0; at < 150; at++) {
			const u16 flag = flags[at % 3], place = rig_off_wrap(rig, at + at % 2);
			const bool due = flag == ENABLE || (flag == DESC && (!way || at % 2 == 0));

			rig_put_event(&rig->device, place, flag);
			stage(rig, 1);
			assert_int_equal(ring_drv_publish(&rig->drv), due);
			assert_false(ring_drv_publish(&rig->drv));
			serve(rig, 1);
			rig_put_event(&rig->driver, place, flag);
			assert_int_equal(ring_dev_flush(&rig->dev), due);
			assert_false(ring_dev_flush(&rig->dev));
			drain(rig);
		}
	}
}
RIG_PACKED_ONLY(flags_are_followed)

/* @n descriptors, as one chain or as @n, when both sides wait for the same place. */
static void show_together(struct rig *rig, u32 at, u32 n, u32 event, bool one_chain)
{
	const u16 place = rig_off_wrap(rig, event);
	const bool due = rig_place_due(rig, place, at + n, at);
	u32 i;

	rig_put_event(&rig->device, place, DESC);
	for (i = 0; i < (one_chain ? 1 : n); i++)
		stage(rig, one_chain ? n : 1);
	assert_int_equal(ring_drv_publish(&rig->drv), due);
	assert_false(ring_drv_publish(&rig->drv));
	serve(rig, one_chain ? 1 : n);
	rig_put_event(&rig->driver, place, DESC);
	assert_int_equal(ring_dev_flush(&rig->dev), due);
	assert_false(ring_dev_flush(&rig->dev));
	drain(rig);
}

/* Every place to begin at, every number, every place to wait for. */
static void every_place(void **state, u64 layout, bool one_chain)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 7, 8, 13 };
	u32 round, n, event, at;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		const u32 size = sizes[s];
		struct rig *rig = rig_started(state, size, layout | RIG_EVENT);

		for (round = 0, at = 0; round < 2 * size; round++) {
			for (n = 1; n <= size; n++) {
				for (event = 0; event < 2 * size; event++, at += n)
					show_together(rig, at, n, event, one_chain);
			}
			go_ahead(rig, 1);
			at++;
		}
	}
}

static void due_at_a_place(void **state, u64 layout)
{
	every_place(state, layout, false);
}
RIG_PACKED_ONLY(due_at_a_place)

static void due_within_a_chain(void **state, u64 layout)
{
	every_place(state, layout, true);
}
RIG_PACKED_ONLY(due_within_a_chain)

/* Shown bit by bit and asked for once: all of it counts, not only the last bit. */
static void due_in_what_was_shown_before(void **state, u64 layout)
{
	u32 event, first, n;

	for (event = 0; event < 14; event++) {
		for (first = 1; first <= 3; first++) {
			struct rig *rig = rig_started(state, 7, layout | RIG_EVENT);
			const u16 place = rig_off_wrap(rig, event);

			rig_put_event(&rig->device, place, DESC);
			rig_put_event(&rig->driver, place, DESC);
			for (n = 0; n < first; n++) {
				stage(rig, 1);
				ring_drv_show(&rig->drv);
			}
			stage(rig, 2);
			assert_int_equal(ring_drv_publish(&rig->drv), event < first + 2);
			for (n = 0; n <= first; n++) {
				serve(rig, 1);
				ring_dev_show(&rig->dev);
			}
			assert_int_equal(ring_dev_flush(&rig->dev), event < first + 2);
		}
	}
}
RIG_PACKED_ONLY(due_in_what_was_shown_before)

/* ---- on the wire ---------------------------------------------------------------- */

/* The driver waits for the completion that is due, the device for the chain that is next. */
static void check_armed(struct rig *rig, const struct rig_map *event, u32 place)
{
	if (rig->features & RIG_EVENT)
		assert_true(rig_event(event) == (rig_off_wrap(rig, place) | (u32)DESC << 16));
	else
		assert_int_equal(rig_event(event) >> 16, ENABLE);
}

static void check_driver_armed(struct rig *rig, u32 place)
{
	ring_drv_arm(&rig->drv);
	check_armed(rig, &rig->driver, place);
}

static void check_device_armed(struct rig *rig, u32 place)
{
	ring_dev_arm(&rig->dev);
	check_armed(rig, &rig->device, place);
}

static void arms_and_disarms(void **state, u64 layout)
{
	static const u32 sizes[] = { 1, 3, 7, 8 };
	u32 at, n, round;
	size_t s;

	for (s = 0; s < 2 * ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_started(state, sizes[s / 2], layout | rig_way(s % 2));

		/* A driver begins without calls, a device with kicks. */
		assert_int_equal(rig_event(&rig->driver) >> 16, DISABLE);
		assert_int_equal(rig_event(&rig->device), ENABLE);
		for (round = 0, at = 0; round < 100; round++, at += n) {
			n = 1 + round % rig->size;
			check_driver_armed(rig, at);
			check_device_armed(rig, at);
			if (round % 3 == 0) {
				ring_drv_disarm(&rig->drv);
				ring_dev_disarm(&rig->dev);
				assert_int_equal(rig_event(&rig->driver) >> 16, DISABLE);
				assert_int_equal(rig_event(&rig->device) >> 16, DISABLE);
			}
			stage(rig, n);
			assert_int_equal(ring_drv_publish(&rig->drv), round % 3 != 0);
			/* Popped, then pushed as well, then shown: neither place moves by that. */
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			check_device_armed(rig, at + n);
			if (round % 3 == 0)
				ring_dev_disarm(&rig->dev);
			ring_dev_push(&rig->dev, &rig->c, rig->c.in_len);
			assert_int_equal(ring_dev_flush(&rig->dev), round % 3 != 0);
			check_driver_armed(rig, at);
			check_device_armed(rig, at + n);
			drain(rig);
		}
	}
}
RIG_PACKED_ONLY(arms_and_disarms)

/* Of what is staged all is written but the first, without which none of it is there. */
static void staged_is_not_visible(void **state, u64 layout)
{
	static const u32 sizes[] = { 5, 7, 8 };
	u32 at, i;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_started(state, sizes[s], layout);
		struct ring_chain c[3];
		struct ring_iov iov[3][RIG_SEGS];
		struct ring_done done;

		for (at = 0; at < 10 * sizes[s]; at += 4) {
			const u64 before = shared_load64(rig_rest_word(rig, at));

			/* Chains of two, one and one. */
			for (i = 0; i < 3; i++) {
				stage(rig, i ? 1 : 2);
				c[i].iov = iov[i];
			}
			assert_true(shared_load64(rig_rest_word(rig, at)) == before);
			for (i = 1; i < 4; i++)
				assert_int_equal(rig_flags(rig, at + i) & 0x8080,
						 rig_marks(rig, at + i, false));
			assert_int_equal(ring_dev_pop(&rig->dev, &c[0]), 0);
			ring_drv_show(&rig->drv);
			assert_int_equal(rig_flags(rig, at) & 0x8080, rig_marks(rig, at, false));

			for (i = 0; i < 3; i++)
				assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
			for (i = 0; i < 3; i++)
				ring_dev_push(&rig->dev, &c[i], 0);
			assert_int_equal(rig_flags(rig, at) & 0x8080, rig_marks(rig, at, false));
			assert_int_equal(rig_flags(rig, at + 2) & 0x8080,
					 rig_marks(rig, at + 2, true));
			assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
			ring_dev_show(&rig->dev);
			for (i = 0; i < 4; i++)
				assert_int_equal(rig_flags(rig, at + i) & 0x8080,
						 rig_marks(rig, at + i, i != 1));
			for (i = 0; i < 3; i++)
				assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		}
	}
}
RIG_PACKED_ONLY(staged_is_not_visible)

/* The queue's number, the place of the next descriptor (virtio 1.2, 2.9.1). */
static void kick_data_is_the_next_place(void **state, u64 layout)
{
	u32 size, at, n, round;

	for (size = 1; size; size = rig_next_size(size, layout)) {
		struct rig *rig = rig_started(state, size, layout);

		for (at = 0, round = 0; at < 3 * size && round < 200; round++, at += n) {
			n = 1 + round % min_t(u32, size, 16);
			assert_true(ring_drv_kick_data(&rig->drv, 5) ==
				    (5 | (u32)rig_off_wrap(rig, at) << 16));
			stage(rig, n);
			/* What is staged only does not count. */
			assert_true(ring_drv_kick_data(&rig->drv, 5) ==
				    (5 | (u32)rig_off_wrap(rig, at) << 16));
			ring_drv_publish(&rig->drv);
			assert_true(ring_drv_kick_data(&rig->drv, 0xffff) ==
				    (0xffff | (u32)rig_off_wrap(rig, at + n) << 16));
			serve(rig, 1);
			ring_dev_flush(&rig->dev);
			drain(rig);
		}
	}
}
RIG_PACKED_ONLY(kick_data_is_the_next_place)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_PACKED_ONLY("kick and call follow the flags", flags_are_followed),
		RIG_TEST_PACKED_ONLY("kick and call are due at a place", due_at_a_place),
		RIG_TEST_PACKED_ONLY("kick and call are due within a chain", due_within_a_chain),
		RIG_TEST_PACKED_ONLY("kick and call are due in what was shown before",
				     due_in_what_was_shown_before),
		RIG_TEST_PACKED_ONLY("both sides arm and disarm on the wire", arms_and_disarms),
		RIG_TEST_PACKED_ONLY("staged is not visible", staged_is_not_visible),
		RIG_TEST_PACKED_ONLY("kick data is the next place", kick_data_is_the_next_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
