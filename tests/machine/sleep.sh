# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# A machine that sleeps. Sourced after machine.sh.
#
# Theory
#   QEMU 7.2 with SeaBIOS lets a machine sleep once: after that neither sleep nor power-off is
#   more than words. Later sleeps are those of the devices alone, and the machine is ended from
#   outside.

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
	wait_for 300 slept_or_sleeps "$before" "$where" || fail "it does not fall asleep"
	if ! slept "$before"; then
		sleep 2
		machine_qmp '{"execute":"system_wakeup"}'
	fi
	wait_for 300 slept "$before" || fail "it does not wake up"
}

# quit - end the machine from outside
quit() {
	machine_leave
	machine_qmp '{"execute":"quit"}'
	wait_for 300 gone "$M_PID"
}
