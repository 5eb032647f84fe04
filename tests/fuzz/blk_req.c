// SPDX-License-Identifier: GPL-2.0
/*
 * The checks of virtio-blk: of a request that a driver makes, and of what a device says of
 * itself.
 *
 * Theory
 * ------
 * The input is a device's configuration first. If it is accepted it must keep the
 * promises of blk_req.h, and is the disk that a request of the input is checked against. What
 * is accepted of that can be done without another look: offsets are calculated as
 * 128-bit numbers here. What is refused must deserve it.
 */
#include "fuzz.h"
#include "../../ring/blk_req.h"

typedef unsigned __int128 u128;

static bool has(u64 features, unsigned int bit)
{
	return features >> bit & 1;
}

static bool power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

/* ---- configuration --------------------------------------------------------------- */

/* Whole blocks, bytes that fit 32 bits, and no more than the device said. */
static void check_range_limit(u32 sectors, bool can, u32 says, u32 block)
{
	fuzz_check(sectors <= (can ? says : 0));
	fuzz_check((u64)sectors * BLK_SECTOR % block == 0);
	fuzz_check((u64)sectors * BLK_SECTOR <= U32_MAX);
}

static void check_limits(const struct virtio_blk_config *raw, u64 features, u32 page,
			 const struct blk_limits *l)
{
	const u64 capacity = le64toh(raw->capacity);

	fuzz_check(l->sectors <= BLK_SECTORS_MAX && l->sectors <= capacity);
	fuzz_check(power_of_two(l->block) && l->block >= BLK_SECTOR && l->block <= page);
	fuzz_check(l->block == (has(features, VIRTIO_BLK_F_BLK_SIZE) ?
				le32toh(raw->blk_size) : BLK_SECTOR));
	/* All whole blocks of the capacity. */
	fuzz_check((u128)l->sectors * BLK_SECTOR % l->block == 0);
	fuzz_check(((u128)capacity - l->sectors) * BLK_SECTOR < l->block);
	fuzz_check(l->size_max >= 4096);
	fuzz_check(l->size_max == (has(features, VIRTIO_BLK_F_SIZE_MAX) ?
				   le32toh(raw->size_max) : U32_MAX));
	fuzz_check(l->seg_max >= 1 && l->queues >= 1);
	fuzz_check(has(features, VIRTIO_BLK_F_SEG_MAX) || l->seg_max == 1);
	fuzz_check(!has(features, VIRTIO_BLK_F_SEG_MAX) || l->seg_max == 1 ||
		   l->seg_max == le32toh(raw->seg_max));
	fuzz_check(has(features, VIRTIO_BLK_F_MQ) || l->queues == 1);
	fuzz_check(!has(features, VIRTIO_BLK_F_MQ) || l->queues == 1 ||
		   l->queues == le16toh(raw->num_queues));
	check_range_limit(l->discard_sectors, has(features, VIRTIO_BLK_F_DISCARD),
			  le32toh(raw->max_discard_sectors), l->block);
	check_range_limit(l->zeroes_sectors, has(features, VIRTIO_BLK_F_WRITE_ZEROES),
			  le32toh(raw->max_write_zeroes_sectors), l->block);
	fuzz_check(l->discard_segs >= 1);
	fuzz_check(power_of_two(l->discard_align) && l->discard_align >= l->block);
	fuzz_check(l->discard_align == l->block ||
		   l->discard_align <= (u64)l->discard_sectors * BLK_SECTOR);
	fuzz_check(!l->write_cache || has(features, VIRTIO_BLK_F_FLUSH));
}

static void check_refused_limits(const struct virtio_blk_config *raw, u64 features, u32 page,
				 const char *what)
{
	const u32 block = le32toh(raw->blk_size);

	if (!strcmp(what, "capacity"))
		fuzz_check((u128)le64toh(raw->capacity) * BLK_SECTOR > (u128)S64_MAX);
	else if (!strcmp(what, "blk_size"))
		fuzz_check(has(features, VIRTIO_BLK_F_BLK_SIZE) &&
			   (!power_of_two(block) || block < BLK_SECTOR || block > page));
	else if (!strcmp(what, "size_max"))
		fuzz_check(has(features, VIRTIO_BLK_F_SIZE_MAX) && le32toh(raw->size_max) < 4096);
	else
		fuzz_check(!"a field that cannot be wrong");
}

/* ---- a request --------------------------------------------------------------------- */

static void check_range(const struct blk_req *req, u64 sector, const struct blk_disk *disk)
{
	fuzz_check(req->bytes && req->bytes % disk->block == 0 && req->offset % disk->block == 0);
	fuzz_check((u128)req->offset == (u128)sector * BLK_SECTOR);
	fuzz_check((u128)req->offset + req->bytes <= (u128)disk->sectors * BLK_SECTOR);
}

static bool range_ok(u64 sector, u32 bytes, const struct blk_disk *disk)
{
	return bytes && bytes % disk->block == 0 && (u128)sector * BLK_SECTOR % disk->block == 0 &&
	       (u128)sector * BLK_SECTOR + bytes <= (u128)disk->sectors * BLK_SECTOR;
}

static void check_ranges(bool discard, u32 out, u32 in, const struct blk_disk *disk, int ret,
			 const struct blk_req *req)
{
	const bool can = has(disk->features, discard ? VIRTIO_BLK_F_DISCARD :
						       VIRTIO_BLK_F_WRITE_ZEROES);
	const bool good = !in && !has(disk->features, VIRTIO_BLK_F_RO) && out && out % 16 == 0 &&
			  out / 16 <= BLK_RANGES;

	fuzz_check(ret == (!can ? VIRTIO_BLK_S_UNSUPP : good ? VIRTIO_BLK_S_OK :
			   VIRTIO_BLK_S_IOERR));
	fuzz_check(ret || (req->bytes == out &&
			   req->op == (discard ? BLK_OP_DISCARD : BLK_OP_ZEROES)));
}

static void check_req(const struct virtio_blk_outhdr *raw, u32 out, u32 in,
		      const struct blk_disk *disk)
{
	const u64 sector = le64toh(raw->sector);
	struct blk_req req;
	int ret;

	memset(&req, 0xa5, sizeof(req));
	ret = blk_req_check(raw, out, in, disk, &req);
	if (out < 16 || !in) {
		fuzz_check(ret == -EINVAL);
		return;
	}
	out -= 16;
	in--;
	fuzz_check(ret == VIRTIO_BLK_S_OK || ret == VIRTIO_BLK_S_IOERR ||
		   ret == VIRTIO_BLK_S_UNSUPP);
	switch (le32toh(raw->type)) {
	case VIRTIO_BLK_T_IN:
		fuzz_check(ret == (!out && range_ok(sector, in, disk) ?
				   VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR));
		if (ret)
			break;
		fuzz_check(req.op == BLK_OP_READ && req.bytes == in);
		check_range(&req, sector, disk);
		break;
	case VIRTIO_BLK_T_OUT:
		fuzz_check(ret == (!in && !has(disk->features, VIRTIO_BLK_F_RO) &&
				   range_ok(sector, out, disk) ?
				   VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR));
		if (ret)
			break;
		fuzz_check(req.op == BLK_OP_WRITE && req.bytes == out);
		check_range(&req, sector, disk);
		break;
	case VIRTIO_BLK_T_FLUSH:
		fuzz_check(ret == (has(disk->features, VIRTIO_BLK_F_FLUSH) ?
				   VIRTIO_BLK_S_OK : VIRTIO_BLK_S_UNSUPP));
		fuzz_check(ret || (req.op == BLK_OP_FLUSH && !req.bytes));
		break;
	case VIRTIO_BLK_T_GET_ID:
		fuzz_check(ret == (in ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR));
		fuzz_check(ret || (req.op == BLK_OP_GET_ID && req.bytes == in));
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		check_ranges(le32toh(raw->type) == VIRTIO_BLK_T_DISCARD, out, in, disk, ret, &req);
		break;
	default:
		fuzz_check(ret == VIRTIO_BLK_S_UNSUPP);
	}
}

/* One range of such a request. */
static void check_one_range(struct fuzz_in *in, const struct blk_disk *disk)
{
	const enum blk_op op = in_u8(in) & 1 ? BLK_OP_DISCARD : BLK_OP_ZEROES;
	const u64 sector = in_u8(in) & 1 ? in_number(in) : disk->sectors - in_number(in);
	const u32 sectors = (u32)in_number(in), flags = in_u8(in) & 0xf ? in_u8(in) & 3 : in_u32(in);
	const struct virtio_blk_discard_write_zeroes raw = {
		.sector = htole64(sector),
		.num_sectors = htole32(sectors),
		.flags = htole32(flags),
	};
	const bool known = !(flags & ~(op == BLK_OP_ZEROES ? 1u : 0u));
	const bool inside = (u64)sectors * BLK_SECTOR <= U32_MAX &&
			    range_ok(sector, sectors * BLK_SECTOR, disk);
	struct blk_range range;
	const int ret = blk_range_check(&raw, op, disk, &range);

	fuzz_check(ret == (!known ? VIRTIO_BLK_S_UNSUPP : inside ? VIRTIO_BLK_S_OK :
			   VIRTIO_BLK_S_IOERR));
	if (ret)
		return;
	fuzz_check((u128)range.offset == (u128)sector * BLK_SECTOR);
	fuzz_check(range.bytes == sectors * BLK_SECTOR && range.unmap == !!flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const u32 pages[] = { 4096, 16384, 65536, 512 };
	struct fuzz_in in = fuzz_in(data, size);
	struct virtio_blk_outhdr raw;
	struct virtio_blk_config c;
	struct blk_limits limits;
	struct blk_disk disk;
	const char *what = NULL;
	u32 page, out, written;
	u64 features, sector;

	features = in_u64(&in);
	page = pages[in_u8(&in) % ARRAY_SIZE(pages)];
	memset(&c, in_u8(&in), sizeof(c));
	c.capacity = htole64(in_number(&in));
	c.blk_size = htole32((u32)in_number(&in));
	c.size_max = htole32((u32)in_number(&in));
	c.seg_max = htole32((u32)in_number(&in));
	c.num_queues = htole16((u16)in_number(&in));
	memset(&limits, 0xa5, sizeof(limits));
	if (blk_limits_check(&c, features, page, &limits, &what)) {
		fuzz_check(what);
		check_refused_limits(&c, features, page, what);
		return 0;
	}
	check_limits(&c, features, page, &limits);

	disk = (struct blk_disk) {
		.sectors = limits.sectors, .block = limits.block, .features = features,
	};
	do {
		raw.type = htole32((u32)in_number(&in));
		raw.ioprio = 0;
		sector = in_number(&in);
		if (in_u8(&in) & 1)
			sector = limits.sectors - sector;
		raw.sector = htole64(sector);
		out = (u32)in_number(&in);
		written = (u32)in_number(&in);
		check_req(&raw, out, written, &disk);
		check_one_range(&in, &disk);
	} while (in_more(&in));
	return 0;
}
