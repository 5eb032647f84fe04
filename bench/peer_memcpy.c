// SPDX-License-Identifier: GPL-2.0
/*
 * Copies without a hand-over, and with the smallest one.
 */
#include "peer_memcpy.h"

struct peer_memcpy_ctx {
	const struct load *load;
	struct pair_index done[PAIR_SIDES];	/* operations ever; each of its side */
};

static void peer_memcpy_enter(void *ctx, enum pair_side side)
{
	load_enter(((struct peer_memcpy_ctx *)ctx)->load, side);
}

/* ---- without ----------------------------------------------------------- */

static int peer_memcpy_drive(void *ctx, u64 ops)
{
	const struct load *l = ((struct peer_memcpy_ctx *)ctx)->load;
	u64 i;

	for (i = 0; i < ops; i++)
		load_put(l, i, load_slot(l, i));
	return 0;
}

static int peer_memcpy_serve(void *ctx, u64 ops)
{
	const struct load *l = ((struct peer_memcpy_ctx *)ctx)->load;
	u64 i;

	for (i = 0; i < ops; i++) {
		if (load_take(l, i, load_slot(l, i)))
			return -EBADMSG;
	}
	return 0;
}

/* ---- with -------------------------------------------------------------- */

static inline void peer_index_show(struct pair_index *index, u64 at)
{
	__atomic_store_n(&index->at, at, __ATOMIC_RELEASE);
}

/* Wait until the other side's counter is above @at; 0 when it has failed. */
static u64 peer_index_await(struct pair_board *board, const struct pair_index *index, u64 at)
{
	u32 turns = 0;
	u64 seen;

	while ((seen = __atomic_load_n(&index->at, __ATOMIC_ACQUIRE)) <= at) {
		if (!pair_wait(board, &turns))
			return 0;
	}
	return seen;
}

static int peer_index_drive(void *ctx, u64 ops)
{
	struct peer_memcpy_ctx *c = ctx;
	const struct load *l = c->load;
	struct pair_board *board = l->pair->board;
	struct pair_index *put = &board->index[PAIR_DRIVER], *taken = &board->index[PAIR_DEVICE];
	const u64 end = c->done[PAIR_DRIVER].at + ops;
	u64 at = c->done[PAIR_DRIVER].at, seen = at;
	u32 hidden = 0;

	while (at != end) {
		if (at - seen == l->slot.num) {
			peer_index_show(put, at);
			hidden = 0;
			seen = peer_index_await(board, taken, seen);
			if (unlikely(!seen))
				return -ECANCELED;
		}
		load_put(l, at, load_slot(l, at));
		at++;
		if (++hidden == l->batch) {
			peer_index_show(put, at);
			hidden = 0;
		}
	}
	peer_index_show(put, at);
	c->done[PAIR_DRIVER].at = end;
	return peer_index_await(board, taken, end - 1) ? 0 : -ECANCELED;
}

static int peer_index_serve(void *ctx, u64 ops)
{
	struct peer_memcpy_ctx *c = ctx;
	const struct load *l = c->load;
	struct pair_board *board = l->pair->board;
	struct pair_index *put = &board->index[PAIR_DRIVER], *taken = &board->index[PAIR_DEVICE];
	const u64 end = c->done[PAIR_DEVICE].at + ops;
	u64 at = c->done[PAIR_DEVICE].at, seen = at;
	u32 hidden = 0;

	while (at != end) {
		if (at == seen) {
			peer_index_show(taken, at);
			hidden = 0;
			seen = peer_index_await(board, put, at);
			if (unlikely(!seen))
				return -ECANCELED;
		}
		if (unlikely(load_take(l, at, load_slot(l, at))))
			return -EBADMSG;
		at++;
		if (++hidden == l->batch) {
			peer_index_show(taken, at);
			hidden = 0;
		}
	}
	peer_index_show(taken, at);
	c->done[PAIR_DEVICE].at = end;
	return 0;
}

/* ---- subjects ---------------------------------------------------------- */

static int peer_memcpy_run(const struct subject *s, struct load *l, u64 warm, u64 ops,
			   double *seconds)
{
	const bool index = s == &peer_index || l->verify;
	struct peer_memcpy_ctx ctx = { .load = l };
	const struct pair_work work = {
		.enter = peer_memcpy_enter,
		.side = {
			[PAIR_DRIVER] = index ? peer_index_drive : peer_memcpy_drive,
			[PAIR_DEVICE] = index ? peer_index_serve : peer_memcpy_serve,
		},
		.ctx = &ctx,
		.warm = warm,
		.ops = ops,
		.processes = l->processes,
	};

	l->pair->board->index[PAIR_DRIVER].at = 0;
	l->pair->board->index[PAIR_DEVICE].at = 0;
	return pair_run(l->pair, &work, seconds);
}

const struct subject peer_memcpy = { .name = "memcpy", .run = peer_memcpy_run };
const struct subject peer_index = { .name = "memcpy+index", .run = peer_memcpy_run };
