#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Another kernel is started out of one that is in the midst of I/O. The old one's drivers leave
# without a word of complaint, the new one's find the same devices in order, and the disk with
# what was written, each block whole.
#
# Theory
#   Processes run until long after devices were shut down, on another processor: there are two, and
#   a device that takes its time (tests/kmod/tarry.c), which is shut down later because it is
#   older: disk and card are taken away and found again. By then their pages in the window are
#   clear. A driver that was not told would write there, for processes that go on. (That no page
#   stays open in the emulated SEV machine, where there is no window, is sev/privacy.sh's.)
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# of_the_driver - lines of ours that are there for a reason only
of_the_driver() {
	machine_log_since | grep -aE 'airlock.* (.*failed|.*gone|.*not confirmed|.*stay shared|.*given up)'
}

# younger - disk and card are younger than the device that takes its time. A virtio_pci that is
# built in takes them first.
younger() {
	guest "set -e
		insmod /tarry.ko
		for pci in \$(cat /run/main-pci /run/nic-pci); do
			echo 1 >/sys/bus/pci/devices/\$pci/remove
		done
		echo 1 >/sys/bus/pci/rescan
		for pci in \$(cat /run/main-pci /run/nic-pci); do
			[ -e /sys/bus/pci/drivers/airlock/\$pci ] || airlockctl bind \$pci
		done"
	load_devices "$MAC" "$GUEST"
	traffic_works
}

# shared_pages - where in the window what is shared lies, as a set of pages
shared_pages() {
	local base address bytes

	base=$(guest window_base | tr -dc '0-9a-fx')
	guest "awk '\$3 ~ /^0x/ { print \$3, \$4 }' /sys/kernel/debug/airlock/regions" | tr -d '\r' |
		while read -r address bytes; do
			echo "$((address - base)) $bytes"
		done
}

# stays_clear - what was shared is clear when the youngest devices have been shut down, and after
# another second in which processes run
stays_clear() {
	wait_for 600 grep -aq 'tarry: shutting down' "$WORK/console.log" || return
	sleep 1
	pages used "$M_PID" "$WORK/shared" >"$WORK/used"
	[ ! -s "$WORK/used" ]
}

kexec_under_load() {
	local watcher

	machine_next
	start_churn main
	start_traffic
	start_iperf
	machine_log_mark
	if [ "$M_KIND" = window ]; then
		shared_pages >"$WORK/shared"
		pages used "$M_PID" "$WORK/shared" >"$WORK/used"
		[ -s "$WORK/used" ] || fail "nothing is shared"
		stays_clear &
		watcher=$!
	fi
	machine_kexec
	[ -z "${watcher:-}" ] || wait "$watcher" || fail "somebody wrote there: $(cat "$WORK/used")"
	machine_log_flush
	! of_the_driver || fail "the drivers did not leave in order"
	guest 'test ! -e /run/main-pci' || fail "it is the same kernel"
}

goes_on() {
	start_churn main
	start_traffic
	churn_ends main
	traffic_ends_well
}

need_machine
eval "$("$TOP/tests/lib/kernel.sh")"
backend_sanitized
machine_new "${MACHINE:-window}"
machine_disk_and_nic
churn_programs
cp "$VMLINUZ" "$WORK/vmlinuz"
MODULE=$BUILD/kmod-test/$KVER/tarry.ko
[ -f "$MODULE" ] || die "$MODULE is missing: build it with make test-modules"
"$TOP/tests/machine/initramfs.sh" "$WORK/initramfs.next"
machine_boot "$WORK/vmlinuz" "$WORK/initramfs.next" "$MODULE"
TAP_ALSO=machine_complaints
tap_test "a disk and a card are there" load_devices "$MAC" "$GUEST"
tap_test "they are the youngest devices" younger
tap_test "another kernel is started under I/O, and the drivers leave in order" kexec_under_load
tap_test "the new kernel has the disk and the card" load_devices "$MAC" "$GUEST"
tap_test "what was written is whole" churn_left_whole main
tap_test "I/O goes on there" goes_on
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
