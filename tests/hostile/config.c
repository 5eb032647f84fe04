// SPDX-License-Identifier: GPL-2.0
/*
 * Disks that lie about what they are (virtio 1.2, 5.2.4). LIES_CONFIG in the environment is
 * "DEVICE:OFFSET:BYTES:VALUE", as many as wanted with blanks between them: so many bytes of that
 * device's configuration at that offset, little-endian.
 */
#include "lie.h"

#include <stdio.h>
#include <stdlib.h>

struct device *__real_device_open(const struct options_device *spec);
struct device *__wrap_device_open(const struct options_device *spec);

static const struct device_ops *config_ops;

static void config_lie(const struct device *dev, u8 *space, const char *lie)
{
	char id[OPTIONS_ID_BYTES];
	unsigned int off, bytes, i;
	unsigned long long value;

	if (sscanf(lie, "%31[^:]:%u:%u:%lli", id, &off, &bytes, (long long *)&value) != 4)
		return;
	if (strcmp(id, dev->id) || bytes > sizeof(value) || off > MESSAGE_CONFIG_BYTES - bytes)
		return;
	for (i = 0; i < bytes; i++)
		space[off + i] = (u8)(value >> 8 * i);
}

static void config_read(struct device *dev, u8 *space)
{
	char *lies = strdup(getenv("LIES_CONFIG")), *rest = NULL, *lie;

	config_ops->config(dev, space);
	for (lie = lies ? strtok_r(lies, " ", &rest) : NULL; lie; lie = strtok_r(NULL, " ", &rest))
		config_lie(dev, space, lie);
	free(lies);
}

struct device *__wrap_device_open(const struct options_device *spec)
{
	static struct device_ops liar;
	struct device *dev = __real_device_open(spec);

	if (!dev || !dev->ops->config || !getenv("LIES_CONFIG"))
		return dev;
	config_ops = dev->ops;
	liar = *dev->ops;
	liar.config = config_read;
	dev->ops = &liar;
	return dev;
}
