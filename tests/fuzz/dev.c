// SPDX-License-Identifier: GPL-2.0
/*
 * The device half against a driver, and a keeper of its in-flight log, that are played by
 * the input.
 *
 * Theory
 * ------
 * The input chooses layout, order, features, size, bounds and base, and whether there is a
 * log and what is in it; then which call comes next, or what the other side does: offer a
 * chain as it should, or with something wrong in it, or write anything anywhere, also at
 * the moment at which the half translates an address, between two looks at a chain. The
 * half may be killed at any time and another one started with the log as it then is.
 *
 * A list beside it has the chains that were popped and not shown as used, in their order.
 *
 * Always: no access outside the areas, the regions and the log, and to none once the queue
 * is broken; a broken queue refuses each call. Of each chain: every segment lies in one
 * region, and one that the device writes in one that it may write; sums and bounds hold;
 * its id is not busy; no more addresses were translated than the bound says. All
 * chains together never take more than the queue has. A log that was accepted has as many
 * chains to pop again as was said, and no more than fit.
 */
#include "fuzz_ring.h"

#define OPS_MAX		4096u

/**
 * struct taken - a chain that was popped and is not shown as used
 * @id: of the chain
 * @count: descriptors of the queue
 * @in_len: bytes that may be written to it
 * @serial: which of all pops it was
 * @again: it was popped from the log
 * @pushed: by the caller
 * @staged: in order, all that were popped before it are pushed, too
 */
struct taken {
	u16 id;
	u16 count;
	u32 in_len;
	u64 serial;
	bool again;
	bool pushed;
	bool staged;
};

static struct {
	struct fuzz_in in;
	struct ring_share s;
	struct ring_dev r;
	struct ring_dev_limits limits;
	struct ring_log log;
	struct ring_iov *iov;
	void *priv, *log_priv;
	struct taken list[RING_SIZE_MAX + 1];
	u32 taken;
	u32 again;		/* chains to be popped from the log */
	u64 pops;		/* as the serial numbers count them */
	u32 maps;		/* translations in this call */
	struct scribble on_map;
	bool asked;		/* nothing was shown since the last flush */
	u32 drv_pos;		/* packed: where the driver's next descriptor goes */
	u16 drv_idx;		/* split: the driver's index */
	bool logged;
	bool sealed;
} t;

static void __shared *translate(void *ctx, u64 addr, u32 len, bool write)
{
	const struct scribble w = t.on_map;

	(void)ctx;
	fuzz_check(len);
	t.maps++;
	t.on_map.bytes = 0;
	scribble(&w);
	return share_map(&t.s, addr, len, write);
}

static bool broken(void)
{
	return ring_dev_fault(&t.r) != RING_OK;
}

static void check_state(void)
{
	u32 i, descs = 0, in_flight = 0;

	for (i = 0; i < t.taken; i++) {
		descs += t.list[i].count;
		in_flight += !t.list[i].pushed;
	}
	/* Chains of a split queue may share descriptors, if the driver lies. */
	fuzz_check((share_is_packed(&t.s) ? descs : t.taken) <= t.s.size);
	fuzz_check(ring_dev_in_flight(&t.r) == in_flight);
	if (broken() && !t.sealed)
		share_seal(&t.s);
	t.sealed = broken();
}

/* ---- the device's calls -------------------------------------------------------- */

/* Copies that cross segments, against copies byte by byte. */
static void check_copies(const struct ring_chain *c)
{
	const struct share *rw = &t.s.share[SHARE_RW];
	const size_t off = in_u8(&t.in), len = in_u8(&t.in);
	u8 got[256], must[256], region[SHARE_DATA];
	size_t n = 0, at = 0;
	u32 i, k;

	for (i = 0; i < c->out; i++) {
		for (k = 0; k < c->iov[i].len; k++, at++) {
			if (at >= off && n < len)
				must[n++] = shared_load8((u8 __shared *)
							 shared_at(c->iov[i].base, k));
		}
	}
	fuzz_check(ring_iov_read(c->iov, c->out, off, got, len) == n);
	fuzz_check(!memcmp(got, must, n));

	for (i = c->out; i < (u32)c->out + c->in; i++) {
		if (!share_has(&t.s, SHARE_RW, c->iov[i].base, c->iov[i].len))
			return;
	}
	shared_copy_in(region, rw->at, SHARE_DATA);
	for (i = c->out, n = 0, at = 0; i < (u32)c->out + c->in; i++) {
		const size_t first = (size_t)((u8 *)shared_unmark(c->iov[i].base) -
					      (u8 *)shared_unmark(rw->at));

		for (k = 0; k < c->iov[i].len; k++, at++) {
			if (at >= off && n < len)
				region[first + k] = (u8)~n++;
		}
	}
	for (i = 0; i < len; i++)
		got[i] = (u8)~i;
	fuzz_check(ring_iov_write(c->iov + c->out, c->in, off, got, len) == n);
	fuzz_check(!memcmp(region, shared_unmark(rw->at), SHARE_DATA));
}

/* A chain that pop gave. */
static void popped(const struct ring_chain *c, bool again)
{
	const u32 segs = (u32)c->out + c->in;
	u64 out = 0, in = 0;
	u32 i;

	fuzz_check(c->id < t.s.size && c->iov == t.iov);
	fuzz_check(c->count >= 1 && c->count <= t.s.size);
	for (i = 0; i < t.taken; i++)
		fuzz_check(t.list[i].staged || t.list[i].id != c->id);

	/* One translation more, of an indirect table. */
	fuzz_check(segs <= t.limits.segs && t.maps <= segs + 1);
	for (i = 0; i < segs; i++) {
		fuzz_check(share_iov_ok(&t.s, &c->iov[i], i >= c->out));
		*(i < c->out ? &out : &in) += c->iov[i].len;
	}
	fuzz_check(out == c->out_len && in == c->in_len && out + in <= t.limits.bytes);

	fuzz_check(t.taken < t.s.size);
	t.list[t.taken++] = (struct taken) {
		.id = c->id,
		.count = c->count,
		.in_len = c->in_len,
		.serial = ++t.pops,
		.again = again,
	};
	check_copies(c);
}

static void do_pop(void)
{
	struct ring_chain c = { .iov = t.iov };
	const bool was_broken = broken(), again = t.again;
	int ret;

	memset(t.iov, 0xa5, t.limits.segs * sizeof(t.iov[0]));
	t.maps = 0;
	ret = ring_dev_pop(&t.r, &c);
	t.on_map.bytes = 0;
	if (was_broken) {
		fuzz_check(ret == -EIO && !t.maps);
		return;
	}
	fuzz_check(t.maps <= t.limits.segs + 1u);
	t.again -= again;
	if (ret == 1)
		popped(&c, again);
	else
		fuzz_check(ret == (broken() ? -EIO : 0) && (ret || !again));
	check_state();
}

/* One that was popped and is not pushed, or NULL. */
static struct taken *pick(u32 n)
{
	u32 i, open = 0;

	for (i = 0; i < t.taken; i++)
		open += !t.list[i].pushed;
	if (!open)
		return NULL;
	n %= open;
	for (i = 0; t.list[i].pushed || n--; i++)
		;
	return &t.list[i];
}

static void do_unpop(void)
{
	struct taken *last = t.taken ? &t.list[t.taken - 1] : NULL;
	struct ring_chain c;

	/* Only what was popped latest can be given back. */
	if (!last || last->pushed || last->serial != t.pops)
		return;
	c.id = last->id;
	c.count = last->count;
	ring_dev_unpop(&t.r, &c);
	if (broken())
		return;
	t.again += last->again;
	t.pops--;
	t.taken--;
	check_state();
}

static void do_push(void)
{
	const u8 how = in_u8(&t.in);
	struct taken *chain = pick(how & 0xf);
	struct ring_chain c;
	u32 i;

	if (!chain)
		return;
	c.id = chain->id;
	ring_dev_push(&t.r, &c, how & 0x80 ? chain->in_len :
		      how & 0x40 ? in_below(&t.in, chain->in_len + 1) : 0);
	if (broken())
		return;
	chain->pushed = true;
	chain->staged = !share_in_order(&t.s);
	for (i = 0; share_in_order(&t.s) && i < t.taken && t.list[i].pushed; i++)
		t.list[i].staged = true;
	check_state();
}

/* A caller that forgot what it has: nothing happens to a chain that is not popped. */
static void do_stray(u8 how)
{
	const struct ring_chain c = { .id = (u16)((how >> 1) % t.s.size), .count = 1 };
	u32 i;

	for (i = 0; i < t.taken; i++) {
		if (t.list[i].id == c.id && !t.list[i].pushed)
			return;
	}
	if (how & 1)
		ring_dev_push(&t.r, &c, 0);
	else
		ring_dev_unpop(&t.r, &c);
	check_state();
}

/* What is staged is shown. Return: whether there was any. */
static bool shown(void)
{
	u32 i, left = 0;
	bool any;

	for (i = 0; i < t.taken; i++) {
		if (!t.list[i].staged)
			t.list[left++] = t.list[i];
	}
	any = left != t.taken;
	t.taken = left;
	return any;
}

static void do_show(bool ask)
{
	bool call;

	if (!broken() && shown())
		t.asked = false;
	if (ask) {
		call = ring_dev_flush(&t.r);
		if (broken() || t.asked)
			fuzz_check(!call);
		t.asked = true;
	} else {
		ring_dev_show(&t.r);
	}
	check_state();
}

static void do_arm(void)
{
	const bool some = ring_dev_arm(&t.r);

	if (broken())
		fuzz_check(!some);
	else if (t.again)
		fuzz_check(some);
}

/* ---- the driver ------------------------------------------------------------------ */

static void put_desc(void __shared *table, u32 i, u64 addr, u32 len, u32 flags, u32 last)
{
	struct vring_desc __shared *desc = (struct vring_desc __shared *)table + i;

	shared_store64(&desc->addr, addr);
	shared_store32(&desc->len, len);
	/* In a packed ring the two are the other way round. */
	shared_store16(&desc->flags, (u16)(share_is_packed(&t.s) ? last : flags));
	shared_store16(&desc->next, (u16)(share_is_packed(&t.s) ? flags : last));
}

static u64 in_addr(void)
{
	static const u64 bus[] = {
		SHARE_BUS_RW, SHARE_BUS_RO, SHARE_BUS_TABLE, SHARE_BUS_DESC, SHARE_BUS_RO - 128,
		SHARE_BUS_RO + SHARE_DATA - 128, SHARE_BUS_DRIVER, SHARE_BUS_DEVICE,
	};
	const u8 how = in_u8(&t.in);

	return how >= 0xfc ? in_number(&t.in) :
			     bus[(how >> 4) % ARRAY_SIZE(bus)] + 16 * (how & 0xf);
}

static u32 in_len(void)
{
	const u8 how = in_u8(&t.in);

	return how < 0xf0 ? how & 0x7f : (u32)in_number(&t.in);
}

/* A chain of @n buffers at @first and behind. @wrong is what is unusual about it. */
static void put_chain(void __shared *table, u32 first, u32 n, u32 num, u8 shape, u8 wrong, u32 id)
{
	const bool inner = table != t.s.a.desc;
	u32 i, flags, at;

	for (i = 0; i < n; i++) {
		at = (first + i) % num;
		flags = (i + 1 < n ? VRING_DESC_F_NEXT : 0) |
			(i >= (shape >> 4 & 3) ? VRING_DESC_F_WRITE : 0);
		if (share_is_packed(&t.s) && !inner)
			flags |= t.drv_pos + i >= t.s.size && t.drv_pos + i < 2 * t.s.size ?
				 0x8000 : 0x80;
		if (wrong && in_u8(&t.in) < wrong) {
			flags ^= in_u8(&t.in) & 7;
			id ^= in_u16(&t.in);
		}
		put_desc(table, at, in_addr(), in_len(), flags,
			 share_is_packed(&t.s) ? id : (at + 1) % num + (wrong & 1) * in_u8(&t.in));
	}
}

static void drv_offer(void)
{
	const u8 shape = in_u8(&t.in), odd = in_u8(&t.in);
	const u8 wrong = odd < 0x40 ? odd * 4 : 0;
	const bool packed = share_is_packed(&t.s), indirect = shape & 0x40;
	struct vring_avail __shared *avail = t.s.a.driver;
	const u32 n = 1 + (shape & 7);
	const u32 id = in_below(&t.in, t.s.size) + (wrong & 2 ? in_u16(&t.in) : 0);
	const u32 first = packed ? t.drv_pos % t.s.size : id % t.s.size;
	u32 taken = n;

	if (t.sealed)
		return;
	if (indirect) {
		const u32 entry = in_u8(&t.in) % (SHARE_TABLE - 8);

		put_chain(t.s.share[SHARE_TABLES].at, entry, n, SHARE_TABLE, shape, wrong, id);
		put_desc(t.s.a.desc, first, (odd & 0x80 ? SHARE_BUS_DESC : SHARE_BUS_TABLE) +
			 16 * (odd & 0x80 ? entry % t.s.size : entry) +
			 (wrong & 4 ? in_u8(&t.in) : 0),
			 16 * n + (wrong & 8 ? (u32)in_number(&t.in) : 0),
			 VRING_DESC_F_INDIRECT | (wrong & 16 ? VRING_DESC_F_NEXT : 0) |
			 (!packed ? 0 : t.drv_pos < t.s.size ? 0x80 : 0x8000), id);
		taken = 1;
	} else {
		put_chain(t.s.a.desc, first, n, t.s.size, shape, wrong, id);
	}
	if (packed) {
		t.drv_pos = (t.drv_pos + taken) % (2 * t.s.size);
	} else {
		shared_store16(&avail->ring[t.drv_idx % t.s.size], (u16)id);
		t.drv_idx += (u16)(wrong & 32 ? in_u16(&t.in) : 1);
		shared_store16(&avail->idx, t.drv_idx);
	}
}

static void drv_scribble(bool later)
{
	const struct scribble w = in_scribble(&t.in, &t.s, ~0u);

	if (t.sealed)
		return;
	if (later)
		t.on_map = w;
	else
		scribble(&w);
}

/* The driver sees where the device is, and goes on from there. */
static void drv_resync(u32 base)
{
	t.drv_idx = (u16)base;
	t.drv_pos = (base & 0x7fff) + (base & 0x8000 ? 0 : t.s.size);
}

/* ---- the log ----------------------------------------------------------------------- */

/* A log that has begun, with some of its chains in flight. */
static void put_log(void)
{
	const size_t head = share_is_packed(&t.s) ? 32 : 16, entry = share_is_packed(&t.s) ? 32 : 16;
	void __shared *mem = t.s.share[SHARE_LOG].at;
	u32 n = in_u8(&t.in) & 0xf, i, k;

	shared_store16((shared_u16 __shared *)shared_at(mem, 8), 1);
	shared_store16((shared_u16 __shared *)shared_at(mem, 10), (u16)t.s.size);
	for (i = 0; i < t.s.size && share_is_packed(&t.s); i++)
		shared_store16((shared_u16 __shared *)shared_at(mem, head + entry * i + 2),
			       (u16)(i + 1));
	shared_store8((u8 __shared *)shared_at(mem, 20), in_u8(&t.in) & 1);
	shared_store8((u8 __shared *)shared_at(mem, 21), in_u8(&t.in) & 1);
	if (n > t.s.size)
		n = t.s.size;
	for (i = 0; i < n; i += k) {
		const size_t at = head + entry * i;
		const u8 how = in_u8(&t.in);

		k = share_is_packed(&t.s) && how & 1 && i + 1 < n ? 2 : 1;
		shared_store8((u8 __shared *)shared_at(mem, at), 1);
		shared_store64((shared_u64 __shared *)shared_at(mem, at + 8), in_u8(&t.in));
		if (!share_is_packed(&t.s))
			continue;
		shared_store16((shared_u16 __shared *)shared_at(mem, at + 4), (u16)(i + k - 1));
		shared_store16((shared_u16 __shared *)shared_at(mem, at + 6), (u16)k);
		for (; k; k--) {
			const size_t d = head + entry * (i + k - 1);

			shared_store16((shared_u16 __shared *)shared_at(mem, d + 16), (u16)i);
			shared_store16((shared_u16 __shared *)shared_at(mem, d + 18), how >> 4 & 7);
			shared_store32((shared_u32 __shared *)shared_at(mem, d + 20), in_len());
			shared_store64((shared_u64 __shared *)shared_at(mem, d + 24), in_addr());
		}
		k = how & 1 && i + 1 < n ? 2 : 1;
	}
	/* What is not in flight is free. */
	if (share_is_packed(&t.s)) {
		shared_store16((shared_u16 __shared *)shared_at(mem, 12), (u16)n);
		shared_store16((shared_u16 __shared *)shared_at(mem, 14), (u16)n);
	}
}

/* ---- all of it ------------------------------------------------------------------------ */

/* Start a half, as if there had been none before. Return: false for one that cannot be. */
static bool start(u32 base)
{
	const u32 size = t.s.size;
	const bool ok = share_is_packed(&t.s) ?
			(base & 0x7fff) < size && (base >> 16 & 0x7fff) < size : base <= U16_MAX;
	const int ret = ring_dev_init(&t.r, &t.s.a, size, t.s.features, base, &t.limits, t.priv);
	int n;

	fuzz_check(ret == (ok ? 0 : -EINVAL));
	if (!ok)
		return false;
	fuzz_check(ring_dev_base(&t.r) == base);
	t.taken = t.again = 0;
	t.pops = 0;
	t.asked = true;
	t.on_map.bytes = 0;
	drv_resync(base);
	if (t.logged) {
		memset(t.log_priv, 0xa5, ring_log_private_bytes(size));
		n = ring_dev_log(&t.r, &t.log, t.s.share[SHARE_LOG].at, t.log_priv);
		if (n < 0) {
			fuzz_check(n == -EINVAL);
			return false;
		}
		fuzz_check((u32)n <= size && ring_log_resubmits(&t.log) == n);
		t.again = (u32)n;
		drv_resync(ring_dev_base(&t.r));
	}
	check_state();
	return true;
}

/* Another half goes on; with nothing in flight it needs no log. */
static bool restart(void)
{
	const u32 base = t.taken || t.again ? in_u32(&t.in) : ring_dev_base(&t.r);

	return start(base);
}

/* Return: false when there is no half any more. */
static bool step(void)
{
	u8 how;

	switch (in_u8(&t.in) & 0x1f) {
	case 0 ... 6:
		drv_offer();
		break;
	case 7 ... 13:
		do_pop();
		break;
	case 14 ... 18:
		do_push();
		break;
	case 19:
		do_unpop();
		break;
	case 20:
		do_show(false);
		break;
	case 21 ... 23:
		do_show(true);
		break;
	case 24:
		do_arm();
		break;
	case 25:
		ring_dev_disarm(&t.r);
		break;
	case 26 ... 28:
		drv_scribble(false);
		break;
	case 29:
		drv_scribble(true);
		break;
	case 30:
		how = in_u8(&t.in);
		if (how < 0xf0) {
			do_stray(how);
			break;
		}
		ring_dev_break(&t.r, RING_CALLER);
		check_state();
		break;
	case 31:
		return t.sealed || restart();
	}
	return true;
}

static void ask_limits(void)
{
	static const u16 segs[] = { 8, 1, 2, 3, 64, 0 };
	static const u32 bytes[] = { 4096, 1, 16, 300, U32_MAX, 0 };
	const u8 how = in_u8(&t.in);

	t.limits = (struct ring_dev_limits) {
		.map = translate,
		.segs = segs[(how & 0xf) % ARRAY_SIZE(segs)],
		.bytes = bytes[(how >> 4) % ARRAY_SIZE(bytes)],
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u32 base, n;
	u8 how;

	t.in = fuzz_in(data, size);
	share_ask(&t.s, &t.in);
	ask_limits();
	how = in_u8(&t.in);
	if (!ring_size_ok(t.s.size, t.s.features)) {
		fuzz_check(ring_dev_init(&t.r, &t.s.a, t.s.size, t.s.features, 0, &t.limits,
					 NULL) == -EINVAL);
		return -1;
	}
	base = how & 1 ? in_u32(&t.in) : ring_base_new(t.s.features);
	t.logged = how & 2;
	t.sealed = false;
	share_ring(&t.s);
	share_regions(&t.s);
	if (t.logged)
		share_open(&t.s, SHARE_LOG, ring_log_bytes(t.s.size, t.s.features), 8);
	if (t.logged && how & 4)
		put_log();
	for (n = how >> 4; n; n--)
		drv_scribble(false);

	t.iov = fuzz_alloc(t.limits.segs * sizeof(t.iov[0]));
	t.priv = fuzz_alloc(ring_dev_private_bytes(t.s.size));
	t.log_priv = fuzz_alloc(ring_log_private_bytes(t.s.size));
	if (start(base)) {
		for (n = 0; in_more(&t.in) && n < OPS_MAX && step(); n++)
			;
	}
	share_seal(&t.s);
	free(t.iov);
	free(t.priv);
	free(t.log_priv);
	return 0;
}
