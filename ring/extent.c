// SPDX-License-Identifier: GPL-2.0
/*
 * The block pool of extent.h.
 *
 * The bitmap is searched a word at a time, first from the cursor to the end, then
 * from the start; a run never wraps, since memory does not.
 */
#include "extent.h"

#define EXTENT_BYTES_MAX	(1u << 30)
#define WORD_BITS		64u

size_t extent_private_bytes(u32 blocks)
{
	return ((size_t)blocks + WORD_BITS - 1) / WORD_BITS * sizeof(u64);
}

int extent_init(struct extent_pool *p, void __shared *base, u64 bus, u32 block,
		u32 blocks, void *priv)
{
	if (block < 512 || block & (block - 1) || !blocks ||
	    blocks > EXTENT_BYTES_MAX / block)
		return -EINVAL;

	*p = (struct extent_pool) {
		.base = base,
		.bus = bus,
		.block = block,
		.blocks = blocks,
		.free = blocks,
		.map = priv,
	};
	memset(priv, 0, extent_private_bytes(blocks));
	return 0;
}

/* First block from @from on, below @end, whose bit is @set; @end when none is. */
static u32 extent_scan(const struct extent_pool *p, u32 from, u32 end, bool set)
{
	while (from < end) {
		u64 word = p->map[from / WORD_BITS];

		word = (set ? word : ~word) >> (from % WORD_BITS);
		if (word) {
			from += (u32)__builtin_ctzll(word);
			return from < end ? from : end;
		}
		from = (from / WORD_BITS + 1) * WORD_BITS;
	}
	return end;
}

/* The first free run from @from on, below @end, cut to @want; count 0: none. */
static struct extent extent_run(const struct extent_pool *p, u32 from, u32 end, u32 want)
{
	struct extent e;

	e.first = extent_scan(p, from, end, false);
	if (end - e.first > want)
		end = e.first + want;
	e.count = extent_scan(p, e.first, end, true) - e.first;
	return e;
}

static void extent_mark(struct extent_pool *p, const struct extent *e, bool set)
{
	u32 i = e->first, left = e->count;

	while (left) {
		const u32 bit = i % WORD_BITS;
		const u32 n = min_t(u32, left, WORD_BITS - bit);
		const u64 mask = (~0ULL >> (WORD_BITS - n)) << bit;

		if (set)
			p->map[i / WORD_BITS] |= mask;
		else
			p->map[i / WORD_BITS] &= ~mask;
		i += n;
		left -= n;
	}
}

/* One run of @count blocks between @from and @end; false when there is none. */
static bool extent_whole(const struct extent_pool *p, u32 from, u32 end, u32 count,
			 struct extent *e)
{
	for (*e = extent_run(p, from, end, count); e->count;
	     *e = extent_run(p, e->first + e->count, end, count)) {
		if (e->count == count)
			return true;
	}
	return false;
}

/*
 * Whole runs from the start on, up to @max of them or @count blocks. Returns how
 * many runs it found and takes their blocks off @count.
 */
static unsigned int extent_gather(const struct extent_pool *p, u32 *count,
				  struct extent *ext, unsigned int max)
{
	unsigned int n = 0;
	u32 from = 0;

	while (n < max && *count) {
		ext[n] = extent_run(p, from, p->blocks, *count);
		if (!ext[n].count)
			break;
		from = ext[n].first + ext[n].count;
		*count -= ext[n].count;
		n++;
	}
	return n;
}

int extent_alloc(struct extent_pool *p, u32 count, struct extent *ext, unsigned int max)
{
	unsigned int n = 1, i;
	u32 left = count;

	if (unlikely(!count || !max || count > p->blocks))
		return -EMSGSIZE;
	if (count > p->free)
		return -ENOSPC;

	/*
	 * A run may straddle the cursor, so only the first search starts there: the
	 * others must not cut that run in two.
	 */
	if (!extent_whole(p, p->cursor, p->blocks, count, ext) &&
	    !extent_whole(p, 0, p->blocks, count, ext)) {
		n = extent_gather(p, &left, ext, max);
		if (left)
			return -ENOSPC;
	}

	for (i = 0; i < n; i++)
		extent_mark(p, &ext[i], true);
	p->free -= count;
	p->cursor = ext[n - 1].first + ext[n - 1].count;
	if (p->cursor == p->blocks)
		p->cursor = 0;
	return (int)n;
}

void extent_free(struct extent_pool *p, const struct extent *ext, unsigned int num)
{
	unsigned int i;

	for (i = 0; i < num; i++) {
		extent_mark(p, &ext[i], false);
		p->free += ext[i].count;
	}
}
