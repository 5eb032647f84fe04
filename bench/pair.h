/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two sides that run against each other, each pinned to a processor of its own.
 *
 * Theory
 * ------
 * The driver side runs in the caller's thread, the device side in a second thread
 * or in a second process. Both do the same number of operations, first some that
 * do not count, then those that do; before each of the two parts they wait for
 * each other. What is measured is the time from the first that starts the second
 * part to the last that ends it.
 *
 * Whoever waits spins with the processor's pause instruction: nothing here sleeps,
 * since what a wake-up costs is a matter of the kernel. But processors may be few
 * or taken away, so whoever has waited in vain for long gives its processor up
 * once in a while, and looks whether the other side has failed or whether it has
 * taken too long: what cannot end ends with an error.
 *
 * The board is memory of the bench, not of the subject: both sides trust it, and
 * so it is used plainly, with the compiler's atomics.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <sched.h>

#include "../ring/os.h"

/* Apart by two cache lines, since processors fetch them in pairs. */
#define PAIR_APART_BYTES	128
#define PAIR_APART		__attribute__((aligned(PAIR_APART_BYTES)))
/* Turns of a busy-wait between looks at anything else: about half a millisecond. */
#define PAIR_TURNS		16384u
/* Bytes of the board for what peers need to share. */
#define PAIR_PEER_BYTES		32768u

enum pair_side {
	PAIR_DRIVER,
	PAIR_DEVICE,
	PAIR_SIDES,
};

/**
 * struct pair_clock - what a side says of its run; written by that side
 * @begin: when it started the part that counts; nanoseconds
 * @end: when it ended it
 * @error: 0, or what ended it early; -ECANCELED: that the other side failed
 */
struct pair_clock {
	u64 begin;
	u64 end;
	int error;
} PAIR_APART;

/* A counter alone on its cache lines. */
struct pair_index {
	u64 at;
} PAIR_APART;

/**
 * struct pair_board - what both sides write and believe; shared between processes
 * @arrived: sides that came to a meeting, of all meetings of the run
 * @stop: a side has failed
 * @deadline: when the run has taken too long; nanoseconds
 * @clock: of each side
 * @index: for a peer that hands over by counters; each written by one side
 * @peer: for a peer that brings a structure of its own
 */
struct pair_board {
	u32 arrived __attribute__((aligned(PAIR_APART_BYTES)));
	u32 stop __attribute__((aligned(PAIR_APART_BYTES)));
	u64 deadline;
	struct pair_clock clock[PAIR_SIDES];
	struct pair_index index[PAIR_SIDES];
	u8 peer[PAIR_PEER_BYTES] __attribute__((aligned(PAIR_APART_BYTES)));
};

/**
 * struct pair - two processors and a board
 * @cpu: of each side
 * @board: shared
 */
struct pair {
	int cpu[PAIR_SIDES];
	struct pair_board *board;
};

/**
 * struct pair_work - what the two sides do
 * @enter: called by each side once, pinned, before anything is timed; or NULL
 * @side: does @ops operations of one side; 0 or a negative error
 * @ctx: of both; a process has its own copy of what is not shared
 * @warm: operations that do not count; 0 leaves that part out
 * @ops: operations that do
 * @processes: the device side is a process of its own
 */
struct pair_work {
	void (*enter)(void *ctx, enum pair_side side);
	int (*side[PAIR_SIDES])(void *ctx, u64 ops);
	void *ctx;
	u64 warm;
	u64 ops;
	bool processes;
};

/**
 * pair_open() - get a board
 * @p: filled in
 * @cpu: processors of the two sides; the same one twice is allowed
 *
 * Return: 0 or a negative error.
 */
int pair_open(struct pair *p, const int cpu[PAIR_SIDES]);

/**
 * pair_close() - give it back
 * @p: as pair_open() left it
 */
void pair_close(struct pair *p);

/**
 * pair_run() - let the two sides run
 * @p: the pair
 * @w: what they do
 * @seconds: set to the time that w->ops operations took
 *
 * The caller's thread is back on the processors that it may use when this returns.
 *
 * Return: 0, the error of the side that failed, -ETIMEDOUT, or -EPIPE when the
 * process of the device side died.
 */
int pair_run(struct pair *p, const struct pair_work *w, double *seconds);

/* The time, in nanoseconds since some start. */
u64 pair_now(void);

/* The slow part of pair_wait(). */
bool pair_rest(struct pair_board *board);

static inline void pair_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	barrier();
#endif
}

/**
 * pair_wait() - one turn of a busy-wait
 * @board: of the pair
 * @turns: of this wait so far; 0 at its start
 *
 * Return: false when there is nothing to wait for any more: the side returns
 * -ECANCELED.
 */
static inline bool pair_wait(struct pair_board *board, u32 *turns)
{
	pair_relax();
	if (likely(++*turns % PAIR_TURNS))
		return true;
	return pair_rest(board);
}

#endif /* BENCH_PAIR_H */
