// SPDX-License-Identifier: GPL-2.0
/*
 * The driver half of ring/ is linked into airlock.ko once; the function drivers
 * call it from here. ring/ itself knows nothing of modules.
 */
#include <linux/export.h>

#include "../ring/ring.h"

EXPORT_SYMBOL_GPL(ring_drv_add);
EXPORT_SYMBOL_GPL(ring_drv_bind);
EXPORT_SYMBOL_GPL(ring_drv_post);
EXPORT_SYMBOL_GPL(ring_drv_publish);
EXPORT_SYMBOL_GPL(ring_drv_pending);
EXPORT_SYMBOL_GPL(ring_drv_poll);
EXPORT_SYMBOL_GPL(ring_drv_disarm);
EXPORT_SYMBOL_GPL(ring_drv_arm);
EXPORT_SYMBOL_GPL(ring_drv_arm_later);
EXPORT_SYMBOL_GPL(ring_drv_break);
