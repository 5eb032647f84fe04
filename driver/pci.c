// SPDX-License-Identifier: GPL-2.0
/*
 * Claiming virtio PCI functions.
 *
 * Theory
 * ------
 * The registers are driven through the kernel's own virtio_pci_modern_dev
 * library, but for finding them: its vp_modern_probe() reads the capabilities many
 * times over, follows the list for as long as that goes on, and believes the last
 * answer. Here the list is walked once, with a bound, and each structure is read once
 * and checked (virtio 1.2, 4.1.4):
 *
 *  - the four that are needed are there, the first of its kind counts, and each is as
 *    long as its registers are, aligned, and wholly inside its BAR;
 *  - notify_off_multiplier is one that cannot overflow (4.1.4.4).
 *
 * What was read is what is mapped, into the library's struct, which its other calls
 * use as if it had done so itself. The registers for kicks are mapped at once, as far as
 * PCI_NOTIFY_BYTES_MAX: else the library would map them one by one, by what the capability says
 * then.
 */
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_pci.h>

#include "core.h"
#include "fault.h"

#define PCI_VENDOR_VIRTIO	0x1af4
#define PCI_TRANSITIONAL_NET	0x1000
#define PCI_TRANSITIONAL_BLK	0x1001
#define PCI_MODERN_BASE		0x1040

/* A list without loops has no more: capabilities are 4 bytes apart at least. */
#define PCI_CAPS_MAX		48

/* 65535 times this, the largest queue_notify_off, still fits 32 bits. */
#define PCI_NOTIFY_MULTIPLIER_MAX 65536u

/* Those of 4096 queues with a page each, or of 256 with the largest multiplier. */
#define PCI_NOTIFY_BYTES_MAX	SZ_16M

/**
 * struct pci_kind - a structure that a device must have
 * @name: for messages
 * @bytes: how long it is at least
 * @align: what its place is a multiple of
 */
struct pci_kind {
	const char *name;
	u32 bytes;
	u32 align;
};

static const struct pci_kind pci_kinds[] = {
	[VIRTIO_PCI_CAP_COMMON_CFG] = {
		"common configuration", sizeof(struct virtio_pci_common_cfg), 4
	},
	[VIRTIO_PCI_CAP_NOTIFY_CFG] = { "notification", 2, 2 },
	[VIRTIO_PCI_CAP_ISR_CFG] = { "interrupt status", 1, 1 },
	[VIRTIO_PCI_CAP_DEVICE_CFG] = { "device configuration", 4, 4 },
};

/**
 * struct pci_cap - a structure, as its capability was read
 * @bar: the BAR that it is in
 * @off: where in there
 * @len: bytes; 0: it was not found
 */
struct pci_cap {
	u8 bar;
	u32 off;
	u32 len;
};

struct pci_caps {
	struct pci_cap cap[ARRAY_SIZE(pci_kinds)];
	u32 multiplier;
};

/* The multiplier behind a notification capability. */
static int pci_read_multiplier(struct pci_dev *pdev, int pos, u32 *mult)
{
	pci_read_config_dword(pdev, pos + VIRTIO_PCI_NOTIFY_CAP_MULT, mult);
	if (!*mult)
		return 0;
	if (*mult > 1 && *mult <= PCI_NOTIFY_MULTIPLIER_MAX && is_power_of_2(*mult))
		return 0;
	dev_err(&pdev->dev, "refused: notify_off_multiplier %u is not 0 or a power of two from 2 to %u\n",
		*mult, PCI_NOTIFY_MULTIPLIER_MAX);
	return -ENODEV;
}

/*
 * Is it a structure that counts? Others are to be ignored (virtio 1.2, 4.1.4.1). @type and its
 * BAR are good as indices then.
 */
static bool pci_cap_counts(struct pci_dev *pdev, u8 *type, struct pci_cap *cap,
			   const struct pci_caps *caps)
{
	if (!*type || *type >= ARRAY_SIZE(pci_kinds) || cap->bar >= PCI_STD_NUM_BARS)
		return false;
	*type = array_index_nospec(*type, ARRAY_SIZE(pci_kinds));
	cap->bar = array_index_nospec(cap->bar, PCI_STD_NUM_BARS);
	/* The first of a kind is preferred, of those in a BAR that is there. */
	return !caps->cap[*type].len && pci_resource_len(pdev, cap->bar) &&
	       pci_resource_flags(pdev, cap->bar) & (IORESOURCE_MEM | IORESOURCE_IO);
}

/* Read one vendor capability, and keep it when it counts. */
static int pci_read_cap(struct pci_dev *pdev, int pos, struct pci_caps *caps)
{
	struct pci_cap cap;
	const struct pci_kind *kind;
	u8 type;

	pci_read_config_byte(pdev, pos + VIRTIO_PCI_CAP_CFG_TYPE, &type);
	pci_read_config_byte(pdev, pos + VIRTIO_PCI_CAP_BAR, &cap.bar);
	pci_read_config_dword(pdev, pos + VIRTIO_PCI_CAP_OFFSET, &cap.off);
	pci_read_config_dword(pdev, pos + VIRTIO_PCI_CAP_LENGTH, &cap.len);
	if (!pci_cap_counts(pdev, &type, &cap, caps))
		return 0;

	kind = &pci_kinds[type];
	if ((u64)cap.off + cap.len > pci_resource_len(pdev, cap.bar)) {
		dev_err(&pdev->dev, "refused: %s at %u, %u bytes, is not inside BAR %u\n",
			kind->name, cap.off, cap.len, cap.bar);
		return -ENODEV;
	}
	if (cap.len < kind->bytes || cap.off % kind->align) {
		dev_err(&pdev->dev, "refused: %s at %u, %u bytes, is not at a multiple of %u, at least %u bytes\n",
			kind->name, cap.off, cap.len, kind->align, kind->bytes);
		return -ENODEV;
	}
	caps->cap[type] = cap;
	if (type != VIRTIO_PCI_CAP_NOTIFY_CFG)
		return 0;
	return pci_read_multiplier(pdev, pos, &caps->multiplier);
}

static int pci_read_caps(struct pci_dev *pdev, struct pci_caps *caps)
{
	unsigned int n = 0;
	int pos, type, err;

	for (pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR); pos;
	     pos = pci_find_next_capability(pdev, pos, PCI_CAP_ID_VNDR)) {
		if (++n > PCI_CAPS_MAX) {
			dev_err(&pdev->dev, "refused: its list of capabilities loops\n");
			return -ENODEV;
		}
		err = pci_read_cap(pdev, pos, caps);
		if (err)
			return err;
	}
	for (type = 1; type < ARRAY_SIZE(pci_kinds); type++) {
		if (caps->cap[type].len)
			continue;
		dev_err(&pdev->dev, "refused: no %s capability: not a modern virtio device\n",
			pci_kinds[type].name);
		return -ENODEV;
	}
	return 0;
}

static void __iomem *pci_map_cap(struct pci_dev *pdev, const struct pci_cap *cap, u32 bytes)
{
	return pci_iomap_range(pdev, cap->bar, cap->off, bytes);
}

/* Of those that are there; the library's vp_modern_remove() would warn of one that is not. */
static void pci_unmap(struct core_device *core)
{
	struct virtio_pci_modern_device *mdev = &core->mdev;
	void __iomem *const mapped[] = {
		mdev->common, mdev->isr, mdev->device, mdev->notify_base,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mapped); i++)
		if (mapped[i])
			pci_iounmap(core->pub.pdev, mapped[i]);
	pci_release_selected_regions(core->pub.pdev, mdev->modern_bars);
}

/* Map what was read, into what pci_unmap() unmaps, also when this fails half way. */
static int pci_map_caps(struct core_device *core, const struct pci_caps *caps)
{
	const struct pci_cap *notify = &caps->cap[VIRTIO_PCI_CAP_NOTIFY_CFG];
	const struct pci_cap *device = &caps->cap[VIRTIO_PCI_CAP_DEVICE_CFG];
	struct virtio_pci_modern_device *mdev = &core->mdev;
	struct pci_dev *pdev = core->pub.pdev;

	mdev->common = fault_ptr(pci_map_cap(pdev, &caps->cap[VIRTIO_PCI_CAP_COMMON_CFG],
					     sizeof(*mdev->common)));
	mdev->isr = fault_ptr(pci_map_cap(pdev, &caps->cap[VIRTIO_PCI_CAP_ISR_CFG], 1));
	/* No device has more of it than that. */
	mdev->device_len = min_t(size_t, device->len, PAGE_SIZE);
	mdev->device = fault_ptr(pci_map_cap(pdev, device, mdev->device_len));

	mdev->notify_offset_multiplier = caps->multiplier;
	mdev->notify_len = min_t(size_t, notify->len, PCI_NOTIFY_BYTES_MAX);
	mdev->notify_base = fault_ptr(pci_map_cap(pdev, notify, mdev->notify_len));

	if (!mdev->common || !mdev->isr || !mdev->device || !mdev->notify_base)
		return -ENOMEM;
	return 0;
}

/* Have the device's registers, until pci_unmap(). */
static int pci_map(struct core_device *core)
{
	struct virtio_pci_modern_device *mdev = &core->mdev;
	struct pci_dev *pdev = core->pub.pdev;
	struct pci_caps caps = {};
	int type, err;

	err = pci_read_caps(pdev, &caps);
	if (err)
		return err;
	for (type = 1; type < ARRAY_SIZE(pci_kinds); type++)
		mdev->modern_bars |= BIT(caps.cap[type].bar);
	err = fault_int(pci_request_selected_regions(pdev, mdev->modern_bars, AIRLOCK_MODULE));
	if (err) {
		dev_err(&pdev->dev, "refused: somebody else has its registers (%d)\n", err);
		return err;
	}
	err = pci_map_caps(core, &caps);
	if (err) {
		dev_err(&pdev->dev, "refused: its registers cannot be mapped (%d)\n", err);
		pci_unmap(core);
	}
	return err;
}

/* The virtio device type, or 0 for one that is not ours (virtio 1.2, 4.1.2). */
static u16 pci_virtio_type(const struct pci_dev *pdev)
{
	u16 type;

	if (pdev->device >= PCI_MODERN_BASE)
		type = pdev->device - PCI_MODERN_BASE;
	else
		type = pdev->subsystem_device;
	return type == VIRTIO_ID_NET || type == VIRTIO_ID_BLOCK ? type : 0;
}

static int airlock_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	u16 type = pci_virtio_type(pdev);
	struct core_device *core;
	int err;

	if (!type)
		return -ENODEV;

	core = airlock_device_create(pdev, type);
	if (IS_ERR(core))
		return PTR_ERR(core);
	pci_set_drvdata(pdev, core);

	err = fault_int(pci_enable_device(pdev));
	if (err)
		goto err_destroy;

	err = fault_int(dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64)));
	if (err) {
		dev_err(&pdev->dev, "refused: no 64-bit addresses on its bus\n");
		goto err_disable;
	}

	err = pci_map(core);
	if (err)
		goto err_disable;

	pci_set_master(pdev);

	err = airlock_device_publish(core);
	if (err)
		goto err_master;

	return 0;

err_master:
	pci_clear_master(pdev);
	pci_unmap(core);
err_disable:
	pci_disable_device(pdev);
err_destroy:
	airlock_device_destroy(core);
	return err;
}

static void airlock_pci_remove(struct pci_dev *pdev)
{
	struct core_device *core = pci_get_drvdata(pdev);

	airlock_device_retract(core);
	pci_clear_master(pdev);
	pci_unmap(core);
	pci_disable_device(pdev);
	airlock_device_destroy(core);
}

/* Reboot and kexec: nothing of the device may write into the next kernel. */
static void airlock_pci_shutdown(struct pci_dev *pdev)
{
	airlock_device_shutdown(pci_get_drvdata(pdev));
}

/*
 * No MODULE_DEVICE_TABLE: virtio_pci answers to the same functions, and which of
 * the two gets them must not depend on which one udev happens to load first.
 * Loading airlock is a decision; it has to be taken before virtio_pci is loaded, or
 * be given to single functions by driver_override.
 */
static const struct pci_device_id airlock_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_VIRTIO, PCI_MODERN_BASE + VIRTIO_ID_NET) },
	{ PCI_DEVICE(PCI_VENDOR_VIRTIO, PCI_MODERN_BASE + VIRTIO_ID_BLOCK) },
	{ PCI_DEVICE(PCI_VENDOR_VIRTIO, PCI_TRANSITIONAL_NET) },
	{ PCI_DEVICE(PCI_VENDOR_VIRTIO, PCI_TRANSITIONAL_BLK) },
	{ }
};

static int airlock_pci_suspend(struct device *dev)
{
	airlock_device_suspend(dev_get_drvdata(dev));
	return 0;
}

static int airlock_pci_resume(struct device *dev)
{
	airlock_device_resume(dev_get_drvdata(dev));
	return 0;
}

/*
 * What a hibernated system is restored into has not shared the pages that its image
 * takes for shared.
 */
static int airlock_pci_freeze(struct device *dev)
{
	dev_err(dev, "hibernation is not supported; unbind the device first\n");
	return -EOPNOTSUPP;
}

static const struct dev_pm_ops airlock_pci_pm = {
	.suspend = airlock_pci_suspend,
	.resume = airlock_pci_resume,
	.freeze = airlock_pci_freeze,
};

static struct pci_driver airlock_pci_driver = {
	.name = AIRLOCK_MODULE,
	.id_table = airlock_pci_ids,
	.probe = airlock_pci_probe,
	.remove = airlock_pci_remove,
	.shutdown = airlock_pci_shutdown,
	.driver.pm = pm_sleep_ptr(&airlock_pci_pm),
};

/**
 * airlock_pci_init() - start to claim virtio functions
 *
 * Return: 0 or -errno.
 */
int airlock_pci_init(void)
{
	return pci_register_driver(&airlock_pci_driver);
}

/**
 * airlock_pci_exit() - let go of all of them
 */
void airlock_pci_exit(void)
{
	pci_unregister_driver(&airlock_pci_driver);
}
