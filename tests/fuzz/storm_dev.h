/* SPDX-License-Identifier: GPL-2.0 */
/* storm.c: the device, in a thread of its own, and what it believes. */
#ifndef TESTS_FUZZ_STORM_DEV_H
#define TESTS_FUZZ_STORM_DEV_H

#include "storm.h"

enum dev_call { DEV_POP, DEV_PUSH, DEV_FLUSH, DEV_SHOW, DEV_UNPOP, DEV_ARM, DEV_DISARM,
		DEV_RESTART, DEV_CALLS };

/**
 * struct taken - a chain that the device popped and did not push
 * @id: of the chain
 * @in_len: bytes that may be written to it
 * @serial: which of all pops it was
 * @again: it was popped from the log
 */
struct taken {
	u16 id;
	u32 in_len;
	u32 serial;
	bool again;
};

/* The device's own. */
static struct {
	struct ring_dev r;
	struct side side;
	struct ring_dev_limits limits;
	struct ring_log log;
	void *priv, *log_priv;
	struct ring_iov *iov;
	struct taken popped[SIZE_MOST];	/* in the order of the pops */
	u32 n;			/* how many */
	u32 pops;		/* as the serial numbers count them */
	u32 again;		/* to be popped from the log */
	u32 maps;
	bool dead;		/* it died of its log */
} dev;

static void __shared *translate(void *ctx, u64 addr, u32 len, bool write)
{
	dev.maps++;
	return share_map(ctx, addr, len, write);
}

static bool dev_broken(void)
{
	return ring_dev_fault(&dev.r) != RING_OK;
}

static void dev_check(void)
{
	if (t.quiet)
		fuzz_check(!dev_broken());
	fuzz_check(ring_dev_in_flight(&dev.r) == dev.n);
}

/* Both ends of each segment are there; and what the driver wrote, if nobody lies. */
static void dev_touch(const struct ring_chain *c)
{
	u8 first = 0, found;
	u32 i, end;

	for (i = 0; i < 2u * ((u32)c->out + c->in); i++) {
		const struct ring_iov *iov = &c->iov[i / 2];
		const bool write = i / 2 >= c->out;

		end = i & 1 ? iov->len - 1 : 0;
		found = mark_at(iov->base, end);
		if (!i)
			first = found & ~MARK_DONE;
		if (t.quiet)
			fuzz_check(first && (found == first ||
					     (write && found == (first | MARK_DONE))));
		if (write)
			mark(iov->base, end, found | MARK_DONE);
	}
}

static void dev_check_popped(const struct ring_chain *c)
{
	u64 out = 0, in = 0;
	u32 i;

	fuzz_check(c->id < t.s.size && c->count >= 1 && c->count <= t.s.size);
	for (i = 0; i < dev.n; i++)
		fuzz_check(dev.popped[i].id != c->id);
	fuzz_check(dev.n < t.s.size);
	fuzz_check((u32)c->out + c->in <= dev.limits.segs);
	for (i = 0; i < (u32)c->out + c->in; i++) {
		fuzz_check(share_iov_ok(&t.s, &c->iov[i], i >= c->out));
		*(i < c->out ? &out : &in) += c->iov[i].len;
	}
	fuzz_check(out == c->out_len && in == c->in_len && out + in <= dev.limits.bytes);
	if (t.quiet)
		fuzz_check(out + in);
}

static bool dev_pop(void)
{
	struct ring_chain c = { .iov = dev.iov };
	int ret;

	dev.maps = 0;
	ret = ring_dev_pop(&dev.r, &c);
	fuzz_check(dev.maps <= dev.limits.segs + 1u);
	if (ret != 1) {
		fuzz_check(ret == (dev_broken() ? -EIO : 0));
		return false;
	}
	dev_check_popped(&c);
	dev_touch(&c);
	dev.popped[dev.n++] = (struct taken) {
		.id = c.id,
		.in_len = c.in_len,
		.serial = ++dev.pops,
		.again = dev.again,
	};
	dev.again -= !!dev.again;
	return true;
}

static void dev_push(void)
{
	const u32 i = dev.n ? draw(&dev.side, dev.n) : 0;
	const struct taken it = dev.popped[i];
	const struct ring_chain c = { .id = it.id };
	const u32 len = draw(&dev.side, 2) ? it.in_len : it.in_len ? draw(&dev.side, it.in_len) : 0;

	if (!dev.n) {
		rest(&dev.side);
		return;
	}
	t.pushed[it.id] = len;
	ring_dev_push(&dev.r, &c, len);
	dev.n--;
	memmove(&dev.popped[i], &dev.popped[i + 1], (dev.n - i) * sizeof(it));
}

static void dev_unpop(void)
{
	const struct taken *last = dev.n ? &dev.popped[dev.n - 1] : NULL;
	struct ring_chain c;

	/* Only what was popped latest can be given back. */
	if (!last || last->serial != dev.pops)
		return;
	c.id = last->id;
	ring_dev_unpop(&dev.r, &c);
	dev.n--;
	dev.pops--;
	dev.again += last->again;
}

static void dev_flush(void)
{
	if (ring_dev_flush(&dev.r))
		sem_post(&call);
}

/* A half begins, or goes on from the log where one was killed. */
static void dev_begin(void)
{
	int n = 0;

	fuzz_check(!ring_dev_init(&dev.r, &t.s.a, t.s.size, t.s.features,
				  ring_base_new(t.s.features), &dev.limits, dev.priv));
	dev.n = dev.pops = 0;
	if (t.logged)
		n = ring_dev_log(&dev.r, &dev.log, t.s.share[SHARE_LOG].at, dev.log_priv);
	if (!t.quiet && n < 0) {
		fuzz_check(n == -EINVAL);
		dev.dead = true;
		return;
	}
	fuzz_check(n >= 0 && (u32)n <= t.s.size);
	dev.again = (u32)n;
}

static void dev_restart(void)
{
	if (!t.logged || draw(&dev.side, 8)) {
		rest(&dev.side);
		return;
	}
	dev_begin();
	/* For what the dead one showed and did not call for. */
	sem_post(&call);
}

static void dev_step(void)
{
	switch (draw_call(&dev.side)) {
	case DEV_POP:
		if (!dev_pop())
			rest(&dev.side);
		break;
	case DEV_PUSH:
		dev_push();
		break;
	case DEV_FLUSH:
		dev_flush();
		break;
	case DEV_SHOW:
		ring_dev_show(&dev.r);
		break;
	case DEV_UNPOP:
		dev_unpop();
		break;
	case DEV_ARM:
		/* What came in stays. */
		if (ring_dev_arm(&dev.r) && t.quiet)
			fuzz_check(dev_pop());
		break;
	case DEV_DISARM:
		ring_dev_disarm(&dev.r);
		break;
	case DEV_RESTART:
		dev_restart();
		break;
	}
	if (!dev.dead)
		dev_check();
}

/* A broken half; what was popped is not given back. */
static void dev_refuses(void)
{
	struct ring_chain c = { .iov = dev.iov };
	u32 i;

	dev.maps = 0;
	fuzz_check(ring_dev_pop(&dev.r, &c) == -EIO && !dev.maps);
	for (i = 0; i < dev.n; i++) {
		c.id = dev.popped[i].id;
		ring_dev_push(&dev.r, &c, 0);
		ring_dev_unpop(&dev.r, &c);
		dev_check();
	}
	ring_dev_show(&dev.r);
	fuzz_check(!ring_dev_flush(&dev.r));
	fuzz_check(!ring_dev_arm(&dev.r));
	ring_dev_disarm(&dev.r);
}

/* Until the driver has all. */
static void dev_drain(void)
{
	for (;;) {
		while (dev_pop())
			dev_check();
		while (dev.n)
			dev_push();
		dev_flush();
		dev_check();
		sem_empty(&kick);
		if (__atomic_load_n(&t.over, __ATOMIC_ACQUIRE))
			break;
		if (!ring_dev_arm(&dev.r))
			sleep_until(&kick);
	}
	fuzz_check(!dev_pop());
}

static void dev_run(void)
{
	u32 n;

	for (n = 0; n < dev.side.calls && !dev_broken() && !dev.dead; n++)
		dev_step();
	if (t.quiet)
		dev_drain();
	else if (dev_broken() && !dev.dead)
		dev_refuses();
}

static struct helper device = { .run = dev_run };

static void dev_start(void)
{
	dev.limits = (struct ring_dev_limits) {
		.map = translate,
		.ctx = &t.s,
		.segs = SEGS,
		.bytes = 65536,
	};
	dev.iov = fuzz_alloc(SEGS * sizeof(dev.iov[0]));
	dev.priv = fuzz_alloc(ring_dev_private_bytes(t.s.size));
	dev.log_priv = fuzz_alloc(ring_log_private_bytes(t.s.size));
	dev_begin();
	dev_check();
}

#endif
