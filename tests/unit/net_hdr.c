// SPDX-License-Identifier: GPL-2.0
/*
 * The checks of ring/net_hdr.h, row by row: cases 18 to 24 and 59 of ATTACKS.md
 * as far as they can be judged from a header and a length.
 */
#include "../../ring/net_hdr.h"
#include "rig.h"

#define CSUM	VIRTIO_NET_HDR_F_NEEDS_CSUM
#define VALID	VIRTIO_NET_HDR_F_DATA_VALID
#define RSC	VIRTIO_NET_HDR_F_RSC_INFO
#define NONE	VIRTIO_NET_HDR_GSO_NONE
#define TCP4	VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6	VIRTIO_NET_HDR_GSO_TCPV6
#define UFO	VIRTIO_NET_HDR_GSO_UDP
#define USO	VIRTIO_NET_HDR_GSO_UDP_L4
#define ECN	VIRTIO_NET_HDR_GSO_ECN
#define ALL	(NET_OFF_CSUM | NET_OFF_TSO4 | NET_OFF_TSO6 | NET_OFF_ECN | NET_OFF_MERGE | \
		 NET_OFF_VALID | NET_OFF_USO)

/* Host-endian fields of a header, and what must come of it. */
struct row {
	u8 flags, gso_type;
	u16 hdr_len, gso_size, start, offset, buffers;
	u32 frame, offloads;
	enum net_hdr_fault fault;
};

static struct virtio_net_hdr_v1 wire(const struct row *r)
{
	struct virtio_net_hdr_v1 raw = {
		.flags = r->flags,
		.gso_type = r->gso_type,
		.hdr_len = (__force __virtio16)cpu_to_le16(r->hdr_len),
		.gso_size = (__force __virtio16)cpu_to_le16(r->gso_size),
	};

	raw.csum_start = (__force __virtio16)cpu_to_le16(r->start);
	raw.csum_offset = (__force __virtio16)cpu_to_le16(r->offset);
	raw.num_buffers = (__force __virtio16)cpu_to_le16(r->buffers);
	return raw;
}

static void check_rows(const struct row *row, size_t rows)
{
	size_t i;

	for (i = 0; i < rows; i++) {
		const struct row *r = &row[i];
		const struct virtio_net_hdr_v1 raw = wire(r);
		const bool gso = r->gso_type != NONE, csum = r->flags & CSUM;
		struct net_hdr hdr;
		enum net_hdr_fault fault;

		memset(&hdr, 0xa5, sizeof(hdr));
		fault = net_hdr_check(&raw, r->frame, r->offloads, &hdr);
		if (fault != r->fault)
			print_error("row %zu: %s, not %s\n", i, net_hdr_fault_name(fault),
				    net_hdr_fault_name(r->fault));
		assert_int_equal(fault, r->fault);
		if (fault != NET_HDR_OK)
			continue;
		assert_int_equal(hdr.flags, r->flags & (CSUM | VALID));
		assert_int_equal(hdr.gso_type, r->gso_type);
		assert_int_equal(hdr.gso_size, gso ? r->gso_size : 0);
		assert_int_equal(hdr.csum_start, csum ? r->start : 0);
		assert_int_equal(hdr.csum_offset, csum ? r->offset : 0);
		assert_int_equal(hdr.num_buffers, r->offloads & NET_OFF_MERGE ? r->buffers : 1);
	}
}

#define CHECK_ROWS(rows)	check_rows(rows, ARRAY_SIZE(rows))

static void honest_headers_pass(void **state)
{
	static const struct row rows[] = {
		{ 0, NONE, 0, 0, 0, 0, 1, 60, 0, NET_HDR_OK },
		{ 0, NONE, 0, 0, 0, 0, 1, 1514, ALL, NET_HDR_OK },
		{ CSUM, NONE, 0, 0, 34, 6, 1, 1514, ALL, NET_HDR_OK },
		{ CSUM, NONE, 0, 0, 34, 16, 1, 1514, NET_OFF_CSUM, NET_HDR_OK },
		{ CSUM, TCP4, 66, 1448, 34, 16, 1, 65226, ALL, NET_HDR_OK },
		{ CSUM, TCP6, 86, 1428, 54, 16, 20, 65226, ALL, NET_HDR_OK },
		{ CSUM, TCP4 | ECN, 66, 1448, 34, 16, 1, 9000, ALL, NET_HDR_OK },
		{ CSUM, TCP6 | ECN, 66, 1448, 58, 16, 1, 9000, ALL, NET_HDR_OK },
		{ CSUM, TCP4, 66, 536, 34, 16, 1, 600, NET_OFF_CSUM | NET_OFF_TSO4, NET_HDR_OK },
		{ CSUM, USO, 42, 1472, 34, 6, 1, 65226, ALL, NET_HDR_OK },
		{ CSUM, USO, 62, 1452, 54, 6, 1, 9000, NET_OFF_CSUM | NET_OFF_USO, NET_HDR_OK },
		{ VALID, NONE, 0, 0, 0, 0, 1, 1514, ALL, NET_HDR_OK },
		/* Fields that are not in use may hold anything. */
		{ 0, NONE, 0xffff, 0xffff, 0xffff, 0xffff, 1, 60, ALL, NET_HDR_OK },
		{ 0, NONE, 0, 0, 0, 0, 0, 60, 0, NET_HDR_OK },
		{ 0, NONE, 0, 0, 0, 0, 0xffff, 60, ALL & ~NET_OFF_MERGE, NET_HDR_OK },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case18_no_buffers(void **state)
{
	static const struct row rows[] = {
		{ 0, NONE, 0, 0, 0, 0, 0, 60, NET_OFF_MERGE, NET_HDR_BUFFERS },
		{ CSUM, TCP4, 66, 1448, 34, 16, 0, 9000, ALL, NET_HDR_BUFFERS },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case18_buffers_count_only_with_merging(void **state)
{
	static const u16 counts[] = { 0, 1, 2, 0x100, 0x1234, 0xffff };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		const struct row r = { .buffers = counts[i] };
		const struct virtio_net_hdr_v1 raw = wire(&r);

		assert_int_equal(net_hdr_buffers(&raw, NET_OFF_MERGE), counts[i]);
		assert_int_equal(net_hdr_buffers(&raw, ALL), counts[i]);
		assert_int_equal(net_hdr_buffers(&raw, ALL & ~NET_OFF_MERGE), 1);
		assert_int_equal(net_hdr_buffers(&raw, 0), 1);
	}
}

static void case20_gso_type(void **state)
{
	static const struct row rows[] = {
		{ CSUM, UFO, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, USO | ECN, 0, 1448, 34, 6, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, USO | 0x40, 0, 1448, 34, 6, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, 2, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, 6, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, 0x7f, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, 0xff, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, TCP4 | 0x40, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, ECN, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ 0, ECN, 0, 0, 0, 0, 1, 60, ALL, NET_HDR_GSO_TYPE },
		{ CSUM, UFO | ECN, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		/* Without a checksum to fill in there is nothing to cut up. */
		{ 0, TCP4, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ VALID, TCP4, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_GSO_TYPE },
		{ 0, USO, 0, 1448, 34, 6, 1, 9000, ALL, NET_HDR_GSO_TYPE },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case20_gso_size(void **state)
{
	static const struct row rows[] = {
		{ CSUM, TCP4, 0, 0, 34, 16, 1, 9000, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, TCP4, 0, 1, 34, 16, 1, 9000, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, TCP4, 0, 7, 34, 16, 1, 9000, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, TCP4, 0, 8, 34, 16, 1, 9000, ALL, NET_HDR_OK },
		{ CSUM, TCP6, 0, 0, 54, 16, 1, 9000, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, TCP6 | ECN, 0, 1, 54, 16, 1, 9000, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, TCP4, 0, 65534, 34, 16, 1, 9000, ALL, NET_HDR_OK },
		/* GSO_BY_FRAGS to Linux. */
		{ CSUM, TCP4, 0, 65535, 34, 16, 1, 9000, ALL, NET_HDR_GSO_SIZE },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* 42 bytes are Ethernet, IPv4 and UDP. */
static void case20_datagrams_are_at_most_128(void **state)
{
	static const struct row rows[] = {
		{ CSUM, USO, 0, 0, 34, 6, 1, 42, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, USO, 0, 0, 34, 6, 1, 9000, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, USO, 0, 1, 34, 6, 1, 42, ALL, NET_HDR_OK },
		{ CSUM, USO, 0, 1, 34, 6, 1, 42 + 128, ALL, NET_HDR_OK },
		{ CSUM, USO, 0, 1, 34, 6, 1, 42 + 129, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, USO, 0, 500, 34, 6, 1, 42 + 64000, ALL, NET_HDR_OK },
		{ CSUM, USO, 0, 500, 34, 6, 1, 42 + 64001, ALL, NET_HDR_GSO_SIZE },
		{ CSUM, USO, 0, 65534, 34, 6, 1, 9000, ALL, NET_HDR_OK },
		{ CSUM, USO, 0, 65535, 34, 6, 1, 9000, ALL, NET_HDR_GSO_SIZE },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case20_uso_needs_a_udp_header(void **state)
{
	static const struct row rows[] = {
		{ CSUM, USO, 0, 1448, 34, 16, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, USO, 0, 1448, 34, 5, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, USO, 0, 1448, 34, 0, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, USO, 0, 1448, 33, 6, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, USO, 0, 1448, 34, 6, 1, 42, ALL, NET_HDR_OK },
		{ CSUM, USO, 0, 1448, 34, 6, 1, 41, ALL, NET_HDR_CSUM },
		{ CSUM, TCP4, 0, 1448, 34, 6, 1, 9000, ALL, NET_HDR_CSUM },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case20_gso_needs_a_tcp_header(void **state)
{
	static const struct row rows[] = {
		{ CSUM, TCP4, 0, 1448, 34, 6, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, TCP4, 0, 1448, 34, 0, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, TCP6, 0, 1448, 54, 15, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 54, ALL, NET_HDR_OK },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 53, ALL, NET_HDR_CSUM },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 52, ALL, NET_HDR_CSUM },
		/* Inside of the IP header. */
		{ CSUM, TCP4, 0, 1448, 33, 16, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, TCP6, 0, 1448, 53, 16, 1, 9000, ALL, NET_HDR_CSUM },
		{ CSUM, TCP6, 0, 1448, 54, 16, 1, 74, ALL, NET_HDR_OK },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case21_checksum_offsets(void **state)
{
	static const struct row rows[] = {
		{ CSUM, NONE, 0, 0, 34, 16, 1, 52, ALL, NET_HDR_OK },
		{ CSUM, NONE, 0, 0, 34, 16, 1, 51, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 34, 16, 1, 50, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 34, 0, 1, 60, ALL, NET_HDR_OK },
		{ CSUM, NONE, 0, 0, 33, 0, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 14, 10, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 0, 0, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 0, 40, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 60, 0, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 58, 0, 1, 60, ALL, NET_HDR_OK },
		{ CSUM, NONE, 0, 0, 59, 0, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 0xffff, 0, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 34, 0xffff, 1, 60, ALL, NET_HDR_CSUM },
		/* Sums that would wrap in 16 bits. */
		{ CSUM, NONE, 0, 0, 34, 0xffde, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 0xfff0, 0x20, 1, 60, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 0xffff, 0xffff, 1, NET_FRAME_MAX, ALL, NET_HDR_CSUM },
		{ CSUM, NONE, 0, 0, 0xfffe, 0, 1, 65536, ALL, NET_HDR_OK },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void case21_hdr_len_is_ignored(void **state)
{
	static const u16 lens[] = { 0, 1, 13, 14, 54, 0x7fff, 0xffff };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		const struct row r = {
			CSUM, TCP4, lens[i], 1448, 34, 16, 1, 9000, ALL, NET_HDR_OK,
		};

		check_rows(&r, 1);
	}
}

static void case22_offloads_not_negotiated(void **state)
{
	static const struct row rows[] = {
		{ CSUM, NONE, 0, 0, 34, 16, 1, 60, ALL & ~NET_OFF_CSUM, NET_HDR_FLAGS },
		{ CSUM, NONE, 0, 0, 34, 16, 1, 60, 0, NET_HDR_FLAGS },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 9000, ALL & ~NET_OFF_CSUM, NET_HDR_FLAGS },
		{ VALID, NONE, 0, 0, 0, 0, 1, 60, ALL & ~NET_OFF_VALID, NET_HDR_FLAGS },
		{ CSUM | VALID, NONE, 0, 0, 34, 16, 1, 60, ALL, NET_HDR_FLAGS },
		{ RSC, NONE, 0, 0, 0, 0, 1, 60, ALL, NET_HDR_FLAGS },
		{ RSC | VALID, NONE, 0, 0, 0, 0, 1, 60, ALL, NET_HDR_FLAGS },
		{ RSC | CSUM, NONE, 0, 0, 34, 16, 1, 60, ALL, NET_HDR_FLAGS },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 9000, ALL & ~NET_OFF_TSO4, NET_HDR_GSO_TYPE },
		{ CSUM, TCP6, 0, 1448, 34, 16, 1, 9000, ALL & ~NET_OFF_TSO6, NET_HDR_GSO_TYPE },
		{ CSUM, USO, 0, 1448, 34, 6, 1, 9000, ALL & ~NET_OFF_USO, NET_HDR_GSO_TYPE },
		{ CSUM, USO, 0, 1448, 34, 6, 1, 9000, ALL & ~NET_OFF_TSO4, NET_HDR_OK },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 9000, ALL & ~NET_OFF_USO, NET_HDR_OK },
		{ CSUM, TCP4 | ECN, 0, 1448, 34, 16, 1, 9000, ALL & ~NET_OFF_ECN,
		  NET_HDR_GSO_TYPE },
		{ CSUM, TCP4, 0, 1448, 34, 16, 1, 9000, ALL & ~NET_OFF_ECN, NET_HDR_OK },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* Bits without a meaning yet are ignored (5.1.6.2.2, 5.1.6.4.2), and go no further. */
static void undefined_flags_are_ignored(void **state)
{
	u32 bit;

	(void)state;
	for (bit = 8; bit < 256; bit <<= 1) {
		const struct row r = {
			(u8)(CSUM | bit), NONE, 0, 0, 34, 16, 1, 60, ALL, NET_HDR_OK,
		};

		check_rows(&r, 1);
	}
}

static void case23_frame_length(void **state)
{
	static const struct row rows[] = {
		{ 0, NONE, 0, 0, 0, 0, 1, 0, ALL, NET_HDR_FRAME },
		{ 0, NONE, 0, 0, 0, 0, 1, 1, ALL, NET_HDR_FRAME },
		{ 0, NONE, 0, 0, 0, 0, 1, 13, ALL, NET_HDR_FRAME },
		{ 0, NONE, 0, 0, 0, 0, 1, 14, ALL, NET_HDR_OK },
		{ 0, NONE, 0, 0, 0, 0, 1, 65553, ALL, NET_HDR_OK },
		{ 0, NONE, 0, 0, 0, 0, 1, 65554, ALL, NET_HDR_FRAME },
		{ 0, NONE, 0, 0, 0, 0, 1, 0x80000000u, ALL, NET_HDR_FRAME },
		{ 0, NONE, 0, 0, 0, 0, 1, 0xffffffffu, ALL, NET_HDR_FRAME },
		{ CSUM, NONE, 0, 0, 34, 16, 1, 0xffffffffu, ALL, NET_HDR_FRAME },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* The raw header may change as soon as the check is over: nothing points into it. */
static void case24_the_private_copy_counts(void **state)
{
	const struct row r = { CSUM, TCP4, 66, 1448, 34, 16, 3, 9000, ALL, NET_HDR_OK };
	struct virtio_net_hdr_v1 raw = wire(&r), again;
	struct net_hdr hdr;

	(void)state;
	assert_int_equal(net_hdr_check(&raw, r.frame, r.offloads, &hdr), NET_HDR_OK);
	memset(&raw, 0xff, sizeof(raw));
	net_hdr_write(&hdr, &again);
	raw = wire(&r);
	raw.hdr_len = 0;
	assert_memory_equal(&again, &raw, sizeof(raw));
}

static void written_headers_check_again(void **state)
{
	u64 random = rig_seed(0x5851f42d);
	struct net_hdr hdr, twin;
	u32 i, passed = 0;

	(void)state;
	for (i = 0; i < 300000; i++) {
		struct virtio_net_hdr_v1 raw, out;
		const u32 frame = rig_below(&random, 4) ? rig_below(&random, 200) :
							  rig_below(&random, 70000);
		const u32 offloads = rig_below(&random, 4) ? ALL :
							    rig_below(&random, ALL + 1);
		const struct row r = {
			.flags = (u8)rig_below(&random, 5),
			.gso_type = (u8)(rig_below(&random, 6) | (rig_below(&random, 3) ? 0 : ECN)),
			.gso_size = (u16)rig_below(&random, 2000),
			.start = (u16)rig_below(&random, 100),
			.offset = (u16)(rig_below(&random, 2) ? 16 - 10 * rig_below(&random, 2) :
								rig_below(&random, 40)),
			.buffers = (u16)rig_below(&random, 3),
		};

		raw = wire(&r);
		if (net_hdr_check(&raw, frame, offloads, &hdr) != NET_HDR_OK)
			continue;
		passed++;
		assert_in_range(frame, NET_ETH_BYTES, NET_FRAME_MAX);
		if (hdr.flags & CSUM)
			assert_true(hdr.csum_start >= NET_ETH_BYTES &&
				    (u32)hdr.csum_start + hdr.csum_offset + 2 <= frame);
		if (hdr.gso_type != NONE)
			assert_true(hdr.flags & CSUM && hdr.gso_size);
		assert_true(hdr.num_buffers >= 1);
		net_hdr_write(&hdr, &out);
		assert_int_equal(net_hdr_check(&out, frame, offloads, &twin), NET_HDR_OK);
		assert_memory_equal(&hdr, &twin, sizeof(hdr));
	}
	assert_true(passed > 1000);
}

static void offloads_follow_the_features(void **state)
{
	static const struct {
		u64 features;
		u32 driver, device;
	} rows[] = {
		{ BIT_ULL(VIRTIO_NET_F_GUEST_CSUM), NET_OFF_CSUM | NET_OFF_VALID, 0 },
		{ BIT_ULL(VIRTIO_NET_F_GUEST_TSO4), NET_OFF_TSO4, 0 },
		{ BIT_ULL(VIRTIO_NET_F_GUEST_TSO6), NET_OFF_TSO6, 0 },
		{ BIT_ULL(VIRTIO_NET_F_GUEST_ECN), NET_OFF_ECN, 0 },
		{ BIT_ULL(VIRTIO_NET_F_MRG_RXBUF), NET_OFF_MERGE, 0 },
		{ BIT_ULL(VIRTIO_NET_F_CSUM), 0, NET_OFF_CSUM },
		{ BIT_ULL(VIRTIO_NET_F_HOST_TSO4), 0, NET_OFF_TSO4 },
		{ BIT_ULL(VIRTIO_NET_F_HOST_TSO6), 0, NET_OFF_TSO6 },
		{ BIT_ULL(VIRTIO_NET_F_HOST_ECN), 0, NET_OFF_ECN },
		/* For a device both or none: a header does not tell them apart. */
		{ BIT_ULL(VIRTIO_NET_F_GUEST_USO4), 0, 0 },
		{ BIT_ULL(VIRTIO_NET_F_GUEST_USO6), 0, 0 },
		{ BIT_ULL(VIRTIO_NET_F_GUEST_USO4) | BIT_ULL(VIRTIO_NET_F_GUEST_USO6),
		  NET_OFF_USO, 0 },
		{ BIT_ULL(VIRTIO_NET_F_HOST_USO), 0, NET_OFF_USO },
	};
	u64 all = 0;
	u32 driver = 0, device = 0;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(net_hdr_offloads_driver(rows[i].features), rows[i].driver);
		assert_int_equal(net_hdr_offloads_device(rows[i].features), rows[i].device);
		all |= rows[i].features;
		driver |= rows[i].driver;
		device |= rows[i].device;
	}
	assert_int_equal(net_hdr_offloads_driver(all), driver);
	assert_int_equal(net_hdr_offloads_device(all), device);
	assert_int_equal(net_hdr_offloads_driver(~all), 0);
	assert_int_equal(net_hdr_offloads_device(~all), 0);
}

static void reasons_have_names(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < NET_HDR_FAULTS; i++) {
		assert_non_null(net_hdr_fault_name(i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(net_hdr_fault_name(i), net_hdr_fault_name(j));
	}
	assert_non_null(net_hdr_fault_name(NET_HDR_FAULTS));
	assert_non_null(net_hdr_fault_name((enum net_hdr_fault)-1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("honest headers pass", honest_headers_pass),
		RIG_TEST("case 18: no buffers", case18_no_buffers),
		RIG_TEST("case 18: buffers count only with merging",
			 case18_buffers_count_only_with_merging),
		RIG_TEST("case 20: GSO type", case20_gso_type),
		RIG_TEST("case 20: GSO size", case20_gso_size),
		RIG_TEST("case 20: a frame is at most 128 datagrams", case20_datagrams_are_at_most_128),
		RIG_TEST("case 20: GSO needs a TCP header", case20_gso_needs_a_tcp_header),
		RIG_TEST("case 20: USO needs a UDP header", case20_uso_needs_a_udp_header),
		RIG_TEST("case 21: checksum offsets", case21_checksum_offsets),
		RIG_TEST("case 21: header length is ignored", case21_hdr_len_is_ignored),
		RIG_TEST("case 22: offloads that were not negotiated",
			 case22_offloads_not_negotiated),
		RIG_TEST("undefined flags are ignored", undefined_flags_are_ignored),
		RIG_TEST("case 23: frame length", case23_frame_length),
		RIG_TEST("case 24: the private copy counts", case24_the_private_copy_counts),
		RIG_TEST("written headers pass again", written_headers_check_again),
		RIG_TEST("offloads follow the features", offloads_follow_the_features),
		RIG_TEST("reasons have names", reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
