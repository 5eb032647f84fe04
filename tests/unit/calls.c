// SPDX-License-Identifier: GPL-2.0
/*
 * Both halves of a virtqueue on one ring, in one thread, among honest people: what each
 * call promises, whatever the layout. How that looks in memory is in split.c, packed.c
 * and ordered.c. notify.c looks at notifications; model.c runs random calls beside a model
 * of what both halves owe; liars are in hostile_device.c and hostile_driver.c.
 */
#include "exchange.h"

/* ---- exchange ---------------------------------------------------------- */

static void full_ring_at_every_size(void **state, u64 layout)
{
	unsigned int way;
	u32 size;

	for (size = 1; size; size = rig_next_size(size, layout)) {
		for (way = 0; way < RIG_WAYS; way++) {
			struct rig *rig = rig_started(state, size, layout | rig_way(way));
			int round;

			/* Often enough that all indices wrap at the largest size. */
			for (round = 0; round < 3; round++)
				exchange_full(rig);
		}
	}
}
RIG_ANY(full_ring_at_every_size)

/* Others come and go, 2^16 of them and a few, while one request takes its time. */
static void slow_chain_outlives_a_round(struct rig *rig, u32 others, u32 unpublished)
{
	struct ring_chain slow = { .iov = rig->iov };
	struct ring_done done;
	u32 i;

	assert_true(rig_add_in(rig, 8, rig_cookie(0)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &slow), 1);
	for (i = 0; i < others; i++)
		exchange_one(rig, 1);
	for (i = 0; i < unpublished; i++)
		assert_true(rig_add_in(rig, 8, rig_cookie(2)) >= 0);
	ring_dev_push(&rig->dev, &slow, 7);
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(0));
	assert_int_equal(done.len, 7);
}

static void slow_chain_outlives_the_round_of_the_indices(void **state, u64 layout)
{
	u32 others, unpublished;

	for (others = 65533; others <= 65537; others++) {
		for (unpublished = 0; unpublished < 4; unpublished++) {
			struct rig *rig = rig_started(state, 8, layout | RIG_EVENT);

			slow_chain_outlives_a_round(rig, others, unpublished);
		}
	}
}
RIG_EITHER(slow_chain_outlives_the_round_of_the_indices)

/* Whatever was in the areas and in the halves before. */
static void init_starts_afresh(void **state, u64 layout)
{
	struct rig *rig = rig_new(state, 4, layout | RIG_EVENT | RIG_INDIRECT);
	struct ring_done done;
	size_t i;

	rig_fill(&rig->desc, 0, rig->desc.bytes, 0xff);
	rig_fill(&rig->driver, 0, rig->driver.bytes, 0xff);
	rig_fill(&rig->device, 0, rig->device.bytes, 0xff);
	rig_start_drv(rig);
	for (i = 0; i < rig->desc.bytes; i++)
		assert_int_equal(shared_load8((u8 __shared *)shared_at(rig->desc.at, i)), 0);
	for (i = 0; i < rig->device.bytes; i++)
		assert_int_equal(shared_load8((u8 __shared *)shared_at(rig->device.at, i)), 0);
	if (!rig_packed(rig))
		assert_int_equal(shared_load16(&rig_avail(rig)->idx), 0);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);

	assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
	ring_drv_break(&rig->drv, RING_CALLER);
	rig_start(rig);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	exchange_full(rig);
}
RIG_ANY(init_starts_afresh)

/* ---- chains ------------------------------------------------------------ */

static void direct_chain_arrives_whole(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout);
	struct ring_done done;
	u16 out;

	for (out = 0; out <= 5; out++) {
		assert_true(rig_add(rig, five, out, 5 - out, rig_cookie(out)) >= 0);
		assert_int_equal(ring_drv_num_free(&rig->drv), 3);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		check_five(rig, out);
		assert_int_equal(rig->c.count, 5);
		ring_dev_push(&rig->dev, &rig->c, rig->c.in_len);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_int_equal(done.len, rig->c.in_len);
		assert_int_equal(ring_drv_num_free(&rig->drv), 8);
	}
}
RIG_ANY(direct_chain_arrives_whole)

static void indirect_chain_takes_one_descriptor(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout | RIG_INDIRECT);
	const struct ring_table table = {
		.desc = rig_table(rig, 16), .bus = rig_table_bus(16), .num = 5,
	};
	struct ring_done done;
	u16 out;

	for (out = 0; out <= 5; out++) {
		const struct ring_buf buf = {
			.seg = five, .out = out, .in = 5 - out, .table = &table,
		};

		assert_true(ring_drv_add(&rig->drv, &buf, rig_cookie(out)) >= 0);
		assert_int_equal(ring_drv_num_free(&rig->drv), 7);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		check_five(rig, out);
		assert_int_equal(rig->c.count, 1);
		ring_dev_push(&rig->dev, &rig->c, rig->c.in_len);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_int_equal(done.len, rig->c.in_len);
		assert_int_equal(ring_drv_num_free(&rig->drv), 8);
	}
}
RIG_ANY(indirect_chain_takes_one_descriptor)

static void chain_of_the_whole_queue(void **state, u64 layout)
{
	struct ring_seg seg[RIG_SEGS];
	struct ring_done done;
	u32 size, round, i;

	for (i = 0; i < RIG_SEGS; i++)
		seg[i] = (struct ring_seg) { .bus = RIG_BUS_DATA + 64 * i, .len = 64 };
	for (size = 1; size <= RIG_SEGS; size = rig_next_size(size, layout)) {
		struct rig *rig = rig_started(state, size, layout);

		/* Not from the first descriptor on. */
		exchange_one(rig, 64);
		for (round = 0; round < 5; round++) {
			assert_true(rig_add(rig, seg, 1, (u16)(size - 1), rig_cookie(0)) >= 0);
			assert_int_equal(ring_drv_num_free(&rig->drv), 0);
			ring_drv_publish(&rig->drv);
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			assert_int_equal(rig->c.count, size);
			assert_int_equal(rig->c.in_len, 64 * (size - 1));
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
			ring_dev_push(&rig->dev, &rig->c, 64 * (size - 1));
			ring_dev_flush(&rig->dev);
			assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
			assert_int_equal(ring_drv_num_free(&rig->drv), size);
		}
		exchange_full(rig);
	}
}
RIG_ANY(chain_of_the_whole_queue)

/* ---- what add() refuses ------------------------------------------------ */

static void nothing_changed(struct rig *rig, u16 free)
{
	assert_int_equal(ring_drv_num_free(&rig->drv), free);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
	assert_false(ring_drv_publish(&rig->drv));
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
}

static void add_refuses_what_no_device_may_get(void **state, u64 layout)
{
	const struct ring_seg ok = { RIG_BUS_DATA, 8 };
	const struct ring_seg empty[2] = { { RIG_BUS_DATA, 8 }, { RIG_BUS_DATA, 0 } };
	const struct ring_seg huge[3] = {
		{ RIG_BUS_DATA, 0x80000000u }, { RIG_BUS_DATA, 0x7fffffffu }, { RIG_BUS_DATA, 2 },
	};
	struct ring_seg many[9];
	struct rig *rig = rig_new(state, 8, layout | RIG_INDIRECT);
	const struct ring_table small = { rig_table(rig, 0), rig_table_bus(0), 4 };
	const struct ring_table large = { rig_table(rig, 0), rig_table_bus(0), 64 };
	const struct {
		struct ring_buf buf;
		void *cookie;
	} bad[] = {
		{ { .seg = &ok }, many },
		{ { .seg = &ok, .in = 1 }, NULL },
		{ { .seg = empty, .out = 2 }, many },
		{ { .seg = empty, .in = 2 }, many },
		{ { .seg = empty, .in = 2, .table = &small }, many },
		{ { .seg = huge, .in = 3 }, many },
		{ { .seg = huge, .out = 3 }, many },
		{ { .seg = huge, .out = 2, .in = 1 }, many },
		{ { .seg = many, .in = 9 }, many },
		{ { .seg = many, .out = 4, .in = 5 }, many },
		{ { .seg = many, .out = 65535, .in = 65535 }, many },
		{ { .seg = many, .out = 65535, .in = 2 }, many },
		{ { .seg = many, .in = 5, .table = &small }, many },
		{ { .seg = many, .in = 9, .table = &large }, many },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = ok;
	rig_start(rig);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ring_drv_add(&rig->drv, &bad[i].buf, bad[i].cookie), -EINVAL);
		nothing_changed(rig, 8);
	}
	assert_true(rig_add(rig, huge, 1, 1, many) >= 0);
	assert_true(ring_drv_add(&rig->drv, &(struct ring_buf) { .seg = many, .in = 4,
				 .table = &small }, many) >= 0);
}
RIG_ANY(add_refuses_what_no_device_may_get)

static void indirect_needs_the_feature(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout | RIG_EVENT);
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 4 };
	const struct ring_buf buf = { .seg = five, .in = 2, .table = &table };

	assert_int_equal(ring_drv_add(&rig->drv, &buf, rig_cookie(0)), -EINVAL);
	nothing_changed(rig, 8);
}
RIG_ANY(indirect_needs_the_feature)

static void add_waits_for_free_descriptors(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout | RIG_INDIRECT);
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 5 };
	const struct ring_buf indirect = { .seg = five, .in = 5, .table = &table };
	struct ring_done done;

	assert_true(rig_add(rig, five, 5, 0, rig_cookie(0)) >= 0);
	assert_int_equal(rig_add(rig, five, 4, 0, rig_cookie(1)), -ENOSPC);
	assert_int_equal(ring_drv_num_free(&rig->drv), 3);
	assert_true(rig_add(rig, five, 2, 0, rig_cookie(1)) >= 0);
	assert_true(ring_drv_add(&rig->drv, &indirect, rig_cookie(2)) >= 0);
	assert_int_equal(ring_drv_num_free(&rig->drv), 0);
	assert_int_equal(ring_drv_add(&rig->drv, &indirect, rig_cookie(3)), -ENOSPC);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	ring_dev_push(&rig->dev, &rig->c, 0);
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(0));
	assert_int_equal(rig_add(rig, (struct ring_seg [6]) { { RIG_BUS_DATA, 1 },
				 { RIG_BUS_DATA, 1 }, { RIG_BUS_DATA, 1 }, { RIG_BUS_DATA, 1 },
				 { RIG_BUS_DATA, 1 }, { RIG_BUS_DATA, 1 } }, 6, 0, rig_cookie(4)),
			 -ENOSPC);
	assert_true(rig_add(rig, five, 0, 5, rig_cookie(4)) >= 0);
}
RIG_ANY(add_waits_for_free_descriptors)

/* ---- bound buffers ----------------------------------------------------- */

/* Posted in another order each round, where that is free. */
static void bound_buffers_go_round(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 4, layout | RIG_EVENT);
	struct ring_done done;
	u32 i, round;

	for (i = 0; i < 4; i++) {
		const struct ring_seg seg = { RIG_BUS_DATA + 1000 * i, 100 + i };

		assert_int_equal(ring_drv_bind(&rig->drv, (u16)i, &seg, true), 0);
	}
	for (round = 0; round < 20000; round++) {
		const u32 first = rig_ordered(rig) ? 0 : round;

		for (i = 0; i < 4; i++)
			assert_int_equal(ring_drv_post(&rig->drv, (u16)((i + first) % 4)), 0);
		assert_int_equal(ring_drv_post(&rig->drv, 1), -EBUSY);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_drv_post(&rig->drv, 1), -EBUSY);
		for (i = 0; i < 4; i++) {
			const u16 id = (u16)((i + first) % 4);

			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			assert_int_equal(rig->c.id, id);
			assert_int_equal(rig->c.in_len, 100 + id);
			assert_int_equal(rig->c.out, 0);
			assert_ptr_equal(shared_unmark(rig->iov[0].base),
					 shared_unmark(rig_data(rig, RIG_BUS_DATA + 1000 * id)));
			ring_dev_push(&rig->dev, &rig->c, 100 + id);
		}
		ring_dev_flush(&rig->dev);
		for (i = 0; i < 4; i++) {
			assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
			assert_null(done.cookie);
			assert_int_equal(done.id, (i + first) % 4);
			assert_int_equal(done.len, 100 + done.id);
		}
		assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	}
}
RIG_ANY(bound_buffers_go_round)

static void bound_readable_buffers_hold_nothing_writable(void **state, u64 layout)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 77 };
	struct rig *rig = rig_started(state, 2, layout);
	struct ring_done done;

	assert_int_equal(ring_drv_bind(&rig->drv, 0, &seg, false), 0);
	assert_int_equal(ring_drv_bind(&rig->drv, 1, &seg, false), 0);
	assert_int_equal(ring_drv_post(&rig->drv, 0), 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.out_len, 77);
	assert_int_equal(rig->c.in, 0);
	ring_dev_push(&rig->dev, &rig->c, 1);
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_USED_LEN);
}
RIG_ANY(bound_readable_buffers_hold_nothing_writable)

static void bind_and_post_refuse(void **state, u64 layout)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 }, empty = { RIG_BUS_DATA, 0 };
	struct rig *rig = rig_new(state, 4, layout);

	rig_start_drv(rig);
	assert_int_equal(ring_drv_bind(&rig->drv, 4, &seg, true), -EINVAL);
	assert_int_equal(ring_drv_bind(&rig->drv, 0xffff, &seg, true), -EINVAL);
	assert_int_equal(ring_drv_bind(&rig->drv, 0, &empty, true), -EINVAL);
	assert_int_equal(ring_drv_post(&rig->drv, 0), -EINVAL);
	assert_int_equal(ring_drv_bind(&rig->drv, 2, &seg, true), 0);
	assert_int_equal(ring_drv_bind(&rig->drv, 2, &seg, true), -EINVAL);
	assert_int_equal(ring_drv_post(&rig->drv, 0), -EINVAL);
	assert_int_equal(ring_drv_post(&rig->drv, 4), -EINVAL);
	assert_int_equal(ring_drv_post(&rig->drv, 0xffff), -EINVAL);
	assert_int_equal(rig_add_in(rig, 8, rig_cookie(0)), -EINVAL);
	assert_false(ring_drv_publish(&rig->drv));

	rig_start_drv(rig);
	assert_true(rig_add_in(rig, 8, rig_cookie(0)) >= 0);
	assert_int_equal(ring_drv_bind(&rig->drv, 3, &seg, true), -EINVAL);
	assert_int_equal(ring_drv_post(&rig->drv, 3), -EINVAL);
}
RIG_ANY(bind_and_post_refuse)

/* ---- giving back ------------------------------------------------------- */

/* The chains are of one, two and three descriptors. */
static void unpop_gives_chains_back_in_order(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout);
	struct ring_iov iov[3][RIG_SEGS];
	struct ring_chain c[3];
	struct ring_done done;
	u32 round, again, i, before;

	for (i = 0; i < 3; i++)
		c[i].iov = iov[i];
	for (round = 0; round < 20; round++) {
		before = ring_dev_base(&rig->dev);
		for (i = 0; i < 3; i++)
			assert_true(rig_add(rig, five + 2 - i, 0, (u16)(i + 1),
					    rig_cookie(i)) >= 0);
		ring_drv_publish(&rig->drv);
		for (again = 0; again < 4; again++) {
			for (i = 0; i < 3; i++) {
				assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
				assert_int_equal(c[i].in, i + 1);
				assert_int_equal(c[i].iov[0].len, five[2 - i].len);
			}
			assert_int_equal(ring_dev_in_flight(&rig->dev), 3);
			/* Some, or all, are popped once more in between. */
			for (i = 3; i > again % 3; i--)
				ring_dev_unpop(&rig->dev, &c[i - 1]);
			assert_int_equal(ring_dev_in_flight(&rig->dev), i);
			for (; i < 3; i++)
				assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
			for (; i > 0; i--)
				ring_dev_unpop(&rig->dev, &c[i - 1]);
			assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
			assert_true(ring_dev_base(&rig->dev) == before);
			assert_false(ring_dev_flush(&rig->dev));
		}
		for (i = 0; i < 3; i++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
			ring_dev_push(&rig->dev, &c[i], i);
		}
		/* Too late. */
		ring_dev_unpop(&rig->dev, &c[2]);
		assert_int_equal(ring_dev_pop(&rig->dev, &c[2]), 0);
		ring_dev_flush(&rig->dev);
		for (i = 0; i < 3; i++) {
			assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
			assert_ptr_equal(done.cookie, rig_cookie(i));
			assert_int_equal(done.len, i);
		}
	}
}
RIG_ANY(unpop_gives_chains_back_in_order)

static void detach_gives_each_chain_once(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 16, layout);
	struct ring_done done;
	u32 seen = 0, n = 0;
	u32 i;

	for (i = 0; i < 4; i++)
		assert_true(rig_add(rig, five, 1, 2, rig_cookie(i)) >= 0);
	ring_drv_publish(&rig->drv);
	for (i = 0; i < 2; i++) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 9);
	}
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(0));
	/* Staged and never published: also never completed. */
	assert_true(rig_add(rig, five, 1, 0, rig_cookie(4)) >= 0);

	while (ring_drv_detach(&rig->drv, &done)) {
		const u32 bit = 1u << ((uintptr_t)done.cookie - 1);

		assert_false(seen & bit);
		assert_int_equal(done.len, 0);
		seen |= bit;
		assert_true(++n <= 4);
	}
	assert_int_equal(seen, 0x1e);
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	assert_false(ring_drv_detach(&rig->drv, &done));
	/* And the half can be used again. */
	rig_start(rig);
	exchange_full(rig);
}
RIG_ANY(detach_gives_each_chain_once)

/* A ring that is all in flight, at every size. */
static void detach_gives_a_full_ring_once(void **state, u64 layout)
{
	struct ring_done done;
	u32 size, i;

	for (size = 1; size; size = rig_next_size(size, layout)) {
		struct rig *rig = rig_new(state, size, layout);
		u8 *seen = calloc(size, 1);

		assert_non_null(seen);
		rig_start(rig);
		exchange_one(rig, 1);
		for (i = 0; i < size; i++)
			assert_true(rig_add_in(rig, 1, rig_cookie(i)) >= 0);
		ring_drv_publish(&rig->drv);
		for (i = 0; i < size; i++) {
			assert_true(ring_drv_detach(&rig->drv, &done));
			assert_in_range((uintptr_t)done.cookie - 1, 0, size - 1);
			assert_int_equal(seen[(uintptr_t)done.cookie - 1]++, 0);
		}
		assert_false(ring_drv_detach(&rig->drv, &done));
		free(seen);
	}
}
RIG_ANY(detach_gives_a_full_ring_once)

static void detach_gives_bound_buffers_once(void **state, u64 layout)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 };
	struct rig *rig = rig_new(state, 8, layout);
	struct ring_done done;
	u32 seen = 0, posted = 0;
	u16 i;

	rig_start_drv(rig);
	assert_false(ring_drv_detach(&rig->drv, &done));
	rig_start_drv(rig);
	for (i = 0; i < 8; i++)
		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
	for (i = 0; i < 4; i++) {
		const u16 id = rig_ordered(rig) ? i : (u16)(2 * i);

		assert_int_equal(ring_drv_post(&rig->drv, id), 0);
		posted |= 1u << id;
	}
	ring_drv_publish(&rig->drv);
	while (ring_drv_detach(&rig->drv, &done)) {
		assert_null(done.cookie);
		assert_false(seen & 1u << done.id);
		seen |= 1u << done.id;
	}
	assert_int_equal(seen, posted);
}
RIG_ANY(detach_gives_bound_buffers_once)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_ANY("a full ring comes back at every size", full_ring_at_every_size),
		RIG_TEST_EITHER("a slow chain outlives the round of the indices",
				slow_chain_outlives_the_round_of_the_indices),
		RIG_TEST_ANY("init starts afresh", init_starts_afresh),
		RIG_TEST_ANY("a direct chain arrives whole", direct_chain_arrives_whole),
		RIG_TEST_ANY("an indirect chain takes one descriptor",
			     indirect_chain_takes_one_descriptor),
		RIG_TEST_ANY("a chain takes the whole queue", chain_of_the_whole_queue),
		RIG_TEST_ANY("add refuses what no device may get",
			     add_refuses_what_no_device_may_get),
		RIG_TEST_ANY("indirect needs the feature", indirect_needs_the_feature),
		RIG_TEST_ANY("add waits for free descriptors", add_waits_for_free_descriptors),
		RIG_TEST_ANY("bound buffers go round", bound_buffers_go_round),
		RIG_TEST_ANY("bound readable buffers hold nothing writable",
			     bound_readable_buffers_hold_nothing_writable),
		RIG_TEST_ANY("bind and post refuse", bind_and_post_refuse),
		RIG_TEST_ANY("unpop gives chains back in order",
			     unpop_gives_chains_back_in_order),
		RIG_TEST_ANY("detach gives each chain once", detach_gives_each_chain_once),
		RIG_TEST_ANY("detach gives a full ring once", detach_gives_a_full_ring_once),
		RIG_TEST_ANY("detach gives bound buffers once", detach_gives_bound_buffers_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
