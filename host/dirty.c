// SPDX-License-Identifier: GPL-2.0
/*
 * The log of pages that were written to, for a front-end that copies a guest's memory.
 *
 * Theory
 * ------
 * A front-end that moves a running guest copies its memory, and then again what was written to
 * meanwhile, until so little is left that the guest can be stopped for it. What the guest writes
 * the front-end knows; what we write we tell it, by a bitmap that we share with it
 * (docs/interop/vhost-user.rst, "Migration"): a bit for each page of 4 KiB, from guest address 0. It
 * clears a bit and then copies the page. So a bit is set after the write that it stands for, with
 * release order; and always, for a look whether it is set already could come before the write.
 *
 * What is marked, while VHOST_F_LOG_ALL is negotiated, is all that is written: to rings, which
 * ring/ tells of (ring_dev_limits.dirty), and to what chains name, by a device or by the kernel for
 * it. LOG_ALL and the log change while no queue runs (session.c), so that nothing is in flight
 * then that is not logged; a queue that is to be logged does not start before there is a log with
 * a bit for each page of memory (queue.c). When a queue has stopped all that it wrote is marked.
 *
 * The file comes from the front-end like a region of guest memory, and is treated like one (see
 * inflight.c): checked, mapped when it is first used, and guarded against truncation.
 */
#include "dirty.h"

#include <stdlib.h>

#define DIRTY_PAGE_SHIFT	12	/* VHOST_LOG_PAGE */

/**
 * struct dirty - the log
 * @memory: its only region, from address 0
 * @bytes: size
 * @marks: pages marked; atomic
 */
struct dirty {
	struct memory *memory;
	u64 bytes;
	u64 marks;
};

int dirty_open(struct message *m, const char **why, struct dirty **out)
{
	const struct message_log w = m->log;
	struct message_region region = { .bytes = w.bytes, .offset = w.offset };
	struct dirty *dirty = calloc(1, sizeof(*dirty));

	*why = "out of memory";
	if (!dirty)
		return -EPROTO;
	if (memory_open_file(m, &region, why, &dirty->memory)) {
		free(dirty);
		return -EPROTO;
	}
	dirty->bytes = w.bytes;
	*out = dirty;
	return 0;
}

void dirty_close(struct dirty *dirty)
{
	if (!dirty)
		return;
	memory_close(dirty->memory);
	free(dirty);
}

bool dirty_covers(const struct dirty *dirty, u64 guest, u64 bytes)
{
	return !bytes || (guest <= UINT64_MAX - bytes &&
			  (guest + bytes - 1) >> DIRTY_PAGE_SHIFT >> 3 < dirty->bytes);
}

/* Set @bits in byte @at of the log. */
static void dirty_set(struct dirty *dirty, u64 at, u8 bits)
{
	void __shared *byte = memory_map(dirty->memory, at, 1, true);

	if (byte)
		shared_set_bits8((u8 __shared *)byte, bits);
}

static void dirty_mark_guest(struct dirty *dirty, u64 guest, u64 bytes)
{
	u64 page = guest >> DIRTY_PAGE_SHIFT, last;
	u8 bits = 0;

	if (!bytes || !dirty_covers(dirty, guest, bytes))
		return;
	last = (guest + bytes - 1) >> DIRTY_PAGE_SHIFT;
	__atomic_fetch_add(&dirty->marks, last - page + 1, __ATOMIC_RELAXED);
	for (; page <= last; page++) {
		bits |= (u8)(1u << (page & 7));
		if ((page & 7) == 7 || page == last) {
			dirty_set(dirty, page >> 3, bits);
			bits = 0;
		}
	}
}

void dirty_mark(const struct dirty_marker *d, const void __shared *at, size_t bytes)
{
	u64 guest;

	if (memory_guest(d->memory, at, &guest))
		dirty_mark_guest(d->log, guest, bytes);
}

void dirty_wrote_ring(void *ctx, const void __shared *at, size_t bytes)
{
	const struct dirty_marker *d = ctx;
	u64 guest;

	if (!memory_guest(d->memory, at, &guest))
		return;
	if (guest - d->used < d->used_bytes)
		guest = d->used_log + (guest - d->used);
	dirty_mark_guest(d->log, guest, bytes);
}

size_t dirty_iov_write(const struct dirty_marker *d, const struct ring_iov *iov, unsigned int num,
		       size_t off, const void *src, size_t len)
{
	size_t done = ring_iov_write(iov, num, off, src, len), left, part;

	if (likely(!d->log))
		return done;
	/* Segments do not end before what was written into them. */
	for (left = done; left; iov++) {
		if (off >= iov->len) {
			off -= iov->len;
			continue;
		}
		part = min_t(size_t, left, iov->len - off);
		dirty_mark(d, shared_at(iov->base, off), part);
		left -= part;
		off = 0;
	}
	return done;
}

u64 dirty_marks(const struct dirty *dirty)
{
	return __atomic_load_n(&dirty->marks, __ATOMIC_RELAXED);
}

bool dirty_faulted(const struct dirty *dirty)
{
	return dirty && memory_faulted(dirty->memory);
}
