/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checking of virtio-blk requests and configuration (virtio 1.2, 5.2.4 and 5.2.6).
 *
 * The device half of a disk must not believe the driver's header, the driver
 * must not believe the device's configuration. Both are copied into private
 * memory once and checked here once.
 */
#ifndef RING_BLK_REQ_H
#define RING_BLK_REQ_H

#include "os.h"

#ifdef __KERNEL__
#include <uapi/linux/virtio_blk.h>
#else
#include <linux/virtio_blk.h>
#endif

#define BLK_SECTOR_SHIFT	9
#define BLK_SECTOR		(1u << BLK_SECTOR_SHIFT)

/* Most sectors of a disk: bytes must fit a signed 64-bit offset. */
#define BLK_SECTORS_MAX		((u64)S64_MAX >> BLK_SECTOR_SHIFT)

/* Most sectors of a range to discard or zero: its bytes fit 32 bits. */
#define BLK_RANGE_SECTORS_MAX	(U32_MAX >> BLK_SECTOR_SHIFT)

/* Most ranges of a request that a device takes. */
#define BLK_RANGES		16u

/* Bytes of a request's header and of its status on the wire. */
#define BLK_HDR_BYTES		sizeof(struct virtio_blk_outhdr)
#define BLK_STATUS_BYTES	1u

/**
 * struct blk_disk - what a request is checked against; private
 * @sectors: capacity in units of 512 bytes
 * @block: logical block size in bytes; sector and length are multiples of it
 * @features: negotiated feature bits
 */
struct blk_disk {
	u64 sectors;
	u32 block;
	u64 features;
};

/**
 * enum blk_op - what a request asks for
 * @BLK_OP_READ: @bytes from @offset into the writable segments
 * @BLK_OP_WRITE: @bytes from the readable segments to @offset
 * @BLK_OP_FLUSH: make all completed writes durable
 * @BLK_OP_GET_ID: the serial number into the writable segments
 * @BLK_OP_DISCARD: what @bytes of ranges in the readable segments hold is not needed
 * @BLK_OP_ZEROES: what they hold becomes zeroes
 */
enum blk_op {
	BLK_OP_READ,
	BLK_OP_WRITE,
	BLK_OP_FLUSH,
	BLK_OP_GET_ID,
	BLK_OP_DISCARD,
	BLK_OP_ZEROES,
};

/**
 * struct blk_req - a request, checked; private
 * @op: what to do
 * @offset: byte offset on the disk; the range is inside the capacity
 * @bytes: of data: readable bytes after the header for a write or ranges, of which there are
 *	1 to BLK_RANGES, whole; writable bytes before the status for a read or GET_ID
 */
struct blk_req {
	enum blk_op op;
	u64 offset;
	u32 bytes;
};

/**
 * blk_req_check() - check a request against the disk
 * @raw: header, copied into private memory
 * @out_len: readable bytes of the chain, header included
 * @in_len: writable bytes of the chain, status included
 * @disk: the disk
 * @req: filled in when VIRTIO_BLK_S_OK is returned
 *
 * Return: VIRTIO_BLK_S_OK: serve it; VIRTIO_BLK_S_IOERR or
 * VIRTIO_BLK_S_UNSUPP: answer with that status and do nothing; -EINVAL when
 * the chain has no room for header and status: it cannot be answered, the queue
 * breaks (5.2.6.2).
 */
int blk_req_check(const struct virtio_blk_outhdr *raw, u32 out_len, u32 in_len,
		  const struct blk_disk *disk, struct blk_req *req);

/**
 * struct blk_range - a range to discard or to zero, checked; private
 * @offset: byte offset on the disk; the range is inside the capacity
 * @bytes: of it, at least a block
 * @unmap: of zeroes: what holds them may be given back
 */
struct blk_range {
	u64 offset;
	u32 bytes;
	bool unmap;
};

/**
 * blk_range_check() - check a range against the disk (5.2.6.1)
 * @raw: the range, copied into private memory
 * @op: BLK_OP_DISCARD or BLK_OP_ZEROES
 * @disk: the disk
 * @range: filled in when VIRTIO_BLK_S_OK is returned
 *
 * Return: as blk_req_check(), but -EINVAL.
 */
int blk_range_check(const struct virtio_blk_discard_write_zeroes *raw, enum blk_op op,
		    const struct blk_disk *disk, struct blk_range *range);

/**
 * struct blk_limits - a disk's configuration, checked and clamped; private
 * @sectors: capacity in units of 512 bytes, at most BLK_SECTORS_MAX
 * @block: logical block size: a power of two from 512 to the page size
 * @size_max: most bytes of a segment, at least 4096; U32_MAX when not limited
 * @seg_max: most data segments of a request, at least 1
 * @discard_sectors: most sectors of a range to discard, whole blocks; 0: it cannot
 * @discard_segs: most ranges of a request to discard, at least 1
 * @discard_align: bytes, in multiples of which it discards best: a power of two, at
 *	least @block, and no more than @discard_sectors when it can discard
 * @zeroes_sectors: most sectors of a range to fill with zeroes, whole blocks; 0: it cannot
 * @queues: number of queues that the device says it has, at least 1
 * @write_cache: what is written need not be durable before a flush
 */
struct blk_limits {
	u64 sectors;
	u32 block;
	u32 size_max;
	u32 seg_max;
	u32 discard_sectors;
	u32 discard_segs;
	u32 discard_align;
	u32 zeroes_sectors;
	u16 queues;
	bool write_cache;
};

/**
 * blk_limits_check() - check what a device says of itself
 * @raw: configuration, copied into private memory
 * @features: negotiated feature bits; fields without theirs are not looked at
 * @page: page size in bytes
 * @limits: filled in when 0 is returned
 * @what: set, when -EINVAL is returned, to the name of the field that cannot be
 *
 * What only makes a disk slower or less able when it is nonsense is clamped; -EINVAL is
 * for what no disk can be.
 *
 * Return: 0 or -EINVAL.
 */
int blk_limits_check(const struct virtio_blk_config *raw, u64 features, u32 page,
		     struct blk_limits *limits, const char **what);

#endif /* RING_BLK_REQ_H */
