#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Lies of a disk. What cannot be is an error of that request, and counted; a disk that cannot be
# is refused. Its chains are in the ring itself, not in tables beside it.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/lies.sh"
. "$TOP/tests/machine/pci-lies.sh"

# Disks that lie about themselves, where in their configuration, and how; what the driver says.
readonly CONFIG=(
	'huge:0:8:0x7fffffffffffffff' 'capacity cannot be'
	'wraps:0:8:0x0080000000000001' 'capacity cannot be'
	'tiny:20:4:256' 'blk_size cannot be'
	'odd:20:4:513' 'blk_size cannot be'
	'wide:20:4:0x80000000' 'blk_size cannot be'
	'none:20:4:0' 'blk_size cannot be'
	'empty:0:8:0' '0 sectors of 512 bytes'
	'runs:12:4:0xffffffff' '131072 sectors of 512 bytes'
	'norun:12:4:0' '131072 sectors of 512 bytes'
)

set_up() {
	local i id

	export LIES_CONFIG=''
	for ((i = 0; i < ${#CONFIG[@]}; i += 2)); do
		id=${CONFIG[i]%%:*}
		LIES_CONFIG+="${CONFIG[i]} "
		truncate -s 64M "$WORK/$id.img"
		machine_disk "$id" "$WORK/$id.img" liar "serial=$id"
	done
}

# one READS|WRITES - a request of 4 KiB, at a place that is good
one() {
	case $1 in
	reads) guest 'dd if=/dev/$(cat /run/main) of=/run/block bs=4k count=1 skip=100 iflag=direct' ;;
	writes) guest 'dd if=/run/good of=/dev/$(cat /run/main) bs=4k count=1 seek=100 oflag=direct' ;;
	esac
}

# is_good - what is there is what was written there
is_good() {
	one reads >/dev/null
	guest 'cmp /run/good /run/block'
}

begins() {
	guest 'random_file /run/good.all 1 &&
		dd if=/run/good.all of=/run/good bs=4k count=1 2>/dev/null'
	one writes
	is_good
}

# in_vain READS|WRITES ERROR REPLIES LIE - that request fails with that error, as one bad reply, or
# none of that kind, and gives nothing to whoever reads; the next one is good
in_vain() {
	local before resets more

	before=$(of_main bad_replies) resets=$(recovered main)
	liar_tell "$4"
	case $1 in
	reads) guest 'ranges vain /dev/$(cat /run/main) 409600' ;;
	writes) ! one writes ;;
	esac >"$WORK/one" || fail "the request is a success, or there is data: $(cat "$WORK/one")"
	liar_told "$4"
	grep "$2" "$WORK/one" || fail "another error: $(cat "$WORK/one")"
	more=$(($(of_main bad_replies) - before))
	[ "$more" -eq "$3" ] || fail "$more bad replies are counted"
	[ "$(recovered main)" -eq "$resets" ] || fail "the disk was reset"
	is_good
}

statuses() {
	local status

	in_vain reads 'Input/output error' 0 'main.0 blk.status=1'
	in_vain reads 'Operation not supported' 0 'main.0 blk.status=2'
	for status in 3 4 0x7f 0xff; do
		in_vain reads 'Input/output error' 1 "main.0 blk.status=$status"
		in_vain writes 'Input/output error' 1 "main.0 blk.status=$status"
	done
	in_vain reads 'Input/output error' 1 'main.0 blk.no_status'
	in_vain writes 'Input/output error' 1 'main.0 blk.no_status'
}

# Old contents of a slot are not given to anybody.
short() {
	local len

	for len in 0 1 512 4096; do
		in_vain reads 'Input/output error' 1 "main.0 len=$len"
	done
	# Of a write the device says nothing by its length.
	liar_tell 'main.0 len=0'
	one writes
	liar_told 'main.0 len=0'
	is_good
}

# flickers COMMAND - what the device writes changes while the guest does that, over and over; the disk is
# not reset, and other requests are good
flickers() {
	local before lie='main.0 blk.flicker for=1000 times=50'

	before=$(recovered main)
	liar_tell "$lie"
	guest -t 300 "for i in \$(seq 60); do
			$1
		done"
	liar_told "$lie"
	[ "$(recovered main)" -eq "$before" ] || fail "the disk was reset"
	is_good
}

# The host owns the data; what is asked is that the guest lives.
data_changes() {
	flickers 'dd if=/dev/$(cat /run/main) of=/dev/null bs=64k count=1 iflag=direct 2>/dev/null || exit'
}

# All that a device writes of a write is the status. It is a success or an error, and ends.
status_changes() {
	local before try

	before=$(of_main bad_replies)
	for ((try = 0; try < 10; try++)); do
		flickers 'dd if=/run/good of=/dev/$(cat /run/main) bs=4k count=1 seek=200 oflag=direct 2>/dev/null || true'
		[ "$(of_main bad_replies)" -eq "$before" ] || return 0
	done
	fail "no status was seen that cannot be"
}

serial() {
	liar_tell 'main.0 blk.fill=0x41'
	guest 'test "$(cat /sys/block/$(cat /run/main)/serial)" = AAAAAAAAAAAAAAAAAAAA'
	guest 'test "$(cat /sys/block/$(cat /run/main)/serial)" = main'
}

# broken_by REASON LIE FUNCTION [WORD...] - what it does is told that; the queue breaks for that reason,
# and it is done nevertheless
broken_by() {
	local before where why

	before=$(recovered main) where=$(machine_log_end)
	liar_tell "$2"
	"${@:3}"
	liar_told "$2"
	why=$(first_failure q0 "$where")
	[ "$why" = "$1" ] || fail "the queue did not fail, or of another reason: $why"
	more_recovered main "$before" || fail "the disk was not reset"
	is_good
}

# Each chain has three descriptors.
middle() {
	broken_by 'used id is not in flight' 'main.0 used.mid' one reads
}

two_reads() {
	guest -t 120 'd=/dev/$(cat /run/main)
		dd if=$d of=/dev/null bs=4k count=20 iflag=direct 2>/dev/null & a=$!
		dd if=$d of=/dev/null bs=4k count=20 skip=50 iflag=direct 2>/dev/null & b=$!
		wait $a && wait $b'
}

# QEMU 7.2 has no devices that use buffers in order. Ours does while it has one at a time, so one is
# said to; with two, the second one ends a batch, of which the first was not used.
in_order() {
	[ -n "${QEMU:-}" ] || skip "there is no emulator"
	guest 'rmmod airlock_blk'
	tell main "$FEATURES:|:8"
	guest 'modprobe airlock_blk && need_disk main >/run/main'
	is_good
	broken_by 'used id is beyond what the used index says' 'main.0 hold' two_reads
}

never_completes() {
	local before

	impatient
	before=$(recovered main)
	liar_tell 'main.0 hold'
	one reads
	patient
	more_recovered main "$before" || fail "the disk was not reset"
	is_good
}

# says_of ID TEXT - in the guest's log, of the disk with that number among the devices
says_of() {
	local pci

	pci=$(printf '0000:%02x:00.0' "$1")
	grep -aF "airlock $pci: " "$WORK/console.log" | grep -q "$2" || fail "$pci: the log does not say: $2"
}

# Each is refused, or is a disk for which all that cannot be is set right.
configurations() {
	local i

	for ((i = 0; i < ${#CONFIG[@]}; i += 2)); do
		says_of "$((i / 2 + 1))" "${CONFIG[i + 1]}"
	done
	guest 'for s in huge wraps tiny odd wide none; do
			! disk $s || die "there is a disk $s"
		done
		for s in runs norun; do
			dd if=/dev/$(need_disk $s) of=/dev/null bs=1M count=1 iflag=direct || exit
		done
		d=$(need_disk empty)
		test $(blockdev --getsize64 /dev/$d) = 0 || exit
		test $(dd if=/dev/$d bs=4k count=1 2>/dev/null | wc -c) = 0 || die "it has data"'
}

need_machine
liar_qemu
M_RECONNECT=1
machine_new "${MACHINE:-window}" 64
set_up
liar_machine '' indirect_desc=off
tap_test "disk and card are there" liar_load
tap_test "case 29, case 30: capacities and sizes that cannot be" configurations
tap_test "a block is written and read" begins
tap_test "case 02: an id in the middle of a chain" middle
tap_test "case 26: a status that is unknown, or never written" statuses
tap_test "case 06, case 27: a success with fewer bytes than were asked for" short
tap_test "case 28: data change while they are looked at" data_changes
tap_test "case 26: a status that changes while it is looked at" status_changes
tap_test "case 31: a serial number without an end" serial
tap_test "case 32: a request that never completes" never_completes
tap_test "case 17: buffers used in order, and a batch that cannot have ended" in_order
tap_test "nothing private was seen, the modules unload, nothing stays shared" liar_leaves
tap_test "the guest powers off" machine_off
tap_test "the back-end ends on SIGTERM" backend_stop_all
tap_done
