// SPDX-License-Identifier: GPL-2.0
/*
 * A packed ring in memory, among honest people (virtio 1.2, 2.8): descriptors, marks and
 * wrap counters, where completions go, how a device goes on from where another one
 * stopped. What each call promises is in calls.c.
 *
 * A place runs freely here and is all that a test needs to know: rig_marks() says what a
 * descriptor looks like there.
 */
#include "exchange.h"

#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define INDIRECT	VRING_DESC_F_INDIRECT

/* Is that what lies at place @at? */
static void check_desc(struct rig *rig, u32 at, u64 addr, u32 len, u16 id, u16 flags)
{
	assert_true(shared_load64(rig_addr_word(rig, at)) == addr);
	assert_int_equal(rig_len(rig, at), len);
	assert_int_equal(rig_id(rig, at), id);
	assert_int_equal(rig_flags(rig, at), flags | rig_marks(rig, at, false));
}

static void check_used(struct rig *rig, u32 at, u16 id, u32 len)
{
	assert_int_equal(rig_id(rig, at), id);
	assert_int_equal(rig_len(rig, at), len);
	/* WRITE says that the length means something (2.8.4). */
	assert_int_equal(rig_flags(rig, at), rig_marks(rig, at, true) | (len ? WRITE : 0));
}

static void take(struct rig *rig, u32 cookie, u32 len)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(cookie));
	assert_int_equal(done.len, len);
}

/* ---- descriptors --------------------------------------------------------------- */

static void chain_in_memory(void **state, u64 layout)
{
	static const u32 sizes[] = { 5, 7, 8 };
	u32 round, at, out, i;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_started(state, sizes[s], layout);

		for (round = 0, at = 0; round < 60; round++) {
			int id;

			out = round % 6;
			id = rig_add(rig, five, (u16)out, (u16)(5 - out), rig_cookie(round));
			assert_in_range(id, 0, sizes[s] - 1);
			ring_drv_publish(&rig->drv);
			for (i = 0; i < 5; i++)
				check_desc(rig, at + i, five[i].bus, five[i].len, (u16)id,
					   (i < 4 ? NEXT : 0) | (i < out ? 0 : WRITE));
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			check_five(rig, (u16)out);
			ring_dev_push(&rig->dev, &rig->c, rig->c.in_len);
			ring_dev_flush(&rig->dev);
			check_used(rig, at, (u16)id, rig->c.in_len);
			/* The others are skipped, and left as they were. */
			for (i = 1; i < 5; i++)
				check_desc(rig, at + i, five[i].bus, five[i].len, (u16)id,
					   (i < 4 ? NEXT : 0) | (i < out ? 0 : WRITE));
			take(rig, round, rig->c.in_len);
			at += 5;
			exchange_one(rig, 1);
			at++;
		}
	}
}
RIG_PACKED_ONLY(chain_in_memory)

/* In a table nothing but WRITE is set, and no id (2.8.7). */
static void table_in_memory(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 7, layout | RIG_INDIRECT);
	const struct ring_table table = {
		.desc = rig_table(rig, 16), .bus = rig_table_bus(16), .num = 5,
	};
	u32 at, i;

	for (at = 0; at < 30; at++) {
		const u16 out = at % 6;
		const struct ring_buf buf = {
			.seg = five, .out = out, .in = 5 - out, .table = &table,
		};
		int id;

		rig_fill(&rig->table, 0, rig->table.bytes, 0xff);
		id = ring_drv_add(&rig->drv, &buf, rig_cookie(at));
		assert_in_range(id, 0, 6);
		ring_drv_publish(&rig->drv);
		check_desc(rig, at, table.bus, 80, (u16)id, INDIRECT);
		for (i = 0; i < 5; i++) {
			struct vring_desc __shared *entry = rig_table(rig, 16 + i);

			assert_true(shared_load64(&entry->addr) == five[i].bus);
			assert_true(shared_load64((u64 __shared *)shared_at(entry, 8)) ==
				    rig_rest(five[i].len, 0, i < out ? 0 : WRITE));
		}
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		check_five(rig, out);
		ring_dev_push(&rig->dev, &rig->c, 0);
		ring_dev_flush(&rig->dev);
		check_used(rig, at, (u16)id, 0);
		take(rig, at, 0);
	}
}
RIG_PACKED_ONLY(table_in_memory)

static void direct_then_indirect_is_one_chain(void **state)
{
	struct rig *rig = rig_started(state, 7, RIG_PACKED | RIG_INDIRECT);
	u32 i;

	for (i = 0; i < 6; i++)
		exchange_one(rig, 1);
	rig_put_packed(rig, 6, five[0].bus, five[0].len, 9, NEXT);
	rig_put_packed(rig, 7, five[1].bus, five[1].len, 9, NEXT);
	rig_put_packed(rig, 8, rig_table_bus(0), 48, 3, INDIRECT);
	for (i = 0; i < 3; i++) {
		struct vring_desc __shared *entry = rig_table(rig, i);

		shared_store64(&entry->addr, five[2 + i].bus);
		shared_store64((u64 __shared *)shared_at(entry, 8),
			       rig_rest(five[2 + i].len, 0, i ? WRITE : 0));
	}
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.id, 3);
	assert_int_equal(rig->c.count, 3);
	check_five(rig, 3);
}

static void empty_descriptors_add_no_segment(void **state)
{
	struct rig *rig = rig_started(state, 4, RIG_PACKED);

	rig_put_packed(rig, 0, RIG_BUS_DATA, 0, 0, NEXT);
	rig_put_packed(rig, 1, RIG_BUS_DATA, 9, 0, NEXT);
	rig_put_packed(rig, 2, 0, 0, 0, WRITE);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.out, 1);
	assert_int_equal(rig->c.in, 0);
	assert_int_equal(rig->c.out_len, 9);
	assert_int_equal(rig->c.count, 3);
	assert_int_equal(rig->iov[0].len, 9);
}

/* A posted buffer goes to the next place, under its own id. */
static void bound_buffer_goes_to_the_next_place(void **state)
{
	struct rig *rig = rig_started(state, 3, RIG_PACKED);
	struct ring_done done;
	u32 at;
	u16 i;

	for (i = 0; i < 3; i++) {
		const struct ring_seg seg = { RIG_BUS_DATA + 1000u * i, 100u + i };

		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, i != 1), 0);
	}
	assert_int_equal(ring_drv_num_free(&rig->drv), 0);
	for (at = 0; at < 50; at++) {
		const u16 id = (at * 2 + at / 5) % 3;

		assert_int_equal(ring_drv_post(&rig->drv, id), 0);
		ring_drv_publish(&rig->drv);
		check_desc(rig, at, RIG_BUS_DATA + 1000u * id, 100u + id, id,
			   id != 1 ? WRITE : 0);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_int_equal(rig->c.id, id);
		ring_dev_push(&rig->dev, &rig->c, 0);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_int_equal(done.id, id);
	}
}

/* ---- where completions go -------------------------------------------------------- */

/*
 * Chains of three, two and one descriptors, completed in each order, from each place on:
 * every completion goes behind as many descriptors as the ones before it had.
 */
static void out_of_order(void **state)
{
	static const u8 orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	static const u32 sizes[] = { 6, 7, 8, 11 };
	u32 at, o, i, n;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_started(state, sizes[s], RIG_PACKED);

		for (at = 0, n = 0; n < 6 * 2 * sizes[s]; n++) {
			struct ring_chain c[3];
			struct ring_iov iov[3][RIG_SEGS];

			o = n % 6;
			for (i = 0; i < 3; i++)
				assert_true(rig_add(rig, five, 0, (u16)(3 - i),
						    rig_cookie(i)) >= 0);
			assert_int_equal(ring_drv_num_free(&rig->drv), sizes[s] - 6);
			ring_drv_publish(&rig->drv);
			for (i = 0; i < 3; i++) {
				c[i].iov = iov[i];
				assert_int_equal(ring_dev_pop(&rig->dev, &c[i]), 1);
				assert_int_equal(c[i].count, 3 - i);
			}
			for (i = 0; i < 3; i++)
				ring_dev_push(&rig->dev, &c[orders[o][i]], 1 + i);
			ring_dev_flush(&rig->dev);
			for (i = 0; i < 3; i++) {
				const u16 count = c[orders[o][i]].count;

				check_used(rig, at, c[orders[o][i]].id, 1 + i);
				take(rig, orders[o][i], 1 + i);
				at += count;
			}
			assert_int_equal(ring_drv_num_free(&rig->drv), sizes[s]);
			assert_true(ring_dev_base(&rig->dev) ==
				    (rig_off_wrap(rig, at) | (u32)rig_off_wrap(rig, at) << 16));
			if (o == 5) {
				exchange_one(rig, 1);
				at++;
			}
		}
	}
}

/* While one chain is slow, ids come and go; never are two of a name in flight. */
static void ids_in_flight_differ(void **state)
{
	struct rig *rig = rig_started(state, 7, RIG_PACKED);
	u64 random = rig_seed(0x9e3779b9);
	u16 flying[7];
	u32 num = 0, n, i;

	for (n = 0; n < 20000; n++) {
		struct ring_done done;

		if (num < 7 && rig_below(&random, 2)) {
			const int id = rig_add_in(rig, 8, rig_cookie(n));

			assert_in_range(id, 0, 6);
			for (i = 0; i < num; i++)
				assert_int_not_equal(flying[i], id);
			flying[num++] = (u16)id;
			ring_drv_publish(&rig->drv);
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			assert_int_equal(rig->c.id, id);
		} else if (num) {
			const u32 which = rig_below(&random, num);

			ring_dev_push(&rig->dev, &(struct ring_chain) { .id = flying[which] }, 8);
			ring_dev_flush(&rig->dev);
			assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
			assert_int_equal(done.id, flying[which]);
			flying[which] = flying[--num];
		}
		assert_int_equal(ring_drv_num_free(&rig->drv), 7 - num);
	}
}

/* ---- going on from a base ---------------------------------------------------------- */

static void base_of_a_new_queue(void **state)
{
	struct rig *rig = rig_new(state, 4, 0);

	rig_start_dev(rig, ring_base_new(rig->features));
	assert_int_equal(ring_dev_base(&rig->dev), 0);
	assert_true(ring_base_new(RIG_PACKED) == 0x80008000u);
	assert_true(ring_base_new(RIG_PACKED | RIG_ORDERED | RIG_EVENT) == 0x80008000u);
	assert_int_equal(ring_base_new(RIG_ORDERED), 0);
	rig = rig_started(state, 4, RIG_PACKED);
	assert_true(ring_dev_base(&rig->dev) == 0x80008000u);
}

static void another_half_goes_on_where_one_stopped(void **state, u64 layout)
{
	static const u32 sizes[] = { 1, 2, 3, 7, 8, 40 };
	u32 round, at, n;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_started(state, sizes[s], layout);

		for (round = 0, at = 0; round < 300; round++, at += n) {
			const u32 base = ring_dev_base(&rig->dev);

			assert_true(base == (rig_off_wrap(rig, at) |
					     (u32)rig_off_wrap(rig, at) << 16));
			n = 1 + round % min_t(u32, sizes[s], 5);
			assert_true(rig_add(rig, five, 0, (u16)n, rig_cookie(round)) >= 0);
			/* Half of the time there is something when the next one comes. */
			if (round % 2)
				ring_drv_publish(&rig->drv);
			memset(rig->dev_priv, 0xa5, ring_dev_private_bytes(sizes[s]));
			rig_start_dev(rig, base);
			assert_true(ring_dev_base(&rig->dev) == base);
			if (round % 2 == 0)
				ring_drv_publish(&rig->drv);
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			ring_dev_push(&rig->dev, &rig->c, 2);
			ring_dev_flush(&rig->dev);
			take(rig, round, 2);
		}
	}
}
RIG_PACKED_ONLY(another_half_goes_on_where_one_stopped)

/* The two places of a base are told apart. */
static void base_says_where_to_pop_and_where_to_push(void **state)
{
	u32 avail, used;

	for (avail = 0; avail < 14; avail++) {
		for (used = 0; used < 14; used++) {
			struct rig *rig = rig_new(state, 7, RIG_PACKED);
			const u32 base = rig_off_wrap(rig, avail) |
					 (u32)rig_off_wrap(rig, used) << 16;

			rig_start_dev(rig, base);
			assert_true(ring_dev_base(&rig->dev) == base);
			rig_put_packed(rig, avail, RIG_BUS_DATA, 4, 6, WRITE);
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			assert_true(ring_dev_base(&rig->dev) ==
				    (rig_off_wrap(rig, avail + 1) |
				     (u32)rig_off_wrap(rig, used) << 16));
			ring_dev_push(&rig->dev, &rig->c, 3);
			ring_dev_flush(&rig->dev);
			check_used(rig, used, 6, 3);
			assert_true(ring_dev_base(&rig->dev) ==
				    (rig_off_wrap(rig, avail + 1) |
				     (u32)rig_off_wrap(rig, used + 1) << 16));
		}
	}
}

static void impossible_bases_are_refused(void **state)
{
	const struct ring_dev_limits limits = { .map = rig_translate, .segs = 1, .bytes = 1 };
	static const u32 sizes[] = { 1, 3, 8, 32767, 32768 };
	u32 index;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_new(state, sizes[s], RIG_PACKED);

		for (index = 0; index < 0x8000; index += index < 16 || index > 0x7ff0 ? 1 : 97) {
			const int ret = index < sizes[s] ? 0 : -EINVAL;
			const u32 bases[] = {
				index, index << 16, index | 0x80008000u, index << 16 | 0x80008000u,
				index << 16 | 0x8000, index | 0x80000000u, index | index << 16,
			};
			size_t i;

			for (i = 0; i < ARRAY_SIZE(bases); i++)
				assert_int_equal(ring_dev_init(&rig->dev, &rig->a, sizes[s],
							       rig->features, bases[i], &limits,
							       rig->dev_priv), ret);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_PACKED_ONLY("a chain in memory", chain_in_memory),
		RIG_TEST_PACKED_ONLY("an indirect table in memory", table_in_memory),
		RIG_TEST("direct and then indirect is one chain, packed",
			 direct_then_indirect_is_one_chain),
		RIG_TEST("empty descriptors add no segment, packed",
			 empty_descriptors_add_no_segment),
		RIG_TEST("a bound buffer goes to the next place, packed",
			 bound_buffer_goes_to_the_next_place),
		RIG_TEST("completions out of order skip what is theirs, packed", out_of_order),
		RIG_TEST("ids in flight differ, packed", ids_in_flight_differ),
		RIG_TEST("the base of a new queue", base_of_a_new_queue),
		RIG_TEST_PACKED_ONLY("another half goes on where one stopped",
				     another_half_goes_on_where_one_stopped),
		RIG_TEST("a base says where to pop and where to push, packed",
			 base_says_where_to_pop_and_where_to_push),
		RIG_TEST("impossible bases are refused, packed", impossible_bases_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
