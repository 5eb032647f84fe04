// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls on both halves of one ring, beside a model of what they owe.
 *
 * The model knows chains, not descriptors: each has a number (its cookie), what
 * was submitted, and how far it has come. Lines of numbers say in what order the halves
 * must hand them on: published (to the device), popped, pushed and flushed (to the
 * driver). After every call the answer of the half is compared with the model's: which
 * chain, its segments, its bytes, its length, -ENOSPC, and whether a kick or a call is
 * due. Bytes are checked both ways, each chain having memory of its own.
 *
 * Every layout, order and way to notify is run, at sizes from 1 on and, packed, also
 * at those that are no powers of two; each starts shortly before the indices wrap.
 *
 * With scribbling on, everything that the driver half must not believe is
 * overwritten with random bytes whenever the device half is not going to read
 * it: the descriptors, the tables and the avail entries of chains that it has
 * popped. Nothing may change by that (ATTACKS.md, 9 and 10).
 */
#include "rig.h"

#define CHAINS	256u
#define SEGS	8u
/* Memory of a chain, and of each of its segments. */
#define ROOM	(2 * RIG_REGION / CHAINS)
#define SEG_ROOM (ROOM / SEGS)

/* How far a chain has come; HELD: pushed, but in order one before it is not. */
enum stage { IDLE, STAGED, PUBLISHED, POPPED, HELD, PUSHED, FLUSHED };

struct chain {
	enum stage stage;
	struct ring_seg seg[SEGS];
	u16 out, in;
	u16 need;		/* descriptors of the queue */
	u16 id;
	u32 readable, writable;
	u32 len;		/* as pushed */
	u8 salt;		/* of what is in its memory */
};

/* A queue of chain numbers with free-running ends. */
struct line {
	u32 n[2 * CHAINS];
	u32 head, tail;
};

/* Where one side is: counts chains (split) or descriptors (packed), shown and asked for. */
struct place {
	u64 shown, asked;
};

struct model {
	struct rig *rig;
	u64 random;
	bool scribble, packed, in_order, event_idx;
	struct chain chain[CHAINS];
	struct line staged, published, popped, pushed, flushed;
	u32 latest;		/* popped latest, while unpop() is allowed; else CHAINS */
	u32 has;		/* chains that the device's user has */
	u32 steps, scribbles, kicks, calls, batches;
	u16 num_free;
	struct place avail, used;
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

static u32 line_first(const struct line *l)
{
	return l->n[l->head % ARRAY_SIZE(l->n)];
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

/* ---- notifications ------------------------------------------------------- */

/* What a side counts a chain as. */
static u32 weight(const struct model *m, const struct chain *c)
{
	return m->packed ? c->need : 1;
}

/*
 * Is a notification due for what was shown and not asked for? By walking over it one
 * by one, so as to owe nothing to the formulas of the specification.
 */
static bool due(struct model *m, struct place *p, bool kick)
{
	const u64 round = m->packed ? 2ull * m->rig->size : 0x10000;
	u64 at = p->asked, event;

	p->asked = p->shown;
	if (at == p->shown)
		return false;
	if (!m->packed && !m->event_idx)
		return kick ? !(shared_load16(&rig_used(m->rig)->flags) & VRING_USED_F_NO_NOTIFY) :
			      !(shared_load16(&rig_avail(m->rig)->flags) &
				VRING_AVAIL_F_NO_INTERRUPT);
	if (m->packed) {
		const u32 word = shared_load32((u32 __shared *)(kick ? m->rig->device.at :
								       m->rig->driver.at));

		if (word >> 16 == VRING_PACKED_EVENT_FLAG_DISABLE)
			return false;
		if (word >> 16 == VRING_PACKED_EVENT_FLAG_ENABLE)
			return true;
		event = (word & 0x7fff) + (word & 0x8000 ? 0 : m->rig->size);
		/* Whoever was not asked for so long may notify in any case. */
		if (p->shown - at >= m->rig->size)
			return true;
	} else {
		event = shared_load16(kick ? rig_avail_event(m->rig) : rig_used_event(m->rig));
	}
	for (; at != p->shown; at++) {
		if (at % round == event)
			return true;
	}
	return false;
}

/* ---- bytes ---------------------------------------------------------------- */

static u8 byte_of(const struct chain *c, u32 i, bool reply)
{
	return (u8)(c->salt + i * 7 + (reply ? 100 : 0));
}

static void put_bytes(struct model *m, const struct chain *c)
{
	u32 s, i, n = 0;

	for (s = 0; s < c->out; s++) {
		for (i = 0; i < c->seg[s].len; i++, n++)
			shared_store8((u8 __shared *)rig_data(m->rig, c->seg[s].bus + i),
				      byte_of(c, n, false));
	}
}

static void check_request(struct model *m, const struct chain *c)
{
	u8 got[ROOM];
	u32 i;

	assert_int_equal(ring_iov_read(m->rig->iov, c->out, 0, got, sizeof(got)), c->readable);
	for (i = 0; i < c->readable; i++)
		assert_int_equal(got[i], byte_of(c, i, false));
}

static void check_reply(struct model *m, const struct chain *c)
{
	u32 s, i, n = 0;

	for (s = c->out; s < (u32)c->out + c->in; s++) {
		for (i = 0; i < c->seg[s].len && n < c->len; i++, n++)
			assert_int_equal(shared_load8((u8 __shared *)
						      rig_data(m->rig, c->seg[s].bus + i)),
					 byte_of(c, n, true));
	}
	assert_int_equal(n, c->len);
}

/* ---- steps ----------------------------------------------------------------- */

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
	c->writable = c->readable = 0;
	c->salt = (u8)rig_random(&m->random);
	for (i = 0; i < segs; i++) {
		c->seg[i].len = 1 + rig_below(&m->random, SEG_ROOM);
		c->seg[i].bus = RIG_BUS_DATA + n * ROOM + i * SEG_ROOM +
				rig_below(&m->random, SEG_ROOM - c->seg[i].len + 1);
		*(i < c->out ? &c->readable : &c->writable) += c->seg[i].len;
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
	put_bytes(m, c);
	c->id = (u16)ret;
	c->stage = STAGED;
	m->num_free -= c->need;
	line_put(&m->staged, n);
}

/* All of @from has come to @stage, and is seen at @p. */
static void all_shown(struct model *m, struct line *from, struct line *to, enum stage stage,
		      struct place *p)
{
	while (line_len(from)) {
		const u32 n = line_take(from);

		m->chain[n].stage = stage;
		p->shown += weight(m, &m->chain[n]);
		line_put(to, n);
	}
}

static void do_drv_show(struct model *m)
{
	all_shown(m, &m->staged, &m->published, PUBLISHED, &m->avail);
	ring_drv_show(&m->rig->drv);
	if (!m->packed)
		assert_int_equal(shared_load16(&rig_avail(m->rig)->idx), (u16)m->avail.shown);
}

static void do_publish(struct model *m)
{
	bool kick;

	all_shown(m, &m->staged, &m->published, PUBLISHED, &m->avail);
	kick = due(m, &m->avail, true);
	assert_int_equal(ring_drv_publish(&m->rig->drv), kick);
	m->kicks += kick;
}

static void do_pop(struct model *m)
{
	struct ring_chain *got = &m->rig->c;
	const struct chain *c;
	u32 n, i;

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
	}
	assert_int_equal(got->out_len, c->readable);
	assert_int_equal(got->in_len, c->writable);
	check_request(m, c);
	m->chain[n].stage = POPPED;
	line_put(&m->popped, n);
	m->latest = n;
	m->has++;
}

static void do_unpop(struct model *m)
{
	const struct ring_chain c = { .id = m->chain[m->latest % CHAINS].id };

	if (m->latest == CHAINS || m->chain[m->latest].stage != POPPED)
		return;
	ring_dev_unpop(&m->rig->dev, &c);
	m->chain[m->latest].stage = PUBLISHED;
	line_untake(&m->published, m->latest);
	m->popped.tail--;
	m->latest = CHAINS;
	m->has--;
}

/* Where the chain lies for the device, as pop() said it. */
static void put_reply(struct model *m, const struct chain *c)
{
	struct ring_iov iov[SEGS];
	u8 reply[ROOM];
	u32 i;

	for (i = 0; i < c->in; i++)
		iov[i] = (struct ring_iov) {
			rig_data(m->rig, c->seg[c->out + i].bus), c->seg[c->out + i].len,
		};
	for (i = 0; i < c->len; i++)
		reply[i] = byte_of(c, i, true);
	assert_int_equal(ring_iov_write(iov, c->in, 0, reply, c->len), c->len);
}

static void do_push(struct model *m)
{
	const u32 n = pick(m, POPPED);
	struct chain *c = &m->chain[n % CHAINS];
	u32 i;

	if (n == CHAINS)
		return;
	/* Often in full: in order that makes batches. */
	c->len = rig_below(&m->random, 2) ? c->writable : rig_below(&m->random, c->writable + 1);
	put_reply(m, c);
	ring_dev_push(&m->rig->dev, &(struct ring_chain) { .id = c->id }, c->len);
	if (n == m->latest)
		m->latest = CHAINS;
	m->has--;
	if (!m->in_order) {
		c->stage = PUSHED;
		line_put(&m->pushed, n);
		/* Its place in the line is of no interest. */
		for (i = m->popped.head; m->popped.n[i % (2 * CHAINS)] != n; i++)
			;
		for (; i != m->popped.head; i--)
			m->popped.n[i % (2 * CHAINS)] = m->popped.n[(i - 1) % (2 * CHAINS)];
		line_take(&m->popped);
		return;
	}
	c->stage = HELD;
	while (line_len(&m->popped) && m->chain[line_first(&m->popped)].stage == HELD) {
		m->chain[line_first(&m->popped)].stage = PUSHED;
		line_put(&m->pushed, line_take(&m->popped));
	}
}

static void do_dev_show(struct model *m)
{
	m->batches += line_len(&m->pushed) > 1;
	all_shown(m, &m->pushed, &m->flushed, FLUSHED, &m->used);
	ring_dev_show(&m->rig->dev);
	if (!m->packed)
		assert_int_equal(shared_load16(&rig_used(m->rig)->idx), (u16)m->used.shown);
}

static void do_flush(struct model *m)
{
	bool call;

	all_shown(m, &m->pushed, &m->flushed, FLUSHED, &m->used);
	call = due(m, &m->used, false);
	assert_int_equal(ring_dev_flush(&m->rig->dev), call);
	m->calls += call;
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
	check_reply(m, c);
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
 * back after that. Of a packed descriptor the flags are left: in them the device says
 * that it is used.
 */
static void do_scribble(struct model *m)
{
	const u8 byte = (u8)rig_random(&m->random);
	u32 i;

	if (!m->scribble || rig_below(&m->random, 8))
		return;
	do_publish(m);
	while (line_len(&m->published))
		do_pop(m);
	/* What was shown as used and not polled is the device's word; it stays. */
	while (m->packed && line_len(&m->flushed))
		do_poll(m);
	if (m->packed && line_len(&m->pushed))
		return;
	m->latest = CHAINS;
	m->scribbles++;
	rig_fill(&m->rig->table, 0, m->rig->table.bytes, byte);
	if (m->packed) {
		for (i = 0; i < m->rig->size; i++)
			rig_fill(&m->rig->desc, 16 * i, 14, byte);
		return;
	}
	rig_fill(&m->rig->desc, 0, m->rig->desc.bytes, byte);
	/* Flags and avail.idx are before, used_event behind the entries. */
	rig_fill(&m->rig->driver, 4, 2 * m->rig->size, byte);
}

static void step(struct model *m)
{
	static void (* const what[])(struct model *) = {
		do_add, do_add, do_add, do_publish, do_pop, do_pop, do_pop, do_push, do_push,
		do_push, do_flush, do_poll, do_poll, do_poll, do_unpop, do_arms, do_scribble,
		do_drv_show, do_dev_show,
	};
	void (*now)(struct model *) = what[rig_below(&m->random, ARRAY_SIZE(what))];
	u32 in_flight;

	/* Every other while the ring runs dry, else it is full most of the time. */
	if (now != do_add || m->steps++ / 64 % 2 || !rig_below(&m->random, 4))
		now(m);
	assert_int_equal(ring_drv_num_free(&m->rig->drv), m->num_free);
	assert_int_equal(ring_dev_in_flight(&m->rig->dev), m->has);
	assert_int_equal(ring_drv_pending(&m->rig->drv), line_len(&m->flushed) > 0);
	in_flight = line_len(&m->staged) + line_len(&m->published) + line_len(&m->popped) +
		    line_len(&m->pushed) + line_len(&m->flushed);
	assert_int_equal(ring_drv_in_flight(&m->rig->drv), in_flight);
}

/* One chain after the other, until few are missing to @chains. */
static void go_ahead(struct model *m, u32 chains)
{
	struct ring_done done;

	for (; chains > 100; chains--) {
		assert_true(rig_add_in(m->rig, 8, rig_cookie(0)) >= 0);
		ring_drv_publish(&m->rig->drv);
		assert_int_equal(ring_dev_pop(&m->rig->dev, &m->rig->c), 1);
		ring_dev_push(&m->rig->dev, &m->rig->c, 8);
		ring_dev_flush(&m->rig->dev);
		assert_int_equal(ring_drv_poll(&m->rig->drv, &done), 1);
		m->avail.shown++;
		m->used.shown++;
	}
	m->avail.asked = m->avail.shown;
	m->used.asked = m->used.shown;
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
	m->packed = features & BIT_ULL(VIRTIO_F_RING_PACKED);
	m->in_order = features & BIT_ULL(VIRTIO_F_IN_ORDER);
	m->event_idx = features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	m->latest = CHAINS;
	m->num_free = (u16)size;
	rig_start_drv(m->rig);
	rig_start_dev(m->rig, ring_base_new(m->rig->features));
	go_ahead(m, m->packed ? 4 * size : 0x10000);
	for (i = 0; i < 30000; i++)
		step(m);
	/* Else the test has not done what it is for. */
	assert_int_equal(m->scribbles > 20, scribble);
	assert_true(m->kicks && m->calls);
	assert_true(m->packed || m->avail.shown > 0x10000);
	assert_true(size == 1 || m->batches > 10);
	assert_int_equal(ring_drv_fault(&m->rig->drv), RING_OK);
	assert_int_equal(ring_dev_fault(&m->rig->dev), RING_OK);
}

static void run_all(void **state, bool packed, bool scribble)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 7, 16, 64, 100, 256, 1021, 32767, 32768 };
	const u64 seed = rig_seed(0x41c64e6d);
	unsigned int way;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (way = 0; way < RIG_ALL_WAYS; way++) {
			if (packed != !!(rig_way(way) & BIT_ULL(VIRTIO_F_RING_PACKED)))
				continue;
			if (ring_size_ok(sizes[i], rig_way(way)))
				run(state, sizes[i], rig_way(way), seed + i, scribble);
		}
	}
}

static void split_agrees(void **state)
{
	run_all(state, false, false);
}

static void packed_agrees(void **state)
{
	run_all(state, true, false);
}

static void split_agrees_scribbled(void **state)
{
	run_all(state, false, true);
}

static void packed_agrees_scribbled(void **state)
{
	run_all(state, true, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("random calls agree with the model, split", split_agrees),
		RIG_TEST("random calls agree with the model, packed", packed_agrees),
		RIG_TEST("random calls agree while descriptors are scribbled, split",
			 split_agrees_scribbled),
		RIG_TEST("random calls agree while descriptors are scribbled, packed",
			 packed_agrees_scribbled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
