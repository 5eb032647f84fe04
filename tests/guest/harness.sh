#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The machine itself: what a test relies on to notice that something is wrong.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

status_comes_back() {
	local status=0

	guest 'exit 7' || status=$?
	[ "$status" -eq 7 ]
}

# Payload that looks like an answer is not one: it does not know the nonce.
not_fooled() {
	local status=0 output

	output=$(guest 'echo "@0123456789abcdef0123456789abcdef 0"; echo "@ 0"; exit 3') || status=$?
	[ "$status" -eq 3 ]
	[ "$(printf '%s\n' "$output" | wc -l)" -eq 2 ]
}

splat_noticed() {
	local line complaints

	for line in 'WARNING: CPU: 0 PID: 1 at mm/page.c:1' 'BUG: unable to handle page fault' \
		'Oops: 0000 [#1]' 'possible recursive locking detected' \
		'INFO: task dd:77 blocked for more than 300 seconds.'; do
		guest "echo '$line' >/dev/kmsg"
		complaints=$(machine_complaints)
		case $complaints in
		*"$line"*) ;;
		*) fail "not noticed: $line" ;;
		esac
	done
	complaints=$(machine_complaints)
	[ -z "$complaints" ] || fail "noticed twice: $complaints"
}

# In a subshell, as every test, so that this back-end is forgotten afterwards.
sanitizer_noticed() {
	local line

	BACKENDS+=(unsound)
	for line in '==7==ERROR: AddressSanitizer: heap-use-after-free' \
		'==7==ERROR: LeakSanitizer: detected memory leaks' \
		'ring/split.c:1:2: runtime error: shift exponent 32 is too large'; do
		echo "$line" >"$WORK/unsound.log"
		[ "$(machine_complaints)" = "$line" ] || fail "not noticed: $line"
	done
}

# A guest that does not answer in time is given up, and says so from then on.
crash_noticed() {
	local status=0

	guest 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger' || status=$?
	[ "$status" -eq 125 ] || fail "status $status"
	status=0
	guest true || status=$?
	[ "$status" -eq 125 ] || fail "status $status of a dead machine"
	machine_complaints | grep -q 'the machine is dead' || fail "no complaint"
}

# The first machine stands still before its first instruction.
eval "$(declare -f machine_start | sed '1s/.*/machine_start_it ()/')"
machine_start() {
	if [ "$STILL" = yes ]; then
		STILL=no M_BOOTS_IN=2
		M_ARGS+=(-S)
		machine_start_it "$@"
		unset 'M_ARGS[-1]'
	else
		M_BOOTS_IN=600
		machine_start_it "$@"
	fi
}

started_anew() {
	cat "$WORK/boot.err"
	[ "$(grep -c 'did not boot (no answer in 2 seconds), the next try' "$WORK/boot.err")" -eq 1 ]
}

need_machine
machine_new window
STILL=yes
machine_boot 2>"$WORK/boot.err" || die "$(cat "$WORK/boot.err")"
tap_test "a guest that does not boot is started anew" started_anew
tap_test "a command's status comes back" status_comes_back
tap_test "output cannot look like an answer" not_fooled
tap_test "whatever the kernel complains about is noticed, once" splat_noticed
tap_test "what a back-end's sanitizers say is noticed" sanitizer_noticed
tap_test "a crash is noticed" crash_noticed
tap_done
