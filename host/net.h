/* SPDX-License-Identifier: GPL-2.0 */
/* A network card. */
#ifndef HOST_NET_H
#define HOST_NET_H

#include "device.h"

/**
 * net_open() - open a network card
 * @spec: what the user asked for
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the device or NULL.
 */
struct device *net_open(const struct options_device *spec);

#endif /* HOST_NET_H */
