#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# airlockd is killed at any moment under fio with verify and iperf3, started again, and QEMU connects
# again: the disk goes on by the in-flight log, without a reset, an error or a wrong byte, and the
# card's connections live.
#
#	[KILLS=N] [SEED=N] [DRIVERS=mainline] killed.sh BUILD
#
# Theory
#   KILLS times the back-end is left alone for a random time, from none to a second and a half, after the
#   guest was seen to do I/O, and killed. With airlock's drivers in a window, or with mainline's, which know nothing
#   of back-ends that come and go and must not see that one did, in a machine that shares all. A request that was lost would never end (its timeout
#   is longer than the test), one that was done twice can break the queue or bring an old block back, which fio
#   sees by the numbers that its blocks have. The same without a VM, and a hundred times as fast:
#   tests/host/crash.sh.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly KILLS=${KILLS:-12} DRIVERS=${DRIVERS:-airlock}
RANDOM=${SEED:-1}

load() {
	case $DRIVERS in
	airlock)
		load_devices "$MAC" "$GUEST"
		guest 'echo 3600000 >/sys/block/$(disk main)/queue/io_timeout'
		;;
	mainline)
		guest "mainline && need_disk main && up $MAC $GUEST/24"
		;;
	esac
}

# Where the log is what a disk goes on by: with none of its requests lost nothing is ever late.
killed() {
	local kill ms

	start_churn main
	start_iperf
	for ((kill = 0; kill < KILLS; kill++)); do
		guest -t 600 'mark_churn main && await_churn_by 4 main'
		ms=$((RANDOM % 1500))
		nap "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
		backend_kill airlockd
		backend_start airlockd
	done
	churn_ends main
	iperf_ends_well
	printf '%d kills; requests that were served again, by what the daemons say: %d\n' "$KILLS" \
		"$(sed -n 's/.*: \([0-9]*\) requests that were left in flight.*/\1/p' "$WORK/airlockd.log" |
			awk '{ n += $1 } END { print n + 0 }')" | tee "$WORK/killed"
}

# Something was in flight when it was killed, or nothing was shown.
served_again() {
	grep -q 'requests that were left in flight are served again' "$WORK/airlockd.log" ||
		fail "nothing was ever in flight: $(cat "$WORK/killed")"
}

never_reset() {
	[ "$DRIVERS" = airlock ] || skip "mainline's driver has no reset"
	[ "$(recovered main)" -eq 0 ] || fail "the disk was reset"
}

need_machine
M_RECONNECT=1
case $DRIVERS in
airlock) machine_new "${MACHINE:-window}" ;;
mainline) machine_new plain ;;
*) die "DRIVERS is airlock or mainline" ;;
esac
machine_disk_and_nic
churn_programs
machine_boot
TAP_ALSO=machine_complaints
tap_test "disk and card are there" load
tap_test "$KILLS kills of airlockd: no byte is wrong, no connection is lost" killed
tap_test "what was in flight is served again" served_again
tap_test "the disk was never reset for it" never_reset
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
