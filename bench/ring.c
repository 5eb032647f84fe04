// SPDX-License-Identifier: GPL-2.0
/*
 * bench/ring: the two halves of a virtqueue against each other, beside their peers.
 *
 * Theory
 * ------
 * A round runs the lanes of each case (cases.h), ours and its peers, one right after
 * the other, and all cases in turn; ratios are of one round. Before the rounds, each
 * lane is verified, where it moves anything, and is given as many operations as take
 * about the time that a run shall take: the rates of the lanes are far apart.
 *
 * What the peers leave out, and how to be wrong with this bench: bench/README.md.
 *
 * Nothing here fails for being slow.
 */
#include "cases.h"
#include "ours.h"
#include "peer_ringtest.h"
#include "peer_rte.h"

#include <getopt.h>
#include <stdlib.h>

#define RING_ROUNDS	5
/* What a run shall take, in seconds. */
#define RING_RUN	0.040
#define RING_RUN_QUICK	0.010
/* Operations that calibrating begins with. */
#define RING_OPS_FIRST	1024u

/* What the command line says. */
struct ring_options {
	const char *json;
	const char *alternate;	/* kind of ring to count instructions of */
	u32 batch;
	u64 ops;
	int rounds;
	struct cases_wanted cases;
};

static struct cases ring_cases;

/* ---- runs -------------------------------------------------------------- */

static int ring_failed(const struct bench_case *c, const struct lane *lane, int error)
{
	fprintf(stderr, "ring: %s: %s: %s\n", c->name, lane->subject->name,
		error == -EBADMSG ? "what arrives is not what was sent" : strerror(-error));
	return error;
}

static int ring_verify(const struct bench_case *c, const struct lane *lane, struct load *l)
{
	const u64 ops = 2 * l->slot.num + 7;
	double seconds = 0;
	int ret;

	l->verify = true;
	ret = lane->subject->run(lane->subject, l, 0, ops, &seconds);
	l->verify = false;
	return ret ? ring_failed(c, lane, ret) : 0;
}

/* Touches all memory and all descriptors before what counts, whatever the rate. */
static u64 ring_warm(const struct load *l, u64 ops)
{
	const u64 least = 2 * (u64)(l->slot.num > l->buffers ? l->slot.num : l->buffers);

	return ops / 4 > least ? ops / 4 : least;
}

static int ring_run(const struct bench_case *c, const struct lane *lane, struct load *l,
		    u64 ops, double *seconds)
{
	int ret;

	ret = lane->subject->run(lane->subject, l, ring_warm(l, ops), ops, seconds);
	return ret ? ring_failed(c, lane, ret) : 0;
}

static int ring_calibrate(const struct bench_case *c, struct lane *lane, struct load *l)
{
	double seconds = 0;
	int ret;

	for (lane->ops = RING_OPS_FIRST; ; lane->ops *= 4) {
		ret = ring_run(c, lane, l, lane->ops, &seconds);
		if (ret)
			return ret;
		if (seconds > lane->run / 8)
			break;
	}
	lane->ops = (u64)((double)lane->ops * lane->run / seconds) + 1;
	return 0;
}

static int ring_prepare(struct bench_case *c, struct load *l)
{
	int i, ret = 0;

	load_shape(l, c->payload, c->batch, c->processes);
	for (i = 0; !ret && i < c->lanes; i++) {
		ret = ring_verify(c, &c->lane[i], l);
		if (!ret)
			ret = ring_calibrate(c, &c->lane[i], l);
	}
	return ret;
}

static int ring_measure(struct bench_case *c, struct load *l, int round)
{
	double seconds = 0;
	int i, ret;

	load_shape(l, c->payload, c->batch, c->processes);
	for (i = 0; i < c->lanes; i++) {
		struct lane *lane = &c->lane[i];

		ret = ring_run(c, lane, l, lane->ops, &seconds);
		if (ret)
			return ret;
		/* Millions of operations, or of bytes. */
		lane->rate[round] = (double)lane->ops * (c->payload ? c->payload : 1) /
				    seconds / 1e6;
	}
	return 0;
}

static int ring_rounds(const struct ring_options *o, struct load *l)
{
	int i, round, ret = 0;

	fprintf(stderr, "verifying and calibrating %d cases\n", ring_cases.num);
	for (i = 0; !ret && i < ring_cases.num; i++)
		ret = ring_prepare(&ring_cases.each[i], l);
	for (round = 0; !ret && round < o->rounds; round++) {
		fprintf(stderr, "round %d of %d\n", round + 1, o->rounds);
		for (i = 0; !ret && i < ring_cases.num; i++)
			ret = ring_measure(&ring_cases.each[i], l, round);
	}
	return ret;
}

static void ring_report(const struct ring_options *o, FILE *json)
{
	int i, j;

	report_head(stdout);
	for (i = 0; i < ring_cases.num; i++) {
		const struct bench_case *c = &ring_cases.each[i];

		for (j = 1; j < c->lanes; j++) {
			const struct report_row row = {
				.bench = "ring",
				.name = c->name,
				.unit = c->payload ? "MB/s" : "Mops/s",
				.peer_name = c->lane[j].subject->name,
				.ours = c->lane[0].rate,
				.peer = c->lane[j].rate,
				.rounds = o->rounds,
				.want = c->lane[j].want,
			};

			report_row(&row, stdout, json);
		}
	}
}

/* ---- instructions ------------------------------------------------------ */

static const struct ours *ring_kind(const char *name)
{
	const struct ours *const *kind;

	for (kind = ours_all; *kind; kind++) {
		if (!strcmp((*kind)->subject.name, name))
			break;
	}
	return *kind;
}

static int ring_alternate(const struct ring_options *o, struct load *l)
{
	const struct ours *kind = ring_kind(o->alternate);
	struct ours_ring *r;
	int ret;

	if (!kind) {
		fprintf(stderr, "ring: no kind '%s': --kinds lists them\n", o->alternate);
		return -EINVAL;
	}
	load_shape(l, 0, o->batch, false);
	if (!o->batch || o->batch > l->slot.num || o->ops % o->batch) {
		fprintf(stderr, "ring: operations must be a multiple of the batch, at most %u\n",
			l->slot.num);
		return -EINVAL;
	}
	r = ours_open(kind, l);
	ret = r ? ours_alternate(r, o->ops) : -errno;
	if (ret)
		fprintf(stderr, "ring: %s: %s\n", o->alternate, strerror(-ret));
	ours_close(r);
	return ret;
}

/* ---- processors -------------------------------------------------------- */

/* The first two that this process may use; the only one twice if need be. */
static int ring_choose_cpus(int cpu[PAIR_SIDES])
{
	cpu_set_t set;
	int i, found = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (i = 0; i < CPU_SETSIZE && found < PAIR_SIDES; i++) {
		if (CPU_ISSET(i, &set))
			cpu[found++] = i;
	}
	if (found == 1)
		cpu[PAIR_DEVICE] = cpu[PAIR_DRIVER];
	return 0;
}

/* Which processors are the core of @cpu, as the kernel lists them. */
static void ring_core(int cpu, char *text, size_t room)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 cpu);
	f = fopen(path, "re");
	if (!f || !fgets(text, (int)room, f))
		snprintf(text, room, "unknown");
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
}

static void ring_say_where(const struct ring_options *o)
{
	char drv[64], dev[64];
	double busy = 0;

	ring_core(o->cases.cpu[PAIR_DRIVER], drv, sizeof(drv));
	ring_core(o->cases.cpu[PAIR_DEVICE], dev, sizeof(dev));
	getloadavg(&busy, 1);
	fprintf(stderr, "driver side on processor %d (core of %s), device side on %d (core of %s)\n",
		o->cases.cpu[PAIR_DRIVER], drv, o->cases.cpu[PAIR_DEVICE], dev);
	if (o->cases.cpu[PAIR_DRIVER] == o->cases.cpu[PAIR_DEVICE])
		fprintf(stderr, "both share one processor: the figures say nothing\n");
	if (busy > 0.5)
		fprintf(stderr, "the machine is busy (load %.1f): the figures say little\n", busy);
	if (!o->cases.ringtest)
		fprintf(stderr, "without ringtest, which is not to be had\n");
	if (!&peer_rte)
		fprintf(stderr, "without rte_ring, which is not to be had\n");
}

/* ---- command line ------------------------------------------------------ */

static const char ring_help[] =
"Usage: ring [OPTION]...\n"
"Measure our ring and its peers; a table on standard output.\n"
"  --case GLOB        only the cases whose names match\n"
"  --cpus A,B         processors of the driver and of the device side\n"
"  --json FILE        write one JSON object a line as well\n"
"  --list             print the names of the cases and end\n"
"  --quick            shorter runs, threads only\n"
"  --ringtest DIR     where the programs of ringtest are; empty: there are none\n"
"  --rounds N         rounds (default: 5)\n"
"For bench/instructions.sh:\n"
"  --alternate KIND   run both sides in turn in one thread, with nothing to copy\n"
"  --batch N --ops N  of how many operations\n"
"  --compiler         print the compiler's version and end\n"
"  --kinds            print the names of the kinds and end\n";

enum {
	OPT_CASE = 256, OPT_CPUS, OPT_JSON, OPT_LIST, OPT_QUICK, OPT_RINGTEST, OPT_ROUNDS,
	OPT_ALTERNATE, OPT_BATCH, OPT_OPS, OPT_COMPILER, OPT_KINDS, OPT_HELP,
};

static const struct option ring_longopts[] = {
	{ "case", required_argument, NULL, OPT_CASE },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "ringtest", required_argument, NULL, OPT_RINGTEST },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "alternate", required_argument, NULL, OPT_ALTERNATE },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "ops", required_argument, NULL, OPT_OPS },
	{ "compiler", no_argument, NULL, OPT_COMPILER },
	{ "kinds", no_argument, NULL, OPT_KINDS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static void ring_list(int what)
{
	const struct ours *const *kind;
	int i;

	switch (what) {
	case OPT_LIST:
		for (i = 0; i < ring_cases.num; i++)
			puts(ring_cases.each[i].name);
		break;
	case OPT_KINDS:
		for (kind = ours_all; *kind; kind++)
			puts((*kind)->subject.name);
		break;
	case OPT_COMPILER:
		printf("%d.%d.%d\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
		break;
	case OPT_HELP:
		fputs(ring_help, stdout);
		break;
	}
}

/* A whole number from 1 to @most; 0 when it is none. */
static u64 ring_number(const char *text, u64 most)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n > most)
		return 0;
	return n;
}

static bool ring_parse_cpus(const char *text, int cpu[PAIR_SIDES])
{
	int end = 0;

	return sscanf(text, "%d,%d%n", &cpu[PAIR_DRIVER], &cpu[PAIR_DEVICE], &end) == 2 &&
	       !text[end] && cpu[PAIR_DRIVER] >= 0 && cpu[PAIR_DRIVER] < CPU_SETSIZE &&
	       cpu[PAIR_DEVICE] >= 0 && cpu[PAIR_DEVICE] < CPU_SETSIZE;
}

/* One option; false when its value cannot be. */
static bool ring_option(struct ring_options *o, int opt, const char *value)
{
	switch (opt) {
	case OPT_CASE:
		o->cases.pattern = value;
		return true;
	case OPT_CPUS:
		return ring_parse_cpus(value, o->cases.cpu);
	case OPT_JSON:
		o->json = value;
		return true;
	case OPT_QUICK:
		o->cases.quick = true;
		o->cases.run = RING_RUN_QUICK;
		return true;
	case OPT_RINGTEST:
		o->cases.ringtest = *value;
		return !*value || !peer_ringtest_open(value);
	case OPT_ROUNDS:
		o->rounds = (int)ring_number(value, REPORT_ROUNDS_MAX);
		return o->rounds;
	case OPT_ALTERNATE:
		o->alternate = value;
		return true;
	case OPT_BATCH:
		o->batch = (u32)ring_number(value, LOAD_SLOTS);
		return o->batch;
	case OPT_OPS:
		o->ops = ring_number(value, UINT32_MAX);
		return o->ops;
	}
	return false;
}

/* 0, a list to print, or -EINVAL. */
static int ring_parse(struct ring_options *o, int argc, char **argv)
{
	int opt, index = 0, list = 0;

	while ((opt = getopt_long(argc, argv, "", ring_longopts, &index)) != -1) {
		switch (opt) {
		case OPT_LIST:
		case OPT_KINDS:
		case OPT_COMPILER:
		case OPT_HELP:
			list = opt;
			break;
		case '?':
			return -EINVAL;
		default:
			if (ring_option(o, opt, optarg))
				break;
			fprintf(stderr, "ring: --%s '%s' cannot be\n", ring_longopts[index].name,
				optarg);
			return -EINVAL;
		}
	}
	return optind == argc ? list : -EINVAL;
}

static int ring_bench(const struct ring_options *o, struct load *l)
{
	FILE *json = NULL;
	int ret;

	if (!ring_cases.num) {
		fprintf(stderr, "ring: no case matches: --list lists them\n");
		return -EINVAL;
	}
	if (o->json) {
		json = fopen(o->json, "we");
		if (!json) {
			fprintf(stderr, "ring: %s: %s\n", o->json, strerror(errno));
			return -EIO;
		}
	}
	ring_say_where(o);
	ret = ring_rounds(o, l);
	if (!ret)
		ring_report(o, json);
	if (json && fclose(json) && !ret) {
		fprintf(stderr, "ring: %s: %s\n", o->json, strerror(errno));
		ret = -EIO;
	}
	return ret;
}

static int ring_main(const struct ring_options *o)
{
	struct pair pair;
	struct load load;
	int ret;

	ret = pair_open(&pair, o->cases.cpu);
	if (!ret) {
		ret = load_open(&load, &pair);
		if (ret)
			pair_close(&pair);
	}
	if (ret) {
		fprintf(stderr, "ring: no memory: %s\n", strerror(-ret));
		return ret;
	}
	ret = o->alternate ? ring_alternate(o, &load) : ring_bench(o, &load);
	load_close(&load);
	pair_close(&pair);
	return ret;
}

int main(int argc, char **argv)
{
	struct ring_options o = {
		.rounds = RING_ROUNDS, .batch = 1, .ops = 256, .cases.run = RING_RUN,
	};
	int list;

	if (ring_choose_cpus(o.cases.cpu)) {
		fprintf(stderr, "ring: processors: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	list = ring_parse(&o, argc, argv);
	if (list < 0) {
		fprintf(stderr, "ring: see --help\n");
		return 2;
	}
	cases_make(&ring_cases, &o.cases);
	if (list) {
		ring_list(list);
		return EXIT_SUCCESS;
	}
	return ring_main(&o) ? EXIT_FAILURE : EXIT_SUCCESS;
}
