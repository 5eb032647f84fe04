// SPDX-License-Identifier: GPL-2.0
/*
 * Shared pages from the DMA layer: where an IOMMU translates, where there is a
 * restricted pool, or where the kernel gives modules no other way.
 *
 * The DMA layer then does what has to be done to share pages and to take them
 * back, and says nothing when it fails. Behind an IOMMU a chunk may consist of
 * pages from anywhere, so the audit asks for the address of each.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/mm.h>

#include "core.h"
#include "fault.h"

static int region_dma_usable(struct core_device *core)
{
	struct device *dev = &core->pub.pdev->dev;

	/* Then the DMA layer's addresses are not the ones the device will use. */
	if (device_iommu_mapped(dev) &&
	    !(core->pub.features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))) {
		dev_err(dev, "refused: it goes round the IOMMU; give the device iommu_platform=on\n");
		return -ENODEV;
	}
	return 0;
}

static int region_dma_share(struct core_device *core, struct region_chunk *chunk)
{
	dma_addr_t bus;
	void *pages;

	pages = fault_ptr(dma_alloc_coherent(&core->pub.pdev->dev, chunk->bytes, &bus,
					     GFP_KERNEL | __GFP_NOWARN));
	if (!pages)
		return -ENOMEM;
	chunk->cpu = shared_mark(pages);
	chunk->bus = bus;
	return 0;
}

static int region_dma_unshare(struct core_device *core, struct region_chunk *chunk)
{
	shared_zero(chunk->cpu, chunk->bytes);
	dma_free_coherent(&core->pub.pdev->dev, chunk->bytes,
			  shared_unmark(chunk->cpu), chunk->bus);
	return 0;
}

static phys_addr_t region_dma_phys_at(const struct region_chunk *chunk, size_t off)
{
	void *p = shared_unmark(chunk->cpu) + off;

	if (is_vmalloc_addr(p))
		return page_to_phys(vmalloc_to_page(p)) + offset_in_page(p);
	return virt_to_phys(p);
}

const struct region_ops airlock_region_dma = {
	.name = AIRLOCK_PROVIDER_DMA,
	.chunk_max = AIRLOCK_SPAN_MAX,
	.usable = region_dma_usable,
	.share = region_dma_share,
	.unshare = region_dma_unshare,
	.phys_at = region_dma_phys_at,
};
