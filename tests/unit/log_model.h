/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of a queue whose device half keeps a log: what both halves owe, and what the log
 * must hold. log_killed.c runs random calls beside it.
 *
 * The model knows chains: each has its number among all that were added, which is the
 * order in which they are popped, and popped again; and once it is pushed its number among
 * all completions, which is the order in which the driver polls them. After each call the
 * log is read byte by byte, by what the vhost-user specification says of it, and compared
 * with the model.
 *
 * A call of the driver half is made and followed by the model at once. One of the device
 * half is chosen, performed and followed in three steps, since the half may be killed in the
 * second of them.
 */
#ifndef TESTS_UNIT_LOG_MODEL_H
#define TESTS_UNIT_LOG_MODEL_H

#include "log_book.h"

/* Most descriptors of a queue, chains at a time, their segments, and bytes of each. */
#define MOST	8u
#define CHAINS	12u
#define SEGS	4u
#define ROOM	64u

enum stage { IDLE, STAGED, PUBLISHED, POPPED, HELD, PUSHED, SHOWN };

/* @at counts all chains, @done all completions; @again: popped, but not for the first time. */
struct chain {
	enum stage stage;
	bool logged, again, table;
	u16 id, out, in, need;
	u32 writable, len, at, done;
	struct ring_seg seg[SEGS];
};

/* @used counts completions that were shown, packed: their descriptors. */
struct model {
	struct chain chain[CHAINS];
	u32 adds, dones;
	u64 used;
	u8 popped[16];		/* latest last, for unpop() */
	u32 pops;
};

/* @kills: the device half is killed now and then; @trail: a hash of all that the ring was */
struct run {
	struct rig *rig;
	struct model m;
	u64 random;
	bool packed, in_order, logged, kills;
	u64 trail;
};

/* ---- the model --------------------------------------------------------------- */

/* The chain among those in the given stages that was added first; CHAINS when none is. */
static inline u32 oldest(const struct run *r, unsigned int stages)
{
	u32 best = CHAINS, n;

	for (n = 0; n < CHAINS; n++) {
		if (stages & 1u << r->m.chain[n].stage &&
		    (best == CHAINS || r->m.chain[n].at < r->m.chain[best].at))
			best = n;
	}
	return best;
}

static inline u32 pick(struct run *r, enum stage stage)
{
	const u32 from = rig_below(&r->random, CHAINS);
	u32 i;

	for (i = 0; i < CHAINS; i++) {
		if (r->m.chain[(from + i) % CHAINS].stage == stage)
			return (from + i) % CHAINS;
	}
	return CHAINS;
}

static inline u32 count(const struct run *r, enum stage stage)
{
	u32 n, sum = 0;

	for (n = 0; n < CHAINS; n++)
		sum += r->m.chain[n].stage == stage;
	return sum;
}

static inline u32 count_logged(const struct run *r)
{
	u32 n, sum = 0;

	for (n = 0; n < CHAINS; n++)
		sum += r->m.chain[n].logged;
	return sum;
}

/* All of one stage comes to another. */
static inline void advance(struct run *r, enum stage from, enum stage to)
{
	u32 n;

	for (n = 0; n < CHAINS; n++) {
		struct chain *c = &r->m.chain[n];

		if (c->stage != from)
			continue;
		c->stage = to;
		if (to == SHOWN) {
			c->logged = false;
			r->m.used += r->packed ? c->need : 1;
		}
	}
}

/* Of two chains in the log the one that was added first has the lower counter. */
static inline void check_counters(const struct run *r, const u64 *counter)
{
	u32 a, b;

	for (a = 0; a < CHAINS; a++) {
		for (b = 0; b < CHAINS; b++) {
			if (r->m.chain[a].logged && r->m.chain[b].logged &&
			    r->m.chain[a].at < r->m.chain[b].at)
				assert_true(counter[a] < counter[b]);
		}
	}
}

/* The chain of an id in the log; CHAINS when there is none. */
static inline u32 logged_chain(const struct run *r, u32 id)
{
	u32 n;

	for (n = 0; n < CHAINS; n++) {
		if (r->m.chain[n].logged && r->m.chain[n].id == id)
			break;
	}
	return n;
}

static inline void check_split_log(const struct run *r)
{
	u64 counter[CHAINS];
	u32 i, n;

	assert_int_equal(log16(SPLIT_USED_IDX), (u16)r->m.used);
	for (i = 0; i < r->rig->size; i++) {
		n = logged_chain(r, i);
		assert_int_equal(log8(split_at(i) + INFLIGHT), n < CHAINS);
		if (n < CHAINS)
			counter[n] = log64(split_at(i) + COUNTER);
	}
	check_counters(r, counter);
}

/* The entries of chain @n from @head on are what the driver wrote, and are no other's. */
static inline void check_packed_chain(const struct run *r, u32 n, u32 head, bool *seen)
{
	const struct chain *c = &r->m.chain[n];
	u32 i = head, k;

	assert_int_equal(log16(packed_at(head) + NUM), c->need);
	for (k = 0; k < c->need; k++) {
		const u16 flags = c->table ? VRING_DESC_F_INDIRECT :
				  (k + 1 < c->need ? VRING_DESC_F_NEXT : 0) |
				  (k < c->out ? 0 : VRING_DESC_F_WRITE);

		assert_in_range(i, 0, r->rig->size - 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_int_equal(log16(packed_at(i) + FLAGS) & 7, flags);
		expect_packed_desc(i, c->id, log16(packed_at(i) + FLAGS),
				   c->table ? 16u * (c->out + c->in) : c->seg[k].len,
				   c->table ? rig_table_bus(n * SEGS) : c->seg[k].bus);
		if (k + 1 == c->need)
			assert_int_equal(log16(packed_at(head) + LAST), i);
		i = log16(packed_at(i) + NEXT);
	}
}

static inline void check_packed_log(const struct run *r)
{
	const u32 size = r->rig->size;
	bool seen[MOST] = { false };
	u64 counter[CHAINS];
	u32 heads = 0, i, n;

	expect_heads(log16(FREE_HEAD), (u32)(r->m.used % size), !(r->m.used / size % 2));
	for (i = log16(FREE_HEAD); i != size; i = log16(packed_at(i) + NEXT)) {
		assert_in_range(i, 0, size - 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_int_equal(log8(packed_at(i) + INFLIGHT), 0);
	}
	for (i = 0; i < size; i++) {
		if (!log8(packed_at(i) + INFLIGHT))
			continue;
		assert_int_equal(log8(packed_at(i) + INFLIGHT), 1);
		n = logged_chain(r, log16(packed_at(i) + ID));
		assert_in_range(n, 0, CHAINS - 1);
		check_packed_chain(r, n, i, seen);
		counter[n] = log64(packed_at(i) + COUNTER);
		heads++;
	}
	assert_int_equal(heads, count_logged(r));
	for (i = 0; i < size; i++)
		assert_true(seen[i]);
	check_counters(r, counter);
}

static inline void check_log(const struct run *r)
{
	if (!r->logged)
		return;
	assert_int_equal(log64(FEATURES), 0);
	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), r->rig->size);
	if (r->packed)
		check_packed_log(r);
	else
		check_split_log(r);
}

/* ---- calls of the driver half ------------------------------------------------- */

static inline void do_add(struct run *r)
{
	const u32 n = pick(r, IDLE), free = ring_drv_num_free(&r->rig->drv);
	const struct ring_table table = {
		.desc = rig_table(r->rig, n * SEGS), .bus = rig_table_bus(n * SEGS), .num = SEGS,
	};
	struct chain *c = &r->m.chain[n % CHAINS];
	struct ring_buf buf = { .seg = c->seg };
	u32 segs, i;
	int ret;

	if (n == CHAINS)
		return;
	segs = 1 + rig_below(&r->random, min_t(u32, SEGS, r->rig->size));
	/* Often one descriptor, so that often many chains are there. */
	segs = rig_below(&r->random, 2) ? 1 : segs;
	buf.out = c->out = (u16)rig_below(&r->random, segs + 1);
	buf.in = c->in = (u16)(segs - c->out);
	c->table = rig_below(&r->random, 3) == 0;
	buf.table = c->table ? &table : NULL;
	c->need = c->table ? 1 : (u16)segs;
	c->writable = 0;
	for (i = 0; i < segs; i++) {
		c->seg[i].len = 1 + rig_below(&r->random, ROOM);
		c->seg[i].bus = RIG_BUS_DATA + (n * SEGS + i) * ROOM;
		c->writable += i < c->out ? 0 : c->seg[i].len;
	}
	ret = ring_drv_add(&r->rig->drv, &buf, rig_cookie(n));
	if (c->need > free) {
		assert_int_equal(ret, -ENOSPC);
		return;
	}
	assert_in_range(ret, 0, r->rig->size - 1);
	c->id = (u16)ret;
	c->at = r->m.adds++;
	c->stage = STAGED;
}

static inline void do_publish(struct run *r)
{
	ring_drv_publish(&r->rig->drv);
	advance(r, STAGED, PUBLISHED);
}

static inline void do_poll(struct run *r)
{
	struct ring_done done;
	u32 best = CHAINS, n;

	for (n = 0; n < CHAINS; n++) {
		if (r->m.chain[n].stage == SHOWN &&
		    (best == CHAINS || r->m.chain[n].done < r->m.chain[best].done))
			best = n;
	}
	if (best == CHAINS) {
		poll_none(r->rig);
		return;
	}
	assert_int_equal(ring_drv_poll(&r->rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(best));
	assert_int_equal(done.id, r->m.chain[best].id);
	assert_int_equal(done.len, r->m.chain[best].len);
	r->m.chain[best].stage = IDLE;
}

/* ---- calls of the device half -------------------------------------------------- */

enum what { POP, UNPOP, PUSH, SHOW, FLUSH, ARM, DISARM, ATTACH };

/* @n: the chain that it is about; CHAINS when none */
struct call {
	struct run *run;
	enum what what;
	u32 n, len;
	int ret;
};

/* Returns false when there is nothing of the kind to do. */
static inline bool choose(struct run *r, enum what what, struct call *c)
{
	*c = (struct call) { .run = r, .what = what, .n = CHAINS };
	switch (what) {
	case POP:
		c->n = oldest(r, 1u << PUBLISHED);
		return true;
	case UNPOP:
		if (r->m.pops)
			c->n = r->m.popped[r->m.pops - 1];
		return c->n < CHAINS && r->m.chain[c->n].stage == POPPED;
	case PUSH:
		c->n = pick(r, POPPED);
		if (c->n == CHAINS)
			return false;
		c->len = r->m.chain[c->n].writable;
		/* Often in full: in order that makes batches. */
		if (rig_below(&r->random, 2))
			c->len = rig_below(&r->random, c->len + 1);
		return true;
	default:
		return true;
	}
}

static inline void perform(void *arg)
{
	struct call *c = arg;
	struct ring_dev *dev = &c->run->rig->dev;
	const struct ring_chain chain = { .id = c->run->m.chain[c->n % CHAINS].id };

	switch (c->what) {
	case POP:
		c->ret = ring_dev_pop(dev, &c->run->rig->c);
		break;
	case UNPOP:
		ring_dev_unpop(dev, &chain);
		break;
	case PUSH:
		ring_dev_push(dev, &chain, c->len);
		break;
	case SHOW:
		ring_dev_show(dev);
		break;
	case FLUSH:
		ring_dev_flush(dev);
		break;
	case ARM:
		c->ret = ring_dev_arm(dev);
		break;
	case DISARM:
		ring_dev_disarm(dev);
		break;
	case ATTACH:
		c->ret = attach(c->run->rig);
		break;
	}
}

static inline void popped(struct run *r, u32 n)
{
	const struct ring_chain *got = &r->rig->c;
	struct chain *c = &r->m.chain[n];
	u32 i;

	assert_int_equal(got->id, c->id);
	assert_int_equal(got->count, c->need);
	assert_int_equal(got->out, c->out);
	assert_int_equal(got->in, c->in);
	assert_int_equal(got->in_len, c->writable);
	for (i = 0; i < (u32)c->out + c->in; i++) {
		assert_ptr_equal(shared_unmark(got->iov[i].base),
				 shared_unmark(rig_data(r->rig, c->seg[i].bus)));
		assert_int_equal(got->iov[i].len, c->seg[i].len);
	}
	c->again = c->logged;
	c->logged = r->logged;
	c->stage = POPPED;
	if (r->m.pops == ARRAY_SIZE(r->m.popped))
		memmove(r->m.popped, r->m.popped + 1, --r->m.pops);
	r->m.popped[r->m.pops++] = (u8)n;
}

static inline void pushed(struct run *r, u32 n, u32 len)
{
	r->m.chain[n].stage = HELD;
	r->m.chain[n].len = len;
	/* In order it waits for those before it. */
	for (;;) {
		if (r->in_order)
			n = oldest(r, 1u << POPPED | 1u << HELD);
		if (n == CHAINS || r->m.chain[n].stage != HELD)
			break;
		r->m.chain[n].stage = PUSHED;
		r->m.chain[n].done = r->m.dones++;
	}
}

/* A call has returned: the model follows. */
static inline void follow(struct run *r, const struct call *c)
{
	switch (c->what) {
	case POP:
		assert_int_equal(c->ret, c->n < CHAINS);
		if (c->ret)
			popped(r, c->n);
		break;
	case UNPOP:
		r->m.chain[c->n].stage = PUBLISHED;
		r->m.chain[c->n].logged = r->m.chain[c->n].again;
		r->m.pops--;
		break;
	case PUSH:
		pushed(r, c->n, c->len);
		break;
	case SHOW:
	case FLUSH:
		advance(r, PUSHED, SHOWN);
		break;
	case ARM:
		assert_int_equal(c->ret, count(r, PUBLISHED) > 0);
		break;
	default:
		break;
	}
	assert_int_equal(ring_dev_in_flight(&r->rig->dev), count(r, POPPED));
	check_log(r);
}

#endif /* TESTS_UNIT_LOG_MODEL_H */
