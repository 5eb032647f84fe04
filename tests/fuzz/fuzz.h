/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every fuzz target needs: an input to read from, and a way to say that something
 * is wrong.
 *
 * Theory
 * ------
 * A target is a program that libFuzzer calls with one input after the other; it is built
 * with AddressSanitizer and UndefinedBehaviorSanitizer. Crashes are found by those; what
 * else must hold is said by fuzz_check(), which ends the program. An input is a stream:
 * a target takes what it needs to decide what to do next, and an input that has ended
 * gives zeros for ever. Loops over an input end with it, so that work is bounded by its
 * size.
 *
 * Nothing may survive from one input to the next but what is said to: a reproducer must
 * fail alone.
 *
 * Without the sanitizer (to measure coverage) poison is nothing, and fuzz_check() all
 * that looks; see replay.c.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../ring/os.h"

#if defined(__SANITIZE_ADDRESS__)
#define FUZZ_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN
#endif
#endif

#ifdef FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#define fuzz_poison(p, bytes)	__asan_poison_memory_region(p, bytes)
#define fuzz_unpoison(p, bytes)	__asan_unpoison_memory_region(p, bytes)
#else
#define fuzz_poison(p, bytes)	((void)(p), (void)(bytes))
#define fuzz_unpoison(p, bytes)	((void)(p), (void)(bytes))
#endif

/* What libFuzzer calls. Return: 0; -1 keeps the input out of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Must hold for every input. */
#define fuzz_check(holds) \
	(likely(holds) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #holds))

static void __attribute__((noreturn, cold, unused))
fuzz_failed(const char *file, int line, const char *what)
{
	static bool failing;

	/* A second thread that fails must not end the program before the input is kept. */
	while (__atomic_exchange_n(&failing, true, __ATOMIC_RELAXED))
		pause();
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* Memory that is there; the target does not test what happens without. */
static inline void *fuzz_alloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	fuzz_check(p);
	/* What is not set must not be counted on. */
	memset(p, 0xa5, bytes);
	return p;
}

/**
 * struct fuzz_in - what is left of an input
 * @at: next byte
 * @end: behind the last one
 */
struct fuzz_in {
	const u8 *at;
	const u8 *end;
};

static inline struct fuzz_in fuzz_in(const u8 *data, size_t size)
{
	return (struct fuzz_in) { .at = data, .end = data + size };
}

static inline bool in_more(const struct fuzz_in *in)
{
	return in->at != in->end;
}

static inline u8 in_u8(struct fuzz_in *in)
{
	return in_more(in) ? *in->at++ : 0;
}

static inline u64 in_bytes(struct fuzz_in *in, unsigned int n)
{
	u64 v = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		v |= (u64)in_u8(in) << (8 * i);
	return v;
}

static inline u16 in_u16(struct fuzz_in *in)
{
	return (u16)in_bytes(in, 2);
}

static inline u32 in_u32(struct fuzz_in *in)
{
	return (u32)in_bytes(in, 4);
}

static inline u64 in_u64(struct fuzz_in *in)
{
	return in_bytes(in, 8);
}

/* Below @bound, which is at least 1. */
static inline u32 in_below(struct fuzz_in *in, u32 bound)
{
	return (bound <= 256 ? in_u8(in) : bound <= 65536 ? in_u16(in) : in_u32(in)) % bound;
}

/* A number that something may choke on, or a small one, or any. */
static inline u64 in_number(struct fuzz_in *in)
{
	static const u64 odd[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
		0x8000000000000000, 0xffffffffffffffff,
	};
	const u8 how = in_u8(in);

	if (how < ARRAY_SIZE(odd))
		return odd[how];
	switch (how >> 6) {
	case 0:
		return in_u64(in);
	case 1:
		return in_u16(in);
	case 2:
		return how & 0x3f;
	default:
		return (u64)0 - (how & 0x3f);
	}
}

#endif /* TESTS_FUZZ_FUZZ_H */
