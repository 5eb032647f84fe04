// SPDX-License-Identifier: GPL-2.0
/*
 * Two rte_rings on the board, where both sides of either kind see them at one
 * address.
 */
#include "peer_rte.h"

#include <rte_ring.h>

/* A ring of n places holds n - 1. */
#define RTE_PLACES	(2 * LOAD_SLOTS)
#define RTE_BYTES	(PAIR_PEER_BYTES / PAIR_SIDES)

struct peer_rte_ctx {
	const struct load *load;
	struct rte_ring *full, *free;
	struct pair_index done[PAIR_SIDES];	/* operations ever; each of its side */
};

static void peer_rte_enter(void *ctx, enum pair_side side)
{
	load_enter(((struct peer_rte_ctx *)ctx)->load, side);
}

/* Wait for slots: from 1 to @want of them, or 0 when the other side has failed. */
static __attribute__((always_inline)) inline
u32 peer_rte_await(struct pair_board *board, struct rte_ring *ring, void **slot, u32 want)
{
	u32 turns = 0, n;

	for (;;) {
		if (want == 1)
			n = !rte_ring_sc_dequeue(ring, slot);
		else
			n = rte_ring_sc_dequeue_burst(ring, slot, want, NULL);
		if (n || !pair_wait(board, &turns))
			return n;
	}
}

/* There is always room: a ring has more places than there are slots. */
static __attribute__((always_inline)) inline
void peer_rte_give(struct rte_ring *ring, void *const *slot, u32 n)
{
	if (n == 1)
		rte_ring_sp_enqueue(ring, *slot);
	else
		rte_ring_sp_enqueue_bulk(ring, slot, n, NULL);
}

/* One burst of one side: as many operations as it did, or a negative error. */
static __attribute__((always_inline)) inline
int peer_rte_burst(struct peer_rte_ctx *c, enum pair_side side, u32 want)
{
	const struct load *l = c->load;
	struct rte_ring *from = side == PAIR_DRIVER ? c->free : c->full;
	struct rte_ring *to = side == PAIR_DRIVER ? c->full : c->free;
	void *slot[LOAD_SLOTS];
	u32 n, i;

	n = peer_rte_await(l->pair->board, from, slot, want);
	if (unlikely(!n))
		return -ECANCELED;
	for (i = 0; i < n; i++) {
		if (side == PAIR_DRIVER)
			load_put(l, c->done[side].at++, shared_mark(slot[i]));
		else if (unlikely(load_take(l, c->done[side].at++, shared_mark(slot[i]))))
			return -EBADMSG;
	}
	peer_rte_give(to, slot, n);
	return (int)n;
}

static __attribute__((always_inline)) inline
int peer_rte_side(struct peer_rte_ctx *c, enum pair_side side, u64 ops)
{
	const u32 batch = c->load->batch;
	int ret;

	while (ops) {
		if (batch == 1)
			ret = peer_rte_burst(c, side, 1);
		else
			ret = peer_rte_burst(c, side, (u32)min_t(u64, batch, ops));
		if (unlikely(ret < 0))
			return ret;
		ops -= (u64)ret;
	}
	return 0;
}

static int peer_rte_drive(void *ctx, u64 ops)
{
	struct peer_rte_ctx *c = ctx;
	u32 turns = 0;
	int ret;

	ret = peer_rte_side(c, PAIR_DRIVER, ops);
	while (!ret && rte_ring_count(c->free) < c->load->slot.num) {
		if (!pair_wait(c->load->pair->board, &turns))
			ret = -ECANCELED;
	}
	return ret;
}

static int peer_rte_serve(void *ctx, u64 ops)
{
	return peer_rte_side(ctx, PAIR_DEVICE, ops);
}

static struct rte_ring *peer_rte_ring(u8 *memory)
{
	struct rte_ring *ring = (void *)memory;

	if (rte_ring_get_memsize(RTE_PLACES) > (ssize_t)RTE_BYTES)
		return NULL;
	if (rte_ring_init(ring, "bench", RTE_PLACES, RING_F_SP_ENQ | RING_F_SC_DEQ))
		return NULL;
	return ring;
}

static int peer_rte_run(const struct subject *s, struct load *l, u64 warm, u64 ops,
			double *seconds)
{
	struct peer_rte_ctx ctx = { .load = l };
	const struct pair_work work = {
		.enter = peer_rte_enter,
		.side = { [PAIR_DRIVER] = peer_rte_drive, [PAIR_DEVICE] = peer_rte_serve },
		.ctx = &ctx,
		.warm = warm,
		.ops = ops,
		.processes = l->processes,
	};
	u32 i;

	(void)s;
	ctx.full = peer_rte_ring(l->pair->board->peer);
	ctx.free = peer_rte_ring(l->pair->board->peer + RTE_BYTES);
	if (!ctx.full || !ctx.free)
		return -ENOMEM;
	for (i = 0; i < l->slot.num; i++)
		rte_ring_sp_enqueue(ctx.free, shared_unmark(load_slot(l, i)));
	return pair_run(l->pair, &work, seconds);
}

const struct subject peer_rte = { .name = "rte_ring", .run = peer_rte_run };
