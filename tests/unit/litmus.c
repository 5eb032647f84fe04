// SPDX-License-Identifier: GPL-2.0
/*
 * The store-buffering pairs of ring.h, E/F and G/H, at their sharpest: one side
 * publishes one chain at the same instant as the other arms. Whatever the order:
 * either the notification is due or arm() sees the work; neither would be a
 * wake-up lost for ever. threads.c meets the same race only now and then.
 *
 * Two threads go in step through a barrier that spins, so that the calls overlap
 * within a few nanoseconds; a varying delay moves them against each other.
 * cmocka's assertions belong to the main thread: the threads count.
 */
#include <pthread.h>
#include <sched.h>

#include "rig.h"

/* A sanitizer's own code spreads the calls out: more rounds would show no more. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROUNDS	20000u
#endif
#endif
#ifndef ROUNDS
#define ROUNDS	60000u
#endif

/**
 * struct race - two threads in step
 * @rig: the ring
 * @arrived: arrivals at the barrier so far; atomic, two a step
 * @kick: the driver was told to kick
 * @call: the device was told to call
 * @drv_more: the driver's arm() saw work
 * @dev_more: the device's arm() saw work
 * @lost_kicks: rounds in which the device would have slept for ever
 * @lost_calls: likewise the driver
 * @wrong: calls that did not answer as they must
 */
struct race {
	struct rig *rig;
	u32 arrived;
	bool kick, call, drv_more, dev_more;
	u32 lost_kicks, lost_calls;
	u32 wrong;
};

/* Both leave when both have come; @step counts the caller's barriers. */
static void meet(struct race *r, u32 *step)
{
	u32 spins = 0;

	++*step;
	__atomic_fetch_add(&r->arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&r->arrived, __ATOMIC_ACQUIRE) < 2 * *step) {
		if (++spins % 1024 == 0)
			sched_yield();
	}
}

static void delay(u32 turns)
{
	while (turns--)
		barrier();
}

static void *driver(void *arg)
{
	struct race *r = arg;
	struct ring_drv *drv = &r->rig->drv;
	struct ring_done done;
	u32 step = 0, round, wrong = 0;

	for (round = 0; round < ROUNDS; round++) {
		wrong += rig_add_in(r->rig, 8, rig_cookie(round)) < 0;
		meet(r, &step);
		delay(round % 61);
		r->kick = ring_drv_publish(drv);
		meet(r, &step);
		/* The device takes the chain and stages its completion. */
		meet(r, &step);
		delay(round / 61 % 61);
		r->drv_more = ring_drv_arm(drv);
		meet(r, &step);
		r->lost_kicks += !r->kick && !r->dev_more;
		r->lost_calls += !r->call && !r->drv_more;
		wrong += ring_drv_poll(drv, &done) != 1;
		ring_drv_disarm(drv);
	}
	__atomic_fetch_add(&r->wrong, wrong, __ATOMIC_RELAXED);
	return NULL;
}

static void *device(void *arg)
{
	struct race *r = arg;
	struct ring_dev *dev = &r->rig->dev;
	u32 step = 0, round, wrong = 0;

	for (round = 0; round < ROUNDS; round++) {
		ring_dev_disarm(dev);
		meet(r, &step);
		delay(round / 61 % 61);
		r->dev_more = ring_dev_arm(dev);
		meet(r, &step);
		wrong += ring_dev_pop(dev, &r->rig->c) != 1;
		ring_dev_push(dev, &r->rig->c, 8);
		meet(r, &step);
		delay(round % 61);
		r->call = ring_dev_flush(dev);
		meet(r, &step);
	}
	__atomic_fetch_add(&r->wrong, wrong, __ATOMIC_RELAXED);
	return NULL;
}

/*
 * On one processor the calls would never overlap. Where the system does not let
 * itself be told, it decides.
 */
static void pin(pthread_t thread, int nth)
{
	cpu_set_t allowed, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && !nth--)
			break;
	}
	if (cpu == CPU_SETSIZE)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(thread, sizeof(one), &one);
}

static void race(void **state, u64 features)
{
	struct race r = { .rig = rig_new(state, 16, features) };
	pthread_t drv, dev;

	rig_start(r.rig);
	assert_int_equal(pthread_create(&dev, NULL, device, &r), 0);
	assert_int_equal(pthread_create(&drv, NULL, driver, &r), 0);
	pin(drv, 0);
	pin(dev, 1);
	pthread_join(drv, NULL);
	pthread_join(dev, NULL);
	assert_int_equal(r.wrong, 0);
	assert_int_equal(r.lost_kicks, 0);
	assert_int_equal(r.lost_calls, 0);
}

static void no_wakeup_is_lost_with_flags(void **state, u64 layout)
{
	race(state, layout);
}
RIG_EITHER(no_wakeup_is_lost_with_flags)

static void no_wakeup_is_lost_with_events(void **state, u64 layout)
{
	race(state, layout | RIG_EVENT);
}
RIG_ANY(no_wakeup_is_lost_with_events)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST_EITHER("no wake-up is lost with flags", no_wakeup_is_lost_with_flags),
		RIG_TEST_ANY("no wake-up is lost with events", no_wakeup_is_lost_with_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
