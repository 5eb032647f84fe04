#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The system sleeps and wakes up, and I/O goes on as if nothing had been.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/sleep.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

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

# Devices are asked before the kernel looks for a place for its image, which has none here.
hibernation_refused() {
	guest 'grep -q disk /sys/power/state' || skip "the kernel does not offer to hibernate"
	guest 'refuses "Operation not supported" sh -c "echo disk >/sys/power/state"'
	machine_log_has 'hibernation is not supported; unbind the device first' ||
		fail "it was not the driver that refused: $(machine_log_since)"
	start_churn main
	churn_ends main
}

unload() {
	guest "rmmod airlock_blk airlock_net airlock"
}

need_machine
backend_sanitized
machine_new "${MACHINE:-window}"
machine_disk_and_nic
churn_programs
machine_boot
TAP_ALSO=machine_complaints
tap_test "a disk and a card are there" load_devices "$MAC" "$GUEST"
tap_test "the system sleeps under I/O, which goes on when it wakes up" sleeps_busy 0
tap_test "and once more" sleeps_busy 1
tap_test "a card that was down when the system slept works" sleeps_closed
tap_test "hibernation is refused, and nothing suffers" hibernation_refused
tap_test "the modules unload after all that" unload
tap_test "the machine ends" quit
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
