/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads beside the one that libFuzzer calls, and one of them that writes all over what
 * two halves share.
 *
 * Theory
 * ------
 * A helper is started once, when it is first needed, and then waits for work: a thread for
 * each input would cost more than the input. It works only between helper_start() and
 * helper_wait(), which are within one input, and by which all is ordered that the two
 * threads share.
 *
 * Noise is words at random places from a seed. It is not to be seen: neither as accesses
 * that race with others, nor as coverage, which would make inputs interesting by chance.
 */
#ifndef TESTS_FUZZ_FUZZ_NOISE_H
#define TESTS_FUZZ_FUZZ_NOISE_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "fuzz_ring.h"

#define NOISE_WORDS_MAX	2000u		/* that the scribbler writes for an input */

#ifdef __clang__
#define UNSEEN	__attribute__((no_sanitize("address", "undefined", "coverage")))
#else
#define UNSEEN
#endif

static inline UNSEEN u64 noise_next(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

/* A word of 1 to 8 bytes, aligned, of those that something might be read from. */
static UNSEEN void noise_word(const struct ring_share *s, u64 *state)
{
	static const u8 where[] = {
		SHARE_DESC, SHARE_DRIVER, SHARE_DEVICE, SHARE_TABLES, SHARE_LOG, SHARE_DRIVER,
		SHARE_DEVICE, SHARE_DESC,
	};
	const u64 what = noise_next(state), value = noise_next(state);
	const struct share *m = &s->share[where[what & 7]];
	const u32 width = 1u << (what >> 3 & 3);
	size_t off = (what >> 32) % (m->bytes + 1);
	u8 *base = shared_unmark(m->at);
	u64 small = what & 0x100 ? value : value & (s->size * 2 - 1);

	/* Areas begin at any multiple of 2. */
	off -= ((uintptr_t)base + off) % width;
	if ((intptr_t)off < 0 || off + width > m->bytes)
		return;
	switch (width) {
	case 1:
		*(volatile u8 *)(base + off) = (u8)small;
		break;
	case 2:
		*(volatile shared_u16 *)(base + off) = (u16)small;
		break;
	case 4:
		*(volatile shared_u32 *)(base + off) = (u32)small;
		break;
	case 8:
		*(volatile shared_u64 *)(base + off) = small;
		break;
	}
}

/**
 * struct helper - a thread that does one thing for an input
 * @run: that thing
 * @thread: it
 * @go: there is an input
 * @done: it is done with it
 * @runs: there is a thread
 * @on: it has begun
 */
struct helper {
	void (*run)(void);
	pthread_t thread;
	sem_t go, done;
	bool runs;
	bool on;
};

static inline UNSEEN void sem_take(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static UNSEEN void *helper_thread(void *arg)
{
	struct helper *h = arg;

	for (;;) {
		sem_take(&h->go);
		__atomic_store_n(&h->on, true, __ATOMIC_RELEASE);
		h->run();
		sem_post(&h->done);
	}
	return NULL;
}

static inline UNSEEN void helper_start(struct helper *h)
{
	u32 i;

	if (!h->runs) {
		fuzz_check(!sem_init(&h->go, 0, 0) && !sem_init(&h->done, 0, 0));
		fuzz_check(!pthread_create(&h->thread, NULL, helper_thread, h));
		h->runs = true;
	}
	h->on = false;
	sem_post(&h->go);
	/* Where there is but one processor it comes when it comes. */
	for (i = 0; i < 100 && !__atomic_load_n(&h->on, __ATOMIC_ACQUIRE); i++)
		sched_yield();
}

static inline void helper_wait(struct helper *h)
{
	sem_take(&h->done);
}

/* ---- the scribbler ------------------------------------------------------------------ */

static struct {
	const struct ring_share *share;
	u64 seed;
	u32 pause;
	bool stop;
} scribble_job;

static UNSEEN void scribble_run(void)
{
	u64 state = scribble_job.seed;
	u32 words, pause;

	for (words = 0; words < NOISE_WORDS_MAX; words++) {
		if (__atomic_load_n(&scribble_job.stop, __ATOMIC_ACQUIRE))
			break;
		noise_word(scribble_job.share, &state);
		for (pause = noise_next(&state) & scribble_job.pause; pause; pause--)
			barrier();
	}
}

static struct helper scribbler = { .run = scribble_run };

/* @seed is not 0; between two words up to @pause steps, one less than a power of 2, go by. */
static inline void scribbler_start(const struct ring_share *s, u64 seed, u32 pause)
{
	scribble_job.share = s;
	scribble_job.seed = seed;
	scribble_job.pause = pause;
	scribble_job.stop = false;
	helper_start(&scribbler);
}

static inline void scribbler_stop(void)
{
	__atomic_store_n(&scribble_job.stop, true, __ATOMIC_RELEASE);
	helper_wait(&scribbler);
}

#endif /* TESTS_FUZZ_FUZZ_NOISE_H */
