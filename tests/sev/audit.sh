#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The driver's audit, compared with the truth from outside: what the guest's page tables
# open, what its processors used of that, and what anybody touched of the shared
# memory, devices and back-ends included. See tests/machine/memory.sh for the witnesses.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# It says so itself, and no parameter of ours chose the provider.
is_sev() {
	guest 'dmesg | grep "Memory Encryption Features active: AMD SEV"'
}

# A witness that sees nothing would agree with anything. All free memory is used once, so
# that pages are not clear by luck.
witnesses_see() {
	guest -t 600 dirty_memory
	guest 'modprobe airlock_blk && need_disk main'
	memory_since
	for witness in opened flipped touched; do
		[ -s "$WORK/$witness" ] || fail "nothing is $witness"
	done
	guest 'rmmod airlock_blk && rmmod airlock'
	memory_since
	[ ! -s "$WORK/opened" ] || fail "still open: $(cat "$WORK/opened")"
	memory_mark
}

disk_alone() {
	guest 'modprobe airlock_blk && need_disk main'
	memory_agrees
	! grep -v ' decrypt$' <(guest 'grep -v ^total /sys/kernel/debug/airlock/regions') ||
		fail "not all of it comes from the provider decrypt"
}

# All that is shared is in the audit; the log has said how much it would be.
both() {
	local budget

	guest "modprobe airlock_net && need_nic $MAC"
	memory_agrees
	machine_log_flush
	budget=$(tr -d '\r' <"$WORK/console.log" |
		sed -n 's/.*: sharing \([0-9]*\) KiB with the host (decrypt)$/\1/p' |
		tail -n 2 | awk '{ sum += $1 } END { print sum * 1024 }')
	[ "$(memory_bytes "$WORK/audit")" -eq "$budget" ] ||
		fail "$(memory_bytes "$WORK/audit") bytes are shared, the budgets are $budget"
}

# Every size and both directions; nothing more is shared for that.
under_load() {
	guest -t 600 "set -e
		d=/dev/\$(disk main)
		up $MAC $GUEST/24
		(traffic tcp $HOST 7000 8000000 65536 && echo good >/run/net) &
		random_file /tmp/x 24
		for size in 4096 65536 4194304; do
			dd if=/tmp/x of=\$d bs=\$size oflag=direct conv=fsync 2>/dev/null
			test \$(dd if=\$d bs=\$size count=\$((25165824 / size)) iflag=direct 2>/dev/null | sum) = \$(sum /tmp/x)
		done
		wait
		grep good /run/net"
	memory_agrees
}

# The disk's pages come back and others, or the same, are shared: exactly what is listed.
rebound() {
	guest 'set -e
		pci=$(pci_of /sys/block/$(disk main)/device)
		for i in 1 2 3; do
			echo $pci >/sys/bus/pci/drivers/airlock/unbind
			echo $pci >/sys/bus/pci/drivers/airlock/bind
		done
		need_disk main'
	memory_agrees
}

cleared_first() {
	pages dirty "$WORK/flips" "$(cat "$WORK/flips.mark")" >"$WORK/dirty"
	[ ! -s "$WORK/dirty" ] || fail "opened with something in them: $(cat "$WORK/dirty")"
}

# Its slots held the token, before and at the end; the pages are private again, and hold it
# no longer.
nothing_left() {
	local address

	guest 'set -e
		repeat /token /tmp/p 16
		for size in 4k 256k; do
			dd if=/tmp/p of=/dev/$(disk main) bs=$size oflag=direct 2>/dev/null
		done
		rm /tmp/p'
	memory_audit
	cp "$WORK/audit" "$WORK/was-shared"
	pages find "$M_PID" "$WORK/token" >"$WORK/found"
	[ -s "$WORK/found" ] || fail "the token did not go through shared memory"
	guest 'rmmod airlock_net && rmmod airlock_blk && airlockctl audit' | tee "$WORK/said"
	grep -q 'nothing is shared' "$WORK/said"
	memory_none
	read -r address _ < <(memory_private)
	pages held "$M_PID" "$address" "$WORK/was-shared" "$WORK/token" >"$WORK/still"
	[ ! -s "$WORK/still" ] || fail "not cleared when they came back: $(cat "$WORK/still")"
	guest 'rmmod airlock'
	memory_none
}

# It would take addresses for the host's, and go round what protects the guest. The other disk is
# not disturbed.
unprotected() {
	local pci

	guest 'modprobe airlock_blk && need_disk main && ! disk plain'
	machine_refused 1 'a confidential guest needs VIRTIO_F_ACCESS_PLATFORM'
	pci=$(sed 's/: refused: .*//' "$WORK/refused")
	guest "! grep '^$pci ' /sys/kernel/debug/airlock/regions"
	memory_agrees
	guest 'rmmod airlock_blk && rmmod airlock'
	memory_none
}

need_machine sev
machine_new sev
# The kernel would clear what it allocates, whether it is asked to or not.
M_APPEND+=' init_on_alloc=0 init_on_free=0'
head -c 32 /dev/urandom >"$WORK/token"
machine_disk_and_nic
truncate -s 16M "$WORK/plain.img"
machine_qemu_disk plain "$WORK/plain.img" iommu_platform=off
machine_boot "$WORK/token"
memory_mark
TAP_ALSO=machine_complaints
tap_test "the guest is an AMD SEV guest" is_sev
tap_test "the witnesses see that a disk shares memory" witnesses_see
tap_test "a disk shares what the audit lists, page by page, by its own choice of provider" disk_alone
tap_test "so do a disk and a NIC, and no more than their budgets" both
tap_test "under load neither guest, device nor back-end uses any other page" under_load
tap_test "so it is after the disk was bound anew three times" rebound
tap_test "no page was opened with anything in it" cleared_first
tap_test "after unloading nothing is shared, and what was is cleared" nothing_left
tap_test "a device that would go round the protection is refused, and shares nothing" unprotected
tap_test "the guest powers off" machine_off
tap_done
