/* SPDX-License-Identifier: GPL-2.0 */
/* The log of pages that were written to, for a front-end that copies a guest's memory. */
#ifndef HOST_DIRTY_H
#define HOST_DIRTY_H

#include "memory.h"
#include "../ring/ring.h"

struct dirty;

/**
 * struct dirty_marker - what a queue's worker marks with; does not change while it runs
 * @log: the log; NULL: nothing is marked, and the rest is not looked at
 * @memory: the regions, in which all is that is marked
 * @used: where the device area of its ring is in the guest's memory
 * @used_bytes: of that, which is logged as if it were at @used_log; 0: it is logged where it is
 * @used_log: a guest-physical address
 */
struct dirty_marker {
	struct dirty *log;
	struct memory *memory;
	u64 used;
	u64 used_bytes;
	u64 used_log;
};

/**
 * dirty_open() - take the file of a log
 * @m: SET_LOG_BASE message; its fd is taken
 * @why: set, when an error is returned, to what is wrong, in words
 * @dirty: filled in when 0 is returned
 *
 * Return: 0, or -EPROTO for one that cannot be.
 */
int dirty_open(struct message *m, const char **why, struct dirty **dirty);

/**
 * dirty_close() - forget the log
 * @dirty: nobody marks in it any more; NULL is ignored
 */
void dirty_close(struct dirty *dirty);

/**
 * dirty_covers() - has it a bit for each page of a range?
 * @dirty: the log
 * @guest: guest-physical address
 * @bytes: of the range
 *
 * Return: true when it has.
 */
bool dirty_covers(const struct dirty *dirty, u64 guest, u64 bytes);

/**
 * dirty_mark() - mark a range of guest memory, whether anybody asks or not
 * @d: the marker; has a log
 * @at: address here, inside one region
 * @bytes: of the range
 *
 * Pages that the log has no bit for are passed over. Worker; for dirty_wrote().
 */
void dirty_mark(const struct dirty_marker *d, const void __shared *at, size_t bytes);

/**
 * dirty_wrote() - a range of guest memory was written to
 * @d: the marker
 * @at: address here, inside one region
 * @bytes: of the range
 *
 * To be called after the write: a mark that is taken before it stands for what was there
 * before. Worker.
 */
static inline void dirty_wrote(const struct dirty_marker *d, const void __shared *at, size_t bytes)
{
	if (unlikely(d->log))
		dirty_mark(d, at, bytes);
}

/**
 * dirty_wrote_ring() - the same of a ring's own areas; a ring_dirty_fn
 * @ctx: the marker; has a log
 * @at: address here
 * @bytes: of the range
 */
void dirty_wrote_ring(void *ctx, const void __shared *at, size_t bytes);

/**
 * dirty_iov_write() - ring_iov_write(), and mark what it wrote to
 * @d: the marker
 * @iov: segments
 * @num: how many
 * @off: bytes to pass over first
 * @src: private memory
 * @len: bytes to write
 *
 * Return: as ring_iov_write().
 */
size_t dirty_iov_write(const struct dirty_marker *d, const struct ring_iov *iov, unsigned int num,
		       size_t off, const void *src, size_t len);

/**
 * dirty_marks() - how many pages were marked, the same one again and again
 * @dirty: the log
 *
 * Any thread. Return: marks.
 */
u64 dirty_marks(const struct dirty *dirty);

/**
 * dirty_faulted() - was the file truncated? Any thread, cheap.
 * @dirty: the log, or NULL
 *
 * Return: as memory_faulted().
 */
bool dirty_faulted(const struct dirty *dirty);

#endif /* HOST_DIRTY_H */
