#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A window that does not hold what the devices need.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

too_small() {
	guest 'modprobe airlock_blk; ! disk main && ! disk other'
	machine_log_has 'refused: it needs [0-9]+ KiB, the window .* of 1024 KiB has 0 KiB in use; give memory-backend-memfd size=[0-9]+M' || {
		machine_log_since
		fail "the log does not say how much it needs"
	}
	guest 'rmmod airlock_blk'
}

# With the smallest parameters one disk fits, the second does not: the first must not
# suffer from it.
one_fits() {
	guest 'modprobe airlock_blk depth=8 pool_kib=512
		wait_for 50 sh -c "ls -d /sys/block/airblk*"
		set -- /sys/block/airblk*
		test $# -eq 1 || die "$# disks"
		d=${1##*/}
		random_file /tmp/x 4
		dd if=/tmp/x of=/dev/$d bs=1M oflag=direct 2>/dev/null
		dd if=/dev/$d bs=1M count=4 iflag=direct 2>/dev/null | cmp - /tmp/x'
	machine_log_has 'refused: it needs [0-9]+ KiB, the window .* has [1-9][0-9]* KiB in use' ||
		fail "the log does not say what is in use"
	guest 'rmmod airlock_blk && rmmod airlock'
}

need_machine
machine_new window 1
truncate -s 16M "$WORK/main.img" "$WORK/other.img"
machine_disk main "$WORK/main.img" airlockd serial=main
machine_disk other "$WORK/other.img" airlockd serial=other
machine_boot
TAP_ALSO=machine_complaints
tap_test "a window that is too small is refused with the size it needs" too_small
tap_test "a disk that fits works, one that does not fit any more is refused" one_fits
tap_test "the guest powers off" machine_off
tap_done
