// SPDX-License-Identifier: GPL-2.0
/*
 * A split ring in memory, among honest people (virtio 1.2, 2.7): indices, the table, how
 * a device goes on from where another one stopped. What each call promises is in calls.c.
 */
#include "exchange.h"

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

static void indirect_descriptor_names_its_table(void **state)
{
	struct rig *rig = rig_new(state, 8, RIG_INDIRECT);
	const struct ring_table table = {
		.desc = rig_table(rig, 16), .bus = rig_table_bus(16), .num = 5,
	};
	const struct ring_buf buf = { .seg = five, .out = 2, .in = 3, .table = &table };
	u32 i;
	int id;

	rig_start_drv(rig);
	id = ring_drv_add(&rig->drv, &buf, rig_cookie(0));
	assert_true(id >= 0);
	assert_int_equal(shared_load16(&rig_desc(rig, (u32)id)->flags), VRING_DESC_F_INDIRECT);
	assert_int_equal(shared_load32(&rig_desc(rig, (u32)id)->len), 80);
	assert_true(shared_load64(&rig_desc(rig, (u32)id)->addr) == table.bus);
	for (i = 0; i < 5; i++) {
		assert_true(shared_load64(&rig_table(rig, 16 + i)->addr) == five[i].bus);
		assert_int_equal(shared_load32(&rig_table(rig, 16 + i)->len), five[i].len);
		assert_int_equal(shared_load16(&rig_table(rig, 16 + i)->flags),
				 (i < 2 ? 0 : VRING_DESC_F_WRITE) |
				 (i < 4 ? VRING_DESC_F_NEXT : 0));
		if (i < 4)
			assert_int_equal(shared_load16(&rig_table(rig, 16 + i)->next), i + 1);
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

/* Once they are bound, the table need not be there. */
static void post_writes_the_avail_ring_only(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);
	u16 i;

	rig_start_drv(rig);
	for (i = 0; i < 4; i++) {
		const struct ring_seg seg = { RIG_BUS_DATA + 1000u * i, 100u + i };

		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
		assert_int_equal(shared_load32(&rig_desc(rig, i)->len), 100 + i);
		assert_int_equal(shared_load16(&rig_desc(rig, i)->flags), VRING_DESC_F_WRITE);
	}
	rig_map_protect(&rig->desc, PROT_NONE);
	rig_map_protect(&rig->device, PROT_NONE);
	for (i = 0; i < 4; i++)
		assert_int_equal(ring_drv_post(&rig->drv, 3 - i), 0);
	ring_drv_show(&rig->drv);
	assert_int_equal(shared_load16(&rig_avail(rig)->idx), 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(shared_load16(&rig_avail(rig)->ring[i]), 3 - i);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("indices wrap", indices_wrap),
		RIG_TEST("device goes on from a base across the wrap", device_goes_on_from_a_base),
		RIG_TEST("another half goes on where one stopped",
			 another_half_goes_on_where_one_stopped),
		RIG_TEST("a base above 16 bits is refused", base_above_16_bits_is_refused),
		RIG_TEST("an indirect descriptor names its table",
			 indirect_descriptor_names_its_table),
		RIG_TEST("direct and then indirect is one chain",
			 direct_then_indirect_is_one_chain),
		RIG_TEST("empty descriptors add no segment", empty_descriptors_add_no_segment),
		RIG_TEST("post writes the avail ring only", post_writes_the_avail_ring_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
