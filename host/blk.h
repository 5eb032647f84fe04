/* SPDX-License-Identifier: GPL-2.0 */
/* A disk. */
#ifndef HOST_BLK_H
#define HOST_BLK_H

#include "device.h"

/**
 * blk_open() - open a disk
 * @spec: what the user asked for
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the device or NULL.
 */
struct device *blk_open(const struct options_device *spec);

#endif /* HOST_BLK_H */
