// SPDX-License-Identifier: GPL-2.0
/*
 * Shared pages by opening private ones: for confidential guests.
 *
 * Pages come from the allocator, 2 MiB at a time where there are as many in one
 * piece (alloc_pages_exact() aligns them to that), so that the kernel's and the
 * host's large mappings of the rest stay whole. They are cleared before
 * they are opened, so that nothing old is in them; again after, because the
 * change of key or state leaves anything in them; and once more when they are
 * private again, because what is in them then is the host's.
 *
 * A change that failed leaves pages of which nobody knows who can read them: they
 * are never given back.
 *
 * In an ordinary guest opening a page does nothing, since all of them are open.
 */
#include <linux/cc_platform.h>
#include <linux/dma-direct.h>
#include <linux/gfp.h>
#include <linux/set_memory.h>

#include "core.h"
#include "fault.h"

static int region_decrypt_usable(struct core_device *core)
{
	struct device *dev = &core->pub.pdev->dev;

	if (airlock_region_translated(core)) {
		dev_err(dev, "refused: an IOMMU translates its addresses; load airlock with provider=dma\n");
		return -ENODEV;
	}
	if (!cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		dev_warn(dev, "this guest's memory is not encrypted: the host can read all of it\n");
	return 0;
}

static int region_decrypt_share(struct core_device *core, struct region_chunk *chunk)
{
	struct device *dev = &core->pub.pdev->dev;
	void *pages;
	int err;

	pages = fault_ptr(alloc_pages_exact(chunk->bytes, GFP_KERNEL | __GFP_ZERO |
					    __GFP_NOWARN | __GFP_RETRY_MAYFAIL));
	if (!pages)
		return -ENOMEM;

	err = fault_int(set_memory_decrypted((unsigned long)pages,
					     chunk->bytes >> PAGE_SHIFT));
	chunk->cpu = shared_mark(pages);
	chunk->phys = virt_to_phys(pages);
	chunk->bus = phys_to_dma_unencrypted(dev, chunk->phys);
	if (err) {
		dev_err(dev, "%zu KiB could not be shared (%d)\n", chunk->bytes >> 10, err);
		chunk->settled = true;
		return -EIO;
	}
	shared_zero(chunk->cpu, chunk->bytes);
	return 0;
}

/*
 * Nobody is in the pages meanwhile, which airlock_device_shutdown() sees to: platforms fault
 * accesses to a page whose state is changing (SNP, TDX).
 */
static int region_decrypt_retire(struct region_chunk *chunk)
{
	void *pages = shared_unmark(chunk->cpu);
	int err;

	err = fault_int(set_memory_encrypted((unsigned long)pages,
					     chunk->bytes >> PAGE_SHIFT));
	if (!err)
		memset(pages, 0, chunk->bytes);
	return err;
}

static int region_decrypt_unshare(struct core_device *core, struct region_chunk *chunk)
{
	int err = region_decrypt_retire(chunk);

	if (!err)
		free_pages_exact(shared_unmark(chunk->cpu), chunk->bytes);
	return err;
}

const struct region_ops airlock_region_decrypt = {
	.name = AIRLOCK_PROVIDER_DECRYPT,
	.chunk_max = AIRLOCK_SPAN_MAX,
	.usable = region_decrypt_usable,
	.share = region_decrypt_share,
	.unshare = region_decrypt_unshare,
	.retire = region_decrypt_retire,
};
