// SPDX-License-Identifier: GPL-2.0
/*
 * Lies about what completions carry: the header of a received frame (virtio 1.2, 5.1.6), the
 * status of a disk's request (5.2.6), and when, if ever, they come.
 */
#include "lie.h"

#include <linux/virtio_net.h>
#include <stddef.h>
#include <unistd.h>

/* ---- when -------------------------------------------------------------------------- */

/* The last that was held back, of whichever queue. */
static const struct queue *hold_queue;
static u16 hold_id;

static bool lie_hold(struct lie_at *at, u64 number)
{
	(void)number;
	at->hold = true;
	hold_queue = at->q;
	hold_id = at->chain->id;
	return true;
}

bool lie_held_id(const struct queue *q, u16 *id)
{
	*id = hold_id;
	return hold_queue == q;
}

/*
 * So many milliseconds late, as are all behind it, and alone; at once when the queue is to stop, for
 * whoever has it stopped waits for that, and QEMU with it, and all of the guest.
 */
static bool lie_slow(struct lie_at *at, u64 ms)
{
	const u64 until = lie_now() + ms * 1000000;

	while (lie_now() < until && !__atomic_load_n(&at->q->stop, __ATOMIC_ACQUIRE))
		usleep(1000);
	at->alone = true;
	return true;
}

/* The next but one comes first; told twice, once to each of them. */
static bool lie_swap(struct lie_at *at, u64 number)
{
	static const struct queue *queue;
	static const struct ring_chain *chain;
	static u32 len;

	(void)number;
	if (!chain || queue != at->q) {
		at->hold = true;
		queue = at->q;
		chain = at->chain;
		len = at->len;
	} else {
		at->held = chain;
		at->held_len = len;
		chain = NULL;
	}
	return true;
}

/* The driver is told another length than the right one; of a frame's first buffer. */
static bool lie_len(struct lie_at *at, u64 len)
{
	if (at->first)
		at->len = (u32)len;
	return at->first;
}

/* ---- frames ------------------------------------------------------------------------- */

/* The first segment that the device writes; NULL when it is shorter than that. */
static void __shared *lie_written(const struct lie_at *at, u32 bytes)
{
	const struct ring_chain *c = at->chain;

	return c->in && c->iov[c->out].len >= bytes ? c->iov[c->out].base : NULL;
}

/* Where a frame's header is; NULL when there is none. */
static u8 __shared *lie_header(const struct lie_at *at)
{
	return at->first ? lie_written(at, sizeof(struct virtio_net_hdr_v1)) : NULL;
}

static bool lie_header8(const struct lie_at *at, size_t off, u64 value)
{
	u8 __shared *hdr = lie_header(at);

	if (hdr)
		shared_store8(hdr + off, (u8)value);
	return hdr;
}

static bool lie_header16(const struct lie_at *at, size_t off, u64 value)
{
	u8 __shared *hdr = lie_header(at);

	if (hdr)
		shared_store16((__virtio16 __shared *)(hdr + off), (u16)value);
	return hdr;
}

/* A buffer of a frame that is not its first is said to hold so many bytes. */
static bool lie_later(struct lie_at *at, u64 len)
{
	if (at->first)
		return false;
	at->len = (u32)len;
	return true;
}

#define LIE_HEADER(bits, field) \
static bool lie_##field(struct lie_at *at, u64 value) \
{ \
	return lie_header##bits(at, offsetof(struct virtio_net_hdr_v1, field), value); \
}
LIE_HEADER(8, flags)
LIE_HEADER(8, gso_type)
LIE_HEADER(16, hdr_len)
LIE_HEADER(16, gso_size)
LIE_HEADER(16, csum_start)
LIE_HEADER(16, csum_offset)
LIE_HEADER(16, num_buffers)

/* A frame that has several buffers has one. */
static bool lie_fewer(struct lie_at *at, u64 number)
{
	u8 __shared *hdr = lie_header(at);
	const size_t off = offsetof(struct virtio_net_hdr_v1, num_buffers);

	(void)number;
	if (!hdr || le16_to_cpu((__force __le16)shared_load16((__le16 __shared *)(hdr + off))) < 2)
		return false;
	return lie_header16(at, off, 1);
}

/* All of it changes while the driver looks; in a second thread. */
static bool lie_header_flicker(struct lie_at *at, u64 number)
{
	u8 __shared *hdr = lie_header(at);
	struct virtio_net_hdr_v1 good, bad;

	(void)number;
	if (!hdr || !lie_is_young(at))
		return false;
	at->dwell = true;
	shared_copy_in(&good, hdr, sizeof(good));
	memset(&bad, 0xff, sizeof(bad));
	shared_copy_out(hdr, &bad, sizeof(bad));
	lie_linger();
	shared_copy_out(hdr, &good, sizeof(good));
	return true;
}

/* ---- requests of a disk -------------------------------------------------------------- */

u8 __shared *lie_last_byte(const struct ring_chain *c)
{
	const struct ring_iov *last;

	if (!c->in)
		return NULL;
	last = &c->iov[c->out + c->in - 1];
	return last->len ? (u8 __shared *)shared_at(last->base, last->len - 1) : NULL;
}

static bool lie_status(struct lie_at *at, u64 status)
{
	u8 __shared *last = lie_last_byte(at->chain);

	if (last)
		shared_store8(last, (u8)status);
	return last;
}

/* None is written: what the driver left there is there still. */
static bool lie_no_status(struct lie_at *at, u64 number)
{
	(void)number;
	return lie_status(at, at->last);
}

/* All that the device writes is this byte; the status is left alone. */
static bool lie_fill(struct lie_at *at, u64 byte)
{
	const struct ring_chain *c = at->chain;
	u32 left = c->in_len - !!c->in_len, i, n;
	u16 seg;

	for (seg = c->out; seg < c->out + c->in; seg++) {
		n = min_t(u32, c->iov[seg].len, left);
		for (i = 0; i < n; i++)
			shared_store8((u8 __shared *)shared_at(c->iov[seg].base, i), (u8)byte);
		left -= n;
	}
	return true;
}

/* Data changes while the driver looks; in a second thread. */
static bool lie_data_flicker(struct lie_at *at, u64 number)
{
	u8 __shared *data = lie_written(at, 1);

	(void)number;
	if (!data || !lie_is_young(at))
		return false;
	at->dwell = true;
	shared_store8(data, (u8)~shared_load8(data));
	lie_linger();
	shared_store8(data, (u8)~shared_load8(data));
	return true;
}

const struct lie_kind lie_load_kinds[] = {
	{ "hold", LIE_PUSH, lie_hold },
	{ "slow", LIE_PUSH, lie_slow },
	{ "swap", LIE_PUSH, lie_swap },
	{ "len", LIE_PUSH, lie_len },
	{ "net.later", LIE_PUSH, lie_later },
	{ "net.flags", LIE_PUSH, lie_flags },
	{ "net.gso_type", LIE_PUSH, lie_gso_type },
	{ "net.hdr_len", LIE_PUSH, lie_hdr_len },
	{ "net.gso_size", LIE_PUSH, lie_gso_size },
	{ "net.csum_start", LIE_PUSH, lie_csum_start },
	{ "net.csum_offset", LIE_PUSH, lie_csum_offset },
	{ "net.num_buffers", LIE_PUSH, lie_num_buffers },
	{ "net.fewer", LIE_PUSH, lie_fewer },
	{ "net.flicker", LIE_PUSH, lie_header_flicker },
	{ "blk.status", LIE_PUSH, lie_status },
	{ "blk.no_status", LIE_PUSH, lie_no_status },
	{ "blk.fill", LIE_PUSH, lie_fill },
	{ "blk.flicker", LIE_PUSH, lie_data_flicker },
	{ NULL, LIE_PUSH, NULL },
};
