// SPDX-License-Identifier: GPL-2.0
/*
 * Both halves of a split virtqueue on one ring, in one thread, among honest
 * people (virtio 1.2, 2.7): what each call promises, at every size and across the
 * wrap of the indices. notify.c looks at notifications; model.c runs random calls
 * beside a model of what both halves owe; liars are in hostile_device.c and
 * hostile_driver.c.
 */
#include "rig.h"

/* ---- exchange ---------------------------------------------------------- */

static void exchange_full(struct rig *rig)
{
	const u32 size = rig->size;
	u16 *id = calloc(size, sizeof(*id));
	struct ring_done done;
	u32 i;

	assert_non_null(id);
	for (i = 0; i < size; i++) {
		const struct ring_seg seg = { .bus = RIG_BUS_DATA + i, .len = i + 1 };
		const int ret = rig_add(rig, &seg, 0, 1, rig_cookie(i));

		assert_in_range(ret, 0, size - 1);
		id[i] = (u16)ret;
	}
	assert_int_equal(ring_drv_num_free(&rig->drv), 0);
	assert_int_equal(rig_add_in(rig, 1, rig_cookie(i)), -ENOSPC);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_drv_in_flight(&rig->drv), size);

	for (i = 0; i < size; i++) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_int_equal(rig->c.id, id[i]);
		assert_int_equal(rig->c.out, 0);
		assert_int_equal(rig->c.in, 1);
		assert_int_equal(rig->c.in_len, i + 1);
		assert_ptr_equal(shared_unmark(rig->iov[0].base),
				 shared_unmark(rig_data(rig, RIG_BUS_DATA + i)));
	}
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	assert_int_equal(ring_dev_in_flight(&rig->dev), size);

	for (i = size; i-- > 0;)
		ring_dev_push(&rig->dev, &(struct ring_chain) { .id = id[i], .count = 1 }, i);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
	ring_dev_flush(&rig->dev);
	for (i = size; i-- > 0;) {
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_ptr_equal(done.cookie, rig_cookie(i));
		assert_int_equal(done.id, id[i]);
		assert_int_equal(done.len, i);
	}
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
	assert_int_equal(ring_drv_num_free(&rig->drv), size);
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
	free(id);
}

static void full_ring_at_every_size(void **state)
{
	unsigned int way;
	u32 size;

	for (size = 1; size <= RING_SIZE_MAX; size *= 2) {
		for (way = 0; way < RIG_WAYS; way++) {
			struct rig *rig = rig_new(state, size, rig_way(way));
			int round;

			rig_start_drv(rig);
			rig_start_dev(rig, 0);
			/* Often enough that both indices pass 2^16 at the largest size. */
			for (round = 0; round < 3; round++)
				exchange_full(rig);
		}
	}
}

static void indices_wrap(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(1));
	struct ring_done done;
	u32 i, j, n;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 140000; i += n) {
		n = 1 + i % 8;
		for (j = 0; j < n; j++)
			assert_true(rig_add_in(rig, 512, rig_cookie(i + j)) >= 0);
		ring_drv_publish(&rig->drv);
		assert_int_equal(shared_load16(&rig_avail(rig)->idx), (u16)(i + n));
		for (j = 0; j < n; j++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			ring_dev_push(&rig->dev, &rig->c, j);
		}
		ring_dev_flush(&rig->dev);
		assert_int_equal(shared_load16(&rig_used(rig)->idx), (u16)(i + n));
		for (j = 0; j < n; j++) {
			assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
			assert_ptr_equal(done.cookie, rig_cookie(i + j));
			assert_int_equal(done.len, j);
		}
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
	}
}

/* Others come and go, 2^16 of them and a few, while one request takes its time. */
static void slow_chain_outlives_a_round(struct rig *rig, u32 others, u32 unpublished)
{
	struct ring_chain slow = { .iov = rig->iov };
	struct ring_done done;
	u32 i;

	assert_true(rig_add_in(rig, 8, rig_cookie(0)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &slow), 1);
	for (i = 0; i < others; i++) {
		assert_true(rig_add_in(rig, 8, rig_cookie(1)) >= 0);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 1);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	}
	for (i = 0; i < unpublished; i++)
		assert_true(rig_add_in(rig, 8, rig_cookie(2)) >= 0);
	ring_dev_push(&rig->dev, &slow, 7);
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(0));
	assert_int_equal(done.len, 7);
}

static void slow_chain_outlives_the_round_of_the_indices(void **state)
{
	u32 others, unpublished;

	for (others = 65533; others <= 65537; others++) {
		for (unpublished = 0; unpublished < 4; unpublished++) {
			struct rig *rig = rig_new(state, 8, rig_way(1));

			rig_start_drv(rig);
			rig_start_dev(rig, 0);
			slow_chain_outlives_a_round(rig, others, unpublished);
		}
	}
}

static void device_goes_on_from_a_base(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);
	u32 i;

	rig_put_desc(rig_desc(rig, 2), RIG_BUS_DATA, 10, VRING_DESC_F_WRITE, 0);
	shared_store16(&rig_avail(rig)->idx, 0xfff0);
	shared_store16(&rig_used(rig)->idx, 0xfff0);
	rig_start_dev(rig, 0xfff0);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	for (i = 0xfff0; i < 0x10010; i++) {
		assert_int_equal(ring_dev_base(&rig->dev), (u16)i);
		rig_put_avail(rig, (u16)i, 2);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_int_equal(rig->c.id, 2);
		ring_dev_push(&rig->dev, &rig->c, i & 7);
		ring_dev_flush(&rig->dev);
		assert_int_equal(shared_load16(&rig_used(rig)->idx), (u16)(i + 1));
		assert_int_equal(shared_load32(&rig_used(rig)->ring[i % 4].id), 2);
		assert_int_equal(shared_load32(&rig_used(rig)->ring[i % 4].len), i & 7);
	}
}

static void another_half_goes_on_where_one_stopped(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);
	struct ring_done done;
	u32 i;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 10; i++) {
		const u32 base = ring_dev_base(&rig->dev);

		assert_int_equal(base, i);
		rig_start_dev(rig, base);
		assert_true(rig_add_in(rig, 4, rig_cookie(i)) >= 0);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 4);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_ptr_equal(done.cookie, rig_cookie(i));
	}
}

static void base_above_16_bits_is_refused(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);
	const struct ring_dev_limits limits = { .map = rig_translate, .segs = 1, .bytes = 1 };

	assert_int_equal(ring_dev_init(&rig->dev, &rig->a, 4, rig->features, 0x10000, &limits,
				       rig->dev_priv), -EINVAL);
}

static void init_starts_afresh(void **state)
{
	struct rig *rig = rig_new(state, 4, rig_way(3));
	struct ring_done done;

	rig_fill(&rig->desc, 0, rig->desc.bytes, 0xff);
	rig_fill(&rig->driver, 0, rig->driver.bytes, 0xff);
	rig_fill(&rig->device, 0, rig->device.bytes, 0xff);
	rig_start_drv(rig);
	assert_int_equal(shared_load16(&rig_used(rig)->idx), 0);
	assert_int_equal(shared_load16(rig_avail_event(rig)), 0);
	assert_int_equal(shared_load16(&rig_avail(rig)->idx), 0);
	assert_int_equal(shared_load32(&rig_desc(rig, 3)->len), 0);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);

	assert_true(rig_add_in(rig, 4, rig_cookie(0)) >= 0);
	ring_drv_publish(&rig->drv);
	ring_drv_break(&rig->drv, RING_CALLER);
	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	exchange_full(rig);
}

/* ---- chains ------------------------------------------------------------ */

static const struct ring_seg five[] = {
	{ RIG_BUS_DATA + 100, 16 }, { RIG_BUS_DATA + 7, 1 }, { RIG_BUS_SEAM + 8, 300 },
	{ RIG_BUS_DATA + 5000, 4096 }, { RIG_BUS_SEAM, 2 },
};

static void check_five(struct rig *rig, u16 out)
{
	const struct ring_chain *c = &rig->c;
	u32 out_len = 0, in_len = 0, i;

	assert_int_equal(c->out, out);
	assert_int_equal(c->in, 5 - out);
	for (i = 0; i < 5; i++) {
		assert_ptr_equal(shared_unmark(c->iov[i].base),
				 shared_unmark(rig_data(rig, five[i].bus)));
		assert_int_equal(c->iov[i].len, five[i].len);
		if (i < out)
			out_len += five[i].len;
		else
			in_len += five[i].len;
	}
	assert_int_equal(c->out_len, out_len);
	assert_int_equal(c->in_len, in_len);
}

static void direct_chain_arrives_whole(void **state)
{
	struct rig *rig = rig_new(state, 8, 0);
	struct ring_done done;
	u16 out;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
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

static void indirect_chain_takes_one_descriptor(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(2));
	const struct ring_table table = {
		.desc = rig_table(rig, 16), .bus = rig_table_bus(16), .num = 5,
	};
	struct ring_done done;
	u16 out;
	int id;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (out = 0; out <= 5; out++) {
		const struct ring_buf buf = {
			.seg = five, .out = out, .in = 5 - out, .table = &table,
		};

		id = ring_drv_add(&rig->drv, &buf, rig_cookie(out));
		assert_true(id >= 0);
		assert_int_equal(ring_drv_num_free(&rig->drv), 7);
		assert_int_equal(shared_load16(&rig_desc(rig, id)->flags), VRING_DESC_F_INDIRECT);
		assert_int_equal(shared_load32(&rig_desc(rig, id)->len), 80);
		assert_true(shared_load64(&rig_desc(rig, id)->addr) == table.bus);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		check_five(rig, out);
		assert_int_equal(rig->c.count, 1);
		ring_dev_push(&rig->dev, &rig->c, rig->c.in_len);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_int_equal(ring_drv_num_free(&rig->drv), 8);
	}
}

/* Chained descriptors first, then an indirect one (virtio 1.2, 2.7.5.3.2). */
static void direct_then_indirect_is_one_chain(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(2));
	u32 i;

	rig_put_desc(rig_desc(rig, 6), five[0].bus, five[0].len, VRING_DESC_F_NEXT, 1);
	rig_put_desc(rig_desc(rig, 1), five[1].bus, five[1].len, VRING_DESC_F_NEXT, 4);
	/* WRITE says nothing there and is ignored (2.7.5.3.2). */
	rig_put_desc(rig_desc(rig, 4), rig_table_bus(0), 48,
		     VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	for (i = 0; i < 3; i++)
		rig_put_desc(rig_table(rig, i), five[2 + i].bus, five[2 + i].len,
			     (i ? VRING_DESC_F_WRITE : 0) | (i < 2 ? VRING_DESC_F_NEXT : 0),
			     (u16)(i + 1));
	rig_start_dev(rig, 0);
	rig_put_avail(rig, 0, 6);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.id, 6);
	assert_int_equal(rig->c.count, 3);
	check_five(rig, 3);
}

static void chain_of_the_whole_queue(void **state)
{
	struct ring_seg seg[RIG_SEGS];
	struct rig *rig = rig_new(state, RIG_SEGS, 0);
	struct ring_done done;
	u32 i;

	for (i = 0; i < RIG_SEGS; i++)
		seg[i] = (struct ring_seg) { .bus = RIG_BUS_DATA + 64 * i, .len = 64 };
	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	assert_true(rig_add(rig, seg, 1, RIG_SEGS - 1, rig_cookie(0)) >= 0);
	assert_int_equal(ring_drv_num_free(&rig->drv), 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.count, RIG_SEGS);
	assert_int_equal(rig->c.in_len, 64 * (RIG_SEGS - 1));
	ring_dev_push(&rig->dev, &rig->c, 64 * (RIG_SEGS - 1));
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_int_equal(ring_drv_num_free(&rig->drv), RIG_SEGS);
	exchange_full(rig);
}

static void empty_descriptors_add_no_segment(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);

	rig_put_desc(rig_desc(rig, 0), RIG_BUS_DATA, 0, VRING_DESC_F_NEXT, 1);
	rig_put_desc(rig_desc(rig, 1), RIG_BUS_DATA, 9, VRING_DESC_F_NEXT, 2);
	rig_put_desc(rig_desc(rig, 2), 0, 0, VRING_DESC_F_WRITE, 0);
	rig_start_dev(rig, 0);
	rig_put_avail(rig, 0, 0);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.out, 1);
	assert_int_equal(rig->c.in, 0);
	assert_int_equal(rig->c.out_len, 9);
	assert_int_equal(rig->c.in_len, 0);
	assert_int_equal(rig->c.count, 3);
	assert_int_equal(rig->iov[0].len, 9);
}

/* ---- what add() refuses ------------------------------------------------ */

static void nothing_changed(struct rig *rig, u16 free)
{
	assert_int_equal(ring_drv_num_free(&rig->drv), free);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
	assert_false(ring_drv_publish(&rig->drv));
	assert_int_equal(shared_load16(&rig_avail(rig)->idx), 0);
}

static void add_refuses_what_no_device_may_get(void **state)
{
	const struct ring_seg ok = { RIG_BUS_DATA, 8 };
	const struct ring_seg empty[2] = { { RIG_BUS_DATA, 8 }, { RIG_BUS_DATA, 0 } };
	const struct ring_seg huge[3] = {
		{ RIG_BUS_DATA, 0x80000000u }, { RIG_BUS_DATA, 0x7fffffffu }, { RIG_BUS_DATA, 2 },
	};
	struct ring_seg many[9];
	struct rig *rig = rig_new(state, 8, rig_way(2));
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
	rig_start_drv(rig);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ring_drv_add(&rig->drv, &bad[i].buf, bad[i].cookie), -EINVAL);
		nothing_changed(rig, 8);
	}
	assert_true(rig_add(rig, huge, 1, 1, many) >= 0);
	assert_true(ring_drv_add(&rig->drv, &(struct ring_buf) { .seg = many, .in = 4,
				 .table = &small }, many) >= 0);
}

static void indirect_needs_the_feature(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(1));
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 4 };
	const struct ring_buf buf = { .seg = five, .in = 2, .table = &table };

	rig_start_drv(rig);
	assert_int_equal(ring_drv_add(&rig->drv, &buf, rig_cookie(0)), -EINVAL);
	nothing_changed(rig, 8);
}

static void add_waits_for_free_descriptors(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(2));
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 5 };
	const struct ring_buf indirect = { .seg = five, .in = 5, .table = &table };
	struct ring_done done;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
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

/* ---- bound buffers ----------------------------------------------------- */

static void bound_buffers_go_round(void **state)
{
	struct rig *rig = rig_new(state, 4, rig_way(1));
	struct ring_done done;
	u32 i, round;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 4; i++) {
		const struct ring_seg seg = { RIG_BUS_DATA + 1000 * i, 100 + i };

		assert_int_equal(ring_drv_bind(&rig->drv, (u16)i, &seg, true), 0);
	}
	for (round = 0; round < 20000; round++) {
		/* post() writes the avail ring only: the table need not be there. */
		if (!round)
			rig_map_protect(&rig->desc, PROT_NONE);
		for (i = 0; i < 4; i++)
			assert_int_equal(ring_drv_post(&rig->drv, (u16)((i + round) % 4)), 0);
		assert_int_equal(ring_drv_post(&rig->drv, 1), -EBUSY);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_drv_post(&rig->drv, 1), -EBUSY);
		if (!round)
			rig_map_protect(&rig->desc, PROT_READ);
		for (i = 0; i < 4; i++) {
			const u16 id = (u16)((i + round) % 4);

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
			assert_int_equal(done.id, (i + round) % 4);
			assert_int_equal(done.len, 100 + done.id);
		}
		assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	}
}

static void bound_readable_buffers_hold_nothing_writable(void **state)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 77 };
	struct rig *rig = rig_new(state, 2, 0);
	struct ring_done done;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	assert_int_equal(ring_drv_bind(&rig->drv, 1, &seg, false), 0);
	assert_int_equal(ring_drv_post(&rig->drv, 1), 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.out_len, 77);
	assert_int_equal(rig->c.in, 0);
	ring_dev_push(&rig->dev, &rig->c, 1);
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_USED_LEN);
}

static void bind_and_post_refuse(void **state)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 }, empty = { RIG_BUS_DATA, 0 };
	struct rig *rig = rig_new(state, 4, 0);

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

/* ---- giving back ------------------------------------------------------- */

static void unpop_gives_chains_back_in_order(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);
	struct ring_iov iov[3][RIG_SEGS];
	struct ring_chain c[3];
	struct ring_done done;
	u32 round, i;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
	for (i = 0; i < 3; i++) {
		rig_add_in(rig, 4 + i, rig_cookie(i));
		c[i].iov = iov[i];
	}
	ring_drv_publish(&rig->drv);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < 3; i++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
			assert_int_equal(c[i].in_len, 4 + i);
		}
		assert_int_equal(ring_dev_in_flight(&rig->dev), 3);
		assert_int_equal(ring_dev_base(&rig->dev), 3);
		for (i = 3; i-- > 0;)
			ring_dev_unpop(&rig->dev, &c[i]);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
		assert_int_equal(ring_dev_base(&rig->dev), 0);
		assert_false(ring_dev_flush(&rig->dev));
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
		ring_dev_push(&rig->dev, &c[i], i);
	}
	ring_dev_flush(&rig->dev);
	for (i = 0; i < 3; i++) {
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_ptr_equal(done.cookie, rig_cookie(i));
		assert_int_equal(done.len, i);
	}
}

static void detach_gives_each_chain_once(void **state)
{
	struct rig *rig = rig_new(state, 16, 0);
	struct ring_done done;
	u32 seen = 0, n = 0;
	u32 i;

	rig_start_drv(rig);
	rig_start_dev(rig, 0);
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
}

static void detach_gives_bound_buffers_once(void **state)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 };
	struct rig *rig = rig_new(state, 8, 0);
	struct ring_done done;
	u32 seen = 0;
	u16 i;

	rig_start_drv(rig);
	assert_false(ring_drv_detach(&rig->drv, &done));
	rig_start_drv(rig);
	for (i = 0; i < 8; i++)
		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
	for (i = 0; i < 8; i += 2)
		assert_int_equal(ring_drv_post(&rig->drv, i), 0);
	ring_drv_publish(&rig->drv);
	while (ring_drv_detach(&rig->drv, &done)) {
		assert_null(done.cookie);
		assert_false(seen & 1u << done.id);
		seen |= 1u << done.id;
	}
	assert_int_equal(seen, 0x55);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("a full ring comes back at every size", full_ring_at_every_size),
		RIG_TEST("indices wrap", indices_wrap),
		RIG_TEST("a slow chain outlives the round of the indices",
			 slow_chain_outlives_the_round_of_the_indices),
		RIG_TEST("device goes on from a base across the wrap", device_goes_on_from_a_base),
		RIG_TEST("another half goes on where one stopped",
			 another_half_goes_on_where_one_stopped),
		RIG_TEST("a base above 16 bits is refused", base_above_16_bits_is_refused),
		RIG_TEST("init starts afresh", init_starts_afresh),
		RIG_TEST("a direct chain arrives whole", direct_chain_arrives_whole),
		RIG_TEST("an indirect chain takes one descriptor",
			 indirect_chain_takes_one_descriptor),
		RIG_TEST("direct and then indirect is one chain",
			 direct_then_indirect_is_one_chain),
		RIG_TEST("a chain takes the whole queue", chain_of_the_whole_queue),
		RIG_TEST("empty descriptors add no segment", empty_descriptors_add_no_segment),
		RIG_TEST("add refuses what no device may get", add_refuses_what_no_device_may_get),
		RIG_TEST("indirect needs the feature", indirect_needs_the_feature),
		RIG_TEST("add waits for free descriptors", add_waits_for_free_descriptors),
		RIG_TEST("bound buffers go round", bound_buffers_go_round),
		RIG_TEST("bound readable buffers hold nothing writable",
			 bound_readable_buffers_hold_nothing_writable),
		RIG_TEST("bind and post refuse", bind_and_post_refuse),
		RIG_TEST("unpop gives chains back in order", unpop_gives_chains_back_in_order),
		RIG_TEST("detach gives each chain once", detach_gives_each_chain_once),
		RIG_TEST("detach gives bound buffers once", detach_gives_bound_buffers_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
