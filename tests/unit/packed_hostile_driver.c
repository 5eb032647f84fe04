// SPDX-License-Identifier: GPL-2.0
/*
 * The device half of a packed ring against a driver that lies: what a split ring does not
 * know. What both layouts have in common is in hostile_driver.c.
 *
 * There is no avail.idx to jump. How many chains are available is said by marks in the
 * descriptors, and all that a driver can do is to mark more than there can be: what was
 * popped and not yet shown as used is in the ring, and a chain that runs into it loops.
 */
#include <pthread.h>

#include "hostile_driver.h"

/* A device half that begins at place @at. */
static struct rig *rig_at(void **state, u32 size, u64 features, u32 at)
{
	struct rig *rig = rig_new(state, size, RIG_PACKED | features);
	const u32 base = rig_off_wrap(rig, at);

	rig_start_dev(rig, base | base << 16);
	return rig;
}

/* A chain of @n descriptors from place @at on. */
static void offer(struct rig *rig, u32 at, u32 n, u16 id)
{
	u32 i;

	for (i = 0; i < n; i++)
		rig_put_packed(rig, at + i, RIG_BUS_DATA, 1, id,
			       WRITE | (i + 1 < n ? NEXT : 0));
}

static void expect_chain(struct rig *rig, u16 id, u32 n)
{
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.id, id);
	assert_int_equal(rig->c.count, n);
	assert_int_equal(rig->c.in_len, n);
}

static void expect_lie(struct rig *rig, enum ring_fault fault)
{
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
	expect_broken(rig, fault);
}

static void expect_none(struct rig *rig)
{
	assert_false(ring_dev_arm(&rig->dev));
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	assert_int_equal(ring_dev_fault(&rig->dev), RING_OK);
}

static void push(struct rig *rig, u16 id, u32 len)
{
	ring_dev_push(&rig->dev, &(struct ring_chain) { .id = id }, len);
}

/* ---- more than there can be --------------------------------------------------- */

/* Wherever it begins, a chain ends at the latest after as many steps as are free. */
static void case54_chain_runs_into_what_is_in_flight(void **state)
{
	u32 at, first, n;

	for (at = 0; at < 14; at++) {
		for (first = 1; first <= 7; first++) {
			for (n = 1; n <= 7; n++) {
				struct rig *rig = rig_at(state, 7, 0, at);

				offer(rig, at, first, 0);
				expect_chain(rig, 0, first);
				offer(rig, at + first, n, 1);
				if (first + n <= 7)
					expect_chain(rig, 1, n);
				else
					expect_lie(rig, RING_DESC_LOOP);
			}
		}
	}
}

/* The bound is the ring, not what the translation or the caller would take. */
static void case54_loop_is_bounded_by_the_size(void **state)
{
	u32 size, i;

	for (size = 1; size <= RIG_SEGS; size++) {
		struct rig *rig = rig_at(state, size, 0, size / 2);

		for (i = 0; i < size; i++)
			rig_put_packed(rig, size / 2 + i, RIG_BUS_DATA, 1, 0, NEXT);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), -EIO);
		assert_int_equal(rig->maps, size);
		expect_broken(rig, RING_DESC_LOOP);
	}
}

/*
 * All of the ring is popped, some of it pushed, some of this shown; then as many as
 * @more are marked available once more, under ids that are free.
 */
static void more_than_the_ring(void **state, u64 layout, u32 pushed, u32 shown, u32 more)
{
	struct rig *rig = rig_at(state, 8, layout, 5);
	u32 i;

	for (i = 0; i < 8; i++)
		offer(rig, 5 + i, 1, (u16)i);
	for (i = 0; i < 8; i++)
		expect_chain(rig, (u16)i, 1);
	for (i = 0; i < pushed; i++) {
		if (i == shown)
			ring_dev_flush(&rig->dev);
		push(rig, (u16)i, 1);
	}
	if (shown == pushed)
		ring_dev_flush(&rig->dev);
	for (i = 0; i < more; i++)
		offer(rig, 13 + i, 1, (u16)i);
	for (i = 0; i < shown && i < more; i++)
		expect_chain(rig, (u16)i, 1);
	if (more > shown)
		expect_lie(rig, RING_DESC_LOOP);
	else
		assert_int_equal(ring_dev_fault(&rig->dev), RING_OK);
}

static void case58_more_is_available_than_the_ring(void **state, u64 layout)
{
	u32 pushed, shown, more;

	for (pushed = 0; pushed <= 8; pushed++) {
		for (shown = 0; shown <= pushed; shown++) {
			for (more = 1; more <= 8; more++)
				more_than_the_ring(state, layout, pushed, shown, more);
		}
	}
}
RIG_PACKED_ONLY(case58_more_is_available_than_the_ring)

/* What is held back in order is not shown either. */
static void case58_held_chains_are_in_the_ring(void **state)
{
	struct rig *rig = rig_at(state, 4, RIG_ORDERED, 0);
	u32 i;

	for (i = 0; i < 4; i++)
		offer(rig, i, 1, (u16)i);
	for (i = 0; i < 4; i++)
		expect_chain(rig, (u16)i, 1);
	for (i = 1; i < 4; i++)
		push(rig, (u16)i, 1);
	assert_false(ring_dev_flush(&rig->dev));
	offer(rig, 4, 1, 5 % 4);
	expect_lie(rig, RING_DESC_LOOP);
}

/* ---- marks ----------------------------------------------------------------------- */

static void case58_marks_of_another_round_are_not_available(void **state)
{
	static const u16 marks[] = {
		0, 1u << VRING_PACKED_DESC_F_AVAIL, 1u << VRING_PACKED_DESC_F_USED,
		1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED,
	};
	static const u32 sizes[] = { 1, 3, 8 };
	u32 at;
	size_t s, m;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_at(state, sizes[s], 0, 0);

		for (at = 0; at < 6 * sizes[s]; at++) {
			for (m = 0; m < ARRAY_SIZE(marks); m++) {
				if (marks[m] == rig_marks(rig, at, false))
					continue;
				shared_store64(rig_rest_word(rig, at),
					       rig_rest(0xffffffffu, 0xffff, marks[m] | 0x7f7f));
				expect_none(rig);
			}
			offer(rig, at, 1, (u16)(at % sizes[s]));
			assert_true(ring_dev_arm(&rig->dev));
			expect_chain(rig, (u16)(at % sizes[s]), 1);
			push(rig, rig->c.id, 1);
			ring_dev_flush(&rig->dev);
		}
	}
}

/* What makes a chain go on is NEXT: marks of the descriptors behind the first say nothing. */
static void case58_marks_inside_a_chain_mean_nothing(void **state)
{
	u32 i;

	for (i = 0; i < 64; i++) {
		struct rig *rig = rig_at(state, 8, 0, 6);

		offer(rig, 6, 4, 2);
		shared_store64(rig_rest_word(rig, 7), rig_rest(1, 9, NEXT | WRITE |
			       (i & 1) << 7 | (i & 2) << 14));
		shared_store64(rig_rest_word(rig, 8), rig_rest(1, 9, NEXT | WRITE |
			       (i & 4) << 5 | (i & 8) << 12));
		shared_store64(rig_rest_word(rig, 9), rig_rest(1, 2, WRITE |
			       (i & 16) << 3 | (i & 32) << 10));
		expect_chain(rig, 2, 4);
		expect_none(rig);
	}
}

/* A popped chain stays in the ring as it was; a round later it must not count again. */
static void case58_old_chains_are_not_available_again(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 7 };
	u32 at;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_at(state, sizes[s], 0, 0);

		for (at = 0; at < 10 * sizes[s]; at++) {
			expect_none(rig);
			offer(rig, at, 1, 0);
			expect_chain(rig, 0, 1);
			expect_none(rig);
			push(rig, 0, 1);
			expect_none(rig);
			ring_dev_flush(&rig->dev);
		}
	}
}

/* ---- ids ------------------------------------------------------------------------- */

static void id_outside_the_queue(void **state)
{
	static const u16 ids[] = { 7, 8, 14, 0x7fff, 0x8000, 0x8001, 0xffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		struct rig *rig = rig_at(state, 7, 0, 6);

		offer(rig, 6, 3, ids[i]);
		expect_lie(rig, RING_AVAIL_HEAD);
	}
}

static void id_outside_the_queue_at_every_size(void **state)
{
	u32 size;

	for (size = 1; size; size = rig_next_size(size, RIG_PACKED)) {
		struct rig *rig = rig_at(state, size, 0, 0);

		offer(rig, 0, 1, (u16)size);
		expect_lie(rig, RING_AVAIL_HEAD);
	}
}

/* The id of a chain is that of its last descriptor; the others have none (2.8.6). */
static void ids_inside_a_chain_mean_nothing(void **state)
{
	struct rig *rig = rig_at(state, 8, 0, 6);

	offer(rig, 6, 1, 3);
	expect_chain(rig, 3, 1);
	rig_put_packed(rig, 7, RIG_BUS_DATA, 1, 0xffff, WRITE | NEXT);
	rig_put_packed(rig, 8, RIG_BUS_DATA, 1, 3, WRITE | NEXT);
	rig_put_packed(rig, 9, RIG_BUS_DATA, 1, 4, WRITE);
	expect_chain(rig, 4, 3);
	/* The last one's must be free. */
	rig_put_packed(rig, 10, RIG_BUS_DATA, 1, 5, WRITE | NEXT);
	rig_put_packed(rig, 11, RIG_BUS_DATA, 1, 4, WRITE);
	expect_lie(rig, RING_AVAIL_BUSY);
}

/* ---- tables ---------------------------------------------------------------------- */

/* In a table only WRITE counts, and all entries do (2.8.7). */
static void flags_inside_a_table_mean_nothing_but_write(void **state)
{
	static const u16 flags[] = { 0, NEXT, 1u << VRING_PACKED_DESC_F_AVAIL,
				     1u << VRING_PACKED_DESC_F_USED, 0x7f79, 0xfff9 };
	size_t f;
	u32 i;

	for (f = 0; f < ARRAY_SIZE(flags); f++) {
		struct rig *rig = rig_with(state, 4, RIG_PACKED | RIG_INDIRECT);

		for (i = 0; i < 6; i++)
			put_entry(rig, i, RIG_BUS_DATA + i, 1 + i,
				  (u16)(flags[f] | (i < 2 ? 0 : WRITE)));
		/* WRITE of the descriptor that names the table says nothing either. */
		put(rig, 0, rig_table_bus(0), 96, INDIRECT | WRITE);
		expect_popped(rig, 2, 4);
		assert_int_equal(rig->c.out_len, 1 + 2);
		assert_int_equal(rig->c.in_len, 3 + 4 + 5 + 6);
		assert_int_equal(rig->c.count, 1);
	}
}

/* ---- what changes between two reads: see touch.c as well ---------------------------- */

#define LOOKS	100000u

struct flipper {
	struct rig *rig;
	u32 at;
	u32 stop;
};

/* Descriptors that are all available, or not; go on, or not; under good and bad ids. */
static void *flip_chain(void *arg)
{
	struct flipper *f = arg;
	u64 random = 0x2545f4914f6cdd1dull;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		const u64 r = rig_random(&random);
		const u32 i = (u32)r % 4;
		const u16 flags = (u16)((r & 16 ? NEXT : 0) | (r & 32 ? WRITE : 0));

		rig_put_packed(f->rig, f->at + i, r & 64 ? RIG_BUS_SEAM - 8 : RIG_BUS_SEAM,
			       r & 128 ? 8 : RIG_REGION, (u16)(r >> 8) % 6, flags);
	}
	return NULL;
}

static void flipping_chain_never_escapes(void **state)
{
	struct rig *rig = rig_at(state, 4, 0, 3);
	struct flipper f = { .rig = rig, .at = 3 };
	u32 i, n, wrong = 0, popped = 0;
	pthread_t thread;
	u8 *data = shared_unmark(rig->data.at);

	offer(rig, 3, 1, 0);
	assert_int_equal(pthread_create(&thread, NULL, flip_chain, &f), 0);
	/* The other thread may sleep with the ring in a bad state. */
	for (i = 0; i < LOOKS || (!popped && i < 1000 * LOOKS); i++) {
		const u32 base = rig_off_wrap(rig, 3);
		u32 bytes = 0;

		rig_start_dev(rig, base | base << 16);
		if (ring_dev_pop(&rig->dev, &rig->c) != 1) {
			const enum ring_fault fault = ring_dev_fault(&rig->dev);

			wrong += fault != RING_DESC_ADDR && fault != RING_DESC_LOOP &&
				 fault != RING_DESC_ORDER && fault != RING_AVAIL_HEAD;
			continue;
		}
		popped++;
		wrong += rig->c.id > 3 || rig->c.count < 1 || rig->c.count > 4 ||
			 /* Less at first: those of zero bytes count as descriptors only. */
			 rig->c.out + rig->c.in > rig->c.count;
		for (n = 0; n < (u32)rig->c.out + rig->c.in && n < RIG_SEGS; n++) {
			const size_t at = (size_t)((u8 *)shared_unmark(rig->iov[n].base) - data);

			bytes += rig->iov[n].len;
			wrong += at + rig->iov[n].len > 2 * RIG_REGION;
			wrong += at < RIG_REGION && at + rig->iov[n].len > RIG_REGION;
		}
		wrong += bytes != rig->c.out_len + rig->c.in_len;
	}
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	assert_true(popped > 0);
}

/* ---- what is read ---------------------------------------------------------------- */

/* All else in the ring may be anything: used or not, and written over by the driver. */
static void ring_scribbled(void **state, u64 layout)
{
	static const u32 sizes[] = { 3, 7, 8 };
	u32 round, at, n, len;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct rig *rig = rig_at(state, sizes[s], layout, 0);

		for (round = 0, at = 0; round < 1000; round++) {
			n = 1 + round % 3;
			len = round % 5 < 2 ? 0 : round % (n + 1);
			rig_fill(&rig->desc, 0, rig->desc.bytes, (u8)(round * 11 + 1));
			rig_fill(&rig->device, 0, rig->device.bytes, (u8)(round * 7));
			offer(rig, at, n, (u16)(round % sizes[s]));
			expect_chain(rig, (u16)(round % sizes[s]), n);
			rig_fill(&rig->desc, 0, rig->desc.bytes, (u8)(round * 5));
			push(rig, rig->c.id, len);
			ring_dev_flush(&rig->dev);
			/* It is where it belongs, whole; WRITE where there is a length. */
			assert_true(shared_load64(rig_rest_word(rig, at)) ==
				    rig_rest(len, rig->c.id, rig_marks(rig, at, true) |
					     (len ? WRITE : 0)));
			at += n;
			assert_true(ring_dev_base(&rig->dev) ==
				    (rig_off_wrap(rig, at) | (u32)rig_off_wrap(rig, at) << 16));
		}
	}
}
RIG_PACKED_ONLY(ring_scribbled)

/* Of the ring only the chain's descriptors are read; all other pages are taken away. */
static void one_descriptor_is_read(void **state)
{
	const u32 per_page = RIG_PAGE / 16;
	struct rig *rig = rig_at(state, 3 * per_page, 0, per_page);
	u8 *page = rig->desc.start + RIG_PAGE;

	rig_put_packed(rig, per_page, RIG_BUS_DATA, 5, 1, WRITE);
	rig_map_protect(&rig->driver, PROT_NONE);
	rig_map_protect(&rig->device, PROT_NONE);
	rig_map_protect(&rig->desc, PROT_NONE);
	assert_int_equal(mprotect(page, RIG_PAGE, PROT_READ), 0);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.in_len, 5);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
}

/* ---- the driver's event structure -------------------------------------------------- */

static void events(void **state, u32 size, u64 features)
{
	const u16 places[] = {
		0, 1, 0x8000, 0x8001, (u16)(size - 1), (u16)(size - 1) | 0x8000, (u16)size,
		(u16)size | 0x8000, 0x7fff, 0xffff,
	};
	struct rig *rig = rig_at(state, size, features, 0);
	u32 flags, at = 0;
	size_t p;

	for (flags = 0; flags < 0x10000; flags++) {
		for (p = 0; p < ARRAY_SIZE(places); p++, at++) {
			bool due = flags != VRING_PACKED_EVENT_FLAG_DISABLE;

			if (flags == VRING_PACKED_EVENT_FLAG_DESC && features &&
			    (places[p] & 0x7fff) < size)
				due = rig_place_due(rig, places[p], at + 1, at);
			offer(rig, at, 1, 0);
			expect_chain(rig, 0, 1);
			push(rig, 0, 1);
			rig_put_event(&rig->driver, places[p], (u16)flags);
			assert_int_equal(ring_dev_flush(&rig->dev), due);
			/* The small values are what is in use. */
			if (flags > 16)
				p += flags % 5;
		}
	}
	assert_int_equal(ring_dev_fault(&rig->dev), RING_OK);
}

static void garbage_in_the_event_structure_notifies(void **state)
{
	static const u32 sizes[] = { 1, 3, 8 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		events(state, sizes[i], 0);
		events(state, sizes[i], RIG_EVENT);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("case 54: a chain runs into what is in flight, packed",
			 case54_chain_runs_into_what_is_in_flight),
		RIG_TEST("case 54: a loop is bounded by the size, packed",
			 case54_loop_is_bounded_by_the_size),
		RIG_TEST_PACKED_ONLY("case 58: more is available than the ring",
				     case58_more_is_available_than_the_ring),
		RIG_TEST("case 58: chains that are held back are in the ring, packed in order",
			 case58_held_chains_are_in_the_ring),
		RIG_TEST("case 58: marks of another round are not available, packed",
			 case58_marks_of_another_round_are_not_available),
		RIG_TEST("case 58: marks inside a chain mean nothing, packed",
			 case58_marks_inside_a_chain_mean_nothing),
		RIG_TEST("case 58: old chains are not available again, packed",
			 case58_old_chains_are_not_available_again),
		RIG_TEST("an id outside the queue, packed", id_outside_the_queue),
		RIG_TEST("an id outside the queue, every size, packed",
			 id_outside_the_queue_at_every_size),
		RIG_TEST("ids inside a chain mean nothing, packed", ids_inside_a_chain_mean_nothing),
		RIG_TEST("flags inside a table mean nothing but WRITE, packed",
			 flags_inside_a_table_mean_nothing_but_write),
		RIG_TEST("a flipping chain never escapes, packed", flipping_chain_never_escapes),
		RIG_TEST_PACKED_ONLY("the ring is scribbled", ring_scribbled),
		RIG_TEST("one descriptor is read, packed", one_descriptor_is_read),
		RIG_TEST("garbage in the event structure notifies, packed",
			 garbage_in_the_event_structure_notifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
