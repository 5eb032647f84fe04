// SPDX-License-Identifier: GPL-2.0
/*
 * Both halves against each other, while somebody else writes all over what they share.
 *
 * Theory
 * ------
 * The input chooses the ring and then the calls of either side, with chains, bounds, an
 * in-flight log and the death of the device half. It also says how much noise there is:
 * words at random places, from a seed in the input. They are written between the calls and
 * while an address is translated, which repeats; and by a thread while the calls run, which
 * does not, and finds what only happens between two instructions.
 *
 * With noise a queue may break at any time. What must hold then is what each half has in
 * private memory: a completion is of a chain in flight and no longer than what was
 * writable; a segment lies in a region; counts and bounds hold.
 *
 * Without noise nothing may break, and all is known: what is popped is what was added, in
 * that order; what is polled is what was pushed, in that order (in order: as popped), with
 * that length; a side that waits is told of the first thing that it waits for; a half that
 * takes over pops again what was popped and not shown as used, in that order.
 */
#include "fuzz_noise.h"

#define SIZE_MOST	256u
#define OPS_MAX		1024u
#define SEGS		16u
#define TABLE		8u		/* entries of the table of a chain */
#define TABLES		(SHARE_TABLE / TABLE)
#define NONE		0xffffffffu

enum state { FREE, STAGED, SHOWN, POPPED, PUSHED, USED };

/**
 * struct chain - a chain of the driver, by its id
 * @cookie: of its buffers
 * @seg: its buffers
 * @out: readable ones
 * @in: writable ones
 * @writable: bytes of those
 * @count: descriptors that it takes
 * @table: of TABLES, or NONE
 * @len: that it was pushed with
 * @state: where it is, if nobody lies
 */
struct chain {
	void *cookie;
	struct ring_seg seg[SEGS];
	u16 out;
	u16 in;
	u32 writable;
	u16 count;
	u32 table;
	u32 len;
	enum state state;
};

/**
 * struct taken - a chain that the device popped and has not shown as used
 * @id: of the chain
 * @in_len: bytes that may be written to it
 * @serial: which of all pops it was
 * @again: it was popped from the log
 * @pushed: its completion is staged, or in order is held back
 */
struct taken {
	u16 id;
	u32 in_len;
	u32 serial;
	bool again;
	bool pushed;
};

/**
 * struct list - ids in some order
 * @id: they
 * @n: how many
 */
struct list {
	u16 id[SIZE_MOST];
	u32 n;
};

/* Does one side have to be told of what the other shows? */
enum waits { AWAKE, WAITS, DUE };

static struct {
	struct fuzz_in in;
	struct ring_share s;
	struct ring_drv drv;
	struct ring_dev dev;
	struct ring_dev_limits limits;
	struct ring_log log;
	void *drv_priv, *dev_priv, *log_priv;
	struct ring_iov *iov;
	struct chain chain[SIZE_MOST];
	struct taken popped[SIZE_MOST];	/* in the order of the pops */
	u32 n_popped;		/* how many */
	u32 pops;		/* as the serial numbers count them */
	u32 again;		/* chains to be popped from the log */
	struct list staged;	/* by the driver, not shown */
	/* If nobody lies: */
	struct list avail;	/* shown, not popped */
	struct list repop;	/* to be popped from the log */
	struct list pushed;	/* not shown as used, in the order of the pushes */
	struct list used;	/* shown as used, not polled */
	u32 live;
	u32 taken;		/* descriptors of live chains */
	u32 tables;		/* a bit for each that is in use */
	u16 next_post;
	u64 serial;
	u32 maps;
	enum waits drv_waits, dev_waits;
	u64 noise;		/* state of the generator */
	u32 noise_now;		/* words between two calls */
	bool bound;
	bool quiet;		/* nobody lies */
	bool logged;
	bool dead;		/* there is no device half any more */
} t;

/* ---- lists ----------------------------------------------------------------------- */

static void list_add(struct list *l, u16 id)
{
	fuzz_check(l->n < SIZE_MOST);
	l->id[l->n++] = id;
}

static void list_del(struct list *l, u32 at)
{
	fuzz_check(at < l->n);
	l->n--;
	memmove(&l->id[at], &l->id[at + 1], (l->n - at) * sizeof(l->id[0]));
}

static void list_insert(struct list *l, u32 at, u16 id)
{
	fuzz_check(l->n < SIZE_MOST && at <= l->n);
	memmove(&l->id[at + 1], &l->id[at], (l->n - at) * sizeof(l->id[0]));
	l->id[at] = id;
	l->n++;
}

static u32 list_find(const struct list *l, u16 id)
{
	u32 i;

	for (i = 0; i < l->n && l->id[i] != id; i++)
		;
	return i;
}

/* ---- noise ------------------------------------------------------------------------ */

static void noise(void)
{
	u32 n = t.noise_now ? noise_next(&t.noise) % (t.noise_now + 1) : 0;

	while (n--)
		noise_word(&t.s, &t.noise);
}

/* ---- the driver --------------------------------------------------------------------- */

static void check_drv(void)
{
	if (t.quiet)
		fuzz_check(ring_drv_fault(&t.drv) == RING_OK);
	fuzz_check(ring_drv_in_flight(&t.drv) == t.live);
	fuzz_check(ring_drv_num_free(&t.drv) == (t.bound ? 0 : t.s.size - t.taken));
	fuzz_check(t.taken <= t.s.size);
}

static void drv_staged(u16 id)
{
	t.chain[id].state = STAGED;
	t.live++;
	t.taken += t.chain[id].count;
	list_add(&t.staged, id);
}

static void drv_add(void)
{
	const u8 shape = in_u8(&t.in);
	const u32 slot = shape >> 6 && t.s.features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) ?
			 in_u8(&t.in) % TABLES : NONE;
	struct chain c = { .out = shape & 3, .in = shape >> 2 & 3, .table = NONE };
	struct ring_buf buf = { .seg = c.seg, .out = c.out, .in = c.in };
	struct ring_table table;
	u32 i, n = (u32)c.out + c.in;
	int id;

	if (slot != NONE && !(t.tables & 1u << slot)) {
		c.table = slot;
		table.bus = SHARE_BUS_TABLE + slot * TABLE * 16;
		table.desc = shared_at(t.s.share[SHARE_TABLES].at, slot * TABLE * 16);
		table.num = TABLE;
		buf.table = &table;
	}
	for (i = 0; i < n; i++) {
		c.seg[i].bus = SHARE_BUS_RW + 16 * in_u8(&t.in) % (SHARE_DATA - 64);
		c.seg[i].len = 1 + (u32)(c.seg[i].bus >> 4) % 64;
		c.writable += i < c.out ? 0 : c.seg[i].len;
	}
	c.cookie = (void *)(uintptr_t)++t.serial;
	c.count = (u16)(buf.table ? 1 : n);

	id = ring_drv_add(&t.drv, &buf, c.cookie);
	if (ring_drv_fault(&t.drv) != RING_OK)
		fuzz_check(id == -EIO);
	else if (!n || n > t.s.size)
		fuzz_check(id == -EINVAL);
	else if (c.count > t.s.size - t.taken)
		fuzz_check(id == -ENOSPC);
	else
		fuzz_check(id >= 0 && (u32)id < t.s.size && t.chain[id].state == FREE);
	if (id < 0)
		return;
	t.chain[id] = c;
	if (c.table != NONE)
		t.tables |= 1u << c.table;
	drv_staged((u16)id);
}

static void drv_post(void)
{
	const u16 id = share_in_order(&t.s) ? t.next_post : (u16)in_below(&t.in, t.s.size);
	const int ret = ring_drv_post(&t.drv, id);

	if (ring_drv_fault(&t.drv) != RING_OK)
		fuzz_check(ret == -EIO);
	else
		fuzz_check(ret == (t.chain[id].state == FREE ? 0 : -EBUSY));
	if (ret)
		return;
	t.next_post = (u16)((id + 1u) % t.s.size);
	drv_staged(id);
}

static void drv_show(bool ask)
{
	bool kick = false;
	u32 i;

	if (ring_drv_fault(&t.drv) == RING_OK) {
		for (i = 0; i < t.staged.n; i++) {
			t.chain[t.staged.id[i]].state = SHOWN;
			if (t.quiet)
				list_add(&t.avail, t.staged.id[i]);
		}
		if (t.staged.n && t.dev_waits == WAITS)
			t.dev_waits = DUE;
		t.staged.n = 0;
	}
	if (ask)
		kick = ring_drv_publish(&t.drv);
	else
		ring_drv_show(&t.drv);
	if (!ask)
		return;
	if (t.quiet && t.dev_waits == DUE)
		fuzz_check(kick);
	if (kick)
		t.dev_waits = AWAKE;
}

/* It is the driver's again. */
static void drv_freed(u16 id)
{
	struct chain *c = &t.chain[id];

	c->state = FREE;
	t.live--;
	t.taken -= c->count;
	if (c->table != NONE)
		t.tables &= ~(1u << c->table);
}

static void drv_poll(void)
{
	const bool broken = ring_drv_fault(&t.drv) != RING_OK;
	struct ring_done done;
	const int ret = ring_drv_poll(&t.drv, &done);
	struct chain *c;

	if (broken)
		fuzz_check(ret == -EIO);
	if (t.quiet)
		fuzz_check(ret == !!t.used.n);
	if (ret != 1) {
		fuzz_check(ret == (ring_drv_fault(&t.drv) != RING_OK ? -EIO : 0));
		return;
	}
	fuzz_check(done.id < t.s.size);
	c = &t.chain[done.id];
	fuzz_check(c->state > STAGED && done.cookie == c->cookie && done.len <= c->writable);
	if (t.quiet) {
		fuzz_check(c->state == USED && done.id == t.used.id[0] && done.len == c->len);
		list_del(&t.used, 0);
	}
	drv_freed(done.id);
	check_drv();
}

static void drv_arm(void)
{
	const bool some = ring_drv_arm(&t.drv);

	if (t.quiet)
		fuzz_check(some == !!t.used.n);
	t.drv_waits = some ? AWAKE : WAITS;
}

/* The device can touch nothing any more. */
static void drv_detach_all(void)
{
	struct ring_done done;

	while (t.live) {
		fuzz_check(ring_drv_detach(&t.drv, &done) && done.id < t.s.size && !done.len);
		fuzz_check(t.chain[done.id].state != FREE &&
			   done.cookie == t.chain[done.id].cookie);
		drv_freed(done.id);
	}
	fuzz_check(!ring_drv_detach(&t.drv, &done));
}

/* ---- the device ---------------------------------------------------------------------- */

static void __shared *translate(void *ctx, u64 addr, u32 len, bool write)
{
	(void)ctx;
	t.maps++;
	noise();
	return share_map(&t.s, addr, len, write);
}

static void check_dev(void)
{
	u32 i, descs = 0, in_flight = 0;

	if (t.quiet)
		fuzz_check(ring_dev_fault(&t.dev) == RING_OK);
	for (i = 0; i < t.n_popped; i++) {
		in_flight += !t.popped[i].pushed;
		descs += t.quiet ? t.chain[t.popped[i].id].count : 1;
	}
	fuzz_check(descs <= t.s.size);
	fuzz_check(ring_dev_in_flight(&t.dev) == in_flight);
}

/* What was popped is what was added. */
static void dev_check_popped(const struct ring_chain *c)
{
	struct list *from = t.again ? &t.repop : &t.avail;
	struct chain *chain = &t.chain[c->id];
	u32 i;

	fuzz_check(from->n && from->id[0] == c->id);
	list_del(from, 0);
	fuzz_check(c->out == chain->out && c->in == chain->in && c->count == chain->count);
	fuzz_check(c->in_len == chain->writable);
	for (i = 0; i < (u32)c->out + c->in; i++)
		fuzz_check(c->iov[i].len == chain->seg[i].len && c->iov[i].base ==
			   shared_at(t.s.share[SHARE_RW].at, chain->seg[i].bus - SHARE_BUS_RW));
	chain->state = POPPED;
}

static void dev_popped(const struct ring_chain *c)
{
	u64 out = 0, in = 0;
	u32 i;

	fuzz_check(c->id < t.s.size && c->count >= 1 && c->count <= t.s.size);
	for (i = 0; i < t.n_popped; i++)
		fuzz_check(t.popped[i].id != c->id || t.popped[i].pushed);
	fuzz_check((u32)c->out + c->in <= t.limits.segs);
	for (i = 0; i < (u32)c->out + c->in; i++) {
		fuzz_check(share_iov_ok(&t.s, &c->iov[i], i >= c->out));
		*(i < c->out ? &out : &in) += c->iov[i].len;
	}
	fuzz_check(out == c->out_len && in == c->in_len && out + in <= t.limits.bytes);
	if (t.quiet)
		dev_check_popped(c);
	fuzz_check(t.n_popped < t.s.size);
	t.popped[t.n_popped++] = (struct taken) {
		.id = c->id,
		.in_len = c->in_len,
		.serial = ++t.pops,
		.again = t.again,
	};
}

static void dev_pop(void)
{
	const bool broken = ring_dev_fault(&t.dev) != RING_OK;
	struct ring_chain c = { .iov = t.iov };
	int ret;

	t.maps = 0;
	ret = ring_dev_pop(&t.dev, &c);
	if (broken) {
		fuzz_check(ret == -EIO && !t.maps);
		return;
	}
	if (t.quiet)
		fuzz_check(ret == (t.again || t.avail.n));
	fuzz_check(t.maps <= t.limits.segs + 1u);
	if (ret == 1)
		dev_popped(&c);
	else
		fuzz_check(ret == (ring_dev_fault(&t.dev) != RING_OK ? -EIO : 0));
	t.again -= !!t.again;
	check_dev();
}

static void dev_push(void)
{
	const u8 how = in_u8(&t.in);
	u32 i, pick = how & 0xf, len;
	struct ring_chain c;

	for (i = 0; i < t.n_popped; i++) {
		if (!t.popped[i].pushed && !pick--)
			break;
	}
	if (i == t.n_popped)
		return;
	c.id = t.popped[i].id;
	len = how & 0x80 ? t.popped[i].in_len : in_u8(&t.in) % (t.popped[i].in_len + 1);
	ring_dev_push(&t.dev, &c, len);
	if (ring_dev_fault(&t.dev) != RING_OK)
		return;
	t.popped[i].pushed = true;
	if (t.quiet) {
		t.chain[c.id].len = len;
		t.chain[c.id].state = PUSHED;
		list_add(&t.pushed, c.id);
	}
	check_dev();
}

static void dev_unpop(void)
{
	struct taken *last = t.n_popped ? &t.popped[t.n_popped - 1] : NULL;
	struct ring_chain c;

	/* Only what was popped latest can be given back. */
	if (!last || last->pushed || last->serial != t.pops)
		return;
	c.id = last->id;
	ring_dev_unpop(&t.dev, &c);
	if (ring_dev_fault(&t.dev) != RING_OK)
		return;
	t.n_popped--;
	t.pops--;
	t.again += last->again;
	if (t.quiet) {
		list_insert(last->again ? &t.repop : &t.avail, 0, c.id);
		t.chain[c.id].state = SHOWN;
	}
	check_dev();
}

/* If nobody lies: a completion is shown. */
static void dev_used(u16 id)
{
	t.chain[id].state = USED;
	list_add(&t.used, id);
	list_del(&t.pushed, list_find(&t.pushed, id));
	if (t.drv_waits == WAITS)
		t.drv_waits = DUE;
}

/* All that is staged is shown. */
static void dev_shown(void)
{
	bool held = false;
	u32 i, n = 0;

	for (i = 0; i < t.n_popped; i++) {
		held |= share_in_order(&t.s) && !t.popped[i].pushed;
		if (held || !t.popped[i].pushed)
			t.popped[n++] = t.popped[i];
		else if (t.quiet && share_in_order(&t.s))
			dev_used(t.popped[i].id);
	}
	t.n_popped = n;
	while (t.quiet && !share_in_order(&t.s) && t.pushed.n)
		dev_used(t.pushed.id[0]);
}

static void dev_show(bool ask)
{
	bool call;

	if (ring_dev_fault(&t.dev) == RING_OK)
		dev_shown();
	if (!ask) {
		ring_dev_show(&t.dev);
		return;
	}
	call = ring_dev_flush(&t.dev);
	if (t.quiet && t.drv_waits == DUE)
		fuzz_check(call);
	if (call)
		t.drv_waits = AWAKE;
	check_dev();
}

static void dev_arm(void)
{
	const bool some = ring_dev_arm(&t.dev);

	if (t.quiet)
		fuzz_check(some == (t.again || t.avail.n));
	t.dev_waits = some ? AWAKE : WAITS;
}

/* Another half takes over from one that is killed. */
static void dev_start(bool first)
{
	int n = 0;

	fuzz_check(!ring_dev_init(&t.dev, &t.s.a, t.s.size, t.s.features,
				  ring_base_new(t.s.features), &t.limits, t.dev_priv));
	if (t.logged)
		n = ring_dev_log(&t.dev, &t.log, t.s.share[SHARE_LOG].at, t.log_priv);
	if (!t.quiet && n < 0) {
		fuzz_check(n == -EINVAL);
		t.dead = true;
		return;
	}
	fuzz_check(n >= 0 && (u32)n <= t.s.size);
	/* In the order of the pops; those that were not yet popped again come behind. */
	for (; t.quiet && t.n_popped; t.n_popped--)
		list_insert(&t.repop, 0, t.popped[t.n_popped - 1].id);
	if (t.quiet)
		fuzz_check(t.repop.n == (u32)n);
	t.again = (u32)n;
	t.n_popped = 0;
	t.pushed.n = 0;
	t.pops = 0;
	t.drv_waits = AWAKE;
	/* As a ring says that is new. */
	t.dev_waits = first ? WAITS : AWAKE;
	check_dev();
}

/* ---- all of it ------------------------------------------------------------------------- */

static void bind_all(void)
{
	u32 i;

	for (i = 0; i < t.s.size; i++) {
		const u8 how = in_u8(&t.in);
		struct chain *c = &t.chain[i];

		*c = (struct chain) {
			.out = !(how & 0x80),
			.in = how >> 7,
			.count = 1,
			.table = NONE,
		};
		c->seg[0].bus = SHARE_BUS_RW + 8 * i;
		c->seg[0].len = 1 + (how & 0x3f);
		c->writable = how & 0x80 ? c->seg[0].len : 0;
		fuzz_check(!ring_drv_bind(&t.drv, (u16)i, c->seg, c->in));
	}
}

static void step(void)
{
	noise();
	switch (in_u8(&t.in) & 0x1f) {
	case 0 ... 5:
		if (t.bound)
			drv_post();
		else
			drv_add();
		check_drv();
		break;
	case 6:
		drv_show(false);
		break;
	case 7 ... 9:
		drv_show(true);
		break;
	case 10 ... 13:
		drv_poll();
		break;
	case 14:
		drv_arm();
		break;
	case 15:
		ring_drv_disarm(&t.drv);
		t.drv_waits = AWAKE;
		break;
	case 16 ... 31:
		/* The device has died of its log. */
		if (t.dead)
			break;
		switch (in_u8(&t.in) & 0xf) {
		case 0 ... 4:
			dev_pop();
			break;
		case 5 ... 8:
			dev_push();
			break;
		case 9:
			dev_unpop();
			break;
		case 10:
			dev_show(false);
			break;
		case 11 ... 12:
			dev_show(true);
			break;
		case 13:
			dev_arm();
			break;
		case 14:
			ring_dev_disarm(&t.dev);
			t.dev_waits = AWAKE;
			break;
		case 15:
			if (t.logged && in_u8(&t.in) & 1)
				dev_start(false);
			break;
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const u8 loud[] = { 0, 1, 2, 8 };
	u32 ops;
	u8 how;

	memset(&t, 0, sizeof(t));
	t.in = fuzz_in(data, size);
	share_ask(&t.s, &t.in);
	if (!ring_size_ok(t.s.size, t.s.features) || t.s.size > SIZE_MOST)
		return -1;
	how = in_u8(&t.in);
	t.bound = how & 1;
	t.logged = how & 2;
	t.noise_now = loud[how >> 2 & 3];
	t.quiet = !(how & 0x1c);
	t.noise = t.quiet ? 1 : in_u16(&t.in) + 1u;
	share_ring(&t.s);
	share_regions(&t.s);
	if (t.logged)
		share_open(&t.s, SHARE_LOG, ring_log_bytes(t.s.size, t.s.features), 8);
	t.limits = (struct ring_dev_limits) { .map = translate, .segs = SEGS, .bytes = 65536 };
	t.iov = fuzz_alloc(SEGS * sizeof(t.iov[0]));
	t.drv_priv = fuzz_alloc(ring_drv_private_bytes(t.s.size));
	t.dev_priv = fuzz_alloc(ring_dev_private_bytes(t.s.size));
	t.log_priv = fuzz_alloc(ring_log_private_bytes(t.s.size));

	fuzz_check(!ring_drv_init(&t.drv, &t.s.a, t.s.size, t.s.features, t.drv_priv));
	if (t.bound)
		bind_all();
	dev_start(true);
	if (how & 0x10)
		scribbler_start(&t.s, t.noise, 0xff);
	for (ops = 0; in_more(&t.in) && ops < OPS_MAX; ops++)
		step();
	if (how & 0x10)
		scribbler_stop();
	share_seal(&t.s);
	drv_detach_all();
	free(t.iov);
	free(t.drv_priv);
	free(t.dev_priv);
	free(t.log_priv);
	return 0;
}
