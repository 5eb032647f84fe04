// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half of ring/ is linked into airlock.ko once; the function drivers
 * call it from here. ring/ itself knows nothing of modules.
 */
#include <linux/export.h>

#include "../ring/ring.h"

EXPORT_SYMBOL_GPL(ring_fault_name);
EXPORT_SYMBOL_GPL(ring_size_ok);
EXPORT_SYMBOL_GPL(ring_desc_bytes);
EXPORT_SYMBOL_GPL(ring_driver_bytes);
EXPORT_SYMBOL_GPL(ring_device_bytes);
EXPORT_SYMBOL_GPL(ring_place);
EXPORT_SYMBOL_GPL(ring_drv_private_bytes);
EXPORT_SYMBOL_GPL(ring_drv_init);
EXPORT_SYMBOL_GPL(ring_drv_add);
EXPORT_SYMBOL_GPL(ring_drv_bind);
EXPORT_SYMBOL_GPL(ring_drv_post);
EXPORT_SYMBOL_GPL(ring_drv_publish);
EXPORT_SYMBOL_GPL(ring_drv_poll);
EXPORT_SYMBOL_GPL(ring_drv_disarm);
EXPORT_SYMBOL_GPL(ring_drv_arm);
EXPORT_SYMBOL_GPL(ring_drv_pending);
EXPORT_SYMBOL_GPL(ring_drv_break);
EXPORT_SYMBOL_GPL(ring_drv_detach);
