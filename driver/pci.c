// SPDX-License-Identifier: GPL-2.0
/*
 * Claiming virtio PCI functions.
 *
 * Theory
 * ------
 * The registers are driven through the kernel's own virtio_pci_modern_dev
 * library. It trusts the host in places where airlock must not, so what it is
 * going to believe is checked here before it starts:
 *
 *  - the list of vendor capabilities ends (the library would follow a loop);
 *  - each of the four structures that are needed is there and lies wholly
 *    inside its BAR (the library bounds the least length only);
 *  - notify_off_multiplier is one that cannot overflow (virtio 1.2, 4.1.4.4).
 *
 * A host can answer the library's own reads differently. Then what it mapped is
 * still some part of a BAR, so the lengths are bounded again afterwards by what
 * is mapped whatever the answer was: the rest of the page that the structure
 * starts in. No device's configuration and no notification register that the
 * library maps as a whole crosses a page. A list that loops in the library's reads
 * only still holds this one probe up for ever: a host that wants that can stop the
 * processor as well.
 *
 * Of the library's struct only the pointers @device, @isr and @notify_base and
 * the length @device_len are looked at, for which it has no calls.
 */
#include <linux/log2.h>
#include <linux/module.h>
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

static const char * const pci_cap_names[] = {
	[VIRTIO_PCI_CAP_COMMON_CFG] = "common configuration",
	[VIRTIO_PCI_CAP_NOTIFY_CFG] = "notification",
	[VIRTIO_PCI_CAP_ISR_CFG] = "interrupt status",
	[VIRTIO_PCI_CAP_DEVICE_CFG] = "device configuration",
};

/* Check the multiplier behind a notification capability. */
static int pci_check_multiplier(struct pci_dev *pdev, int pos)
{
	u32 mult;

	pci_read_config_dword(pdev, pos + VIRTIO_PCI_NOTIFY_CAP_MULT, &mult);
	if (!mult)
		return 0;
	if (mult > 1 && mult <= PCI_NOTIFY_MULTIPLIER_MAX && is_power_of_2(mult))
		return 0;
	dev_err(&pdev->dev, "refused: notify_off_multiplier %u is not 0 or a power of two from 2 to %u\n",
		mult, PCI_NOTIFY_MULTIPLIER_MAX);
	return -ENODEV;
}

/* Check one vendor capability; set its bit in @found when it counts. */
static int pci_check_cap(struct pci_dev *pdev, int pos, unsigned long *found)
{
	u32 off, len;
	u8 type, bar;

	pci_read_config_byte(pdev, pos + VIRTIO_PCI_CAP_CFG_TYPE, &type);
	pci_read_config_byte(pdev, pos + VIRTIO_PCI_CAP_BAR, &bar);
	pci_read_config_dword(pdev, pos + VIRTIO_PCI_CAP_OFFSET, &off);
	pci_read_config_dword(pdev, pos + VIRTIO_PCI_CAP_LENGTH, &len);

	/* Both to be ignored (virtio 1.2, 4.1.4.1). */
	if (!type || type >= ARRAY_SIZE(pci_cap_names) || bar >= PCI_STD_NUM_BARS)
		return 0;

	if (!len || (u64)off + len > pci_resource_len(pdev, bar)) {
		dev_err(&pdev->dev, "refused: %s at %u, %u bytes, is not inside BAR %u\n",
			pci_cap_names[type], off, len, bar);
		return -ENODEV;
	}
	*found |= BIT(type);
	return type == VIRTIO_PCI_CAP_NOTIFY_CFG ? pci_check_multiplier(pdev, pos) : 0;
}

static int pci_check_caps(struct pci_dev *pdev)
{
	unsigned long found = 0;
	unsigned int n = 0;
	int pos, type, err;

	for (pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR); pos;
	     pos = pci_find_next_capability(pdev, pos, PCI_CAP_ID_VNDR)) {
		if (++n > PCI_CAPS_MAX) {
			dev_err(&pdev->dev, "refused: its list of capabilities loops\n");
			return -ENODEV;
		}
		err = pci_check_cap(pdev, pos, &found);
		if (err)
			return err;
	}
	for (type = 1; type < ARRAY_SIZE(pci_cap_names); type++) {
		if (found & BIT(type))
			continue;
		dev_err(&pdev->dev, "refused: no %s capability: not a modern virtio device\n",
			pci_cap_names[type]);
		return -ENODEV;
	}
	return 0;
}

/* Bound what the library mapped by what is mapped for certain. */
static int pci_check_mapped(struct core_device *core)
{
	struct virtio_pci_modern_device *mdev = &core->mdev;
	size_t page_rest;

	if (!mdev->device) {
		dev_err(&core->pub.pdev->dev, "refused: its capabilities change\n");
		return -ENODEV;
	}
	page_rest = PAGE_SIZE - offset_in_page((unsigned long)mdev->device);
	core->config_bytes = min(mdev->device_len, page_rest);
	return 0;
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

	err = fault_int(pci_check_caps(pdev));
	if (err)
		goto err_disable;

	err = fault_int(dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64)));
	if (err) {
		dev_err(&pdev->dev, "refused: no 64-bit addresses on its bus\n");
		goto err_disable;
	}

	err = fault_int(vp_modern_probe(&core->mdev));
	if (err) {
		dev_err(&pdev->dev, "refused: its registers cannot be mapped (%d)\n", err);
		goto err_disable;
	}

	err = fault_int(pci_check_mapped(core));
	if (err)
		goto err_unmap;

	pci_set_master(pdev);

	err = airlock_device_publish(core);
	if (err)
		goto err_master;

	return 0;

err_master:
	pci_clear_master(pdev);
err_unmap:
	vp_modern_remove(&core->mdev);
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
	vp_modern_remove(&core->mdev);
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
