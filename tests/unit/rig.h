/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bench for one virtqueue: memory, addresses, both halves.
 *
 * Theory
 * ------
 * Each of the three areas of a ring, the indirect tables and the data lie in a
 * mapping of their own that ends where a page ends, with an unmapped page behind
 * it: a read or write past an area faults, with or without a sanitizer. Private
 * memory of the halves is allocated to the byte, so that AddressSanitizer sees
 * the same for it. rig_seal() takes all shared areas away; what then still
 * touches them faults, which is how the tests show that a broken queue is left
 * alone.
 *
 * Bus addresses have nothing in common with addresses here and use more than 32
 * bits. Data is two regions that lie side by side on the bus, so that a range
 * which crosses from one into the other is contiguous but in no single region.
 *
 * The tests play the other side of a half by hand through the same accessors
 * that ring/ uses. A failed assertion leaves the test by a long jump, so rigs
 * belong to the test's state and rig_close() runs in its teardown.
 */
#ifndef TESTS_UNIT_RIG_H
#define TESTS_UNIT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../ring/ring.h"

#define RIG_PAGE	4096u
#define RIG_BUS_DESC	0x0000510000000000ull
#define RIG_BUS_DRIVER	0x0000520000000000ull
#define RIG_BUS_DEVICE	0x0000530000000000ull
#define RIG_BUS_TABLE	0x0000540000000000ull
#define RIG_BUS_DATA	0x0000550000000000ull

/* Data: two regions of this many bytes each, adjacent on the bus. */
#define RIG_REGION	(64u * 1024)
/* Bus address where the second region starts. */
#define RIG_BUS_SEAM	(RIG_BUS_DATA + RIG_REGION)
/* What the device half accepts, unless a test says otherwise. */
#define RIG_SEGS	64u
#define RIG_BYTES	(4u * RIG_REGION)
/* Entries of the memory for indirect tables. */
#define RIG_TABLE	4096u

/**
 * struct rig_map - a piece of shared memory with an unmapped page behind it
 * @start: of the mapping
 * @span: bytes of it that are accessible, whole pages
 * @at: the area itself; it ends where the accessible pages end, or up to
 *	@align - 1 bytes before
 * @bytes: of the area
 * @bus: address of @at on the bus
 */
struct rig_map {
	u8 *start;
	size_t span;
	void __shared *at;
	size_t bytes;
	u64 bus;
};

/**
 * struct rig - one virtqueue with all that belongs to it
 * @size: number of descriptors
 * @features: as both halves are told
 * @a: areas, as both halves are told
 * @desc: descriptor area
 * @driver: driver area
 * @device: device area
 * @table: memory for indirect tables
 * @data: both data regions
 * @drv: driver half
 * @dev: device half
 * @drv_priv: its private memory
 * @dev_priv: likewise
 * @c: chain for ring_dev_pop()
 * @iov: its segments
 * @maps: calls of the translation so far
 * @on_map: called by the translation before it answers, or NULL
 * @on_map_arg: for the test's use
 * @id: for the test's use: ids that ring_drv_add() gave
 */
struct rig {
	u32 size;
	u64 features;
	struct ring_areas a;
	struct rig_map desc, driver, device, table, data;
	struct ring_drv drv;
	struct ring_dev dev;
	void *drv_priv, *dev_priv;
	struct ring_chain c;
	struct ring_iov iov[RIG_SEGS];
	unsigned int maps;
	void (*on_map)(struct rig *rig, u64 addr, u32 len, bool write);
	u64 on_map_arg;
	u16 id[64];
};

static inline void rig_map_open(struct rig_map *m, size_t bytes, size_t align, u64 bus)
{
	size_t pad;

	m->span = ALIGN(bytes, (size_t)RIG_PAGE);
	m->bytes = bytes;
	m->start = mmap(NULL, m->span + RIG_PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(m->start != MAP_FAILED);
	assert_int_equal(mprotect(m->start, m->span, PROT_READ | PROT_WRITE), 0);
	pad = (m->span - bytes) & ~(align - 1);
	m->at = shared_mark(m->start + pad);
	m->bus = bus;
}

static inline void rig_map_protect(const struct rig_map *m, int prot)
{
	assert_int_equal(mprotect(m->start, m->span, prot), 0);
}

static inline void rig_map_close(struct rig_map *m)
{
	if (m->start)
		munmap(m->start, m->span + RIG_PAGE);
	m->start = NULL;
}

/* Address here of [@addr, @addr + @len) when it lies wholly in @m, else NULL. */
static inline void __shared *rig_map_find(const struct rig_map *m, u64 addr, u64 len)
{
	if (addr < m->bus || addr - m->bus > m->bytes ||
	    len > m->bytes - (addr - m->bus))
		return NULL;
	return shared_at(m->at, addr - m->bus);
}

/* The translation that the device half is given; @ctx is the rig. */
static inline void __shared *rig_translate(void *ctx, u64 addr, u32 len, bool write)
{
	struct rig *rig = ctx;
	void __shared *p;

	rig->maps++;
	if (rig->on_map)
		rig->on_map(rig, addr, len, write);
	if (!len)
		return NULL;
	/* The ring lies in the driver's memory like anything else. */
	p = rig_map_find(&rig->desc, addr, len);
	if (p)
		return p;
	p = rig_map_find(&rig->table, addr, len);
	if (p)
		return write ? NULL : p;
	if (addr < RIG_BUS_SEAM && (u64)len > RIG_BUS_SEAM - addr)
		return NULL;
	return rig_map_find(&rig->data, addr, len);
}

/* Allocate for a queue of @size descriptors; the halves are not started. */
static inline struct rig *rig_open(u32 size, u64 features)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->size = size;
	rig->features = features | BIT_ULL(VIRTIO_F_VERSION_1);
	rig_map_open(&rig->desc, ring_desc_bytes(size), 16, RIG_BUS_DESC);
	rig_map_open(&rig->driver, ring_driver_bytes(size, features), 4, RIG_BUS_DRIVER);
	rig_map_open(&rig->device, ring_device_bytes(size, features), 4, RIG_BUS_DEVICE);
	rig_map_open(&rig->table, (size_t)RIG_TABLE * sizeof(struct vring_desc), 16,
		     RIG_BUS_TABLE);
	rig_map_open(&rig->data, 2 * (size_t)RIG_REGION, 64, RIG_BUS_DATA);
	rig->a = (struct ring_areas) {
		.desc = rig->desc.at,
		.driver = rig->driver.at,
		.device = rig->device.at,
		.desc_bus = RIG_BUS_DESC,
		.driver_bus = RIG_BUS_DRIVER,
		.device_bus = RIG_BUS_DEVICE,
	};
	rig->drv_priv = malloc(ring_drv_private_bytes(size));
	rig->dev_priv = malloc(ring_dev_private_bytes(size));
	assert_non_null(rig->drv_priv);
	assert_non_null(rig->dev_priv);
	/* The halves must not count on zeroed private memory. */
	memset(rig->drv_priv, 0xa5, ring_drv_private_bytes(size));
	memset(rig->dev_priv, 0xa5, ring_dev_private_bytes(size));
	rig->c.iov = rig->iov;
	return rig;
}

static inline void rig_close(struct rig *rig)
{
	if (!rig)
		return;
	rig_map_close(&rig->desc);
	rig_map_close(&rig->driver);
	rig_map_close(&rig->device);
	rig_map_close(&rig->table);
	rig_map_close(&rig->data);
	free(rig->drv_priv);
	free(rig->dev_priv);
	free(rig);
}

/*
 * A rig as the test's state, in place of the one that was there: what a test
 * leaves behind when an assertion fails, rig_teardown() clears away.
 */
static inline struct rig *rig_new(void **state, u32 size, u64 features)
{
	rig_close(*state);
	*state = NULL;
	*state = rig_open(size, features);
	return *state;
}

static inline int rig_teardown(void **state)
{
	rig_close(*state);
	*state = NULL;
	return 0;
}

/* A test in a group's table: its name is a sentence, its state a rig. */
#define RIG_TEST(words, func) \
	{ .name = words, .test_func = func, .teardown_func = rig_teardown }

/* The ways to negotiate a split ring, and any ring: the layout, and its order. */
#define RIG_WAYS	4u
#define RIG_ALL_WAYS	16u

#define RIG_EVENT	BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define RIG_INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define RIG_PACKED	BIT_ULL(VIRTIO_F_RING_PACKED)
#define RIG_ORDERED	BIT_ULL(VIRTIO_F_IN_ORDER)

static inline u64 rig_way(unsigned int way)
{
	return (way & 1 ? BIT_ULL(VIRTIO_RING_F_EVENT_IDX) : 0) |
	       (way & 2 ? BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
	       (way & 4 ? BIT_ULL(VIRTIO_F_RING_PACKED) : 0) |
	       (way & 8 ? BIT_ULL(VIRTIO_F_IN_ORDER) : 0);
}

static inline bool rig_packed(const struct rig *rig)
{
	return rig->features & RIG_PACKED;
}

static inline bool rig_ordered(const struct rig *rig)
{
	return rig->features & RIG_ORDERED;
}

/*
 * One test for each layout, with or without order, or both: @func takes, after the state,
 * the features that make the difference.
 */
#define RIG_LAYOUT(func, layout, features)					\
	static void func##_##layout(void **state) { func(state, features); }

#define RIG_SPLIT_ONLY(func)							\
	RIG_LAYOUT(func, split, 0)						\
	RIG_LAYOUT(func, split_in_order, RIG_ORDERED)
#define RIG_PACKED_ONLY(func)							\
	RIG_LAYOUT(func, packed, RIG_PACKED)					\
	RIG_LAYOUT(func, packed_in_order, RIG_PACKED | RIG_ORDERED)
#define RIG_EITHER(func)							\
	RIG_LAYOUT(func, split, 0)						\
	RIG_LAYOUT(func, packed, RIG_PACKED)
#define RIG_IN_ORDER(func)							\
	RIG_LAYOUT(func, split_in_order, RIG_ORDERED)				\
	RIG_LAYOUT(func, packed_in_order, RIG_PACKED | RIG_ORDERED)
#define RIG_ANY(func)								\
	RIG_SPLIT_ONLY(func) RIG_PACKED_ONLY(func)

/* The same tests in a group's table. */
#define RIG_TEST_SPLIT_ONLY(words, func)					\
	RIG_TEST(words ", split", func##_split),				\
	RIG_TEST(words ", split in order", func##_split_in_order)
#define RIG_TEST_PACKED_ONLY(words, func)					\
	RIG_TEST(words ", packed", func##_packed),				\
	RIG_TEST(words ", packed in order", func##_packed_in_order)
#define RIG_TEST_EITHER(words, func)						\
	RIG_TEST(words ", split", func##_split),				\
	RIG_TEST(words ", packed", func##_packed)
#define RIG_TEST_IN_ORDER(words, func)						\
	RIG_TEST(words ", split in order", func##_split_in_order),		\
	RIG_TEST(words ", packed in order", func##_packed_in_order)
#define RIG_TEST_ANY(words, func)						\
	RIG_TEST_SPLIT_ONLY(words, func), RIG_TEST_PACKED_ONLY(words, func)

/*
 * The size to try after @size, from 1 on, up to the largest; then 0. Of a packed queue
 * also such that are no powers of two.
 */
static inline u32 rig_next_size(u32 size, u64 features)
{
	if (size == RING_SIZE_MAX)
		return 0;
	if (!(features & RIG_PACKED))
		return 2 * size;
	if (size < 40)
		return size + 1;
	if (size < 10000)
		return 3 * size + 1;
	return size < RING_SIZE_MAX - 1 ? RING_SIZE_MAX - 1 : RING_SIZE_MAX;
}

static inline void rig_start_drv(struct rig *rig)
{
	assert_int_equal(ring_drv_init(&rig->drv, &rig->a, rig->size, rig->features,
				       rig->drv_priv), 0);
}

static inline void rig_start_dev(struct rig *rig, u32 base)
{
	const struct ring_dev_limits limits = {
		.map = rig_translate,
		.ctx = rig,
		.segs = RIG_SEGS,
		.bytes = RIG_BYTES,
	};

	assert_int_equal(ring_dev_init(&rig->dev, &rig->a, rig->size, rig->features,
				       base, &limits, rig->dev_priv), 0);
}

/* Both halves of a queue that was never used. */
static inline void rig_start(struct rig *rig)
{
	rig_start_drv(rig);
	rig_start_dev(rig, ring_base_new(rig->features));
}

static inline struct rig *rig_started(void **state, u32 size, u64 features)
{
	struct rig *rig = rig_new(state, size, features);

	rig_start(rig);
	return rig;
}

/* From here on an access to anything shared faults. */
static inline void rig_seal(struct rig *rig)
{
	rig_map_protect(&rig->desc, PROT_NONE);
	rig_map_protect(&rig->driver, PROT_NONE);
	rig_map_protect(&rig->device, PROT_NONE);
	rig_map_protect(&rig->table, PROT_NONE);
	rig_map_protect(&rig->data, PROT_NONE);
}

/* ---- the areas, by hand ------------------------------------------------ */

static inline struct vring_desc __shared *rig_desc(struct rig *rig, u32 i)
{
	return (struct vring_desc __shared *)rig->desc.at + i;
}

static inline struct vring_desc __shared *rig_table(struct rig *rig, u32 i)
{
	return (struct vring_desc __shared *)rig->table.at + i;
}

/* Bus address of entry @i of the memory for indirect tables. */
static inline u64 rig_table_bus(u32 i)
{
	return RIG_BUS_TABLE + i * sizeof(struct vring_desc);
}

static inline struct vring_avail __shared *rig_avail(struct rig *rig)
{
	return rig->driver.at;
}

static inline struct vring_used __shared *rig_used(struct rig *rig)
{
	return rig->device.at;
}

/* used_event lies behind the avail ring, avail_event behind the used ring. */
static inline __virtio16 __shared *rig_used_event(struct rig *rig)
{
	return shared_at(rig->driver.at, 4 + 2 * (size_t)rig->size);
}

static inline __virtio16 __shared *rig_avail_event(struct rig *rig)
{
	return shared_at(rig->device.at, 4 + 8 * (size_t)rig->size);
}

static inline void __shared *rig_data(struct rig *rig, u64 bus)
{
	return shared_at(rig->data.at, bus - RIG_BUS_DATA);
}

/* Set @len bytes of an area, from @off on, to @byte. */
static inline void rig_fill(struct rig_map *m, size_t off, size_t len, u8 byte)
{
	for (; len; len--, off++)
		shared_store8((u8 __shared *)shared_at(m->at, off), byte);
}

/* Write a descriptor as a driver would, or one that lies. */
static inline void rig_put_desc(struct vring_desc __shared *d, u64 addr, u32 len,
				u16 flags, u16 next)
{
	shared_store64(&d->addr, addr);
	shared_store32(&d->len, len);
	shared_store16(&d->flags, flags);
	shared_store16(&d->next, next);
}

/* Offer the chain that starts at @head: entry @at of a free-running index. */
static inline void rig_put_avail(struct rig *rig, u16 at, u16 head)
{
	shared_store16(&rig_avail(rig)->ring[at % rig->size], head);
	shared_store_release16(&rig_avail(rig)->idx, (u16)(at + 1));
}

/* Complete: entry @at of a free-running index, the index itself left alone. */
static inline void rig_put_elem(struct rig *rig, u16 at, u32 id, u32 len)
{
	shared_store32(&rig_used(rig)->ring[at % rig->size].id, id);
	shared_store32(&rig_used(rig)->ring[at % rig->size].len, len);
}

static inline void rig_put_used(struct rig *rig, u16 at, u32 id, u32 len)
{
	rig_put_elem(rig, at, id, len);
	shared_store_release16(&rig_used(rig)->idx, (u16)(at + 1));
}

/* ---- a packed ring, by hand ---------------------------------------------- */

/*
 * A place in it runs freely here, from 0 on; the wrap counter is 1 in the first round and
 * in every other one after it (virtio 1.2, 2.8.1).
 */
static inline bool rig_wrap(const struct rig *rig, u32 at)
{
	return at / rig->size % 2 == 0;
}

/* A place as it is told to the other side. */
static inline u16 rig_off_wrap(const struct rig *rig, u32 at)
{
	return (u16)(at % rig->size | (u32)rig_wrap(rig, at) << 15);
}

/* AVAIL and USED as they are at a place that is available, and at one that is used. */
static inline u16 rig_marks(const struct rig *rig, u32 at, bool used)
{
	const bool wrap = rig_wrap(rig, at);

	return (u16)(wrap << VRING_PACKED_DESC_F_AVAIL |
		     (wrap == used) << VRING_PACKED_DESC_F_USED);
}

/* Length, id and flags of a descriptor as the word that they are (2.8.13). */
static inline u64 rig_rest(u32 len, u16 id, u16 flags)
{
	return len | (u64)id << 32 | (u64)flags << 48;
}

static inline u64 __shared *rig_addr_word(struct rig *rig, u32 at)
{
	return shared_at(rig->a.desc, 16 * (size_t)(at % rig->size));
}

static inline u64 __shared *rig_rest_word(struct rig *rig, u32 at)
{
	return shared_at(rig->a.desc, 16 * (size_t)(at % rig->size) + 8);
}

static inline u16 rig_flags(struct rig *rig, u32 at)
{
	return (u16)(shared_load64(rig_rest_word(rig, at)) >> 48);
}

static inline u16 rig_id(struct rig *rig, u32 at)
{
	return (u16)(shared_load64(rig_rest_word(rig, at)) >> 32);
}

static inline u32 rig_len(struct rig *rig, u32 at)
{
	return (u32)shared_load64(rig_rest_word(rig, at));
}

/* Write a descriptor as a driver would, or one that lies, and make it available. */
static inline void rig_put_packed(struct rig *rig, u32 at, u64 addr, u32 len, u16 id,
				  u16 flags)
{
	shared_store64(rig_addr_word(rig, at), addr);
	shared_store_release64(rig_rest_word(rig, at),
			       rig_rest(len, id, flags | rig_marks(rig, at, false)));
}

/*
 * Complete a chain as a device would, in either layout: @at counts what was completed
 * before, chains in a split ring, their descriptors in a packed one.
 */
static inline void rig_complete(struct rig *rig, u32 at, u32 id, u32 len)
{
	if (!rig_packed(rig))
		rig_put_used(rig, (u16)at, id, len);
	else
		shared_store_release64(rig_rest_word(rig, at),
				       rig_rest(len, (u16)id, rig_marks(rig, at, true)));
}

/* An event structure: place and flags are one word (2.8.14). */
static inline u32 rig_event(const struct rig_map *m)
{
	return shared_load32((u32 __shared *)m->at);
}

static inline void rig_put_event(struct rig_map *m, u16 off_wrap, u16 flags)
{
	shared_store32((u32 __shared *)m->at, off_wrap | (u32)flags << 16);
}

/* ---- models ------------------------------------------------------------ */

/*
 * Does index @event lie in [@old, @new)? Counts, so as to owe nothing to the
 * formula of the specification (virtio 1.2, 2.7.10).
 */
static inline bool rig_event_due(u16 event, u16 new, u16 old)
{
	for (; old != new; old++) {
		if (old == event)
			return true;
	}
	return false;
}

/*
 * Is the place @off_wrap one of those in [@old, @new) of a packed ring? Counts as well.
 * A whole round and more hits any place: there the other side may be notified at will.
 */
static inline bool rig_place_due(const struct rig *rig, u16 off_wrap, u32 new, u32 old)
{
	if (new - old >= rig->size)
		return true;
	for (; old != new; old++) {
		if (rig_off_wrap(rig, old) == off_wrap)
			return true;
	}
	return false;
}

/* A repeatable sequence (xorshift64*); the seed is printed by rig_seed(). */
static inline u64 rig_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

/* Below @bound, which is at least 1. */
static inline u32 rig_below(u64 *state, u32 bound)
{
	return (u32)(rig_random(state) >> 32) % bound;
}

/* @fixed, or what SEED= in the environment says; printed for the next run. */
static inline u64 rig_seed(u64 fixed)
{
	const char *env = getenv("SEED");
	u64 seed = env ? strtoull(env, NULL, 0) : fixed;

	if (!seed)
		seed = 1;
	printf("# SEED=%#llx\n", (unsigned long long)seed);
	return seed;
}

/* ---- shortcuts --------------------------------------------------------- */

/* Stage a chain of the given buffers; the cookie is the test's. */
static inline int rig_add(struct rig *rig, const struct ring_seg *seg, u16 out, u16 in,
			  void *cookie)
{
	const struct ring_buf buf = { .seg = seg, .out = out, .in = in };

	return ring_drv_add(&rig->drv, &buf, cookie);
}

/* Stage one writable buffer of @len bytes at the start of the data. */
static inline int rig_add_in(struct rig *rig, u32 len, void *cookie)
{
	const struct ring_seg seg = { .bus = RIG_BUS_DATA, .len = len };

	return rig_add(rig, &seg, 0, 1, cookie);
}

/* Number as a cookie, never NULL. */
static inline void *rig_cookie(u32 n)
{
	return (void *)(uintptr_t)(n + 1);
}

/* One completion is there, and it is this. */
static inline void rig_poll_one(struct rig *rig, u32 cookie, u32 len)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(cookie));
	assert_int_equal(done.len, len);
}

#endif /* TESTS_UNIT_RIG_H */
