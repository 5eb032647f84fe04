// SPDX-License-Identifier: GPL-2.0
/*
 * Who else uses an image.
 *
 * Two writers of one image destroy it, and a writer pulls the file system away
 * from under a reader. An image is therefore locked as long as it is open, and in
 * the way of QEMU (its block/file-posix.c), so that airlockd, QEMU and qemu-img
 * keep each other out. For each thing that one may do to an image there are two
 * bytes: who does it locks the one, who cannot bear that somebody else does locks
 * the other. All of these locks are shared ones. Having taken its own, each looks
 * whether a lock of somebody else contradicts them: of two that come at the same
 * time both may be refused, but both are never let in.
 *
 * The locks belong to the open file (F_OFD_SETLK), not to the process: two devices
 * of one process are kept apart as well, and a file that the kernel still reads or
 * writes for a process that was killed stays locked until that is over. This is
 * why an image in use is tried again for a moment: the daemon that is started in
 * the place of a killed one must not fail because of the last requests of that. Readers
 * do not contradict each other; but what a killed one still reads goes into a guest's memory, which
 * must not have been read into, and used, again by then. So there is one more byte, of the
 * socket: two of one socket are two lives of one device.
 *
 * What is taken here can be given back before the file is closed: for a disk whose guest moves to
 * another daemon (blk_file.c).
 */
#include "blk_lock.h"

#include <fcntl.h>
#include <time.h>

/* What one may do to an image; the numbers and places are QEMU's. */
#define BLK_LOCK_READ		(1u << 0)
#define BLK_LOCK_WRITE		(1u << 1)
#define BLK_LOCK_RESIZE		(1u << 3)
#define BLK_LOCK_KINDS		4u

#define BLK_LOCK_DOES		100u	/* first byte of those who do it */
#define BLK_LOCK_DENIES		200u	/* first byte of those who deny it to others */

#define BLK_LOCK_SOCKETS	(1ll << 32)	/* first byte of those of sockets */

#define BLK_LOCK_TRIES		100u
#define BLK_LOCK_PAUSE_MS	20u

/* What others must not do, whether the image is written here or only read. */
#define BLK_LOCK_DENIED		(BLK_LOCK_WRITE | BLK_LOCK_RESIZE)

static unsigned int blk_lock_done(bool readonly)
{
	return readonly ? BLK_LOCK_READ : BLK_LOCK_READ | BLK_LOCK_WRITE;
}

static int blk_lock_set(int fd, short type, off_t at, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len };

	if (!fcntl(fd, F_OFD_SETLK, &l))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* Does somebody else hold a lock on the byte? */
static int blk_lock_look(int fd, off_t at)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	if (fcntl(fd, F_OFD_GETLK, &l))
		return -errno;
	return l.l_type == F_UNLCK ? 0 : -EBUSY;
}

/* The byte of a socket, by its name (FNV-1a). */
static off_t blk_lock_socket(const char *socket)
{
	u32 hash = 2166136261u;

	while (*socket)
		hash = (hash ^ (u8)*socket++) * 16777619u;
	return BLK_LOCK_SOCKETS + hash;
}

int blk_lock_share(int fd, bool readonly, const char *socket)
{
	unsigned int done = blk_lock_done(readonly);
	unsigned int i;
	int r = socket ? blk_lock_set(fd, F_RDLCK, blk_lock_socket(socket), 1) : 0;

	for (i = 0; i < BLK_LOCK_KINDS && !r; i++) {
		if (done & (1u << i))
			r = blk_lock_set(fd, F_RDLCK, BLK_LOCK_DOES + i, 1);
		if (!r && (BLK_LOCK_DENIED & (1u << i)))
			r = blk_lock_set(fd, F_RDLCK, BLK_LOCK_DENIES + i, 1);
	}
	return r;
}

static int blk_lock_contradicted(int fd, bool readonly, const char *socket)
{
	unsigned int done = blk_lock_done(readonly);
	unsigned int i;
	int r = socket ? blk_lock_look(fd, blk_lock_socket(socket)) : 0;

	for (i = 0; i < BLK_LOCK_KINDS && !r; i++) {
		if (done & (1u << i))
			r = blk_lock_look(fd, BLK_LOCK_DENIES + i);
		if (!r && (BLK_LOCK_DENIED & (1u << i)))
			r = blk_lock_look(fd, BLK_LOCK_DOES + i);
	}
	return r;
}

void blk_lock_drop(int fd)
{
	blk_lock_set(fd, F_UNLCK, BLK_LOCK_DOES, BLK_LOCK_KINDS);
	blk_lock_set(fd, F_UNLCK, BLK_LOCK_DENIES, BLK_LOCK_KINDS);
	blk_lock_set(fd, F_UNLCK, BLK_LOCK_SOCKETS, 1ll << 32);
}

int blk_lock_try(int fd, bool readonly, const char *socket)
{
	int r = blk_lock_share(fd, readonly, socket);

	if (!r)
		r = blk_lock_contradicted(fd, readonly, socket);
	if (r)
		blk_lock_drop(fd);
	return r;
}

int blk_lock_take(int fd, bool readonly, const char *socket)
{
	const struct timespec pause = { .tv_nsec = BLK_LOCK_PAUSE_MS * 1000000L };
	unsigned int i;
	int r;

	for (i = 0; ; i++) {
		r = blk_lock_try(fd, readonly, socket);
		if (r != -EBUSY || i == BLK_LOCK_TRIES)
			return r;
		/* No call waits for a lock of another owner with a bound: look again. */
		nanosleep(&pause, NULL);
	}
}
