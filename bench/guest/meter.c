// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest did within some seconds, by its kernel's own counters.
 *
 *	meter SECONDS COUNTER DISK NIC
 *
 * Theory
 * ------
 * Whatever makes the load runs beside this and is measured in its middle: neither how long it
 * takes to start nor what it says of itself counts. Waits until COUNTER, one of those below,
 * moves, and a little longer; then reads everything twice, SECONDS apart, and prints the
 * differences, "name value" a line:
 *
 *	seconds			between the two
 *	busy			seconds in which the processors were not idle
 *	read, written		bytes of DISK
 *	rx, tx			packets of NIC
 *	rx_bytes, tx_bytes	their bytes
 *	interrupts		of devices: all numbered lines of /proc/interrupts, but those that
 *				every machine has
 *	doorbells		what the kernel's probes (kprobe_profile) counted; 0 without any
 *
 * The counters are those that any driver of a disk or a card has, so that no driver is asked
 * how well it does.
 *
 * Exit: 0; 1 when the counter does not move or something cannot be read; 2 usage.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOVES_WITHIN	60.0	/* seconds: a generator of load starts slowly here */
#define SETTLES_IN	0.3
#define SECTOR_BYTES	512.0

enum meter_counter {
	BUSY, READ, WRITTEN, RX, TX, RX_BYTES, TX_BYTES, INTERRUPTS, DOORBELLS, COUNTERS
};

static const char *const meter_names[COUNTERS] = {
	"busy", "read", "written", "rx", "tx", "rx_bytes", "tx_bytes", "interrupts", "doorbells"
};

/* Interrupts that no disk and no card raises. */
static const char *const meter_others[] = {
	"timer", "ttyS", "rtc", "acpi", "i8042", "aerdrv", "PCIe"
};

struct meter_snapshot {
	double time;
	double idle;
	double count[COUNTERS];
};

static void __attribute__((format(printf, 2, 3), noreturn))
meter_die(int status, const char *fmt, ...)
{
	va_list args;

	fputs("meter: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

static double meter_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static FILE *meter_open(const char *fmt, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), fmt, name);
	f = fopen(path, "re");
	if (!f)
		meter_die(1, "%s: %s", path, strerror(errno));
	return f;
}

static double meter_idle(void)
{
	FILE *f = meter_open("/proc/stat", "");
	double idle, iowait;

	if (fscanf(f, "cpu %*f %*f %*f %lf %lf", &idle, &iowait) != 2)
		meter_die(1, "/proc/stat is not as expected");
	fclose(f);
	return (idle + iowait) / (double)sysconf(_SC_CLK_TCK);
}

static void meter_disk(const char *disk, double *count)
{
	FILE *f = meter_open("/sys/block/%s/stat", disk);

	if (fscanf(f, "%*f %*f %lf %*f %*f %*f %lf", &count[READ], &count[WRITTEN]) != 2)
		meter_die(1, "%s has no statistics", disk);
	fclose(f);
	count[READ] *= SECTOR_BYTES;
	count[WRITTEN] *= SECTOR_BYTES;
}

static double meter_nic(const char *nic, const char *what)
{
	char fmt[64];
	double value;
	FILE *f;

	snprintf(fmt, sizeof(fmt), "/sys/class/net/%%s/statistics/%s", what);
	f = meter_open(fmt, nic);
	if (fscanf(f, "%lf", &value) != 1)
		meter_die(1, "%s has no %s", nic, what);
	fclose(f);
	return value;
}

static int meter_is_other(const char *line)
{
	size_t i;

	for (i = 0; i < sizeof(meter_others) / sizeof(*meter_others); i++)
		if (strstr(line, meter_others[i]))
			return 1;
	return 0;
}

/* A numbered line: "24:  COUNT COUNT...  CHIP  EDGE  NAMES", a count for each processor. */
static double meter_interrupts(void)
{
	FILE *f = meter_open("/proc/interrupts", "");
	char line[1024], *at, *end;
	double sum = 0;

	while (fgets(line, sizeof(line), f)) {
		strtoul(line, &end, 10);
		if (*end != ':' || end == line || meter_is_other(line))
			continue;
		for (at = end + 1;; at = end) {
			const double value = strtod(at, &end);

			if (end == at || !isspace((unsigned char)*end))
				break;
			sum += value;
		}
	}
	fclose(f);
	return sum;
}

static double meter_doorbells(void)
{
	FILE *f = fopen("/sys/kernel/debug/tracing/kprobe_profile", "re");
	double sum = 0, hits;

	if (!f)
		return 0;
	while (fscanf(f, "%*s %lf %*f", &hits) == 1)
		sum += hits;
	fclose(f);
	return sum;
}

static void meter_read(struct meter_snapshot *s, const char *disk, const char *nic)
{
	memset(s, 0, sizeof(*s));
	s->time = meter_now();
	s->idle = meter_idle();
	meter_disk(disk, s->count);
	s->count[RX] = meter_nic(nic, "rx_packets");
	s->count[TX] = meter_nic(nic, "tx_packets");
	s->count[RX_BYTES] = meter_nic(nic, "rx_bytes");
	s->count[TX_BYTES] = meter_nic(nic, "tx_bytes");
	s->count[INTERRUPTS] = meter_interrupts();
	s->count[DOORBELLS] = meter_doorbells();
}

static void meter_sleep(double seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds };

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* A handful of packets is not the load yet: a connection that opens, a partition table. */
static void meter_wait(enum meter_counter which, const char *disk, const char *nic)
{
	const double enough = which == RX || which == TX ? 16 : 65536;
	struct meter_snapshot first, now;

	meter_read(&first, disk, nic);
	do {
		meter_sleep(0.02);
		meter_read(&now, disk, nic);
		if (now.time > first.time + MOVES_WITHIN)
			meter_die(1, "%s does not move", meter_names[which]);
	} while (now.count[which] - first.count[which] < enough);
	meter_sleep(SETTLES_IN);
}

int main(int argc, char **argv)
{
	struct meter_snapshot from, to;
	double seconds;
	int i;

	if (argc != 5)
		meter_die(2, "usage: meter SECONDS COUNTER DISK NIC");
	seconds = atof(argv[1]);
	for (i = 0; i < COUNTERS && strcmp(argv[2], meter_names[i]); i++)
		;
	if (i == COUNTERS || seconds <= 0)
		meter_die(2, "no counter %s, or no seconds", argv[2]);
	meter_wait((enum meter_counter)i, argv[3], argv[4]);
	meter_read(&from, argv[3], argv[4]);
	meter_sleep(seconds);
	meter_read(&to, argv[3], argv[4]);

	seconds = to.time - from.time;
	to.count[BUSY] = seconds * (double)sysconf(_SC_NPROCESSORS_ONLN) - (to.idle - from.idle);
	printf("seconds %.6f\n", seconds);
	for (i = 0; i < COUNTERS; i++)
		printf("%s %.12g\n", meter_names[i], to.count[i] - from.count[i]);
	return 0;
}
