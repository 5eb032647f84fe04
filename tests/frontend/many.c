// SPDX-License-Identifier: GPL-2.0
/*
 *	many DEVICES MILLISECONDS PREFIX PID
 *
 * Uses many disks of a daemon at once, and then none of them, and says how the daemon fares.
 *
 * Theory
 * ------
 * The disks are served at PREFIX0, PREFIX1 ... by the process PID. All are connected and have a queue. Busy: for
 * so long each always has DEPTH reads of 4 KiB in flight; who drives them goes round and takes what
 * each has completed. Idle: for as long nobody asks for anything.
 *
 * Prints one line of JSON: of the disks the least and the most requests that one completed, and their mean; of the
 * daemon its resident memory and the processor time that it took while it was idle, in percent of one
 * processor. Whether that is good is the caller's to say.
 */
#include "frontend.h"

#include "../../ring/blk_req.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DISKS	64u
#define DEPTH	8u
#define BYTES	4096u

struct request {
	struct virtio_blk_outhdr hdr;
	u8 status;
	u8 padding[47];
	u8 data[BYTES];
};

static struct disk {
	struct fe fe;
	struct request *request[DEPTH];
	u64 done;
} disks[DISKS];

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static bool submit(struct disk *d, struct request *r)
{
	const struct ring_seg seg[] = {
		{ fe_bus(&d->fe, &r->hdr), sizeof(r->hdr) },
		{ fe_bus(&d->fe, r->data), BYTES },
		{ fe_bus(&d->fe, &r->status), 1 },
	};
	const struct ring_buf buf = { .seg = seg, .out = 1, .in = 2 };

	r->hdr = (struct virtio_blk_outhdr) { .type = 0 };
	return ring_drv_add(&d->fe.queue[0].ring, &buf, r) >= 0;
}

static int begin(struct disk *d, const char *prefix, unsigned int n)
{
	char path[4096];
	unsigned int i;
	int r;

	snprintf(path, sizeof(path), "%s%u", prefix, n);
	r = fe_open(&d->fe, 1u << 20);
	if (!r)
		r = fe_connect(&d->fe, path, BIT_ULL(VIRTIO_RING_F_EVENT_IDX), MESSAGE_F_REPLY_ACK);
	if (!r)
		r = fe_queue_open(&d->fe, 0, 64);
	for (i = 0; i < DEPTH && !r; i++) {
		d->request[i] = fe_alloc(&d->fe, sizeof(*d->request[i]));
		r = d->request[i] ? 0 : -ENOMEM;
	}
	return r ? r : fe_resume(&d->fe);
}

/* What is complete is asked for again, while it is @busy. Return: how many are in flight. */
static int turn(struct disk *d, bool busy)
{
	struct ring_drv *ring = &d->fe.queue[0].ring;
	struct ring_done done;
	int r;

	while ((r = ring_drv_poll(ring, &done)) > 0) {
		d->done++;
		if (busy && !submit(d, done.cookie))
			return -EIO;
	}
	fe_kick(&d->fe.queue[0]);
	return r < 0 ? r : ring_drv_in_flight(ring);
}

/* Processor time that the process took until now, in clock ticks; and its resident KiB. */
static bool look(const char *pid, u64 *ticks, u64 *kib)
{
	unsigned long long user = 0, system = 0, pages = 0;
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	ok = f && fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
			 &system) == 2;
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%s/statm", pid);
	f = fopen(path, "r");
	ok = ok && f && fscanf(f, "%*u %llu", &pages) == 1;
	if (f)
		fclose(f);
	*ticks = user + system;
	*kib = pages * (u64)sysconf(_SC_PAGESIZE) / 1024;
	return ok;
}

static bool busy(unsigned int num, u64 ms)
{
	u64 end = now_ms() + ms;
	unsigned int i, n;
	int r;

	for (i = 0; i < num; i++) {
		for (n = 0; n < DEPTH; n++) {
			if (!submit(&disks[i], disks[i].request[n]))
				return false;
		}
	}
	while (now_ms() < end) {
		for (i = 0; i < num; i++) {
			if (turn(&disks[i], true) < 0)
				return false;
		}
	}
	/* All end. */
	for (i = 0, end = now_ms() + FE_SECONDS * 1000u; i < num; i++) {
		while ((r = turn(&disks[i], false)) > 0) {
			if (now_ms() > end)
				return false;
		}
		if (r)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	u64 ms, before, after, kib, least = UINT64_MAX, most = 0, sum = 0;
	unsigned int num, i;
	int r;

	if (argc != 5 || atoi(argv[1]) < 1 || atoi(argv[1]) > (int)DISKS) {
		fputs("usage: many DEVICES MILLISECONDS PREFIX PID\n", stderr);
		return 2;
	}
	num = (unsigned int)atoi(argv[1]);
	ms = (u64)atoi(argv[2]);
	for (i = 0; i < num; i++) {
		r = begin(&disks[i], argv[3], i);
		if (r) {
			fprintf(stderr, "disk %u: %s\n", i, strerror(-r));
			return 1;
		}
	}
	if (!busy(num, ms)) {
		fputs("a disk does not complete what it was asked\n", stderr);
		return 1;
	}
	usleep(200000);
	if (!look(argv[4], &before, &kib))
		return 1;
	usleep((useconds_t)ms * 1000);
	if (!look(argv[4], &after, &kib))
		return 1;
	for (i = 0; i < num; i++) {
		least = min_t(u64, least, disks[i].done);
		most = disks[i].done > most ? disks[i].done : most;
		sum += disks[i].done;
		fe_close(&disks[i].fe);
	}
	printf("{\"devices\":%u,\"least\":%llu,\"most\":%llu,\"mean\":%llu,\"resident_kib\":%llu,\"idle_percent\":%.2f}\n",
	       num, (unsigned long long)least, (unsigned long long)most,
	       (unsigned long long)(sum / num), (unsigned long long)kib,
	       (double)(after - before) * 100000.0 / (double)sysconf(_SC_CLK_TCK) / (double)ms);
	return 0;
}
