// SPDX-License-Identifier: GPL-2.0
/*
 * A device's shared memory: its budget, what of it is handed out, its end.
 *
 * Theory
 * ------
 * A region is reserved once, at probe, as a budget. It consists of chunks, each of
 * them contiguous, that a provider shared with the host; spans are cut from the
 * chunks in order and live as long as the region. So sharing, which is slow and
 * shatters the kernel's own mappings, happens at probe and never afterwards.
 *
 * The budget is a promise: no more than that is ever shared. A budget in several chunks can be
 * left with room in pieces that are each too small for the next span, so whoever reserves it
 * says it with the chunks in mind (budget.h), and memory that cannot be had in chunks of that
 * size is not had in smaller ones. What no span took stays in the audit as spare.
 *
 * Every piece is in one of these states, and in the audit in all but the first:
 *
 *   private --share--> spare --span--> in use --unshare--> private
 *                                        | \---leak---> leaked --retire--> private, never used
 *                                        \--retire--> private, still in use
 *
 * Pages leak when they could not be made private again, or when the device did not
 * confirm its reset and so may still write to them: given to anyone else they
 * would be a hole in the guest. Then the region's record outlives the device, so
 * that the audit goes on listing them, and keeps the module from being unloaded: one that is
 * loaded anew would know nothing of them. At shutdown pages are retired: made private, but kept,
 * because what was in flight is never taken back.
 */
#include <linux/cc_platform.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "core.h"
#include "fault.h"

static DEFINE_MUTEX(region_lock);
static LIST_HEAD(region_list);

/* The machine goes down: what leaks now is retired as well. */
static bool region_down;

/* All that airlock.provider= can name; and the one that it does, NULL for auto. */
static const struct region_ops * const region_providers[] = {
	&airlock_region_window,
	&airlock_region_decrypt,
	&airlock_region_dma,
};

static const struct region_ops *region_forced;

/* ---- choice of a provider ----------------------------------------------- */

/**
 * airlock_region_choose() - take the module parameter up
 * @provider: "auto" or the name of a provider
 *
 * Return: 0, or -EINVAL when there is no such provider (said so in the log).
 */
int airlock_region_choose(const char *provider)
{
	unsigned int i;

	region_forced = NULL;
	if (!strcmp(provider, "auto"))
		return 0;
	for (i = 0; i < ARRAY_SIZE(region_providers); i++) {
		if (!strcmp(provider, region_providers[i]->name)) {
			region_forced = region_providers[i];
			return 0;
		}
	}
	pr_err("airlock: provider=%s is not one of auto, %s, %s, %s\n", provider,
	       AIRLOCK_PROVIDER_WINDOW, AIRLOCK_PROVIDER_DECRYPT, AIRLOCK_PROVIDER_DMA);
	return -EINVAL;
}

/**
 * airlock_region_translated() - does an IOMMU translate the device's addresses?
 * @core: the device, negotiated
 *
 * Return: true when physical addresses mean nothing to the device. A device
 * without ACCESS_PLATFORM goes round an IOMMU (virtio 1.2, 6.1).
 */
bool airlock_region_translated(const struct core_device *core)
{
	struct iommu_domain *domain;

	if (!(core->pub.features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		return false;
	domain = iommu_get_domain_for_dev(&core->pub.pdev->dev);
	return domain && domain->type != IOMMU_DOMAIN_IDENTITY;
}

/*
 * In a confidential guest private memory is the rule and single pages are opened.
 * Elsewhere the window is the only memory that need be shared; without one, go
 * where the platform put its own fence.
 */
static const struct region_ops *region_pick(const struct core_device *core)
{
	if (region_forced)
		return region_forced;
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return &airlock_region_decrypt;
	if (airlock_region_translated(core))
		return &airlock_region_dma;
	if (!airlock_window_present() && is_swiotlb_force_bounce(&core->pub.pdev->dev))
		return &airlock_region_dma;
	return &airlock_region_window;
}

/* ---- chunks ------------------------------------------------------------- */

/* At shutdown: the next kernel may use any page, and the host must not see it. */
static void region_retire(const struct region *region, struct region_chunk *chunk)
{
	if (!region->ops->retire || chunk->settled)
		return;
	chunk->settled = true;
	if (region->ops->retire(chunk))
		pr_err("airlock %s: %zu KiB stay shared with the host: they could not be made private again\n",
		       region->device, chunk->bytes >> 10);
}

/* Give a chunk up: it stays shared, and stays on the list, for which the module stays. */
static void region_leak(struct region *region, struct region_chunk *chunk)
{
	chunk->leaked = true;
	__module_get(THIS_MODULE);
	if (region->ops->leak)
		region->ops->leak(chunk);
	if (region_down)
		region_retire(region, chunk);
}

/* Share @bytes more. A failed chunk is listed only when nobody knows who can read it. */
static int region_grow(struct core_device *core, struct region *region, size_t bytes)
{
	struct region_chunk *chunk;
	int err;

	chunk = fault_ptr(kzalloc(sizeof(*chunk), GFP_KERNEL));
	if (!chunk)
		return -ENOMEM;
	chunk->bytes = bytes;

	err = region->ops->share(core, chunk);
	if (err && !chunk->settled) {
		kfree(chunk);
		return err;
	}
	list_add_tail(&chunk->node, &region->chunks);
	return err;
}

/* Share the whole budget, or say why not. What is shared by then stays on the list. */
static int region_fill(struct core_device *core, struct region *region)
{
	const size_t most = region->ops->chunk_max ?: region->budget;
	size_t left = region->budget, want;
	int err = 0;

	while (left && !err) {
		want = min(most, left);
		err = region_grow(core, region, want);
		left -= want;
	}
	if (err == -ENOMEM)
		dev_err(&core->pub.pdev->dev, "refused: no memory for %zu KiB to share with the host, %zu KiB of it in one piece; load airlock earlier, or its drivers with a smaller budget_kib\n",
			region->budget >> 10, want >> 10);
	return err;
}

/*
 * Take back every chunk, or none when the device may still write to them; return
 * the bytes that leaked.
 */
static size_t region_drain(struct core_device *core, struct region *region, bool quiet)
{
	struct region_chunk *chunk, *tmp;
	size_t leaked = 0;

	list_for_each_entry_safe(chunk, tmp, &region->chunks, node) {
		if (quiet && !chunk->settled)
			chunk->settled = region->ops->unshare(core, chunk);
		if (!quiet || chunk->settled) {
			region_leak(region, chunk);
			leaked += chunk->bytes;
			continue;
		}
		list_del(&chunk->node);
		kfree(chunk);
	}
	return leaked;
}

/* ---- regions ------------------------------------------------------------ */

static u64 region_key(const struct pci_dev *pdev)
{
	return (u64)pci_domain_nr(pdev->bus) << 16 | PCI_DEVID(pdev->bus->number, pdev->devfn);
}

/* Into the list, behind those of the same device and of those before it. */
static void region_insert(struct region *region)
{
	struct region *other;

	list_for_each_entry(other, &region_list, node) {
		if (other->key > region->key)
			break;
	}
	list_add_tail(&region->node, &other->node);
}

/* Forget all spans; forget the region too, unless pages of it leaked. */
static void region_end(struct core_device *core, struct region *region, bool quiet)
{
	struct region_span *span, *tmp;
	size_t leaked;

	list_for_each_entry_safe(span, tmp, &region->spans, node)
		kfree(span);
	INIT_LIST_HEAD(&region->spans);

	leaked = region_drain(core, region, quiet);
	if (leaked) {
		/* Of those that are retired it would not be true. */
		if (!region_down)
			dev_err(&core->pub.pdev->dev, "%zu KiB stay shared with the host for ever: %s\n",
				leaked >> 10, quiet ? "they could not be made private again" :
				"the device did not confirm its reset");
		return;
	}
	list_del(&region->node);
	kfree(region);
}

static struct region *region_new(struct core_device *core, size_t bytes)
{
	struct pci_dev *pdev = core->pub.pdev;
	struct region *region;

	region = fault_ptr(kzalloc(sizeof(*region), GFP_KERNEL));
	if (!region)
		return NULL;
	INIT_LIST_HEAD(&region->chunks);
	INIT_LIST_HEAD(&region->spans);
	strscpy(region->device, pci_name(pdev), sizeof(region->device));
	region->key = region_key(pdev);
	region->ops = region_pick(core);
	region->budget = bytes;
	return region;
}

int airlock_region_reserve(struct airlock_device *adev, size_t bytes)
{
	struct core_device *core = core_from_pub(adev);
	struct region *region;
	int err;

	bytes = PAGE_ALIGN(bytes);
	if (!bytes)
		return -EINVAL;

	mutex_lock(&region_lock);
	err = -EBUSY;
	if (core->region)
		goto out;
	err = -ENOMEM;
	region = region_new(core, bytes);
	if (!region)
		goto out;

	err = region->ops->usable(core);
	if (err) {
		kfree(region);
		goto out;
	}
	/* Listed before the first page is shared. */
	region_insert(region);
	err = region_fill(core, region);
	if (err) {
		/* The device was not yet told of any of it. */
		region_end(core, region, true);
		goto out;
	}
	core->region = region;
	dev_info(&adev->pdev->dev, "sharing %zu KiB with the host (%s)\n",
		 bytes >> 10, region->ops->name);
out:
	mutex_unlock(&region_lock);
	return err;
}
EXPORT_SYMBOL_GPL(airlock_region_reserve);

void airlock_region_release(struct airlock_device *adev)
{
	struct core_device *core = core_from_pub(adev);

	mutex_lock(&region_lock);
	if (core->region)
		region_end(core, core->region, core->quiet);
	core->region = NULL;
	mutex_unlock(&region_lock);
}
EXPORT_SYMBOL_GPL(airlock_region_release);

/* ---- shutdown ----------------------------------------------------------- */

/**
 * airlock_region_retire() - make a device's pages private, and keep them
 * @core: the device, stopped, whether its reset was confirmed or not
 *
 * For shutdown. A device that may still write can do nothing worse to a page that is private.
 * Where only freeing would make pages private, they are cleared. Sleeps.
 */
void airlock_region_retire(struct core_device *core)
{
	struct region_chunk *chunk;

	mutex_lock(&region_lock);
	if (core->region) {
		list_for_each_entry(chunk, &core->region->chunks, node) {
			if (!core->region->ops->retire)
				shared_zero(chunk->cpu, chunk->bytes);
			region_retire(core->region, chunk);
		}
	}
	mutex_unlock(&region_lock);
}

/* Those of devices that have gone; nobody else would. */
static int region_retire_leaked(struct notifier_block *nb, unsigned long action, void *data)
{
	struct region_chunk *chunk;
	struct region *region;

	mutex_lock(&region_lock);
	region_down = true;
	list_for_each_entry(region, &region_list, node) {
		list_for_each_entry(chunk, &region->chunks, node) {
			if (chunk->leaked)
				region_retire(region, chunk);
		}
	}
	mutex_unlock(&region_lock);
	return NOTIFY_DONE;
}

static struct notifier_block region_reboot = { .notifier_call = region_retire_leaked };

/**
 * airlock_region_init() - before any device
 *
 * Return: 0 or -errno.
 */
int airlock_region_init(void)
{
	return register_reboot_notifier(&region_reboot);
}

/**
 * airlock_region_exit() - with all devices gone, and nothing leaked
 */
void airlock_region_exit(void)
{
	unregister_reboot_notifier(&region_reboot);
}

/* ---- spans -------------------------------------------------------------- */

static struct region_chunk *region_find_room(struct region *region, size_t bytes)
{
	struct region_chunk *chunk;

	list_for_each_entry(chunk, &region->chunks, node) {
		if (!chunk->leaked && chunk->bytes - chunk->used >= bytes)
			return chunk;
	}
	return NULL;
}

static struct region_span *region_find_span(struct region *region, const char *purpose,
					    size_t bytes)
{
	struct region_span *span;

	list_for_each_entry(span, &region->spans, node) {
		if (span->bytes >= bytes && !strcmp(span->purpose, purpose))
			return span;
	}
	return NULL;
}

static struct region_span *region_cut(struct region *region, const char *purpose, size_t bytes)
{
	struct region_chunk *chunk;
	struct region_span *span;

	chunk = region_find_room(region, bytes);
	if (!chunk)
		return NULL;

	span = fault_ptr(kzalloc(sizeof(*span), GFP_KERNEL));
	if (!span)
		return NULL;
	strscpy(span->purpose, purpose, sizeof(span->purpose));
	span->chunk = chunk;
	span->off = chunk->used;
	span->bytes = bytes;
	chunk->used += bytes;
	list_add_tail(&span->node, &region->spans);
	return span;
}

/**
 * airlock_region_span() - take a piece of the region
 * @adev: the device
 * @purpose: one word for the audit; copied
 * @bytes: rounded up to pages; at most AIRLOCK_SPAN_MAX
 * @reuse: take the piece that was handed out for the same purpose before, if
 *	any; only after a confirmed reset
 * @out: filled in; zeroed
 *
 * Return: 0 or -ENOSPC.
 */
int airlock_region_span(struct airlock_device *adev, const char *purpose,
			size_t bytes, bool reuse, struct airlock_span *out)
{
	struct core_device *core = core_from_pub(adev);
	struct region_span *span = NULL;

	bytes = PAGE_ALIGN(bytes);
	if (!bytes || bytes > AIRLOCK_SPAN_MAX)
		return -ENOSPC;

	mutex_lock(&region_lock);
	if (core->region && reuse)
		span = region_find_span(core->region, purpose, bytes);
	if (core->region && !span)
		span = region_cut(core->region, purpose, bytes);
	if (span) {
		out->cpu = shared_at(span->chunk->cpu, span->off);
		out->bus = span->chunk->bus + span->off;
		out->bytes = span->bytes;
	}
	mutex_unlock(&region_lock);

	if (!span) {
		dev_err(&adev->pdev->dev, "%s: its budget of shared memory does not hold %zu KiB more\n",
			purpose, bytes >> 10);
		return -ENOSPC;
	}
	shared_zero(out->cpu, out->bytes);
	return 0;
}

int airlock_span_alloc(struct airlock_device *adev, const char *purpose,
		       size_t bytes, struct airlock_span *span)
{
	return airlock_region_span(adev, purpose, bytes, false, span);
}
EXPORT_SYMBOL_GPL(airlock_span_alloc);

/**
 * airlock_region_each() - call a function for each region
 * @fn: called with region_lock held: nothing changes meanwhile
 * @ctx: for @fn
 *
 * Sorted by device, then by age; with those of which only leaked pages are left.
 */
void airlock_region_each(void (*fn)(const struct region *region, void *ctx), void *ctx)
{
	struct region *region;

	mutex_lock(&region_lock);
	list_for_each_entry(region, &region_list, node)
		fn(region, ctx);
	mutex_unlock(&region_lock);
}
