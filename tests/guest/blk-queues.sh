#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a disk with several queues does, and what only some disks can: discards, zeroes, a
# cache that can be turned off, another size, queues that are polled. The disks are QEMU's
# own, which can do all of it.
#
# Theory
#   The guest has four processors and so four lanes. What a disk gave back is seen in how many
#   blocks its image has on the host.
set -euo pipefail
CPUS=${CPUS:-4}
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly BYTES=$((64 << 20)) BUDGET=$((4 << 20))

set_up() {
	truncate -s "$BYTES" "$WORK/main.img"
	head -c 4M /dev/urandom >"$WORK/frozen.img"
	machine_qemu_disk main "$WORK/main.img" num-queues=4,discard=on,write-zeroes=on discard=unmap
	machine_qemu_disk frozen "$WORK/frozen.img" num-queues=1 readonly=on
}

# load [PARAMETER...] - the driver, anew
load() {
	guest "[ ! -e /sys/module/airlock_blk ] || rmmod airlock_blk
		modprobe airlock_blk $* && d=\$(need_disk main) &&
		pci_of /sys/block/\$d/device >/run/main-pci"
}

# lanes NAME... - these are the queues of the disk, and it shares no more than a budget
lanes() {
	guest "set -e
		d=\$(disk main)
		pci=\$(cat /run/main-pci)
		names=\$(queues_of \$pci)
		echo \$names
		test \"\$(echo \$names)\" = '$*' || die 'other queues'
		test \$(ls /sys/block/\$d/mq | wc -l) -eq $# || die 'other hardware queues'
		shared=\$(shared_by \$pci)
		echo \$shared
		test \$shared -le $BUDGET || die 'more than its budget'"
}

four_lanes() {
	load
	lanes q0 q1 q2 q3
	machine_log_has 'blk: 4 of 4 queues, 0 of them polled' || fail "the log does not say what was chosen"
}

# One writer and reader on each processor; each lane must have carried some of it.
parallel_io() {
	guest -t 600 'set -e
		d=/dev/$(disk main)
		work() {
			random_file /run/w$1 4
			for size in 4k 64k 1M; do
				dd if=/run/w$1 of=$d bs=$size seek=$(($1 * 4 << 20)) oflag=direct,seek_bytes 2>/dev/null
				dd if=$d bs=4M count=1 skip=$(($1 * 4 << 20)) iflag=direct,skip_bytes,fullblock \
					2>/dev/null | cmp - /run/w$1
			done
			touch /run/good$1
		}
		for i in 0 1 2 3; do
			(taskset -p $((1 << i)) $(sh -c "echo \$PPID") >/dev/null; work $i) &
		done
		wait
		for i in 0 1 2 3; do
			test -e /run/good$i || die "processor $i: its data came back wrong"
		done
		grep "^$(cat /run/main-pci) q" /sys/kernel/debug/airlock/queues
		! grep "^$(cat /run/main-pci) q.* kicks=0 " /sys/kernel/debug/airlock/queues || die "an idle lane"'
}

# image_kib - what the image takes on the host
image_kib() {
	du -k "$WORK/main.img" | cut -f 1
}

# fill - 32 MiB of noise, in the image and in a file to compare with
fill() {
	guest -t 600 'set -e
		d=/dev/$(disk main)
		random_file /tmp/noise 32
		dd if=/tmp/noise of=$d bs=1M oflag=direct conv=fsync 2>/dev/null'
	BEFORE=$(image_kib)
	[ "$BEFORE" -ge 32000 ] || fail "the image has $BEFORE KiB only"
}

# around - the MiB from 4 to 20 are gone, and their neighbours are not
around() {
	guest -t 600 "set -e
		d=/dev/\$(disk main)
		forget_cache
		test \$(dd if=\$d bs=1M count=4 iflag=direct 2>/dev/null | sum) = \$(head -c 4194304 /tmp/noise | sum) ||
			die 'what is before it was changed'
		test \$(dd if=\$d bs=1M skip=20 count=12 iflag=direct 2>/dev/null | sum) = \
			\$(tail -c +20971521 /tmp/noise | sum) || die 'what is behind it was changed'
		dd if=\$d bs=1M skip=4 count=16 iflag=direct 2>/dev/null | cmp - /dev/zero 2>&1 | grep -q EOF ||
			die 'it does not read as zeroes'"
}

discards() {
	fill
	guest 'blkdiscard -o 4194304 -l 16777216 /dev/$(disk main)'
	[ "$(image_kib)" -le $((BEFORE - 16000)) ] || fail "the image has $(image_kib) KiB instead of $BEFORE"
	around
}

# zeroes WORD - by a request that carries no data, of which there are few
zeroes() {
	fill
	guest "set -e
		d=\$(disk main)
		before=\$(awk '{ print \$5 }' /sys/block/\$d/stat)
		ranges zero /dev/\$d 4194304 16777216 $1
		after=\$(awk '{ print \$5 }' /sys/block/\$d/stat)
		test \$((after - before)) -le 4 || die \"it took \$((after - before)) requests\""
	around
	if [ -n "$1" ]; then
		[ "$(image_kib)" -ge $((BEFORE - 1000)) ] || fail "blocks were given back"
	else
		[ "$(image_kib)" -le $((BEFORE - 16000)) ] || fail "no blocks were given back"
	fi
}

# cache TYPE FLUSHES - after switching to that, a synchronous write sends flushes, or none
cache() {
	guest "set -e
		d=\$(disk main)
		echo '$1' >/sys/block/\$d/cache_type
		test \"\$(cat /sys/block/\$d/cache_type)\" = '$1' || die 'it is not of that type'
		test \"\$(cat /sys/block/\$d/queue/write_cache)\" = '$1' || die 'the block layer does not know'
		before=\$(awk '{ print \$16 }' /sys/block/\$d/stat)
		dd if=/dev/zero of=/dev/\$d bs=4k count=4 conv=fsync 2>/dev/null
		after=\$(awk '{ print \$16 }' /sys/block/\$d/stat)
		test \$((after > before)) -eq $2 || die \"\$((after - before)) flushes\""
}

cache_switches() {
	cache 'write back' 1
	cache 'write through' 0
	cache 'write back' 1
	guest '! echo "no such" >/sys/block/$(disk main)/cache_type' || fail "it takes any word"
}

grows() {
	guest 'random_file /run/data 8'
	start_churn main
	machine_qmp "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"main-drive\",\"size\":$((2 * BYTES))}}"
	guest "is() { test \$(blockdev --getsize64 /dev/\$(disk main)) -eq $((2 * BYTES)); }
		wait_for 1200 is || die 'it has the old size'
		dd if=/run/data of=/dev/\$(disk main) bs=1M seek=$((2 * BYTES / 1048576 - 8)) oflag=direct 2>/dev/null"
	churn_ends main
}

read_only() {
	local before

	before=$(sha256sum <"$WORK/frozen.img")
	guest 'd=$(disk frozen)
		test "$(cat /sys/block/$d/ro)" = 1 || die "it is not marked read-only"
		! dd if=/dev/zero of=/dev/$d bs=4096 count=1 conv=fsync 2>&1 || die "it is written"
		! blkdiscard -o 0 -l 65536 /dev/$d || die "it is discarded"
		! ranges zero /dev/$d 0 65536 || die "it is zeroed"'
	[ "$before" = "$(sha256sum <"$WORK/frozen.img")" ] || fail "the image was changed"
}

# busy_lane MASK - the lane of that processor is used, until the churn ends
busy_lane() {
	guest "taskset $1 sh -c \"while [ ! -e /run/churn-stop ]; do
			dd if=/dev/\$(disk main) of=/dev/null bs=4k count=100 iflag=direct
		done\" >/dev/null 2>&1 &"
}

# A reset makes the device forget that its cache was turned off.
recovers_all_lanes() {
	need_lies
	guest 'echo "write through" >/sys/block/$(disk main)/cache_type'
	start_churn main
	busy_lane 4
	recovers main lie main q2
	churn_ends main
	guest 'test "$(cat /sys/block/$(disk main)/cache_type)" = "write through"'
	lanes q0 q1 q2 q3
	cache 'write back' 1
}

needs_reset() {
	need_lies
	start_churn main
	busy_lane 4
	recovers main asks_for_reset main q2
	churn_ends main
}

# A write that is to reach the medium is a write and then a flush, where a disk has a cache. At any time some
# have the one behind them and wait for the other, which the reset is not to wait for.
writes_through() {
	need_lies
	guest -t 900 'CHURN=--sync=dsync start_churn main'
	busy_lane 1
	busy_lane 2
	recovers main asks_for_reset main q1
	recovers main lie main q0
	churn_ends main
}

polls() {
	load poll_queues=1
	lanes q0 q1 q2 poll3
	guest -t 600 'set -e
		d=/dev/$(disk main)
		test "$(cat /sys/block/${d#/dev/}/queue/io_poll)" = 1 || die "it cannot be polled"
		ranges poll $d 512
		random_file /run/p 4
		dd if=/run/p of=$d bs=64k oflag=direct 2>/dev/null
		dd if=$d bs=4M count=1 iflag=direct,fullblock 2>/dev/null | cmp - /run/p
		grep "^$(cat /run/main-pci) poll3 .* calls=0 " /sys/kernel/debug/airlock/queues
		! grep "^$(cat /run/main-pci) poll3 .* kicks=0 " /sys/kernel/debug/airlock/queues || die "nothing went there"'
}

# fewer PARAMETERS NAME... - the parameters bound the lanes
fewer() {
	load "$1"
	shift
	lanes "$@"
	guest 'd=/dev/$(disk main); random_file /run/f 4
		dd if=/run/f of=$d bs=1M oflag=direct 2>/dev/null &&
		dd if=$d bs=4M count=1 iflag=direct,fullblock 2>/dev/null | cmp - /run/f'
}

small_budget() {
	guest 'rmmod airlock_blk; modprobe airlock_blk budget_kib=512; ! disk main || die "it was accepted"
		nothing_shared || die "it shares"
		rmmod airlock_blk'
	machine_log_flush
	[ "$(machine_log_since | grep -c 'blk: refused: budget_kib=512 does not hold one queue of depth=128, which takes 820 KiB')" -eq 2 ] || {
		machine_log_since
		fail "the log does not say it once for each disk"
	}
}

# refuses PARAMETER REGEX
refuses() {
	guest "! modprobe airlock_blk $1 || die 'it was accepted'"
	machine_log_has "airlock_blk: $2" || fail "the log does not say why"
}

need_machine
machine_new "${MACHINE:-window}"
set_up
churn_programs
machine_boot
TAP_ALSO=machine_complaints
tap_test "four processors have four lanes, within one budget" four_lanes
tap_test "the rings are ${RING:-split}" machine_rings
tap_test "each processor's data comes back, by its own lane" parallel_io
tap_test "a discard gives blocks back to the host" discards
tap_test "zeroes that give blocks back" zeroes ''
tap_test "zeroes that keep their blocks" zeroes keep
tap_test "the write cache is switched off and on" cache_switches
tap_test "a disk grows under I/O" grows
tap_test "a read-only disk is neither written, discarded nor zeroed" read_only
tap_test "four lanes are reset and go on, and the cache stays off" recovers_all_lanes
tap_test "case 36: a disk that asks for a reset gets it, its requests are sent again" needs_reset
tap_test "case 36, case 04: so does one whose writes wait for flushes" writes_through
tap_test "a lane is polled, and never calls" polls
tap_test "queues=2 makes two lanes" fewer queues=2 q0 q1
tap_test "a budget of 2 MiB holds two lanes" fewer budget_kib=2048 q0 q1
tap_test "a budget that holds no lane is refused, and nothing is shared" small_budget
tap_test "a budget of 255 KiB is out of range" refuses budget_kib=255 'budget_kib=255: must be 256 to 65536'
tap_test "257 queues are out of range" refuses queues=257 'queues=257: must be 0 to 256'
tap_test "257 polled queues are out of range" refuses poll_queues=257 'poll_queues=257: must be 0 to 256'
tap_test "the guest powers off" machine_off
tap_done
