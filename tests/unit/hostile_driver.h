/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the device half against a driver that lies have in common. The test
 * is the driver and writes by hand what a driver writes.
 *
 * Most lies are about one chain, the first that the device gets to see. Of a split ring
 * its descriptors lie here and there in the table, of a packed one it begins with the
 * last descriptor and goes on with the first.
 *
 * After each lie expect_broken() takes all shared memory away and makes every call: each
 * must refuse without touching it, and the first reason must stay.
 */
#ifndef TESTS_UNIT_HOSTILE_DRIVER_H
#define TESTS_UNIT_HOSTILE_DRIVER_H

#include "rig.h"

#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define INDIRECT	VRING_DESC_F_INDIRECT

static inline void expect_broken(struct rig *rig, enum ring_fault fault)
{
	const struct ring_chain old = { .id = 0, .count = 1 };
	struct ring_dev *dev = &rig->dev;

	assert_int_equal(ring_dev_fault(dev), fault);
	rig_seal(rig);
	rig->maps = 0;
	assert_int_equal(ring_dev_pop(dev, &rig->c), -EIO);
	ring_dev_push(dev, &old, 4);
	ring_dev_show(dev);
	assert_false(ring_dev_flush(dev));
	ring_dev_disarm(dev);
	assert_false(ring_dev_arm(dev));
	ring_dev_disarm(dev);
	assert_int_equal(ring_dev_pop(dev, &rig->c), -EIO);
	ring_dev_break(dev, RING_CALLER);
	assert_int_equal(ring_dev_fault(dev), fault);
	assert_int_equal(rig->maps, 0);
}

/* Where descriptor @i of the chain lies. */
static inline u32 spot(const struct rig *rig, u32 i)
{
	return rig_packed(rig) ? rig->size - 1 + i : (3 + 5 * i) % rig->size;
}

/* What the chain is called. */
static inline u16 chain_id(const struct rig *rig)
{
	return (u16)(rig_packed(rig) ? rig->size / 2 : spot(rig, 0));
}

static inline struct rig *rig_with(void **state, u32 size, u64 features)
{
	struct rig *rig = rig_new(state, size, features);
	const u32 base = rig_off_wrap(rig, spot(rig, 0));

	rig_start_dev(rig, rig_packed(rig) ? base | base << 16 : 0);
	return rig;
}

/* Write descriptor @i of the chain; in a split ring it is linked to the one after it. */
static inline void put(struct rig *rig, u32 i, u64 addr, u32 len, u16 flags)
{
	if (rig_packed(rig))
		rig_put_packed(rig, spot(rig, i), addr, len, chain_id(rig), flags);
	else
		rig_put_desc(rig_desc(rig, spot(rig, i)), addr, len, flags,
			     (u16)spot(rig, i + 1));
}

/* Write entry @i of the indirect table; a packed one knows no links and no ids. */
static inline void put_entry(struct rig *rig, u32 i, u64 addr, u32 len, u16 flags)
{
	struct vring_desc __shared *entry = rig_table(rig, i);

	if (!rig_packed(rig)) {
		rig_put_desc(entry, addr, len, flags, (u16)(i + 1));
		return;
	}
	shared_store64(&entry->addr, addr);
	shared_store64((u64 __shared *)shared_at(entry, 8), rig_rest(len, 0xffff, flags));
}

/* Descriptors 0 to @n - 1 as one chain of @len readable bytes each. */
static inline void put_chain(struct rig *rig, u32 n, u32 len)
{
	u32 i;

	for (i = 0; i < n; i++)
		put(rig, i, RIG_BUS_DATA, len, i + 1 < n ? NEXT : 0);
}

/* Offer the chain, as far as its descriptors do not say so themselves. */
static inline int offer_and_pop(struct rig *rig)
{
	if (!rig_packed(rig))
		rig_put_avail(rig, 0, chain_id(rig));
	return ring_dev_pop(&rig->dev, &rig->c);
}

static inline void expect_refused(struct rig *rig, enum ring_fault fault)
{
	assert_int_equal(offer_and_pop(rig), -EIO);
	expect_broken(rig, fault);
}

static inline void expect_popped(struct rig *rig, u16 out, u16 in)
{
	assert_int_equal(offer_and_pop(rig), 1);
	assert_int_equal(rig->c.id, chain_id(rig));
	assert_int_equal(rig->c.out, out);
	assert_int_equal(rig->c.in, in);
}

#endif /* TESTS_UNIT_HOSTILE_DRIVER_H */
