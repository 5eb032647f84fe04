// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half against a device that lies: the cases of ATTACKS.md that are
 * the ring's business, by their numbers. The test is the device and writes the
 * used ring by hand.
 *
 * After each lie expect_broken() takes all shared memory away and makes every
 * call: each must refuse without touching it, the first reason must stay, and
 * all that was in flight must come back exactly once by detach.
 */
#include <pthread.h>

#include "rig.h"

/* Chains in flight must be those of the first @cookies rig_cookie()s, in any order. */
static void expect_broken(struct rig *rig, enum ring_fault fault, u32 first, u32 cookies)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 };
	struct ring_drv *drv = &rig->drv;
	struct ring_done done;
	u64 seen = 0;
	u32 i;

	assert_int_equal(ring_drv_fault(drv), fault);
	rig_seal(rig);
	assert_int_equal(ring_drv_poll(drv, &done), -EIO);
	assert_int_equal(rig_add_in(rig, 8, rig_cookie(0)), -EIO);
	assert_int_equal(ring_drv_post(drv, 0), -EIO);
	assert_true(ring_drv_bind(drv, 0, &seg, true) < 0);
	assert_false(ring_drv_publish(drv));
	ring_drv_disarm(drv);
	assert_false(ring_drv_arm(drv));
	ring_drv_disarm(drv);
	assert_false(ring_drv_pending(drv));
	ring_drv_break(drv, RING_CALLER);
	assert_int_equal(ring_drv_fault(drv), fault);

	assert_int_equal(ring_drv_in_flight(drv), cookies);
	for (i = 0; i < cookies; i++) {
		u64 n;

		assert_true(ring_drv_detach(drv, &done));
		assert_non_null(done.cookie);
		assert_int_equal(done.len, 0);
		n = (uintptr_t)done.cookie - 1 - first;
		assert_true(n < cookies && n < 64);
		assert_false(seen & BIT_ULL(n));
		seen |= BIT_ULL(n);
	}
	assert_false(ring_drv_detach(drv, &done));
	assert_int_equal(ring_drv_in_flight(drv), 0);
}

static const struct ring_seg three[] = {
	{ RIG_BUS_DATA, 16 }, { RIG_BUS_DATA + 4096, 100 }, { RIG_BUS_DATA + 8192, 1 },
};

/* A rig with @chains published: 16 readable, 101 writable bytes, cookies from 0. */
static struct rig *rig_with(void **state, u32 size, u64 features, u32 chains)
{
	struct rig *rig = rig_new(state, size, features);
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < chains; i++)
		assert_true(rig_add(rig, three, 1, 2, rig_cookie(i)) >= 0);
	ring_drv_publish(&rig->drv);
	return rig;
}

static void expect_poll(struct rig *rig, u32 cookie, u32 len)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(cookie));
	assert_int_equal(done.len, len);
}

static void expect_fault(struct rig *rig, enum ring_fault fault, u32 first, u32 cookies)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	expect_broken(rig, fault, first, cookies);
}

static void case01_used_id_outside(void **state)
{
	static const u32 ids[] = {
		16, 17, 32, 0xffff, 0x10000, 0x10003, 0x20000, 0x80000000u, 0x80000003u,
		0xffff0003u, 0xffffffffu,
	};
	unsigned int way;
	size_t i;

	for (way = 0; way < RIG_WAYS; way++) {
		for (i = 0; i < ARRAY_SIZE(ids); i++) {
			struct rig *rig = rig_with(state, 16, rig_way(way), 2);

			rig_put_used(rig, 0, ids[i], 0);
			expect_fault(rig, RING_USED_ID, 0, 2);
		}
	}
}

static void case01_used_id_outside_at_every_size(void **state)
{
	u32 size;

	for (size = 1; size <= RING_SIZE_MAX; size *= 2) {
		struct rig *rig = rig_new(state, size, 0);

		rig_start_drv(rig);
		assert_true(rig_add_in(rig, 8, rig_cookie(0)) >= 0);
		ring_drv_publish(&rig->drv);
		rig_put_used(rig, 0, size, 0);
		expect_fault(rig, RING_USED_ID, 0, 1);
	}
}

static void case02_used_id_never_submitted(void **state)
{
	struct rig *rig;
	u32 id;

	/* Of 16 descriptors, 2 chains take 6; their ids are known to the test. */
	for (id = 0; id < 16; id++) {
		u16 head[2];

		rig = rig_new(state, 16, 0);
		rig_start_drv(rig);
		head[0] = (u16)rig_add(rig, three, 1, 2, rig_cookie(0));
		head[1] = (u16)rig_add(rig, three, 1, 2, rig_cookie(1));
		ring_drv_publish(&rig->drv);
		rig_put_used(rig, 0, id, 0);
		if (id == head[0] || id == head[1])
			expect_poll(rig, id == head[1], 0);
		else
			expect_fault(rig, RING_USED_FREE, 0, 2);
	}
}

static void case02_used_id_mid_chain(void **state)
{
	struct rig *rig = rig_with(state, 4, 0, 1);
	const u16 head = shared_load16(&rig_avail(rig)->ring[0]);
	const u16 second = shared_load16(&rig_desc(rig, head)->next);
	const u16 third = shared_load16(&rig_desc(rig, second)->next);

	rig_put_used(rig, 0, second, 0);
	expect_fault(rig, RING_USED_FREE, 0, 1);
	rig = rig_with(state, 4, 0, 1);
	rig_put_used(rig, 0, third, 0);
	expect_fault(rig, RING_USED_FREE, 0, 1);
}

static void case02_used_id_staged_only(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 1);
	const int id = rig_add(rig, three, 1, 2, rig_cookie(1));

	assert_true(id >= 0);
	rig_put_used(rig, 0, (u32)id, 0);
	expect_fault(rig, RING_USED_FREE, 0, 2);
}

static void case02_bound_id_not_posted(void **state)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 8 };
	struct rig *rig = rig_new(state, 4, 0);
	struct ring_done done;
	u16 i;

	rig_start_drv(rig);
	for (i = 0; i < 4; i++)
		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
	assert_int_equal(ring_drv_post(&rig->drv, 2), 0);
	ring_drv_publish(&rig->drv);
	rig_put_used(rig, 0, 1, 0);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_USED_FREE);
	rig_seal(rig);
	assert_int_equal(ring_drv_post(&rig->drv, 1), -EIO);
	assert_true(ring_drv_detach(&rig->drv, &done));
	assert_int_equal(done.id, 2);
	assert_false(ring_drv_detach(&rig->drv, &done));
}

static void case03_same_id_twice_in_a_batch(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 3);
	const u16 id = shared_load16(&rig_avail(rig)->ring[0]);

	rig_put_elem(rig, 0, id, 5);
	rig_put_elem(rig, 1, id, 5);
	rig_put_used(rig, 2, id, 5);
	expect_poll(rig, 0, 5);
	expect_fault(rig, RING_USED_FREE, 1, 2);
}

static void case03_same_id_after_it_completed(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 2);
	const u16 id = shared_load16(&rig_avail(rig)->ring[0]);

	rig_put_used(rig, 0, id, 5);
	expect_poll(rig, 0, 5);
	rig_put_used(rig, 1, id, 5);
	expect_fault(rig, RING_USED_FREE, 1, 1);
}

static void case03_recycled_id_is_another_chain(void **state)
{
	struct rig *rig = rig_with(state, 4, 0, 1);
	const u16 id = shared_load16(&rig_avail(rig)->ring[0]);

	rig_put_used(rig, 0, id, 101);
	expect_poll(rig, 0, 101);
	assert_int_equal(rig_add_in(rig, 7, rig_cookie(1)), id);
	ring_drv_publish(&rig->drv);
	/* Its length counts, not that of the chain that was there before. */
	rig_put_used(rig, 1, id, 8);
	expect_fault(rig, RING_USED_LEN, 1, 1);
}

static void jump(void **state, u32 before, u32 flying, u16 by)
{
	struct rig *rig = rig_new(state, 8, rig_way(1));
	struct ring_done done;
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < before; i++) {
		const int id = rig_add_in(rig, 8, rig_cookie(0));

		ring_drv_publish(&rig->drv);
		rig_put_used(rig, (u16)i, (u32)id, 0);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	}
	for (i = 0; i < flying; i++) {
		const int id = rig_add_in(rig, 8, rig_cookie(i));

		assert_true(id >= 0);
		rig_put_elem(rig, (u16)(before + i), (u32)id, 0);
	}
	ring_drv_publish(&rig->drv);
	shared_store16(&rig_used(rig)->idx, (u16)(before + by));
	if (by > flying)
		expect_fault(rig, RING_USED_JUMP, 0, flying);
	for (i = 0; by <= flying && i < by; i++)
		expect_poll(rig, i, 0);
}

static void case04_used_idx_jumps(void **state)
{
	static const u32 before[] = { 0, 5, 0x7ffd, 0xfffc, 0xffff, 0x10000 };
	static const u16 by[] = {
		1, 2, 3, 4, 7, 8, 9, 0x7fff, 0x8000, 0x8001, 0xfff7, 0xfffe, 0xffff,
	};
	size_t i, j;
	u32 flying;

	for (i = 0; i < ARRAY_SIZE(before); i++) {
		for (j = 0; j < ARRAY_SIZE(by); j++) {
			for (flying = 0; flying <= 8; flying += 4)
				jump(state, before[i], flying, by[j]);
		}
	}
}

static void case04_used_idx_passes_what_is_only_staged(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 1);

	assert_true(rig_add(rig, three, 1, 2, rig_cookie(1)) >= 0);
	rig_put_elem(rig, 0, 0, 0);
	shared_store16(&rig_used(rig)->idx, 2);
	expect_fault(rig, RING_USED_JUMP, 0, 2);
}

static void case04_used_idx_goes_back_between_polls(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 3);
	const u16 second = shared_load16(&rig_avail(rig)->ring[1]);

	rig_put_elem(rig, 0, shared_load16(&rig_avail(rig)->ring[0]), 1);
	rig_put_used(rig, 1, second, 2);
	expect_poll(rig, 0, 1);
	/* Two were announced: the second is taken whatever the index says now. */
	shared_store16(&rig_used(rig)->idx, 0);
	expect_poll(rig, 1, 2);
	expect_fault(rig, RING_USED_JUMP, 2, 1);
}

static void case05_used_len_above_writable(void **state)
{
	static const u32 lens[] = { 102, 103, 117, 118, 4096, 0x10000, 0x80000000u };
	unsigned int way;
	size_t i;

	for (way = 0; way < 2; way++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			struct rig *rig = rig_with(state, 8, rig_way(way), 2);

			rig_put_used(rig, 0, shared_load16(&rig_avail(rig)->ring[0]), lens[i]);
			expect_fault(rig, RING_USED_LEN, 0, 2);
		}
	}
}

static void case05_indirect_length_is_bounded_by_the_shadow(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(2));
	const struct ring_table table = { rig_table(rig, 0), rig_table_bus(0), 3 };
	const struct ring_buf buf = { .seg = three, .out = 1, .in = 2, .table = &table };
	int id;

	rig_start_drv(rig);
	id = ring_drv_add(&rig->drv, &buf, rig_cookie(0));
	ring_drv_publish(&rig->drv);
	rig_fill(&rig->table, 0, 48, 0xff);
	rig_put_used(rig, 0, (u32)id, 101);
	expect_poll(rig, 0, 101);
	id = ring_drv_add(&rig->drv, &buf, rig_cookie(1));
	ring_drv_publish(&rig->drv);
	rig_put_used(rig, 1, (u32)id, 102);
	expect_fault(rig, RING_USED_LEN, 1, 1);
}

static void case06_short_lengths_pass_as_they_are(void **state)
{
	struct rig *rig = rig_with(state, 16, 0, 3);
	u32 i;

	for (i = 0; i < 3; i++)
		rig_put_used(rig, (u16)i, shared_load16(&rig_avail(rig)->ring[i]),
			     i == 2 ? 101 : i);
	expect_poll(rig, 0, 0);
	expect_poll(rig, 1, 1);
	expect_poll(rig, 2, 101);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
}

static void case07_used_len_at_the_end_of_32_bits(void **state)
{
	static const struct ring_seg huge[] = {
		{ RIG_BUS_DATA, 0x80000000u }, { RIG_BUS_DATA, 0x7fffffffu },
	};
	struct rig *rig = rig_with(state, 8, 0, 1);
	int id;

	rig_put_used(rig, 0, shared_load16(&rig_avail(rig)->ring[0]), 0xffffffffu);
	expect_fault(rig, RING_USED_LEN, 0, 1);

	/* All of it writable: then it is the truth; one readable byte less: a lie. */
	rig = rig_with(state, 8, 0, 0);
	id = rig_add(rig, huge, 0, 2, rig_cookie(0));
	ring_drv_publish(&rig->drv);
	rig_put_used(rig, 0, (u32)id, 0xffffffffu);
	expect_poll(rig, 0, 0xffffffffu);
	id = rig_add(rig, huge, 1, 1, rig_cookie(1));
	ring_drv_publish(&rig->drv);
	rig_put_used(rig, 1, (u32)id, 0x80000000u);
	expect_fault(rig, RING_USED_LEN, 1, 1);
}

#define FLIPS	2000000u

struct flipper {
	struct rig *rig;
	u32 stop;
};

/* Rewrite all used elements between two truths, each in one 8-byte store. */
static void *flip(void *arg)
{
	struct flipper *f = arg;
	u64 __shared *elem = shared_at(f->rig->device.at, 4);
	u32 i;

	/* id in the low half, length in the high half: 0/1000 and 1/2000. */
	for (i = 0; !__atomic_load_n(&f->stop, __ATOMIC_RELAXED); i++) {
		const u64 truth = i & 1 ? 1ull | 2000ull << 32 : 1000ull << 32;

		shared_store64(&elem[0], truth);
		shared_store64(&elem[1], truth);
	}
	return NULL;
}

/*
 * Buffer 0 has room for 1000 bytes, buffer 1 for 2000: an id of one element with
 * the length of the other either breaks the queue or shows.
 */
static void case08_used_element_is_one_load(void **state)
{
	const struct ring_seg seg[] = { { RIG_BUS_DATA, 1000 }, { RIG_BUS_DATA, 2000 } };
	struct rig *rig = rig_new(state, 2, 0);
	struct flipper f = { .rig = rig };
	struct ring_done done;
	u32 i, torn = 0, of[2] = { 0 };
	pthread_t thread;
	int ret = 1;

	/* The elements must be aligned to 8 for the flipper's store to be one. */
	if ((uintptr_t)shared_unmark(rig->device.at) % 8 != 4) {
		rig->device.at = shared_mark((u8 *)shared_unmark(rig->device.at) - 4);
		rig->a.device = rig->device.at;
	}
	assert_int_equal((uintptr_t)shared_unmark(rig->device.at) % 8, 4);
	rig_start_drv(rig);
	for (i = 0; i < 2; i++) {
		assert_int_equal(ring_drv_bind(&rig->drv, (u16)i, &seg[i], true), 0);
		assert_int_equal(ring_drv_post(&rig->drv, (u16)i), 0);
	}
	ring_drv_publish(&rig->drv);
	shared_store64((u64 __shared *)shared_at(rig->device.at, 4), 1000ull << 32);
	shared_store64((u64 __shared *)shared_at(rig->device.at, 12), 1000ull << 32);
	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	for (i = 0; i < FLIPS && ret == 1; i++) {
		shared_store_release16(&rig_used(rig)->idx, (u16)(i + 1));
		ret = ring_drv_poll(&rig->drv, &done);
		if (ret != 1)
			break;
		torn += done.id > 1 || done.len != seg[done.id & 1].len;
		of[done.id & 1]++;
		ring_drv_post(&rig->drv, done.id);
		ring_drv_publish(&rig->drv);
	}
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(ret, 1);
	assert_int_equal(torn, 0);
	assert_int_equal(of[0] + of[1], FLIPS);
}

static void case09_descriptors_scribbled_after_submission(void **state)
{
	static const u8 bytes[] = { 0x00, 0x01, 0x02, 0x04, 0x55, 0xff };
	size_t b;

	for (b = 0; b < ARRAY_SIZE(bytes); b++) {
		struct rig *rig = rig_with(state, 16, 0, 4);
		u16 head[4];
		u32 round, i;

		for (round = 0; round < 50; round++) {
			const u16 at = (u16)(4 * round);

			for (i = 0; i < 4; i++)
				head[i] = shared_load16(&rig_avail(rig)->ring[(at + i) % 16]);
			rig_fill(&rig->desc, 0, rig->desc.bytes, bytes[b]);
			for (i = 0; i < 4; i++)
				rig_put_used(rig, (u16)(at + i), head[3 - i], 101 - i);
			for (i = 0; i < 4; i++)
				expect_poll(rig, 3 - i, 101 - i);
			assert_int_equal(ring_drv_num_free(&rig->drv), 16);
			for (i = 0; i < 4; i++)
				assert_true(rig_add(rig, three, 1, 2, rig_cookie(i)) >= 0);
			assert_int_equal(ring_drv_num_free(&rig->drv), 4);
			ring_drv_publish(&rig->drv);
		}
	}
}

/* The table and the avail ring are write-only: they may as well be unreadable. */
static void case09_driver_never_reads_its_own_areas(void **state)
{
	struct rig *rig = rig_with(state, 16, rig_way(1), 4);
	u16 head[4];
	u32 i;

	for (i = 0; i < 4; i++)
		head[i] = shared_load16(&rig_avail(rig)->ring[i]);
	rig_map_protect(&rig->desc, PROT_NONE);
	for (i = 0; i < 4; i++)
		rig_put_used(rig, (u16)i, head[i], i);
	rig_map_protect(&rig->driver, PROT_NONE);
	for (i = 0; i < 4; i++)
		expect_poll(rig, i, i);
	assert_false(ring_drv_pending(&rig->drv));
	assert_int_equal(ring_drv_num_free(&rig->drv), 16);
}

static void case10_avail_ring_scribbled(void **state)
{
	struct rig *rig = rig_new(state, 8, 0);
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < 70000; i++) {
		const int id = rig_add_in(rig, 8, rig_cookie(i));

		assert_true(id >= 0);
		ring_drv_publish(&rig->drv);
		assert_int_equal(shared_load16(&rig_avail(rig)->idx), (u16)(i + 1));
		assert_int_equal(shared_load16(&rig_avail(rig)->ring[i % 8]), id);
		rig_fill(&rig->driver, 0, rig->driver.bytes, (u8)(i * 7));
		rig_put_used(rig, (u16)i, (u32)id, 3);
		expect_poll(rig, i, 3);
	}
}

static void case11_events_at_extremes(void **state)
{
	static const u16 event[] = { 0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff };
	unsigned int way;
	size_t i;

	for (way = 0; way < 2; way++) {
		for (i = 0; i < ARRAY_SIZE(event); i++) {
			struct rig *rig = rig_new(state, 8, rig_way(way));
			bool kicked = false;
			u32 n;

			rig_start_drv(rig);
			shared_store16(rig_avail_event(rig), event[i]);
			shared_store16(&rig_used(rig)->flags, event[i]);
			for (n = 0; n < 0x10000; n++) {
				const int id = rig_add_in(rig, 8, rig_cookie(n));

				kicked |= ring_drv_publish(&rig->drv);
				rig_put_used(rig, (u16)n, (u32)id, 8);
				expect_poll(rig, n, 8);
			}
			/* An event index comes round; a stuck flag is the watchdog's. */
			assert_int_equal(kicked, way || !(event[i] & VRING_USED_F_NO_NOTIFY));
			assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
		}
	}
}

static void case12_used_idx_before_the_start_is_wiped(void **state)
{
	struct rig *rig = rig_new(state, 8, rig_way(1));
	struct ring_done done;

	rig_fill(&rig->device, 0, rig->device.bytes, 0x03);
	rig_start_drv(rig);
	assert_false(ring_drv_pending(&rig->drv));
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
}

static void case12_used_idx_moves_before_anything_is_published(void **state)
{
	struct rig *rig = rig_with(state, 8, 0, 0);

	shared_store16(&rig_used(rig)->idx, 1);
	expect_fault(rig, RING_USED_JUMP, 0, 0);

	rig = rig_new(state, 8, 0);
	rig_start_drv(rig);
	assert_true(rig_add_in(rig, 8, rig_cookie(0)) >= 0);
	rig_put_used(rig, 0, 0, 0);
	expect_fault(rig, RING_USED_JUMP, 0, 1);
}

static void case53_index_is_masked(void **state)
{
	static const size_t sizes[] = { 1, 2, 8, 255, 256, 32768, 65536 };
	size_t i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (n = 0; n < 2 * sizes[i]; n++)
			assert_int_equal(array_index_nospec(n, sizes[i]), n < sizes[i] ? n : 0);
		assert_int_equal(array_index_nospec(0xffff0001u, sizes[i]), 0);
		assert_int_equal(array_index_nospec(0xffffffffu, sizes[i]), 0);
	}
}

static void caller_can_break(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_WAYS; way++) {
		struct rig *rig = rig_with(state, 16, rig_way(way), 5);

		assert_false(ring_drv_arm(&rig->drv));
		ring_drv_break(&rig->drv, RING_CALLER);
		expect_broken(rig, RING_CALLER, 0, 5);
	}
}

static void armed_when_broken_is_left_alone(void **state)
{
	struct rig *rig = rig_with(state, 16, rig_way(1), 2);

	assert_false(ring_drv_arm(&rig->drv));
	assert_true(rig_add(rig, three, 1, 2, rig_cookie(2)) >= 0);
	rig_put_used(rig, 0, 99, 0);
	expect_fault(rig, RING_USED_ID, 0, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("case 01: used id outside the queue", case01_used_id_outside),
		RIG_TEST("case 01: used id outside the queue, every size",
			 case01_used_id_outside_at_every_size),
		RIG_TEST("case 02: used id never submitted", case02_used_id_never_submitted),
		RIG_TEST("case 02: used id in the middle of a chain", case02_used_id_mid_chain),
		RIG_TEST("case 02: used id only staged", case02_used_id_staged_only),
		RIG_TEST("case 02: bound id not posted", case02_bound_id_not_posted),
		RIG_TEST("case 03: same used id twice in a batch", case03_same_id_twice_in_a_batch),
		RIG_TEST("case 03: same used id after it completed",
			 case03_same_id_after_it_completed),
		RIG_TEST("case 03: a recycled id is another chain",
			 case03_recycled_id_is_another_chain),
		RIG_TEST("case 04: used index jumps", case04_used_idx_jumps),
		RIG_TEST("case 04: used index passes what is only staged",
			 case04_used_idx_passes_what_is_only_staged),
		RIG_TEST("case 04: used index goes back between polls",
			 case04_used_idx_goes_back_between_polls),
		RIG_TEST("case 05: used length above what was writable",
			 case05_used_len_above_writable),
		RIG_TEST("case 05: used length of an indirect chain",
			 case05_indirect_length_is_bounded_by_the_shadow),
		RIG_TEST("case 06: short used lengths pass as they are",
			 case06_short_lengths_pass_as_they_are),
		RIG_TEST("case 07: used length at the end of 32 bits",
			 case07_used_len_at_the_end_of_32_bits),
		RIG_TEST("case 08: a used element is one load", case08_used_element_is_one_load),
		RIG_TEST("case 09: descriptors scribbled after submission",
			 case09_descriptors_scribbled_after_submission),
		RIG_TEST("case 09: the driver never reads its own areas",
			 case09_driver_never_reads_its_own_areas),
		RIG_TEST("case 10: avail ring scribbled", case10_avail_ring_scribbled),
		RIG_TEST("case 11: event indices and flags at extremes", case11_events_at_extremes),
		RIG_TEST("case 12: used index before the start is wiped",
			 case12_used_idx_before_the_start_is_wiped),
		RIG_TEST("case 12: used index moves before anything is published",
			 case12_used_idx_moves_before_anything_is_published),
		RIG_TEST("case 53: an index beyond the size is masked", case53_index_is_masked),
		RIG_TEST("the caller can break the queue", caller_can_break),
		RIG_TEST("a queue broken while armed is left alone",
			 armed_when_broken_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
