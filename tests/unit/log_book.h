/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the in-flight log have in common: its memory, where the vhost-user
 * specification has which field ("Inflight I/O tracking"), and a few chains by hand.
 *
 * The log is an area like those of a rig: what a half reads or writes behind its end
 * faults. A half is "killed" by being forgotten: restart() fills all that it knew with
 * rubbish and attaches another half to the log that it left behind.
 */
#ifndef TESTS_UNIT_LOG_BOOK_H
#define TESTS_UNIT_LOG_BOOK_H

#include "../../ring/log.h"
#include "rig.h"

/* The log of the rig under test: its memory, and what the device half keeps of it. */
static struct {
	struct rig_map map;
	struct ring_log log;
	void *priv;
} book;

static inline void book_close(void)
{
	rig_map_close(&book.map);
	free(book.priv);
	book.priv = NULL;
}

static inline struct rig *book_new(void **state, u32 size, u64 features)
{
	struct rig *rig = rig_new(state, size, features);

	book_close();
	rig_map_open(&book.map, ring_log_bytes(size, features), 64, 0);
	book.priv = malloc(ring_log_private_bytes(size));
	assert_non_null(book.priv);
	return rig;
}

static inline int book_teardown(void **state)
{
	book_close();
	return rig_teardown(state);
}

#define LOG_TEST(words, func) \
	{ .name = words, .test_func = func, .teardown_func = book_teardown }

/* A device half that knows nothing of the one before. */
static inline void start_dev(struct rig *rig, u32 base)
{
	memset(rig->dev_priv, 0xa5, ring_dev_private_bytes(rig->size));
	memset(book.priv, 0xa5, ring_log_private_bytes(rig->size));
	memset(&book.log, 0xa5, sizeof(book.log));
	rig_start_dev(rig, base);
}

static inline int attach(struct rig *rig)
{
	return ring_dev_log(&rig->dev, &book.log, book.map.at, book.priv);
}

static inline int restart(struct rig *rig)
{
	start_dev(rig, ring_base_new(rig->features));
	return attach(rig);
}

static inline struct rig *rig_logged(void **state, u32 size, u64 features)
{
	struct rig *rig = book_new(state, size, features);

	rig_start_drv(rig);
	assert_int_equal(restart(rig), 0);
	return rig;
}

/* ---- the log, byte by byte ------------------------------------------------ */

/* Both layouts. */
enum { FEATURES = 0, VERSION = 8, DESC_NUM = 10 };
/* Split: from the start of the log, and from that of an entry. */
enum { LAST_BATCH_HEAD = 12, SPLIT_USED_IDX = 14 };
enum { INFLIGHT = 0, SPLIT_NEXT = 6, COUNTER = 8 };
/* Packed, likewise. */
enum { FREE_HEAD = 12, OLD_FREE_HEAD = 14, USED_IDX = 16, OLD_USED_IDX = 18, USED_WRAP = 20,
       OLD_USED_WRAP = 21 };
enum { NEXT = 2, LAST = 4, NUM = 6, ID = 16, FLAGS = 18, LEN = 20, ADDR = 24 };

static inline size_t split_at(u32 i)
{
	return 16 + 16 * (size_t)i;
}

static inline size_t packed_at(u32 i)
{
	return 32 + 32 * (size_t)i;
}

static inline u8 log8(size_t off)
{
	return shared_load8((u8 __shared *)shared_at(book.map.at, off));
}

static inline u16 log16(size_t off)
{
	return shared_load16((__le16 __shared *)shared_at(book.map.at, off));
}

static inline u32 log32(size_t off)
{
	return shared_load32((__le32 __shared *)shared_at(book.map.at, off));
}

static inline u64 log64(size_t off)
{
	return shared_load64((__le64 __shared *)shared_at(book.map.at, off));
}

static inline void put8(size_t off, u8 value)
{
	shared_store8((u8 __shared *)shared_at(book.map.at, off), value);
}

static inline void put16(size_t off, u16 value)
{
	shared_store16((__le16 __shared *)shared_at(book.map.at, off), value);
}

static inline void put32(size_t off, u32 value)
{
	shared_store32((__le32 __shared *)shared_at(book.map.at, off), value);
}

static inline void put64(size_t off, u64 value)
{
	shared_store64((__le64 __shared *)shared_at(book.map.at, off), value);
}

static inline void expect_heads(u32 free_head, u32 used_idx, u32 used_wrap)
{
	assert_int_equal(log16(FREE_HEAD), free_head);
	assert_int_equal(log16(OLD_FREE_HEAD), free_head);
	assert_int_equal(log16(USED_IDX), used_idx);
	assert_int_equal(log16(OLD_USED_IDX), used_idx);
	assert_int_equal(log8(USED_WRAP), used_wrap);
	assert_int_equal(log8(OLD_USED_WRAP), used_wrap);
}

static inline void expect_packed_desc(u32 i, u32 id, u16 flags, u32 len, u64 addr)
{
	assert_int_equal(log16(packed_at(i) + ID), id);
	assert_int_equal(log16(packed_at(i) + FLAGS), flags);
	assert_int_equal(log32(packed_at(i) + LEN), len);
	assert_int_equal(log64(packed_at(i) + ADDR), addr);
}

/* What no field covers is as the front-end left it: zero. */
static inline void expect_zero(size_t from, size_t to)
{
	for (; from < to; from++)
		assert_int_equal(log8(from), 0);
}

/* ---- a few chains by hand ------------------------------------------------- */

/* Publish a chain of @n writable buffers of @len bytes, behind each other. */
static inline u16 publish(struct rig *rig, u32 n, u32 len, u32 cookie)
{
	struct ring_seg seg[RIG_SEGS];
	u32 i;
	int id;

	for (i = 0; i < n; i++)
		seg[i] = (struct ring_seg) { .bus = RIG_BUS_DATA + i * len, .len = len };
	id = rig_add(rig, seg, 0, (u16)n, rig_cookie(cookie));
	assert_in_range(id, 0, rig->size - 1);
	ring_drv_show(&rig->drv);
	return (u16)id;
}

static inline void pop(struct rig *rig, u16 id)
{
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.id, id);
}

static inline void push(struct rig *rig, u16 id, u32 len)
{
	ring_dev_push(&rig->dev, &(struct ring_chain) { .id = id }, len);
}

static inline void unpop(struct rig *rig, u16 id)
{
	ring_dev_unpop(&rig->dev, &(struct ring_chain) { .id = id });
}

static inline void poll_none(struct rig *rig)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
}

/* One chain after the other, there and back; the log is empty afterwards as before. */
static inline void go_ahead(struct rig *rig, u32 chains)
{
	u16 id;

	for (; chains; chains--) {
		id = publish(rig, 1, 8, 0);
		pop(rig, id);
		push(rig, id, 8);
		ring_dev_show(&rig->dev);
		rig_poll_one(rig, 0, 8);
	}
}

#endif /* TESTS_UNIT_LOG_BOOK_H */
