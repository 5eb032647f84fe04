// SPDX-License-Identifier: GPL-2.0
/*
 * How often each call touches shared memory, and where: every field that the other side
 * can write is loaded once, every one that is written is written by one store, and what a
 * half wrote itself it never looks at again. Cases 8, 9, 10, 14 and 16 of ATTACKS.md,
 * without the luck that a thread needs which rewrites what is read.
 */
#include "exchange.h"
#include "touches.h"

static void expect(u32 desc, u32 driver, u32 device)
{
	assert_int_equal(touches.count[TOUCH_DESC], desc);
	assert_int_equal(touches.count[TOUCH_DRIVER], driver);
	assert_int_equal(touches.count[TOUCH_DEVICE], device);
	assert_int_equal(touches.count[TOUCH_TABLE], 0);
}

/* The halves with @chains of one buffer under way: published, popped, pushed and shown. */
static struct rig *rig_with(void **state, u64 features, u32 chains)
{
	struct rig *rig = rig_started(state, 8, features);
	u32 i;

	exchange_one(rig, 4);
	for (i = 0; i < chains; i++)
		assert_true(rig_add_in(rig, 4, rig_cookie(i)) >= 0);
	ring_drv_publish(&rig->drv);
	for (i = 0; i < chains; i++) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 4);
	}
	ring_dev_flush(&rig->dev);
	return rig;
}

/* ---- the driver half --------------------------------------------------------- */

/* A used element is one load of 8 bytes, behind one of the index; used.idx says how many. */
static void case08_poll_loads_a_used_element_once(void **state)
{
	struct rig *rig = rig_with(state, 0, 2);
	struct ring_done done;

	assert_int_equal(TOUCHES_OF(rig, ring_drv_poll(&rig->drv, &done)), 1);
	expect(0, 0, 2);
	assert_int_equal(touches.first[TOUCH_DEVICE], 2);
	assert_int_equal(TOUCHES_OF(rig, ring_drv_poll(&rig->drv, &done)), 1);
	expect(0, 0, 1);
	assert_int_equal(touches.first[TOUCH_DEVICE], 4 + 8 * 2);
	assert_int_equal(TOUCHES_OF(rig, ring_drv_poll(&rig->drv, &done)), 0);
	expect(0, 0, 1);
	assert_int_equal(touches.first[TOUCH_DEVICE], 2);
}

/* Flags, id and length are one load, and nothing else of the ring is looked at. */
static void case14_poll_loads_a_used_descriptor_once(void **state)
{
	struct rig *rig = rig_with(state, RIG_PACKED, 2);
	struct ring_done done;
	u32 i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(TOUCHES_OF(rig, ring_drv_poll(&rig->drv, &done)), i < 2);
		expect(1, 0, 0);
		assert_int_equal(touches.first[TOUCH_DESC], 16 * (1 + i) + 8);
	}
}

/* One completion for two chains: the second comes out of private memory. */
static void case17_poll_loads_a_batch_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout, 2);
	struct ring_done done;

	assert_int_equal(TOUCHES_OF(rig, ring_drv_poll(&rig->drv, &done)), 1);
	expect(rig_packed(rig), 0, rig_packed(rig) ? 0 : 2);
	assert_int_equal(TOUCHES_OF(rig, ring_drv_pending(&rig->drv)), true);
	expect(0, 0, 0);
	assert_int_equal(TOUCHES_OF(rig, ring_drv_poll(&rig->drv, &done)), 1);
	expect(0, 0, 0);
}
RIG_IN_ORDER(case17_poll_loads_a_batch_once)

static void pending_is_one_load(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout, 0);

	assert_int_equal(TOUCHES_OF(rig, ring_drv_pending(&rig->drv)), false);
	expect(rig_packed(rig), 0, !rig_packed(rig));
}
RIG_ANY(pending_is_one_load)

/* One store shows all, one load asks: the flags, avail_event or the event structure. */
static void case16_publish_loads_an_event_once(void **state, u64 layout)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_with(state, layout | rig_way(way), 0);
		const bool packed = rig_packed(rig);

		assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
		assert_true(rig_add_in(rig, 4, rig_cookie(1)) >= 0);
		TOUCHES_OF(rig, ring_drv_publish(&rig->drv));
		expect(packed ? 2 : 0, !packed, 1);
		assert_int_equal(touches.first[TOUCH_DEVICE],
				 packed || !way ? 0 : 4 + 8 * rig->size);
		assert_int_equal(TOUCHES_OF(rig, ring_drv_publish(&rig->drv)), false);
		expect(0, 0, 0);
	}
}
RIG_ANY(case16_publish_loads_an_event_once)

/* Of a packed ring both words of the first descriptor, the one with the flags last. */
static void show_is_of_the_first_chain(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout, 0);

	assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
	assert_true(rig_add_in(rig, 4, rig_cookie(1)) >= 0);
	TOUCHES_OF(rig, (ring_drv_show(&rig->drv), 0));
	expect(rig_packed(rig) ? 2 : 0, !rig_packed(rig), 0);
	if (rig_packed(rig))
		assert_int_equal(touches.first[TOUCH_DESC], 16 * 1);
	else
		assert_int_equal(touches.first[TOUCH_DRIVER], 2);
}
RIG_ANY(show_is_of_the_first_chain)

/* Two words a descriptor; of a packed ring the first one's are held back. */
static void add_writes_each_word_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout, 0);
	const bool packed = rig_packed(rig);

	assert_true(TOUCHES_OF(rig, rig_add(rig, five, 2, 1, rig_cookie(0))) >= 0);
	expect(packed ? 4 : 6, packed ? 0 : 1, 0);
	assert_true(TOUCHES_OF(rig, rig_add(rig, five, 1, 1, rig_cookie(0))) >= 0);
	expect(4, packed ? 0 : 1, 0);
}
RIG_ANY(add_writes_each_word_once)

static void drv_arm_is_one_store_and_one_load(void **state, u64 layout)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_with(state, layout | rig_way(way), 0);
		const bool packed = rig_packed(rig);

		assert_int_equal(TOUCHES_OF(rig, ring_drv_arm(&rig->drv)), false);
		expect(packed, 1, !packed);
		TOUCHES_OF(rig, (ring_drv_disarm(&rig->drv), 0));
		expect(0, 1, 0);
		TOUCHES_OF(rig, (ring_drv_disarm(&rig->drv), 0));
		expect(0, 0, 0);
	}
}
RIG_ANY(drv_arm_is_one_store_and_one_load)

/* ---- the device half --------------------------------------------------------- */

/* Two words a descriptor; of a split ring also the index, once for all, and the entry. */
static void pop_loads_a_descriptor_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout, 0);
	const bool packed = rig_packed(rig);

	assert_true(rig_add(rig, five, 1, 0, rig_cookie(0)) >= 0);
	assert_true(rig_add(rig, five, 2, 1, rig_cookie(1)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(TOUCHES_OF(rig, ring_dev_pop(&rig->dev, &rig->c)), 1);
	expect(2, packed ? 0 : 2, 0);
	assert_int_equal(TOUCHES_OF(rig, ring_dev_pop(&rig->dev, &rig->c)), 1);
	expect(6, packed ? 0 : 1, 0);
	assert_int_equal(rig->c.count, 3);
	assert_int_equal(TOUCHES_OF(rig, ring_dev_pop(&rig->dev, &rig->c)), 0);
	expect(packed, !packed, 0);
}
RIG_ANY(pop_loads_a_descriptor_once)

/* Of a table likewise, and the descriptor that names it. */
static void pop_loads_a_table_once(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout | RIG_INDIRECT, 0);
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 5 };
	const struct ring_buf buf = { .seg = five, .out = 2, .in = 3, .table = &table };

	assert_true(ring_drv_add(&rig->drv, &buf, rig_cookie(0)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(TOUCHES_OF(rig, ring_dev_pop(&rig->dev, &rig->c)), 1);
	assert_int_equal(touches.count[TOUCH_DESC], 2);
	assert_int_equal(touches.count[TOUCH_TABLE], 10);
	assert_int_equal(touches.count[TOUCH_DEVICE], 0);
	check_five(rig, 2);
}
RIG_ANY(pop_loads_a_table_once)

static void flush_loads_an_event_once(void **state, u64 layout)
{
	unsigned int way;
	u32 i;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_with(state, layout | rig_way(way), 0);
		const bool packed = rig_packed(rig), held = rig_ordered(rig);

		for (i = 0; i < 2; i++)
			assert_true(rig_add_in(rig, 4, rig_cookie(i)) >= 0);
		ring_drv_publish(&rig->drv);
		for (i = 0; i < 2; i++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			TOUCHES_OF(rig, (ring_dev_push(&rig->dev, &rig->c, 4), 0));
			/* In order it waits for more; packed, the first is held back. */
			expect(packed && !held && i, 0, packed || held ? 0 : 2);
		}
		TOUCHES_OF(rig, ring_dev_flush(&rig->dev));
		expect(packed, 1, packed ? 0 : held ? 3 : 1);
		assert_int_equal(touches.first[TOUCH_DRIVER],
				 packed || !way ? 0 : 4 + 2 * rig->size);
		assert_int_equal(TOUCHES_OF(rig, ring_dev_flush(&rig->dev)), false);
		expect(0, 0, 0);
	}
}
RIG_ANY(flush_loads_an_event_once)

static void dev_arm_is_one_store_and_one_load(void **state, u64 layout)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_with(state, layout | rig_way(way), 0);
		const bool packed = rig_packed(rig);

		assert_int_equal(TOUCHES_OF(rig, ring_dev_arm(&rig->dev)), false);
		expect(packed, !packed, 1);
		TOUCHES_OF(rig, (ring_dev_disarm(&rig->dev), 0));
		expect(0, 0, 1);
		TOUCHES_OF(rig, (ring_dev_disarm(&rig->dev), 0));
		expect(0, 0, 0);
	}
}
RIG_ANY(dev_arm_is_one_store_and_one_load)

/* What needs no shared memory: giving back, and saying where one is. */
static void some_calls_touch_nothing(void **state, u64 layout)
{
	struct rig *rig = rig_with(state, layout, 0);
	struct ring_done done;

	assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	TOUCHES_OF(rig, (ring_dev_unpop(&rig->dev, &rig->c), 0));
	expect(0, 0, 0);
	TOUCHES_OF(rig, ring_dev_base(&rig->dev));
	expect(0, 0, 0);
	TOUCHES_OF(rig, ring_drv_kick_data(&rig->drv, 0));
	expect(0, 0, 0);
	assert_true(TOUCHES_OF(rig, ring_drv_detach(&rig->drv, &done)));
	expect(0, 0, 0);
}
RIG_ANY(some_calls_touch_nothing)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("case 08: poll loads a used element once, split",
			 case08_poll_loads_a_used_element_once),
		RIG_TEST("case 14: poll loads a used descriptor once, packed",
			 case14_poll_loads_a_used_descriptor_once),
		RIG_TEST_ANY("case 16: publish loads an event once",
			     case16_publish_loads_an_event_once),
		RIG_TEST_IN_ORDER("case 17: poll loads a batch once",
				  case17_poll_loads_a_batch_once),
		RIG_TEST_ANY("pending is one load", pending_is_one_load),
		RIG_TEST_ANY("to show is to store what makes the first chain seen",
			     show_is_of_the_first_chain),
		RIG_TEST_ANY("add writes each word once", add_writes_each_word_once),
		RIG_TEST_ANY("the driver arms by one store and one load",
			     drv_arm_is_one_store_and_one_load),
		RIG_TEST_ANY("pop loads a descriptor once", pop_loads_a_descriptor_once),
		RIG_TEST_ANY("pop loads a table once", pop_loads_a_table_once),
		RIG_TEST_ANY("flush loads an event once", flush_loads_an_event_once),
		RIG_TEST_ANY("the device arms by one store and one load",
			     dev_arm_is_one_store_and_one_load),
		RIG_TEST_ANY("some calls touch nothing", some_calls_touch_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
