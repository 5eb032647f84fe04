/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a bench says: one JSON object a line for machines, one row for people, each
 * of one case beside one peer.
 *
 * Theory
 * ------
 * A ratio is taken round by round, between runs that followed one another, and then
 * the median of the ratios is reported with the least and the greatest. The two
 * rates are medians as well; their quotient need not be the ratio.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#define REPORT_ROUNDS_MAX	99

/**
 * struct report_row - a case beside a peer
 * @bench: name of the bench
 * @name: of the case
 * @unit: of the rates
 * @peer_name: of the peer
 * @ours: rate in each round
 * @peer: the peer's, likewise
 * @rounds: from 1 to REPORT_ROUNDS_MAX
 * @want: the ratio to reach; 0: none
 *
 * No name has a character that JSON or a table would need to escape.
 */
struct report_row {
	const char *bench;
	const char *name;
	const char *unit;
	const char *peer_name;
	const double *ours;
	const double *peer;
	int rounds;
	double want;
};

/**
 * report_head() - the head of the table
 * @table: where to
 */
void report_head(FILE *table);

/**
 * report_row() - say one row
 * @row: what was measured
 * @table: for people
 * @json: for machines; or NULL
 */
void report_row(const struct report_row *row, FILE *table, FILE *json);

#endif /* BENCH_REPORT_H */
