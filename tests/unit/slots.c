// SPDX-License-Identifier: GPL-2.0
/*
 * The slots of ring/slots.h: each inside, none over another, 64-bit where it
 * must be.
 */
#include "../../ring/slots.h"
#include "rig.h"

static void slots_lie_side_by_side(void **state)
{
	const struct slots s = {
		.base = shared_mark((void *)(uintptr_t)0x10000), .bus = 0x00007f0000001000ull,
		.bytes = 1600, .num = 256,
	};
	u32 i;

	(void)state;
	assert_int_equal(slots_span(s.bytes, s.num), 1600 * 256);
	for (i = 0; i < s.num; i++) {
		assert_int_equal((uintptr_t)shared_unmark(slots_cpu(&s, i)), 0x10000 + 1600 * i);
		assert_int_equal(slots_bus(&s, i), s.bus + 1600 * i);
	}
	assert_int_equal(slots_bus(&s, s.num - 1) + s.bytes,
			 s.bus + slots_span(s.bytes, s.num));
}

static void slots_beyond_4_gib_do_not_overflow(void **state)
{
	const struct slots s = {
		.base = shared_mark((void *)(uintptr_t)0x10000), .bus = 0x00007f0000000000ull,
		.bytes = 1u << 20, .num = 1u << 16,
	};

	(void)state;
	assert_int_equal(slots_span(s.bytes, s.num), 1ull << 36);
	assert_int_equal(slots_bus(&s, 65535), s.bus + (65535ull << 20));
	assert_int_equal((uintptr_t)shared_unmark(slots_cpu(&s, 65535)),
			 0x10000 + (65535ull << 20));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("slots lie side by side", slots_lie_side_by_side),
		RIG_TEST("slots beyond 4 GiB do not overflow",
			 slots_beyond_4_gib_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
