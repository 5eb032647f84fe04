#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each step between claiming a function and its last page being private again fails
# once. Whatever failed: nothing stays shared but what the driver says it had to leak, and
# the next probe works.
#
# Theory
#   The modules are those built with FAULTS=1 (driver/fault.h), which count their steps and
#   make the one fail that they were told to. A round loads and unloads them with the next
#   step failing, until a round has fewer steps than that. Looked at from outside twice: with
#   the function driver loaded, when the audit must be the truth, and after it has gone, when
#   only what leaked may be open. What leaked in one round is part of the next one's mark.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly WORKS_blk='need_disk main >/dev/null && dd if=/dev/$(disk main) of=/dev/null bs=64k count=4 iflag=direct'
readonly WORKS_net="up $MAC $GUEST/24 && ping -c 1 -W 10 $HOST"

# In the guest: the KiB of the pages that the audit calls leaked.
readonly LEAKED="awk '\$2 == \"leaked\" { sum += \$4 } END { print sum / 1024 + 0 }' \
	/sys/kernel/debug/airlock/regions"

# strays WHAT - nothing is open that the audit did not list. What leaked may be open or not:
# nobody knows, and that is why it leaked.
strays() {
	memory_opened_since
	pages minus "$WORK/opened" "$WORK/audit" >"$WORK/strays"
	[ ! -s "$WORK/strays" ] || fail "$1: open, and not in the audit: $(cat "$WORK/strays")"
}

# What the log says when pages leak.
readonly LEAKS='KiB stay shared with the host for ever'

# round KIND STEP - sets STEPS, how many steps there were; what failed goes to WORK/steps.KIND
round() {
	local said kib

	guest "dmesg -c >/dev/null
		modprobe airlock fault=$2 && modprobe airlock_$1 && airlockctl audit --json" >"$WORK/loaded"
	memory_read_audit <"$WORK/loaded"
	strays "step $2, loaded"

	guest "rmmod airlock_$1 && cat /sys/module/airlock/parameters/fault_steps &&
		$LEAKED &&
		airlockctl audit --json >/run/audit && rmmod airlock || exit
		dmesg | grep -c '$LEAKS'
		dmesg | grep 'is made to fail' || echo none
		cat /run/audit" >"$WORK/gone"
	{
		read -r STEPS
		read -r kib
		read -r said
		read -r failed
		memory_read_audit
	} <"$WORK/gone"
	[ "$failed" = none ] || printf '%s\n' "${failed#*airlock: }" >>"$WORK/steps.$1"
	[ "$(memory_bytes "$WORK/audit")" -eq $((kib << 10)) ] ||
		fail "step $2: the audit lists more than what leaked: $(cat "$WORK/audit")"
	[ $((kib > 0)) -eq $((said > 0)) ] || fail "step $2: $kib KiB leaked, said so $said times"
	strays "step $2, all gone"
	mv "$WORK/opened.now" "$WORK/opened.before"
}

# every_step KIND
every_step() {
	local step=0 STEPS=1

	memory_mark
	: >"$WORK/steps.$1"
	while [ "$step" -le "$STEPS" ]; do
		step=$((step + 1))
		round "$1" "$step"
	done
	cat "$WORK/steps.$1"
	# The last round is the first that had no such step.
	[ "$(wc -l <"$WORK/steps.$1")" -eq $((step - 1)) ] || fail "not each of $STEPS steps failed"
}

# covers KIND PATTERN... - among the steps that failed was such a one
covers() {
	local kind=$1 pattern

	shift
	for pattern in "$@"; do
		grep -q "$pattern" "$WORK/steps.$kind" || fail "no step was: $pattern"
	done
}

works_afterwards() {
	guest 'modprobe -a airlock_blk airlock_net'
	guest -t 90 "$WORKS_blk && $WORKS_net"
	guest 'rmmod airlock_net && rmmod airlock_blk && rmmod airlock'
}

# The steps of taking back, alone: step 1 counted from here is the re-encryption of the first
# chunk when the device has confirmed its reset, which is step 1 otherwise.
fails_to_close() {
	local kib

	memory_mark
	machine_log_mark
	guest 'modprobe airlock_blk && need_disk main
		echo '"$1"' >/sys/module/airlock/parameters/fault_steps
		rmmod airlock_blk'
	kib=$(guest "$LEAKED")
	[ "$kib" -gt 0 ] || fail "nothing leaked"
	machine_log_has "$kib $LEAKS: $2" || fail "not said: $(machine_log_since)"
	# What leaked is open, all of it, and nothing else is.
	memory_audit
	memory_opened_since
	pages same "$WORK/audit" "$WORK/opened" || fail "what leaked is not what is open"
	guest 'airlockctl audit | grep leaked && rmmod airlock'
	# All other memory gets something written to; given to anyone, these would too.
	guest -t 120 dirty_memory
	printf 'not clear\nnot clear\n' >"$WORK/dirt"
	pages find "$M_PID" "$WORK/dirt" >"$WORK/reused"
	[ ! -s "$WORK/reused" ] || fail "leaked pages are in use again: $(cat "$WORK/reused")"
}

need_machine sev
eval "$("$TOP/tests/lib/kernel.sh")"
export KMOD=$BUILD/kmod-faults/$KVER
machine_new sev
machine_disk_and_nic
machine_boot
TAP_ALSO=machine_complaints
tap_test "a disk: each step fails once, and nothing stays shared in silence" every_step blk
tap_test "among them are those of sharing, starting and taking back" covers blk \
	alloc_pages_exact set_memory_decrypted set_memory_encrypted reset FEATURES_OK DRIVER_OK \
	'queue enable' device_add_disk pci_enable_device
tap_test "a NIC: each step fails once, and nothing stays shared in silence" every_step net
tap_test "among them are those of sharing, starting and taking back" covers net \
	alloc_pages_exact set_memory_decrypted set_memory_encrypted reset FEATURES_OK DRIVER_OK \
	'queue enable' register_netdev pci_enable_device
tap_test "after all that both devices work" works_afterwards
tap_test "a page that cannot be made private again is leaked, and it is said" \
	fails_to_close 2 'they could not be made private again'
tap_test "pages of a device that did not confirm its reset are leaked, and it is said" \
	fails_to_close 1 'the device did not confirm its reset'
tap_test "the guest powers off" machine_off
tap_done
