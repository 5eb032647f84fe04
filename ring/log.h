/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The in-flight log of a device half: what it has popped and not yet shown as used, so
 * that another process can go on where this one was killed.
 *
 * Theory
 * ------
 * The log lies in memory that outlives the process: the vhost-user front-end keeps its
 * file descriptor. Layout and order of writing are those of the vhost-user protocol
 * (docs/interop/vhost-user.rst, "Inflight I/O tracking"), so that QEMU and other
 * back-ends take it for what it is. A process that is killed has done a prefix of its
 * stores, in program order; so all that is needed between two of them is that the
 * compiler keeps their order.
 *
 * Of a split queue the log remembers heads; the chain is read from the table again. Of a
 * packed one it has a copy of each descriptor, since completions overwrite the ring.
 * Entries that are free are a list in the log.
 *
 * The front-end can write to it, and so can whoever took the front-end over. It is
 * shared memory like any other: of what the half writes while it runs, nothing is read
 * back. The links are known privately. When it is attached, all that ties entries together
 * is read once and checked: a log that cannot be is refused. What it says of descriptors
 * is as good as what a driver says: it is read, and validated, when the chain is popped
 * again.
 *
 * Chains in flight are popped again first, in their old order (counter), and then those
 * that are new. At least once, and exactly once if the back-end's own work can be
 * repeated: between the store that shows a completion and the one that takes it off the
 * log lies nothing but the log's own record of that batch.
 */
#ifndef RING_LOG_H
#define RING_LOG_H

#include "ring.h"

struct dev_desc;
struct ring_log_entry;

/**
 * struct ring_log - the in-flight log of one queue; private memory
 *
 * Opaque to callers but for embedding it.
 */
struct ring_log {
	/* private: */
	void __shared *mem;
	struct ring_log_entry *entry;
	u64 counter;		/* of the next chain */
	u32 place;		/* packed: position of the next completion to show */
	u16 resubmits;		/* chains to pop again, in entry[].list */
	u16 staged;		/* completions to show, in entry[].staged */
	u16 free_head;		/* packed: next free entry; the size when there is none */
	u16 chain_head;		/* packed: entry of the chain that is being popped */
};

/**
 * ring_log_bytes() - size of a queue's part of the log
 * @size: number of descriptors; ring_size_ok()
 * @features: negotiated feature bits
 *
 * Return: bytes, a multiple of 64; aligned to 8.
 */
size_t ring_log_bytes(u32 size, u64 features);

/**
 * ring_log_private_bytes() - private memory that a log needs
 * @size: number of descriptors; ring_size_ok()
 *
 * Return: bytes, for ring_dev_log()'s @priv.
 */
size_t ring_log_private_bytes(u32 size);

/**
 * ring_dev_log() - attach a log to a device half
 * @r: the half; freshly initialised
 * @log: private memory for the log; owned by the caller while the half is in use
 * @mem: ring_log_bytes() of memory; zeroed for a log that begins
 * @priv: ring_log_private_bytes() bytes aligned for u64, owned by the caller likewise
 *
 * A log that has begun says where to go on: the base that the half was given does not
 * count. Begin with ring_dev_arm() and ring_dev_pop(), since what asked for kicks may be
 * the dead process's; chains in flight come first. Call the driver once, whatever
 * ring_dev_flush() says: the dead process may have shown completions and not called.
 *
 * Return: number of chains in flight, or -EINVAL for a log that cannot be, or is not of
 * a queue of this size (the half must not be used).
 */
int ring_dev_log(struct ring_dev *r, struct ring_log *log, void __shared *mem, void *priv);

/* ---- for the device half only ------------------------------------------- */

/* Chains to pop again. */
static inline u16 ring_log_resubmits(const struct ring_log *log)
{
	return log->resubmits;
}

/* Pop one of them again; as ring_dev_pop(). */
int ring_log_pop(struct ring_dev *r, struct ring_chain *c);

/* Packed: a descriptor was fetched, the first of its chain or a later one. */
void ring_log_desc(struct ring_dev *r, const struct dev_desc *d, u16 id, bool first);

/* A new chain was popped and validated. */
void ring_log_popped(struct ring_dev *r, u16 id);

/* It was given back. Returns true when it must be popped again from the log. */
bool ring_log_unpopped(struct ring_dev *r, u16 id);

/* Its completion was staged. */
void ring_log_staged(struct ring_dev *r, u16 id);

/* Before and after the store that shows what was staged. */
void ring_log_before_show(struct ring_dev *r);
void ring_log_shown(struct ring_dev *r);

#endif /* RING_LOG_H */
