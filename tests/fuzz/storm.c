// SPDX-License-Identifier: GPL-2.0
/*
 * Both halves and somebody who writes all over what they share, at the same time.
 *
 * Theory
 * ------
 * In both.c the halves take turns; here each has a thread, as it has a processor in life:
 * what libFuzzer calls is the driver, a helper is the device, and the scribbler is as
 * there. The input says what the ring is, from which seeds each of the three draws, how
 * often a side takes each of its calls, and how many there are. What is drawn repeats;
 * how the threads meet does not, so an input that failed may have to be run again and
 * again. All threads but the driver's are at rest when an input ends.
 *
 * No side knows what the other does just now. With noise each is judged by what it has in
 * private memory: a completion is of a chain that was shown, names it once, and is no
 * longer than what was writable; a segment lies in a region; counts and bounds hold; a
 * half that is broken refuses all; and what never completed comes back once, in the end.
 * Then all that is shared is poisoned, and broken halves are called again: they must not
 * touch it.
 *
 * Without noise nothing may break. The driver marks both ends of each buffer before it
 * shows a chain, and the device, which must find the marks, changes those that it may:
 * that, and the length, is what the driver must find when it polls. In the end both go on
 * until each chain has completed, each asleep while there is nothing for it: whom nobody
 * wakes lost a notification.
 */
#include "storm_dev.h"
#include "storm_drv.h"

/* Nobody runs; from here on nothing that is shared may be touched. */
static void finish(void)
{
	share_seal(&t.s);
	ring_drv_break(&drv.r, RING_CALLER);
	ring_dev_break(&dev.r, RING_CALLER);
	t.quiet = false;
	drv_refuses();
	if (!dev.dead)
		dev_refuses();
	drv_detach_all();
	free(drv.priv);
	free(dev.iov);
	free(dev.priv);
	free(dev.log_priv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct fuzz_in in = fuzz_in(data, size);
	u64 noise;
	u32 pause;
	u8 how;

	_Static_assert(DRV_CALLS == CALLS && DEV_CALLS == CALLS, "a weight for each");
	memset(&t, 0, sizeof(t));
	memset(&drv, 0, sizeof(drv));
	memset(&dev, 0, sizeof(dev));
	share_ask(&t.s, &in);
	if (!ring_size_ok(t.s.size, t.s.features) || t.s.size > SIZE_MOST)
		return -1;
	how = in_u8(&in);
	t.bound = how & 1;
	t.logged = how & 2;
	t.quiet = !(how & 4);
	ask_side(&drv.side, &in);
	ask_side(&dev.side, &in);
	noise = in_u32(&in) + 1ull;
	pause = (16u << in_below(&in, 14)) - 1;

	if (!ready)
		fuzz_check(!sem_init(&kick, 0, 0) && !sem_init(&call, 0, 0));
	ready = true;
	sem_empty(&kick);
	sem_empty(&call);
	share_ring(&t.s);
	share_regions(&t.s);
	if (t.logged)
		share_open(&t.s, SHARE_LOG, ring_log_bytes(t.s.size, t.s.features), 8);
	drv_start();
	dev_start();

	helper_start(&device);
	if (!t.quiet)
		scribbler_start(&t.s, noise, pause);
	drv_run();
	helper_wait(&device);
	if (!t.quiet)
		scribbler_stop();
	finish();
	return 0;
}
