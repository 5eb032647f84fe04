// SPDX-License-Identifier: GPL-2.0
/*
 * The in-flight log of a device half: what it says on the wire, and that another half goes
 * on where one was killed, at whatever instant (ATTACKS.md, 66). Logs that lie are in
 * log_hostile.c.
 *
 * What a process leaves behind when it is killed is a prefix of its stores. So a call is
 * made while the areas that it writes are write-protected: each store faults, memory as it
 * is before it is kept as an image, and the store is let through alone, by a single step.
 * A new half then is started on each of these images in turn.
 *
 * A model says what must come of it. It knows chains: each has its number among all that
 * were added, which is the order in which they are popped, and popped again; and once it
 * is pushed its number among all completions, which is the order in which the driver polls
 * them. Whether a completion was visible at an instant is asked of the driver half, which
 * the log is no concern of. After each call the log is read byte by byte, by what the
 * vhost-user specification says of it, and compared with the model.
 */
#include <signal.h>
#include <ucontext.h>

#include "rig.h"
#include "../../ring/log.h"

/* Most descriptors of a queue whose half is killed; one that is not may have more. */
#define MOST	8u
#define CHAINS	12u
#define SEGS	4u
#define ROOM	64u
#define IMAGES	160u

/* The log of the rig under test: its memory, and what the device half keeps of it. */
static struct {
	struct rig_map map;
	struct ring_log log;
	void *priv;
} book;

static void book_close(void)
{
	rig_map_close(&book.map);
	free(book.priv);
	book.priv = NULL;
}

static struct rig *book_new(void **state, u32 size, u64 features)
{
	struct rig *rig = rig_new(state, size, features);

	book_close();
	rig_map_open(&book.map, ring_log_bytes(size, features), 64, 0);
	book.priv = malloc(ring_log_private_bytes(size));
	assert_non_null(book.priv);
	return rig;
}

static int book_teardown(void **state)
{
	book_close();
	return rig_teardown(state);
}

#define LOG_TEST(words, func) \
	{ .name = words, .test_func = func, .teardown_func = book_teardown }

/* A device half that knows nothing of the one before. */
static void start_dev(struct rig *rig, u32 base)
{
	memset(rig->dev_priv, 0xa5, ring_dev_private_bytes(rig->size));
	memset(book.priv, 0xa5, ring_log_private_bytes(rig->size));
	memset(&book.log, 0xa5, sizeof(book.log));
	rig_start_dev(rig, base);
}

static int attach(struct rig *rig)
{
	return ring_dev_log(&rig->dev, &book.log, book.map.at, book.priv);
}

static int restart(struct rig *rig)
{
	start_dev(rig, ring_base_new(rig->features));
	return attach(rig);
}

static struct rig *rig_logged(void **state, u32 size, u64 features)
{
	struct rig *rig = book_new(state, size, features);

	rig_start_drv(rig);
	assert_int_equal(restart(rig), 0);
	return rig;
}

/* ---- the log, byte by byte ------------------------------------------------ */

static u8 log8(size_t off)
{
	return shared_load8((u8 __shared *)shared_at(book.map.at, off));
}

static u16 log16(size_t off)
{
	return shared_load16((__le16 __shared *)shared_at(book.map.at, off));
}

static u32 log32(size_t off)
{
	return shared_load32((__le32 __shared *)shared_at(book.map.at, off));
}

static u64 log64(size_t off)
{
	return shared_load64((__le64 __shared *)shared_at(book.map.at, off));
}

/* Both layouts. */
enum { FEATURES = 0, VERSION = 8, DESC_NUM = 10 };
/* Split: from the start of the log, and from that of an entry. */
enum { LAST_BATCH_HEAD = 12, SPLIT_USED_IDX = 14 };
enum { INFLIGHT = 0, SPLIT_NEXT = 6, COUNTER = 8 };
/* Packed, likewise. */
enum { FREE_HEAD = 12, OLD_FREE_HEAD = 14, USED_IDX = 16, OLD_USED_IDX = 18, USED_WRAP = 20,
       OLD_USED_WRAP = 21 };
enum { NEXT = 2, LAST = 4, NUM = 6, ID = 16, FLAGS = 18, LEN = 20, ADDR = 24 };

static size_t split_at(u32 i)
{
	return 16 + 16 * (size_t)i;
}

static size_t packed_at(u32 i)
{
	return 32 + 32 * (size_t)i;
}

static void expect_heads(u32 free_head, u32 used_idx, u32 used_wrap)
{
	assert_int_equal(log16(FREE_HEAD), free_head);
	assert_int_equal(log16(OLD_FREE_HEAD), free_head);
	assert_int_equal(log16(USED_IDX), used_idx);
	assert_int_equal(log16(OLD_USED_IDX), used_idx);
	assert_int_equal(log8(USED_WRAP), used_wrap);
	assert_int_equal(log8(OLD_USED_WRAP), used_wrap);
}

static void expect_split_entry(u32 i, u8 inflight, u64 counter)
{
	assert_int_equal(log8(split_at(i) + INFLIGHT), inflight);
	assert_int_equal(log64(split_at(i) + COUNTER), counter);
}

static void expect_packed_desc(u32 i, u32 id, u16 flags, u32 len, u64 addr)
{
	assert_int_equal(log16(packed_at(i) + ID), id);
	assert_int_equal(log16(packed_at(i) + FLAGS), flags);
	assert_int_equal(log32(packed_at(i) + LEN), len);
	assert_int_equal(log64(packed_at(i) + ADDR), addr);
}

static void expect_packed_head(u32 i, u32 last, u32 num, u64 counter)
{
	assert_int_equal(log8(packed_at(i) + INFLIGHT), 1);
	assert_int_equal(log16(packed_at(i) + LAST), last);
	assert_int_equal(log16(packed_at(i) + NUM), num);
	assert_int_equal(log64(packed_at(i) + COUNTER), counter);
}

/* What no field covers is as the front-end left it: zero. */
static void expect_zero(size_t from, size_t to)
{
	for (; from < to; from++)
		assert_int_equal(log8(from), 0);
}

/* ---- a few chains by hand ------------------------------------------------- */

/* Publish a chain of @n writable buffers of @len bytes, behind each other. */
static u16 publish(struct rig *rig, u32 n, u32 len, u32 cookie)
{
	struct ring_seg seg[SEGS];
	u32 i;
	int id;

	for (i = 0; i < n; i++)
		seg[i] = (struct ring_seg) { .bus = RIG_BUS_DATA + i * len, .len = len };
	id = rig_add(rig, seg, 0, (u16)n, rig_cookie(cookie));
	assert_in_range(id, 0, rig->size - 1);
	ring_drv_show(&rig->drv);
	return (u16)id;
}

static void pop(struct rig *rig, u16 id)
{
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 1);
	assert_int_equal(rig->c.id, id);
}

static void push(struct rig *rig, u16 id, u32 len)
{
	ring_dev_push(&rig->dev, &(struct ring_chain) { .id = id }, len);
}

static void unpop(struct rig *rig, u16 id)
{
	ring_dev_unpop(&rig->dev, &(struct ring_chain) { .id = id });
}

static void poll_one(struct rig *rig, u32 cookie, u32 len)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(cookie));
	assert_int_equal(done.len, len);
}

static void poll_none(struct rig *rig)
{
	struct ring_done done;

	assert_int_equal(ring_drv_poll(&rig->drv, &done), 0);
}

/* ---- on the wire ---------------------------------------------------------- */

static void log_is_as_large_as_the_protocol_says(void **state)
{
	const u64 packed = BIT_ULL(VIRTIO_F_RING_PACKED);

	(void)state;
	/* 16 bytes and 16 for each entry, or 32 and 32, in units of 64. */
	assert_int_equal(ring_log_bytes(1, 0), 64);
	assert_int_equal(ring_log_bytes(4, 0), 128);
	assert_int_equal(ring_log_bytes(256, 0), 4160);
	assert_int_equal(ring_log_bytes(RING_SIZE_MAX, 0), 524352);
	assert_int_equal(ring_log_bytes(1, packed), 64);
	assert_int_equal(ring_log_bytes(3, packed), 128);
	assert_int_equal(ring_log_bytes(256, packed), 8256);
	assert_int_equal(ring_log_bytes(RING_SIZE_MAX, packed), 1048640);
}

static void split_log_on_the_wire(void **state)
{
	struct rig *rig = rig_logged(state, 4, 0);
	u16 a, b, c;

	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 4);
	expect_zero(FEATURES, VERSION);
	expect_zero(LAST_BATCH_HEAD, book.map.bytes);

	/* Only the head of a chain is in it. */
	a = publish(rig, 2, 8, 0);
	b = publish(rig, 1, 8, 1);
	c = publish(rig, 1, 8, 2);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 0);
	pop(rig, a);
	expect_split_entry(a, 1, 0);
	pop(rig, b);
	pop(rig, c);
	expect_split_entry(b, 1, 1);
	expect_split_entry(c, 1, 2);
	expect_zero(split_at(6 - a - b - c), split_at(7 - a - b - c));

	/* Until it is seen, a completion changes nothing. */
	push(rig, c, 8);
	push(rig, a, 8);
	expect_split_entry(a, 1, 0);
	expect_split_entry(c, 1, 2);
	assert_int_equal(log16(SPLIT_USED_IDX), 0);

	ring_dev_flush(&rig->dev);
	assert_int_equal(log16(SPLIT_USED_IDX), 2);
	assert_int_equal(log16(LAST_BATCH_HEAD), a);
	assert_int_equal(log16(split_at(a) + SPLIT_NEXT), c);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 0);
	assert_int_equal(log8(split_at(c) + INFLIGHT), 0);
	expect_split_entry(b, 1, 1);

	push(rig, b, 8);
	ring_dev_show(&rig->dev);
	assert_int_equal(log16(SPLIT_USED_IDX), 3);
	assert_int_equal(log16(LAST_BATCH_HEAD), b);
	assert_int_equal(log8(split_at(b) + INFLIGHT), 0);

	/* Version and size stay, and what is nobody's stays zero. */
	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 4);
	expect_zero(FEATURES, VERSION);
	for (a = 0; a < 4; a++)
		expect_zero(split_at(a) + 1, split_at(a) + SPLIT_NEXT);
	expect_zero(split_at(4), book.map.bytes);
}

static void packed_log_on_the_wire(void **state)
{
	const u16 avail = 1u << VRING_PACKED_DESC_F_AVAIL, used = 1u << VRING_PACKED_DESC_F_USED;
	struct rig *rig = rig_logged(state, 5, BIT_ULL(VIRTIO_F_RING_PACKED));
	u16 a, b, i;

	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 5);
	expect_heads(0, 0, 1);
	expect_zero(FEATURES, VERSION);
	for (i = 0; i < 5; i++) {
		assert_int_equal(log16(packed_at(i) + NEXT), i + 1);
		expect_zero(packed_at(i), packed_at(i) + NEXT);
		expect_zero(packed_at(i) + LAST, packed_at(i + 1));
	}

	/* Each descriptor is in it, as the driver wrote it. */
	a = publish(rig, 2, 8, 0);
	b = publish(rig, 1, 16, 1);
	pop(rig, a);
	expect_packed_head(0, 1, 2, 0);
	expect_packed_desc(0, a, avail | VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA);
	expect_packed_desc(1, a, avail | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA + 8);
	assert_int_equal(log16(packed_at(0) + NEXT), 1);
	assert_int_equal(log8(packed_at(1) + INFLIGHT), 0);
	expect_heads(2, 0, 1);
	pop(rig, b);
	expect_packed_head(2, 2, 1, 1);
	expect_packed_desc(2, b, avail | VRING_DESC_F_WRITE, 16, RIG_BUS_DATA);
	expect_heads(3, 0, 1);

	/* Until it is seen, a completion changes nothing. */
	push(rig, a, 8);
	expect_packed_head(0, 1, 2, 0);
	expect_heads(3, 0, 1);

	ring_dev_flush(&rig->dev);
	assert_int_equal(log8(packed_at(0) + INFLIGHT), 0);
	assert_int_equal(log16(packed_at(1) + NEXT), 3);
	expect_heads(0, 2, 1);
	expect_packed_head(2, 2, 1, 1);
	poll_one(rig, 0, 8);

	/* Entries are taken as they came back, and the wrap counter flips. */
	a = publish(rig, 3, 8, 2);
	pop(rig, a);
	expect_packed_head(0, 3, 3, 2);
	expect_packed_desc(0, a, avail | VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA);
	expect_packed_desc(1, a, avail | VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8,
			   RIG_BUS_DATA + 8);
	expect_packed_desc(3, a, used | VRING_DESC_F_WRITE, 8, RIG_BUS_DATA + 16);
	push(rig, b, 16);
	push(rig, a, 24);
	ring_dev_show(&rig->dev);
	assert_int_equal(log16(packed_at(2) + NEXT), 4);
	assert_int_equal(log16(packed_at(3) + NEXT), 2);
	expect_heads(0, 1, 0);

	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), 5);
	expect_zero(FEATURES, VERSION);
	expect_zero(OLD_USED_WRAP + 1, packed_at(0));
	for (i = 0; i < 5; i++)
		expect_zero(packed_at(i), packed_at(i) + NEXT);
	expect_zero(packed_at(5), book.map.bytes);
}

static void unpopped_chain_leaves_a_split_log(void **state)
{
	struct rig *rig = rig_logged(state, 4, 0);
	const u16 a = publish(rig, 1, 8, 0), b = publish(rig, 1, 8, 1);

	pop(rig, a);
	pop(rig, b);
	unpop(rig, b);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 1);
	assert_int_equal(log8(split_at(b) + INFLIGHT), 0);
	unpop(rig, a);
	assert_int_equal(log8(split_at(a) + INFLIGHT), 0);
	assert_int_equal(restart(rig), 0);
	pop(rig, a);
	pop(rig, b);
}

static void unpopped_chain_leaves_a_packed_log(void **state)
{
	struct rig *rig = rig_logged(state, 4, BIT_ULL(VIRTIO_F_RING_PACKED));
	const u16 a = publish(rig, 2, 8, 0), b = publish(rig, 2, 8, 1);

	pop(rig, a);
	pop(rig, b);
	/* The list of what is free ends with the size. */
	expect_heads(4, 0, 1);
	unpop(rig, b);
	assert_int_equal(log8(packed_at(2) + INFLIGHT), 0);
	assert_int_equal(log16(packed_at(2) + NEXT), 3);
	assert_int_equal(log16(packed_at(3) + NEXT), 4);
	expect_heads(2, 0, 1);
	expect_packed_head(0, 1, 2, 0);
	unpop(rig, a);
	assert_int_equal(log8(packed_at(0) + INFLIGHT), 0);
	assert_int_equal(log16(packed_at(1) + NEXT), 2);
	expect_heads(0, 0, 1);
	assert_int_equal(restart(rig), 0);
	pop(rig, a);
	pop(rig, b);
}

static void unpopped_resubmission_stays_in_the_log(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		struct rig *rig = rig_logged(state, 4, rig_way(way));
		const u16 a = publish(rig, 1, 8, 0), b = publish(rig, 1, 8, 1);

		pop(rig, a);
		assert_int_equal(restart(rig), 1);
		/* What is to be popped again is pending, without any kick. */
		assert_true(ring_dev_arm(&rig->dev));
		pop(rig, a);
		pop(rig, b);
		unpop(rig, b);
		unpop(rig, a);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 0);
		assert_int_equal(restart(rig), 1);
		pop(rig, a);
		pop(rig, b);
		assert_int_equal(ring_dev_in_flight(&rig->dev), 2);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
		push(rig, b, 8);
		push(rig, a, 8);
		ring_dev_flush(&rig->dev);
		assert_int_equal(restart(rig), 0);
		assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	}
}

/* One chain after the other, there and back; the log is empty afterwards as before. */
static void go_ahead(struct rig *rig, u32 chains)
{
	u16 id;

	for (; chains; chains--) {
		id = publish(rig, 1, 8, 0);
		pop(rig, id);
		push(rig, id, 8);
		ring_dev_show(&rig->dev);
		poll_one(rig, 0, 8);
	}
}

static void log_begins_where_the_queue_is(void **state)
{
	unsigned int way;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		const bool packed = rig_way(way) & BIT_ULL(VIRTIO_F_RING_PACKED);
		struct rig *rig = book_new(state, 4, rig_way(way));
		u16 id;

		rig_start_drv(rig);
		start_dev(rig, ring_base_new(rig->features));
		go_ahead(rig, 7);
		start_dev(rig, ring_dev_base(&rig->dev));
		assert_int_equal(attach(rig), 0);
		if (packed)
			expect_heads(0, 3, 0);
		else
			assert_int_equal(log16(SPLIT_USED_IDX), 7);
		id = publish(rig, 1, 8, 1);
		pop(rig, id);
		/* The base is nothing to a log that has begun. */
		assert_int_equal(restart(rig), 1);
		pop(rig, id);
		push(rig, id, 5);
		ring_dev_show(&rig->dev);
		poll_one(rig, 1, 5);
		go_ahead(rig, 20);
	}
}

static void queue_goes_on_without_the_log(void **state)
{
	unsigned int way;
	u32 ahead;

	for (way = 0; way < RIG_ALL_WAYS; way++) {
		for (ahead = 0; ahead < 9; ahead++) {
			struct rig *rig = rig_logged(state, 4, rig_way(way));
			u16 a, b;
			u32 base;

			go_ahead(rig, ahead);
			a = publish(rig, 2, 8, 1);
			b = publish(rig, 1, 8, 2);
			pop(rig, a);
			assert_int_equal(restart(rig), 1);
			pop(rig, a);
			push(rig, a, 9);
			ring_dev_show(&rig->dev);
			base = ring_dev_base(&rig->dev);
			if (!(rig_way(way) & BIT_ULL(VIRTIO_F_RING_PACKED)))
				assert_int_equal(base, ahead + 1);
			else
				assert_int_equal(base, ((ahead + 2) % 4 |
							((ahead + 2) / 4 % 2 ? 0 : 0x8000)) *
						       0x10001u);
			poll_one(rig, 1, 9);
			start_dev(rig, base);
			pop(rig, b);
			push(rig, b, 3);
			ring_dev_show(&rig->dev);
			poll_one(rig, 2, 3);
			go_ahead(rig, 9);
		}
	}
}

static void another_half_calls_when_it_is_asked_to(void **state)
{
	unsigned int way;
	u16 id[3], i;

	for (way = 1; way < RIG_ALL_WAYS; way += 2) {
		struct rig *rig = rig_logged(state, 4, rig_way(way));

		go_ahead(rig, 7);
		for (i = 0; i < 3; i++)
			id[i] = publish(rig, 1, 8, i);
		pop(rig, id[0]);
		pop(rig, id[1]);
		assert_false(ring_drv_arm(&rig->drv));
		push(rig, id[0], 8);
		assert_true(ring_dev_flush(&rig->dev));
		/* The driver asked for one call, and that one came. */
		assert_int_equal(restart(rig), 1);
		pop(rig, id[1]);
		push(rig, id[1], 8);
		assert_false(ring_dev_flush(&rig->dev));
		poll_one(rig, 0, 8);
		poll_one(rig, 1, 8);
		assert_false(ring_drv_arm(&rig->drv));
		pop(rig, id[2]);
		push(rig, id[2], 8);
		assert_true(ring_dev_flush(&rig->dev));
	}
}

/* ---- many chains ---------------------------------------------------------- */

/* A full queue of which every third chain is done, and taken again. */
static void come_back_in_order(struct rig *rig)
{
	const bool in_order = rig->features & BIT_ULL(VIRTIO_F_IN_ORDER);
	const u32 size = rig->size, done = in_order ? size / 3 : (size + 2) / 3;
	u16 *id = calloc(2 * (size_t)size, sizeof(*id));
	u32 left = 0, i;

	assert_non_null(id);
	for (i = 0; i < size; i++) {
		id[i] = publish(rig, 1, 8, i);
		pop(rig, id[i]);
	}
	for (i = 0; i < size; i++) {
		if (in_order ? i < done : i % 3 == 0)
			push(rig, id[i], 8);
		else
			id[left++] = id[i];
	}
	ring_dev_flush(&rig->dev);
	assert_int_equal(left, size - done);
	for (i = 0; i < done; i++)
		poll_one(rig, in_order ? i : 3 * i, 8);
	for (i = 0; i < done; i++) {
		id[left + i] = publish(rig, 1, 8, size + i);
		pop(rig, id[left + i]);
	}

	assert_int_equal(restart(rig), size);
	for (i = 0; i < size; i++)
		pop(rig, id[i]);
	assert_int_equal(ring_dev_pop(&rig->dev, &rig->c), 0);
	for (i = 0; i < size; i++)
		push(rig, id[i], 8);
	ring_dev_flush(&rig->dev);
	assert_int_equal(restart(rig), 0);
	free(id);
}

static void chains_come_back_in_their_old_order(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 7, 16, 100, 1021, 4096, 32768 };
	unsigned int way;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (way = 0; way < RIG_ALL_WAYS; way += 4) {
			if (ring_size_ok(sizes[i], rig_way(way)))
				come_back_in_order(rig_logged(state, sizes[i], rig_way(way)));
		}
	}
}

/* ---- everything that there is at an instant -------------------------------- */

/* What of shared memory one of the halves writes. */
struct image {
	u8 desc[16 * MOST];
	u8 driver[4 + 2 * MOST + 2];
	u8 device[4 + 8 * MOST + 2];
	u8 table[16 * CHAINS * SEGS];
	u8 log[32 + 32 * MOST];
};

enum stage { IDLE, STAGED, PUBLISHED, POPPED, HELD, PUSHED, SHOWN };

/* @at counts all chains, @done all completions; @again: popped, but not for the first time. */
struct chain {
	enum stage stage;
	bool logged, again, table;
	u16 id, out, in, need;
	u32 writable, len, at, done;
	struct ring_seg seg[SEGS];
};

/* @used counts completions that were shown, packed: their descriptors. */
struct model {
	struct chain chain[CHAINS];
	u32 adds, dones;
	u64 used;
	u8 popped[16];		/* latest last, for unpop() */
	u32 pops;
};

/* All of it; the rest of a rig never changes. */
struct moment {
	struct model model;
	struct ring_drv drv;
	struct ring_dev dev;
	struct ring_log log;
	u64 drv_priv[8 * MOST], dev_priv[8 * MOST], log_priv[8 * MOST];
	struct image image;
};

/* @seen: the crashes that left a batch visible, or the log in doubt, either way */
struct run {
	struct rig *rig;
	struct model m;
	u64 random;
	bool packed, in_order, logged, kills;
	u32 crashes, visible, hidden, entered, not_entered, nested, repeated;
	u64 trail;
};

/* Copy one way or the other. */
static void swap_bytes(void *kept, void *now, size_t len, bool load)
{
	memcpy(load ? now : kept, load ? kept : now, len);
}

static void image_copy(const struct rig *rig, struct image *i, bool load)
{
	swap_bytes(i->desc, shared_unmark(rig->desc.at), rig->desc.bytes, load);
	swap_bytes(i->driver, shared_unmark(rig->driver.at), rig->driver.bytes, load);
	swap_bytes(i->device, shared_unmark(rig->device.at), rig->device.bytes, load);
	swap_bytes(i->table, shared_unmark(rig->table.at), sizeof(i->table), load);
	swap_bytes(i->log, shared_unmark(book.map.at), min_t(size_t, sizeof(i->log),
							      book.map.bytes), load);
}

static void moment_copy(struct run *r, struct moment *t, bool load)
{
	const u32 size = r->rig->size;

	swap_bytes(&t->model, &r->m, sizeof(r->m), load);
	swap_bytes(&t->drv, &r->rig->drv, sizeof(t->drv), load);
	swap_bytes(&t->dev, &r->rig->dev, sizeof(t->dev), load);
	swap_bytes(&t->log, &book.log, sizeof(t->log), load);
	swap_bytes(t->drv_priv, r->rig->drv_priv, ring_drv_private_bytes(size), load);
	swap_bytes(t->dev_priv, r->rig->dev_priv, ring_dev_private_bytes(size), load);
	swap_bytes(t->log_priv, book.priv, ring_log_private_bytes(size), load);
	image_copy(r->rig, &t->image, load);
}

/* ---- store by store -------------------------------------------------------- */

/* Shared memory as it was before each store of a call. */
struct trace {
	const struct rig *rig;
	const struct rig_map *map[3], *open;
	struct sigaction old_fault, old_step;
	u32 images;
	struct image image[IMAGES];
};

#if defined(__x86_64__)
#define CAN_STEP	true
#define TRAP_FLAG	0x100

static struct trace *tracing;

static void on_store(int sig, siginfo_t *info, void *context)
{
	const u8 *at = info->si_addr;
	struct trace *t = tracing;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t->map); i++) {
		if (at < t->map[i]->start || at >= t->map[i]->start + t->map[i]->span ||
		    t->images == IMAGES)
			continue;
		image_copy(t->rig, &t->image[t->images++], false);
		t->open = t->map[i];
		mprotect(t->open->start, t->open->span, PROT_READ | PROT_WRITE);
		((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	/* No store that is looked for; let it fault again. */
	sigaction(sig, &t->old_fault, NULL);
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	mprotect(tracing->open->start, tracing->open->span, PROT_READ);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void trace(struct trace *t, struct rig *rig, void (*call)(void *arg), void *arg)
{
	const struct sigaction fault = { .sa_sigaction = on_store, .sa_flags = SA_SIGINFO };
	const struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	size_t i;

	t->rig = rig;
	t->map[0] = &rig->desc;
	t->map[1] = &rig->device;
	t->map[2] = &book.map;
	t->images = 0;
	tracing = t;
	sigaction(SIGSEGV, &fault, &t->old_fault);
	sigaction(SIGTRAP, &step, &t->old_step);
	for (i = 0; i < ARRAY_SIZE(t->map); i++)
		rig_map_protect(t->map[i], PROT_READ);
	call(arg);
	for (i = 0; i < ARRAY_SIZE(t->map); i++)
		rig_map_protect(t->map[i], PROT_READ | PROT_WRITE);
	sigaction(SIGTRAP, &t->old_step, NULL);
	sigaction(SIGSEGV, &t->old_fault, NULL);
}

#else
#define CAN_STEP	false

static void trace(struct trace *t, struct rig *rig, void (*call)(void *arg), void *arg)
{
	(void)rig;
	t->images = 0;
	call(arg);
}
#endif

static void three_stores(void *arg)
{
	struct rig *rig = arg;

	shared_store16(&rig_desc(rig, 1)->flags, 0x1234);
	shared_store64((__le64 __shared *)shared_at(book.map.at, 8), 0x5555555555555555);
	shared_store8((u8 __shared *)rig->device.at, 0x12);
}

static void every_store_is_an_instant(void **state)
{
	static struct trace t;
	struct rig *rig;

	if (!CAN_STEP) {
		print_message("no single step on this processor\n");
		skip();
	}
	rig = book_new(state, 4, BIT_ULL(VIRTIO_F_RING_PACKED));
	trace(&t, rig, three_stores, rig);
	assert_int_equal(t.images, 3);
	assert_int_equal(t.image[0].desc[28], 0);
	assert_int_equal(t.image[1].desc[28], 0x34);
	assert_int_equal(t.image[1].desc[29], 0x12);
	assert_int_equal(t.image[1].log[8], 0);
	assert_int_equal(t.image[2].log[8], 0x55);
	assert_int_equal(t.image[2].log[15], 0x55);
	assert_int_equal(t.image[2].device[0], 0);
	assert_int_equal(shared_load8((u8 __shared *)rig->device.at), 0x12);
}

/* ---- the model --------------------------------------------------------------- */

/* The chain among those in the given stages that was added first; CHAINS when none is. */
static u32 oldest(const struct run *r, unsigned int stages)
{
	u32 best = CHAINS, n;

	for (n = 0; n < CHAINS; n++) {
		if (stages & 1u << r->m.chain[n].stage &&
		    (best == CHAINS || r->m.chain[n].at < r->m.chain[best].at))
			best = n;
	}
	return best;
}

static u32 pick(struct run *r, enum stage stage)
{
	const u32 from = rig_below(&r->random, CHAINS);
	u32 i;

	for (i = 0; i < CHAINS; i++) {
		if (r->m.chain[(from + i) % CHAINS].stage == stage)
			return (from + i) % CHAINS;
	}
	return CHAINS;
}

static u32 count(const struct run *r, enum stage stage)
{
	u32 n, sum = 0;

	for (n = 0; n < CHAINS; n++)
		sum += r->m.chain[n].stage == stage;
	return sum;
}

static u32 count_logged(const struct run *r)
{
	u32 n, sum = 0;

	for (n = 0; n < CHAINS; n++)
		sum += r->m.chain[n].logged;
	return sum;
}

/* All of one stage comes to another. */
static void advance(struct run *r, enum stage from, enum stage to)
{
	u32 n;

	for (n = 0; n < CHAINS; n++) {
		struct chain *c = &r->m.chain[n];

		if (c->stage != from)
			continue;
		c->stage = to;
		if (to == SHOWN) {
			c->logged = false;
			r->m.used += r->packed ? c->need : 1;
		}
	}
}

/* Of two chains in the log the one that was added first has the lower counter. */
static void check_counters(const struct run *r, const u64 *counter)
{
	u32 a, b;

	for (a = 0; a < CHAINS; a++) {
		for (b = 0; b < CHAINS; b++) {
			if (r->m.chain[a].logged && r->m.chain[b].logged &&
			    r->m.chain[a].at < r->m.chain[b].at)
				assert_true(counter[a] < counter[b]);
		}
	}
}

/* The chain of an id in the log; CHAINS when there is none. */
static u32 logged_chain(const struct run *r, u32 id)
{
	u32 n;

	for (n = 0; n < CHAINS; n++) {
		if (r->m.chain[n].logged && r->m.chain[n].id == id)
			break;
	}
	return n;
}

static void check_split_log(const struct run *r)
{
	u64 counter[CHAINS];
	u32 i, n;

	assert_int_equal(log16(SPLIT_USED_IDX), (u16)r->m.used);
	for (i = 0; i < r->rig->size; i++) {
		n = logged_chain(r, i);
		assert_int_equal(log8(split_at(i) + INFLIGHT), n < CHAINS);
		if (n < CHAINS)
			counter[n] = log64(split_at(i) + COUNTER);
	}
	check_counters(r, counter);
}

/* The entries of chain @n from @head on are what the driver wrote, and are no other's. */
static void check_packed_chain(const struct run *r, u32 n, u32 head, bool *seen)
{
	const struct chain *c = &r->m.chain[n];
	u32 i = head, k;

	assert_int_equal(log16(packed_at(head) + NUM), c->need);
	for (k = 0; k < c->need; k++) {
		const u16 flags = c->table ? VRING_DESC_F_INDIRECT :
				  (k + 1 < c->need ? VRING_DESC_F_NEXT : 0) |
				  (k < c->out ? 0 : VRING_DESC_F_WRITE);

		assert_in_range(i, 0, r->rig->size - 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_int_equal(log16(packed_at(i) + FLAGS) & 7, flags);
		expect_packed_desc(i, c->id, log16(packed_at(i) + FLAGS),
				   c->table ? 16u * (c->out + c->in) : c->seg[k].len,
				   c->table ? rig_table_bus(n * SEGS) : c->seg[k].bus);
		if (k + 1 == c->need)
			assert_int_equal(log16(packed_at(head) + LAST), i);
		i = log16(packed_at(i) + NEXT);
	}
}

static void check_packed_log(const struct run *r)
{
	const u32 size = r->rig->size;
	bool seen[MOST] = { false };
	u64 counter[CHAINS];
	u32 heads = 0, i, n;

	expect_heads(log16(FREE_HEAD), (u32)(r->m.used % size), !(r->m.used / size % 2));
	for (i = log16(FREE_HEAD); i != size; i = log16(packed_at(i) + NEXT)) {
		assert_in_range(i, 0, size - 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_int_equal(log8(packed_at(i) + INFLIGHT), 0);
	}
	for (i = 0; i < size; i++) {
		if (!log8(packed_at(i) + INFLIGHT))
			continue;
		assert_int_equal(log8(packed_at(i) + INFLIGHT), 1);
		n = logged_chain(r, log16(packed_at(i) + ID));
		assert_in_range(n, 0, CHAINS - 1);
		check_packed_chain(r, n, i, seen);
		counter[n] = log64(packed_at(i) + COUNTER);
		heads++;
	}
	assert_int_equal(heads, count_logged(r));
	for (i = 0; i < size; i++)
		assert_true(seen[i]);
	check_counters(r, counter);
}

static void check_log(const struct run *r)
{
	if (!r->logged)
		return;
	assert_int_equal(log64(FEATURES), 0);
	assert_int_equal(log16(VERSION), 1);
	assert_int_equal(log16(DESC_NUM), r->rig->size);
	if (r->packed)
		check_packed_log(r);
	else
		check_split_log(r);
}

/* ---- calls of the driver half ------------------------------------------------- */

static void do_add(struct run *r)
{
	const u32 n = pick(r, IDLE), free = ring_drv_num_free(&r->rig->drv);
	const struct ring_table table = {
		.desc = rig_table(r->rig, n * SEGS), .bus = rig_table_bus(n * SEGS), .num = SEGS,
	};
	struct chain *c = &r->m.chain[n % CHAINS];
	struct ring_buf buf = { .seg = c->seg };
	u32 segs, i;
	int ret;

	if (n == CHAINS)
		return;
	segs = 1 + rig_below(&r->random, min_t(u32, SEGS, r->rig->size));
	/* Often one descriptor, so that often many chains are there. */
	segs = rig_below(&r->random, 2) ? 1 : segs;
	buf.out = c->out = (u16)rig_below(&r->random, segs + 1);
	buf.in = c->in = (u16)(segs - c->out);
	c->table = rig_below(&r->random, 3) == 0;
	buf.table = c->table ? &table : NULL;
	c->need = c->table ? 1 : (u16)segs;
	c->writable = 0;
	for (i = 0; i < segs; i++) {
		c->seg[i].len = 1 + rig_below(&r->random, ROOM);
		c->seg[i].bus = RIG_BUS_DATA + (n * SEGS + i) * ROOM;
		c->writable += i < c->out ? 0 : c->seg[i].len;
	}
	ret = ring_drv_add(&r->rig->drv, &buf, rig_cookie(n));
	if (c->need > free) {
		assert_int_equal(ret, -ENOSPC);
		return;
	}
	assert_in_range(ret, 0, r->rig->size - 1);
	c->id = (u16)ret;
	c->at = r->m.adds++;
	c->stage = STAGED;
}

static void do_publish(struct run *r)
{
	ring_drv_publish(&r->rig->drv);
	advance(r, STAGED, PUBLISHED);
}

static void do_poll(struct run *r)
{
	struct ring_done done;
	u32 best = CHAINS, n;

	for (n = 0; n < CHAINS; n++) {
		if (r->m.chain[n].stage == SHOWN &&
		    (best == CHAINS || r->m.chain[n].done < r->m.chain[best].done))
			best = n;
	}
	if (best == CHAINS) {
		poll_none(r->rig);
		return;
	}
	assert_int_equal(ring_drv_poll(&r->rig->drv, &done), 1);
	assert_ptr_equal(done.cookie, rig_cookie(best));
	assert_int_equal(done.id, r->m.chain[best].id);
	assert_int_equal(done.len, r->m.chain[best].len);
	r->m.chain[best].stage = IDLE;
}

/* ---- calls of the device half -------------------------------------------------- */

enum what { POP, UNPOP, PUSH, SHOW, FLUSH, ARM, DISARM, ATTACH };

/* @n: the chain that it is about; CHAINS when none */
struct call {
	struct run *run;
	enum what what;
	u32 n, len;
	int ret;
};

/* Returns false when there is nothing of the kind to do. */
static bool choose(struct run *r, enum what what, struct call *c)
{
	*c = (struct call) { .run = r, .what = what, .n = CHAINS };
	switch (what) {
	case POP:
		c->n = oldest(r, 1u << PUBLISHED);
		return true;
	case UNPOP:
		if (r->m.pops)
			c->n = r->m.popped[r->m.pops - 1];
		return c->n < CHAINS && r->m.chain[c->n].stage == POPPED;
	case PUSH:
		c->n = pick(r, POPPED);
		if (c->n == CHAINS)
			return false;
		c->len = r->m.chain[c->n].writable;
		/* Often in full: in order that makes batches. */
		if (rig_below(&r->random, 2))
			c->len = rig_below(&r->random, c->len + 1);
		return true;
	default:
		return true;
	}
}

static void perform(void *arg)
{
	struct call *c = arg;
	struct ring_dev *dev = &c->run->rig->dev;
	const struct ring_chain chain = { .id = c->run->m.chain[c->n % CHAINS].id };

	switch (c->what) {
	case POP:
		c->ret = ring_dev_pop(dev, &c->run->rig->c);
		break;
	case UNPOP:
		ring_dev_unpop(dev, &chain);
		break;
	case PUSH:
		ring_dev_push(dev, &chain, c->len);
		break;
	case SHOW:
		ring_dev_show(dev);
		break;
	case FLUSH:
		ring_dev_flush(dev);
		break;
	case ARM:
		c->ret = ring_dev_arm(dev);
		break;
	case DISARM:
		ring_dev_disarm(dev);
		break;
	case ATTACH:
		c->ret = attach(c->run->rig);
		break;
	}
}

static void popped(struct run *r, u32 n)
{
	const struct ring_chain *got = &r->rig->c;
	struct chain *c = &r->m.chain[n];
	u32 i;

	assert_int_equal(got->id, c->id);
	assert_int_equal(got->count, c->need);
	assert_int_equal(got->out, c->out);
	assert_int_equal(got->in, c->in);
	assert_int_equal(got->in_len, c->writable);
	for (i = 0; i < (u32)c->out + c->in; i++) {
		assert_ptr_equal(shared_unmark(got->iov[i].base),
				 shared_unmark(rig_data(r->rig, c->seg[i].bus)));
		assert_int_equal(got->iov[i].len, c->seg[i].len);
	}
	c->again = c->logged;
	c->logged = r->logged;
	c->stage = POPPED;
	if (r->m.pops == ARRAY_SIZE(r->m.popped))
		memmove(r->m.popped, r->m.popped + 1, --r->m.pops);
	r->m.popped[r->m.pops++] = (u8)n;
}

static void pushed(struct run *r, u32 n, u32 len)
{
	r->m.chain[n].stage = HELD;
	r->m.chain[n].len = len;
	/* In order it waits for those before it. */
	for (;;) {
		if (r->in_order)
			n = oldest(r, 1u << POPPED | 1u << HELD);
		if (n == CHAINS || r->m.chain[n].stage != HELD)
			break;
		r->m.chain[n].stage = PUSHED;
		r->m.chain[n].done = r->m.dones++;
	}
}

/* A call has returned: the model follows. */
static void follow(struct run *r, const struct call *c)
{
	switch (c->what) {
	case POP:
		assert_int_equal(c->ret, c->n < CHAINS);
		if (c->ret)
			popped(r, c->n);
		break;
	case UNPOP:
		r->m.chain[c->n].stage = PUBLISHED;
		r->m.chain[c->n].logged = r->m.chain[c->n].again;
		r->m.pops--;
		break;
	case PUSH:
		pushed(r, c->n, c->len);
		break;
	case SHOW:
	case FLUSH:
		advance(r, PUSHED, SHOWN);
		break;
	case ARM:
		assert_int_equal(c->ret, count(r, PUBLISHED) > 0);
		break;
	default:
		break;
	}
	assert_int_equal(ring_dev_in_flight(&r->rig->dev), count(r, POPPED));
	check_log(r);
}

/* ---- killed, and gone on from --------------------------------------------------- */

/* How many completions the driver would find now. */
static u32 driver_sees(struct run *r)
{
	static struct moment t;
	struct ring_done done;
	u32 n;

	moment_copy(r, &t, false);
	for (n = 0; n <= CHAINS && ring_drv_poll(&r->rig->drv, &done) > 0; n++)
		;
	assert_int_equal(ring_drv_fault(&r->rig->drv), RING_OK);
	moment_copy(r, &t, true);
	return n;
}

/* All that is under way comes to its end, and no trace of it is left. */
static void finish(struct run *r)
{
	static const enum what calls[] = { POP, POP, PUSH, PUSH, SHOW, FLUSH, UNPOP };
	struct call c;
	u32 steps;

	for (steps = 0; count(r, IDLE) < CHAINS; steps++) {
		assert_in_range(steps, 0, 10000);
		switch (rig_below(&r->random, 12)) {
		case 0:
			do_publish(r);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
			do_poll(r);
			break;
		default:
			if (!choose(r, calls[rig_below(&r->random, ARRAY_SIZE(calls))], &c))
				break;
			perform(&c);
			follow(r, &c);
			break;
		}
	}
	choose(r, POP, &c);
	perform(&c);
	follow(r, &c);
	poll_none(r->rig);
	assert_int_equal(ring_drv_in_flight(&r->rig->drv), 0);
	assert_int_equal(ring_dev_fault(&r->rig->dev), RING_OK);
	if (!r->packed)
		assert_int_equal(ring_dev_base(&r->rig->dev), (u16)r->m.used);
	else
		assert_int_equal(ring_dev_base(&r->rig->dev),
				 (r->m.used % r->rig->size |
				  (r->m.used / r->rig->size % 2 ? 0 : 0x8000)) * 0x10001u);
}

/*
 * A new half takes over. Chain @doubt, when it is one, was being popped or given back as
 * the old one was killed, and may be in the log or not. With @kill the new one is killed as
 * well, at each store of the call that attaches it, and another takes over and ends all.
 */
static void take_over(struct run *r, u32 doubt, bool kill)
{
	static struct trace t;
	static struct moment before, after;
	const u32 sure = count_logged(r);
	struct call c;
	u32 i;

	choose(r, ATTACH, &c);
	start_dev(r->rig, ring_base_new(r->rig->features));
	if (kill) {
		moment_copy(r, &before, false);
		trace(&t, r->rig, perform, &c);
		moment_copy(r, &after, false);
		for (i = 0; i < t.images; i++) {
			moment_copy(r, &before, true);
			image_copy(r->rig, &t.image[i], true);
			take_over(r, doubt, false);
			finish(r);
		}
		r->nested += t.images;
		moment_copy(r, &after, true);
	} else {
		perform(&c);
	}
	assert_in_range(c.ret, sure, sure + (doubt < CHAINS));
	if (doubt < CHAINS) {
		r->m.chain[doubt].logged = (u32)c.ret > sure;
		*((u32)c.ret > sure ? &r->entered : &r->not_entered) += 1;
	}
	follow(r, &c);
}

/* Memory is as it was at some instant of a call; the model, as it was before. */
static void killed(struct run *r, const struct call *c)
{
	const bool showing = c && (c->what == SHOW || c->what == FLUSH) && count(r, PUSHED);
	const u32 shown = count(r, SHOWN), all = shown + count(r, PUSHED), seen = driver_sees(r);
	u32 doubt = CHAINS, n;

	assert_true(seen == shown || (showing && seen == all));
	if (showing)
		*(seen == all ? &r->visible : &r->hidden) += 1;
	if (seen == all)
		advance(r, PUSHED, SHOWN);
	if (c && (c->what == POP || (c->what == UNPOP && !r->m.chain[c->n].again))) {
		doubt = c->n;
		if (doubt < CHAINS && r->m.chain[doubt].logged && c->what == POP)
			doubt = CHAINS;
		if (doubt < CHAINS)
			r->m.chain[doubt].logged = false;
	}
	/* What is not yet done is to be popped, again or not. */
	advance(r, POPPED, PUBLISHED);
	advance(r, HELD, PUBLISHED);
	advance(r, PUSHED, PUBLISHED);
	r->m.pops = 0;
	r->crashes++;

	/* The driver notices nothing and goes on. */
	for (n = rig_below(&r->random, 2 * CHAINS); n > CHAINS / 2; n--) {
		do_poll(r);
		do_add(r);
		if (rig_below(&r->random, 2))
			do_publish(r);
	}
	take_over(r, doubt, CAN_STEP && r->kills && !rig_below(&r->random, 8));
}

/* Kill the half at each store of a call; then let it return, or not. */
static void kill_at_each_store(struct run *r, struct call *c)
{
	static struct trace t;
	static struct moment before, after;
	u32 i;

	moment_copy(r, &before, false);
	trace(&t, r->rig, perform, c);
	follow(r, c);
	moment_copy(r, &after, false);
	for (i = 0; i < t.images; i++) {
		moment_copy(r, &before, true);
		image_copy(r->rig, &t.image[i], true);
		killed(r, c);
		/* And once more, perhaps before anything happened. */
		if (!rig_below(&r->random, 4)) {
			for (r->repeated++; rig_below(&r->random, 3);) {
				struct call next;

				if (choose(r, rig_below(&r->random, 4) ? POP : PUSH, &next)) {
					perform(&next);
					follow(r, &next);
				}
			}
			killed(r, NULL);
		}
		finish(r);
	}
	moment_copy(r, &after, true);
	i = rig_below(&r->random, 4 * IMAGES);
	if (i < t.images) {
		moment_copy(r, &before, true);
		image_copy(r->rig, &t.image[i], true);
		killed(r, c);
	}
}

/* ---- random calls ------------------------------------------------------------------ */

static void hash(struct run *r, const struct rig_map *m)
{
	size_t i;

	for (i = 0; i < m->bytes; i++)
		r->trail = (r->trail ^ shared_load8((u8 __shared *)shared_at(m->at, i))) *
			   0x100000001b3ull;
}

static void step(struct run *r)
{
	static const enum what calls[] = {
		POP, POP, POP, PUSH, PUSH, PUSH, SHOW, FLUSH, UNPOP, ARM, DISARM,
	};
	struct call c;

	switch (rig_below(&r->random, 8)) {
	case 0:
	case 1:
		do_add(r);
		break;
	case 2:
		do_add(r);
		do_publish(r);
		break;
	case 3:
		do_poll(r);
		break;
	default:
		if (!choose(r, calls[rig_below(&r->random, ARRAY_SIZE(calls))], &c))
			break;
		if (CAN_STEP && r->kills && !rig_below(&r->random, 3)) {
			kill_at_each_store(r, &c);
			break;
		}
		perform(&c);
		follow(r, &c);
		if (r->kills && !rig_below(&r->random, 16))
			killed(r, NULL);
		break;
	}
	hash(r, &r->rig->desc);
	hash(r, &r->rig->driver);
	hash(r, &r->rig->device);
}

/* Random calls with a log or without; the half is killed now and then, or never. */
static void random_calls(struct run *r, void **state, u32 size, u64 features, u32 steps)
{
	const u32 ahead = features & BIT_ULL(VIRTIO_F_RING_PACKED) ? size + 1 : 0x10000 - steps / 8;

	r->rig = book_new(state, size, features);
	r->packed = features & BIT_ULL(VIRTIO_F_RING_PACKED);
	r->in_order = features & BIT_ULL(VIRTIO_F_IN_ORDER);
	rig_start_drv(r->rig);
	start_dev(r->rig, ring_base_new(r->rig->features));
	if (r->logged)
		take_over(r, CHAINS, CAN_STEP && r->kills);
	go_ahead(r->rig, ahead);
	r->m.used = ahead;
	while (steps--)
		step(r);
	finish(r);
}

static void kill_halves(void **state, u64 layout)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 8 };
	static struct run r;
	const u64 seed = rig_seed(0x6c6f6721 + layout);
	u32 crashes = 0, visible = 0, hidden = 0, entered = 0, not_entered = 0, nested = 0;
	u32 repeated = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		const u64 features = layout | rig_way(2 | (i & 1));

		if (!ring_size_ok(sizes[i], features))
			continue;
		r = (struct run) { .random = seed + i, .logged = true, .kills = true };
		random_calls(&r, state, sizes[i], features, 1000);
		crashes += r.crashes;
		visible += r.visible;
		hidden += r.hidden;
		entered += r.entered;
		not_entered += r.not_entered;
		nested += r.nested;
		repeated += r.repeated;
	}
	/* Else the test has not done what it is for. */
	assert_true(crashes > 50);
	assert_true(!CAN_STEP || (visible && hidden && entered && not_entered));
	assert_true(!CAN_STEP || (nested && repeated));
}

static void split_is_killed(void **state)
{
	kill_halves(state, 0);
}

static void split_is_killed_in_order(void **state)
{
	kill_halves(state, BIT_ULL(VIRTIO_F_IN_ORDER));
}

static void packed_is_killed(void **state)
{
	kill_halves(state, BIT_ULL(VIRTIO_F_RING_PACKED));
}

static void packed_is_killed_in_order(void **state)
{
	kill_halves(state, BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_IN_ORDER));
}

static void log_changes_nothing_else(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 4, 8 };
	static struct run with, without;
	const u64 seed = rig_seed(0x6c6f6722);
	unsigned int way;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (way = 0; way < RIG_ALL_WAYS; way++) {
			const u64 features = rig_way(way) | rig_way(2);

			if (!ring_size_ok(sizes[i], features))
				continue;
			with = (struct run) { .random = seed + i, .logged = true };
			random_calls(&with, state, sizes[i], features, 1000);
			without = (struct run) { .random = seed + i };
			random_calls(&without, state, sizes[i], features, 1000);
			assert_int_equal(with.trail, without.trail);
			/* Nor is anything written where there might have been a log. */
			expect_zero(0, book.map.bytes);
		}
	}
}

static void staged_completions_are_not_seen_later(void **state)
{
	u32 ahead;

	/* What is staged behind the first is in the ring, and the first never comes. */
	for (ahead = 0; ahead < 8; ahead++) {
		struct rig *rig = rig_logged(state, 4, BIT_ULL(VIRTIO_F_RING_PACKED));
		u16 id[4], i;

		go_ahead(rig, ahead);
		for (i = 0; i < 4; i++) {
			id[i] = publish(rig, 1, 8, i);
			pop(rig, id[i]);
		}
		for (i = 0; i < 4; i++)
			push(rig, id[i], 8);
		assert_int_equal(restart(rig), 4);
		for (i = 0; i < 4; i++)
			pop(rig, id[i]);
		for (i = 4; i-- > 0;) {
			push(rig, id[i], i);
			ring_dev_show(&rig->dev);
			poll_one(rig, i, i);
			poll_none(rig);
		}
		go_ahead(rig, 8);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LOG_TEST("a log is as large as the protocol says", log_is_as_large_as_the_protocol_says),
		LOG_TEST("the log of a split queue is laid out and written as the protocol says",
			 split_log_on_the_wire),
		LOG_TEST("the log of a packed queue is laid out and written as the protocol says",
			 packed_log_on_the_wire),
		LOG_TEST("a chain that is given back leaves the log, split",
			 unpopped_chain_leaves_a_split_log),
		LOG_TEST("a chain that is given back leaves the log, packed",
			 unpopped_chain_leaves_a_packed_log),
		LOG_TEST("a chain that was popped again and is given back stays in the log",
			 unpopped_resubmission_stays_in_the_log),
		LOG_TEST("a log begins where the queue is", log_begins_where_the_queue_is),
		LOG_TEST("a queue goes on without the log from its base",
			 queue_goes_on_without_the_log),
		LOG_TEST("another half calls when the driver asked for it",
			 another_half_calls_when_it_is_asked_to),
		LOG_TEST("a half with a log does what one without does", log_changes_nothing_else),
		LOG_TEST("every store of a call is an instant at which it can be killed",
			 every_store_is_an_instant),
		LOG_TEST("case 66: chains come back in their old order at every size",
			 chains_come_back_in_their_old_order),
		LOG_TEST("case 66: completions that were staged and not shown are not seen later",
			 staged_completions_are_not_seen_later),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, split",
			 split_is_killed),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, split in order",
			 split_is_killed_in_order),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, packed",
			 packed_is_killed),
		LOG_TEST("case 66: killed at any store, each chain is done exactly once, packed in order",
			 packed_is_killed_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
