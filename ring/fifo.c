// SPDX-License-Identifier: GPL-2.0
/*
 * The byte FIFO of fifo.h.
 *
 * Two circles run beside each other: bytes in shared memory (head, used) and
 * entries in private memory (first, next). An entry's span covers its padding,
 * so the tail needs no place of its own: it is used bytes behind the head.
 */
#include "fifo.h"

#define FIFO_BYTES_MAX	(1u << 30)
#define FIFO_ENTRIES_MAX (1u << 20)

size_t fifo_private_bytes(u32 entries)
{
	return (size_t)entries * sizeof(struct fifo_entry);
}

int fifo_init(struct fifo *f, void __shared *base, u64 bus, u32 bytes, u32 entries,
	      void *priv)
{
	if (!bytes || bytes % FIFO_ALIGN || bytes > FIFO_BYTES_MAX)
		return -EINVAL;
	if (!entries || entries & (entries - 1) || entries > FIFO_ENTRIES_MAX)
		return -EINVAL;

	*f = (struct fifo) {
		.base = base,
		.bus = bus,
		.bytes = bytes,
		.entry = priv,
		.entries = entries,
	};
	memset(priv, 0, fifo_private_bytes(entries));
	return 0;
}

static void fifo_extent_set(const struct fifo *f, struct fifo_extent *e, u32 off, u32 len)
{
	e->cpu = shared_at(f->base, off);
	e->bus = f->bus + off;
	e->len = len;
}

int fifo_alloc(struct fifo *f, u32 len, struct fifo_extent ext[2], u32 *token)
{
	const u32 span = ALIGN(len, FIFO_ALIGN);
	const u32 to_end = f->bytes - f->head;
	int n;

	if (unlikely(!len || len > f->bytes))
		return -EMSGSIZE;
	if (!fifo_fits(f, len))
		return -ENOSPC;

	if (len <= to_end) {
		fifo_extent_set(f, &ext[0], f->head, len);
		n = 1;
	} else {
		fifo_extent_set(f, &ext[0], f->head, to_end);
		fifo_extent_set(f, &ext[1], 0, len - to_end);
		n = 2;
	}

	f->entry[f->next & (f->entries - 1)] =
		(struct fifo_entry) { .span = span, .live = true };
	*token = f->next++;
	f->head = span < to_end ? f->head + span : span - to_end;
	f->used += span;
	return n;
}

/* The live entry of a token, or NULL. */
static struct fifo_entry *fifo_find(struct fifo *f, u32 token)
{
	struct fifo_entry *e = &f->entry[token & (f->entries - 1)];

	if (token - f->first >= f->next - f->first || !e->live)
		return NULL;
	return e;
}

int fifo_release(struct fifo *f, u32 token)
{
	struct fifo_entry *e = fifo_find(f, token);

	if (unlikely(!e))
		return -EINVAL;

	e->live = false;
	if (token != f->first)
		return 0;
	/* The oldest: it goes, and with it those behind it that only waited for it. */
	do {
		f->used -= e->span;
		f->first++;
		e = &f->entry[f->first & (f->entries - 1)];
	} while (f->first != f->next && !e->live);
	return 0;
}

int fifo_undo(struct fifo *f, u32 token)
{
	struct fifo_entry *e = fifo_find(f, token);

	if (unlikely(!e || token != f->next - 1))
		return -EINVAL;

	e->live = false;
	f->next--;
	f->head = f->head >= e->span ? f->head - e->span : f->head + f->bytes - e->span;
	f->used -= e->span;
	return 0;
}
