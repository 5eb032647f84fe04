/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bench/ring measures.
 *
 * Theory
 * ------
 * A case is a kind of ring, a payload, a batch, and threads or processes. Its lanes
 * are what runs in it: ours first, then each peer that there is. A peer's rate does
 * not depend on the kind of ring beside it, but it is measured again beside each.
 */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "load.h"
#include "report.h"

#define CASES_LANES	8
#define CASES_MAX	256

/**
 * struct lane - a subject in a case
 * @subject: what runs
 * @run: seconds that a run shall take
 * @want: ratio to reach of ours to it; 0: none
 * @ops: operations in a run; for whoever measures
 * @rate: in each round; likewise
 */
struct lane {
	const struct subject *subject;
	double run;
	double want;
	u64 ops;
	double rate[REPORT_ROUNDS_MAX];
};

/**
 * struct bench_case - a case
 * @name: of it
 * @payload: of an operation, bytes
 * @batch: operations
 * @processes: or threads
 * @lanes: how many
 * @lane: the first one is ours
 */
struct bench_case {
	char name[64];
	u32 payload;
	u32 batch;
	bool processes;
	int lanes;
	struct lane lane[CASES_LANES];
};

/**
 * struct cases - all of them
 * @num: how many
 * @each: one after the other
 */
struct cases {
	int num;
	struct bench_case each[CASES_MAX];
};

/**
 * struct cases_wanted - which
 * @pattern: a glob that names match, or NULL
 * @cpu: processors of the two sides
 * @ringtest: ringtest is there
 * @quick: threads only
 * @run: seconds that a run shall take
 */
struct cases_wanted {
	const char *pattern;
	int cpu[PAIR_SIDES];
	bool ringtest;
	bool quick;
	double run;
};

/**
 * cases_make() - make those that are wanted
 * @c: filled in
 * @w: which
 */
void cases_make(struct cases *c, const struct cases_wanted *w);

#endif /* BENCH_CASES_H */
