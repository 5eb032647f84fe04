// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half against a device that is played by the input.
 *
 * Theory
 * ------
 * The input chooses layout, order, features, size and form (add or bind), and then which
 * call comes next, or what the device does: complete a chain as it should, complete what
 * it should not, write anything anywhere. A model beside it knows each chain that was
 * staged, by its id, and says what each call must answer.
 *
 * Always: no access outside the areas, and to none once the queue is broken; a broken
 * queue refuses each call; a completion is of a chain that was shown, names it once, and
 * no more bytes than were writable; the counts are right; at the end each chain that did
 * not complete comes back, once.
 *
 * The model looks into the half for two things only: to begin with high indices, and to
 * know what used.idx was when it was read last.
 *
 * As long as the device has told no lie, also: the queue is not broken, and what is
 * polled is what the device completed, in that order.
 */
#include "fuzz_ring.h"

#define SEGS		8u
#define OPS_MAX		4096u

/**
 * struct chain - what the model knows of an id
 * @cookie: of its chain
 * @at: which of all chains it is
 * @writable: bytes that the device may write
 * @count: descriptors that it takes
 * @live: staged and not polled
 * @done: the device completed it
 */
struct chain {
	void *cookie;
	u64 at;
	u32 writable;
	u16 count;
	bool live;
	bool done;
};

/**
 * struct expected - a completion that poll must give
 * @id: of the chain
 * @len: bytes
 */
struct expected {
	u16 id;
	u32 len;
};

static struct {
	struct fuzz_in in;
	struct ring_share s;
	struct ring_drv r;
	void *priv;
	struct chain chain[RING_SIZE_MAX];
	u16 order[RING_SIZE_MAX];	/* id of chain n, at n modulo the size of this */
	struct expected expect[RING_SIZE_MAX];
	u64 adds, shown, polls;		/* of all time, as the half counts them */
	u64 writes, reads;		/* of expect[] */
	u64 asked;			/* what was shown when publish() last asked */
	u32 before;			/* chains that went through before the input began */
	u64 serial;			/* of cookies */
	u32 taken;			/* descriptors of live chains */
	u32 pos;			/* packed: where the next descriptor goes */
	u32 shown_pos;			/* packed: and where it would if nothing was staged */
	u32 used_pos;			/* packed: where the next completion goes */
	u16 used_idx;			/* split */
	u16 next_post;			/* in order, bound */
	bool bound;
	bool lied;			/* the device did something that it must not */
	bool events;			/* it wrote to where it says what it wants */
	bool sealed;
} t;

static u32 live(void)
{
	return (u32)(t.adds - t.polls);
}

/* After each call that may have found a lie. */
static void check_state(void)
{
	const bool broken = ring_drv_fault(&t.r) != RING_OK;

	if (!t.lied)
		fuzz_check(!broken);
	fuzz_check(ring_drv_in_flight(&t.r) == (u16)live());
	fuzz_check(ring_drv_num_free(&t.r) == (t.bound ? 0 : t.s.size - t.taken));
	if (broken && !t.sealed)
		share_seal(&t.s);
	t.sealed = broken;
}

static void staged(u16 id, void *cookie, u32 writable, u32 count)
{
	fuzz_check(id < t.s.size && !t.chain[id].live);
	t.chain[id] = (struct chain) {
		.cookie = cookie,
		.at = t.adds,
		.writable = writable,
		.count = (u16)count,
		.live = true,
	};
	t.order[t.adds++ % RING_SIZE_MAX] = id;
	t.taken += count;
	t.pos = (t.pos + count) % (2 * t.s.size);
	fuzz_check(t.taken <= t.s.size);
}

/* ---- the driver's calls ------------------------------------------------------ */

/* What ring_drv_add() must answer; ids count as 0. */
static int add_answer(const struct ring_buf *buf, const void *cookie)
{
	const u32 num = (u32)buf->out + buf->in;
	u64 sum = 0;
	u32 i;

	if (ring_drv_fault(&t.r) != RING_OK)
		return -EIO;
	if (!cookie || t.bound || !num || num > t.s.size)
		return -EINVAL;
	if (buf->table && (!(t.s.features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)) ||
			   num > buf->table->num))
		return -EINVAL;
	for (i = 0; i < num; i++) {
		if (!buf->seg[i].len)
			return -EINVAL;
		sum += buf->seg[i].len;
	}
	if (sum > U32_MAX)
		return -EINVAL;
	return t.s.size - t.taken < (buf->table ? 1 : num) ? -ENOSPC : 0;
}

static u32 in_len(u8 how)
{
	return how < 0xf8 ? 1 + (u32)how * how : (u32)in_number(&t.in);
}

static void do_add(void)
{
	const u8 shape = in_u8(&t.in), how = in_u8(&t.in);
	struct ring_seg seg[2 * SEGS];
	struct ring_table table;
	struct ring_buf buf = {
		.seg = seg,
		.out = shape & 7,
		.in = shape >> 3 & 7,
		.table = shape & 0x40 ? &table : NULL,
	};
	void *cookie = shape == 0xff ? NULL : (void *)(uintptr_t)++t.serial;
	u32 writable = 0, i;
	int id, must;

	/* So that it ends where the region does. */
	table.num = shape & 0x80 ? (u16)(how % 16) : 2 * SEGS;
	table.bus = SHARE_BUS_TABLE;
	table.desc = shared_at(t.s.share[SHARE_TABLES].at,
			       (SHARE_TABLE - table.num) * sizeof(struct vring_desc));
	for (i = 0; i < (u32)buf.out + buf.in; i++) {
		seg[i].bus = SHARE_BUS_RW + i;
		seg[i].len = in_len(how & 0x80 ? in_u8(&t.in) : how);
		writable += i < buf.out ? 0 : seg[i].len;
	}

	must = add_answer(&buf, cookie);
	id = ring_drv_add(&t.r, &buf, cookie);
	fuzz_check(must ? id == must : id >= 0);
	if (id >= 0)
		staged((u16)id, cookie, writable, buf.table ? 1 : (u32)buf.out + buf.in);
	check_state();
}

static void do_post(void)
{
	const u16 id = (u16)(share_in_order(&t.s) && in_u8(&t.in) < 0xf0 ?
			     t.next_post : in_below(&t.in, t.s.size + 1));
	int must = 0, ret;

	if (ring_drv_fault(&t.r) != RING_OK)
		must = -EIO;
	else if (id >= t.s.size || !t.bound)
		must = -EINVAL;
	else if (t.chain[id].live)
		must = -EBUSY;
	else if (share_in_order(&t.s) && id != t.next_post)
		must = -EINVAL;
	ret = ring_drv_post(&t.r, id);
	fuzz_check(ret == must);
	if (!ret) {
		staged(id, NULL, t.chain[id].writable, 1);
		t.next_post = (u16)((t.next_post + 1) % t.s.size);
	}
	check_state();
}

/* All are bound already, or the half is in the other form. */
static void do_bind(void)
{
	const u16 id = in_u16(&t.in);
	const struct ring_seg seg = { .bus = SHARE_BUS_RW, .len = in_u8(&t.in) };
	const bool broken = ring_drv_fault(&t.r) != RING_OK;

	if (broken || t.bound || live() || id >= t.s.size || !seg.len)
		fuzz_check(ring_drv_bind(&t.r, id, &seg, true) == (broken ? -EIO : -EINVAL));
}

static void do_show(bool ask)
{
	const bool broken = ring_drv_fault(&t.r) != RING_OK;
	bool kick;

	if (!broken) {
		t.shown = t.adds;
		t.shown_pos = t.pos;
	}
	if (!ask) {
		ring_drv_show(&t.r);
		return;
	}
	kick = ring_drv_publish(&t.r);
	if (broken || t.asked == t.shown)
		fuzz_check(!kick);
	else if (!t.lied && !t.events && !(t.s.features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX)))
		fuzz_check(kick);
	if (!broken)
		t.asked = t.shown;
	check_state();
}

/* A completion that poll gave. */
static void completed(const struct ring_done *done)
{
	struct chain *c;

	fuzz_check(done->id < t.s.size);
	c = &t.chain[done->id];
	fuzz_check(c->live && c->at < t.shown);
	fuzz_check(done->cookie == c->cookie);
	fuzz_check(done->len <= c->writable);
	if (share_in_order(&t.s))
		fuzz_check(c->at == t.polls);
	if (!t.lied) {
		const struct expected *e = &t.expect[t.reads % RING_SIZE_MAX];

		fuzz_check(t.reads != t.writes);
		fuzz_check(e->id == done->id && e->len == done->len);
	}
	t.reads++;
	c->live = false;
	t.taken -= c->count;
	t.polls++;
	/* Not more than the device said there are, when that was looked at last. */
	if (!share_is_packed(&t.s))
		fuzz_check((u16)(t.r.seen - t.polls) <= t.shown - t.polls);
}

/* Split: is used.idx due to be looked at, and further on than what is in flight? */
static bool used_jumped(void)
{
	const struct vring_used __shared *used = t.s.a.device;

	return !t.r.batch && t.r.seen == (u16)t.polls &&
	       (u16)(shared_load16(&used->idx) - t.polls) > t.shown - t.polls;
}

static void do_poll(void)
{
	const bool broken = ring_drv_fault(&t.r) != RING_OK;
	const bool jumped = !broken && !share_is_packed(&t.s) && used_jumped();
	struct ring_done done;
	int ret;

	memset(&done, 0xa5, sizeof(done));
	ret = ring_drv_poll(&t.r, &done);
	if (broken)
		fuzz_check(ret == -EIO);
	if (jumped)
		fuzz_check(ring_drv_fault(&t.r) == RING_USED_JUMP);
	if (!t.lied)
		fuzz_check(ret == (t.reads != t.writes));
	if (ret == 1)
		completed(&done);
	else
		fuzz_check(ret == (ring_drv_fault(&t.r) != RING_OK ? -EIO : 0));
	check_state();
}

/* Either says whether there is something to poll. */
static void do_arm_or_pending(bool arm)
{
	const bool some = arm ? ring_drv_arm(&t.r) : ring_drv_pending(&t.r);

	if (ring_drv_fault(&t.r) != RING_OK)
		fuzz_check(!some);
	else if (!t.lied)
		fuzz_check(some == (t.reads != t.writes));
}

static void do_kick_data(void)
{
	const u16 index = in_u8(&t.in);
	const u32 data = ring_drv_kick_data(&t.r, index);

	fuzz_check((u16)data == index);
	if (share_is_packed(&t.s))
		fuzz_check(data >> 16 == (t.shown_pos < t.s.size ? t.shown_pos | 0x8000 :
					  t.shown_pos - t.s.size));
	else
		fuzz_check(data >> 16 == (u16)t.shown);
}

/* ---- the device ---------------------------------------------------------------- */

/* Write a completion where the next one goes; the place moves on by @n chains. */
static void put_used(u32 id, u32 len, u32 n, u32 descs)
{
	struct vring_used __shared *used = t.s.a.device;
	struct vring_packed_desc __shared *desc = t.s.a.desc;

	if (share_is_packed(&t.s)) {
		desc += t.used_pos % t.s.size;
		shared_store32(&desc->len, len);
		shared_store16(&desc->id, (u16)id);
		shared_store16(&desc->flags, t.used_pos < t.s.size ? 0x8080 : 0);
		t.used_pos = (t.used_pos + descs) % (2 * t.s.size);
		return;
	}
	shared_store32(&used->ring[t.used_idx % t.s.size].id, id);
	shared_store32(&used->ring[t.used_idx % t.s.size].len, len);
	t.used_idx += (u16)n;
	shared_store16(&used->idx, t.used_idx);
}

static void expect(u16 id, u32 len)
{
	t.expect[t.writes++ % RING_SIZE_MAX] = (struct expected) { .id = id, .len = len };
	t.chain[id].done = true;
}

/* Complete the @nth shown chain that is not completed, or in order all up to it. */
static void complete(u32 nth, u32 len, u32 *n, u32 *descs, u16 *last)
{
	u64 at;
	u16 id;

	*n = 0;
	*descs = 0;
	for (at = t.polls; at < t.shown; at++) {
		id = t.order[at % RING_SIZE_MAX];
		/* Out of order, others between them may be polled already. */
		if (!t.chain[id].live || t.chain[id].at != at || t.chain[id].done)
			continue;
		if (share_in_order(&t.s)) {
			*last = id;
			++*n;
			*descs += t.chain[id].count;
			expect(id, nth ? t.chain[id].writable : len);
		} else if (!nth) {
			*last = id;
			*n = 1;
			*descs = t.chain[id].count;
			expect(id, len);
		}
		if (!nth--)
			return;
	}
}

/* A chain that is shown and not completed, and how far off it is. */
static bool find_open(u32 pick, u32 *nth, struct chain **c)
{
	u32 open = 0, i = 0;
	u64 at;

	for (at = t.polls; at < t.shown; at++) {
		const u16 id = t.order[at % RING_SIZE_MAX];

		open += t.chain[id].live && t.chain[id].at == at && !t.chain[id].done;
	}
	if (!open)
		return false;
	*nth = pick % open;
	for (at = t.polls;; at++) {
		const u16 id = t.order[at % RING_SIZE_MAX];

		if (!t.chain[id].live || t.chain[id].at != at || t.chain[id].done)
			continue;
		*c = &t.chain[id];
		if (i++ == *nth)
			return true;
	}
}

static void dev_complete(void)
{
	const u8 how = in_u8(&t.in);
	u32 nth, len, n, descs;
	struct chain *c;
	u16 last = 0;

	if (t.sealed || !find_open(how & 0x1f, &nth, &c))
		return;
	len = how & 0x80 ? c->writable : how & 0x40 && c->writable ? in_u8(&t.in) % c->writable : 0;
	complete(nth, len, &n, &descs, &last);
	put_used(last, len, n, descs);
}

/* A completion that is wrong in one thing, or in more. */
static void dev_lie(void)
{
	const u8 how = in_u8(&t.in);
	u32 id, len, step;

	if (t.sealed)
		return;
	id = how & 1 ? (u32)in_number(&t.in) : in_below(&t.in, t.s.size);
	len = how & 2 ? (u32)in_number(&t.in) : t.chain[id % t.s.size].writable + !!(how & 4);
	step = how & 8 ? in_u16(&t.in) : 1;
	t.lied = true;
	put_used(id, len, step, step % t.s.size);
}

static void dev_scribble(void)
{
	const struct scribble w = in_scribble(&t.in, &t.s, 1u << SHARE_DESC | 1u << SHARE_DRIVER |
					      1u << SHARE_DEVICE | 1u << SHARE_TABLES);

	if (t.sealed || !w.bytes)
		return;
	/* The driver looks at nothing of what it wrote to a split ring. */
	if (share_is_packed(&t.s) || share_has(&t.s, SHARE_DEVICE, w.at, w.bytes))
		t.lied = true;
	scribble(&w);
}

/* What the device says about kicks is no lie, whatever it is. */
static void dev_event(void)
{
	struct vring_used __shared *used = t.s.a.device;
	const u32 value = (u32)in_number(&t.in);

	if (t.sealed)
		return;
	t.events = true;
	if (share_is_packed(&t.s)) {
		shared_store32((shared_u32 __shared *)t.s.a.device, value);
	} else {
		shared_store16(&used->flags, (u16)value);
		shared_store16((shared_u16 __shared *)&used->ring[t.s.size], (u16)(value >> 16));
	}
}

/* ---- all of it ------------------------------------------------------------------ */

static void bind_all(void)
{
	u32 i;

	for (i = 0; i < t.s.size; i++) {
		const u8 how = in_u8(&t.in);
		const struct ring_seg seg = { .bus = SHARE_BUS_RW + i, .len = 1u + (how & 0x7f) };

		fuzz_check(!ring_drv_bind(&t.r, (u16)i, &seg, how & 0x80));
		t.chain[i].writable = how & 0x80 ? seg.len : 0;
	}
}

static void open_shared(void)
{
	static const unsigned int areas[] = { SHARE_DESC, SHARE_DRIVER, SHARE_DEVICE };
	size_t i;

	share_ring(&t.s);
	share_regions(&t.s);
	/* It is the half that clears them. */
	for (i = 0; i < ARRAY_SIZE(areas); i++)
		memset(shared_unmark(t.s.share[areas[i]].at), 0xa5, t.s.share[areas[i]].bytes);
}

/*
 * The half as it is when some chains of one descriptor have gone through: to where indices
 * go round it would be a long way otherwise.
 */
static void start_later(u32 n)
{
	struct vring_packed_desc __shared *desc = t.s.a.desc;
	struct vring_used __shared *used = t.s.a.device;
	u32 i;

	t.r.adds = t.r.shown = t.r.polls = n;
	t.adds = t.shown = t.polls = t.asked = n;
	if (share_in_order(&t.s)) {
		t.r.free_head = t.r.oldest = (u16)(n % t.s.size);
		t.next_post = t.r.free_head;
	}
	if (share_is_packed(&t.s)) {
		t.pos = t.shown_pos = t.used_pos = n % (2 * t.s.size);
		t.r.packed.avail = t.r.packed.shown = t.r.packed.used = t.pos;
		/* All were used: those before the place in this round, the others in the last. */
		for (i = 0; n && i < t.s.size; i++)
			shared_store16(&desc[i].flags, (t.pos < t.s.size) == (i < t.pos % t.s.size) ?
				       0x8080 : 0);
		return;
	}
	t.r.seen = t.used_idx = (u16)n;
	shared_store16(&used->idx, t.used_idx);
}

static void start(void)
{
	fuzz_check(!ring_drv_init(&t.r, &t.s.a, t.s.size, t.s.features, t.priv));
	memset(t.chain, 0, t.s.size * sizeof(t.chain[0]));
	t.adds = t.shown = t.polls = t.writes = t.reads = t.asked = 0;
	t.taken = t.pos = t.shown_pos = t.used_pos = 0;
	t.used_idx = t.next_post = 0;
	t.lied = t.events = t.sealed = false;
	if (t.bound)
		bind_all();
	start_later(t.before);
	check_state();
}

/* Take everything back; the device can write no more. */
static void finish(void)
{
	struct ring_done done;
	struct chain *c;

	share_seal(&t.s);
	while (live()) {
		fuzz_check(ring_drv_detach(&t.r, &done));
		fuzz_check(done.id < t.s.size);
		c = &t.chain[done.id];
		fuzz_check(c->live && done.cookie == c->cookie && !done.len);
		c->live = false;
		t.polls++;
	}
	fuzz_check(!ring_drv_detach(&t.r, &done));
	fuzz_check(!ring_drv_in_flight(&t.r));
	fuzz_check(t.bound || ring_drv_num_free(&t.r) == t.s.size);
}

static void step(void)
{
	switch (in_u8(&t.in) & 0x1f) {
	case 0 ... 5:
		if (t.bound)
			do_post();
		else
			do_add();
		break;
	case 6 ... 8:
		do_show(true);
		break;
	case 9:
		do_show(false);
		break;
	case 10 ... 14:
		do_poll();
		break;
	case 15:
		ring_drv_disarm(&t.r);
		break;
	case 16:
		do_arm_or_pending(true);
		break;
	case 17:
		do_arm_or_pending(false);
		break;
	case 18:
		do_kick_data();
		break;
	case 19 ... 23:
		dev_complete();
		break;
	case 24:
		dev_lie();
		break;
	case 25:
		dev_event();
		break;
	case 26 ... 27:
		dev_scribble();
		break;
	case 28:
		do_bind();
		break;
	case 29 ... 30:
		if (in_u8(&t.in) < 0xf0)
			break;
		t.lied = true;
		ring_drv_break(&t.r, RING_STALLED);
		check_state();
		break;
	case 31:
		finish();
		t.s.used = 0;
		open_shared();
		start();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 ops;
	u8 how;

	t.in = fuzz_in(data, size);
	share_ask(&t.s, &t.in);
	how = in_u8(&t.in);
	t.bound = how & 1;
	t.before = how & 2 ? in_u16(&t.in) : 0;
	if (!ring_size_ok(t.s.size, t.s.features)) {
		fuzz_check(ring_drv_init(&t.r, &t.s.a, t.s.size, t.s.features, NULL) == -EINVAL);
		return -1;
	}
	open_shared();
	t.priv = fuzz_alloc(ring_drv_private_bytes(t.s.size));
	t.serial = 0;
	start();
	for (ops = 0; in_more(&t.in) && ops < OPS_MAX; ops++)
		step();
	finish();
	free(t.priv);
	return 0;
}
