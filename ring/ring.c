// SPDX-License-Identifier: GPL-2.0
/*
 * What both halves of a virtqueue share: reasons in words, sizes, placement.
 *
 * Nothing here touches shared memory; the halves do, in split_*.c and packed_*.c.
 */
#include "ring.h"

static const char * const ring_fault_names[RING_FAULTS] = {
	[RING_OK] = "not broken",
	[RING_USED_JUMP] = "used index jumps past what is in flight",
	[RING_USED_ID] = "used id is outside the queue",
	[RING_USED_FREE] = "used id is not in flight",
	[RING_USED_ORDER] = "used id is beyond what the used index says",
	[RING_USED_LEN] = "used length is above what was writable",
	[RING_AVAIL_JUMP] = "avail index jumps past the queue size",
	[RING_AVAIL_HEAD] = "avail entry is outside the queue",
	[RING_AVAIL_BUSY] = "avail entry is in flight already",
	[RING_DESC_NEXT] = "descriptor's next is outside its table",
	[RING_DESC_LOOP] = "descriptor chain is longer than its table",
	[RING_DESC_ORDER] = "readable descriptor after a writable one",
	[RING_DESC_ADDR] = "descriptor is not inside one region",
	[RING_DESC_SEGS] = "descriptor chain has too many segments",
	[RING_DESC_BYTES] = "descriptor chain has too many bytes",
	[RING_INDIRECT_OFF] = "indirect descriptor without the feature",
	[RING_INDIRECT_NEST] = "indirect descriptor is nested or chained",
	[RING_INDIRECT_SIZE] = "indirect table has a size or an address that cannot be",
	[RING_LOG_CHAIN] = "in-flight log has a chain that does not end where it says",
	[RING_CALLER] = "buffer contents that cannot be",
	[RING_STALLED] = "no completion in time",
};

const char *ring_fault_name(enum ring_fault fault)
{
	if ((unsigned int)fault >= RING_FAULTS)
		return "unknown fault";
	return ring_fault_names[fault];
}

static bool is_packed(u64 features)
{
	return features & BIT_ULL(VIRTIO_F_RING_PACKED);
}

bool ring_size_ok(u32 size, u64 features)
{
	if (size < 1 || size > RING_SIZE_MAX)
		return false;
	return is_packed(features) || !(size & (size - 1));
}

/* 16 bytes in either layout (virtio 1.2, 2.7.5 and 2.8.13). */
size_t ring_desc_bytes(u32 size)
{
	return (size_t)size * sizeof(struct vring_desc);
}

/* flags, idx, ring[size], used_event: all of 16 bits (virtio 1.2, 2.7.6). */
size_t ring_driver_bytes(u32 size, u64 features)
{
	if (is_packed(features))
		return sizeof(struct vring_packed_desc_event);
	return sizeof(struct vring_avail) + ((size_t)size + 1) * sizeof(__virtio16);
}

/* flags, idx, ring[size] of 8 bytes, avail_event (virtio 1.2, 2.7.8). */
size_t ring_device_bytes(u32 size, u64 features)
{
	if (is_packed(features))
		return sizeof(struct vring_packed_desc_event);
	return sizeof(struct vring_used) +
	       (size_t)size * sizeof(struct vring_used_elem) + sizeof(__virtio16);
}

size_t ring_place(struct ring_areas *a, void __shared *base, u64 bus, u32 size,
		  u64 features)
{
	/* Areas that different sides write do not share a cache line. */
	const size_t driver = ALIGN(ring_desc_bytes(size), (size_t)64);
	const size_t device = ALIGN(driver + ring_driver_bytes(size, features), (size_t)64);

	if (base) {
		a->desc = base;
		a->driver = shared_at(base, driver);
		a->device = shared_at(base, device);
		a->desc_bus = bus;
		a->driver_bus = bus + driver;
		a->device_bus = bus + device;
	}
	return ALIGN(device + ring_device_bytes(size, features), (size_t)64);
}
