/* SPDX-License-Identifier: GPL-2.0 */
/* What a disk stands on: a file or a block device. */
#ifndef HOST_BLK_FILE_H
#define HOST_BLK_FILE_H

#include "options.h"
#include "../ring/os.h"

/**
 * struct blk_file - an open image
 * @path: of it, for messages; not copied
 * @fd: with the page cache
 * @direct: past the page cache, or -1 when the file does not support it
 * @align: what address, offset and length must be multiples of to use @direct
 * @block: logical block size to tell the driver
 * @sectors: size in units of 512 bytes; the control thread changes it, atomically
 */
struct blk_file {
	const char *path;
	int fd;
	int direct;
	u32 align;
	u32 block;
	u64 sectors;
};

/**
 * blk_file_open() - open an image
 * @f: filled in when 0 is returned
 * @spec: the device: path, whether it is read only, and what is for messages
 *
 * Says in one line what is wrong when there is something; -EBUSY when somebody else
 * uses it in a way that does not go with this one.
 *
 * Return: 0 or -errno.
 */
int blk_file_open(struct blk_file *f, const struct options_device *spec);

/**
 * blk_file_resized() - has it another size?
 * @f: the image
 * @id: device, for messages
 * @sectors: set to the size when it has
 *
 * A size that no disk can have is said and counts as none.
 */
bool blk_file_resized(const struct blk_file *f, const char *id, u64 *sectors);

/**
 * blk_file_close() - close an image
 * @f: opened before
 */
void blk_file_close(struct blk_file *f);

#endif /* HOST_BLK_FILE_H */
