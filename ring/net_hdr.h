/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checking of virtio-net headers (virtio 1.2, 5.1.6).
 *
 * A header describes work for the receiving side's network stack, so every
 * field of it is an attack. It is copied into private memory once, checked here
 * once, and only struct net_hdr is used from then on. Both directions use the
 * same check: what a driver sends to the daemon, and what a device gives to the
 * driver.
 */
#ifndef RING_NET_HDR_H
#define RING_NET_HDR_H

#include "os.h"

#ifdef __KERNEL__
#include <uapi/linux/virtio_net.h>
#else
#include <linux/virtio_net.h>
#endif

/* Segmentation of UDP (5.1.3, 5.1.6), for which older headers have no words. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif

/* Bytes of a header on the wire when VERSION_1 is negotiated. */
#define NET_HDR_BYTES		sizeof(struct virtio_net_hdr_v1)

/* Bytes of an Ethernet header: the least that a frame may have. */
#define NET_ETH_BYTES		14u

/* Most bytes of a frame: a full GSO frame with Ethernet header and VLAN tag. */
#define NET_FRAME_MAX		(65535u + NET_ETH_BYTES + 4u)

/*
 * Offloads that the receiver of a header negotiated, as bits independent of
 * direction (GUEST_* features for the driver, the plain ones for the device).
 */
#define NET_OFF_CSUM		0x01u	/* partial checksums */
#define NET_OFF_TSO4		0x02u
#define NET_OFF_TSO6		0x04u
#define NET_OFF_ECN		0x08u	/* ECN bit together with TSO */
#define NET_OFF_MERGE		0x10u	/* mergeable buffers */
#define NET_OFF_VALID		0x20u	/* DATA_VALID may be set (driver only) */
#define NET_OFF_USO		0x40u	/* UDP segments, of IPv4 and IPv6 */
#define NET_OFF_JOINED		(NET_OFF_TSO4 | NET_OFF_TSO6 | NET_OFF_USO)

/**
 * net_hdr_offloads_driver() - what a device may use towards the driver
 * @features: negotiated feature bits. A header does not tell IPv4 and IPv6 apart where it
 *	is about UDP, so of GUEST_USO4 and GUEST_USO6 one alone allows neither
 *
 * Return: NET_OFF_* bits.
 */
u32 net_hdr_offloads_driver(u64 features);

/**
 * net_hdr_offloads_device() - what a driver may use towards the device
 * @features: negotiated feature bits
 *
 * Return: NET_OFF_* bits.
 */
u32 net_hdr_offloads_device(u64 features);

/**
 * enum net_hdr_fault - why a header was refused
 * @NET_HDR_OK: it was not
 * @NET_HDR_FRAME: the frame is shorter than an Ethernet header or longer than
 *	NET_FRAME_MAX
 * @NET_HDR_FLAGS: a flag that was not negotiated, or two that exclude each other;
 *	bits that nobody has defined yet are ignored, as 5.1.6.2 asks
 * @NET_HDR_CSUM: the checksum to fill in is not inside the frame, or lies before
 *	the end of the Ethernet header; with GSO also: it is not where TCP or UDP has
 *	it, or there is no room for such a header
 * @NET_HDR_GSO_TYPE: an unknown GSO type, one that was not negotiated, or GSO
 *	without a partial checksum
 * @NET_HDR_GSO_SIZE: segments of 0 bytes, or so small that a frame would become
 *	an unbounded number of packets
 * @NET_HDR_BUFFERS: a number of buffers that cannot be
 * @NET_HDR_FAULTS: number of reasons
 */
enum net_hdr_fault {
	NET_HDR_OK,
	NET_HDR_FRAME,
	NET_HDR_FLAGS,
	NET_HDR_CSUM,
	NET_HDR_GSO_TYPE,
	NET_HDR_GSO_SIZE,
	NET_HDR_BUFFERS,
	NET_HDR_FAULTS,
};

/**
 * net_hdr_fault_name() - a reason in words
 * @fault: any value
 *
 * Return: a constant string, never NULL.
 */
const char *net_hdr_fault_name(enum net_hdr_fault fault);

/**
 * struct net_hdr - a header, checked; private
 * @flags: VIRTIO_NET_HDR_F_NEEDS_CSUM or _DATA_VALID, or 0
 * @gso_type: VIRTIO_NET_HDR_GSO_NONE, _UDP_L4, or _TCPV4 or _TCPV6 perhaps with _ECN
 * @gso_size: bytes of payload in a segment; 0 without GSO
 * @csum_start: where summing begins, behind an IP header; 0 without NEEDS_CSUM
 * @csum_offset: where, from there, the 16-bit sum goes
 * @num_buffers: buffers that the frame takes, as the sender says; 1 without
 *	NET_OFF_MERGE
 *
 * hdr_len is not here: it is a hint that nobody needs and everybody lies about.
 */
struct net_hdr {
	u8 flags;
	u8 gso_type;
	u16 gso_size;
	u16 csum_start;
	u16 csum_offset;
	u16 num_buffers;
};

/**
 * net_hdr_buffers() - how many buffers a frame takes
 * @raw: header, copied into private memory
 * @offloads: NET_OFF_* that are negotiated
 *
 * Needed before the rest can be checked, since only then is the length known.
 *
 * Return: the sender's num_buffers with NET_OFF_MERGE, else 1. Not checked.
 */
u16 net_hdr_buffers(const struct virtio_net_hdr_v1 *raw, u32 offloads);

/**
 * net_hdr_check() - check a header
 * @raw: header, copied into private memory
 * @frame: bytes of the frame that follows it
 * @offloads: NET_OFF_* that are negotiated
 * @hdr: filled in when NET_HDR_OK is returned
 *
 * Return: NET_HDR_OK or the reason.
 */
enum net_hdr_fault net_hdr_check(const struct virtio_net_hdr_v1 *raw, u32 frame,
				 u32 offloads, struct net_hdr *hdr);

/**
 * net_hdr_write() - put a checked header back into wire form
 * @hdr: the header
 * @raw: filled in
 */
void net_hdr_write(const struct net_hdr *hdr, struct virtio_net_hdr_v1 *raw);

#endif /* RING_NET_HDR_H */
