/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's tools/virtio/ringtest as peers: programs of their own.
 *
 * Theory
 * ------
 * ringtest is a model of ring layouts: two pinned threads, polling, no payload. Its
 * source is all one program per layout, compiled whole, with everything inlined. It
 * believes what the other side wrote and takes one descriptor per buffer. bench/peers.sh
 * builds it.
 *
 * It reports nothing, so what is timed is the program from its start to its end.
 * What it takes to start and end is the least time that it ever took for a single
 * operation, and is taken off.
 *
 * ringtest's waits spin without a pause, unless --relax is given. Ours pause. So
 * each layout that ours is held against is there twice, as people run it and
 * waiting as ours does.
 *
 * It is always two threads, makes every buffer visible at once (its batch is of
 * kicks, which polling has none of), and moves nothing.
 */
#ifndef BENCH_PEER_RINGTEST_H
#define BENCH_PEER_RINGTEST_H

#include "load.h"

/**
 * struct peer_ringtest - a layout
 * @subject: what the bench sees; its name is the program's, perhaps with an option
 * @program: its file name
 * @relax: run it with --relax
 */
struct peer_ringtest {
	struct subject subject;
	const char *program;
	bool relax;
};

extern const struct peer_ringtest peer_virtio_ring_0_9, peer_virtio_ring_0_9_relax;
extern const struct peer_ringtest peer_virtio_ring_inorder, peer_virtio_ring_inorder_relax;
extern const struct peer_ringtest peer_ring, peer_ring_relax;
extern const struct peer_ringtest peer_ptr_ring;

/**
 * peer_ringtest_open() - say where the programs are
 * @dir: directory; must stay
 *
 * Return: 0, or -ENOENT when they are not there.
 */
int peer_ringtest_open(const char *dir);

#endif /* BENCH_PEER_RINGTEST_H */
