// SPDX-License-Identifier: GPL-2.0
/*
 * The checks of net_hdr.h.
 *
 * What is refused is what the receiver did not ask for or what would make it
 * read or write outside the frame. Whether the checksum field or the segment
 * size make sense to the protocol inside is for the network stack, which looks
 * at the private copy of the frame.
 */
#include "net_hdr.h"

/* The kernel's own least segment: TCP's least MSS without its most options. */
#define NET_GSO_MIN	8u
/* Segment sizes that mean something else to Linux (GSO_BY_FRAGS). */
#define NET_GSO_MAX	65534u
/* Datagrams may be of a single byte, so it is their number that is bounded: no Linux takes more. */
#define NET_USO_SEGS	128u

#define IPV4_HDR_BYTES	20u
#define IPV6_HDR_BYTES	40u
#define TCP_HDR_BYTES	20u
#define TCP_CSUM_OFFSET	16u
#define UDP_HDR_BYTES	8u
#define UDP_CSUM_OFFSET	6u

/**
 * struct net_gso - what frames of a type look like
 * @offload: NET_OFF_* that allows it
 * @l4: least bytes before the header above IP
 * @bytes: least bytes of that header
 * @csum_offset: where its checksum is
 */
struct net_gso {
	u32 offload;
	u32 l4;
	u32 bytes;
	u32 csum_offset;
};

static const struct net_gso net_gso_tcp4 = {
	NET_OFF_TSO4, NET_ETH_BYTES + IPV4_HDR_BYTES, TCP_HDR_BYTES, TCP_CSUM_OFFSET,
};

static const struct net_gso net_gso_tcp6 = {
	NET_OFF_TSO6, NET_ETH_BYTES + IPV6_HDR_BYTES, TCP_HDR_BYTES, TCP_CSUM_OFFSET,
};

/* Of either IP. */
static const struct net_gso net_gso_udp = {
	NET_OFF_USO, NET_ETH_BYTES + IPV4_HDR_BYTES, UDP_HDR_BYTES, UDP_CSUM_OFFSET,
};

static const char * const net_hdr_fault_names[NET_HDR_FAULTS] = {
	[NET_HDR_OK] = "no fault",
	[NET_HDR_FRAME] = "frame length",
	[NET_HDR_FLAGS] = "header flags",
	[NET_HDR_CSUM] = "checksum offsets",
	[NET_HDR_GSO_TYPE] = "GSO type",
	[NET_HDR_GSO_SIZE] = "GSO size",
	[NET_HDR_BUFFERS] = "number of buffers",
};

const char *net_hdr_fault_name(enum net_hdr_fault fault)
{
	if ((unsigned int)fault >= NET_HDR_FAULTS)
		return "unknown fault";
	return net_hdr_fault_names[fault];
}

static u32 off_if(u64 features, unsigned int feature, u32 offload)
{
	return features & BIT_ULL(feature) ? offload : 0;
}

u32 net_hdr_offloads_driver(u64 features)
{
	const u64 uso = BIT_ULL(VIRTIO_NET_F_GUEST_USO4) | BIT_ULL(VIRTIO_NET_F_GUEST_USO6);

	return off_if(features, VIRTIO_NET_F_GUEST_CSUM, NET_OFF_CSUM | NET_OFF_VALID) |
	       ((features & uso) == uso ? NET_OFF_USO : 0) |
	       off_if(features, VIRTIO_NET_F_GUEST_TSO4, NET_OFF_TSO4) |
	       off_if(features, VIRTIO_NET_F_GUEST_TSO6, NET_OFF_TSO6) |
	       off_if(features, VIRTIO_NET_F_GUEST_ECN, NET_OFF_ECN) |
	       off_if(features, VIRTIO_NET_F_MRG_RXBUF, NET_OFF_MERGE);
}

u32 net_hdr_offloads_device(u64 features)
{
	return off_if(features, VIRTIO_NET_F_CSUM, NET_OFF_CSUM) |
	       off_if(features, VIRTIO_NET_F_HOST_TSO4, NET_OFF_TSO4) |
	       off_if(features, VIRTIO_NET_F_HOST_TSO6, NET_OFF_TSO6) |
	       off_if(features, VIRTIO_NET_F_HOST_USO, NET_OFF_USO) |
	       off_if(features, VIRTIO_NET_F_HOST_ECN, NET_OFF_ECN);
}

u16 net_hdr_buffers(const struct virtio_net_hdr_v1 *raw, u32 offloads)
{
	if (!(offloads & NET_OFF_MERGE))
		return 1;
	return le16_to_cpu((__force __le16)raw->num_buffers);
}

static enum net_hdr_fault net_check_csum(const struct virtio_net_hdr_v1 *raw, u32 frame,
					 u32 offloads, struct net_hdr *hdr)
{
	u32 start, offset;

	if (!(raw->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		/* Bits that nobody has defined yet are to be ignored (5.1.6.2). */
		if (raw->flags & VIRTIO_NET_HDR_F_RSC_INFO)
			return NET_HDR_FLAGS;
		if (!(raw->flags & VIRTIO_NET_HDR_F_DATA_VALID))
			return NET_HDR_OK;
		if (!(offloads & NET_OFF_VALID))
			return NET_HDR_FLAGS;
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
		return NET_HDR_OK;
	}

	if (!(offloads & NET_OFF_CSUM) ||
	    raw->flags & (VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_RSC_INFO))
		return NET_HDR_FLAGS;
	start = le16_to_cpu((__force __le16)raw->csum_start);
	offset = le16_to_cpu((__force __le16)raw->csum_offset);
	/* What is summed up is behind an IP header, of which this is the shortest. */
	if (start < NET_ETH_BYTES + IPV4_HDR_BYTES || start + offset + 2 > frame)
		return NET_HDR_CSUM;

	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = (u16)start;
	hdr->csum_offset = (u16)offset;
	return NET_HDR_OK;
}

/* What a type asks for; NULL for one that nobody has defined, and for ECN's bit at any but TCP. */
static const struct net_gso *net_gso_of(u8 type)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN:
		return &net_gso_tcp4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
	case VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN:
		return &net_gso_tcp6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return &net_gso_udp;
	default:
		return NULL;
	}
}

static bool net_gso_size_ok(u32 offload, u32 size, u32 payload)
{
	if (offload == NET_OFF_USO)
		return size && size <= NET_GSO_MAX && payload <= size * NET_USO_SEGS;
	return size >= NET_GSO_MIN && size <= NET_GSO_MAX;
}

static enum net_hdr_fault net_check_gso(const struct virtio_net_hdr_v1 *raw, u32 frame,
					u32 offloads, struct net_hdr *hdr)
{
	const struct net_gso *gso;
	u32 size, headers;

	if (raw->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return NET_HDR_OK;
	gso = net_gso_of(raw->gso_type);
	if (!gso || !(offloads & gso->offload))
		return NET_HDR_GSO_TYPE;
	if (raw->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(offloads & NET_OFF_ECN))
		return NET_HDR_GSO_TYPE;
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return NET_HDR_GSO_TYPE;
	headers = hdr->csum_start + gso->bytes;
	if (hdr->csum_offset != gso->csum_offset || hdr->csum_start < gso->l4 || headers > frame)
		return NET_HDR_CSUM;

	size = le16_to_cpu((__force __le16)raw->gso_size);
	if (!net_gso_size_ok(gso->offload, size, frame - headers))
		return NET_HDR_GSO_SIZE;

	hdr->gso_type = raw->gso_type;
	hdr->gso_size = (u16)size;
	return NET_HDR_OK;
}

enum net_hdr_fault net_hdr_check(const struct virtio_net_hdr_v1 *raw, u32 frame,
				 u32 offloads, struct net_hdr *hdr)
{
	enum net_hdr_fault fault;

	*hdr = (struct net_hdr) {
		.gso_type = VIRTIO_NET_HDR_GSO_NONE,
		.num_buffers = net_hdr_buffers(raw, offloads),
	};
	if (frame < NET_ETH_BYTES || frame > NET_FRAME_MAX)
		return NET_HDR_FRAME;
	if (!hdr->num_buffers)
		return NET_HDR_BUFFERS;
	fault = net_check_csum(raw, frame, offloads, hdr);
	if (fault != NET_HDR_OK)
		return fault;
	return net_check_gso(raw, frame, offloads, hdr);
}

void net_hdr_write(const struct net_hdr *hdr, struct virtio_net_hdr_v1 *raw)
{
	memset(raw, 0, sizeof(*raw));
	raw->flags = hdr->flags;
	raw->gso_type = hdr->gso_type;
	raw->gso_size = (__force __virtio16)cpu_to_le16(hdr->gso_size);
	raw->csum_start = (__force __virtio16)cpu_to_le16(hdr->csum_start);
	raw->csum_offset = (__force __virtio16)cpu_to_le16(hdr->csum_offset);
	raw->num_buffers = (__force __virtio16)cpu_to_le16(hdr->num_buffers);
}
