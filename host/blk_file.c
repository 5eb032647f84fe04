// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk stands on: a file or a block device.
 *
 * The image is opened twice where that is possible: once past the page cache
 * (O_DIRECT), which takes all data when the alignment that it wants is no more
 * than a block of the disk, and once through it, for flushes and else for
 * everything; blk.c says why the two are never mixed. What alignment is needed is
 * found by trying, since file systems differ and older kernels do not tell.
 *
 * Both are locked against other users of the image (blk_lock.c). A block device that
 * is to be written is also opened exclusively, which the kernel denies while
 * something of it is mounted or used by another driver.
 *
 * #syscalls newfstatat fstat ioctl:BLKGETSIZE64 ioctl:BLKSSZGET close
 */
#include "blk_file.h"

#include "blk_lock.h"
#include "log.h"
#include "../ring/blk_req.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLK_FILE_ALIGN_MAX	4096u

/* Does a direct read aligned to @align work? */
static bool blk_file_try(int fd, void *buf, u32 align)
{
	return pread(fd, (char *)buf + align, align, align) >= 0;
}

static void blk_file_open_direct(struct blk_file *f, const char *path, int mode)
{
	void *buf;

	f->direct = open(path, mode | O_DIRECT | O_CLOEXEC);
	if (f->direct < 0)
		return;
	if (!posix_memalign(&buf, 2 * BLK_FILE_ALIGN_MAX, 2 * BLK_FILE_ALIGN_MAX)) {
		for (f->align = BLK_SECTOR; f->align <= BLK_FILE_ALIGN_MAX; f->align *= 2) {
			if (blk_file_try(f->direct, buf, f->align))
				break;
		}
		free(buf);
		if (f->align && f->align <= BLK_FILE_ALIGN_MAX)
			return;
	}
	close(f->direct);
	f->direct = -1;
}

/* Size and blocks. Says what is wrong. */
static int blk_file_measure(const struct blk_file *f, const char *id, const char *path,
			    u64 *sectors, u32 *size)
{
	u64 bytes = 0;
	struct stat st;
	int block;

	if (fstat(f->fd, &st)) {
		log_error(id, "image %s cannot be examined: %s", path, strerror(errno));
		return -errno;
	}
	*size = BLK_SECTOR;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(f->fd, BLKGETSIZE64, &bytes) || ioctl(f->fd, BLKSSZGET, &block)) {
			log_error(id, "block device %s does not tell its size: %s", path,
				  strerror(errno));
			return -EINVAL;
		}
		*size = (u32)block;
	} else if (S_ISREG(st.st_mode)) {
		bytes = (u64)st.st_size;
	} else {
		log_error(id, "image %s is neither a file nor a block device: choose another path", path);
		return -EINVAL;
	}
	if (!bytes || bytes % BLK_SECTOR) {
		log_error(id, "image %s has %llu bytes: make it a multiple of 512 and not empty (truncate -s)",
			  path, (unsigned long long)bytes);
		return -EINVAL;
	}
	*sectors = bytes / BLK_SECTOR;
	return 0;
}

static const char *blk_file_advice(int err, bool readonly)
{
	switch (err) {
	case ENOENT:
		return "create it first";
	case EACCES:
	case EPERM:
		return readonly ? "check its permissions" :
				  "check its permissions, or use readonly=on";
	case EROFS:
		return "use readonly=on";
	case EISDIR:
	case ENXIO:
	case ENODEV:
		return "it is neither a file nor a block device: choose another path";
	case EBUSY:
		return "it is mounted or otherwise in use: stop that, or use readonly=on";
	case ETXTBSY:
		return "it is used as a program or for swapping: stop that, or use readonly=on";
	default:
		return "check the path";
	}
}

/* Open it the first time. Return: 0 or -errno, saying what is wrong. */
static int blk_file_open_cached(struct blk_file *f, const char *id, const char *path,
				bool readonly)
{
	int mode = readonly ? O_RDONLY : O_RDWR;
	struct stat st;
	int r;

	/* Means something without O_CREAT for block devices only. */
	if (!readonly && !stat(path, &st) && S_ISBLK(st.st_mode))
		mode |= O_EXCL;
	/* O_NONBLOCK for now: never wait for the other end of a FIFO. */
	f->fd = open(path, mode | O_CLOEXEC | O_NONBLOCK);
	if (f->fd >= 0)
		return 0;
	r = -errno;
	log_error(id, "image %s cannot be opened%s: %s: %s", path,
		  readonly ? "" : " for writing", strerror(-r), blk_file_advice(-r, readonly));
	return r;
}

/* Keep others out. Return: 0 or -errno, saying what is wrong. */
static int blk_file_lock(struct blk_file *f, const struct options_device *spec)
{
	bool readonly = spec->readonly;
	const char *id = spec->id, *path = spec->path;
	int r = blk_lock_take(f->fd, readonly, spec->socket);

	if (r == -EBUSY) {
		log_error(id, "image %s is in use%s: stop what uses it (another device, QEMU, qemu-img) or choose another image",
			  path, readonly ? " for writing" : "");
		return r;
	}
	if (r)
		log_warn(id, "image %s cannot be locked: %s: see to it that nobody else uses it",
			 path, strerror(-r));
	return 0;
}

int blk_file_open(struct blk_file *f, const struct options_device *spec)
{
	const char *id = spec->id, *path = spec->path;
	bool readonly = spec->readonly;
	int r;

	f->path = path;
	r = blk_file_open_cached(f, id, path, readonly);
	if (r)
		return r;
	r = blk_file_measure(f, id, path, &f->sectors, &f->block);
	if (!r && fcntl(f->fd, F_SETFL, 0)) {
		r = -errno;
		log_error(id, "image %s cannot be used: %s", path, strerror(-r));
	}
	if (!r)
		r = blk_file_lock(f, spec);
	if (r) {
		close(f->fd);
		return r;
	}
	blk_file_open_direct(f, path, readonly ? O_RDONLY : O_RDWR);
	/* Where this fails the first lock failed too, and that was said. */
	if (f->direct >= 0)
		blk_lock_share(f->direct, readonly, spec->socket);
	log_debug(id, "image %s: %llu bytes, %s", path, (unsigned long long)f->sectors * BLK_SECTOR,
		  f->direct >= 0 ? "direct I/O" : "no direct I/O");
	return 0;
}

bool blk_file_resized(const struct blk_file *f, const char *id, u64 *sectors)
{
	u32 block;

	return !blk_file_measure(f, id, f->path, sectors, &block) && *sectors != f->sectors;
}

void blk_file_close(struct blk_file *f)
{
	if (f->direct >= 0)
		close(f->direct);
	close(f->fd);
}
