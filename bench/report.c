// SPDX-License-Identifier: GPL-2.0
/*
 * Medians, extremes, and how they are written.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

static int report_order(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sort @n values of @from into @to; returns the median. */
static double report_sort(double *to, const double *from, int n)
{
	memcpy(to, from, (size_t)n * sizeof(*to));
	qsort(to, (size_t)n, sizeof(*to), report_order);
	return (to[(n - 1) / 2] + to[n / 2]) / 2;
}

void report_head(FILE *table)
{
	fprintf(table, "%-51s %-6s %9s %9s  %-27s %6s %15s\n", "case", "unit", "ours", "peer",
		"peer's name", "ratio", "least to most");
}

void report_row(const struct report_row *row, FILE *table, FILE *json)
{
	double sorted[REPORT_ROUNDS_MAX], each[REPORT_ROUNDS_MAX];
	const double ours = report_sort(sorted, row->ours, row->rounds);
	const double peer = report_sort(sorted, row->peer, row->rounds);
	double ratio, least, most;
	int i;

	for (i = 0; i < row->rounds; i++)
		each[i] = row->ours[i] / row->peer[i];
	ratio = report_sort(sorted, each, row->rounds);
	least = sorted[0];
	most = sorted[row->rounds - 1];

	fprintf(table, "%-51s %-6s %9.2f %9.2f  %-27s %6.2f %6.2f to %5.2f", row->name, row->unit,
		ours, peer, row->peer_name, ratio, least, most);
	if (row->want > 0)
		fprintf(table, "  %s %.2f", ratio >= row->want ? "reaches" : "BELOW", row->want);
	fputc('\n', table);
	if (!json)
		return;
	fprintf(json, "{\"bench\": \"%s\", \"case\": \"%s\", \"unit\": \"%s\", \"ours\": %.4g, "
		"\"peer\": %.4g, \"peer_name\": \"%s\", \"ratio\": %.3f, \"min_ratio\": %.3f, "
		"\"max_ratio\": %.3f, \"rounds\": %d}\n",
		row->bench, row->name, row->unit, ours, peer, row->peer_name, ratio, least, most,
		row->rounds);
}
