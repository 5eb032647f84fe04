// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls on both halves of one ring, beside a model of what they owe.
 *
 * The model knows chains, not descriptors: each has a number (its cookie), what
 * was submitted, and how far it has come. Three queues of numbers say in what
 * order the halves must hand them on: published (to the device), popped, and
 * pushed (to the driver). After every call the answer of the half is compared
 * with the model's: which chain, its segments, its length, -ENOSPC, and whether
 * a kick or a call is due.
 *
 * With scribbling on, everything that the driver half must not believe is
 * overwritten with random bytes whenever the device half is not going to read
 * it: the descriptors, the tables and the avail entries of chains that it has
 * popped. Nothing may change by that (ATTACKS.md, 9 and 10).
 */
#include "rig.h"

#define CHAINS	256u
#define SEGS	8u

/* How far a chain has come. */
enum stage { IDLE, STAGED, PUBLISHED, POPPED, PUSHED, FLUSHED };

struct chain {
	enum stage stage;
	struct ring_seg seg[SEGS];
	u16 out, in;
	u16 need;		/* descriptors of the queue */
	u16 id;
	u32 writable;
	u32 len;		/* as pushed */
};

/* A queue of chain numbers with free-running ends. */
struct line {
	u32 n[2 * CHAINS];
	u32 head, tail;
};

struct model {
	struct rig *rig;
	u64 random;
	bool scribble;
	struct chain chain[CHAINS];
	struct line staged, published, pushed, flushed;
	u32 latest;		/* popped latest, while unpop() is allowed; else CHAINS */
	u32 popped;		/* chains in stage POPPED */
	u32 scribbles;
	u16 num_free;
	u16 avail;		/* avail.idx as published */
	u16 used;		/* used.idx as flushed */
};

static u32 line_len(const struct line *l)
{
	return l->tail - l->head;
}

static void line_put(struct line *l, u32 n)
{
	assert_true(line_len(l) < ARRAY_SIZE(l->n));
	l->n[l->tail++ % ARRAY_SIZE(l->n)] = n;
}

static u32 line_take(struct line *l)
{
	return l->n[l->head++ % ARRAY_SIZE(l->n)];
}

static void line_untake(struct line *l, u32 n)
{
	l->n[--l->head % ARRAY_SIZE(l->n)] = n;
}

/* A random chain in @stage, or CHAINS when there is none. */
static u32 pick(struct model *m, enum stage stage)
{
	const u32 from = rig_below(&m->random, CHAINS);
	u32 i;

	for (i = 0; i < CHAINS; i++) {
		if (m->chain[(from + i) % CHAINS].stage == stage)
			return (from + i) % CHAINS;
	}
	return CHAINS;
}

static void do_add(struct model *m)
{
	const u32 n = pick(m, IDLE);
	const u32 room = RIG_TABLE / CHAINS;
	const struct ring_table table = {
		.desc = rig_table(m->rig, n * room), .bus = rig_table_bus(n * room),
		.num = (u16)room,
	};
	struct chain *c = &m->chain[n % CHAINS];
	struct ring_buf buf = { .seg = c->seg };
	u32 segs, i;
	int ret;

	if (n == CHAINS)
		return;
	segs = 1 + rig_below(&m->random, min_t(u32, SEGS, m->rig->size));
	buf.out = c->out = (u16)rig_below(&m->random, segs + 1);
	buf.in = c->in = (u16)(segs - c->out);
	c->writable = 0;
	for (i = 0; i < segs; i++) {
		c->seg[i].len = 1 + rig_below(&m->random, 2000);
		c->seg[i].bus = RIG_BUS_DATA + rig_below(&m->random, RIG_REGION - 2000);
		if (i >= c->out)
			c->writable += c->seg[i].len;
	}
	if (m->rig->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) &&
	    rig_below(&m->random, 2))
		buf.table = &table;
	c->need = buf.table ? 1 : (u16)segs;

	ret = ring_drv_add(&m->rig->drv, &buf, rig_cookie(n));
	if (c->need > m->num_free) {
		assert_int_equal(ret, -ENOSPC);
		return;
	}
	assert_in_range(ret, 0, m->rig->size - 1);
	c->id = (u16)ret;
	c->stage = STAGED;
	m->num_free -= c->need;
	line_put(&m->staged, n);
}

static void do_publish(struct model *m)
{
	const u16 old = m->avail;
	bool due;

	m->avail = (u16)(m->avail + line_len(&m->staged));
	if (m->rig->features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX))
		due = rig_event_due(shared_load16(rig_avail_event(m->rig)), m->avail, old);
	else
		due = old != m->avail &&
		      !(shared_load16(&rig_used(m->rig)->flags) & VRING_USED_F_NO_NOTIFY);
	while (line_len(&m->staged)) {
		const u32 n = line_take(&m->staged);

		m->chain[n].stage = PUBLISHED;
		line_put(&m->published, n);
	}
	assert_int_equal(ring_drv_publish(&m->rig->drv), due);
	assert_int_equal(shared_load16(&rig_avail(m->rig)->idx), m->avail);
}

static void do_pop(struct model *m)
{
	struct ring_chain *got = &m->rig->c;
	const struct chain *c;
	u32 n, i, in_len = 0, out_len = 0;

	if (!line_len(&m->published)) {
		assert_int_equal(ring_dev_pop(&m->rig->dev, got), 0);
		return;
	}
	n = line_take(&m->published);
	c = &m->chain[n];
	assert_int_equal(ring_dev_pop(&m->rig->dev, got), 1);
	assert_int_equal(got->id, c->id);
	assert_int_equal(got->count, c->need);
	assert_int_equal(got->out, c->out);
	assert_int_equal(got->in, c->in);
	for (i = 0; i < (u32)c->out + c->in; i++) {
		assert_ptr_equal(shared_unmark(got->iov[i].base),
				 shared_unmark(rig_data(m->rig, c->seg[i].bus)));
		assert_int_equal(got->iov[i].len, c->seg[i].len);
		if (i < c->out)
			out_len += c->seg[i].len;
		else
			in_len += c->seg[i].len;
	}
	assert_int_equal(got->out_len, out_len);
	assert_int_equal(got->in_len, in_len);
	m->chain[n].stage = POPPED;
	m->latest = n;
	m->popped++;
}

static void do_unpop(struct model *m)
{
	const struct ring_chain c = {
		.id = m->chain[m->latest % CHAINS].id,
		.count = m->chain[m->latest % CHAINS].need,
	};

	if (m->latest == CHAINS || m->chain[m->latest].stage != POPPED)
		return;
	ring_dev_unpop(&m->rig->dev, &c);
	m->chain[m->latest].stage = PUBLISHED;
	line_untake(&m->published, m->latest);
	m->latest = CHAINS;
	m->popped--;
}

static void do_push(struct model *m)
{
	const u32 n = pick(m, POPPED);
	struct chain *c = &m->chain[n % CHAINS];

	if (n == CHAINS)
		return;
	c->len = rig_below(&m->random, c->writable + 1);
	c->stage = PUSHED;
	ring_dev_push(&m->rig->dev,
		      &(struct ring_chain) { .id = c->id, .count = c->need }, c->len);
	line_put(&m->pushed, n);
	if (n == m->latest)
		m->latest = CHAINS;
	m->popped--;
}

static void do_flush(struct model *m)
{
	const u16 old = m->used;
	bool due;

	m->used = (u16)(m->used + line_len(&m->pushed));
	if (m->rig->features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX))
		due = rig_event_due(shared_load16(rig_used_event(m->rig)), m->used, old);
	else
		due = old != m->used &&
		      !(shared_load16(&rig_avail(m->rig)->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	while (line_len(&m->pushed)) {
		const u32 n = line_take(&m->pushed);

		m->chain[n].stage = FLUSHED;
		line_put(&m->flushed, n);
	}
	assert_int_equal(ring_dev_flush(&m->rig->dev), due);
	assert_int_equal(shared_load16(&rig_used(m->rig)->idx), m->used);
}

static void do_poll(struct model *m)
{
	struct ring_done done;
	struct chain *c;
	u32 n;

	if (!line_len(&m->flushed)) {
		assert_int_equal(ring_drv_poll(&m->rig->drv, &done), 0);
		return;
	}
	n = line_take(&m->flushed);
	c = &m->chain[n];
	assert_int_equal(ring_drv_poll(&m->rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(n));
	assert_int_equal(done.id, c->id);
	assert_int_equal(done.len, c->len);
	c->stage = IDLE;
	m->num_free += c->need;
}

static void do_arms(struct model *m)
{
	switch (rig_below(&m->random, 4)) {
	case 0:
		assert_int_equal(ring_drv_arm(&m->rig->drv), line_len(&m->flushed) > 0);
		break;
	case 1:
		assert_int_equal(ring_dev_arm(&m->rig->dev), line_len(&m->published) > 0);
		break;
	case 2:
		ring_drv_disarm(&m->rig->drv);
		break;
	default:
		ring_dev_disarm(&m->rig->dev);
		break;
	}
}

/*
 * Let the device half take all there is and then overwrite what nobody needs any
 * more: all descriptors, tables and avail entries. What was popped cannot be given
 * back after that.
 */
static void do_scribble(struct model *m)
{
	struct rig_map *driver = &m->rig->driver;
	const u8 byte = (u8)rig_random(&m->random);

	if (!m->scribble || rig_below(&m->random, 8))
		return;
	do_publish(m);
	while (line_len(&m->published))
		do_pop(m);
	m->latest = CHAINS;
	m->scribbles++;
	rig_fill(&m->rig->desc, 0, m->rig->desc.bytes, byte);
	rig_fill(&m->rig->table, 0, m->rig->table.bytes, byte);
	/* Flags and avail.idx are before, used_event behind the entries. */
	rig_fill(driver, 4, 2 * m->rig->size, byte);
}

static void step(struct model *m)
{
	static void (* const what[])(struct model *) = {
		do_add, do_add, do_add, do_publish, do_pop, do_pop, do_pop, do_push, do_push,
		do_push, do_flush, do_poll, do_poll, do_poll, do_unpop, do_arms, do_scribble,
	};
	u32 in_flight;

	what[rig_below(&m->random, ARRAY_SIZE(what))](m);
	assert_int_equal(ring_drv_num_free(&m->rig->drv), m->num_free);
	assert_int_equal(ring_dev_in_flight(&m->rig->dev), m->popped);
	assert_int_equal(ring_drv_pending(&m->rig->drv), line_len(&m->flushed) > 0);
	in_flight = line_len(&m->published) + m->popped + line_len(&m->pushed) +
		    line_len(&m->flushed);
	if (!line_len(&m->staged))
		assert_int_equal(ring_drv_in_flight(&m->rig->drv), in_flight);
}

static void run(void **state, u32 size, u64 features, u64 seed, bool scribble)
{
	static struct model model;
	struct model *m = &model;
	u32 i;

	memset(m, 0, sizeof(*m));
	m->rig = rig_new(state, size, features);
	m->random = seed;
	m->scribble = scribble;
	m->latest = CHAINS;
	m->num_free = (u16)size;
	rig_start_drv(m->rig);
	rig_start_dev(m->rig, 0);
	for (i = 0; i < 40000; i++)
		step(m);
	/* Else the test that scribbles has not done so. */
	assert_int_equal(m->scribbles > 100, scribble);
	assert_int_equal(ring_drv_fault(&m->rig->drv), RING_OK);
	assert_int_equal(ring_dev_fault(&m->rig->dev), RING_OK);
}

static void run_all(void **state, bool scribble)
{
	static const u32 sizes[] = { 1, 2, 4, 16, 64, 256 };
	const u64 seed = rig_seed(0x41c64e6d);
	unsigned int way;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (way = 0; way < RIG_WAYS; way++)
			run(state, sizes[i], rig_way(way), seed + i, scribble);
	}
}

static void random_calls_agree(void **state)
{
	run_all(state, false);
}

static void random_calls_agree_while_the_table_is_scribbled(void **state)
{
	run_all(state, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("random calls agree with the model", random_calls_agree),
		RIG_TEST("random calls agree while descriptors are scribbled",
			 random_calls_agree_while_the_table_is_scribbled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
