// SPDX-License-Identifier: GPL-2.0
/*
 * When a notification is due: exactly when the specification says (virtio 1.2,
 * 2.7.7 and 2.7.10), with flags and with event indices, on the wire and by the
 * answers of publish(), flush() and arm(). rig_event_due() is the model: it counts.
 * Here is the split ring, and what is the same in both layouts; packed_notify.c looks at
 * the event structures of a packed one.
 */
#include "rig.h"

static void event_passed_agrees_with_counting(void **state)
{
	static const u16 steps[] = { 0, 1, 2, 3, 255, 256, 32767, 32768 };
	static const u16 olds[] = { 0, 1, 0x7ffe, 0x7fff, 0x8000, 0xfffe, 0xffff };
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (j = 0; j < ARRAY_SIZE(olds); j++) {
			const u16 old = olds[j], new = (u16)(old + steps[i]);
			u32 event, due = 0;

			for (event = 0; event < 0x10000; event++)
				due += ring_event_passed((u16)event, new, old);
			assert_int_equal(due, steps[i]);
			for (event = 0; event < 40; event++) {
				const u16 near = (u16)(old - 20 + event);

				assert_int_equal(ring_event_passed(near, new, old),
						 rig_event_due(near, new, old));
			}
		}
	}
}

static void kick_follows_the_flag(void **state)
{
	struct rig *rig = rig_new(state, 8, 0);

	rig_start_drv(rig);
	assert_false(ring_drv_publish(&rig->drv));
	rig_add_in(rig, 4, rig_cookie(0));
	assert_true(ring_drv_publish(&rig->drv));
	assert_false(ring_drv_publish(&rig->drv));
	shared_store16(&rig_used(rig)->flags, VRING_USED_F_NO_NOTIFY);
	rig_add_in(rig, 4, rig_cookie(1));
	assert_false(ring_drv_publish(&rig->drv));
	/* avail_event means nothing without EVENT_IDX. */
	shared_store16(rig_avail_event(rig), 2);
	rig_add_in(rig, 4, rig_cookie(2));
	assert_false(ring_drv_publish(&rig->drv));
	shared_store16(&rig_used(rig)->flags, 0);
	rig_add_in(rig, 4, rig_cookie(3));
	assert_true(ring_drv_publish(&rig->drv));
}

static void kick_follows_avail_event(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(1));
	struct ring_done done;
	u16 idx = 0;
	u32 i, j, n;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	/* The flag means nothing with EVENT_IDX. */
	shared_store16(&rig_used(rig)->flags, VRING_USED_F_NO_NOTIFY);
	for (i = 0; i < 20000; i++) {
		const u16 event = (u16)(idx + i % 23 - 11);

		n = 1 + i % 8;
		for (j = 0; j < n; j++)
			assert_true(rig_add_in(rig, 4, rig_cookie(j)) >= 0);
		shared_store16(rig_avail_event(rig), event);
		assert_int_equal(ring_drv_publish(&rig->drv),
				 rig_event_due(event, (u16)(idx + n), idx));
		assert_false(ring_drv_publish(&rig->drv));
		idx = (u16)(idx + n);
		for (j = 0; j < n; j++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			ring_dev_push(&rig->dev, &rig->c, 0);
		}
		ring_dev_flush(&rig->dev);
		while (ring_drv_poll(&rig->drv, &done) > 0)
			;
	}
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
}

/* Offer and take @n chains, completed but not flushed. */
static void complete(struct rig *rig, u32 n)
{
	while (n--) {
		assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 0);
	}
}

static void call_follows_the_flag(void **state)
{
	struct rig *rig = rig_new(state, 8, 0);

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	assert_false(ring_dev_flush(&rig->dev));
	complete(rig, 1);
	shared_store16(&rig_avail(rig)->flags, 0);
	assert_true(ring_dev_flush(&rig->dev));
	assert_false(ring_dev_flush(&rig->dev));
	complete(rig, 1);
	shared_store16(&rig_avail(rig)->flags, VRING_AVAIL_F_NO_INTERRUPT);
	assert_false(ring_dev_flush(&rig->dev));
	complete(rig, 1);
	shared_store16(rig_used_event(rig), 2);
	assert_false(ring_dev_flush(&rig->dev));
	complete(rig, 1);
	shared_store16(&rig_avail(rig)->flags, 0);
	assert_true(ring_dev_flush(&rig->dev));
}

static void call_follows_used_event(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(1));
	struct ring_done done;
	u16 idx = 0;
	u32 i, n;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	shared_store16(&rig_avail(rig)->flags, VRING_AVAIL_F_NO_INTERRUPT);
	for (i = 0; i < 20000; i++) {
		const u16 event = (u16)(idx + i % 23 - 11);

		n = 1 + i % 8;
		complete(rig, n);
		shared_store16(rig_used_event(rig), event);
		assert_int_equal(ring_dev_flush(&rig->dev),
				 rig_event_due(event, (u16)(idx + n), idx));
		assert_false(ring_dev_flush(&rig->dev));
		idx = (u16)(idx + n);
		while (ring_drv_poll(&rig->drv, &done) > 0)
			;
	}
}

static void driver_arms_and_disarms_on_the_wire(void **state)
{
	struct rig *rig = rig_new(state, 8, 0);
	struct ring_done done;
	u32 i;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 3; i++) {
		assert_false(ring_drv_arm(&rig->drv));
		assert_int_equal(shared_load16(&rig_avail(rig)->flags), 0);
		ring_drv_disarm(&rig->drv);
		assert_int_equal(shared_load16(&rig_avail(rig)->flags),
				 VRING_AVAIL_F_NO_INTERRUPT);
	}

	rig = rig_new(state, 8, rig_way(1));
	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 70000; i++) {
		assert_false(ring_drv_arm(&rig->drv));
		assert_int_equal(shared_load16(rig_used_event(rig)), (u16)i);
		/* flags stay 0 (virtio 1.2, 2.7.7.1). */
		assert_int_equal(shared_load16(&rig_avail(rig)->flags), 0);
		if (i % 3) {
			ring_drv_disarm(&rig->drv);
			assert_int_equal(shared_load16(&rig_avail(rig)->flags), 0);
		}
		complete(rig, 1);
		assert_int_equal(ring_dev_flush(&rig->dev), i % 3 == 0);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	}
}

static void device_arms_and_disarms_on_the_wire(void **state)
{
	struct rig *rig = rig_new(state, 8, 0);
	struct ring_done done;
	u32 i;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 3; i++) {
		assert_false(ring_dev_arm(&rig->dev));
		assert_int_equal(shared_load16(&rig_used(rig)->flags), 0);
		ring_dev_disarm(&rig->dev);
		assert_int_equal(shared_load16(&rig_used(rig)->flags), VRING_USED_F_NO_NOTIFY);
	}

	rig = rig_new(state, 8, rig_way(1));
	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 70000; i++) {
		assert_false(ring_dev_arm(&rig->dev));
		assert_int_equal(shared_load16(rig_avail_event(rig)), (u16)i);
		assert_int_equal(shared_load16(&rig_used(rig)->flags), 0);
		if (i % 3) {
			ring_dev_disarm(&rig->dev);
			assert_int_equal(shared_load16(&rig_used(rig)->flags), 0);
		}
		assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
		assert_int_equal(ring_drv_publish(&rig->drv), i % 3 == 0);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 0);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	}
}

static void arm_says_when_work_came_in(void **state, u64 layout)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_started(state, 8, layout | rig_way(way));
		struct ring_done done;

		assert_false(ring_dev_arm(&rig->dev));
		rig_add_in(rig, 4, rig_cookie(0));
		assert_false(ring_dev_arm(&rig->dev));
		rig_add_in(rig, 4, rig_cookie(1));
		ring_drv_publish(&rig->drv);
		assert_true(ring_dev_arm(&rig->dev));
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		/* One is left, although the driver has shown nothing since. */
		assert_true(ring_dev_arm(&rig->dev));
		ring_dev_push(&rig->dev, &rig->c, 0);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_false(ring_dev_arm(&rig->dev));
		ring_dev_unpop(&rig->dev, &rig->c);
		assert_true(ring_dev_arm(&rig->dev));
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 0);

		assert_false(ring_drv_arm(&rig->drv));
		assert_false(ring_drv_pending(&rig->drv));
		ring_dev_flush(&rig->dev);
		assert_true(ring_drv_pending(&rig->drv));
		assert_true(ring_drv_arm(&rig->drv));
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_true(ring_drv_pending(&rig->drv));
		assert_true(ring_drv_arm(&rig->drv));
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_false(ring_drv_pending(&rig->drv));
		assert_false(ring_drv_arm(&rig->drv));
	}
}
RIG_ANY(arm_says_when_work_came_in)

/* Stage, and let the device have, @n chains of a buffer. */
static void stage(struct rig *rig, u32 n)
{
	while (n--)
		assert_true(rig_add_in(rig, 4, rig_cookie(n)) >= 0);
}

static void serve(struct rig *rig, u32 n)
{
	while (n--) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 4);
	}
}

static void drain(struct rig *rig, u32 n)
{
	struct ring_done done;

	while (n--)
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
}

/* A call comes with the completion after half of what was in flight, and not before. */
static void arm_later_waits_for_half(void **state)
{
	struct rig *rig = rig_started(state, 64, rig_way(1));
	u32 round, n, i;

	for (round = 0; round < 4000; round++) {
		n = 1 + round % 64;
		stage(rig, n);
		ring_drv_publish(&rig->drv);
		assert_false(ring_drv_arm_later(&rig->drv));
		for (i = 0; i < n; i++) {
			serve(rig, 1);
			assert_int_equal(ring_dev_flush(&rig->dev),
					 i == (n < RING_LATER ? 0 : n / 2));
		}
		/* All are complete: there is nothing to wait for. */
		assert_true(ring_drv_arm_later(&rig->drv));
		drain(rig, n);
		ring_drv_disarm(&rig->drv);
	}
}

/* What completed before it was asked for is told, if it is enough; else a call comes. */
static void arm_later_says_when_enough_came_in(void **state)
{
	struct rig *rig = rig_started(state, 64, rig_way(1));
	u32 done;

	/* Who cannot wait after all asks again. */
	stage(rig, 64);
	ring_drv_publish(&rig->drv);
	assert_false(ring_drv_arm_later(&rig->drv));
	assert_false(ring_drv_arm(&rig->drv));
	serve(rig, 1);
	assert_true(ring_dev_flush(&rig->dev));
	serve(rig, 63);
	ring_dev_flush(&rig->dev);
	drain(rig, 64);
	ring_drv_disarm(&rig->drv);

	for (done = 0; done <= 64; done++) {
		stage(rig, 64);
		ring_drv_publish(&rig->drv);
		serve(rig, done);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_arm_later(&rig->drv), done > 32);
		serve(rig, 64 - done);
		assert_int_equal(ring_dev_flush(&rig->dev), done <= 32);
		drain(rig, 64);
		ring_drv_disarm(&rig->drv);
	}
}

/* Where completions cannot be counted it is the next one. */
static void arm_later_is_arm_elsewhere(void **state)
{
	const u64 layouts[] = {
		rig_way(0), BIT_ULL(VIRTIO_F_RING_PACKED) | rig_way(0),
		BIT_ULL(VIRTIO_F_RING_PACKED) | rig_way(1),
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct rig *rig = rig_started(state, 64, layouts[i]);

		stage(rig, 40);
		ring_drv_publish(&rig->drv);
		assert_false(ring_drv_arm_later(&rig->drv));
		serve(rig, 1);
		assert_true(ring_dev_flush(&rig->dev));
		assert_true(ring_drv_arm_later(&rig->drv));
		ring_drv_break(&rig->drv, RING_STALLED);
		assert_false(ring_drv_arm_later(&rig->drv));
	}
}

/*
 * show() makes visible and asks nothing; publish() and flush() then ask for all that was
 * shown since the last question: the event is armed before the first of them.
 */
static void show_is_asked_for_later(void **state, u64 layout)
{
	u32 round, shows, i;
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_started(state, 16, layout | rig_way(way));

		for (round = 0; round < 20000; round++) {
			const bool armed = round % 3;

			shows = round % 5;
			ring_dev_disarm(&rig->dev);
			ring_drv_disarm(&rig->drv);
			if (armed) {
				assert_false(ring_dev_arm(&rig->dev));
				assert_false(ring_drv_arm(&rig->drv));
			}
			for (i = 0; i < shows; i++) {
				stage(rig, 1 + i % 2);
				ring_drv_show(&rig->drv);
				serve(rig, 1 + i % 2);
			}
			stage(rig, round % 2);
			assert_int_equal(ring_drv_publish(&rig->drv),
					 armed && (shows || round % 2));
			assert_false(ring_drv_publish(&rig->drv));
			serve(rig, round % 2);
			ring_dev_show(&rig->dev);
			assert_int_equal(ring_dev_flush(&rig->dev), armed && (shows || round % 2));
			assert_false(ring_dev_flush(&rig->dev));
			drain(rig, shows + shows / 2 + round % 2);
		}
	}
}
RIG_ANY(show_is_asked_for_later)

/* However much is shown without a question: the event is among it. */
static void unasked_for_a_round_and_more(void **state, u64 layout)
{
	static const u32 rounds[] = { 1, 2, 7, 8, 15, 16, 17, 65535, 65536, 65537, 131072, 140000 };
	size_t i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(rounds); i++) {
		struct rig *rig = rig_started(state, 8, layout | RIG_EVENT);

		assert_false(ring_dev_arm(&rig->dev));
		assert_false(ring_drv_arm(&rig->drv));
		for (n = 0; n < rounds[i]; n++) {
			stage(rig, 1);
			ring_drv_show(&rig->drv);
			serve(rig, 1);
			ring_dev_show(&rig->dev);
			drain(rig, 1);
		}
		assert_true(ring_drv_publish(&rig->drv));
		assert_true(ring_dev_flush(&rig->dev));
		assert_false(ring_drv_publish(&rig->drv));
		assert_false(ring_dev_flush(&rig->dev));
	}
}
RIG_ANY(unasked_for_a_round_and_more)

/* Neither shows anything, nor asks, when nothing is staged. */
static void show_of_nothing(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout);

	ring_drv_show(&rig->drv);
	assert_false(ring_drv_publish(&rig->drv));
	ring_dev_show(&rig->dev);
	assert_false(ring_dev_flush(&rig->dev));
	stage(rig, 1);
	ring_drv_show(&rig->drv);
	ring_drv_show(&rig->drv);
	assert_true(ring_drv_publish(&rig->drv));
	assert_false(ring_drv_publish(&rig->drv));
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	ring_dev_show(&rig->dev);
	assert_false(ring_dev_flush(&rig->dev));
}
RIG_ANY(show_of_nothing)

/* The queue's number, and the next avail index in the upper half (virtio 1.2, 2.9.1). */
static void kick_data_of_a_split_queue(void **state)
{
	struct rig *rig = rig_started(state, 8, 0);
	u32 i;

	for (i = 0; i < 140000; i++) {
		assert_true(ring_drv_kick_data(&rig->drv, 3) == (3 | (u32)(u16)i << 16));
		stage(rig, 1);
		assert_true(ring_drv_kick_data(&rig->drv, 0xffff) ==
			    (0xffff | (u32)(u16)i << 16));
		ring_drv_publish(&rig->drv);
		serve(rig, 1);
		ring_dev_flush(&rig->dev);
		drain(rig, 1);
	}
}

static void staged_is_not_visible(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	rig_add_in(rig, 4, rig_cookie(0));
	rig_add_in(rig, 4, rig_cookie(1));
	assert_int_equal(shared_load16(&rig_avail(rig)->idx), 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(shared_load16(&rig_avail(rig)->idx), 2);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	ring_dev_push(&rig->dev, &rig->c, 0);
	assert_int_equal(shared_load16(&rig_used(rig)->idx), 0);
	ring_dev_flush(&rig->dev);
	assert_int_equal(shared_load16(&rig_used(rig)->idx), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("event_passed agrees with counting", event_passed_agrees_with_counting),
		RIG_TEST("kick follows the flag", kick_follows_the_flag),
		RIG_TEST("kick follows avail_event", kick_follows_avail_event),
		RIG_TEST("call follows the flag", call_follows_the_flag),
		RIG_TEST("call follows used_event", call_follows_used_event),
		RIG_TEST("driver arms and disarms on the wire",
			 driver_arms_and_disarms_on_the_wire),
		RIG_TEST("device arms and disarms on the wire",
			 device_arms_and_disarms_on_the_wire),
		RIG_TEST_ANY("arm says when work came in", arm_says_when_work_came_in),
		RIG_TEST("arm_later waits for half", arm_later_waits_for_half),
		RIG_TEST("arm_later says when enough came in", arm_later_says_when_enough_came_in),
		RIG_TEST("arm_later is arm elsewhere", arm_later_is_arm_elsewhere),
		RIG_TEST_ANY("what is shown is asked for later", show_is_asked_for_later),
		RIG_TEST_ANY("unasked for a round and more", unasked_for_a_round_and_more),
		RIG_TEST_ANY("to show nothing is nothing", show_of_nothing),
		RIG_TEST("kick data of a split queue", kick_data_of_a_split_queue),
		RIG_TEST("staged is not visible", staged_is_not_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
