/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the driver half against a device that lies have in common. The test
 * is the device and writes by hand what a device writes.
 *
 * After each lie expect_broken() takes all shared memory away and makes every call: each
 * must refuse without touching it, the first reason must stay, and all that was in flight
 * must come back exactly once by detach.
 */
#ifndef TESTS_UNIT_HOSTILE_DEVICE_H
#define TESTS_UNIT_HOSTILE_DEVICE_H

#include "rig.h"

/* Chains in flight must be those of @cookies rig_cookie()s from @first on, in any order. */
static inline void expect_broken(struct rig *rig, enum ring_fault fault, u32 first,
				 u32 cookies)
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
	ring_drv_show(drv);
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

/* Of what most chains are here: 16 bytes that the device reads, 101 that it writes. */
static const struct ring_seg three[] = {
	{ RIG_BUS_DATA, 16 }, { RIG_BUS_DATA + 4096, 100 }, { RIG_BUS_DATA + 8192, 1 },
};

static inline u16 add_three(struct rig *rig, u32 cookie)
{
	const int id = rig_add(rig, three, 1, 2, rig_cookie(cookie));

	assert_true(id >= 0);
	return (u16)id;
}

/* A rig with @chains of three published, their cookies from 0, their ids in rig->id. */
static inline struct rig *rig_with(void **state, u32 size, u64 features, u32 chains)
{
	struct rig *rig = rig_new(state, size, features);
	u32 i;

	rig_start_drv(rig);
	for (i = 0; i < chains; i++)
		rig->id[i] = add_three(rig, i);
	ring_drv_publish(&rig->drv);
	return rig;
}

/* Write the @nth completion, when all before it were of chains of three. */
static inline void complete(struct rig *rig, u32 nth, u32 id, u32 len)
{
	rig_complete(rig, rig_packed(rig) ? 3 * nth : nth, id, len);
}

static inline void expect_nothing(struct rig *rig)
{
	struct ring_done done;

	assert_false(ring_drv_pending(&rig->drv));
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
	assert_int_equal(ring_drv_fault(&rig->drv), RING_OK);
}

static inline void expect_fault(struct rig *rig, enum ring_fault fault, u32 first,
				u32 cookies)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), -EIO);
	expect_broken(rig, fault, first, cookies);
}

#endif /* TESTS_UNIT_HOSTILE_DEVICE_H */
