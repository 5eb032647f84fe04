/* SPDX-License-Identifier: GPL-2.0 */
/* What the two sides of storm.c have in common: what to do next, whom to wake, what is marked. */
#ifndef TESTS_FUZZ_STORM_H
#define TESTS_FUZZ_STORM_H

#include "fuzz_noise.h"

#define SIZE_MOST	256u
#define SEGS		16u
#define MARK_DONE	0x80u		/* in a mark: the device was here */
#define CALLS		8u

/**
 * struct side - what a side does next
 * @state: of the generator
 * @weight: of each call
 * @sum: of these; not 0
 * @calls: how many
 */
struct side {
	u64 state;
	u8 weight[CALLS];
	u32 sum;
	u32 calls;
};

/* Written before the threads start; but for @pushed and @over, which are handed over. */
static struct {
	struct ring_share s;
	bool bound;
	bool quiet;		/* nobody lies */
	bool logged;
	u32 pushed[SIZE_MOST];	/* by id: length */
	bool over;		/* the driver has all back */
} t;

static sem_t kick, call;

/* ---- chance -------------------------------------------------------------------------- */

static u32 draw(struct side *side, u32 bound)
{
	return (u32)(noise_next(&side->state) >> 32) % bound;
}

static u32 draw_call(struct side *side)
{
	u32 n = draw(side, side->sum), i;

	for (i = 0; n >= side->weight[i]; i++)
		n -= side->weight[i];
	return i;
}

static void ask_side(struct side *side, struct fuzz_in *in)
{
	u32 i;

	side->state = in_u32(in) + 1ull;
	side->calls = 16 * (1 + in_below(in, 128));
	side->sum = 0;
	for (i = 0; i < CALLS; i++) {
		side->weight[i] = in_u8(in) & 0xf;
		side->sum += side->weight[i];
	}
	for (i = 0; !side->sum && i < CALLS; i++)
		side->weight[i] = 1;
	side->sum = side->sum ? side->sum : CALLS;
}

/* There is nothing to do, or not much: who could change that gets a chance. */
static void rest(struct side *side)
{
	if (!draw(side, 8))
		sched_yield();
}

/* ---- notifications ------------------------------------------------------------------- */

static void sem_empty(sem_t *sem)
{
	while (!sem_trywait(sem))
		;
}

/* Asleep. Whom nobody wakes is so for ever: the time that an input has tells (fuzz.sh). */
static void sleep_until(sem_t *sem)
{
	while (sem_wait(sem))
		fuzz_check(errno == EINTR);
}

/* ---- marks --------------------------------------------------------------------------- */

static u8 mark_at(const void __shared *p, u32 off)
{
	return shared_load8((const u8 __shared *)p + off);
}

static void mark(void __shared *p, u32 off, u8 value)
{
	shared_store8((u8 __shared *)p + off, value);
}

#endif
