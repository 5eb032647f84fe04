// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver tells of itself, below debugfs: AIRLOCK_AUDIT_FILE, the list of
 * all shared memory (see uapi/airlock.h), and "airlock/queues", statistics for
 * people.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>

#include "core.h"

static struct dentry *audit_dir;

/* ---- regions ------------------------------------------------------------ */

/**
 * struct audit_walk - one reading of the file
 * @seq: where the lines go
 * @total: bytes listed so far
 */
struct audit_walk {
	struct seq_file *seq;
	u64 total;
};

static phys_addr_t audit_phys(const struct region *region,
			      const struct region_chunk *chunk, size_t off)
{
	return region->ops->phys_at ? region->ops->phys_at(chunk, off) :
				      chunk->phys + off;
}

/* A line for each run of pages that is contiguous in guest-physical memory. */
static void audit_piece(struct audit_walk *walk, const struct region *region,
			const struct region_chunk *chunk, const char *purpose,
			size_t off, size_t bytes)
{
	size_t end = off + bytes;
	phys_addr_t phys;
	size_t run;

	for (; off < end; off += run) {
		phys = audit_phys(region, chunk, off);
		run = PAGE_SIZE;
		while (off + run < end && audit_phys(region, chunk, off + run) == phys + run)
			run += PAGE_SIZE;
		seq_printf(walk->seq, "%s %s 0x%llx %zu %s\n", region->device, purpose,
			   (u64)phys, run, region->ops->name);
	}
	walk->total += bytes;
}

static void audit_region(const struct region *region, void *ctx)
{
	struct audit_walk *walk = ctx;
	const struct region_chunk *chunk;
	const struct region_span *span;

	list_for_each_entry(span, &region->spans, node)
		audit_piece(walk, region, span->chunk, span->purpose, span->off, span->bytes);

	list_for_each_entry(chunk, &region->chunks, node) {
		if (chunk->leaked)
			audit_piece(walk, region, chunk, AIRLOCK_AUDIT_LEAKED, 0,
				    chunk->bytes);
		else if (chunk->used < chunk->bytes)
			audit_piece(walk, region, chunk, AIRLOCK_AUDIT_SPARE, chunk->used,
				    chunk->bytes - chunk->used);
	}
}

static int audit_regions_show(struct seq_file *seq, void *unused)
{
	struct audit_walk walk = { .seq = seq };

	airlock_region_each(audit_region, &walk);
	seq_printf(seq, "%s - - %llu -\n", AIRLOCK_AUDIT_TOTAL, walk.total);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(audit_regions);

/* ---- queues ------------------------------------------------------------- */

static void audit_device(struct core_device *core, void *ctx)
{
	struct seq_file *seq = ctx;
	unsigned int i;

	for (i = 0; i < core->num_queues; i++) {
		struct core_queue *cq = core->queues[i];

		if (!cq)
			continue;
		seq_printf(seq, "%s %s size=%u ring=%s kicks=%lu calls=%lu fault=\"%s\"\n",
			   pci_name(core->pub.pdev), cq->pub.name, cq->pub.size,
			   core->pub.features & BIT_ULL(VIRTIO_F_RING_PACKED) ?
			   "packed" : "split",
			   READ_ONCE(cq->kicks), READ_ONCE(cq->calls),
			   ring_fault_name(ring_drv_fault(&cq->pub.ring)));
	}
	seq_printf(seq, "%s - failed=%u recovered=%u\n", pci_name(core->pub.pdev), core->faults,
		   core->recoveries);
}

static int audit_queues_show(struct seq_file *seq, void *unused)
{
	airlock_device_each(audit_device, seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(audit_queues);

/**
 * airlock_audit_init() - create the files
 *
 * Nothing depends on them: without debugfs there are none.
 */
void airlock_audit_init(void)
{
	audit_dir = debugfs_create_dir("airlock", NULL);
	debugfs_create_file("regions", 0400, audit_dir, NULL, &audit_regions_fops);
	debugfs_create_file("queues", 0400, audit_dir, NULL, &audit_queues_fops);
}

/**
 * airlock_audit_exit() - remove the files; waits for those who read them
 */
void airlock_audit_exit(void)
{
	debugfs_remove(audit_dir);
}
