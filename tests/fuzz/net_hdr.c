// SPDX-License-Identifier: GPL-2.0
/*
 * The check of virtio-net headers.
 *
 * Theory
 * ------
 * The input is what was negotiated, the length of a frame, and a header. What is accepted
 * must be all that net_hdr.h promises, so that whoever uses it can believe it; what is
 * refused must be refused for the reason that is given. Together these say when a header
 * must be accepted. Lengths are added as wide numbers here.
 *
 * Besides: bits that mean nothing change nothing, and what was accepted, put back into wire
 * form, is accepted as the same.
 */
#include "fuzz.h"
#include "../../ring/net_hdr.h"

#define KNOWN_FLAGS	(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID | \
			 VIRTIO_NET_HDR_F_RSC_INFO)

/* No checksum begins before: behind the shortest IP header. */
#define CSUM_LEAST	34u

static struct {
	struct virtio_net_hdr_v1 raw;
	u64 frame, start, offset, gso_size, buffers;
	u32 off;		/* NET_OFF_* */
	u8 flags, gso, type;
	bool needs, ecn;
} t;

static bool has(u64 features, unsigned int bit)
{
	return features >> bit & 1;
}

/* What is offered is what was negotiated, and nothing more. */
static void check_offloads(u64 features, bool driver, u32 off)
{
	fuzz_check(!!(off & NET_OFF_CSUM) ==
		   has(features, driver ? VIRTIO_NET_F_GUEST_CSUM : VIRTIO_NET_F_CSUM));
	fuzz_check(!!(off & NET_OFF_TSO4) ==
		   has(features, driver ? VIRTIO_NET_F_GUEST_TSO4 : VIRTIO_NET_F_HOST_TSO4));
	fuzz_check(!!(off & NET_OFF_TSO6) ==
		   has(features, driver ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_HOST_TSO6));
	fuzz_check(!!(off & NET_OFF_USO) ==
		   (driver ? has(features, 54) && has(features, 55) : has(features, 56)));
	fuzz_check(!!(off & NET_OFF_ECN) ==
		   has(features, driver ? VIRTIO_NET_F_GUEST_ECN : VIRTIO_NET_F_HOST_ECN));
	fuzz_check(!!(off & NET_OFF_MERGE) == (driver && has(features, VIRTIO_NET_F_MRG_RXBUF)));
	fuzz_check(!!(off & NET_OFF_VALID) == (driver && has(features, VIRTIO_NET_F_GUEST_CSUM)));
}

/* Behind the Ethernet and the IP header. */
static u64 l4_least(void)
{
	return NET_ETH_BYTES + (t.type == VIRTIO_NET_HDR_GSO_TCPV6 ? 40 : 20);
}

static bool is_udp(void)
{
	return t.type == VIRTIO_NET_HDR_GSO_UDP_L4;
}

/* The frame has a header of TCP or UDP, with the checksum where that has it. */
static bool l4_fits(void)
{
	return t.offset == (is_udp() ? 6 : 16) && t.start >= l4_least() &&
	       t.start + (is_udp() ? 8 : 20) <= t.frame;
}

/* It does not come apart into more packets than anybody would send. */
static bool size_fits(void)
{
	if (t.gso_size > 65534)
		return false;
	return is_udp() ? t.gso_size && t.frame - t.start - 8 <= 128 * t.gso_size :
			  t.gso_size >= 8;
}

static bool type_offered(void)
{
	if (t.ecn && !(t.off & NET_OFF_ECN))
		return false;
	switch (t.type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return !t.ecn;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return t.off & NET_OFF_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return t.off & NET_OFF_TSO6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return !t.ecn && t.off & NET_OFF_USO;
	default:
		return false;
	}
}

/* Everything that an accepted header promises. */
static void check_accepted(const struct net_hdr *h)
{
	fuzz_check(t.frame >= NET_ETH_BYTES && t.frame <= NET_FRAME_MAX);
	fuzz_check(h->num_buffers >= 1);
	fuzz_check(h->num_buffers == (t.off & NET_OFF_MERGE ? t.buffers : 1));
	fuzz_check(!(t.flags & VIRTIO_NET_HDR_F_RSC_INFO));
	fuzz_check(h->flags == (t.flags & KNOWN_FLAGS));

	switch (h->flags) {
	case 0:
		break;
	case VIRTIO_NET_HDR_F_DATA_VALID:
		fuzz_check(t.off & NET_OFF_VALID);
		break;
	case VIRTIO_NET_HDR_F_NEEDS_CSUM:
		fuzz_check(t.off & NET_OFF_CSUM);
		fuzz_check(h->csum_start == t.start && h->csum_offset == t.offset);
		fuzz_check(t.start >= CSUM_LEAST && t.start + t.offset + 2 <= t.frame);
		break;
	default:
		fuzz_check(!"flags that exclude each other");
	}
	if (!t.needs)
		fuzz_check(!h->csum_start && !h->csum_offset);

	fuzz_check(h->gso_type == t.gso);
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		fuzz_check(!h->gso_size);
		return;
	}
	fuzz_check(t.needs && l4_fits() && size_fits() && h->gso_size == t.gso_size);
	fuzz_check(type_offered());
}

/* It is so as the reason says. */
static void check_refused(enum net_hdr_fault why)
{
	const bool valid = t.flags & VIRTIO_NET_HDR_F_DATA_VALID;
	const bool rsc = t.flags & VIRTIO_NET_HDR_F_RSC_INFO;

	switch (why) {
	case NET_HDR_FRAME:
		fuzz_check(t.frame < NET_ETH_BYTES || t.frame > NET_FRAME_MAX);
		break;
	case NET_HDR_BUFFERS:
		fuzz_check(t.off & NET_OFF_MERGE && !t.buffers);
		break;
	case NET_HDR_FLAGS:
		fuzz_check(rsc || (valid && (t.needs || !(t.off & NET_OFF_VALID))) ||
			   (t.needs && !(t.off & NET_OFF_CSUM)));
		break;
	case NET_HDR_CSUM:
		fuzz_check(t.needs);
		fuzz_check(t.start < CSUM_LEAST || t.start + t.offset + 2 > t.frame ||
			   (t.type != VIRTIO_NET_HDR_GSO_NONE && !l4_fits()));
		break;
	case NET_HDR_GSO_TYPE:
		fuzz_check(!type_offered() || (t.type != VIRTIO_NET_HDR_GSO_NONE && !t.needs));
		break;
	case NET_HDR_GSO_SIZE:
		fuzz_check(t.type != VIRTIO_NET_HDR_GSO_NONE && !size_fits());
		break;
	default:
		fuzz_check(!"a reason that there is not");
	}
}

static bool same(const struct net_hdr *a, const struct net_hdr *b)
{
	return a->flags == b->flags && a->gso_type == b->gso_type && a->gso_size == b->gso_size &&
	       a->csum_start == b->csum_start && a->csum_offset == b->csum_offset &&
	       a->num_buffers == b->num_buffers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	const u8 how = in_u8(&in);
	struct virtio_net_hdr_v1 other;
	enum net_hdr_fault fault;
	struct net_hdr h, again;
	u64 features;

	memset(&h, 0xa5, sizeof(h));
	features = in_u64(&in);
	t.off = how & 1 ? net_hdr_offloads_driver(features) : net_hdr_offloads_device(features);
	check_offloads(features, how & 1, t.off);
	if (how & 2)
		t.off = (u32)features;
	t.frame = how & 4 ? (u32)in_number(&in) : in_u16(&in);
	t.flags = t.raw.flags = in_u8(&in);
	t.gso = t.raw.gso_type = in_u8(&in);
	t.raw.hdr_len = in_u16(&in);
	t.raw.gso_size = htole16((u16)(t.gso_size = in_u16(&in)));
	t.raw.csum_start = htole16((u16)(t.start = in_u16(&in)));
	t.raw.csum_offset = htole16((u16)(t.offset = in_u16(&in)));
	t.raw.num_buffers = htole16((u16)(t.buffers = in_u16(&in)));
	t.needs = t.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	t.ecn = t.gso & VIRTIO_NET_HDR_GSO_ECN;
	t.type = t.gso & (u8)~VIRTIO_NET_HDR_GSO_ECN;

	fuzz_check(net_hdr_fault_name((enum net_hdr_fault)in_u32(&in)));
	fuzz_check(net_hdr_buffers(&t.raw, t.off) == (t.off & NET_OFF_MERGE ? t.buffers : 1));
	fault = net_hdr_check(&t.raw, (u32)t.frame, t.off, &h);
	if (fault == NET_HDR_OK)
		check_accepted(&h);
	else
		check_refused(fault);

	other = t.raw;
	other.hdr_len = (__virtio16)~other.hdr_len;
	other.flags ^= (u8)~KNOWN_FLAGS;
	fuzz_check(net_hdr_check(&other, (u32)t.frame, t.off, &again) == fault);
	fuzz_check(fault != NET_HDR_OK || same(&h, &again));
	if (fault != NET_HDR_OK)
		return 0;

	memset(&other, 0xa5, sizeof(other));
	net_hdr_write(&h, &other);
	fuzz_check(!other.hdr_len);
	fuzz_check(net_hdr_check(&other, (u32)t.frame, t.off, &again) == NET_HDR_OK);
	fuzz_check(same(&h, &again));
	return 0;
}
