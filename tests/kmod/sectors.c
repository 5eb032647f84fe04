// SPDX-License-Identifier: GPL-2.0
/*
 * Sectors that lie in the midst of the secret, written to a disk and read back.
 *
 * Theory
 * ------
 * A round is about some sectors that follow each other on the disk; in memory each run of
 * them is the middle of a page that is full of the token. They are read, whatever they
 * are, written, and read again into another place of such pages. Then they must be what
 * was written, and after each read all around them must be as it was. A driver that copies
 * whole pages or blocks fails in this or shows the token.
 *
 * That a round begins with a read is for a test that looks at a read which waits: what a
 * driver showed for that will be overwritten when it is done.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "sentinel.h"

#define SECTOR		512u
#define SEGS_MAX	16

/**
 * struct sectors - what follows each other on the disk
 * @bv: the pages, and which part of each it is
 * @segs: entries of @bv that are in use
 * @bytes: in all
 */
struct sectors {
	struct bio_vec bv[SEGS_MAX];
	unsigned int segs;
	u32 bytes;
};

/* One mover at a time; only it writes the number of rounds. */
static DEFINE_MUTEX(sectors_lock);
static u64 sectors_rounds;

/* Choose the parts; @shift says how far into the pages. The pages are the token's. */
static void sectors_plan(struct sectors *s, u32 round, u32 shift)
{
	unsigned int i;

	s->segs = 1 + round % SEGS_MAX;
	s->bytes = 0;
	for (i = 0; i < s->segs; i++) {
		struct bio_vec *bv = &s->bv[i];

		bv->bv_len = SECTOR * (1 + (round / SEGS_MAX + i * 3) % 7);
		bv->bv_offset = SECTOR * ((round + i + shift) %
					  ((PAGE_SIZE - bv->bv_len) / SECTOR + 1));
		s->bytes += bv->bv_len;
		secret_fill(page_address(bv->bv_page), PAGE_SIZE);
	}
}

static void sectors_fill(struct sectors *s, u64 at)
{
	unsigned int i;

	for (i = 0; i < s->segs; i++) {
		const struct bio_vec *bv = &s->bv[i];

		memcpy(page_address(bv->bv_page) + bv->bv_offset, pattern_at(at), bv->bv_len);
		at += bv->bv_len;
	}
}

/* Are the parts what was written? */
static bool sectors_are_same(const struct sectors *s, u64 at)
{
	unsigned int i;

	for (i = 0; i < s->segs; i++) {
		const struct bio_vec *bv = &s->bv[i];

		if (memcmp(page_address(bv->bv_page) + bv->bv_offset, pattern_at(at), bv->bv_len))
			return false;
		at += bv->bv_len;
	}
	return true;
}

/* Is all around the parts as it was? */
static bool sectors_are_apart(const struct sectors *s)
{
	unsigned int i;

	for (i = 0; i < s->segs; i++) {
		const struct bio_vec *bv = &s->bv[i];
		const u8 *page = page_address(bv->bv_page);
		const u32 end = bv->bv_offset + bv->bv_len;

		if (!secret_is_all(page, bv->bv_offset, 0) ||
		    !secret_is_all(page + end, PAGE_SIZE - end, end))
			return false;
	}
	return true;
}

static int sectors_io(struct file *disk, struct sectors *s, loff_t pos, unsigned int dir)
{
	struct iov_iter iter;
	ssize_t n;

	iov_iter_bvec(&iter, dir, s->bv, s->segs, s->bytes);
	n = dir == WRITE ? vfs_iter_write(disk, &iter, &pos, 0) :
			   vfs_iter_read(disk, &iter, &pos, 0);
	if (n < 0)
		return n;
	return n == s->bytes ? 0 : -EIO;
}

/* Read into the midst of the token. Return: 0, -EILSEQ, or another -errno. */
static int sectors_read(struct file *disk, struct sectors *s, loff_t pos, u32 round, u32 shift)
{
	int err;

	sectors_plan(s, round, shift);
	err = sectors_io(disk, s, pos, READ);
	if (err)
		return err;
	return sectors_are_apart(s) ? 0 : -EILSEQ;
}

/* Return: 0, -EILSEQ when not the same came back or more than that, or another -errno. */
static int sectors_round(struct file *disk, struct sectors *s, u64 places)
{
	const u32 round = sectors_rounds;
	const u64 at = pattern_of(round);
	const loff_t pos = ((u64)round * 0x9e3779b97f4a7c15ULL >> 16) % places * SECTOR;
	int err;

	err = sectors_read(disk, s, pos, round, 2);
	if (err)
		return err;
	sectors_plan(s, round, 0);
	sectors_fill(s, at);
	err = sectors_io(disk, s, pos, WRITE);
	if (err)
		return err;
	err = sectors_read(disk, s, pos, round, 1);
	if (err)
		return err;
	if (!sectors_are_same(s, at))
		return -EILSEQ;
	WRITE_ONCE(sectors_rounds, round + 1);
	return 0;
}

static int sectors_pages(struct sectors *s)
{
	unsigned int i;

	for (i = 0; i < SEGS_MAX; i++) {
		s->bv[i].bv_page = alloc_page(GFP_KERNEL);
		if (!s->bv[i].bv_page)
			return -ENOMEM;
	}
	return 0;
}

/* @count rounds with @disk, open for direct I/O. Return: 0 or -errno. */
int sectors_move(struct file *disk, u32 count)
{
	const loff_t size = i_size_read(disk->f_mapping->host);
	struct sectors *s;
	unsigned int i;
	int err;

	if (!S_ISBLK(file_inode(disk)->i_mode))
		return -ENOTBLK;
	if (size < 2 * SEGS_MAX * PAGE_SIZE)
		return -ENOSPC;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	err = sectors_pages(s);
	mutex_lock(&sectors_lock);
	while (!err && count--) {
		err = sectors_round(disk, s, (size - SEGS_MAX * PAGE_SIZE) / SECTOR);
		if (!err && signal_pending(current))
			err = -EINTR;
	}
	mutex_unlock(&sectors_lock);
	for (i = 0; i < SEGS_MAX; i++)
		if (s->bv[i].bv_page)
			__free_page(s->bv[i].bv_page);
	kfree(s);
	return err;
}

void sectors_status(struct seq_file *seq)
{
	seq_printf(seq, "disk_rounds: %llu\n", READ_ONCE(sectors_rounds));
}
