/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Our ring as a subject: both halves of one virtqueue, polled.
 *
 * Theory
 * ------
 * The dance is that of the kernel's ringtest, so that the two can be compared: the
 * driver side adds one chain as long as there is room and takes one completion if
 * there is one, and waits when it could do neither; the device side takes chains as
 * long as there are any, completes each, and waits when there are none. Nobody is
 * ever notified, so both halves show what they staged without asking whether to.
 *
 * A chain is one readable descriptor; its completion has length 0. With a batch of
 * 1 each chain and each completion is shown at once, as ringtest does; with a batch
 * of 32 they are shown after so many, or before waiting.
 *
 * There are two forms: "add" stages a chain with its address, and its descriptor is
 * written each time; "post" stages a descriptor that was tied to its slot once.
 *
 * The device half translates addresses as a device must: one region, both ends
 * checked.
 */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "../ring/ring.h"
#include "load.h"

/**
 * struct ours - a subject: a kind of ring and a form of use
 * @subject: what the bench sees
 * @features: VIRTIO_F_RING_PACKED or not, VIRTIO_F_IN_ORDER or not
 * @post: in bind()/post() form
 */
struct ours {
	struct subject subject;
	u64 features;
	bool post;
};

/**
 * struct ours_drv - the driver side; private memory of it
 * @half: the ring's
 * @load: what an operation is
 * @post: in bind()/post() form
 * @added: chains ever added
 * @polled: completions ever taken
 */
struct ours_drv {
	struct ring_drv half;
	const struct load *load;
	bool post;
	u64 added;
	u64 polled;
} PAIR_APART;

/**
 * struct ours_dev - the device side; private memory of it
 * @half: the ring's
 * @load: what an operation is
 * @iov: segments of a chain
 * @served: chains ever popped
 */
struct ours_dev {
	struct ring_dev half;
	const struct load *load;
	struct ring_iov iov[1];
	u64 served;
} PAIR_APART;

/**
 * struct ours_ring - both sides
 * @drv: only the driver side looks at it
 * @dev: only the device side does
 * @drv_private: the driver half's shadow
 * @dev_private: likewise of the device half
 */
struct ours_ring {
	struct ours_drv drv;
	struct ours_dev dev;
	void *drv_private;
	void *dev_private;
};

/* Our kinds, by name; ended by NULL. */
extern const struct ours *const ours_all[];

/**
 * ours_open() - get a ring
 * @kind: of ring
 * @l: shaped; its window is used
 *
 * Return: the ring, or NULL with errno set.
 */
struct ours_ring *ours_open(const struct ours *kind, const struct load *l);

/**
 * ours_close() - give it back
 * @r: a ring, or NULL
 */
void ours_close(struct ours_ring *r);

/**
 * ours_drive() - the driver side of @ops operations
 * @ctx: the struct ours_ring
 * @ops: operations
 *
 * Return: 0 when all of them are completed, or a negative error.
 */
int ours_drive(void *ctx, u64 ops);

/**
 * ours_serve() - the device side of @ops operations
 * @ctx: the struct ours_ring
 * @ops: operations
 *
 * Return: 0 when all of them are shown, or a negative error.
 */
int ours_serve(void *ctx, u64 ops);

/**
 * ours_alternate() - both sides in turn, in one thread: for counting instructions
 * @r: the ring
 * @ops: operations; a multiple of the batch
 *
 * Return: 0 or a negative error.
 */
int ours_alternate(struct ours_ring *r, u64 ops);

#endif /* BENCH_OURS_H */
