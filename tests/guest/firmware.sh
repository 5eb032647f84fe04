#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Firmware that probes a disk in the window machine does no harm. It puts its rings into
# memory that the back-end was not given: they are refused, and the disk works later.
# edd=off, because the kernel's EDD code asks the firmware to read the disk, which never
# ends; otherwise the machine is kept from it by -boot strict=on.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

# A test of nothing, unless the firmware did set a ring up.
ring_refused() {
	backend_alive airlockd || fail "airlockd ended"
	grep -q 'the ring is in no region' "$WORK/airlockd.log" || {
		cat "$WORK/airlockd.log"
		fail "airlockd does not say that a ring is in no region"
	}
}

disk_works() {
	guest 'set -e
		modprobe airlock_blk
		d=/dev/$(need_disk main)
		random_file /tmp/x 16
		dd if=/tmp/x of=$d bs=1M oflag=direct conv=fsync 2>/dev/null
		test $(dd if=$d bs=1M count=16 iflag=direct 2>/dev/null | sum) = $(sum /tmp/x)
		sum /tmp/x' >"$WORK/theirs"
	[ "$(cat "$WORK/theirs")" = "$(head -c 16M "$WORK/main.img" | sha256sum | cut -d ' ' -f 1)" ] ||
		fail "the image differs from what the guest wrote"
}

need_machine
backend_sanitized
machine_new window
M_BOOT=() M_APPEND=edd=off
truncate -s 64M "$WORK/main.img"
machine_disk main "$WORK/main.img" airlockd serial=main
machine_boot
TAP_ALSO=machine_complaints
tap_test "the firmware's ring is in no region, airlockd goes on" ring_refused
tap_test "the disk works in the guest afterwards" disk_works
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
