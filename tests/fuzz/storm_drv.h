/* SPDX-License-Identifier: GPL-2.0 */
/* storm.c: the driver, in libFuzzer's thread, and what it believes. */
#ifndef TESTS_FUZZ_STORM_DRV_H
#define TESTS_FUZZ_STORM_DRV_H

#include "storm.h"

#define TABLE		8u		/* entries of the table of a chain */
#define TABLES		(SHARE_TABLE / TABLE)
#define NONE		0xffffffffu

enum drv_call { DRV_ADD, DRV_PUBLISH, DRV_SHOW, DRV_POLL, DRV_ARM, DRV_DISARM, DRV_PENDING,
		DRV_REST, DRV_CALLS };

/**
 * struct chain - a chain of the driver, by its id
 * @cookie: of its buffers
 * @seg: its buffers
 * @num: how many
 * @out: of these, readable ones
 * @writable: bytes of the others
 * @count: descriptors that it takes
 * @table: of TABLES, or NONE
 * @slot: where its buffers are
 * @at: which of all chains it is
 * @mark: at both ends of each buffer
 * @live: staged and not polled
 */
struct chain {
	void *cookie;
	struct ring_seg seg[SEGS];
	u16 num;
	u16 out;
	u32 writable;
	u32 count;
	u32 table;
	u32 slot;
	u64 at;
	u8 mark;
	bool live;
};

/* The driver's own. */
static struct {
	struct ring_drv r;
	struct side side;
	void *priv;
	struct chain chain[SIZE_MOST];
	u32 slot[SIZE_MOST];	/* that are free */
	u32 slots;
	u64 adds, shown, polls;
	u32 taken;		/* descriptors of live chains */
	u32 tables;		/* a bit for each that is in use */
	u16 next_post;
} drv;

static bool drv_broken(void)
{
	return ring_drv_fault(&drv.r) != RING_OK;
}

static void drv_check(void)
{
	const u64 live = drv.adds - drv.polls;

	if (t.quiet)
		fuzz_check(!drv_broken());
	fuzz_check(ring_drv_in_flight(&drv.r) == live);
	fuzz_check(drv.taken <= t.s.size);
	fuzz_check(ring_drv_num_free(&drv.r) == (t.bound ? 0 : t.s.size - drv.taken));
	/* It never believes in more completions than there are chains. */
	if (!share_is_packed(&t.s))
		fuzz_check((u16)(drv.r.seen - drv.polls) <= drv.shown - drv.polls);
}

static void __shared *drv_buffer(const struct ring_seg *seg)
{
	void __shared *p = share_map(&t.s, seg->bus, seg->len, false);

	fuzz_check(p);
	return p;
}

/* Before a chain is shown. */
static void drv_mark(struct chain *c)
{
	u32 i;

	c->mark = 1 + draw(&drv.side, MARK_DONE - 1);
	for (i = 0; i < c->num; i++) {
		mark(drv_buffer(&c->seg[i]), 0, c->mark);
		mark(drv_buffer(&c->seg[i]), c->seg[i].len - 1, c->mark);
	}
}

/* Nobody lied: what the device found is what it changed. */
static void drv_check_marks(const struct chain *c)
{
	u32 i;

	for (i = 0; i < c->num; i++) {
		const u8 must = c->mark | (i < c->out ? 0 : MARK_DONE);

		fuzz_check(mark_at(drv_buffer(&c->seg[i]), 0) == must);
		fuzz_check(mark_at(drv_buffer(&c->seg[i]), c->seg[i].len - 1) == must);
	}
}

static void drv_staged(u32 id)
{
	struct chain *c = &drv.chain[id];

	c->live = true;
	c->at = drv.adds++;
	drv.taken += c->count;
	if (c->table != NONE)
		drv.tables |= 1u << c->table;
}

/* A chain of buffers in a slot of its own, each of which ends anywhere in its part. */
static void drv_fill(struct chain *c, u32 slot)
{
	const u32 bytes = SHARE_DATA / t.s.size, part = bytes / (c->num ? c->num : 1u);
	u32 i;

	c->slot = slot;
	for (i = 0; i < c->num; i++) {
		c->seg[i].bus = (i < c->out && draw(&drv.side, 2) ? SHARE_BUS_RO : SHARE_BUS_RW) +
				(u64)slot * bytes + (u64)i * part;
		c->seg[i].len = 1 + draw(&drv.side, part);
		c->writable += i < c->out ? 0 : c->seg[i].len;
	}
}

/* What ring_drv_add() must answer; ids count as 0. */
static int drv_add_answer(const struct chain *c)
{
	if (drv_broken())
		return -EIO;
	if (!c->num || c->num > t.s.size)
		return -EINVAL;
	return t.s.size - drv.taken < c->count ? -ENOSPC : 0;
}

static void drv_add(void)
{
	const u32 shape = draw(&drv.side, 256);
	const u32 slot = drv.slots ? drv.slot[drv.slots - 1] : 0;
	struct chain c = { .out = shape & 3, .num = (shape & 3) + (shape >> 2 & 3), .table = NONE };
	struct ring_buf buf = { .seg = c.seg, .out = c.out, .in = c.num - c.out };
	struct ring_table table;
	const u32 pick = shape >> 4;
	int id, must;

	if (t.s.features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) && pick < TABLES &&
	    draw(&drv.side, 2) && !(drv.tables & 1u << pick)) {
		table.bus = SHARE_BUS_TABLE + pick * TABLE * 16;
		table.desc = shared_at(t.s.share[SHARE_TABLES].at, pick * TABLE * 16);
		table.num = TABLE;
		buf.table = &table;
		c.table = pick;
	}
	c.count = buf.table ? 1 : c.num;
	drv_fill(&c, slot);
	c.cookie = (void *)(uintptr_t)(drv.adds + 1);

	must = drv_add_answer(&c);
	if (!must)
		drv_mark(&c);
	id = ring_drv_add(&drv.r, &buf, c.cookie);
	fuzz_check(must ? id == must : id >= 0);
	if (id == -ENOSPC)
		rest(&drv.side);
	if (id < 0)
		return;
	fuzz_check((u32)id < t.s.size && !drv.chain[id].live && drv.slots);
	drv.slots--;
	drv.chain[id] = c;
	drv_staged((u32)id);
}

static void drv_post(void)
{
	const u16 id = share_in_order(&t.s) ? drv.next_post : (u16)draw(&drv.side, t.s.size);
	struct chain *c = &drv.chain[id];
	const int must = drv_broken() ? -EIO : c->live ? -EBUSY : 0;

	if (!must)
		drv_mark(c);
	fuzz_check(ring_drv_post(&drv.r, id) == must);
	if (must == -EBUSY)
		rest(&drv.side);
	if (must)
		return;
	drv.next_post = (u16)((id + 1u) % t.s.size);
	drv_staged(id);
}

static void drv_show(bool ask)
{
	if (!drv_broken())
		drv.shown = drv.adds;
	if (!ask)
		ring_drv_show(&drv.r);
	else if (ring_drv_publish(&drv.r))
		sem_post(&kick);
}

/* It is the driver's again. */
static void drv_freed(struct chain *c)
{
	c->live = false;
	drv.polls++;
	drv.taken -= c->count;
	if (c->table != NONE)
		drv.tables &= ~(1u << c->table);
	if (!t.bound)
		drv.slot[drv.slots++] = c->slot;
}

static bool drv_poll(void)
{
	struct ring_done done;
	const int ret = ring_drv_poll(&drv.r, &done);
	struct chain *c;

	if (ret != 1) {
		fuzz_check(ret == (drv_broken() ? -EIO : 0));
		return false;
	}
	fuzz_check(done.id < t.s.size);
	c = &drv.chain[done.id];
	fuzz_check(c->live && c->at < drv.shown);
	fuzz_check(done.cookie == c->cookie);
	fuzz_check(done.len <= c->writable);
	if (share_in_order(&t.s))
		fuzz_check(c->at == drv.polls);
	if (t.quiet) {
		fuzz_check(done.len == t.pushed[done.id]);
		drv_check_marks(c);
	}
	drv_freed(c);
	return true;
}

static void drv_step(void)
{
	switch (draw_call(&drv.side)) {
	case DRV_ADD:
		if (t.bound)
			drv_post();
		else
			drv_add();
		break;
	case DRV_PUBLISH:
		drv_show(true);
		break;
	case DRV_SHOW:
		drv_show(false);
		break;
	case DRV_POLL:
		if (!drv_poll())
			rest(&drv.side);
		break;
	case DRV_ARM:
		ring_drv_arm(&drv.r);
		break;
	case DRV_DISARM:
		ring_drv_disarm(&drv.r);
		break;
	case DRV_PENDING:
		/* What is pending stays so; what it is may be a lie. */
		if (ring_drv_pending(&drv.r) && t.quiet)
			fuzz_check(drv_poll());
		break;
	case DRV_REST:
		rest(&drv.side);
		break;
	}
	drv_check();
}

/* A broken half. */
static void drv_refuses(void)
{
	const struct ring_seg seg = { .bus = SHARE_BUS_RW, .len = 1 };
	const struct ring_buf buf = { .seg = &seg, .in = 1 };
	struct ring_done done;

	fuzz_check(ring_drv_add(&drv.r, &buf, &done) == -EIO);
	fuzz_check(ring_drv_bind(&drv.r, 0, &seg, true) == -EIO);
	fuzz_check(ring_drv_post(&drv.r, 0) == -EIO);
	ring_drv_show(&drv.r);
	fuzz_check(!ring_drv_publish(&drv.r));
	fuzz_check(ring_drv_poll(&drv.r, &done) == -EIO);
	fuzz_check(!ring_drv_pending(&drv.r));
	fuzz_check(!ring_drv_arm(&drv.r));
	ring_drv_disarm(&drv.r);
	drv_check();
}

/* Until the device has given all back. */
static void drv_drain(void)
{
	for (;;) {
		drv_show(true);
		while (drv_poll())
			drv_check();
		if (drv.polls == drv.adds)
			break;
		sem_empty(&call);
		if (!ring_drv_arm(&drv.r))
			sleep_until(&call);
	}
	__atomic_store_n(&t.over, true, __ATOMIC_RELEASE);
	sem_post(&kick);
}

static void drv_run(void)
{
	u32 n;

	for (n = 0; n < drv.side.calls && !drv_broken(); n++)
		drv_step();
	if (t.quiet)
		drv_drain();
	else if (drv_broken())
		drv_refuses();
}

/* The device can touch nothing any more. */
static void drv_detach_all(void)
{
	struct ring_done done;

	while (drv.adds != drv.polls) {
		struct chain *c;

		fuzz_check(ring_drv_detach(&drv.r, &done) && done.id < t.s.size && !done.len);
		c = &drv.chain[done.id];
		fuzz_check(c->live && done.cookie == c->cookie);
		drv_freed(c);
	}
	fuzz_check(!ring_drv_detach(&drv.r, &done));
}

static void drv_bind_all(void)
{
	u32 i;

	for (i = 0; i < t.s.size; i++) {
		struct chain *c = &drv.chain[i];

		*c = (struct chain) { .num = 1, .count = 1, .table = NONE };
		c->out = draw(&drv.side, 2);
		drv_fill(c, i);
		fuzz_check(!ring_drv_bind(&drv.r, (u16)i, c->seg, !c->out));
	}
}

static void drv_start(void)
{
	u32 i;

	drv.priv = fuzz_alloc(ring_drv_private_bytes(t.s.size));
	fuzz_check(!ring_drv_init(&drv.r, &t.s.a, t.s.size, t.s.features, drv.priv));
	if (t.bound)
		drv_bind_all();
	for (i = 0; i < t.s.size; i++)
		drv.slot[drv.slots++] = i;
	drv_check();
}

#endif
