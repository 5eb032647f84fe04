// SPDX-License-Identifier: GPL-2.0
/*
 * The sequence that frames and sectors carry: tests/machine/frames.py has the same.
 *
 * Theory
 * ------
 * The byte at position P is the uppermost of the 32 bits of (P mod PERIOD) * STEP, a
 * number that has all bits. It is long and prime, so that neither the start nor the
 * length of a piece is ever the same for long. One period, and as much beyond it as a
 * piece may be long, is kept: a piece is one copy.
 */
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "sentinel.h"

#define PATTERN_PERIOD	65521u
#define PATTERN_STEP	2654435761u
#define PATTERN_APART	4099u
#define PATTERN_BYTES	(PATTERN_PERIOD + SZ_64K)

static u8 *pattern;

/* Return: 0 or -ENOMEM. */
int pattern_make(void)
{
	u32 i;

	pattern = vmalloc(PATTERN_BYTES);
	if (!pattern)
		return -ENOMEM;
	for (i = 0; i < PATTERN_BYTES; i++)
		pattern[i] = (i % PATTERN_PERIOD * PATTERN_STEP) >> 24;
	return 0;
}

void pattern_free(void)
{
	vfree(pattern);
}

/* The sequence from @at on, 64 KiB of it. */
const u8 *pattern_at(u64 at)
{
	return pattern + at % PATTERN_PERIOD;
}

/* Where piece @number begins, of those that are numbered. */
u64 pattern_of(u32 number)
{
	return (u64)number * PATTERN_APART;
}
