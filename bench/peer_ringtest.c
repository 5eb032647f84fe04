// SPDX-License-Identifier: GPL-2.0
/*
 * Running a program of ringtest, and taking its time.
 */
#include "peer_ringtest.h"

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RINGTEST_STARTS		5
/* It counts operations with an int. */
#define RINGTEST_OPS_MAX	2000000000ull

static const char *ringtest_dir;

static int ringtest_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status ? -EPIPE : 0;
}

/* Run it once, and take the time of all of it. */
static int ringtest_time(const struct peer_ringtest *r, const struct pair *pair, u64 ops,
			 double *seconds)
{
	char path[PATH_MAX], count[24], guest[16], host[16];
	char *argv[] = {
		path, "--run-cycles", count, "--guest-affinity", guest, "--host-affinity", host,
		r->relax ? "--relax" : NULL, NULL,
	};
	u64 begin;
	pid_t pid;
	int ret;

	if (snprintf(path, sizeof(path), "%s/%s", ringtest_dir, r->program) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	snprintf(count, sizeof(count), "%llu", (unsigned long long)ops);
	snprintf(guest, sizeof(guest), "%d", pair->cpu[PAIR_DRIVER]);
	snprintf(host, sizeof(host), "%d", pair->cpu[PAIR_DEVICE]);

	begin = pair_now();
	ret = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (ret)
		return -ret;
	ret = ringtest_wait(pid);
	*seconds = (double)(pair_now() - begin) / 1e9;
	return ret;
}

/* All of these programs start alike. */
static int ringtest_start(const struct peer_ringtest *r, const struct pair *pair, double *least)
{
	static double known;
	double seconds;
	int i, ret;

	for (i = 0; !known || i < RINGTEST_STARTS; i++) {
		ret = ringtest_time(r, pair, 1, &seconds);
		if (ret)
			return ret;
		if (!known || seconds < known)
			known = seconds;
	}
	*least = known;
	return 0;
}

static int ringtest_run(const struct subject *s, struct load *l, u64 warm, u64 ops,
			double *seconds)
{
	const struct peer_ringtest *r = container_of(s, struct peer_ringtest, subject);
	double start = 0;
	int ret;

	(void)warm;
	/* It moves nothing that could be verified. */
	if (l->verify)
		return 0;
	ops = min_t(u64, ops, RINGTEST_OPS_MAX);
	ret = ringtest_start(r, l->pair, &start);
	if (!ret)
		ret = ringtest_time(r, l->pair, ops, seconds);
	/* Fewer operations than can be told from the start; more will be asked for. */
	*seconds = *seconds > 2 * start ? *seconds - start : start;
	return ret;
}

int peer_ringtest_open(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, peer_virtio_ring_0_9.program);
	if (access(path, X_OK))
		return -errno;
	ringtest_dir = dir;
	return 0;
}

#define RINGTEST(var, file, option) \
	const struct peer_ringtest var = { \
		.subject = { .name = file option, .run = ringtest_run }, \
		.program = file, \
		.relax = sizeof(option) > 1, \
	}

RINGTEST(peer_virtio_ring_0_9, "virtio_ring_0_9", "");
RINGTEST(peer_virtio_ring_0_9_relax, "virtio_ring_0_9", " --relax");
RINGTEST(peer_virtio_ring_inorder, "virtio_ring_inorder", "");
RINGTEST(peer_virtio_ring_inorder_relax, "virtio_ring_inorder", " --relax");
RINGTEST(peer_ring, "ring", "");
RINGTEST(peer_ring_relax, "ring", " --relax");
RINGTEST(peer_ptr_ring, "ptr_ring", "");
