// SPDX-License-Identifier: GPL-2.0
/*
 * The device half against an in-flight log that lies (ATTACKS.md, 64): what a front-end
 * hands over may hold anything, and may change at any time. A log that cannot be is
 * refused; of one that can be the pops end, or break the queue. log.c has the honest ones.
 *
 * A log is made by a half that is then forgotten, as if it had been killed; the test tells
 * its lie and starts another.
 */
#include <pthread.h>

#include "log_book.h"

/* Most descriptors of a queue whose log is flipped or scribbled on. */
#define MOST	16u

/* A chain of @n buffers of 8 bytes. */
static u16 publish_and_pop(struct rig *rig, u32 n)
{
	const u16 id = publish(rig, n, 8, 0);

	pop(rig, id);
	return id;
}

/* Pop all there is. Returns how many; the queue may be broken in the end. */
static u32 pop_all(struct rig *rig, u16 *id)
{
	u32 n = 0;

	while (ring_dev_pop(&rig->dev, &rig->c) > 0) {
		assert_in_range(n, 0, rig->size - 1);
		assert_in_range(rig->c.id, 0, rig->size - 1);
		id[n++] = rig->c.id;
	}
	return n;
}

static void expect_broken(struct rig *rig, enum ring_fault fault)
{
	struct ring_dev *dev = &rig->dev;

	assert_int_equal(ring_dev_fault(dev), fault);
	rig_seal(rig);
	rig_map_protect(&book.map, PROT_NONE);
	assert_int_equal(ring_dev_pop(dev, &rig->c), -EIO);
	push(rig, 0, 8);
	assert_false(ring_dev_flush(dev));
	ring_dev_disarm(dev);
	assert_false(ring_dev_arm(dev));
	assert_int_equal(ring_dev_fault(dev), fault);
}

/* ---- logs that cannot be ---------------------------------------------------- */

/* Bytes of the log that are written over. */
struct lie {
	size_t off;
	u32 len;
	u16 value;
};

static void tell(const struct lie *lie)
{
	if (lie->len == 1)
		put8(lie->off, (u8)lie->value);
	else
		put16(lie->off, lie->value);
}

/*
 * Chains 0 to 3 popped, 2 and 0 done, and the half killed before it took them off the log:
 * used.idx is 2, the last batch is 0 and then 2.
 */
static struct rig *split_scene(void **state)
{
	struct rig *rig = rig_logged(state, 4, 0);
	u16 i;

	for (i = 0; i < 4; i++)
		assert_int_equal(publish_and_pop(rig, 1), i);
	push(rig, 2, 8);
	push(rig, 0, 8);
	ring_dev_flush(&rig->dev);
	put8(split_at(0) + INFLIGHT, 1);
	put8(split_at(2) + INFLIGHT, 1);
	put16(SPLIT_USED_IDX, 0);
	return rig;
}

static void split_logs_that_cannot_be(void **state)
{
	static const struct lie lies[] = {
		{ VERSION, 2, 2 }, { VERSION, 2, 0x100 }, { VERSION, 2, 0xffff },
		{ DESC_NUM, 2, 0 }, { DESC_NUM, 2, 3 }, { DESC_NUM, 2, 5 }, { DESC_NUM, 2, 0xffff },
		/* More in the last batch than fit, and less than nothing. */
		{ SPLIT_USED_IDX, 2, 0xfffd }, { SPLIT_USED_IDX, 2, 3 },
		{ SPLIT_USED_IDX, 2, 0x8002 },
		{ LAST_BATCH_HEAD, 2, 4 }, { LAST_BATCH_HEAD, 2, 0xffff },
		{ 16 + SPLIT_NEXT, 2, 4 }, { 16 + SPLIT_NEXT, 2, 0x8000 },
		{ 16 + 1 * 16 + INFLIGHT, 1, 2 }, { 16 + 3 * 16 + INFLIGHT, 1, 255 },
	};
	struct rig *rig = split_scene(state);
	size_t i;

	assert_int_equal(restart(rig), 2);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		rig = split_scene(state);
		tell(&lies[i]);
		assert_int_equal(restart(rig), -EINVAL);
	}
}

/*
 * Five entries: chain A in 0 and 1, chain C in 3 and 4, and 2 is free, where B was. With
 * @batch the half was killed before it took B off the log, and the old list is empty.
 */
static struct rig *packed_scene(void **state, u64 features, bool batch)
{
	struct rig *rig = rig_logged(state, 5, features | RIG_PACKED);
	u16 b;

	publish_and_pop(rig, 2);
	b = publish_and_pop(rig, 1);
	publish_and_pop(rig, 2);
	push(rig, b, 8);
	ring_dev_flush(&rig->dev);
	if (batch) {
		put8(packed_at(2) + INFLIGHT, 1);
		put16(OLD_FREE_HEAD, 5);
		put16(OLD_USED_IDX, 0);
	}
	return rig;
}

static void packed_logs_that_cannot_be(void **state)
{
	static const struct lie lies[] = {
		{ VERSION, 2, 2 }, { VERSION, 2, 0x100 }, { VERSION, 2, 0xffff },
		{ DESC_NUM, 2, 0 }, { DESC_NUM, 2, 4 }, { DESC_NUM, 2, 6 }, { DESC_NUM, 2, 0xffff },
		{ USED_IDX, 2, 5 }, { USED_IDX, 2, 0xffff },
		{ OLD_USED_IDX, 2, 5 }, { OLD_USED_IDX, 2, 0x8000 },
		{ USED_WRAP, 1, 2 }, { USED_WRAP, 1, 255 },
		{ OLD_USED_WRAP, 1, 2 }, { OLD_USED_WRAP, 1, 255 },
		/* The free list: a loop, out of bounds, into a chain, through one and back. */
		{ 32 + 2 * 32 + NEXT, 2, 2 }, { 32 + 2 * 32 + NEXT, 2, 6 },
		{ 32 + 2 * 32 + NEXT, 2, 0xffff }, { 32 + 2 * 32 + NEXT, 2, 1 },
		{ 32 + 2 * 32 + NEXT, 2, 0 }, { 32 + 2 * 32 + NEXT, 2, 4 },
		/* Chain A: leaves the log, runs into another, the free list, itself, nowhere. */
		{ 32 + INFLIGHT, 1, 0 }, { 32 + INFLIGHT, 1, 2 }, { 32 + INFLIGHT, 1, 255 },
		{ 32 + NEXT, 2, 3 }, { 32 + NEXT, 2, 4 }, { 32 + NEXT, 2, 2 }, { 32 + NEXT, 2, 0 },
		{ 32 + NEXT, 2, 5 }, { 32 + NEXT, 2, 0xffff },
		{ 32 + NUM, 2, 0 }, { 32 + NUM, 2, 1 }, { 32 + NUM, 2, 3 }, { 32 + NUM, 2, 5 },
		{ 32 + NUM, 2, 6 }, { 32 + NUM, 2, 0xffff },
		{ 32 + LAST, 2, 0 }, { 32 + LAST, 2, 3 }, { 32 + LAST, 2, 5 },
		{ 32 + LAST, 2, 0xffff },
		/* A chain that begins inside another. */
		{ 32 + 1 * 32 + INFLIGHT, 1, 1 }, { 32 + 4 * 32 + INFLIGHT, 1, 1 },
	};
	/* These are looked at only where the last batch is whole, or only where it is not. */
	static const struct lie settled[] = {
		{ OLD_FREE_HEAD, 2, 5 }, { OLD_FREE_HEAD, 2, 6 }, { OLD_FREE_HEAD, 2, 0xffff },
		{ OLD_FREE_HEAD, 2, 1 }, { OLD_FREE_HEAD, 2, 4 },
	}, in_progress[] = {
		{ FREE_HEAD, 2, 0x8000 }, { FREE_HEAD, 2, 6 }, { FREE_HEAD, 2, 0xffff },
		{ FREE_HEAD, 2, 1 }, { FREE_HEAD, 2, 4 },
	};
	struct rig *rig;
	size_t i;
	u32 batch;

	for (batch = 0; batch < 2; batch++) {
		const struct lie *more = batch ? in_progress : settled;

		assert_int_equal(restart(packed_scene(state, 0, batch)), 2);
		for (i = 0; i < ARRAY_SIZE(lies) + ARRAY_SIZE(settled); i++) {
			rig = packed_scene(state, 0, batch);
			tell(i < ARRAY_SIZE(lies) ? &lies[i] : &more[i - ARRAY_SIZE(lies)]);
			assert_int_equal(restart(rig), -EINVAL);
		}
	}
}

static void lists_that_loop_end_at_every_size(void **state)
{
	static const u32 sizes[] = { 1, 2, 1024, RING_SIZE_MAX };
	struct rig *rig;
	size_t i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		rig = rig_logged(state, sizes[i], RIG_PACKED);
		put16(packed_at(sizes[i] - 1) + NEXT, 0);
		assert_int_equal(restart(rig), -EINVAL);

		/* One chain, of all entries, that ends where it began. */
		rig = rig_logged(state, sizes[i], RIG_PACKED);
		put16(packed_at(sizes[i] - 1) + NEXT, 0);
		put8(packed_at(0) + INFLIGHT, 1);
		put16(packed_at(0) + NUM, (u16)(sizes[i] + 1));
		put16(OLD_FREE_HEAD, (u16)sizes[i]);
		assert_int_equal(restart(rig), -EINVAL);

		/* A batch that is one entry again and again takes off that one. */
		rig = rig_logged(state, sizes[i], 0);
		for (n = 0; n < sizes[i]; n++)
			put8(split_at(n) + INFLIGHT, 1);
		put16(split_at(0) + SPLIT_NEXT, 0);
		put16(SPLIT_USED_IDX, (u16)-sizes[i]);
		assert_int_equal(restart(rig), sizes[i] - 1);
	}
}

static void refused_log_leaves_the_ring_alone(void **state)
{
	struct rig *rig = packed_scene(state, 0, true);
	u8 kept[16 * 5];

	memcpy(kept, shared_unmark(rig->desc.at), sizeof(kept));
	put16(packed_at(3) + NUM, 1);
	assert_int_equal(restart(rig), -EINVAL);
	assert_memory_equal(kept, shared_unmark(rig->desc.at), sizeof(kept));
	/* It was not the ring's fault: with another log the half is as good as any. */
	rig_fill(&book.map, 0, book.map.bytes, 0);
	assert_int_equal(restart(rig), 0);
}

/* ---- logs that can be, of what never was -------------------------------------- */

static void counters_say_nothing_but_the_order(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		const bool packed = rig_way(way) & RIG_PACKED;
		struct rig *rig = rig_logged(state, 4, rig_way(way));
		u16 got[MOST], id[4];
		u32 i;

		for (i = 0; i < 3; i++) {
			id[i] = publish_and_pop(rig, 1);
			put64((packed ? packed_at(i) : split_at(id[i])) + COUNTER,
			      i ? UINT64_MAX : 0);
		}
		assert_int_equal(restart(rig), 3);
		assert_int_equal(pop_all(rig, got), 3);
		assert_int_equal(got[0], id[0]);
		assert_int_equal(got[1] + got[2], id[1] + id[2]);
		assert_int_not_equal(got[1], got[2]);
		/* What comes after the last number. */
		id[3] = publish_and_pop(rig, 1);
		assert_int_equal(restart(rig), 4);
		assert_int_equal(pop_all(rig, got), 4);
		for (i = 0; i < 4; i++)
			push(rig, got[i], 8);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
		assert_int_equal(restart(rig), 0);
	}
}

static void split_chain_in_flight_that_lies(void **state)
{
	static const struct {
		enum ring_fault fault;
		u64 addr;
		u32 len;
		u16 flags, next;
	} lies[] = {
		{ RING_DESC_ADDR, 0, 8, 0, 0 },
		{ RING_DESC_ADDR, RIG_BUS_SEAM - 4, 8, 0, 0 },
		{ RING_DESC_ADDR, UINT64_MAX, 8, 0, 0 },
		{ RING_DESC_BYTES, RIG_BUS_DATA, RIG_BYTES + 1, 0, 0 },
		{ RING_DESC_NEXT, RIG_BUS_DATA, 8, VRING_DESC_F_NEXT, 4 },
		{ RING_DESC_LOOP, RIG_BUS_DATA, 8, VRING_DESC_F_NEXT, 0 },
		{ RING_INDIRECT_OFF, RIG_BUS_TABLE, 16, VRING_DESC_F_INDIRECT, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		struct rig *rig = rig_logged(state, 4, 0);

		assert_int_equal(publish_and_pop(rig, 1), 0);
		rig_put_desc(rig_desc(rig, 0), lies[i].addr, lies[i].len, lies[i].flags,
			     lies[i].next);
		assert_int_equal(restart(rig), 1);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, lies[i].fault);
	}
}

static void split_chains_that_were_never_offered(void **state)
{
	struct rig *rig = rig_logged(state, 4, 0);
	u32 n;

	/* Two in flight where the driver offered one, in a queue that was in use for long. */
	for (n = 0; n < 6; n++) {
		push(rig, publish_and_pop(rig, 1), 8);
		ring_dev_flush(&rig->dev);
		rig_poll_one(rig, 0, 8);
	}
	publish_and_pop(rig, 1);
	put8(split_at(3) + INFLIGHT, 1);
	put64(split_at(3) + COUNTER, 7);
	rig_put_desc(rig_desc(rig, 3), RIG_BUS_DATA, 8, 0, 0);
	assert_int_equal(restart(rig), 2);
	pop(rig, 0);
	pop(rig, 3);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, RING_AVAIL_JUMP);

	/* In flight, by the log, in place of another, and offered by the driver as well. */
	rig = rig_logged(state, 4, 0);
	publish_and_pop(rig, 1);
	assert_int_equal(publish(rig, 1, 8, 0), 1);
	put8(split_at(0) + INFLIGHT, 0);
	put8(split_at(1) + INFLIGHT, 1);
	assert_int_equal(restart(rig), 1);
	pop(rig, 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, RING_AVAIL_BUSY);
}

static void packed_copies_that_lie(void **state)
{
	enum { TABLE = VRING_DESC_F_INDIRECT };
	static const struct {
		enum ring_fault fault;
		u64 addr;
		u32 len;
		u16 flags;
	} lies[] = {
		{ RING_DESC_ADDR, 0, 8, 0 },
		{ RING_DESC_ADDR, RIG_BUS_SEAM - 4, 8, 0 },
		{ RING_DESC_ADDR, UINT64_MAX, 8, 0 },
		/* The device may write to data, not to a table. */
		{ RING_DESC_ADDR, RIG_BUS_TABLE, 16, VRING_DESC_F_WRITE },
		{ RING_DESC_BYTES, RIG_BUS_DATA, UINT32_MAX, 0 },
		{ RING_INDIRECT_NEST, RIG_BUS_TABLE, 16, TABLE },
		{ RING_INDIRECT_NEST, RIG_BUS_TABLE, 16, TABLE | VRING_DESC_F_NEXT },
		{ RING_INDIRECT_SIZE, RIG_BUS_TABLE, 0, TABLE },
		{ RING_INDIRECT_SIZE, RIG_BUS_TABLE, 17, TABLE },
		{ RING_INDIRECT_SIZE, RIG_BUS_TABLE, 16 * (RING_SIZE_MAX + 1), TABLE },
		{ RING_DESC_ADDR, RIG_BUS_TABLE + 16 * RIG_TABLE, 16, TABLE },
		{ RING_DESC_SEGS, RIG_BUS_TABLE + 16, 16 * (RIG_SEGS + 1), TABLE },
	};
	struct rig *rig;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		rig = rig_logged(state, 4, RIG_PACKED | RIG_INDIRECT);
		/* An entry of a packed table ends with id and flags. */
		rig_put_desc(rig_table(rig, 0), RIG_BUS_TABLE, 16, 0, VRING_DESC_F_INDIRECT);
		for (n = 1; n <= RIG_SEGS + 1; n++)
			rig_put_desc(rig_table(rig, (u32)n), RIG_BUS_DATA, 8, 0, 0);
		publish_and_pop(rig, 1);
		put64(packed_at(0) + ADDR, lies[i].addr);
		put32(packed_at(0) + LEN, lies[i].len);
		put16(packed_at(0) + FLAGS, lies[i].flags);
		assert_int_equal(restart(rig), 1);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, lies[i].fault);
	}

	rig = rig_logged(state, 4, RIG_PACKED);
	publish_and_pop(rig, 1);
	put16(packed_at(0) + FLAGS, VRING_DESC_F_INDIRECT);
	assert_int_equal(restart(rig), 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, RING_INDIRECT_OFF);

	rig = rig_logged(state, 4, RIG_PACKED);
	publish_and_pop(rig, 2);
	put16(packed_at(1) + FLAGS, 0);
	assert_int_equal(restart(rig), 1);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, RING_DESC_ORDER);
}

/* As the driver offered it the first would have been the last, or gone on. */
static void packed_copies_that_do_not_end_where_they_say(void **state)
{
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct rig *rig = rig_logged(state, 4, RIG_PACKED | RIG_INDIRECT);

		rig_put_desc(rig_table(rig, 0), RIG_BUS_DATA, 8, 0, 0);
		publish_and_pop(rig, way ? 1 : 2);
		put64(packed_at(0) + ADDR, way ? RIG_BUS_DATA : RIG_BUS_TABLE);
		put32(packed_at(0) + LEN, 16);
		put16(packed_at(0) + FLAGS, way ? VRING_DESC_F_NEXT : VRING_DESC_F_INDIRECT);
		assert_int_equal(restart(rig), 1);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, RING_LOG_CHAIN);
	}
}

static void packed_ids_that_lie(void **state)
{
	static const u16 beyond[] = { 4, 5, 0x8000, 0xffff };
	struct rig *rig;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		rig = rig_logged(state, 4, RIG_PACKED);
		publish_and_pop(rig, 2);
		put16(packed_at(1) + ID, beyond[i]);
		assert_int_equal(restart(rig), 1);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, RING_AVAIL_HEAD);
	}

	/* Two chains in flight under one id, and one that the driver offers as well. */
	for (i = 0; i < 2; i++) {
		u16 id;

		rig = rig_logged(state, 4, RIG_PACKED);
		publish_and_pop(rig, 1);
		id = i ? publish(rig, 1, 8, 0) : publish_and_pop(rig, 1);
		put16(packed_at(0) + ID, id);
		assert_int_equal(restart(rig), 2 - (int)i);
		pop(rig, id);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		expect_broken(rig, RING_AVAIL_BUSY);
	}
}

static void chain_that_broke_the_queue_is_not_in_flight(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way += 4) {
		const bool packed = rig_way(way) & RIG_PACKED;
		struct rig *rig = rig_logged(state, 4, rig_way(way));
		const u16 good = publish_and_pop(rig, 1), bad = publish(rig, 2, 8, 0);
		struct vring_desc __shared *second =
			rig_desc(rig, packed ? 2 : shared_load16(&rig_desc(rig, bad)->next));

		shared_store64(&second->addr, 1);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		assert_int_equal(ring_dev_fault(&rig->dev), RING_DESC_ADDR);
		assert_int_equal(restart(rig), 1);
		pop(rig, good);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);

		shared_store64(&second->addr, RIG_BUS_DATA);
		assert_int_equal(restart(rig), 1);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		pop(rig, bad);
		assert_int_equal(rig->c.count, 2);
	}
}

/* ---- logs that change ---------------------------------------------------------- */

static void scribble(u64 *random)
{
	const u32 from = rig_below(random, (u32)book.map.bytes);
	const u32 len = 1 + rig_below(random, (u32)book.map.bytes - from);

	rig_fill(&book.map, from, len, (u8)rig_random(random));
}

static void running_half_believes_nothing_of_its_log(void **state)
{
	u64 random = rig_seed(0x6c6f6768);
	unsigned int way;
	u32 round, n, i;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		struct rig *rig = rig_logged(state, 8, rig_way(way));
		u16 id[8];

		for (round = 0; round < 500; round++) {
			n = 1 + rig_below(&random, 8);
			for (i = 0; i < n; i++) {
				scribble(&random);
				id[i] = publish_and_pop(rig, 1);
				if (rig_below(&random, 4))
					continue;
				scribble(&random);
				ring_dev_unpop(&rig->dev, &rig->c);
				scribble(&random);
				pop(rig, id[i]);
			}
			for (i = n; i-- > 0;) {
				scribble(&random);
				push(rig, id[i], 8);
				if (rig_below(&random, 2))
					ring_dev_show(&rig->dev);
			}
			scribble(&random);
			ring_dev_flush(&rig->dev);
			for (i = 0; i < n; i++)
				rig_poll_one(rig, 0, 8);
			poll_none(rig);
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
		}
	}
}

static void links_are_read_once(void **state)
{
	static const u16 links[] = { 0, 5, 8, 0x8000, 0xffff };
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(links); i++) {
		struct rig *rig = rig_logged(state, 8, RIG_PACKED);
		const u16 a = publish_and_pop(rig, 3), b = publish_and_pop(rig, 4);

		assert_int_equal(restart(rig), 2);
		for (n = 0; n < 8; n++)
			put16(packed_at((u32)n) + NEXT, links[i]);
		pop(rig, a);
		assert_int_equal(rig->c.in, 3);
		pop(rig, b);
		assert_int_equal(rig->c.in, 4);
		for (n = 0; n < 4; n++)
			assert_ptr_equal(shared_unmark(rig->iov[n].base),
					 shared_unmark(rig_data(rig, RIG_BUS_DATA + 8 * n)));
		push(rig, b, 8);
		push(rig, a, 8);
		ring_dev_flush(&rig->dev);
		rig_poll_one(rig, 0, 8);
		rig_poll_one(rig, 0, 8);
	}
}

/* Whatever came of it, the half does not do more than a queue has room for. */
static void serve_what_there_is(struct rig *rig, u64 *random)
{
	u16 id[MOST];
	u32 rounds, n, i;

	for (rounds = 0; rounds < 3; rounds++) {
		n = pop_all(rig, id);
		if (n && rig_below(random, 2)) {
			ring_dev_unpop(&rig->dev, &(struct ring_chain) { .id = id[n - 1] });
			n--;
		}
		for (i = 0; i < n; i++)
			push(rig, id[(i + rounds) % n], 8);
		ring_dev_flush(&rig->dev);
		ring_dev_arm(&rig->dev);
	}
}

/* A log and a ring with chains in all stages. */
static void make_traffic(struct rig *rig, u64 *random)
{
	struct ring_done done;
	u32 steps;

	for (steps = 0; steps < 40; steps++) {
		switch (rig_below(random, 4)) {
		case 0:
			if (ring_drv_num_free(&rig->drv))
				publish(rig, 1 + rig_below(random, ring_drv_num_free(&rig->drv)),
					8, 0);
			break;
		case 1:
			ring_dev_pop(&rig->dev, &rig->c);
			break;
		case 2:
			push(rig, (u16)rig_below(random, rig->size), 8);
			if (rig_below(random, 2))
				ring_dev_flush(&rig->dev);
			break;
		default:
			ring_drv_poll(&rig->drv, &done);
			break;
		}
	}
}

/* Overwrite a field or a few bytes with what may be close to the truth. */
static void flip(const struct rig_map *m, u64 *random, u32 size)
{
	const u32 at = rig_below(random, (u32)m->bytes);
	u8 __shared *p = shared_at(m->at, at);

	switch (rig_below(random, 4)) {
	case 0:
		shared_store8(p, (u8)rig_random(random));
		break;
	case 1:
		shared_store8(p, (u8)(shared_load8(p) + (rig_below(random, 2) ? 1 : -1)));
		break;
	case 2:
		shared_store8(p, shared_load8(p) ^ (u8)(1u << rig_below(random, 8)));
		break;
	default:
		shared_store16((__le16 __shared *)shared_at(m->at, at & ~1u),
			       (u16)rig_below(random, size + 2));
		break;
	}
}

static void flipped_logs(void **state)
{
	static const u32 sizes[] = { 1, 4, 5, 16 };
	u64 random = rig_seed(0x6c6f6769);
	u32 taken = 0, refused = 0, broken = 0, scene, lie, n;
	unsigned int way;
	size_t i;

	for (scene = 0; scene < 32 * RIG_ALL_WAYS; scene++) {
		u8 log[32 + 32 * MOST + 32], ring[16 * MOST], device[8 * MOST + 6];
		struct rig *rig;

		way = scene % RIG_ALL_WAYS;
		i = scene / RIG_ALL_WAYS % ARRAY_SIZE(sizes);
		if (!ring_size_ok(sizes[i], rig_way(way)))
			continue;
		rig = rig_logged(state, sizes[i], rig_way(way));
		make_traffic(rig, &random);
		memcpy(log, shared_unmark(book.map.at), book.map.bytes);
		memcpy(ring, shared_unmark(rig->desc.at), rig->desc.bytes);
		memcpy(device, shared_unmark(rig->device.at), rig->device.bytes);
		assert_true(restart(rig) >= 0);
		for (lie = 0; lie < 100; lie++) {
			memcpy(shared_unmark(book.map.at), log, book.map.bytes);
			memcpy(shared_unmark(rig->desc.at), ring, rig->desc.bytes);
			memcpy(shared_unmark(rig->device.at), device, rig->device.bytes);
			for (n = 1 + rig_below(&random, 3); n; n--)
				flip(&book.map, &random, sizes[i]);
			if (!rig_below(&random, 4))
				flip(&rig->desc, &random, sizes[i]);
			if (!rig_below(&random, 4))
				flip(&rig->device, &random, sizes[i]);
			/* Twice: what a half makes of a log must not be worse. */
			for (n = 0; n < 2; n++) {
				if (restart(rig) < 0) {
					refused++;
					continue;
				}
				taken++;
				serve_what_there_is(rig, &random);
				broken += ring_dev_fault(&rig->dev) != RING_OK;
			}
		}
	}
	/* Else the test has not done what it is for. */
	assert_true(taken > 1000 && refused > 1000 && broken > 1000);
}

struct scribbler {
	const struct rig *rig;
	u64 random;
	bool stop;
};

static void *scribble_on(void *arg)
{
	struct scribbler *s = arg;
	u32 at, was;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		u8 __shared *p;

		/* A moment later it is right again, so that often all else is. */
		at = rig_below(&s->random, (u32)book.map.bytes);
		p = shared_at(book.map.at, at);
		was = shared_load8(p);
		shared_store8(p, (u8)rig_below(&s->random, s->rig->size + 2));
		shared_store8(p, (u8)was);
	}
	return NULL;
}

static void log_that_changes_while_it_is_read(void **state)
{
	u64 random = rig_seed(0x6c6f676a);
	unsigned int way;
	u32 i;

	for (way = 0; way < RIG_ALL_WAYS; way += 4) {
		struct rig *rig = rig_logged(state, 8, rig_way(way));
		struct scribbler s = { .rig = rig, .random = random + way };
		u8 log[32 + 32 * MOST];
		pthread_t thread;

		make_traffic(rig, &random);
		memcpy(log, shared_unmark(book.map.at), book.map.bytes);
		assert_int_equal(pthread_create(&thread, NULL, scribble_on, &s), 0);
		for (i = 0; i < 10000; i++) {
			memcpy(shared_unmark(book.map.at), log, book.map.bytes);
			if (restart(rig) >= 0)
				serve_what_there_is(rig, &random);
		}
		__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LOG_TEST("case 64: a split log that cannot be is refused", split_logs_that_cannot_be),
		LOG_TEST("case 64: a packed log that cannot be is refused", packed_logs_that_cannot_be),
		LOG_TEST("case 64: lists that loop come to an end at every size",
			 lists_that_loop_end_at_every_size),
		LOG_TEST("case 64: a log that is refused leaves the ring alone",
			 refused_log_leaves_the_ring_alone),
		LOG_TEST("case 64: counters say nothing but the order",
			 counters_say_nothing_but_the_order),
		LOG_TEST("case 64: a chain in flight that lies breaks the queue, split",
			 split_chain_in_flight_that_lies),
		LOG_TEST("case 64: a chain in flight that was never offered breaks the queue, split",
			 split_chains_that_were_never_offered),
		LOG_TEST("case 64: a copy of a descriptor that lies breaks the queue, packed",
			 packed_copies_that_lie),
		LOG_TEST("case 64: a copy that does not end where it says breaks the queue, packed",
			 packed_copies_that_do_not_end_where_they_say),
		LOG_TEST("case 64: an id that lies breaks the queue, packed", packed_ids_that_lie),
		LOG_TEST("a chain that broke the queue is not in flight",
			 chain_that_broke_the_queue_is_not_in_flight),
		LOG_TEST("case 64: a half that runs believes nothing of its log",
			 running_half_believes_nothing_of_its_log),
		LOG_TEST("case 64: links are read once, when the log is attached", links_are_read_once),
		LOG_TEST("case 64: logs with flipped bytes are refused or served, and it ends",
			 flipped_logs),
		LOG_TEST("case 64: a log that changes while it is read is refused or served",
			 log_that_changes_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
