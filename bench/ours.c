// SPDX-License-Identifier: GPL-2.0
/*
 * The two sides of our ring.
 *
 * Both sides know that the device completes in order, since it is the one below:
 * the n-th chain uses the n-th slot, round and round. The rings do not know it,
 * unless VIRTIO_F_IN_ORDER says so. A run that verifies checks it.
 */
#include "ours.h"

#include <stdio.h>
#include <stdlib.h>

#define OURS_SPLIT	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX))
#define OURS_PACKED	(OURS_SPLIT | BIT_ULL(VIRTIO_F_RING_PACKED))
#define OURS_IN_ORDER	BIT_ULL(VIRTIO_F_IN_ORDER)

/* What a translation does: the whole range lies inside the one region. */
static void __shared *ours_map(void *ctx, u64 addr, u32 len, bool write)
{
	const struct load *l = ctx;
	const u64 off = addr - LOAD_BUS;

	(void)write;
	if (unlikely(addr < LOAD_BUS || off >= LOAD_WINDOW || len > LOAD_WINDOW - off))
		return NULL;
	return shared_at(l->window, off);
}

/* ---- setting up -------------------------------------------------------- */

/* A descriptor's buffer is never empty, even when nothing is copied. */
static inline struct ring_seg ours_seg(const struct load *l, u64 nth)
{
	return (struct ring_seg) {
		.bus = slots_bus(&l->slot, (u32)nth & (l->slot.num - 1)),
		.len = l->payload ? l->payload : 1,
	};
}

static int ours_start(struct ours_ring *r, const struct ours *kind, const struct load *l)
{
	const struct ring_dev_limits limits = {
		.map = ours_map,
		.ctx = (void *)l,
		.segs = ARRAY_SIZE(r->dev.iov),
		.bytes = LOAD_PAYLOAD_MAX,
	};
	struct ring_areas areas;
	int ret;
	u32 i;

	if (ring_place(NULL, NULL, 0, l->slot.num, kind->features) > LOAD_RING_BYTES)
		return -ENOSPC;
	ring_place(&areas, l->window, LOAD_BUS, l->slot.num, kind->features);
	ret = ring_drv_init(&r->drv.half, &areas, l->slot.num, kind->features, r->drv_private);
	if (ret)
		return ret;
	ret = ring_dev_init(&r->dev.half, &areas, l->slot.num, kind->features,
			    ring_base_new(kind->features), &limits, r->dev_private);
	for (i = 0; !ret && kind->post && i < l->slot.num; i++) {
		const struct ring_seg seg = ours_seg(l, i);

		ret = ring_drv_bind(&r->drv.half, (u16)i, &seg, false);
	}
	return ret;
}

static void *ours_alloc(size_t bytes)
{
	return aligned_alloc(_Alignof(struct ours_drv), ALIGN(bytes, _Alignof(struct ours_drv)));
}

struct ours_ring *ours_open(const struct ours *kind, const struct load *l)
{
	struct ours_ring *r = ours_alloc(sizeof(*r));
	int ret = -ENOMEM;

	if (!r)
		return NULL;
	*r = (struct ours_ring) {
		.drv = { .load = l, .post = kind->post },
		.dev = { .load = l },
		.drv_private = ours_alloc(ring_drv_private_bytes(l->slot.num)),
		.dev_private = ours_alloc(ring_dev_private_bytes(l->slot.num)),
	};
	if (r->drv_private && r->dev_private)
		ret = ours_start(r, kind, l);
	if (ret) {
		ours_close(r);
		errno = -ret;
		return NULL;
	}
	return r;
}

void ours_close(struct ours_ring *r)
{
	if (!r)
		return;
	free(r->dev_private);
	free(r->drv_private);
	free(r);
}

/* ---- one operation ----------------------------------------------------- */

/* Never NULL. */
static inline void *ours_cookie(const struct load *l, u64 nth)
{
	return (void *)(unsigned long)((nth & (l->slot.num - 1)) + 1);
}

static inline int ours_add(struct ours_drv *d)
{
	const struct load *l = d->load;
	const u64 nth = d->added++;
	int ret;

	load_put(l, nth, load_slot(l, nth));
	if (d->post) {
		ret = ring_drv_post(&d->half, (u16)(nth & (l->slot.num - 1)));
	} else {
		const struct ring_seg seg = ours_seg(l, nth);
		const struct ring_buf buf = { .seg = &seg, .out = 1 };

		ret = ring_drv_add(&d->half, &buf, ours_cookie(l, nth));
	}
	return ret < 0 ? ret : 0;
}

static bool ours_is_next(const struct ours_drv *d, const struct ring_done *done)
{
	const u64 nth = d->polled;

	if (done->len)
		return false;
	if (d->post)
		return done->id == (nth & (d->load->slot.num - 1));
	return done->cookie == ours_cookie(d->load, nth);
}

/* 1, 0 when there is no completion, or a negative error. */
static inline int ours_poll(struct ours_drv *d)
{
	struct ring_done done;
	int ret;

	ret = ring_drv_poll(&d->half, &done);
	if (ret <= 0)
		return ret;
	if (unlikely(d->load->verify && !ours_is_next(d, &done)))
		return -EBADMSG;
	d->polled++;
	return 1;
}

/* Likewise of chains. */
static inline int ours_take(struct ours_dev *d)
{
	const struct load *l = d->load;
	struct ring_chain c = { .iov = d->iov };
	int ret;

	ret = ring_dev_pop(&d->half, &c);
	if (ret <= 0)
		return ret;
	if (l->payload) {
		const size_t got = ring_iov_read(c.iov, c.out, 0,
						 load_buf(l, PAIR_DEVICE, d->served), l->payload);

		if (unlikely(got != l->payload || load_check(l, d->served)))
			return -EBADMSG;
	}
	ring_dev_push(&d->half, &c, 0);
	d->served++;
	return 1;
}

/* ---- two sides --------------------------------------------------------- */

static int ours_await_completion(struct ours_drv *d)
{
	u32 turns = 0;

	while (!ring_drv_pending(&d->half)) {
		if (!pair_wait(d->load->pair->board, &turns))
			return -ECANCELED;
	}
	return 0;
}

int ours_drive(void *ctx, u64 ops)
{
	struct ours_drv *d = &((struct ours_ring *)ctx)->drv;
	const struct load *l = d->load;
	const u64 start = d->polled;
	u32 hidden = 0;
	bool did;
	int ret;

	for (;;) {
		do {
			did = false;
			if (d->added - start < ops && d->added - d->polled < l->slot.num) {
				ret = ours_add(d);
				if (unlikely(ret))
					return ret;
				if (++hidden == l->batch) {
					ring_drv_show(&d->half);
					hidden = 0;
				}
				did = true;
			}
			ret = ours_poll(d);
			if (unlikely(ret < 0))
				return ret;
			if (ret) {
				if (unlikely(d->polled - start == ops))
					return 0;
				did = true;
			}
		} while (did);

		ring_drv_show(&d->half);
		hidden = 0;
		ret = ours_await_completion(d);
		if (unlikely(ret))
			return ret;
	}
}

int ours_serve(void *ctx, u64 ops)
{
	struct ours_dev *d = &((struct ours_ring *)ctx)->dev;
	const struct load *l = d->load;
	const u64 end = d->served + ops;
	u32 hidden = 0, turns = 0;
	int ret;

	while (d->served != end) {
		ret = ours_take(d);
		if (unlikely(ret < 0))
			return ret;
		if (ret) {
			if (++hidden == l->batch) {
				ring_dev_show(&d->half);
				hidden = 0;
			}
			turns = 0;
		} else if (hidden) {
			ring_dev_show(&d->half);
			hidden = 0;
		} else if (!pair_wait(l->pair->board, &turns)) {
			return -ECANCELED;
		}
	}
	ring_dev_show(&d->half);
	return 0;
}

static void ours_enter(void *ctx, enum pair_side side)
{
	const struct ours_ring *r = ctx;

	load_enter(r->drv.load, side);
}

static int ours_run(const struct subject *s, struct load *l, u64 warm, u64 ops, double *seconds)
{
	const struct ours *kind = container_of(s, struct ours, subject);
	struct pair_work work = {
		.enter = ours_enter,
		.side = { [PAIR_DRIVER] = ours_drive, [PAIR_DEVICE] = ours_serve },
		.warm = warm,
		.ops = ops,
		.processes = l->processes,
	};
	struct ours_ring *r = ours_open(kind, l);
	int ret;

	if (!r)
		return -errno;
	work.ctx = r;
	ret = pair_run(l->pair, &work, seconds);
	if (ret == -EIO)
		fprintf(stderr, "%s: driver half %s, device half %s\n", s->name,
			ring_fault_name(ring_drv_fault(&r->drv.half)),
			ring_fault_name(ring_dev_fault(&r->dev.half)));
	ours_close(r);
	return ret;
}

/* ---- one thread -------------------------------------------------------- */

/*
 * bench/instructions.sh counts what runs inside of these, by their names: the calls
 * of the ring with the least that a caller needs around them. The other side has
 * always done its part already, so none of them finds nothing.
 */
static __attribute__((noinline)) int ours_count_drv_submit(struct ours_drv *d, u32 n)
{
	int ret = 0;

	while (n-- && !ret)
		ret = ours_add(d);
	ring_drv_show(&d->half);
	return ret;
}

static __attribute__((noinline)) int ours_count_drv_reap(struct ours_drv *d, u32 n)
{
	int ret = 1;

	while (n-- && ret > 0)
		ret = ours_poll(d);
	return ret;
}

static __attribute__((noinline)) int ours_count_dev(struct ours_dev *d, u32 n)
{
	int ret = 1;

	while (n-- && ret > 0)
		ret = ours_take(d);
	ring_dev_show(&d->half);
	return ret;
}

int ours_alternate(struct ours_ring *r, u64 ops)
{
	const u32 batch = r->drv.load->batch;
	int ret;

	for (; ops; ops -= batch) {
		ret = ours_count_drv_submit(&r->drv, batch);
		if (ret)
			return ret;
		ret = ours_count_dev(&r->dev, batch);
		if (ret > 0)
			ret = ours_count_drv_reap(&r->drv, batch);
		if (ret <= 0)
			return ret ? ret : -EBADMSG;
	}
	return 0;
}

/* ---- kinds ------------------------------------------------------------- */

#define OURS(var, title, bits, form) \
	static const struct ours var = { \
		.subject = { .name = title, .run = ours_run }, \
		.features = bits, \
		.post = form, \
	}

OURS(ours_split, "split add", OURS_SPLIT, false);
OURS(ours_split_post, "split post", OURS_SPLIT, true);
OURS(ours_split_in_order, "split in-order add", OURS_SPLIT | OURS_IN_ORDER, false);
OURS(ours_split_in_order_post, "split in-order post", OURS_SPLIT | OURS_IN_ORDER, true);
OURS(ours_packed, "packed add", OURS_PACKED, false);
OURS(ours_packed_post, "packed post", OURS_PACKED, true);
OURS(ours_packed_in_order, "packed in-order add", OURS_PACKED | OURS_IN_ORDER, false);
OURS(ours_packed_in_order_post, "packed in-order post", OURS_PACKED | OURS_IN_ORDER, true);

const struct ours *const ours_all[] = {
	&ours_split, &ours_split_post,
	&ours_split_in_order, &ours_split_in_order_post,
	&ours_packed, &ours_packed_post,
	&ours_packed_in_order, &ours_packed_in_order_post,
	NULL,
};
