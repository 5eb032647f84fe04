/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtqueue for a fuzz target: its areas, what lies around them, and somebody who writes
 * there what the input says.
 *
 * Theory
 * ------
 * All that is shared lies in one arena, which is poisoned but for the areas: an access
 * beside an area is an error that AddressSanitizer sees, to the byte behind its end.
 * Areas are aligned as the specification asks and no better. ring_seal() poisons them,
 * too: what then still touches them is found.
 *
 * Addresses on the bus have nothing in common with those here. Regions: one that both sides
 * may write, one that the device must only read, and indirect tables, which it only
 * reads. The first two are neighbours on the bus and not here. The ring itself lies in the
 * driver's memory like anything else: a buffer, or an indirect table, may be in it.
 */
#ifndef TESTS_FUZZ_FUZZ_RING_H
#define TESTS_FUZZ_FUZZ_RING_H

#include "fuzz.h"
#include "../../ring/log.h"

#define SHARE_ARENA	(3u << 20)
#define SHARE_GAP	64u
#define SHARE_DATA	4096u		/* bytes of each of the two data regions */
#define SHARE_TABLE	128u		/* entries of the region of tables */

#define SHARE_BUS_RW	0x0000550000000000ull
#define SHARE_BUS_RO	(SHARE_BUS_RW + SHARE_DATA)
#define SHARE_BUS_TABLE	0x0000540000000000ull
#define SHARE_BUS_DESC	0x0000510000000000ull
#define SHARE_BUS_DRIVER 0x0000520000000000ull
#define SHARE_BUS_DEVICE 0x0000530000000000ull

/* The areas of a ring and the other things that are shared. */
enum { SHARE_DESC, SHARE_DRIVER, SHARE_DEVICE, SHARE_TABLES, SHARE_RW, SHARE_RO, SHARE_LOG,
       SHARES };

/**
 * struct share - a piece of shared memory
 * @at: address here
 * @bytes: size; 0: there is none
 */
struct share {
	void __shared *at;
	size_t bytes;
};

/**
 * struct ring_share - all that is shared of one queue
 * @size: number of descriptors, as the input has it
 * @features: negotiated
 * @a: the areas
 * @share: they and the rest, by SHARE_*
 * @used: bytes of the arena that are taken
 */
struct ring_share {
	u32 size;
	u64 features;
	struct ring_areas a;
	struct share share[SHARES];
	size_t used;
};

static u8 share_arena[SHARE_ARENA] __attribute__((aligned(64)));

/* A further piece, @skew bytes off an alignment to 64. */
static inline void share_open(struct ring_share *s, unsigned int which, size_t bytes, size_t skew)
{
	const size_t at = ALIGN(s->used + SHARE_GAP, (size_t)64) + skew;

	fuzz_check(at + bytes + SHARE_GAP <= SHARE_ARENA);
	fuzz_unpoison(share_arena + at, bytes);
	memset(share_arena + at, 0, bytes);
	s->share[which].at = shared_mark(share_arena + at);
	s->share[which].bytes = bytes;
	s->used = at + bytes;
}

/* From here on an access to anything shared is an error. */
static inline void share_seal(struct ring_share *s)
{
	fuzz_poison(share_arena, s->used);
}

/* Is it "mean"? For what takes long; a comparison that libFuzzer does not see through. */
static inline bool in_means(struct fuzz_in *in)
{
	return in_u32(in) * 0x9e3779b1u == 0x6ab2a55du;
}

/* Mostly small; the largest, and what cannot be, must be hard to come by. */
static inline u32 share_ask_size(struct fuzz_in *in)
{
	static const u16 sizes[] = { 4, 1, 2, 3, 5, 7, 8, 12, 16, 31, 32, 64, 100, 128 };
	static const u16 odd[] = { RING_SIZE_MAX, RING_SIZE_MAX + 1, 0, 256 };
	const u8 how = in_u8(in);

	return how < 0xfc || !in_means(in) ? sizes[how % ARRAY_SIZE(sizes)] : odd[how & 3];
}

static inline void share_ask(struct ring_share *s, struct fuzz_in *in)
{
	const u8 how = in_u8(in);

	*s = (struct ring_share) {
		.size = share_ask_size(in),
		.features = BIT_ULL(VIRTIO_F_VERSION_1) |
			    (how & 1 ? BIT_ULL(VIRTIO_F_RING_PACKED) : 0) |
			    (how & 2 ? BIT_ULL(VIRTIO_F_IN_ORDER) : 0) |
			    (how & 4 ? BIT_ULL(VIRTIO_RING_F_EVENT_IDX) : 0) |
			    (how & 8 ? BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) : 0),
	};
}

/* Open the three areas of a queue whose size can be. */
static inline void share_ring(struct ring_share *s)
{
	const bool packed = s->features & BIT_ULL(VIRTIO_F_RING_PACKED);
	static bool poisoned;

	/* Later the end of each input leaves it so. */
	if (!poisoned)
		fuzz_poison(share_arena, SHARE_ARENA);
	poisoned = true;
	share_open(s, SHARE_DESC, ring_desc_bytes(s->size), 16);
	share_open(s, SHARE_DRIVER, ring_driver_bytes(s->size, s->features), packed ? 4 : 2);
	share_open(s, SHARE_DEVICE, ring_device_bytes(s->size, s->features), 4);
	s->a = (struct ring_areas) {
		.desc = s->share[SHARE_DESC].at,
		.driver = s->share[SHARE_DRIVER].at,
		.device = s->share[SHARE_DEVICE].at,
	};
}

/* Open the regions that descriptors can name. */
static inline void share_regions(struct ring_share *s)
{
	share_open(s, SHARE_TABLES, SHARE_TABLE * sizeof(struct vring_desc), 0);
	share_open(s, SHARE_RW, SHARE_DATA, 0);
	share_open(s, SHARE_RO, SHARE_DATA, 0);
}

static inline bool share_is_packed(const struct ring_share *s)
{
	return s->features & BIT_ULL(VIRTIO_F_RING_PACKED);
}

static inline bool share_in_order(const struct ring_share *s)
{
	return s->features & BIT_ULL(VIRTIO_F_IN_ORDER);
}

/* Does [@p, @p + @len) lie in a piece of shared memory? */
static inline bool share_has(const struct ring_share *s, unsigned int which,
			     const void __shared *p, size_t len)
{
	const uintptr_t base = (uintptr_t)shared_unmark(s->share[which].at);
	const uintptr_t at = (uintptr_t)shared_unmark(p);

	return at >= base && len <= s->share[which].bytes &&
	       at - base <= s->share[which].bytes - len;
}

/* Where [@addr, @addr + @len) on the bus lies, when it is in the piece at @bus. */
static inline void __shared *share_find(const struct ring_share *s, unsigned int which,
					u64 bus, u64 addr, u32 len)
{
	const struct share *m = &s->share[which];

	if (addr < bus || addr - bus >= m->bytes || len > m->bytes - (addr - bus))
		return NULL;
	return shared_at(m->at, addr - bus);
}

/* What can be named on the bus. */
static const struct {
	unsigned int which;
	u64 bus;
	bool writable;
} share_region[] = {
	{ SHARE_RW, SHARE_BUS_RW, true },
	{ SHARE_RO, SHARE_BUS_RO, false },
	{ SHARE_TABLES, SHARE_BUS_TABLE, false },
	{ SHARE_DESC, SHARE_BUS_DESC, true },
	{ SHARE_DRIVER, SHARE_BUS_DRIVER, true },
	{ SHARE_DEVICE, SHARE_BUS_DEVICE, true },
};

/* The translation that a device half is given; @write is respected. */
static inline void __shared *share_map(const struct ring_share *s, u64 addr, u32 len, bool write)
{
	void __shared *p = NULL;
	size_t i;

	for (i = 0; !p && i < ARRAY_SIZE(share_region); i++) {
		if (share_region[i].writable || !write)
			p = share_find(s, share_region[i].which, share_region[i].bus, addr, len);
	}
	return p;
}

/* May a chain have this piece? */
static inline bool share_iov_ok(const struct ring_share *s, const struct ring_iov *iov, bool write)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(share_region); i++) {
		if ((share_region[i].writable || !write) && iov->len &&
		    share_has(s, share_region[i].which, iov->base, iov->len))
			return true;
	}
	return false;
}

/**
 * struct scribble - bytes that are written somewhere
 * @at: where
 * @value: what, little-endian
 * @bytes: how many; 0: none
 */
struct scribble {
	void __shared *at;
	u64 value;
	u32 bytes;
};

/* What the input wants written into one of the pieces in @allowed, a bit for each. */
static inline struct scribble in_scribble(struct fuzz_in *in, const struct ring_share *s,
					  u32 allowed)
{
	const u8 how = in_u8(in);
	const struct share *m = &s->share[(how >> 4) % SHARES];
	const u32 bytes = 1u << (how & 3);
	const u32 off = in_u16(in);
	struct scribble w = { .value = how & 4 ? in_number(in) : in_u16(in) };

	if (allowed & 1u << (how >> 4) % SHARES && m->bytes >= bytes) {
		w.at = shared_at(m->at, (size_t)off * (how & 8 ? bytes : 1) %
				 (m->bytes - bytes + 1));
		w.bytes = bytes;
	}
	return w;
}

static inline void scribble(const struct scribble *w)
{
	const u64 value = htole64(w->value);

	if (w->bytes)
		shared_copy_out(w->at, &value, w->bytes);
}

#endif /* TESTS_FUZZ_FUZZ_RING_H */
