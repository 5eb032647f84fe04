// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes of a queue and of its areas, where ring_place() puts them, and the names of the
 * reasons (virtio 1.2, 2.7 and 2.8).
 */
#include "rig.h"

static void sizes_are_powers_of_two(void **state)
{
	u32 size, ok = 0;

	(void)state;
	for (size = 0; size <= 70000; size++)
		ok += ring_size_ok(size, RIG_EVENT | RIG_INDIRECT | RIG_ORDERED);
	assert_int_equal(ok, 16);
	for (size = 1; size <= RING_SIZE_MAX; size *= 2)
		assert_true(ring_size_ok(size, 0));
	assert_false(ring_size_ok(65536, 0));
	assert_false(ring_size_ok(0x80000000u, 0));
	assert_false(ring_size_ok(U32_MAX, 0));
}

static void sizes_of_a_packed_queue_are_any(void **state)
{
	u32 size;

	(void)state;
	for (size = 0; size <= 70000; size++)
		assert_int_equal(ring_size_ok(size, RIG_PACKED), size >= 1 && size <= 32768);
	assert_false(ring_size_ok(0x80000000u, RIG_PACKED));
	assert_false(ring_size_ok(0x80000001u, RIG_PACKED));
	assert_false(ring_size_ok(U32_MAX, RIG_PACKED));
}

static void areas_have_the_specified_bytes(void **state, u64 layout)
{
	u32 size;

	(void)state;
	for (size = 1; size; size = rig_next_size(size, layout)) {
		assert_int_equal(ring_desc_bytes(size), 16 * (size_t)size);
		assert_int_equal(ring_driver_bytes(size, layout),
				 layout & RIG_PACKED ? 4 : 6 + 2 * (size_t)size);
		assert_int_equal(ring_device_bytes(size, layout),
				 layout & RIG_PACKED ? 4 : 6 + 8 * (size_t)size);
	}
}
RIG_EITHER(areas_have_the_specified_bytes)

static void place_keeps_the_areas_apart(void **state, u64 layout)
{
	const u64 bus = 0x0000123456780000ull;
	u8 *base = NULL;
	u32 size;

	(void)state;
	assert_int_equal(posix_memalign((void **)&base, RIG_PAGE, 2 << 20), 0);
	for (size = 1; size; size = rig_next_size(size, layout)) {
		struct ring_areas a = { 0 };
		const size_t bytes = ring_place(&a, shared_mark(base), bus, size, layout);
		const size_t desc = (size_t)((u8 *)shared_unmark(a.desc) - base);
		const size_t driver = (size_t)((u8 *)shared_unmark(a.driver) - base);
		const size_t device = (size_t)((u8 *)shared_unmark(a.device) - base);

		assert_int_equal(bytes, ring_place(NULL, NULL, 0, size, layout));
		assert_int_equal(bytes % 64, 0);
		assert_int_equal(desc % 16, 0);
		assert_int_equal(driver % 4, 0);
		assert_int_equal(device % 64, 0);
		assert_true(desc + ring_desc_bytes(size) <= driver);
		assert_true(driver + ring_driver_bytes(size, layout) <= device);
		assert_true(device + ring_device_bytes(size, layout) <= bytes);
		/* No more than is needed for that. */
		assert_true(bytes < ring_desc_bytes(size) + ring_driver_bytes(size, layout) +
			    ring_device_bytes(size, layout) + 3 * 64);
		assert_true(a.desc_bus == bus + desc);
		assert_true(a.driver_bus == bus + driver);
		assert_true(a.device_bus == bus + device);
	}
	free(base);
}
RIG_EITHER(place_keeps_the_areas_apart)

static void init_refuses_impossible_sizes(void **state, u64 layout)
{
	/* The first four are those that only a split queue cannot have. */
	static const u32 bad[] = { 3, 5, 1000, 32767, 0, 32769, 65536, 0x10001, U32_MAX };
	struct rig *rig = rig_new(state, 8, layout);
	const struct ring_dev_limits limits = { .map = rig_translate, .segs = 1, .bytes = 1 };
	size_t i;

	for (i = layout & RIG_PACKED ? 4 : 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ring_drv_init(&rig->drv, &rig->a, bad[i], rig->features,
					       rig->drv_priv), -EINVAL);
		assert_int_equal(ring_dev_init(&rig->dev, &rig->a, bad[i], rig->features,
					       ring_base_new(rig->features), &limits,
					       rig->dev_priv), -EINVAL);
	}
}
RIG_EITHER(init_refuses_impossible_sizes)

static void reasons_have_names(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < RING_FAULTS; i++) {
		assert_non_null(ring_fault_name(i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(ring_fault_name(i), ring_fault_name(j));
	}
	assert_non_null(ring_fault_name(RING_FAULTS));
	assert_non_null(ring_fault_name((enum ring_fault)-1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("sizes are powers of two up to 32768, split", sizes_are_powers_of_two),
		RIG_TEST("sizes are any up to 32768, packed", sizes_of_a_packed_queue_are_any),
		RIG_TEST_EITHER("areas have the specified bytes", areas_have_the_specified_bytes),
		RIG_TEST_EITHER("place keeps the areas apart", place_keeps_the_areas_apart),
		RIG_TEST_EITHER("init refuses impossible sizes", init_refuses_impossible_sizes),
		RIG_TEST("reasons have names", reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
