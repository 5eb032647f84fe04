// SPDX-License-Identifier: GPL-2.0
/*
 * Copies between private memory and the segments of a popped chain.
 *
 * A header may lie across any number of segments (virtio 1.2, 2.7.4.1), so
 * nothing that is parsed is ever looked at in place.
 */
#include "ring.h"

/* What one step of a walk over segments found: @len bytes at @at. */
struct iov_piece {
	void __shared *at;
	size_t len;
};

/*
 * The next piece of at most @want bytes, @*off bytes into what is left of the
 * segments. False when they end.
 */
static bool iov_next(const struct ring_iov **iov, unsigned int *num, size_t *off,
		     size_t want, struct iov_piece *piece)
{
	while (*num && *off >= (*iov)->len) {
		*off -= (*iov)->len;
		(*iov)++;
		(*num)--;
	}
	if (!*num)
		return false;

	piece->at = shared_at((*iov)->base, *off);
	piece->len = min_t(size_t, want, (*iov)->len - *off);
	*off += piece->len;
	return true;
}

size_t ring_iov_read(const struct ring_iov *iov, unsigned int num, size_t off,
		     void *dst, size_t len)
{
	struct iov_piece p;
	size_t done = 0;

	while (done < len && iov_next(&iov, &num, &off, len - done, &p)) {
		shared_copy_in((u8 *)dst + done, p.at, p.len);
		done += p.len;
	}
	return done;
}

size_t ring_iov_write(const struct ring_iov *iov, unsigned int num, size_t off,
		      const void *src, size_t len)
{
	struct iov_piece p;
	size_t done = 0;

	while (done < len && iov_next(&iov, &num, &off, len - done, &p)) {
		shared_copy_out(p.at, (const u8 *)src + done, p.len);
		done += p.len;
	}
	return done;
}
