#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A window that does not hold what the devices need, and one that goes while it is needed.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly MAC=52:54:00:a1:0c:01
# The smallest pool; with it both disks fit, and a NIC does not.
readonly SMALL='depth=8 pool_kib=256'

too_small() {
	guest 'modprobe airlock_blk; ! disk main && ! disk other && nothing_shared'
	machine_refused 2 'it needs [0-9]+ KiB, the window .* of 1024 KiB has 0 KiB in use; give memory-backend-memfd size=[0-9]+M'
	guest 'rmmod airlock_blk'
}

# With the smallest parameters one disk fits, the second does not: the first must not
# suffer from it.
one_fits() {
	guest 'modprobe airlock_blk depth=8 pool_kib=512
		wait_for 1200 sh -c "ls -d /sys/block/airblk*"
		set -- /sys/block/airblk*
		test $# -eq 1 || die "$# disks"
		d=${1##*/}
		random_file /tmp/x 4
		dd if=/tmp/x of=/dev/$d bs=1M oflag=direct 2>/dev/null
		dd if=/dev/$d bs=1M count=4 iflag=direct 2>/dev/null | cmp - /tmp/x'
	machine_refused 1 'it needs [0-9]+ KiB, the window .* has [1-9][0-9]* KiB in use'
	guest 'rmmod airlock_blk && rmmod airlock'
}

# works SERIAL - that disk moves data and says the truth
works() {
	guest "set -e
		d=/dev/\$(need_disk $1)
		random_file /tmp/w 8
		dd if=/tmp/w of=\$d bs=1M oflag=direct 2>/dev/null
		dd if=\$d bs=1M count=8 iflag=direct 2>/dev/null | cmp - /tmp/w"
}

nic_refused() {
	guest "modprobe airlock_blk $SMALL"
	works main
	works other
	guest "modprobe airlock_net; ! nic $MAC && rmmod airlock_net"
	machine_refused 1 'it needs [0-9]+ KiB, the window .* has [1-9][0-9]* KiB in use; give memory-backend-memfd size=[0-9]+M'
	works main
	works other
}

# Its users go first, in the midst of I/O: that ends, with errors.
window_unbound() {
	guest -t 600 'set -e
		cd /sys/bus/pci/drivers
		ls airlock_window | grep ^0000 >/run/window
		test "$(wc -l </run/window)" -eq 1
		for serial in main other; do
			d=$(disk $serial)
			pci_of /sys/block/$d/device >>/run/users
			before=$(awk "{ print \$1 }" /sys/block/$d/stat)
			(while dd if=/dev/$d of=/dev/null bs=64k iflag=direct 2>/dev/null &&
				[ -b /dev/$d ]; do :; done
				echo ended >/run/$serial-ended) &
			wait_for 1200 reads $d $((before + 20)) || die "nobody reads $serial"
		done
		cat /run/window >airlock_window/unbind
		wait_for 1200 test -e /run/main-ended || die "a reader of main hangs"
		wait_for 1200 test -e /run/other-ended || die "a reader of other hangs"
		! ls /sys/block | grep airblk || die "a disk stayed"
		for pci in $(cat /run/users); do
			test ! -e airlock/$pci || die "$pci is still bound"
		done
		nothing_shared'
}

window_back() {
	guest 'set -e
		cd /sys/bus/pci/drivers
		cat /run/window >airlock_window/bind
		for pci in $(cat /run/users); do
			echo $pci >airlock/bind
		done'
	works main
	works other
	guest 'rmmod airlock_blk && rmmod airlock'
}

need_machine
backend_sanitized
machine_new window 1
truncate -s 16M "$WORK/main.img" "$WORK/other.img"
machine_disk main "$WORK/main.img" airlockd serial=main
machine_disk other "$WORK/other.img" airlockd serial=other
net_new
net_tap tap0 192.0.2.1/24
machine_nic nic "$MAC" tap=tap0
machine_boot
TAP_ALSO=machine_complaints
tap_test "a window that is too small is refused with the size it needs" too_small
tap_test "a disk that fits works, one that does not fit any more is refused" one_fits
tap_test "a NIC that does not fit any more is refused, the disks go on" nic_refused
tap_test "the window is unbound under I/O: its users are gone, nothing hangs" window_unbound
tap_test "the window and its users are bound again and work" window_back
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
