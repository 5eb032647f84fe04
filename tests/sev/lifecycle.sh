#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each step between claiming a function and its last page being private again fails
# once. Whatever failed: nothing stays shared but what the driver says it had to leak, and
# the next probe works.
#
# Theory
#   The modules are those built with FAULTS=1 (driver/fault.h), which count their steps and
#   make the one fail that they were told to. A round gives the driver the function and takes it away
#   with the next step failing, until a round has fewer steps than that. Looked at from outside twice:
#   with the device there, when the audit must be the truth, and after it has gone, when
#   only what leaked may be open. What leaked in one round is part of the next one's mark, and keeps
#   the module where it is. The last thing is a reboot.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/steps.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# What the log says when pages leak.
readonly LEAKS='KiB stay shared with the host for ever'

# loads - both devices are there, and are given back
loads() {
	load_devices "$MAC" "$GUEST"
	guest "$(to_unbind main) && $(to_unbind nic) && nothing_shared"
}

# to_bind NAME, to_unbind NAME - words for the guest
to_bind() {
	printf '%s\n' "echo \$(cat /run/$1-pci) >/sys/bus/pci/drivers/airlock/bind"
}

to_unbind() {
	printf '%s\n' "{ [ ! -e /sys/bus/pci/drivers/airlock/\$(cat /run/$1-pci) ] ||
		echo \$(cat /run/$1-pci) >/sys/bus/pci/drivers/airlock/unbind; }"
}

# In the guest: the KiB of the pages that the audit calls leaked.
readonly LEAKED="awk '\$2 == \"leaked\" { sum += \$4 } END { print sum / 1024 + 0 }' \
	/sys/kernel/debug/airlock/regions"

# leaked - so many by now
leaked() {
	guest "$LEAKED" | tr -dc '0-9'
}

# strays WHAT - nothing is open that the audit did not list. What leaked may be open or not:
# nobody knows, and that is why it leaked.
strays() {
	memory_opened_since
	pages minus "$WORK/opened" "$WORK/audit" >"$WORK/strays"
	[ ! -s "$WORK/strays" ] || fail "$1: open, and not in the audit: $(cat "$WORK/strays")"
}

# round NAME STEP - sets STEPS, how many steps there were; what failed goes to WORK/steps.NAME
round() {
	local before said kib

	guest "dmesg -c >/dev/null
		$LEAKED
		echo $2 >/sys/module/airlock/parameters/fault_steps
		$(to_bind "$1") 2>/dev/null
		airlockctl audit --json" >"$WORK/bound"
	{
		read -r before
		memory_read_audit
	} <"$WORK/bound"
	strays "step $2, bound"

	guest "$(to_unbind "$1")
		cat /sys/module/airlock/parameters/fault_steps
		$LEAKED
		dmesg | grep -c '$LEAKS'
		dmesg | grep 'is made to fail' || echo none
		airlockctl audit --json" >"$WORK/gone"
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
	[ $((kib > before)) -eq $((said > 0)) ] ||
		fail "step $2: $((kib - before)) KiB leaked, said so $said times"
	strays "step $2, gone"
	mv "$WORK/opened.now" "$WORK/opened.before"
}

every_probe() {
	memory_mark
	every_step "$1" round "$1"
	guest 'echo 0 >/sys/module/airlock/parameters/fault_steps'
}

# Without a failure, again and again: what a device had must be there for the next one. Nobody else keeps
# account of pages. A disk has 2.6 MiB and a card 1.5, so either would be more than what comes and goes
# besides, up to 40 MiB of memory that the kernel does not call free for a while.
pages_come_back() {
	local before after

	before=$(free_kib)
	guest -t 900 "for i in \$(seq 48); do
			$(to_bind main) && $(to_bind nic) && $(to_unbind main) && $(to_unbind nic) || exit
		done"
	after=$(free_kib)
	[ $((before - after)) -lt 65536 ] || fail "$((before - after)) KiB are gone"
}

# free_kib - once nothing is kept for a moment
free_kib() {
	guest -t 120 'forget_cache
		echo 1 >/proc/sys/vm/stat_refresh
		awk "/^MemFree:/ { print \$2 }" /proc/meminfo' | tr -dc '0-9'
}

works_afterwards() {
	guest "$(to_bind main); $(to_bind nic)
		dd if=/dev/\$(need_disk main) of=/dev/null bs=64k count=4 iflag=direct &&
		up $MAC $GUEST/24 && ping -c 1 -W 60 $HOST || exit
		$(to_unbind main); $(to_unbind nic)"
}

# The steps of taking back, alone: step 1 counted from here is the re-encryption of the first
# chunk when the device has confirmed its reset, which is step 1 otherwise. WORK/new is what leaked.
fails_to_close() {
	local before kib

	memory_audit
	mv "$WORK/audit" "$WORK/audit.before"
	before=$(leaked)
	memory_mark
	machine_log_mark
	guest "$(to_bind main)
		need_disk main
		echo $1 >/sys/module/airlock/parameters/fault_steps
		$(to_unbind main)"
	kib=$(($(leaked) - before))
	[ "$kib" -gt 0 ] || fail "nothing leaked"
	machine_log_has "$kib $LEAKS: $2" || fail "not said: $(machine_log_since)"
	# What leaked is open, all of it, and nothing else is.
	memory_audit
	pages minus "$WORK/audit" "$WORK/audit.before" >"$WORK/new"
	memory_opened_since
	pages same "$WORK/new" "$WORK/opened" || fail "what leaked is not what is open"
	# All other memory gets something written to; given to anyone, these would too.
	guest -t 600 dirty_memory
	printf 'not clear\nnot clear\n' >"$WORK/dirt"
	pages find "$M_PID" "$WORK/dirt" >"$WORK/reused"
	[ ! -s "$WORK/reused" ] || fail "leaked pages are in use again: $(cat "$WORK/reused")"
}

reboots() {
	guest -t 600 no_leaks
	memory_reboot "$WORK/new"
}

# Of both devices, among others.
readonly PROBE=(
	alloc_pages_exact set_memory_decrypted set_memory_encrypted reset FEATURES_OK DRIVER_OK 'queue enable'
	pci_enable_device pci_alloc_irq_vectors request_irq 'config vector' 'queue vector'
)

need_machine sev
eval "$("$TOP/tests/lib/kernel.sh")"
export KMOD=$BUILD/kmod-faults/$KVER
machine_new sev
machine_disk_and_nic
machine_boot
TAP_ALSO=machine_complaints
tap_test "disk and card are there" loads
tap_test "case 51: the pages that devices had come back" pages_come_back
tap_test "case 51: a disk: each step fails once, and nothing stays shared in silence" every_probe main
tap_test "among them are those of sharing, starting and taking back" covers main \
	"${PROBE[@]}" device_add_disk
tap_test "case 51: a NIC: each step fails once, and nothing stays shared in silence" every_probe nic
tap_test "among them are those of sharing, starting and taking back" covers nic \
	"${PROBE[@]}" register_netdev
tap_test "after all that both devices work" works_afterwards
tap_test "case 51: a page that cannot be made private again is leaked, and it is said" \
	fails_to_close 2 'they could not be made private again'
tap_test "case 33, case 36: pages of a device that did not confirm its reset are leaked, and it is said" \
	fails_to_close 1 'the device did not confirm its reset'
tap_test "the module does not go while pages of it are shared" guest leaks_hold_airlock
tap_test "a reboot closes those of the device that did not confirm its reset" reboots
tap_done
