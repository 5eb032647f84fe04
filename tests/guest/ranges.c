// SPDX-License-Identifier: GPL-2.0
/*
 * What busybox cannot do to a disk.
 *
 *	ranges zero DISK OFFSET BYTES [keep]	write zeroes, by ioctl; with keep without
 *						giving the blocks back, where that can be told
 *	ranges poll DISK COUNT			COUNT blocks written, then read and compared,
 *						by io_uring without an interrupt
 *	ranges vain DISK OFFSET			a read of a block that fails, and whose buffer
 *						is after that what it was before
 *
 * Exit: 0 it was done, 1 it was not (one line says what), 2 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define BLOCK	4096u
#define BATCH	16u

static void __attribute__((noreturn)) die(const char *what, int err)
{
	fprintf(stderr, "ranges: %s: %s\n", what, strerror(err));
	exit(1);
}

static int disk_open(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static void zero(const char *path, uint64_t offset, uint64_t bytes, int keep)
{
	uint64_t range[2] = { offset, bytes };
	int fd = disk_open(path);

	/* The ioctl keeps the blocks; fallocate() lets them go, and does not fall back. */
	if (keep ? ioctl(fd, BLKZEROOUT, range) :
		   fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			     (off_t)bytes))
		die("zero", errno);
}

static void poll_one_way(struct io_uring *ring, int fd, unsigned char *buf, unsigned int first,
			 int write)
{
	struct io_uring_cqe *cqe;
	unsigned int i;
	int ret;

	for (i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
		const off_t at = (off_t)(first + i) * BLOCK;

		if (write)
			io_uring_prep_write(sqe, fd, buf + i * BLOCK, BLOCK, at);
		else
			io_uring_prep_read(sqe, fd, buf + i * BLOCK, BLOCK, at);
	}
	ret = io_uring_submit(ring);
	if (ret != (int)BATCH)
		die("submit", -ret);
	for (i = 0; i < BATCH; i++) {
		ret = io_uring_wait_cqe(ring, &cqe);
		if (ret)
			die("wait", -ret);
		if (cqe->res != (int)BLOCK)
			die(write ? "write" : "read", cqe->res < 0 ? -cqe->res : EIO);
		io_uring_cqe_seen(ring, cqe);
	}
}

static void polled(const char *path, unsigned int count)
{
	unsigned char *out, *in;
	int fd = disk_open(path), ret;
	struct io_uring ring;
	unsigned int at, i;

	ret = io_uring_queue_init(BATCH, &ring, IORING_SETUP_IOPOLL);
	if (ret)
		die("io_uring", -ret);
	if (posix_memalign((void **)&out, BLOCK, BATCH * BLOCK) ||
	    posix_memalign((void **)&in, BLOCK, BATCH * BLOCK))
		die("memory", ENOMEM);
	for (at = 0; at < count; at += BATCH) {
		for (i = 0; i < BATCH * BLOCK; i++)
			out[i] = (unsigned char)(rand() >> 7);
		poll_one_way(&ring, fd, out, at, 1);
		memset(in, 0, BATCH * BLOCK);
		poll_one_way(&ring, fd, in, at, 0);
		if (memcmp(out, in, BATCH * BLOCK))
			die("it reads what was not written", EIO);
	}
}

static void in_vain(const char *path, uint64_t offset)
{
	int fd = disk_open(path), err;
	unsigned char *buf;
	unsigned int i;

	if (posix_memalign((void **)&buf, BLOCK, BLOCK))
		die("memory", ENOMEM);
	memset(buf, 0x5a, BLOCK);
	if (pread(fd, buf, BLOCK, (off_t)offset) >= 0)
		die("the read is a success", 0);
	err = errno;
	for (i = 0; i < BLOCK; i++)
		if (buf[i] != 0x5a)
			die("the buffer has changed, and the read failed", err);
	printf("read: %s\n", strerror(err));
}

int main(int argc, char **argv)
{
	if (argc >= 5 && !strcmp(argv[1], "zero"))
		zero(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0), argc > 5);
	else if (argc == 4 && !strcmp(argv[1], "poll"))
		polled(argv[2], (unsigned int)strtoul(argv[3], NULL, 0));
	else if (argc == 4 && !strcmp(argv[1], "vain"))
		in_vain(argv[2], strtoull(argv[3], NULL, 0));
	else
		return 2;
	return 0;
}
