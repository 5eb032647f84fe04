// SPDX-License-Identifier: GPL-2.0
/*
 * Shared pages from a window: the memory BAR of an ivshmem-plain device.
 *
 * Theory
 * ------
 * An ordinary guest cannot hide its RAM from the host's kernel, but it can from
 * the process that serves its devices: that process is given the window and
 * nothing else. The window is memory of the host that the guest sees as BAR 2;
 * the BAR's address is a guest-physical one that the device can use.
 *
 * A driver of its own binds to the window devices. Ranges of pages are handed out to
 * the virtio functions from a bitmap, whole budgets, from the first window that has
 * room. They are cleared before they are handed out and after they come back. A
 * leaked range keeps its bits, also when the window is unbound and bound again.
 *
 * Each user is linked to its window's device, so that unbinding or unplugging
 * the window unbinds its users first. Should one have come in between, it holds a
 * reference to the mapping: what it reads then is nonsense but not a fault.
 */
#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/kref.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "core.h"

#define WINDOW_VENDOR	0x1af4
#define WINDOW_DEVICE	0x1110
#define WINDOW_BAR	2

/**
 * struct window - a window device
 * @node: in window_list while it is bound
 * @ref: one while it is bound, one for each range that is in use
 * @pdev: the device; only while it is bound
 * @cpu: its memory
 * @phys: guest-physical address of its memory
 * @bytes: size of its memory
 * @used: a bit for each page, set while it is handed out or leaked
 */
struct window {
	struct list_head node;
	struct kref ref;
	struct pci_dev *pdev;
	void __shared *cpu;
	phys_addr_t phys;
	size_t bytes;
	unsigned long *used;
};

static DEFINE_MUTEX(window_lock);
static LIST_HEAD(window_list);

static size_t window_pages(const struct window *w)
{
	return w->bytes >> PAGE_SHIFT;
}

static size_t window_used(const struct window *w)
{
	return (size_t)bitmap_weight(w->used, window_pages(w)) << PAGE_SHIFT;
}

static void window_free(struct kref *ref)
{
	struct window *w = container_of(ref, struct window, ref);

	memunmap(shared_unmark(w->cpu));
	bitmap_free(w->used);
	kfree(w);
}

/* ---- the provider ------------------------------------------------------- */

/**
 * airlock_window_present() - is there any window?
 *
 * Return: true while at least one is bound.
 */
bool airlock_window_present(void)
{
	bool present;

	mutex_lock(&window_lock);
	present = !list_empty(&window_list);
	mutex_unlock(&window_lock);
	return present;
}

static int region_window_usable(struct core_device *core)
{
	if (!airlock_region_translated(core))
		return 0;
	dev_err(&core->pub.pdev->dev, "refused: an IOMMU translates its addresses; load airlock with provider=dma\n");
	return -ENODEV;
}

/* The window to be named when none has room: the one with the most. */
static struct window *window_roomiest(void)
{
	struct window *w, *best = NULL;

	list_for_each_entry(w, &window_list, node) {
		if (!best || w->bytes - window_used(w) > best->bytes - window_used(best))
			best = w;
	}
	return best;
}

/* No window has room: say what would help. */
static int window_refuse(struct core_device *core, size_t bytes)
{
	struct device *dev = &core->pub.pdev->dev;
	struct window *w = window_roomiest();
	size_t need = bytes + (w ? window_used(w) : 0);
	unsigned long mib = max_t(unsigned long, roundup_pow_of_two(need), SZ_1M) >> 20;

	if (!w) {
		dev_err(dev, "refused: no window to share; start QEMU with -object memory-backend-memfd,id=win,share=on,size=%luM -device ivshmem-plain,memdev=win,master=on, or load airlock with provider=dma\n",
			mib);
		return -ENODEV;
	}
	/* Enough in sum but in pieces: only a larger window helps. */
	if (need <= w->bytes)
		mib = w->bytes >> 19;
	dev_err(dev, "refused: it needs %zu KiB, the window %s of %zu KiB has %zu KiB in use; give memory-backend-memfd size=%luM\n",
		bytes >> 10, pci_name(w->pdev), w->bytes >> 10, window_used(w) >> 10, mib);
	return -ENOSPC;
}

/* Take @chunk->bytes of a window; false when it has no such range. */
static bool window_take(struct window *w, struct region_chunk *chunk)
{
	unsigned long pages = chunk->bytes >> PAGE_SHIFT;
	unsigned long first;

	first = bitmap_find_next_zero_area(w->used, window_pages(w), 0, pages, 0);
	if (first + pages > window_pages(w))
		return false;
	bitmap_set(w->used, first, pages);
	chunk->cpu = shared_at(w->cpu, first << PAGE_SHIFT);
	chunk->phys = w->phys + ((phys_addr_t)first << PAGE_SHIFT);
	chunk->bus = chunk->phys;
	chunk->priv = w;
	kref_get(&w->ref);
	return true;
}

static void window_give_back(struct region_chunk *chunk)
{
	struct window *w = chunk->priv;

	bitmap_clear(w->used, (chunk->phys - w->phys) >> PAGE_SHIFT,
		     chunk->bytes >> PAGE_SHIFT);
	kref_put(&w->ref, window_free);
}

static int region_window_share(struct core_device *core, struct region_chunk *chunk)
{
	struct device *dev = &core->pub.pdev->dev;
	struct window *w;
	int err = 0;

	mutex_lock(&window_lock);
	list_for_each_entry(w, &window_list, node) {
		if (window_take(w, chunk))
			break;
	}
	if (list_entry_is_head(w, &window_list, node)) {
		err = window_refuse(core, chunk->bytes);
	} else if (!device_link_add(dev, &w->pdev->dev, DL_FLAG_AUTOREMOVE_CONSUMER)) {
		dev_err(dev, "refused: it cannot be linked to the window %s\n",
			pci_name(w->pdev));
		window_give_back(chunk);
		err = -ENODEV;
	}
	mutex_unlock(&window_lock);

	if (!err)
		shared_zero(chunk->cpu, chunk->bytes);
	return err;
}

static int region_window_unshare(struct core_device *core, struct region_chunk *chunk)
{
	shared_zero(chunk->cpu, chunk->bytes);
	mutex_lock(&window_lock);
	window_give_back(chunk);
	mutex_unlock(&window_lock);
	return 0;
}

/* The range's bits stay set; nobody here uses the mapping any more. */
static void region_window_leak(struct region_chunk *chunk)
{
	struct window *w = chunk->priv;

	mutex_lock(&window_lock);
	kref_put(&w->ref, window_free);
	mutex_unlock(&window_lock);
}

/* No chunk_max: a budget is taken in one piece, there is room for it or not. */
const struct region_ops airlock_region_window = {
	.name = AIRLOCK_PROVIDER_WINDOW,
	.usable = region_window_usable,
	.share = region_window_share,
	.unshare = region_window_unshare,
	.leak = region_window_leak,
};

/* ---- the window's own driver -------------------------------------------- */

/* Mark what leaked from this window, or from the one that was in its place. */
static void window_mark_leaked(const struct region *region, void *ctx)
{
	const struct region_chunk *chunk;
	struct window *w = ctx;
	phys_addr_t from, to;

	if (region->ops != &airlock_region_window)
		return;
	list_for_each_entry(chunk, &region->chunks, node) {
		from = max(chunk->phys, w->phys);
		to = min(chunk->phys + chunk->bytes, w->phys + w->bytes);
		if (chunk->leaked && from < to)
			bitmap_set(w->used, (from - w->phys) >> PAGE_SHIFT,
				   (to - from) >> PAGE_SHIFT);
	}
}

static int window_map(struct window *w)
{
	void *cpu;

	w->phys = pci_resource_start(w->pdev, WINDOW_BAR);
	w->bytes = pci_resource_len(w->pdev, WINDOW_BAR);
	if (!(pci_resource_flags(w->pdev, WINDOW_BAR) & IORESOURCE_PREFETCH) ||
	    w->bytes < PAGE_SIZE || w->bytes > SZ_1G || !PAGE_ALIGNED(w->phys)) {
		dev_err(&w->pdev->dev, "refused: BAR %u is no memory from 4 KiB to 1 GiB (0x%zx bytes)\n",
			WINDOW_BAR, w->bytes);
		return -ENODEV;
	}
	w->used = bitmap_zalloc(window_pages(w), GFP_KERNEL);
	if (!w->used)
		return -ENOMEM;
	/*
	 * Below 4 GiB the firmware's MTRRs tend to say uncached and the kernel
	 * then maps it so, which hosts with Intel processors overrule and those
	 * with AMD's do not: there, firmware that places it above is faster.
	 */
	cpu = memremap(w->phys, w->bytes, MEMREMAP_WB);
	if (!cpu) {
		dev_err(&w->pdev->dev, "refused: BAR %u cannot be mapped\n", WINDOW_BAR);
		bitmap_free(w->used);
		return -ENOMEM;
	}
	w->cpu = shared_mark(cpu);
	airlock_region_each(window_mark_leaked, w);
	return 0;
}

static int airlock_window_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct window *w;
	int err;

	w = kzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	kref_init(&w->ref);
	w->pdev = pdev;

	err = pci_enable_device(pdev);
	if (err)
		goto err_free;
	err = pci_request_region(pdev, WINDOW_BAR, "airlock-window");
	if (err)
		goto err_disable;
	err = window_map(w);
	if (err)
		goto err_region;

	pci_set_drvdata(pdev, w);
	mutex_lock(&window_lock);
	list_add_tail(&w->node, &window_list);
	mutex_unlock(&window_lock);
	dev_info(&pdev->dev, "window of %zu KiB\n", w->bytes >> 10);
	return 0;

err_region:
	pci_release_region(pdev, WINDOW_BAR);
err_disable:
	pci_disable_device(pdev);
err_free:
	kfree(w);
	return err;
}

static void airlock_window_remove(struct pci_dev *pdev)
{
	struct window *w = pci_get_drvdata(pdev);

	mutex_lock(&window_lock);
	list_del(&w->node);
	kref_put(&w->ref, window_free);
	mutex_unlock(&window_lock);
	pci_release_region(pdev, WINDOW_BAR);
	pci_disable_device(pdev);
}

/* No MODULE_DEVICE_TABLE: see pci.c. */
static const struct pci_device_id airlock_window_ids[] = {
	{ PCI_DEVICE(WINDOW_VENDOR, WINDOW_DEVICE) },
	{ }
};

static struct pci_driver airlock_window_driver = {
	.name = "airlock_window",
	.id_table = airlock_window_ids,
	.probe = airlock_window_probe,
	.remove = airlock_window_remove,
};

/**
 * airlock_window_init() - start to claim windows
 *
 * Return: 0 or -errno.
 */
int airlock_window_init(void)
{
	return pci_register_driver(&airlock_window_driver);
}

/**
 * airlock_window_exit() - let go of all windows; no virtio function is bound
 */
void airlock_window_exit(void)
{
	pci_unregister_driver(&airlock_window_driver);
}
