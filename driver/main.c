// SPDX-License-Identifier: GPL-2.0
/*
 * airlock.ko: module start and end.
 *
 * The window driver is registered before the virtio driver, so that a window is
 * there when the first virtio function looks for one; both come after the audit,
 * so that nothing is ever shared without being listed. The function drivers
 * use symbols of this module, so it cannot go away before them.
 */
#include <linux/module.h>

#include "core.h"

static char *provider = "auto";
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider,
		 "where pages shared with the host come from: auto (default), window, decrypt, dma");

static int __init airlock_init(void)
{
	int err;

	err = airlock_region_choose(provider);
	if (err)
		return err;

	err = airlock_region_init();
	if (err)
		return err;

	airlock_audit_init();

	err = airlock_window_init();
	if (err)
		goto err_audit;

	err = airlock_pci_init();
	if (err)
		goto err_window;

	return 0;

err_window:
	airlock_window_exit();
err_audit:
	airlock_audit_exit();
	airlock_region_exit();
	return err;
}

static void __exit airlock_exit(void)
{
	airlock_pci_exit();
	airlock_window_exit();
	airlock_audit_exit();
	airlock_region_exit();
}

module_init(airlock_init);
module_exit(airlock_exit);

MODULE_DESCRIPTION("airlock: I/O through a small region shared with the host");
MODULE_LICENSE("GPL");
