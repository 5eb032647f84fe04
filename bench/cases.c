// SPDX-License-Identifier: GPL-2.0
/*
 * The cases, their peers, and the ratios to reach.
 */
#include "cases.h"

#include "ours.h"
#include "peer_memcpy.h"
#include "peer_ringtest.h"
#include "peer_rte.h"

#include <fnmatch.h>

/* A run of ringtest takes so much longer, since its start does not count. */
#define CASES_RINGTEST	3

static const u32 cases_payloads[] = { 0, 64, 256, 1500, 4096, 65536 };
static const u32 cases_batches[] = { 1, 32 };

static void cases_lane(struct bench_case *c, const struct subject *s, double run, double want)
{
	c->lane[c->lanes++] = (struct lane) { .subject = s, .run = run, .want = want };
}

/* The layouts that a kind is held against, with the ratio to reach. */
static void cases_ringtest(struct bench_case *c, const struct ours *kind, double run)
{
	const struct peer_ringtest *peer = &peer_virtio_ring_0_9;
	const struct peer_ringtest *relax = &peer_virtio_ring_0_9_relax;
	double want = 1.3;

	if (kind->features & BIT_ULL(VIRTIO_F_RING_PACKED)) {
		peer = &peer_ring;
		relax = &peer_ring_relax;
		want = 0.8;
	} else if (kind->features & BIT_ULL(VIRTIO_F_IN_ORDER)) {
		peer = &peer_virtio_ring_inorder;
		relax = &peer_virtio_ring_inorder_relax;
	}
	cases_lane(c, &peer->subject, run, want);
	cases_lane(c, &relax->subject, run, want);
	cases_lane(c, &peer_ptr_ring.subject, run, 0);
}

/* Of the bandwidth of plain copies, by payload. */
static double cases_want_of_memcpy(u32 payload)
{
	if (payload >= 4096)
		return 0.90;
	return payload == 1500 ? 0.70 : 0;
}

static void cases_add(struct cases *all, const struct cases_wanted *w,
		      const struct bench_case *shape, const struct ours *kind)
{
	struct bench_case *c = &all->each[all->num];

	if (all->num == CASES_MAX)
		return;
	*c = *shape;
	snprintf(c->name, sizeof(c->name), "%s payload %u batch %u %s", kind->subject.name,
		 c->payload, c->batch, c->processes ? "processes" : "threads");
	if (w->pattern && fnmatch(w->pattern, c->name, 0))
		return;

	cases_lane(c, &kind->subject, w->run, 0);
	/* ringtest is always two threads, and cannot do with one processor. */
	if (!c->payload && !c->processes && w->ringtest &&
	    w->cpu[PAIR_DRIVER] != w->cpu[PAIR_DEVICE])
		cases_ringtest(c, kind, w->run * CASES_RINGTEST);
	if (c->payload)
		cases_lane(c, &peer_memcpy, w->run, cases_want_of_memcpy(c->payload));
	cases_lane(c, &peer_index, w->run, 0);
	if (&peer_rte)
		cases_lane(c, &peer_rte, w->run, 0);
	all->num++;
}

/* How memory is shared does not change what the form does: processes add only. */
static void cases_of_shape(struct cases *all, const struct cases_wanted *w,
			   const struct bench_case *shape)
{
	const struct ours *const *kind;

	for (kind = ours_all; *kind; kind++) {
		if (!shape->processes || !(*kind)->post)
			cases_add(all, w, shape, *kind);
	}
}

void cases_make(struct cases *c, const struct cases_wanted *w)
{
	struct bench_case shape = { .name = "" };
	size_t p, b;
	int i;

	c->num = 0;
	for (i = 0; i < (w->quick ? 1 : 2); i++) {
		for (p = 0; p < ARRAY_SIZE(cases_payloads); p++) {
			for (b = 0; b < ARRAY_SIZE(cases_batches); b++) {
				shape.processes = i;
				shape.payload = cases_payloads[p];
				shape.batch = cases_batches[b];
				cases_of_shape(c, w, &shape);
			}
		}
	}
}
