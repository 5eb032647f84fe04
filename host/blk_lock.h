/* SPDX-License-Identifier: GPL-2.0 */
/* Who else uses an image. */
#ifndef HOST_BLK_LOCK_H
#define HOST_BLK_LOCK_H

#include "../ring/os.h"

/**
 * blk_lock_take() - lock an image against others
 * @fd: the image
 * @readonly: it will not be written
 * @socket: path of the device's socket, or NULL
 *
 * Waits a moment, see the theory, when the image is in use. Control thread, before
 * any device is served. The lock ends when the last use of @fd does.
 *
 * Return: 0, -EBUSY when somebody's use does not go with this one, another -errno
 * when the file cannot be locked.
 */
int blk_lock_take(int fd, bool readonly, const char *socket);

/**
 * blk_lock_try() - the same without waiting
 * @fd: the image
 * @readonly: it will not be written
 * @socket: path of the device's socket, or NULL
 *
 * Return: as blk_lock_take().
 */
int blk_lock_try(int fd, bool readonly, const char *socket);

/**
 * blk_lock_drop() - let go of the image
 * @fd: that was locked, or not
 */
void blk_lock_drop(int fd);

/**
 * blk_lock_share() - the same lock on another open file of the same owner
 * @fd: the image, opened once more
 * @readonly: as it was given to blk_lock_take(), which was successful
 * @socket: likewise
 *
 * Return: 0 or -errno.
 */
int blk_lock_share(int fd, bool readonly, const char *socket);

#endif /* HOST_BLK_LOCK_H */
