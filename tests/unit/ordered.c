// SPDX-License-Identifier: GPL-2.0
/*
 * A queue with VIRTIO_F_IN_ORDER in memory, in both layouts, among honest people: in which
 * order descriptors are taken, what is held back, what becomes a batch and how a batch
 * looks (virtio 1.2, 2.7.9 and 2.8.10). What each call promises is in calls.c, batches
 * that lie are in ordered_hostile_device.c.
 */
#include "exchange.h"

/* How far a place moves by a chain of @descs descriptors; as rig_complete() counts. */
static u32 stride(struct rig *rig, u32 descs)
{
	return rig_packed(rig) ? descs : 1;
}

/* Of a split ring, what is not written shows. */
static void blank(struct rig *rig)
{
	if (!rig_packed(rig))
		rig_fill(&rig->device, 4, 8 * rig->size, 0xee);
}

/* There is a completion at place @at, and it is this one. */
static void check_completion(struct rig *rig, u32 at, u16 id, u32 len)
{
	if (rig_packed(rig)) {
		assert_int_equal(rig_flags(rig, at) & 0x8080, rig_marks(rig, at, true));
		assert_int_equal(rig_id(rig, at), id);
		assert_int_equal(rig_len(rig, at), len);
	} else {
		assert_int_equal(shared_load32(&rig_used(rig)->ring[at % rig->size].id), id);
		assert_int_equal(shared_load32(&rig_used(rig)->ring[at % rig->size].len), len);
	}
}

static void check_no_completion(struct rig *rig, u32 at)
{
	if (rig_packed(rig))
		assert_int_equal(rig_flags(rig, at) & 0x8080, rig_marks(rig, at, false));
	else
		assert_true(shared_load32(&rig_used(rig)->ring[at % rig->size].id) == 0xeeeeeeee);
}

static void check_used_idx(struct rig *rig, u32 chains)
{
	if (!rig_packed(rig))
		assert_int_equal(shared_load16(&rig_used(rig)->idx), (u16)chains);
}

static void take(struct rig *rig, u32 cookie, u32 len)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(cookie));
	assert_int_equal(done.len, len);
}

static void take_nothing(struct rig *rig)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
}

/* ---- descriptors --------------------------------------------------------------- */

/* Descriptors are taken round and round, and an id is the index of the first. */
static void descriptors_are_taken_in_a_row(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout);
	u32 round, n, i, first = 0;

	for (round = 0; round < 200; round++, first = (first + n) % 8) {
		n = 1 + round * 5 % 7 % 5;
		assert_int_equal(rig_add(rig, five, 0, (u16)n, rig_cookie(round)), first);
		for (i = 0; i < n && !rig_packed(rig); i++) {
			const u32 x = (first + i) % 8;

			assert_true(shared_load64(&rig_desc(rig, x)->addr) == five[i].bus);
			/* x + 1, and 0 for the last of the table (2.7.5.1). */
			assert_int_equal(shared_load16(&rig_desc(rig, x)->next), (x + 1) % 8);
		}
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_int_equal(rig->c.id, first);
		ring_dev_push(&rig->dev, &rig->c, 3);
		ring_dev_flush(&rig->dev);
		take(rig, round, 3);
	}
}
RIG_IN_ORDER(descriptors_are_taken_in_a_row)

static void bound_buffers_are_posted_in_a_row(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 4, layout);
	u32 round;
	u16 i;

	for (i = 0; i < 4; i++) {
		const struct ring_seg seg = { RIG_BUS_DATA + i, 1 };

		assert_int_equal(ring_drv_bind(&rig->drv, i, &seg, true), 0);
	}
	for (round = 0; round < 50; round++) {
		const u16 next = (u16)(round % 4);
		struct ring_done done;

		for (i = 0; i < 4; i++) {
			if (i != next)
				assert_int_equal(ring_drv_post(&rig->drv, i), -EINVAL);
		}
		assert_int_equal(ring_drv_post(&rig->drv, next), 0);
		assert_int_equal(ring_drv_post(&rig->drv, next), -EBUSY);
		ring_drv_publish(&rig->drv);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_int_equal(rig->c.id, next);
		ring_dev_push(&rig->dev, &rig->c, 1);
		ring_dev_flush(&rig->dev);
		assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
		assert_int_equal(done.id, next);
	}
}
RIG_IN_ORDER(bound_buffers_are_posted_in_a_row)

/* One that is not bound is no gap to be passed over: it is the next, and it is missing. */
static void post_does_not_pass_over_a_gap(void **state, u64 layout)
{
	const struct ring_seg seg = { RIG_BUS_DATA, 1 };
	struct rig *rig = rig_started(state, 4, layout);

	assert_int_equal(ring_drv_bind(&rig->drv, 0, &seg, true), 0);
	assert_int_equal(ring_drv_bind(&rig->drv, 2, &seg, true), 0);
	assert_int_equal(ring_drv_post(&rig->drv, 0), 0);
	assert_int_equal(ring_drv_post(&rig->drv, 2), -EINVAL);
	assert_int_equal(ring_drv_post(&rig->drv, 1), -EINVAL);
	assert_int_equal(ring_drv_in_flight(&rig->drv), 1);
}
RIG_IN_ORDER(post_does_not_pass_over_a_gap)

/* ---- batches --------------------------------------------------------------------- */

/* What is to be seen of a row of chains. */
struct row {
	u32 chains;
	u32 at[16];		/* where its completion would go by itself */
	u16 id[16];
	u32 full[16], len[16];
};

/* Offer @chains of one to three descriptors to write, from place @at on, and pop them. */
static u32 offer_row(struct rig *rig, struct row *row, u32 chains, u32 at)
{
	u32 i, n;

	row->chains = chains;
	for (i = 0; i < chains; i++, at += stride(rig, n)) {
		int id;

		n = 1 + i % 3;
		id = rig_add(rig, five, 0, (u16)n, rig_cookie(i));
		assert_true(id >= 0);
		row->id[i] = (u16)id;
		row->at[i] = at;
	}
	ring_drv_publish(&rig->drv);
	for (i = 0; i < chains; i++) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		assert_int_equal(rig->c.id, row->id[i]);
		row->full[i] = rig->c.in_len;
	}
	return at;
}

/* A batch ends behind a chain that is not full, and at the end: one completion for each. */
static void check_row(struct rig *rig, const struct row *row)
{
	u32 i, first = 0;

	for (i = 0; i < row->chains; i++) {
		if (i > first)
			check_no_completion(rig, row->at[i]);
		if (i + 1 < row->chains && row->len[i] == row->full[i])
			continue;
		check_completion(rig, row->at[first], row->id[i], row->len[i]);
		first = i + 1;
	}
	for (i = 0; i < row->chains; i++)
		take(rig, i, row->len[i]);
	take_nothing(rig);
}

/* Six chains in a row, each of which is used in full, or but for a byte, or not at all. */
static void batches_end_where_a_chain_is_not_full(void **state, u64 layout)
{
	const u32 size = layout & RIG_PACKED ? 13 : 16;
	struct rig *rig = rig_started(state, size, layout);
	u32 pattern, i, at = 0, done = 0;
	struct row row;

	for (pattern = 0; pattern < 3 * 3 * 3 * 3 * 3 * 3; pattern++) {
		u32 p = pattern;

		blank(rig);
		at = offer_row(rig, &row, 6, at);
		for (i = 0; i < 6; i++, p /= 3) {
			row.len[i] = p % 3 == 0 ? row.full[i] : p % 3 == 1 ? row.full[i] - 1 : 0;
			ring_dev_push(&rig->dev, &(struct ring_chain) { .id = row.id[i] },
				      row.len[i]);
		}
		check_used_idx(rig, done);
		take_nothing(rig);
		ring_dev_flush(&rig->dev);
		done += 6;
		check_used_idx(rig, done);
		check_row(rig, &row);
		assert_int_equal(ring_drv_num_free(&rig->drv), size);
	}
}
RIG_IN_ORDER(batches_end_where_a_chain_is_not_full)

/* As many as there are, from wherever: one completion. */
static void batch_of_any_length(void **state, u64 layout)
{
	u32 size, n, i, round;

	for (size = 1; size <= 16; size = rig_next_size(size, layout)) {
		struct rig *rig = rig_started(state, size, layout);
		u32 at = 0;

		for (round = 0; round < 100; round++, at += n) {
			u16 id[16];

			n = 1 + round * 7 % size;
			blank(rig);
			for (i = 0; i < n; i++)
				id[i] = (u16)rig_add_in(rig, 5 + i, rig_cookie(i));
			ring_drv_publish(&rig->drv);
			for (i = 0; i < n; i++) {
				assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
				ring_dev_push(&rig->dev, &rig->c, 5 + i);
			}
			ring_dev_flush(&rig->dev);
			check_completion(rig, at, id[n - 1], 5 + n - 1);
			for (i = 1; i < n; i++)
				check_no_completion(rig, at + i);
			check_used_idx(rig, at + n);
			for (i = 0; i < n; i++)
				take(rig, i, 5 + i);
			take_nothing(rig);
		}
	}
}
RIG_IN_ORDER(batch_of_any_length)

/* Chains with nothing to write are full with nothing written. */
static void readable_chains_are_a_batch(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 8, layout);
	u16 id[4];
	u32 i;

	blank(rig);
	for (i = 0; i < 4; i++)
		id[i] = (u16)rig_add(rig, five, 1, 0, rig_cookie(i));
	ring_drv_publish(&rig->drv);
	for (i = 0; i < 4; i++) {
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
		ring_dev_push(&rig->dev, &rig->c, 0);
	}
	ring_dev_flush(&rig->dev);
	check_completion(rig, 0, id[3], 0);
	for (i = 1; i < 4; i++)
		check_no_completion(rig, i);
	for (i = 0; i < 4; i++)
		take(rig, i, 0);
}
RIG_IN_ORDER(readable_chains_are_a_batch)

/* What was shown cannot grow any more. */
static void show_ends_a_batch(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 16, layout);
	struct row row;
	u32 i, b;

	blank(rig);
	offer_row(rig, &row, 6, 0);
	for (b = 0; b < 3; b++) {
		for (i = 2 * b; i < 2 * b + 2; i++)
			ring_dev_push(&rig->dev, &(struct ring_chain) { .id = row.id[i] },
				      row.full[i]);
		ring_dev_show(&rig->dev);
		check_used_idx(rig, 2 * b + 2);
		check_completion(rig, row.at[2 * b], row.id[2 * b + 1], row.full[2 * b + 1]);
		check_no_completion(rig, row.at[2 * b + 1]);
		if (b < 2)
			check_no_completion(rig, row.at[2 * b + 2]);
	}
	for (i = 0; i < 6; i++)
		take(rig, i, row.full[i]);
}
RIG_IN_ORDER(show_ends_a_batch)

/* ---- held back --------------------------------------------------------------------- */

/* The @nth order of 0 to 3. */
static void permute(u32 nth, u32 order[4])
{
	u32 left[4] = { 0, 1, 2, 3 }, num, which;

	for (num = 4; num; num--, nth /= num + 1) {
		which = nth % num;
		order[4 - num] = left[which];
		for (; which + 1 < num; which++)
			left[which] = left[which + 1];
	}
}

/* In each order four chains are pushed, with a flush after each: nothing overtakes. */
static void push_out_of_order_is_held_back(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 16, layout);
	u32 nth, i, at = 0, done = 0;
	struct row row;

	for (nth = 0; nth < 24; nth++) {
		bool pushed[5] = { false };
		u32 order[4], ready = 0;

		permute(nth, order);
		blank(rig);
		at = offer_row(rig, &row, 4, at);
		for (i = 0; i < 4; i++) {
			const u32 n = order[i], before = ready;

			ring_dev_push(&rig->dev, &(struct ring_chain) { .id = row.id[n] },
				      row.full[n]);
			assert_int_equal(ring_dev_in_flight(&rig->dev), 3 - i);
			pushed[n] = true;
			while (pushed[ready])
				ready++;
			assert_int_equal(ring_dev_flush(&rig->dev), false);
			check_used_idx(rig, done + ready);
			if (ready > before)
				check_completion(rig, row.at[before], row.id[ready - 1],
						 row.full[ready - 1]);
			if (ready < 4)
				check_no_completion(rig, row.at[ready]);
		}
		for (i = 0; i < 4; i++)
			take(rig, i, row.full[i]);
		take_nothing(rig);
		done += 4;
	}
}
RIG_IN_ORDER(push_out_of_order_is_held_back)

/* All of the ring, the last one first: it comes out together. */
static void full_ring_is_held_back(void **state, u64 layout)
{
	u32 size, round, i;

	for (size = 1; size <= 1000; size = rig_next_size(size, layout)) {
		struct rig *rig = rig_started(state, size, layout);
		u32 at = 0;

		for (round = 0; round < 4; round++, at += size) {
			for (i = 0; i < size; i++)
				assert_int_equal(rig_add_in(rig, 6, rig_cookie(i)), i);
			ring_drv_publish(&rig->drv);
			blank(rig);
			for (i = 0; i < size; i++)
				assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			for (i = size; i-- > 0;) {
				check_used_idx(rig, at);
				check_no_completion(rig, at);
				ring_dev_push(&rig->dev, &(struct ring_chain) { .id = (u16)i }, 6);
				ring_dev_flush(&rig->dev);
			}
			check_completion(rig, at, (u16)(size - 1), 6);
			check_used_idx(rig, at + size);
			for (i = 0; i < size; i++)
				take(rig, i, 6);
			take_nothing(rig);
		}
	}
}
RIG_IN_ORDER(full_ring_is_held_back)

/* What was given back and popped again has its old place. */
static void unpop_keeps_the_order(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 16, layout);
	u32 round, again, i;
	struct row row;

	for (round = 0; round < 40; round++) {
		offer_row(rig, &row, 4, 0);
		for (again = 0; again < 3; again++) {
			for (i = 4; i > again; i--)
				ring_dev_unpop(&rig->dev, &(struct ring_chain) {
					       .id = row.id[i - 1] });
			for (; i < 4; i++) {
				assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
				assert_int_equal(rig->c.id, row.id[i]);
			}
		}
		for (i = 4; i-- > 0;)
			ring_dev_push(&rig->dev, &(struct ring_chain) { .id = row.id[i] }, i);
		ring_dev_flush(&rig->dev);
		for (i = 0; i < 4; i++)
			take(rig, i, i);
		take_nothing(rig);
	}
}
RIG_IN_ORDER(unpop_keeps_the_order)

/* ---- the driver takes batches -------------------------------------------------------- */

/* From a device that writes one completion for many, and from one that writes them all. */
static void either_kind_of_device(void **state, u64 layout, bool all)
{
	u32 round, n, i, d, at = 0, chains = 0;
	struct rig *rig = rig_new(state, 16, layout);

	rig_start_drv(rig);
	for (round = 0; round < 20000; round++) {
		u32 descs[8], first = at;
		u16 id[8];

		n = 1 + round % 5;
		for (i = 0; i < n; i++) {
			descs[i] = 1 + (round + i) % 3;
			id[i] = (u16)rig_add(rig, five, 0, (u16)descs[i], rig_cookie(i));
		}
		ring_drv_publish(&rig->drv);
		for (i = 0, d = 0; i < n; i++) {
			if (all || i + 1 == n)
				rig_complete(rig, all ? at : first, id[i], all ? i : 1);
			at += stride(rig, descs[i]);
			d += descs[i];
		}
		chains += n;
		if (!rig_packed(rig))
			shared_store_release16(&rig_used(rig)->idx, (u16)chains);
		for (i = 0; i < n; i++) {
			assert_int_equal(ring_drv_num_free(&rig->drv), 16 - d);
			assert_true(ring_drv_pending(&rig->drv));
			/* Also in the middle of a batch there is no call to wait for. */
			assert_true(ring_drv_arm(&rig->drv));
			d -= descs[i];
			/* Those that are not named were used in full. */
			take(rig, i, all ? i : i + 1 == n ? 1 : descs[i] == 1 ? 16 :
			     descs[i] == 2 ? 17 : 317);
			assert_int_equal(ring_drv_in_flight(&rig->drv), n - 1 - i);
		}
		assert_false(ring_drv_pending(&rig->drv));
		take_nothing(rig);
	}
}

static void device_that_writes_one_of_a_batch(void **state, u64 layout)
{
	either_kind_of_device(state, layout, false);
}
RIG_IN_ORDER(device_that_writes_one_of_a_batch)

static void device_that_writes_each_one(void **state, u64 layout)
{
	either_kind_of_device(state, layout, true);
}
RIG_IN_ORDER(device_that_writes_each_one)

/* Between two of a batch, what the first one gave back is used again. */
static void batch_is_polled_while_more_is_added(void **state, u64 layout)
{
	struct rig *rig = rig_started(state, 4, layout);
	u32 n, i, next = 0, taken = 0;

	for (i = 0; i < 4; i++)
		assert_true(rig_add_in(rig, 9, rig_cookie(next++)) >= 0);
	ring_drv_publish(&rig->drv);
	for (n = 0; n < 70000; n++) {
		const u32 batch = 1 + n % 4;

		for (i = 0; i < batch; i++) {
			assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
			ring_dev_push(&rig->dev, &rig->c, 9);
		}
		ring_dev_flush(&rig->dev);
		for (i = 0; i < batch; i++) {
			assert_int_equal(rig_add_in(rig, 9, rig_cookie(next)), -ENOSPC);
			take(rig, taken++, 9);
			assert_true(rig_add_in(rig, 9, rig_cookie(next++)) >= 0);
			ring_drv_publish(&rig->drv);
		}
		take_nothing(rig);
	}
}
RIG_IN_ORDER(batch_is_polled_while_more_is_added)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_IN_ORDER("descriptors are taken in a row",
				  descriptors_are_taken_in_a_row),
		RIG_TEST_IN_ORDER("bound buffers are posted in a row",
				  bound_buffers_are_posted_in_a_row),
		RIG_TEST_IN_ORDER("post does not pass over a gap", post_does_not_pass_over_a_gap),
		RIG_TEST_IN_ORDER("batches end where a chain is not full",
				  batches_end_where_a_chain_is_not_full),
		RIG_TEST_IN_ORDER("a batch of any length is one completion", batch_of_any_length),
		RIG_TEST_IN_ORDER("readable chains are a batch", readable_chains_are_a_batch),
		RIG_TEST_IN_ORDER("to show ends a batch", show_ends_a_batch),
		RIG_TEST_IN_ORDER("a push out of order is held back",
				  push_out_of_order_is_held_back),
		RIG_TEST_IN_ORDER("a full ring is held back", full_ring_is_held_back),
		RIG_TEST_IN_ORDER("unpop keeps the order", unpop_keeps_the_order),
		RIG_TEST_IN_ORDER("a device that writes one of a batch",
				  device_that_writes_one_of_a_batch),
		RIG_TEST_IN_ORDER("a device that writes each one", device_that_writes_each_one),
		RIG_TEST_IN_ORDER("a batch is polled while more is added",
				  batch_is_polled_while_more_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
