// SPDX-License-Identifier: GPL-2.0
/*
 * Rings that are full, at random: each chain completes once, with its bytes.
 *
 * model.c runs few chains through rings of all sizes, so its large ones are never full. Here
 * a round fills the ring to its last descriptor, with chains of random length or, bound,
 * with all of its buffers in random order; the device takes all there is and completes it
 * in random order, with random lengths, a random number at a time; the driver, which looks
 * in between, must find each once, and in order those in their order.
 *
 * A chain has four bytes of its own, each segment one of them or, bound, the only one
 * some of them. They tell which chain it is: the driver writes what is readable, the
 * device what is writable.
 */
#include "rig.h"

#define SEGS	4u

_Static_assert(SEGS * RING_SIZE_MAX <= 2 * RIG_REGION, "bytes for each chain");

static struct brim {
	struct rig *rig;
	u64 random;
	bool bound;
	u8 round;
	u32 chains;
	u16 post;		/* in order: the next id */
	struct owed {
		u32 out, in;	/* bytes */
		u32 len;	/* as pushed */
		u16 id;
		bool pushed, done;
	} owed[RING_SIZE_MAX];
	u32 line[RING_SIZE_MAX];	/* chains as they are pushed */
	u16 id[RING_SIZE_MAX];		/* ids as they are posted */
} brim;

static u8 __shared *brim_byte(struct brim *b, u32 n, u32 i)
{
	return rig_data(b->rig, RIG_BUS_DATA + SEGS * n + i);
}

static u8 brim_value(const struct brim *b, u32 n, u32 i, bool reply)
{
	return (u8)(n * 5 + (n >> 8) + i * 3 + b->round * 17 + (reply ? 101 : 0));
}

static void shuffle(u64 *random, u32 *line, u32 num)
{
	u32 i, j, swap;

	for (i = num; i > 1; i--) {
		j = rig_below(random, i);
		swap = line[i - 1];
		line[i - 1] = line[j];
		line[j] = swap;
	}
}

/* What is readable has its bytes, what is writable others. */
static void brim_write(struct brim *b, u32 n)
{
	const struct owed *o = &b->owed[n];
	u32 i;

	for (i = 0; i < o->out + o->in; i++)
		shared_store8(brim_byte(b, n, i), i < o->out ? brim_value(b, n, i, false) : 0);
}

/* ---- the driver fills it ------------------------------------------------------ */

static void brim_add(struct brim *b, u32 n, u32 segs)
{
	struct owed *o = &b->owed[n];
	struct ring_seg seg[SEGS];
	u32 i;
	int id;

	*o = (struct owed) { .out = rig_below(&b->random, segs + 1) };
	o->in = segs - o->out;
	for (i = 0; i < segs; i++)
		seg[i] = (struct ring_seg) { .bus = RIG_BUS_DATA + SEGS * n + i, .len = 1 };
	brim_write(b, n);
	id = rig_add(b->rig, seg, (u16)o->out, (u16)o->in, rig_cookie(n));
	assert_in_range(id, 0, b->rig->size - 1);
	o->id = (u16)id;
}

static void brim_fill(struct brim *b)
{
	const struct ring_seg seg = { .bus = RIG_BUS_DATA, .len = 1 };
	u32 free = b->rig->size, segs;

	for (b->chains = 0; free; b->chains++, free -= segs) {
		segs = 1 + rig_below(&b->random, min_t(u32, SEGS, free));
		brim_add(b, b->chains, segs);
		assert_int_equal(ring_drv_num_free(&b->rig->drv), free - segs);
	}
	assert_int_equal(rig_add(b->rig, &seg, 1, 0, rig_cookie(0)), -ENOSPC);
}

/* Which buffer has which bytes; ids are what tells them apart. */
static void brim_bind(struct brim *b)
{
	u32 id;

	for (id = 0; id < b->rig->size; id++) {
		const struct ring_seg seg = {
			.bus = RIG_BUS_DATA + SEGS * id,
			.len = 1 + rig_below(&b->random, SEGS),
		};
		const bool in = rig_below(&b->random, 2);

		assert_int_equal(ring_drv_bind(&b->rig->drv, (u16)id, &seg, in), 0);
		b->owed[id] = (struct owed) { .id = (u16)id };
		*(in ? &b->owed[id].in : &b->owed[id].out) = seg.len;
	}
}

static void brim_post(struct brim *b)
{
	u32 i;

	b->chains = b->rig->size;
	for (i = 0; i < b->chains; i++)
		b->line[i] = i;
	if (!rig_ordered(b->rig))
		shuffle(&b->random, b->line, b->chains);
	for (i = 0; i < b->chains; i++) {
		struct owed *o = &b->owed[b->line[i]];

		o->pushed = o->done = false;
		b->id[i] = o->id;
		brim_write(b, o->id);
		assert_int_equal(ring_drv_post(&b->rig->drv, o->id), 0);
		assert_int_equal(ring_drv_post(&b->rig->drv, o->id), -EBUSY);
	}
}

/* ---- the device takes and completes it ---------------------------------------- */

static void brim_pop(struct brim *b)
{
	struct ring_chain *c = &b->rig->c;
	u32 at, n, i;

	for (at = 0; at < b->chains; at++) {
		assert_int_equal(ring_dev_pop(&b->rig->dev, c), 1);
		n = b->bound ? b->id[at] : at;
		assert_int_equal(c->id, b->owed[n].id);
		assert_int_equal(c->out_len, b->owed[n].out);
		assert_int_equal(c->in_len, b->owed[n].in);
		assert_ptr_equal(shared_unmark(c->iov[0].base), shared_unmark(brim_byte(b, n, 0)));
		for (i = 0; i < b->owed[n].out; i++)
			assert_int_equal(shared_load8(brim_byte(b, n, i)),
					 brim_value(b, n, i, false));
		b->line[at] = n;
	}
	assert_int_equal(ring_dev_pop(&b->rig->dev, c), 0);
	assert_int_equal(ring_dev_in_flight(&b->rig->dev), b->chains);
}

static void brim_push(struct brim *b, u32 n)
{
	struct owed *o = &b->owed[n];
	u32 i;

	/* Often in full: in order that makes batches. */
	o->len = rig_below(&b->random, 2) ? o->in : rig_below(&b->random, o->in + 1);
	for (i = 0; i < o->len; i++)
		shared_store8(brim_byte(b, n, o->out + i), brim_value(b, n, i, true));
	ring_dev_push(&b->rig->dev, &(struct ring_chain) { .id = o->id }, o->len);
	o->pushed = true;
}

/* ---- the driver takes it back -------------------------------------------------- */

/* All that is there, of which @polled were before; returns how many there are now. */
static u32 brim_poll(struct brim *b, u32 polled)
{
	struct ring_done done;
	u32 n, i;

	while (ring_drv_poll(&b->rig->drv, &done) == 1) {
		n = b->bound ? done.id : (u32)(uintptr_t)done.cookie - 1;
		assert_in_range(n, 0, b->chains - 1);
		/* Posted in order is by id, added in order is by number. */
		if (rig_ordered(b->rig))
			assert_int_equal(n, polled);
		assert_true(b->owed[n].pushed && !b->owed[n].done);
		assert_int_equal(done.id, b->owed[n].id);
		assert_int_equal(done.len, b->owed[n].len);
		for (i = 0; i < done.len; i++)
			assert_int_equal(shared_load8(brim_byte(b, n, b->owed[n].out + i)),
					 brim_value(b, n, i, true));
		b->owed[n].done = true;
		polled++;
	}
	assert_int_equal(ring_drv_fault(&b->rig->drv), RING_OK);
	return polled;
}

static void brim_round(struct brim *b)
{
	u32 at = 0, polled = 0;

	b->round++;
	if (b->bound)
		brim_post(b);
	else
		brim_fill(b);
	ring_drv_show(&b->rig->drv);
	brim_pop(b);
	shuffle(&b->random, b->line, b->chains);
	while (at < b->chains) {
		u32 some = 1 + rig_below(&b->random, b->chains - at);

		for (; some; some--)
			brim_push(b, b->line[at++]);
		/* What is not shown is not seen. */
		if (!rig_ordered(b->rig) && !polled)
			assert_false(ring_drv_pending(&b->rig->drv));
		ring_dev_show(&b->rig->dev);
		polled = brim_poll(b, polled);
		if (!rig_ordered(b->rig))
			assert_int_equal(polled, at);
	}
	assert_int_equal(polled, b->chains);
	assert_int_equal(ring_drv_in_flight(&b->rig->drv), 0);
	assert_int_equal(ring_dev_in_flight(&b->rig->dev), 0);
}

static void brim_run(void **state, u64 layout, bool bound)
{
	static const u32 sizes[] = { 1, 2, 3, 7, 64, 255, 256, 1021, 4096, 32767, 32768 };
	const u64 seed = rig_seed(0x6b8b4567);
	struct brim *b = &brim;
	u32 i, chains;
	int round;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!ring_size_ok(sizes[i], layout))
			continue;
		memset(b, 0, sizeof(*b));
		b->rig = rig_started(state, sizes[i], layout);
		b->random = seed + i;
		b->bound = bound;
		if (bound)
			brim_bind(b);
		/* The largest until all indices have wrapped. */
		for (round = 0, chains = 0; round < 20 && chains <= 0x10000; round++) {
			brim_round(b);
			chains += b->chains;
		}
	}
}

static void full_ring_of_random_chains(void **state, u64 layout)
{
	brim_run(state, layout, false);
}
RIG_ANY(full_ring_of_random_chains)

static void full_ring_of_bound_buffers(void **state, u64 layout)
{
	brim_run(state, layout, true);
}
RIG_ANY(full_ring_of_bound_buffers)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_ANY("full rings of random chains give each back once",
			     full_ring_of_random_chains),
		RIG_TEST_ANY("full rings of bound buffers give each back once",
			     full_ring_of_bound_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
