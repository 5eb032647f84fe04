/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chains that go all the way, from the driver to the device and back, among honest people:
 * what the tests of the layouts and of the calls have in common.
 */
#ifndef TESTS_UNIT_EXCHANGE_H
#define TESTS_UNIT_EXCHANGE_H

#include "rig.h"

/*
 * Fill the ring, take all of it, complete it the last one first; in order that comes back
 * the first one first. The halves must be idle, and are again.
 */
static inline void exchange_full(struct rig *rig)
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
	for (i = 0; i < size; i++) {
		const u32 n = rig_ordered(rig) ? i : size - 1 - i;

		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_ptr_equal(done.cookie, rig_cookie(n));
		assert_int_equal(done.id, id[n]);
		assert_int_equal(done.len, n);
	}
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
	assert_int_equal(ring_drv_num_free(&rig->drv), size);
	assert_int_equal(ring_drv_in_flight(&rig->drv), 0);
	assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
	free(id);
}

/* One chain of a buffer of @len bytes to write, all the way. */
static inline void exchange_one(struct rig *rig, u32 len)
{
	struct ring_done done;

	assert_true(rig_add_in(rig, len, rig_cookie(len)) >= 0);
	ring_drv_publish(&rig->drv);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	ring_dev_push(&rig->dev, &rig->c, len);
	ring_dev_flush(&rig->dev);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(len));
	assert_int_equal(done.len, len);
	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
}

static const struct ring_seg five[] = {
	{ RIG_BUS_DATA + 100, 16 }, { RIG_BUS_DATA + 7, 1 }, { RIG_BUS_SEAM + 8, 300 },
	{ RIG_BUS_DATA + 5000, 4096 }, { RIG_BUS_SEAM, 2 },
};

/* What was popped is a chain of these five, the first @out of them to read. */
static inline void check_five(struct rig *rig, u16 out)
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

#endif /* TESTS_UNIT_EXCHANGE_H */
