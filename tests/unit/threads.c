// SPDX-License-Identifier: GPL-2.0
/*
 * A driver and a device in threads of their own, with real wake-ups.
 *
 * Each side sleeps on an eventfd, and only when its arm() says that nothing came
 * in meanwhile; each notifies only when publish() or flush() says so. A lost
 * wake-up leaves both asleep: the wait has a deadline far beyond any load, and
 * passing it fails the test. How many chains the driver keeps in flight varies
 * all the time, so that both sides run dry and fall asleep often.
 *
 * Payload is checked both ways. Built with ThreadSanitizer the same run shows
 * that barriers A to D order all plain accesses; the store-buffering pairs E/F and
 * G/H show by not hanging.
 *
 * cmocka's assertions belong to the main thread: the sides report by a string.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "rig.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BUFFERS		100000u
#endif
#endif
#ifndef BUFFERS
#define BUFFERS		400000u
#endif

#define QUEUE		64u
#define DEADLINE_MS	60000
#define BATCH		8u
/* A request is SLOT bytes for the device to read, then as many for its reply. */
#define SLOT		64u

/**
 * struct talk - what both sides share, beside the ring
 * @rig: the ring; the driver thread owns the driver half, the device thread the
 *	device half
 * @bound: bind()/post() form: replies only
 * @kick: eventfd, driver to device
 * @call: eventfd, device to driver
 * @stop: a side has failed; atomic
 * @wrong_drv: what went wrong in the driver thread, or NULL
 * @wrong_dev: likewise in the device thread
 * @sleeps_drv: how often the driver slept
 * @sleeps_dev: likewise the device
 */
struct talk {
	struct rig *rig;
	bool bound;
	int kick, call;
	u32 stop;
	const char *wrong_drv, *wrong_dev;
	u32 sleeps_drv, sleeps_dev;
};

static const char *notify(int fd)
{
	const u64 one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one) ? NULL : "eventfd write";
}

/* Sleep until notified; NULL, or what went wrong. */
static const char *await(struct talk *t, int fd, const char *lost)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u64 count;

	if (poll(&p, 1, DEADLINE_MS) != 1)
		return lost;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return "eventfd read";
	return __atomic_load_n(&t->stop, __ATOMIC_RELAXED) ? "the other side failed" : NULL;
}

/* A side that fails wakes the other, which would wait for the deadline else. */
static void give_up(struct talk *t, const char **wrong, const char *why)
{
	*wrong = why;
	__atomic_store_n(&t->stop, 1, __ATOMIC_RELAXED);
	notify(t->kick);
	notify(t->call);
}

static u8 pattern(u32 n, u32 i, u8 salt)
{
	return (u8)(n * 31 + (n >> 8) * 7 + i * 13 + salt);
}

static u32 reply_len(u32 n)
{
	return 4 + n % (SLOT - 3);
}

/* Number and pattern of message @n, @len bytes of it. */
static void message_put(u8 *msg, u32 n, u32 len, u8 salt)
{
	u32 i;

	memcpy(msg, &n, sizeof(n));
	for (i = sizeof(n); i < len; i++)
		msg[i] = pattern(n, i, salt);
}

static bool message_ok(const u8 *msg, u32 *n, u32 len, u8 salt)
{
	u32 i;

	memcpy(n, msg, sizeof(*n));
	for (i = sizeof(*n); i < len; i++) {
		if (msg[i] != pattern(*n, i, salt))
			return false;
	}
	return true;
}

/* ---- device ------------------------------------------------------------ */

static const char *dev_serve(struct talk *t, struct ring_chain *c, u32 *served)
{
	u8 msg[SLOT];
	u32 n = *served;

	if (!t->bound) {
		if (c->out_len != SLOT || ring_iov_read(c->iov, c->out, 0, msg, SLOT) != SLOT)
			return "request too short";
		if (!message_ok(msg, &n, SLOT, 1))
			return "request damaged";
		if (n != *served)
			return "request out of order";
	}
	message_put(msg, n, reply_len(n), 2);
	if (ring_iov_write(c->iov + c->out, c->in, 0, msg, reply_len(n)) != reply_len(n))
		return "no room for the reply";
	++*served;
	return NULL;
}

/* Serve up to @most chains, complete them in reverse; how many, or negative. */
static int dev_batch(struct talk *t, u32 most, u32 *served, const char **why)
{
	struct ring_dev *dev = &t->rig->dev;
	struct ring_iov iov[BATCH][4];
	struct ring_chain c[BATCH];
	u32 len[BATCH];
	int n = 0, i, ret = 0;

	while (n < (int)most) {
		c[n].iov = iov[n];
		ret = ring_dev_pop(dev, &c[n]);
		if (ret <= 0)
			break;
		len[n] = reply_len(*served);
		*why = dev_serve(t, &c[n], served);
		if (*why)
			return -1;
		n++;
	}
	for (i = n; i-- > 0;)
		ring_dev_push(dev, &c[i], len[i]);
	if (ret < 0) {
		*why = ring_fault_name(ring_dev_fault(dev));
		return -1;
	}
	return n;
}

static const char *dev_run(struct talk *t)
{
	struct ring_dev *dev = &t->rig->dev;
	u64 random = 0x9e3779b97f4a7c15ull;
	const char *why = NULL;
	u32 served = 0;

	while (!why && served < BUFFERS) {
		const int n = dev_batch(t, 1 + rig_below(&random, BATCH), &served, &why);

		if (n < 0)
			return why;
		if (n && rig_below(&random, 3))
			continue;	/* flushed with a later batch */
		if (ring_dev_flush(dev))
			why = notify(t->call);
		if (n || served == BUFFERS || why)
			continue;
		if (!ring_dev_arm(dev)) {
			t->sleeps_dev++;
			why = await(t, t->kick, "device slept for ever: a kick was lost");
		}
		ring_dev_disarm(dev);
	}
	if (!why && ring_dev_flush(dev))
		why = notify(t->call);
	return why;
}

static void *dev_thread(void *arg)
{
	struct talk *t = arg;
	const char *why = dev_run(t);

	if (why)
		give_up(t, &t->wrong_dev, why);
	return NULL;
}

/* ---- driver ------------------------------------------------------------ */

/**
 * struct driver - what the driver thread knows
 * @t: the talk
 * @free: slots that are not in flight, first in first out
 * @free_head: the next one, counted over all time
 * @num_free: how many
 * @sent: messages submitted so far
 * @done: completions so far
 * @number: of the message in each slot
 * @seen: a bit for each reply
 */
struct driver {
	struct talk *t;
	u16 free[QUEUE];
	u32 free_head, num_free;
	u32 sent, done;
	u32 number[QUEUE];
	u8 *seen;
};

static u64 slot_bus(u32 slot)
{
	return RIG_BUS_DATA + slot * 2 * SLOT;
}

/* Submit one message; 0 or -errno. */
static int drv_send(struct driver *d)
{
	const u16 slot = d->free[d->free_head % QUEUE];
	const struct ring_seg seg[] = {
		{ .bus = slot_bus(slot), .len = SLOT },
		{ .bus = slot_bus(slot) + SLOT, .len = SLOT },
	};
	const struct ring_table table = {
		.desc = rig_table(d->t->rig, 2 * slot), .bus = rig_table_bus(2 * slot), .num = 2,
	};
	struct ring_buf buf = { .seg = seg, .out = 1, .in = 1 };
	u8 msg[SLOT];
	int ret;

	if (d->t->bound) {
		ret = ring_drv_post(&d->t->rig->drv, slot);
	} else {
		if (d->t->rig->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) && d->sent & 1)
			buf.table = &table;
		message_put(msg, d->sent, SLOT, 1);
		shared_copy_out(rig_data(d->t->rig, slot_bus(slot)), msg, SLOT);
		ret = ring_drv_add(&d->t->rig->drv, &buf, rig_cookie(slot));
	}
	if (ret < 0)
		return ret;
	d->number[slot] = d->sent++;
	d->free_head++;
	d->num_free--;
	return 0;
}

static const char *drv_finish(struct driver *d, const struct ring_done *done)
{
	const u32 slot = d->t->bound ? done->id : (u32)((uintptr_t)done->cookie - 1);
	u8 msg[SLOT];
	u32 n;

	if (slot >= QUEUE || done->len < sizeof(n) || done->len > SLOT)
		return "completion of nothing";
	shared_copy_in(msg, rig_data(d->t->rig, slot_bus(slot) + SLOT), done->len);
	if (!message_ok(msg, &n, done->len, 2) || n >= BUFFERS || done->len != reply_len(n))
		return "reply damaged";
	if (!d->t->bound && n != d->number[slot])
		return "reply to another request";
	if (d->seen[n / 8] & 1u << n % 8)
		return "reply seen twice";
	d->seen[n / 8] |= (u8)(1u << n % 8);
	d->free[(d->free_head + d->num_free++) % QUEUE] = (u16)slot;
	d->done++;
	return NULL;
}

static const char *drv_run(struct driver *d)
{
	struct ring_drv *drv = &d->t->rig->drv;
	u64 random = 0xd1342543de82ef95ull;
	struct ring_done done;
	const char *why;
	int ret;

	while (d->done < BUFFERS) {
		const u32 window = 1 + rig_below(&random, QUEUE);
		u32 polled = 0, sent = 0;

		while (d->sent < BUFFERS && d->sent - d->done < window && d->num_free) {
			ret = drv_send(d);
			if (ret == -ENOSPC)
				break;
			if (ret)
				return "a message was refused";
			sent++;
		}
		if (ring_drv_publish(drv)) {
			why = notify(d->t->kick);
			if (why)
				return why;
		}
		while ((ret = ring_drv_poll(drv, &done)) > 0) {
			why = drv_finish(d, &done);
			if (why)
				return why;
			polled++;
		}
		if (ret < 0)
			return ring_fault_name(ring_drv_fault(drv));
		if (polled || sent)
			continue;
		if (!ring_drv_arm(drv)) {
			d->t->sleeps_drv++;
			why = await(d->t, d->t->call, "driver slept for ever: a call was lost");
			if (why)
				return why;
		}
		ring_drv_disarm(drv);
	}
	return NULL;
}

static void *drv_thread(void *arg)
{
	struct driver *d = arg;
	const char *why = drv_run(d);

	if (why)
		give_up(d->t, &d->t->wrong_drv, why);
	return NULL;
}

/* ---- tests ------------------------------------------------------------- */

static void talk(void **state, u64 features, bool bound)
{
	struct talk t = { .rig = rig_new(state, QUEUE, features), .bound = bound };
	struct driver d = { .t = &t, .num_free = QUEUE, .seen = calloc(1, BUFFERS / 8 + 1) };
	pthread_t driver, device;
	u16 i;

	assert_non_null(d.seen);
	t.kick = eventfd(0, EFD_CLOEXEC);
	t.call = eventfd(0, EFD_CLOEXEC);
	assert_true(t.kick >= 0 && t.call >= 0);
	rig_start_drv(t.rig);
	rig_start_dev(t.rig, ring_base_new(t.rig->features));
	for (i = 0; i < QUEUE; i++) {
		const struct ring_seg seg = { slot_bus(i) + SLOT, SLOT };

		d.free[i] = i;
		if (bound)
			assert_int_equal(ring_drv_bind(&t.rig->drv, i, &seg, true), 0);
	}

	assert_int_equal(pthread_create(&device, NULL, dev_thread, &t), 0);
	assert_int_equal(pthread_create(&driver, NULL, drv_thread, &d), 0);
	pthread_join(driver, NULL);
	pthread_join(device, NULL);
	close(t.kick);
	close(t.call);
	free(d.seen);

	if (t.wrong_drv || t.wrong_dev)
		fail_msg("driver: %s; device: %s; %u of %u", t.wrong_drv ? t.wrong_drv : "fine",
			 t.wrong_dev ? t.wrong_dev : "fine", d.done, BUFFERS);
	assert_int_equal(d.done, BUFFERS);
	assert_int_equal(ring_drv_in_flight(&t.rig->drv), 0);
	/* A run in which nobody slept has shown nothing about wake-ups. */
	assert_true(t.sleeps_drv + t.sleeps_dev > 100);
	printf("# %u buffers, the driver slept %u times, the device %u times\n", d.done,
	       t.sleeps_drv, t.sleeps_dev);
}

#define IN_ORDER	BIT_ULL(VIRTIO_F_IN_ORDER)
#define PACKED		BIT_ULL(VIRTIO_F_RING_PACKED)
#define EVENT		BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)

/* Each test is a function of its own: cmocka gives it no argument. */
#define TALK(name, features, bound) \
	static void name(void **state) { talk(state, features, bound); }

TALK(split_flags, 0, false)
TALK(split_event, EVENT, false)
TALK(split_event_indirect, EVENT | INDIRECT, false)
TALK(split_bound, EVENT, true)
TALK(split_ordered, EVENT | IN_ORDER, false)
TALK(split_ordered_indirect, EVENT | IN_ORDER | INDIRECT, false)
TALK(split_ordered_bound, IN_ORDER, true)
TALK(packed_flags, PACKED, false)
TALK(packed_event, PACKED | EVENT, false)
TALK(packed_event_indirect, PACKED | EVENT | INDIRECT, false)
TALK(packed_bound, PACKED | EVENT, true)
TALK(packed_ordered, PACKED | EVENT | IN_ORDER, false)
TALK(packed_ordered_indirect, PACKED | EVENT | IN_ORDER | INDIRECT, false)
TALK(packed_ordered_bound, PACKED | IN_ORDER, true)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("two threads: split, flags", split_flags),
		RIG_TEST("two threads: split, event indices", split_event),
		RIG_TEST("two threads: split, event indices, indirect", split_event_indirect),
		RIG_TEST("two threads: split, bound buffers", split_bound),
		RIG_TEST("two threads: split, in order", split_ordered),
		RIG_TEST("two threads: split, in order, indirect", split_ordered_indirect),
		RIG_TEST("two threads: split, in order, bound buffers", split_ordered_bound),
		RIG_TEST("two threads: packed, flags", packed_flags),
		RIG_TEST("two threads: packed, event structure", packed_event),
		RIG_TEST("two threads: packed, event structure, indirect", packed_event_indirect),
		RIG_TEST("two threads: packed, bound buffers", packed_bound),
		RIG_TEST("two threads: packed, in order", packed_ordered),
		RIG_TEST("two threads: packed, in order, indirect", packed_ordered_indirect),
		RIG_TEST("two threads: packed, in order, bound buffers", packed_ordered_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
