// SPDX-License-Identifier: GPL-2.0
/*
 * The checks of ring/blk_req.h, row by row: cases 29, 30, 57 and 60 of ATTACKS.md
 * as far as they can be judged from a header, two lengths and a configuration.
 */
#include "../../ring/blk_req.h"
#include "rig.h"

#define RO	BIT_ULL(VIRTIO_BLK_F_RO)
#define FLUSH	BIT_ULL(VIRTIO_BLK_F_FLUSH)
#define OK	VIRTIO_BLK_S_OK
#define IOERR	VIRTIO_BLK_S_IOERR
#define UNSUPP	VIRTIO_BLK_S_UNSUPP

static struct virtio_blk_outhdr wire(u32 type, u64 sector)
{
	return (struct virtio_blk_outhdr) {
		.type = (__force __virtio32)cpu_to_le32(type),
		.ioprio = (__force __virtio32)cpu_to_le32(0xdeadbeef),
		.sector = (__force __virtio64)cpu_to_le64(sector),
	};
}

/* A request on a disk of 1000 sectors with 512-byte blocks unless it says otherwise. */
struct row {
	u32 type;
	u64 sector;
	u32 out_len, in_len;
	struct blk_disk disk;
	int ret;
	struct blk_req req;
};

#define DISK	{ 1000, 512, FLUSH }
#define DISK_RO	{ 1000, 512, FLUSH | RO }
#define DISK_4K	{ 1000, 4096, FLUSH }
#define DISK_MAX { BLK_SECTORS_MAX, 512, FLUSH }
#define NOTHING	{ .op = BLK_OP_READ }

static void check_rows(const struct row *row, size_t rows)
{
	size_t i;

	for (i = 0; i < rows; i++) {
		const struct row *r = &row[i];
		const struct virtio_blk_outhdr raw = wire(r->type, r->sector);
		struct blk_req req;
		int ret;

		memset(&req, 0xa5, sizeof(req));
		ret = blk_req_check(&raw, r->out_len, r->in_len, &r->disk, &req);
		if (ret != r->ret)
			print_error("row %zu: %d, not %d\n", i, ret, r->ret);
		assert_int_equal(ret, r->ret);
		if (ret != OK)
			continue;
		assert_int_equal(req.op, r->req.op);
		assert_int_equal(req.offset, r->req.offset);
		assert_int_equal(req.bytes, r->req.bytes);
	}
}

#define CHECK_ROWS(rows)	check_rows(rows, ARRAY_SIZE(rows))

static void honest_requests_pass(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_IN, 0, 16, 513, DISK, OK, { BLK_OP_READ, 0, 512 } },
		{ VIRTIO_BLK_T_IN, 999, 16, 513, DISK, OK, { BLK_OP_READ, 999 * 512, 512 } },
		{ VIRTIO_BLK_T_IN, 0, 16, 512001, DISK, OK, { BLK_OP_READ, 0, 512000 } },
		{ VIRTIO_BLK_T_OUT, 3, 16 + 4096, 1, DISK, OK, { BLK_OP_WRITE, 1536, 4096 } },
		{ VIRTIO_BLK_T_OUT, 0, 16 + 512000, 1, DISK, OK, { BLK_OP_WRITE, 0, 512000 } },
		{ VIRTIO_BLK_T_IN, 8, 16, 4097, DISK_4K, OK, { BLK_OP_READ, 4096, 4096 } },
		{ VIRTIO_BLK_T_IN, 1, 16, 513, DISK_RO, OK, { BLK_OP_READ, 512, 512 } },
		{ VIRTIO_BLK_T_FLUSH, 0, 16, 1, DISK, OK, { BLK_OP_FLUSH, 0, 0 } },
		{ VIRTIO_BLK_T_GET_ID, 0, 16, 21, DISK, OK, { BLK_OP_GET_ID, 0, 20 } },
		{ VIRTIO_BLK_T_GET_ID, 7, 16, 5, DISK, OK, { BLK_OP_GET_ID, 0, 4 } },
		{ VIRTIO_BLK_T_IN, BLK_SECTORS_MAX - 1, 16, 513, DISK_MAX, OK,
		  { BLK_OP_READ, (BLK_SECTORS_MAX - 1) * 512, 512 } },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case57_no_room_for_header_or_status(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_IN, 0, 0, 0, DISK, -EINVAL, NOTHING },
		{ VIRTIO_BLK_T_IN, 0, 15, 513, DISK, -EINVAL, NOTHING },
		{ VIRTIO_BLK_T_IN, 0, 0, 513, DISK, -EINVAL, NOTHING },
		{ VIRTIO_BLK_T_OUT, 0, 16 + 512, 0, DISK, -EINVAL, NOTHING },
		{ VIRTIO_BLK_T_FLUSH, 0, 16, 0, DISK, -EINVAL, NOTHING },
		{ VIRTIO_BLK_T_FLUSH, 0, 15, 1, DISK, -EINVAL, NOTHING },
		{ 0xffffffffu, 0, 16, 0, DISK, -EINVAL, NOTHING },
		{ 0xffffffffu, 0, 15, 1, DISK, -EINVAL, NOTHING },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case60_outside_the_capacity(void **state)
{
	static const u32 types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT };
	static const struct {
		u64 sector;
		u32 bytes;
	} bad[] = {
		{ 1000, 512 }, { 999, 1024 }, { 0, 512512 }, { 1001, 512 }, { 1, 512000 },
		{ 0x00800000000003e7ull, 512 }, { 0x0080000000000000ull, 512 },
		{ 0x8000000000000000ull, 512 }, { 0xffffffffffffffffull, 512 },
		{ 0xffffffffffffffffull, 1024 }, { 0xfffffffffffffff8ull, 4096 },
		{ 0xffffffffff800001ull, 0xfffffe00u }, { 0, 0xfffffe00u },
	};
	size_t i, t;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (t = 0; t < ARRAY_SIZE(types); t++) {
			const bool out = types[t] == VIRTIO_BLK_T_OUT;
			const struct row r = {
				types[t], bad[i].sector, 16 + (out ? bad[i].bytes : 0),
				1 + (out ? 0 : bad[i].bytes), DISK, IOERR, NOTHING,
			};

			check_rows(&r, 1);
		}
	}
}

static void case60_the_largest_disk_does_not_overflow(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_IN, BLK_SECTORS_MAX, 16, 513, DISK_MAX, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, BLK_SECTORS_MAX - 1, 16, 1025, DISK_MAX, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, BLK_SECTORS_MAX - 1, 16, 0xfffffe01u, DISK_MAX, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 0x0080000000000000ull, 16, 513, DISK_MAX, IOERR, NOTHING },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case60_parts_of_blocks(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_IN, 0, 16, 512, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 0, 16, 514, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 0, 16, 1, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_OUT, 0, 16, 1, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_OUT, 0, 17, 1, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_OUT, 0, 16 + 511, 1, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 0, 16, 0xffffffffu, DISK_MAX, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 0, 16, 513, DISK_4K, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 1, 16, 4097, DISK_4K, IOERR, NOTHING },
		{ VIRTIO_BLK_T_IN, 4, 16, 4097, DISK_4K, IOERR, NOTHING },
		{ VIRTIO_BLK_T_OUT, 7, 16 + 4096, 1, DISK_4K, IOERR, NOTHING },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case60_read_only(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_OUT, 0, 16 + 512, 1, DISK_RO, IOERR, NOTHING },
		{ VIRTIO_BLK_T_OUT, 999, 16 + 512, 1, DISK_RO, IOERR, NOTHING },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case60_data_the_wrong_way(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_IN, 0, 16 + 512, 513, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_OUT, 0, 16 + 512, 513, DISK, IOERR, NOTHING },
		{ VIRTIO_BLK_T_GET_ID, 0, 16, 1, DISK, IOERR, NOTHING },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case60_unknown_types(void **state)
{
	static const u32 types[] = {
		2, 3, 5, 6, 7, 9, 10, 12, 14, 99, 0x01000000u, 0x80000000u, 0x80000001u,
		0xffffffffu, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		const struct row r = { types[i], 0, 16 + 512, 513, DISK, UNSUPP, NOTHING };

		check_rows(&r, 1);
	}
}

#define DISK_RANGES { 1000, 512, FLUSH | BIT_ULL(VIRTIO_BLK_F_DISCARD) | \
		      BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES) }
#define DISK_RANGES_RO { 1000, 512, RO | BIT_ULL(VIRTIO_BLK_F_DISCARD) | \
			 BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES) }

static void case60_requests_of_ranges(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_DISCARD, 0, 32, 1, DISK_RANGES, OK,
		  { .op = BLK_OP_DISCARD, .bytes = 16 } },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 77, 16 + 256, 1, DISK_RANGES, OK,
		  { .op = BLK_OP_ZEROES, .bytes = 256 } },
		{ VIRTIO_BLK_T_DISCARD, 0, 16, 1, DISK_RANGES, IOERR, NOTHING },
		{ VIRTIO_BLK_T_DISCARD, 0, 31, 1, DISK_RANGES, IOERR, NOTHING },
		{ VIRTIO_BLK_T_DISCARD, 0, 16 + 272, 1, DISK_RANGES, IOERR, NOTHING },
		{ VIRTIO_BLK_T_DISCARD, 0, 0xfffffff0, 1, DISK_RANGES, IOERR, NOTHING },
		{ VIRTIO_BLK_T_DISCARD, 0, 32, 17, DISK_RANGES, IOERR, NOTHING },
		{ VIRTIO_BLK_T_DISCARD, 0, 32, 1, DISK_RANGES_RO, IOERR, NOTHING },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, 1, DISK_RANGES_RO, IOERR, NOTHING },
		{ VIRTIO_BLK_T_DISCARD, 0, 32, 1, DISK, UNSUPP, NOTHING },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, 1, DISK, UNSUPP, NOTHING },
	};

	(void)state;
	check_rows(rows, ARRAY_SIZE(rows));
}

static void case60_ranges(void **state)
{
	static const struct {
		u64 sector;
		u32 sectors, flags;
		enum blk_op op;
		struct blk_disk disk;
		int ret;
	} rows[] = {
		{ 0, 1000, 0, BLK_OP_DISCARD, DISK_RANGES, OK },
		{ 999, 1, 0, BLK_OP_ZEROES, DISK_RANGES, OK },
		{ 999, 1, 1, BLK_OP_ZEROES, DISK_RANGES, OK },
		{ 0, 0, 0, BLK_OP_DISCARD, DISK_RANGES, IOERR },
		{ 999, 2, 0, BLK_OP_DISCARD, DISK_RANGES, IOERR },
		{ 1000, 1, 0, BLK_OP_ZEROES, DISK_RANGES, IOERR },
		{ ~0ull, 1, 0, BLK_OP_ZEROES, DISK_RANGES, IOERR },
		{ 1, 0xffffffff, 0, BLK_OP_DISCARD, DISK_MAX, IOERR },
		{ 0, BLK_RANGE_SECTORS_MAX, 0, BLK_OP_DISCARD, DISK_MAX, OK },
		{ 0, BLK_RANGE_SECTORS_MAX + 1, 0, BLK_OP_DISCARD, DISK_MAX, IOERR },
		{ 8, 4, 0, BLK_OP_DISCARD, DISK_4K, IOERR },
		{ 4, 8, 0, BLK_OP_DISCARD, DISK_4K, IOERR },
		{ 8, 8, 0, BLK_OP_DISCARD, DISK_4K, OK },
		{ 0, 1, 1, BLK_OP_DISCARD, DISK_RANGES, UNSUPP },
		{ 0, 1, 2, BLK_OP_ZEROES, DISK_RANGES, UNSUPP },
		{ 0, 1, 0x80000001, BLK_OP_ZEROES, DISK_RANGES, UNSUPP },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct virtio_blk_discard_write_zeroes raw = {
			.sector = cpu_to_le64(rows[i].sector),
			.num_sectors = cpu_to_le32(rows[i].sectors),
			.flags = cpu_to_le32(rows[i].flags),
		};
		struct blk_range range;
		const int ret = blk_range_check(&raw, rows[i].op, &rows[i].disk, &range);

		if (ret != rows[i].ret)
			print_error("row %zu: %d, not %d\n", i, ret, rows[i].ret);
		assert_int_equal(ret, rows[i].ret);
		if (ret != OK)
			continue;
		assert_int_equal(range.offset, rows[i].sector * 512);
		assert_int_equal(range.bytes, rows[i].sectors * 512);
		assert_int_equal(range.unmap, rows[i].flags);
	}
}

static void flush_needs_the_feature(void **state)
{
	static const struct row rows[] = {
		{ VIRTIO_BLK_T_FLUSH, 0, 16, 1, { 1000, 512, 0 }, UNSUPP, NOTHING },
		{ VIRTIO_BLK_T_FLUSH, 0, 16, 1, DISK_RO, OK, { BLK_OP_FLUSH, 0, 0 } },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void random_requests_stay_inside(void **state)
{
	u64 random = rig_seed(0x14057b7e);
	u32 i, passed = 0;

	(void)state;
	for (i = 0; i < 300000; i++) {
		const struct blk_disk disk = {
			.sectors = rig_below(&random, 3) ? rig_below(&random, 5000) :
				   rig_random(&random) & BLK_SECTORS_MAX >> rig_below(&random, 50),
			.block = 512u << rig_below(&random, 4),
			.features = rig_below(&random, 2) ? RO : 0,
		};
		const u32 type = rig_below(&random, 2);
		const u64 sector = rig_below(&random, 3) ? rig_below(&random, 6000) & ~7u :
							   rig_random(&random);
		const u32 bytes = rig_below(&random, 3) ? 512 * rig_below(&random, 300) :
							  (u32)rig_random(&random);
		const struct virtio_blk_outhdr raw = wire(type, sector);
		struct blk_req req;

		if (bytes > U32_MAX - 16)
			continue;
		if (blk_req_check(&raw, type ? 16 + bytes : 16, type ? 1 : 1 + bytes, &disk,
				  &req) != OK)
			continue;
		passed++;
		assert_int_equal(req.op, type ? BLK_OP_WRITE : BLK_OP_READ);
		assert_false(type && disk.features & RO);
		assert_true(req.bytes && req.bytes == bytes);
		assert_int_equal(req.offset % disk.block, 0);
		assert_int_equal(req.bytes % disk.block, 0);
		assert_int_equal(req.offset >> 9, sector);
		assert_true(req.offset <= disk.sectors * 512 &&
			    req.bytes <= disk.sectors * 512 - req.offset);
	}
	assert_true(passed > 1000);
}

/* ---- configuration ----------------------------------------------------- */

#define HAS(name)	BIT_ULL(VIRTIO_BLK_F_##name)
#define HAS_ALL		(HAS(BLK_SIZE) | HAS(SIZE_MAX) | HAS(SEG_MAX) | HAS(MQ))

static struct virtio_blk_config config(u64 capacity, u32 block, u32 size_max, u32 seg_max,
				       u16 queues)
{
	struct virtio_blk_config raw;

	/* What is not named must not be looked at. */
	memset(&raw, 0xff, sizeof(raw));
	raw.capacity = (__force __virtio64)cpu_to_le64(capacity);
	raw.blk_size = (__force __virtio32)cpu_to_le32(block);
	raw.size_max = (__force __virtio32)cpu_to_le32(size_max);
	raw.seg_max = (__force __virtio32)cpu_to_le32(seg_max);
	raw.num_queues = (__force __virtio16)cpu_to_le16(queues);
	return raw;
}

static void honest_limits_pass(void **state)
{
	const struct virtio_blk_config raw = config(204800, 4096, 65536, 126, 4);
	struct blk_limits l;
	const char *what = NULL;

	(void)state;
	assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
	assert_int_equal(l.sectors, 204800);
	assert_int_equal(l.block, 4096);
	assert_int_equal(l.size_max, 65536);
	assert_int_equal(l.seg_max, 126);
	assert_int_equal(l.queues, 4);
}

static void fields_without_their_feature_are_not_looked_at(void **state)
{
	const struct virtio_blk_config raw = config(77, 3, 1, 0, 0);
	struct blk_limits l;
	const char *what = NULL;

	(void)state;
	assert_int_equal(blk_limits_check(&raw, 0, 4096, &l, &what), 0);
	assert_int_equal(l.sectors, 77);
	assert_int_equal(l.block, 512);
	assert_int_equal(l.size_max, U32_MAX);
	assert_true(l.seg_max >= 1);
	assert_int_equal(l.queues, 1);
}

static void case29_capacity(void **state)
{
	static const u64 good[] = { 0, 1, 0xffffffffull, 0x100000000ull, BLK_SECTORS_MAX };
	static const u64 bad[] = {
		BLK_SECTORS_MAX + 1, 0x0080000000000000ull, 0x7fffffffffffffffull,
		0x8000000000000000ull, 0xffffffffffffffffull,
	};
	struct blk_limits l;
	size_t i;

	(void)state;
	assert_true(BLK_SECTORS_MAX << 9 <= (u64)INT64_MAX);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		const struct virtio_blk_config raw = config(good[i], 512, 4096, 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
		assert_int_equal(l.sectors, good[i]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct virtio_blk_config raw = config(bad[i], 512, 4096, 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), -EINVAL);
		assert_string_equal(what, "capacity");
	}
}

static void case30_block_size(void **state)
{
	static const u32 bad[] = {
		0, 1, 256, 511, 513, 1000, 1536, 4095, 4097, 8192, 0x10000, 0x80000000u,
		0xffffffffu,
	};
	struct blk_limits l;
	size_t i;
	u32 block;

	(void)state;
	for (block = 512; block <= 4096; block *= 2) {
		const struct virtio_blk_config raw = config(800, block, 4096, 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
		assert_int_equal(l.block, block);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct virtio_blk_config raw = config(800, bad[i], 4096, 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), -EINVAL);
		assert_string_equal(what, "blk_size");
	}
}

static void case30_block_size_of_a_large_page(void **state)
{
	const struct virtio_blk_config raw = config(800, 65536, 4096, 1, 1);
	const char *what = NULL;
	struct blk_limits l;

	(void)state;
	assert_int_equal(blk_limits_check(&raw, HAS_ALL, 65536, &l, &what), 0);
	assert_int_equal(l.block, 65536);
}

static void case30_capacity_is_whole_blocks(void **state)
{
	struct blk_limits l;
	u64 sectors;

	(void)state;
	for (sectors = 0; sectors < 40; sectors++) {
		const struct virtio_blk_config raw = config(sectors, 4096, 4096, 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
		assert_int_equal(l.sectors, sectors / 8 * 8);
	}
}

static void case30_segment_limits(void **state)
{
	static const u32 bad[] = { 0, 1, 512, 4095 };
	static const u32 good[] = { 4096, 4097, 65536, 0xffffffffu };
	static const u32 segs[] = { 0, 1, 2, 126, 0xffffffffu };
	struct blk_limits l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct virtio_blk_config raw = config(800, 512, bad[i], 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), -EINVAL);
		assert_string_equal(what, "size_max");
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		const struct virtio_blk_config raw = config(800, 512, good[i], 1, 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
		assert_int_equal(l.size_max, good[i]);
	}
	for (i = 0; i < ARRAY_SIZE(segs); i++) {
		const struct virtio_blk_config raw = config(800, 512, 4096, segs[i], 1);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
		assert_int_equal(l.seg_max, segs[i] ? segs[i] : 1);
	}
}

static void case30_number_of_queues(void **state)
{
	static const u16 queues[] = { 0, 1, 2, 64, 0x8000, 0xffff };
	struct blk_limits l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		const struct virtio_blk_config raw = config(800, 512, 4096, 1, queues[i]);
		const char *what = NULL;

		assert_int_equal(blk_limits_check(&raw, HAS_ALL, 4096, &l, &what), 0);
		assert_int_equal(l.queues, queues[i] ? queues[i] : 1);
	}
}

#define HAS_RANGES	(HAS(DISCARD) | HAS(WRITE_ZEROES))

/* A disk with blocks of @block bytes that discards and zeroes within these limits. */
static struct blk_limits range_limits(u32 block, u32 discard, u32 segs, u32 align, u32 zeroes,
				      u64 features)
{
	struct virtio_blk_config raw = config(8192, block, 4096, 1, 1);
	const char *what = NULL;
	struct blk_limits l;

	raw.max_discard_sectors = (__force __virtio32)cpu_to_le32(discard);
	raw.max_discard_seg = (__force __virtio32)cpu_to_le32(segs);
	raw.discard_sector_alignment = (__force __virtio32)cpu_to_le32(align);
	raw.max_write_zeroes_sectors = (__force __virtio32)cpu_to_le32(zeroes);
	assert_int_equal(blk_limits_check(&raw, HAS_ALL | features, 4096, &l, &what), 0);
	return l;
}

static void honest_ranges_pass(void **state)
{
	const struct blk_limits l = range_limits(512, 4194303, 16, 128, 2048, HAS_RANGES);

	(void)state;
	assert_int_equal(l.discard_sectors, 4194303);
	assert_int_equal(l.discard_segs, 16);
	assert_int_equal(l.discard_align, 128 * 512);
	assert_int_equal(l.zeroes_sectors, 2048);
}

static void case30_ranges_without_their_feature(void **state)
{
	const struct blk_limits none = range_limits(4096, 4096, 16, 128, 2048, 0);
	const struct blk_limits discard = range_limits(512, 4096, 16, 128, 2048, HAS(DISCARD));
	const struct blk_limits zeroes = range_limits(512, 4096, 16, 128, 2048,
						      HAS(WRITE_ZEROES));

	(void)state;
	assert_int_equal(none.discard_sectors, 0);
	assert_int_equal(none.discard_segs, 1);
	assert_int_equal(none.discard_align, 4096);
	assert_int_equal(none.zeroes_sectors, 0);
	assert_int_equal(discard.discard_sectors, 4096);
	assert_int_equal(discard.zeroes_sectors, 0);
	assert_int_equal(zeroes.discard_sectors, 0);
	assert_int_equal(zeroes.zeroes_sectors, 2048);
}

static void case30_sectors_of_a_range(void **state)
{
	static const struct {
		u32 block, says, is;
	} rows[] = {
		{ 512, 0, 0 }, { 512, 1, 1 }, { 512, 0x7fffff, 0x7fffff },
		{ 512, 0x800000, 0x7fffff }, { 512, 0xffffffffu, 0x7fffff },
		{ 4096, 0, 0 }, { 4096, 7, 0 }, { 4096, 8, 8 }, { 4096, 15, 8 },
		{ 4096, 0xffffffffu, 0x7ffff8 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct blk_limits l = range_limits(rows[i].block, rows[i].says, 0, 0,
							 rows[i].says, HAS_RANGES);

		assert_int_equal(l.discard_sectors, rows[i].is);
		assert_int_equal(l.zeroes_sectors, rows[i].is);
		assert_int_equal(l.discard_segs, 1);
	}
}

static void case30_alignment_of_discards(void **state)
{
	static const struct {
		u32 block, sectors, says, is;
	} rows[] = {
		{ 512, 4096, 0, 512 }, { 512, 4096, 1, 512 }, { 512, 4096, 8, 4096 },
		{ 512, 4096, 3, 512 }, { 512, 4096, 12, 512 }, { 512, 4096, 4095, 512 },
		{ 512, 4096, 4096, 4096 * 512 }, { 512, 4096, 8192, 512 },
		{ 512, 4095, 4096, 512 }, { 4096, 4096, 1, 4096 }, { 4096, 4096, 16, 8192 },
		{ 4096, 4096, 9, 4096 }, { 512, 0, 8, 512 },
		/* Bytes that do not fit 32 bits: 0, or less than what was said. */
		{ 512, 0xffffffffu, 0x800000, 512 }, { 512, 0xffffffffu, 0x80000000u, 512 },
		{ 512, 0xffffffffu, 0xffffffffu, 512 },
		{ 512, 0xffffffffu, 0x400000, 0x80000000u },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct blk_limits l = range_limits(rows[i].block, rows[i].sectors, 1,
							 rows[i].says, 0, HAS_RANGES);

		if (l.discard_align != rows[i].is)
			print_error("row %zu\n", i);
		assert_int_equal(l.discard_align, rows[i].is);
	}
}

static void write_cache_needs_flushes(void **state)
{
	static const struct {
		u64 features;
		u8 wce;
		bool cache;
	} rows[] = {
		{ 0, 1, false }, { FLUSH, 0, true }, { HAS(CONFIG_WCE), 1, false },
		{ FLUSH | HAS(CONFIG_WCE), 0, false }, { FLUSH | HAS(CONFIG_WCE), 1, true },
		{ FLUSH | HAS(CONFIG_WCE), 0xff, true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_blk_config raw = config(800, 512, 4096, 1, 1);
		const char *what = NULL;
		struct blk_limits l;

		raw.wce = rows[i].wce;
		assert_int_equal(blk_limits_check(&raw, rows[i].features, 4096, &l, &what), 0);
		assert_int_equal(l.write_cache, rows[i].cache);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("honest requests pass", honest_requests_pass),
		RIG_TEST("case 57: no room for header or status",
			 case57_no_room_for_header_or_status),
		RIG_TEST("case 60: outside the capacity", case60_outside_the_capacity),
		RIG_TEST("case 60: the largest disk does not overflow",
			 case60_the_largest_disk_does_not_overflow),
		RIG_TEST("case 60: parts of blocks", case60_parts_of_blocks),
		RIG_TEST("case 60: read-only", case60_read_only),
		RIG_TEST("case 60: data the wrong way", case60_data_the_wrong_way),
		RIG_TEST("case 60: unknown types", case60_unknown_types),
		RIG_TEST("case 60: requests of ranges", case60_requests_of_ranges),
		RIG_TEST("case 60: ranges", case60_ranges),
		RIG_TEST("flush needs the feature", flush_needs_the_feature),
		RIG_TEST("random requests stay inside", random_requests_stay_inside),
		RIG_TEST("honest limits pass", honest_limits_pass),
		RIG_TEST("fields without their feature are not looked at",
			 fields_without_their_feature_are_not_looked_at),
		RIG_TEST("case 29: capacity", case29_capacity),
		RIG_TEST("case 30: block size", case30_block_size),
		RIG_TEST("case 30: block size of a large page", case30_block_size_of_a_large_page),
		RIG_TEST("case 30: capacity is whole blocks", case30_capacity_is_whole_blocks),
		RIG_TEST("case 30: segment limits", case30_segment_limits),
		RIG_TEST("case 30: number of queues", case30_number_of_queues),
		RIG_TEST("honest ranges pass", honest_ranges_pass),
		RIG_TEST("case 30: ranges without their feature",
			 case30_ranges_without_their_feature),
		RIG_TEST("case 30: sectors of a range", case30_sectors_of_a_range),
		RIG_TEST("case 30: alignment of discards", case30_alignment_of_discards),
		RIG_TEST("a write cache needs flushes", write_cache_needs_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
