// SPDX-License-Identifier: GPL-2.0
/*
 * When a notification is due: exactly when the specification says (virtio 1.2,
 * 2.7.7 and 2.7.10), with flags and with event indices, on the wire and by the
 * answers of publish(), flush() and arm(). rig_event_due() is the model: it counts.
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

static void arm_says_when_work_came_in(void **state)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_new(state, 8, rig_way(way));
		struct ring_done done;

		rig_start_drv(rig);
		rig_start_dev(rig, 0);
		assert_false(ring_dev_arm(&rig->dev));
		rig_add_in(rig, 4, rig_cookie(0));
		assert_false(ring_dev_arm(&rig->dev));
		rig_add_in(rig, 4, rig_cookie(1));
		ring_drv_publish(&rig->drv);
		assert_true(ring_dev_arm(&rig->dev));
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		/* One is left, although avail.idx did not move since. */
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
		RIG_TEST("arm says when work came in", arm_says_when_work_came_in),
		RIG_TEST("staged is not visible", staged_is_not_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
