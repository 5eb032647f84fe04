// SPDX-License-Identifier: GPL-2.0
/*
 * Copies between private memory and the segments of a chain.
 */
#include "rig.h"

static void iov_copies_across_segments(void **state)
{
	static const u32 cut[] = { 1, 2, 7, 16, 5 };	/* 31 bytes */
	struct rig *rig = rig_new(state, 1, 0);
	struct ring_iov iov[ARRAY_SIZE(cut)];
	u8 flat[31], got[64], want[64];
	u32 at = 0, i, off, len;

	for (i = 0; i < sizeof(flat); i++)
		flat[i] = (u8)(i * 37 + 1);
	for (i = 0; i < ARRAY_SIZE(cut); i++) {
		iov[i].base = rig_data(rig, RIG_BUS_DATA + 100 * i);
		iov[i].len = cut[i];
		shared_copy_out(iov[i].base, flat + at, cut[i]);
		at += cut[i];
	}
	for (off = 0; off <= 40; off++) {
		for (len = 0; len <= 40; len++) {
			const u32 left = off < 31 ? 31 - off : 0;
			const u32 n = len < left ? len : left;
			u8 new[64];

			memset(got, 0xee, sizeof(got));
			memset(want, 0xee, sizeof(want));
			if (n)
				memcpy(want, flat + off, n);
			assert_int_equal(ring_iov_read(iov, 5, off, got, len), n);
			assert_memory_equal(got, want, sizeof(got));

			for (i = 0; i < sizeof(new); i++)
				new[i] = (u8)(off + len + i);
			if (n)
				memcpy(flat + off, new, n);
			assert_int_equal(ring_iov_write(iov, 5, off, new, len), n);
			assert_int_equal(ring_iov_read(iov, 5, 0, got, sizeof(got)), 31);
			assert_memory_equal(got, flat, 31);
		}
	}
	/* What lies behind each segment stayed as it was. */
	for (i = 0; i < ARRAY_SIZE(cut); i++)
		assert_int_equal(shared_load8((u8 __shared *)shared_at(iov[i].base, cut[i])), 0);
	assert_int_equal(ring_iov_read(iov, 0, 0, got, 5), 0);
	assert_int_equal(ring_iov_write(iov, 0, 0, got, 5), 0);
	assert_int_equal(ring_iov_read(iov, 5, (size_t)-1, got, 5), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RIG_TEST("iov copies across segments", iov_copies_across_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
