#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The system sleeps and wakes up, and I/O goes on as if nothing had been.
#
# (QEMU 7.2 with SeaBIOS lets a machine sleep once: after that neither sleep nor power-off is
# more than words. Later sleeps are those of the devices alone, and the machine is ended from
# outside.)
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

load() {
	guest -t 120 "set -e
		modprobe -a airlock_blk airlock_net
		up $MAC $GUEST/24
		pci_of /sys/block/\$(need_disk main)/device >/run/main-pci
		pci_of /sys/class/net/\$(nic $MAC)/device >/run/nic-pci"
}

# suspends - how often the kernel has come back from a sleep
suspends() {
	grep -ac 'PM: suspend exit' "$WORK/console.log" || true
}

slept_or_sleeps() {
	[ "$(suspends)" -gt "$1" ] || machine_qmp_has "$2" '"SUSPEND"'
}

slept() {
	[ "$(suspends)" -gt "$1" ]
}

# sleep_and_wake - the devices are put to sleep and woken up; the first time the machine is,
# too
sleep_and_wake() {
	local where before

	where=$(machine_line_end qmp) before=$(suspends)
	guest '(sleep 1; echo mem >/sys/power/state) >/run/sleep.log 2>&1 &'
	wait_for 60 slept_or_sleeps "$before" "$where" || fail "it does not fall asleep"
	if ! slept "$before"; then
		sleep 2
		machine_qmp '{"execute":"system_wakeup"}'
	fi
	wait_for 60 slept "$before" || fail "it does not wake up"
}

sleeps_busy() {
	start_churn main
	start_traffic
	start_iperf
	sleep_and_wake
	churn_ends main
	iperf_ends_well
	traffic_ends_well
	more_recovered main "$1" || fail "the disk was not reset"
	more_recovered nic "$1" || fail "the card was not reset"
}

# What never worked since it woke up must not fail it the next time either.
sleeps_closed() {
	guest "ip link set \$(nic $MAC) down"
	sleep_and_wake
	guest "up $MAC $GUEST/24"
	traffic_works
}

hibernation_refused() {
	guest 'cat /sys/power/state
		grep -q disk /sys/power/state || exit 0
		! echo disk >/sys/power/state 2>/dev/null || die "it hibernated"'
	start_churn main
	churn_ends main
}

unload() {
	guest -t 120 "rmmod airlock_blk airlock_net airlock"
}

quit() {
	machine_leave
	machine_qmp '{"execute":"quit"}'
	wait_for 60 gone "$M_PID"
}

need_machine
backend_sanitized
machine_new "${MACHINE:-window}"
machine_disk_and_nic
churn_programs
machine_boot
TAP_ALSO=machine_complaints
tap_test "a disk and a card are there" load
tap_test "the system sleeps under I/O, which goes on when it wakes up" sleeps_busy 0
tap_test "and once more" sleeps_busy 1
tap_test "a card that was down when the system slept works" sleeps_closed
tap_test "hibernation is refused, and nothing suffers" hibernation_refused
tap_test "the modules unload after all that" unload
tap_test "the machine ends" quit
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
