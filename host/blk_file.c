// SPDX-License-Identifier: GPL-2.0
/*
 * What a disk stands on: a file or a block device.
 *
 * A step of a request is one operation in the queue's io_uring.
 *
 * The image is opened twice where that is possible: once past the page cache
 * (O_DIRECT), and once through it. Either all data goes past the cache or all goes through it. A
 * page, or a folio of several, that is written back whole because of a write through the cache
 * would overwrite what a write past it did to another part in the meantime. So direct I/O is
 * used when what it wants aligned is no more than the block that the driver is told of: then
 * offset and length always are; where only the guest's memory is not, the data is bounced. What
 * alignment is needed is found by trying, since file systems differ and older kernels do not
 * tell. Flushes, and ranges, which become holes where the file system can make some, always go
 * the other way.
 *
 * Both are locked against other users of the image (blk_lock.c). A block device that
 * is to be written is also opened exclusively, which the kernel denies while
 * something of it is mounted or used by another driver.
 *
 * While a guest moves to another host, or to another process, both have the image open. For
 * that (migrate=on) it is locked from the first queue's start to the last one's end only: the
 * front-end stops queues on the one side before it starts those on the other. A device is opened
 * exclusively only to see whether it could be. What the page cache of one host holds
 * another one does not see: that is said where there is no direct I/O.
 *
 * #syscalls newfstatat fstat ioctl:BLKGETSIZE64 ioctl:BLKSSZGET close
 */
#include "blk_store.h"

#include "blk_lock.h"
#include "log.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLK_FILE_ALIGN_MAX	BLK_BLOCK_MAX
#define BLK_FILE_TRIES		250u	/* to hold it: for five seconds, when nobody disturbs */

/* RWF_DSYNC of linux/fs.h; the cast in there is not one that sparse accepts. */
#define BLK_FILE_DSYNC		0x2

/**
 * struct blk_file - an open image
 * @store: what it has in common with others; its name is the path
 * @fd: with the page cache
 * @direct: past the page cache, or -1 when the file does not support it
 * @want: what address, offset and length must be multiples of to use @direct
 * @data: one of these, for data
 * @shy: locked only while a queue runs
 * @held: and it is
 * @tries: how often it was found in use since
 * @readonly: it is not written
 * @socket: path of the device's socket, or NULL; not copied
 */
struct blk_file {
	struct blk_store store;
	int fd;
	int direct;
	u32 want;
	int data;
	bool shy;
	bool held;
	unsigned int tries;
	bool readonly;
	const char *socket;
};

/* ---- steps ------------------------------------------------------------------- */

static void blk_file_on_done(struct queue *q, struct queue_op *op, int res)
{
	blk_step_done(q, container_of(op, struct blk_io, op), res);
}

static void blk_file_submit(struct blk_store *s, struct queue *q, struct blk_io *io)
{
	const struct blk_file *f = container_of(s, struct blk_file, store);
	const struct blk_step *step = &io->step;
	struct io_uring_sqe *sqe;
	int hole = FALLOC_FL_KEEP_SIZE;

	io->op.done = blk_file_on_done;
	sqe = queue_sqe(q, &io->op);
	if (!sqe) {
		blk_step_done(q, io, -EIO);
		return;
	}
	switch (step->op) {
	case BLK_OP_READ:
		io_uring_prep_readv(sqe, f->data, step->iov, step->iovs, step->offset);
		break;
	case BLK_OP_WRITE:
		io_uring_prep_writev(sqe, f->data, step->iov, step->iovs, step->offset);
		if (io->durable)
			sqe->rw_flags = (__force __kernel_rwf_t)BLK_FILE_DSYNC;
		break;
	case BLK_OP_DISCARD:
	case BLK_OP_ZEROES:
		hole |= step->op == BLK_OP_DISCARD || step->unmap ? FALLOC_FL_PUNCH_HOLE :
								    FALLOC_FL_ZERO_RANGE;
		io_uring_prep_fallocate(sqe, f->fd, hole, (off_t)step->offset, step->bytes);
		io->unsynced = true;
		break;
	default:
		io_uring_prep_fsync(sqe, f->fd, IORING_FSYNC_DATASYNC);
		break;
	}
	queue_submit(sqe, &io->op);
}

/* ---- opening ------------------------------------------------------------------ */

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
		for (f->want = BLK_SECTOR; f->want <= BLK_FILE_ALIGN_MAX; f->want *= 2) {
			if (blk_file_try(f->direct, buf, f->want))
				break;
		}
		free(buf);
		if (f->want && f->want <= BLK_FILE_ALIGN_MAX)
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
	/* O_NONBLOCK for now: never wait for the other end of a FIFO. */
	const int mode = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
	struct stat st;
	bool exclusive;
	int r;

	/* Means something without O_CREAT for block devices only. */
	exclusive = !readonly && !stat(path, &st) && S_ISBLK(st.st_mode);
	f->fd = open(path, mode | (exclusive ? O_EXCL : 0));
	if (f->fd >= 0 && exclusive && f->shy) {
		close(f->fd);
		f->fd = open(path, mode);
	}
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

static bool blk_file_resized(struct blk_store *s, u64 *sectors)
{
	const struct blk_file *f = container_of(s, struct blk_file, store);
	u32 block;

	return !blk_file_measure(f, s->id, s->name, sectors, &block) && *sectors != s->sectors;
}

static void blk_file_close(struct blk_store *s)
{
	struct blk_file *f = container_of(s, struct blk_file, store);

	if (f->direct >= 0)
		close(f->direct);
	close(f->fd);
	free(f);
}

/* Keep others out, from here on, where that was not done when it was opened. Never waits. */
static int blk_file_hold(struct blk_store *s, struct queue *q)
{
	struct blk_file *f = container_of(s, struct blk_file, store);
	int r;

	if (!f->shy || f->held)
		return 0;
	r = blk_lock_try(f->fd, f->readonly, f->socket);
	if (r == -EBUSY && ++f->tries < BLK_FILE_TRIES)
		return -EAGAIN;
	f->tries = 0;
	if (r == -EBUSY) {
		log_peer(&q->dev->limit, LOG_WARN, s->id,
			 "image %s is in use: the disk is off until it is set up again: stop what uses the image (another airlockd, QEMU, qemu-img) and reset the guest",
			 s->name);
		return r;
	}
	if (r)
		log_peer(&q->dev->limit, LOG_WARN, s->id,
			 "image %s cannot be locked: %s: see to it that nobody else uses it",
			 s->name, strerror(-r));
	else if (f->direct >= 0)
		blk_lock_share(f->direct, f->readonly, f->socket);
	f->held = true;
	return 0;
}

/* Nothing is done to it: let others in again. */
static void blk_file_release(struct blk_store *s)
{
	struct blk_file *f = container_of(s, struct blk_file, store);

	f->tries = 0;
	if (!f->held)
		return;
	if (f->direct >= 0)
		blk_lock_drop(f->direct);
	blk_lock_drop(f->fd);
	f->held = false;
}

static const struct blk_store_ops blk_file_ops = {
	.start = blk_file_hold,
	.submit = blk_file_submit,
	.idle = blk_file_release,
	.resized = blk_file_resized,
	.close = blk_file_close,
};

struct blk_store *blk_file_open(const struct options_device *spec)
{
	struct blk_file *f = calloc(1, sizeof(*f));
	const char *id = spec->id, *path = spec->path;
	struct blk_store *s;
	int r;

	if (!f)
		return NULL;
	s = &f->store;
	s->ops = &blk_file_ops;
	s->name = path;
	f->shy = spec->migrate;
	f->readonly = spec->readonly;
	f->socket = spec->socket;
	r = blk_file_open_cached(f, id, path, spec->readonly);
	if (r) {
		free(f);
		return NULL;
	}
	r = blk_file_measure(f, id, path, &s->sectors, &s->block);
	if (!r && fcntl(f->fd, F_SETFL, 0)) {
		r = -errno;
		log_error(id, "image %s cannot be used: %s", path, strerror(-r));
	}
	if (!r && !f->shy)
		r = blk_file_lock(f, spec);
	if (r) {
		close(f->fd);
		free(f);
		return NULL;
	}
	blk_file_open_direct(f, path, spec->readonly ? O_RDONLY : O_RDWR);
	/* Where this fails the first lock failed too, and that was said. */
	if (f->direct >= 0 && !f->shy)
		blk_lock_share(f->direct, spec->readonly, spec->socket);
	if (f->direct < 0 && f->shy)
		log_warn(id, "image %s goes through the page cache: let its guest move to another host only with one that can do without (O_DIRECT)",
			 path);
	f->data = f->direct >= 0 && f->want <= s->block ? f->direct : f->fd;
	s->align = f->data == f->direct ? f->want : 1;
	log_debug(id, "image %s: %llu bytes, %s", path, (unsigned long long)s->sectors * BLK_SECTOR,
		  f->direct >= 0 ? "direct I/O" : "no direct I/O");
	return s;
}
