// SPDX-License-Identifier: GPL-2.0
/*
 * A device half with an in-flight log is killed at whatever instant, and another goes on
 * in its place (ATTACKS.md, 66).
 *
 * What a process leaves behind when it is killed is a prefix of its stores. So a call is
 * made while the areas that it writes are write-protected: each store faults, memory as it
 * is before it is kept as an image, and the store is let through alone, by a single step.
 * A new half then is started on each of these images in turn.
 *
 * The model of log_model.h says what must come of it. Whether a completion was visible at
 * an instant is asked of the driver half, which the log is no concern of. The same random
 * calls without any kill leave the same ring behind with a log and without.
 */
#include <signal.h>
#include <ucontext.h>

#include "log_model.h"

/* Most stores of one call. */
#define IMAGES	160u

/* ---- everything that there is at an instant -------------------------------- */

/* What of shared memory one of the halves writes. */
struct image {
	u8 desc[16 * MOST];
	u8 driver[4 + 2 * MOST + 2];
	u8 device[4 + 8 * MOST + 2];
	u8 table[16 * CHAINS * SEGS];
	u8 log[32 + 32 * MOST];
};

/* All that there is; the rest of a rig never changes. */
struct moment {
	struct model model;
	struct ring_drv drv;
	struct ring_dev dev;
	struct ring_log log;
	u64 drv_priv[8 * MOST], dev_priv[8 * MOST], log_priv[8 * MOST];
	struct image image;
};

/* Copy one way or the other. */
static void swap_bytes(void *kept, void *now, size_t len, bool load)
{
	memcpy(load ? now : kept, load ? kept : now, len);
}

static void image_copy(const struct rig *rig, struct image *i, bool load)
{
	swap_bytes(i->desc, shared_unmark(rig->desc.at), rig->desc.bytes, load);
	swap_bytes(i->driver, shared_unmark(rig->driver.at), rig->driver.bytes, load);
	swap_bytes(i->device, shared_unmark(rig->device.at), rig->device.bytes, load);
	swap_bytes(i->table, shared_unmark(rig->table.at), sizeof(i->table), load);
	swap_bytes(i->log, shared_unmark(book.map.at), min_t(size_t, sizeof(i->log),
							      book.map.bytes), load);
}

static void moment_copy(struct run *r, struct moment *t, bool load)
{
	const u32 size = r->rig->size;

	swap_bytes(&t->model, &r->m, sizeof(r->m), load);
	swap_bytes(&t->drv, &r->rig->drv, sizeof(t->drv), load);
	swap_bytes(&t->dev, &r->rig->dev, sizeof(t->dev), load);
	swap_bytes(&t->log, &book.log, sizeof(t->log), load);
	swap_bytes(t->drv_priv, r->rig->drv_priv, ring_drv_private_bytes(size), load);
	swap_bytes(t->dev_priv, r->rig->dev_priv, ring_dev_private_bytes(size), load);
	swap_bytes(t->log_priv, book.priv, ring_log_private_bytes(size), load);
	image_copy(r->rig, &t->image, load);
}

/* ---- store by store -------------------------------------------------------- */

/* Shared memory as it was before each store of a call. */
struct trace {
	const struct rig *rig;
	const struct rig_map *map[3], *open;
	struct sigaction old_fault, old_step;
	u32 images;
	struct image image[IMAGES];
};

#if defined(__x86_64__)
#define CAN_STEP	true
#define TRAP_FLAG	0x100

static struct trace *tracing;

static void on_store(int sig, siginfo_t *info, void *context)
{
	const u8 *at = info->si_addr;
	struct trace *t = tracing;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t->map); i++) {
		if (at < t->map[i]->start || at >= t->map[i]->start + t->map[i]->span ||
		    t->images == IMAGES)
			continue;
		image_copy(t->rig, &t->image[t->images++], false);
		t->open = t->map[i];
		mprotect(t->open->start, t->open->span, PROT_READ | PROT_WRITE);
		((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	/* No store that is looked for; let it fault again. */
	sigaction(sig, &t->old_fault, NULL);
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	mprotect(tracing->open->start, tracing->open->span, PROT_READ);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void trace(struct trace *t, struct rig *rig, void (*call)(void *arg), void *arg)
{
	const struct sigaction fault = { .sa_sigaction = on_store, .sa_flags = SA_SIGINFO };
	const struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	size_t i;

	t->rig = rig;
	t->map[0] = &rig->desc;
	t->map[1] = &rig->device;
	t->map[2] = &book.map;
	t->images = 0;
	tracing = t;
	sigaction(SIGSEGV, &fault, &t->old_fault);
	sigaction(SIGTRAP, &step, &t->old_step);
	for (i = 0; i < ARRAY_SIZE(t->map); i++)
		rig_map_protect(t->map[i], PROT_READ);
	call(arg);
	for (i = 0; i < ARRAY_SIZE(t->map); i++)
		rig_map_protect(t->map[i], PROT_READ | PROT_WRITE);
	sigaction(SIGTRAP, &t->old_step, NULL);
	sigaction(SIGSEGV, &t->old_fault, NULL);
}

#else
#define CAN_STEP	false

static void trace(struct trace *t, struct rig *rig, void (*call)(void *arg), void *arg)
{
	(void)rig;
	t->images = 0;
	call(arg);
}
#endif

static void three_stores(void *arg)
{
	struct rig *rig = arg;

	shared_store16(&rig_desc(rig, 1)->flags, 0x1234);
	shared_store64((__le64 __shared *)shared_at(book.map.at, 8), 0x5555555555555555);
	shared_store8((u8 __shared *)rig->device.at, 0x12);
}

static void every_store_is_an_instant(void **state)
{
	static struct trace t;
	struct rig *rig;

	if (!CAN_STEP) {
		print_message("no single step on this processor\n");
		skip();
	}
	rig = book_new(state, 4, RIG_PACKED);
	trace(&t, rig, three_stores, rig);
	assert_int_equal(t.images, 3);
	assert_int_equal(t.image[0].desc[28], 0);
	assert_int_equal(t.image[1].desc[28], 0x34);
	assert_int_equal(t.image[1].desc[29], 0x12);
	assert_int_equal(t.image[1].log[8], 0);
	assert_int_equal(t.image[2].log[8], 0x55);
	assert_int_equal(t.image[2].log[15], 0x55);
	assert_int_equal(t.image[2].device[0], 0);
	assert_int_equal(shared_load8((u8 __shared *)rig->device.at), 0x12);
}

/* ---- killed, and gone on from --------------------------------------------------- */

/*
 * How often a half was killed, and how often that left a batch visible, or hidden; a chain
 * entered in the log, or not; how often also one that was just taking over was killed
 * (@nested), and how often the next one soon after (@repeated).
 */
static struct {
	u32 crashes, visible, hidden, entered, not_entered, nested, repeated;
} tally;

/* How many completions the driver would find now. */
static u32 driver_sees(struct run *r)
{
	static struct moment t;
	struct ring_done done;
	u32 n;

	moment_copy(r, &t, false);
	for (n = 0; n <= CHAINS && ring_drv_poll(&r->rig->drv, &done) > 0; n++)
		;
	assert_int_equal(ring_drv_fault(&r->rig->drv), RING_OK);
	moment_copy(r, &t, true);
	return n;
}

/* All that is under way comes to its end, and no trace of it is left. */
static void finish(struct run *r)
{
	static const enum what calls[] = { POP, POP, PUSH, PUSH, SHOW, FLUSH, UNPOP };
	struct call c;
	u32 steps;

	for (steps = 0; count(r, IDLE) < CHAINS; steps++) {
		assert_in_range(steps, 0, 10000);
		switch (rig_below(&r->random, 12)) {
		case 0:
			do_publish(r);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
			do_poll(r);
			break;
		default:
			if (!choose(r, calls[rig_below(&r->random, ARRAY_SIZE(calls))], &c))
				break;
			perform(&c);
			follow(r, &c);
			break;
		}
	}
	choose(r, POP, &c);
	perform(&c);
	follow(r, &c);
	poll_none(r->rig);
	assert_int_equal(ring_drv_in_flight(&r->rig->drv), 0);
	assert_int_equal(ring_dev_fault(&r->rig->dev), RING_OK);
	if (!r->packed)
		assert_int_equal(ring_dev_base(&r->rig->dev), (u16)r->m.used);
	else
		assert_int_equal(ring_dev_base(&r->rig->dev),
				 (r->m.used % r->rig->size |
				  (r->m.used / r->rig->size % 2 ? 0 : 0x8000)) * 0x10001u);
}

/*
 * A new half takes over. Chain @doubt, when it is one, was being popped or given back as
 * the old one was killed, and may be in the log or not. With @kill the new one is killed as
 * well, at each store of the call that attaches it, and another takes over and ends all.
 */
static void take_over(struct run *r, u32 doubt, bool kill)
{
	static struct trace t;
	static struct moment before, after;
	const u32 sure = count_logged(r);
	struct call c;
	u32 i;

	choose(r, ATTACH, &c);
	start_dev(r->rig, ring_base_new(r->rig->features));
	if (kill) {
		moment_copy(r, &before, false);
		trace(&t, r->rig, perform, &c);
		moment_copy(r, &after, false);
		for (i = 0; i < t.images; i++) {
			moment_copy(r, &before, true);
			image_copy(r->rig, &t.image[i], true);
			take_over(r, doubt, false);
			finish(r);
		}
		tally.nested += t.images;
		moment_copy(r, &after, true);
	} else {
		perform(&c);
	}
	assert_in_range(c.ret, sure, sure + (doubt < CHAINS));
	if (doubt < CHAINS) {
		r->m.chain[doubt].logged = (u32)c.ret > sure;
		*((u32)c.ret > sure ? &tally.entered : &tally.not_entered) += 1;
	}
	follow(r, &c);
}

/* Memory is as it was at some instant of a call; the model, as it was before. */
static void killed(struct run *r, const struct call *c)
{
	const bool showing = c && (c->what == SHOW || c->what == FLUSH) && count(r, PUSHED);
	const u32 shown = count(r, SHOWN), all = shown + count(r, PUSHED), seen = driver_sees(r);
	u32 doubt = CHAINS, n;

	assert_true(seen == shown || (showing && seen == all));
	if (showing)
		*(seen == all ? &tally.visible : &tally.hidden) += 1;
	if (seen == all)
		advance(r, PUSHED, SHOWN);
	if (c && (c->what == POP || (c->what == UNPOP && !r->m.chain[c->n].again))) {
		doubt = c->n;
		if (doubt < CHAINS && r->m.chain[doubt].logged && c->what == POP)
			doubt = CHAINS;
		if (doubt < CHAINS)
			r->m.chain[doubt].logged = false;
	}
	/* What is not yet done is to be popped, again or not. */
	advance(r, POPPED, PUBLISHED);
	advance(r, HELD, PUBLISHED);
	advance(r, PUSHED, PUBLISHED);
	r->m.pops = 0;
	tally.crashes++;

	/* The driver notices nothing and goes on. */
	for (n = rig_below(&r->random, 2 * CHAINS); n > CHAINS / 2; n--) {
		do_poll(r);
		do_add(r);
		if (rig_below(&r->random, 2))
			do_publish(r);
	}
	take_over(r, doubt, CAN_STEP && r->kills && !rig_below(&r->random, 8));
}

/* Kill the half at each store of a call; then let it return, or not. */
static void kill_at_each_store(struct run *r, struct call *c)
{
	static struct trace t;
	static struct moment before, after;
	u32 i;

	moment_copy(r, &before, false);
	trace(&t, r->rig, perform, c);
	follow(r, c);
	moment_copy(r, &after, false);
	for (i = 0; i < t.images; i++) {
		moment_copy(r, &before, true);
		image_copy(r->rig, &t.image[i], true);
		killed(r, c);
		/* And once more, perhaps before anything happened. */
		if (!rig_below(&r->random, 4)) {
			for (tally.repeated++; rig_below(&r->random, 3);) {
				struct call next;

				if (choose(r, rig_below(&r->random, 4) ? POP : PUSH, &next)) {
					perform(&next);
					follow(r, &next);
				}
			}
			killed(r, NULL);
		}
		finish(r);
	}
	moment_copy(r, &after, true);
	i = rig_below(&r->random, 4 * IMAGES);
	if (i < t.images) {
		moment_copy(r, &before, true);
		image_copy(r->rig, &t.image[i], true);
		killed(r, c);
	}
}

/* ---- random calls ------------------------------------------------------------------ */

static void hash(struct run *r, const struct rig_map *m)
{
	size_t i;

	for (i = 0; i < m->bytes; i++)
		r->trail = (r->trail ^ shared_load8((u8 __shared *)shared_at(m->at, i))) *
			   0x100000001b3ull;
}

static void step(struct run *r)
{
	static const enum what calls[] = {
		POP, POP, POP, PUSH, PUSH, PUSH, SHOW, FLUSH, UNPOP, ARM, DISARM,
	};
	struct call c;

	switch (rig_below(&r->random, 8)) {
	case 0:
	case 1:
		do_add(r);
		break;
	case 2:
		do_add(r);
		do_publish(r);
		break;
	case 3:
		do_poll(r);
		break;
	default:
		if (!choose(r, calls[rig_below(&r->random, ARRAY_SIZE(calls))], &c))
			break;
		if (CAN_STEP && r->kills && !rig_below(&r->random, 3)) {
			kill_at_each_store(r, &c);
			break;
		}
		perform(&c);
		follow(r, &c);
		if (r->kills && !rig_below(&r->random, 16))
			killed(r, NULL);
		break;
	}
	hash(r, &r->rig->desc);
	hash(r, &r->rig->driver);
	hash(r, &r->rig->device);
}

/* Random calls with a log or without; the half is killed now and then, or never. */
static void random_calls(struct run *r, void **state, u32 size, u64 features, u32 steps)
{
	const u32 ahead = features & RIG_PACKED ? size + 1 : 0x10000 - steps / 8;

	r->rig = book_new(state, size, features);
	r->packed = features & RIG_PACKED;
	r->in_order = features & RIG_ORDERED;
	rig_start_drv(r->rig);
	start_dev(r->rig, ring_base_new(r->rig->features));
	if (r->logged)
		take_over(r, CHAINS, CAN_STEP && r->kills);
	go_ahead(r->rig, ahead);
	r->m.used = ahead;
	while (steps--)
		step(r);
	finish(r);
}

static void half_is_killed(void **state, u64 layout)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 8 };
	static struct run r;
	const u64 seed = rig_seed(0x6c6f6721 + layout);
	size_t i;

	memset(&tally, 0, sizeof(tally));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		const u64 features = layout | rig_way(2 | (i & 1));

		if (!ring_size_ok(sizes[i], features))
			continue;
		r = (struct run) { .random = seed + i, .logged = true, .kills = true };
		random_calls(&r, state, sizes[i], features, 1000);
	}
	/* Else the test has not done what it is for. */
	assert_true(tally.crashes > 50);
	assert_true(!CAN_STEP || (tally.visible && tally.hidden));
	assert_true(!CAN_STEP || (tally.entered && tally.not_entered));
	assert_true(!CAN_STEP || (tally.nested && tally.repeated));
}

RIG_ANY(half_is_killed)

static void log_changes_nothing_else(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 8 };
	static struct run with, without;
	const u64 seed = rig_seed(0x6c6f6722);
	unsigned int way;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (way = 0; way < RIG_ALL_WAYS; way++) {
			const u64 features = rig_way(way) | rig_way(2);

			if (!ring_size_ok(sizes[i], features))
				continue;
			with = (struct run) { .random = seed + i, .logged = true };
			random_calls(&with, state, sizes[i], features, 1000);
			without = (struct run) { .random = seed + i };
			random_calls(&without, state, sizes[i], features, 1000);
			assert_int_equal(with.trail, without.trail);
			/* Nor is anything written where there might have been a log. */
			expect_zero(0, book.map.bytes);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LOG_TEST("a half with a log does what one without does", log_changes_nothing_else),
		LOG_TEST("every store of a call is an instant at which it can be killed",
			 every_store_is_an_instant),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, split",
			 half_is_killed_split),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, split in order",
			 half_is_killed_split_in_order),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, packed",
			 half_is_killed_packed),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, packed in order",
			 half_is_killed_packed_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
