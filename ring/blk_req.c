// SPDX-License-Identifier: GPL-2.0
/*
 * The checks of blk_req.h.
 *
 * A request that can be answered is answered, with an error status when it asks
 * for what the disk does not have or do; nothing of it reaches the file. Only a
 * chain without room for header or status cannot be, and costs the queue.
 */
#include "blk_req.h"

/* Segments that a device lets a driver use if it does not say (virtio 1.2, 5.2.4). */
#define BLK_SEG_MAX_DEFAULT	1u
#define BLK_SIZE_MAX_LEAST	4096u

static bool blk_has(u64 features, unsigned int feature)
{
	return features & BIT_ULL(feature);
}

/* Is [sector, sector + bytes) a range of whole blocks inside the disk? */
static bool blk_range_ok(u64 sector, u32 bytes, const struct blk_disk *disk)
{
	if (!bytes || bytes % disk->block || sector % (disk->block >> BLK_SECTOR_SHIFT))
		return false;
	return sector <= disk->sectors &&
	       bytes >> BLK_SECTOR_SHIFT <= disk->sectors - sector;
}

static int blk_check_rw(u64 sector, const struct blk_disk *disk, struct blk_req *req)
{
	if (!blk_range_ok(sector, req->bytes, disk))
		return VIRTIO_BLK_S_IOERR;
	req->offset = sector << BLK_SECTOR_SHIFT;
	return VIRTIO_BLK_S_OK;
}

/* A request with @out bytes of ranges, if the disk knows what @feature stands for. */
static int blk_check_ranges(const struct blk_disk *disk, unsigned int feature, u32 out, u32 in)
{
	const u32 each = sizeof(struct virtio_blk_discard_write_zeroes);

	if (!blk_has(disk->features, feature))
		return VIRTIO_BLK_S_UNSUPP;
	if (blk_has(disk->features, VIRTIO_BLK_F_RO) || in)
		return VIRTIO_BLK_S_IOERR;
	return out && out % each == 0 && out / each <= BLK_RANGES ?
		VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

int blk_range_check(const struct virtio_blk_discard_write_zeroes *raw, enum blk_op op,
		    const struct blk_disk *disk, struct blk_range *range)
{
	const u64 sector = le64_to_cpu(raw->sector);
	const u32 sectors = le32_to_cpu(raw->num_sectors), flags = le32_to_cpu(raw->flags);

	/* A range of discards has no flags (5.2.6.2). */
	if (flags & ~(op == BLK_OP_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))
		return VIRTIO_BLK_S_UNSUPP;
	if (sectors > BLK_RANGE_SECTORS_MAX ||
	    !blk_range_ok(sector, sectors << BLK_SECTOR_SHIFT, disk))
		return VIRTIO_BLK_S_IOERR;
	*range = (struct blk_range) {
		.offset = sector << BLK_SECTOR_SHIFT,
		.bytes = sectors << BLK_SECTOR_SHIFT,
		.unmap = flags,
	};
	return VIRTIO_BLK_S_OK;
}

int blk_req_check(const struct virtio_blk_outhdr *raw, u32 out_len, u32 in_len,
		  const struct blk_disk *disk, struct blk_req *req)
{
	const u64 sector = le64_to_cpu((__force __le64)raw->sector);
	u32 out, in;

	if (out_len < BLK_HDR_BYTES || in_len < BLK_STATUS_BYTES)
		return -EINVAL;
	out = out_len - (u32)BLK_HDR_BYTES;
	in = in_len - BLK_STATUS_BYTES;

	switch (le32_to_cpu((__force __le32)raw->type)) {
	case VIRTIO_BLK_T_IN:
		*req = (struct blk_req) { .op = BLK_OP_READ, .bytes = in };
		return out ? VIRTIO_BLK_S_IOERR : blk_check_rw(sector, disk, req);
	case VIRTIO_BLK_T_OUT:
		*req = (struct blk_req) { .op = BLK_OP_WRITE, .bytes = out };
		if (in || blk_has(disk->features, VIRTIO_BLK_F_RO))
			return VIRTIO_BLK_S_IOERR;
		return blk_check_rw(sector, disk, req);
	case VIRTIO_BLK_T_FLUSH:
		*req = (struct blk_req) { .op = BLK_OP_FLUSH };
		return blk_has(disk->features, VIRTIO_BLK_F_FLUSH) ?
			VIRTIO_BLK_S_OK : VIRTIO_BLK_S_UNSUPP;
	case VIRTIO_BLK_T_GET_ID:
		*req = (struct blk_req) { .op = BLK_OP_GET_ID, .bytes = in };
		return in ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_DISCARD:
		*req = (struct blk_req) { .op = BLK_OP_DISCARD, .bytes = out };
		return blk_check_ranges(disk, VIRTIO_BLK_F_DISCARD, out, in);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		*req = (struct blk_req) { .op = BLK_OP_ZEROES, .bytes = out };
		return blk_check_ranges(disk, VIRTIO_BLK_F_WRITE_ZEROES, out, in);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* Most sectors of a range, whole blocks; 0 when not even one block may be. */
static u32 blk_range_limit(__virtio32 raw, u32 block)
{
	u32 sectors = min_t(u32, le32_to_cpu((__force __le32)raw), BLK_RANGE_SECTORS_MAX);

	return sectors - sectors % (block >> BLK_SECTOR_SHIFT);
}

/*
 * Limits of discards. An alignment is a hint (virtio 1.2, 5.2.5.2): one that is no power of
 * two, or larger than what may be discarded, is not taken, and blocks are the alignment.
 */
static void blk_discard_limits(const struct virtio_blk_config *raw, struct blk_limits *limits)
{
	const u32 align = le32_to_cpu((__force __le32)raw->discard_sector_alignment);

	limits->discard_sectors = blk_range_limit(raw->max_discard_sectors, limits->block);
	limits->discard_segs = le32_to_cpu((__force __le32)raw->max_discard_seg);
	if (!limits->discard_segs)
		limits->discard_segs = 1;
	if (align > limits->block >> BLK_SECTOR_SHIFT && align <= limits->discard_sectors &&
	    !(align & (align - 1)))
		limits->discard_align = align << BLK_SECTOR_SHIFT;
}

int blk_limits_check(const struct virtio_blk_config *raw, u64 features, u32 page,
		     struct blk_limits *limits, const char **what)
{
	*limits = (struct blk_limits) {
		.sectors = le64_to_cpu((__force __le64)raw->capacity),
		.block = BLK_SECTOR,
		.size_max = U32_MAX,
		.seg_max = BLK_SEG_MAX_DEFAULT,
		.discard_segs = 1,
		.queues = 1,
		.write_cache = blk_has(features, VIRTIO_BLK_F_FLUSH),
	};

	*what = "capacity";
	if (limits->sectors > BLK_SECTORS_MAX)
		return -EINVAL;

	*what = "blk_size";
	if (blk_has(features, VIRTIO_BLK_F_BLK_SIZE)) {
		limits->block = le32_to_cpu((__force __le32)raw->blk_size);
		if (limits->block < BLK_SECTOR || limits->block > page ||
		    limits->block & (limits->block - 1))
			return -EINVAL;
	}
	/* A tail that is less than a block cannot be read or written. */
	limits->sectors -= limits->sectors % (limits->block >> BLK_SECTOR_SHIFT);

	*what = "size_max";
	if (blk_has(features, VIRTIO_BLK_F_SIZE_MAX)) {
		limits->size_max = le32_to_cpu((__force __le32)raw->size_max);
		if (limits->size_max < BLK_SIZE_MAX_LEAST)
			return -EINVAL;
	}

	if (blk_has(features, VIRTIO_BLK_F_SEG_MAX)) {
		limits->seg_max = le32_to_cpu((__force __le32)raw->seg_max);
		if (!limits->seg_max)
			limits->seg_max = BLK_SEG_MAX_DEFAULT;
	}
	if (blk_has(features, VIRTIO_BLK_F_MQ)) {
		limits->queues = le16_to_cpu((__force __le16)raw->num_queues);
		if (!limits->queues)
			limits->queues = 1;
	}

	limits->discard_align = limits->block;
	if (blk_has(features, VIRTIO_BLK_F_DISCARD))
		blk_discard_limits(raw, limits);
	if (blk_has(features, VIRTIO_BLK_F_WRITE_ZEROES))
		limits->zeroes_sectors = blk_range_limit(raw->max_write_zeroes_sectors,
							 limits->block);
	/* A cache that cannot be flushed is none that can be dealt with. */
	if (blk_has(features, VIRTIO_BLK_F_CONFIG_WCE) && !raw->wce)
		limits->write_cache = false;
	return 0;
}
