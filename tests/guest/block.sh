#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an airlock disk does, seen from a guest in the window machine and from the
# images on the host.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly MAIN_BYTES=$((256 << 20)) ODD_BYTES=$(((10 << 20) + 512))

# An MBR with two Linux partitions of 8 MiB each, at 1 MiB and at 9 MiB.
partition_image() {
	truncate -s 32M "$1"
	{
		printf '\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x40\x00\x00'
		printf '\x00\x00\x00\x00\x83\x00\x00\x00\x00\x48\x00\x00\x00\x40\x00\x00'
	} | dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

set_up() {
	truncate -s "$MAIN_BYTES" "$WORK/main.img"
	truncate -s "$ODD_BYTES" "$WORK/odd.img"
	head -c 8M /dev/urandom >"$WORK/frozen.img"
	partition_image "$WORK/parts.img"
	machine_disk main "$WORK/main.img" airlockd serial=main
	machine_disk odd "$WORK/odd.img" airlockd serial=odd
	machine_disk frozen "$WORK/frozen.img" airlockd serial=frozen,readonly=on
	machine_disk parts "$WORK/parts.img" airlockd serial=parts
}

boots() {
	guest 'modprobe -a airlock_blk ext4; for d in main odd frozen parts; do need_disk $d || exit; done'
}

has_size() {
	local bytes

	bytes=$(guest "blockdev --getsize64 /dev/\$(disk $1)")
	[ "$bytes" = "$2" ] || fail "$1 has $bytes bytes instead of $2"
}

# limits - the provider that this machine should have, and between which addresses all of it
# must be: the window's BAR, or RAM
limits() {
	if [ "$M_KIND" = sev ]; then
		echo "decrypt 0 $(((M_MEMORY_MIB << 20) - 1))"
		return
	fi
	guest 'for w in /sys/bus/pci/devices/*; do
			[ "$(cat $w/vendor)$(cat $w/device)" != 0x1af40x1110 ] ||
				sed -n "3s/ [^ ]*$//p" $w/resource
		done' | sed 's/^/window /'
}

# Everything that is shared is listed, in whole pages, where it may be.
audited() {
	local device purpose address bytes provider sum=0 total='' first last expected

	guest 'cat /sys/kernel/debug/airlock/regions' | tee "$WORK/regions"
	read -r expected first last < <(limits)
	while read -r device purpose address bytes provider; do
		[ -z "$total" ] || fail "something comes after the total"
		if [ "$device" = total ]; then
			total=$bytes
			continue
		fi
		[ "$provider" = "$expected" ] || fail "$purpose comes from $provider"
		[ "$((bytes > 0 && bytes % 4096 == 0))" = 1 ] || fail "$purpose is no whole pages"
		[ "$((address >= first && address + bytes - 1 <= last))" = 1 ] ||
			fail "$purpose is not where $expected has its memory"
		sum=$((sum + bytes))
	done <"$WORK/regions"
	[ "$((sum > 0 && sum == total))" = 1 ] || fail "the sum is $sum, the total $total"
}

keeps_files() {
	guest -t 600 'set -e
		d=/dev/$(disk main)
		mkfs.ext4 -q $d
		mkdir -p /mnt
		mount -t ext4 $d /mnt
		random_file /mnt/data 64
		before=$(sum /mnt/data)
		umount /mnt
		forget_cache
		mount -t ext4 $d /mnt
		after=$(sum /mnt/data)
		umount /mnt
		test "$before" = "$after"'
}

# Written bytes are in the image as soon as a flush was answered.
flush_reaches_image() {
	local theirs

	theirs=$(guest 'set -e
		d=$(disk main)
		test "$(cat /sys/block/$d/queue/write_cache)" = "write back"
		flushes=$(awk "{ print \$16 }" /sys/block/$d/stat)
		random_file /tmp/r 4
		dd if=/tmp/r of=/dev/$d bs=64k conv=fsync 2>/dev/null
		test "$(awk "{ print \$16 }" /sys/block/$d/stat)" -gt "$flushes" || die "no flush was sent"
		sum /tmp/r')
	[ "$theirs" = "$(head -c 4M "$WORK/main.img" | sha256sum | cut -d ' ' -f 1)" ] ||
		fail "the image differs from what the guest wrote"
}

# Each of sixteen writes that are to be on the disk when they end brings a flush. (The dd is the
# host's: busybox has no dsync.)
synchronous_writes() {
	guest 'set -e
		d=$(disk main)
		count() { awk "{ print \$$1 }" /sys/block/$d/stat; }
		test "$(cat /sys/block/$d/queue/write_cache)" = "write back"
		writes=$(count 5) flushes=$(count 16)
		/sbin/dd if=/dev/urandom of=/dev/$d bs=4k count=16 oflag=direct,dsync 2>/dev/null
		writes=$(($(count 5) - writes)) flushes=$(($(count 16) - flushes))
		echo $writes writes, $flushes flushes
		test $writes -ge 16 && test $flushes -ge $writes'
}

# A write to one partition is where it should be, and nowhere else.
partitions_apart() {
	guest 'set -e
		d=/dev/$(disk parts)
		test "$(blockdev --getsize64 ${d}p1)" -eq $((8 << 20))
		test "$(blockdev --getsize64 ${d}p2)" -eq $((8 << 20))
		random_file /tmp/p 8
		dd if=/tmp/p of=${d}p2 bs=1M conv=fsync 2>/dev/null
		forget_cache
		test "$(sum ${d}p2)" = "$(sum /tmp/p)"'
	cmp <(head -c 8M /dev/zero) <(tail -c +$((1048577)) "$WORK/parts.img" | head -c 8M) ||
		fail "a write to the second partition reached the first"
}

read_only_stays() {
	local before

	before=$(sha256sum <"$WORK/frozen.img")
	guest 'set -e
		d=$(disk frozen)
		test "$(cat /sys/block/$d/ro)" = 1 || die "it is not marked read-only"
		! dd if=/dev/zero of=/dev/$d bs=4096 count=1 conv=fsync 2>&1 || die "it can be written"
		sum /dev/$d' | tee "$WORK/theirs"
	[ "$before" = "$(sha256sum <"$WORK/frozen.img")" ] || fail "the image was changed"
	[ "$(tail -n 1 "$WORK/theirs")" = "${before%% *}" ] || fail "it reads wrong"
}

# Sizes that are neither powers of two nor blocks, at places that are not aligned.
odd_sizes() {
	local size

	for size in 512 1024 1536 3584 4096 4608 61952 65536 66048 1049088 4194816; do
		guest "set -e
			d=/dev/\$(disk main)
			dd if=/dev/urandom of=/tmp/o bs=$size count=1 iflag=fullblock 2>/dev/null
			dd if=/tmp/o of=\$d bs=$size count=1 seek=$((1048576 + 512 * 7)) \
				oflag=direct,seek_bytes 2>/dev/null
			dd if=\$d of=/tmp/i bs=$size count=1 skip=$((1048576 + 512 * 7)) \
				iflag=direct,skip_bytes 2>/dev/null
			cmp /tmp/o /tmp/i" || fail "$size bytes come back wrong"
	done
}

last_sector() {
	guest 'set -e
		d=/dev/$(disk odd)
		last=$(($(blockdev --getsz $d) - 1))
		dd if=/dev/urandom of=/tmp/s bs=512 count=1 2>/dev/null
		dd if=/tmp/s of=$d bs=512 seek=$last oflag=direct 2>/dev/null
		! dd if=/tmp/s of=$d bs=512 seek=$((last + 1)) oflag=direct 2>/dev/null ||
			die "there is a sector behind the last one"
		dd if=$d bs=512 skip=$last count=1 iflag=direct 2>/dev/null | cmp - /tmp/s'
	[ "$(stat -c %s "$WORK/odd.img")" -eq "$ODD_BYTES" ] || fail "the image has another size now"
}

# direct_io BLOCK BLOCKS
direct_io() {
	guest -t 600 "set -e
		d=/dev/\$(disk main)
		dd if=/dev/urandom of=/tmp/d bs=$1 count=$2 iflag=fullblock 2>/dev/null
		dd if=/tmp/d of=\$d bs=$1 oflag=direct 2>/dev/null
		test \$(dd if=\$d bs=$1 count=$2 iflag=direct 2>/dev/null | sum) = \$(sum /tmp/d)"
}

# Eight writers, then eight readers, in different places at the same time.
parallel_io() {
	guest -t 600 'd=/dev/$(disk main)
		work() {
			random_file /tmp/w$1 6 &&
			dd if=/tmp/w$1 of=$d bs=$2 seek=$(($1 * 16 << 20)) oflag=direct,seek_bytes 2>/dev/null &&
			dd if=$d bs=6M count=1 skip=$(($1 * 16 << 20)) iflag=direct,skip_bytes,fullblock \
				2>/dev/null | sum >/tmp/s$1 && test $(cat /tmp/s$1) = $(sum /tmp/w$1) &&
				echo good >/run/work$1
			rm -f /tmp/w$1
		}
		for i in 0 1 2 3 4 5 6 7; do
			size=$((1 << (12 + i)))
			work $i $size &
		done
		wait
		cat /run/work[0-7]
		test "$(cat /run/work[0-7] | wc -l)" -eq 8'
}

# More dirty pages than the shared memory holds, and then eight writers, who leave the pieces in
# the opposite order, at a device that stands still until somebody waits: nothing fails.
# (Which disk is main is asked before: the device itself answers that.)
back_pressure() {
	guest -t 600 'set -e
		disk main >/run/main
		d=$(cat /run/main)
		random_file /tmp/b 48
		dd if=/tmp/b of=/dev/$d bs=1M conv=fsync 2>/dev/null
		echo 3 >/proc/sys/vm/drop_caches
		test $(dd if=/dev/$d bs=1M count=48 2>/dev/null | sum) = $(sum /tmp/b)'
	backend_pause airlockd
	guest 'd=$(cat /run/main)
		waits=$(cat /sys/block/$d/airlock/waits)
		waited() { test $(cat /sys/block/$d/airlock/waits) -gt $waits; }
		write() {
			dd if=/tmp/b of=/dev/$d bs=1M count=6 skip=$((6 * $1)) seek=$((42 - 6 * $1)) \
				oflag=direct && echo good >/run/piece$1
		}
		for i in 0 1 2 3 4 5 6 7; do
			write $i >/dev/null 2>&1 &
		done
		wait_for 1200 waited || die "nobody waits"'
	backend_resume airlockd
	guest -t 600 'set -e
		d=$(cat /run/main)
		end() { test "$(cat /run/piece[0-7] | wc -l)" -eq 8; }
		wait_for 2400 end || die "only $(cat /run/piece[0-7] | wc -l) ended well"
		expected=$(for i in 7 6 5 4 3 2 1 0; do
				dd if=/tmp/b bs=1M count=6 skip=$((6 * i)) 2>/dev/null
			done | sum)
		test $(dd if=/dev/$d bs=1M count=48 iflag=direct 2>/dev/null | sum) = $expected
		rm /tmp/b'
}

need_machine
backend_sanitized
machine_new "${MACHINE:-window}" 32
set_up
ADD_PROGRAMS=$(command -v dd) machine_boot
TAP_ALSO=machine_complaints
tap_test "the drivers find their disks" boots
tap_test "the rings are ${RING:-split}" machine_rings
tap_test "a disk has the size of its image" has_size main "$MAIN_BYTES"
tap_test "a disk of an odd size has that size" has_size odd "$ODD_BYTES"
tap_test "the audit lists what is shared, all of it from the machine's own provider" audited
tap_test "ext4 keeps its data over unmount and mount" keeps_files
tap_test "what was flushed is in the image" flush_reaches_image
tap_test "synchronous writes are flushed one by one" synchronous_writes
tap_test "partitions are found and do not touch each other" partitions_apart
tap_test "a read-only disk reads and is not changed" read_only_stays
tap_test "I/O of odd sizes at odd places" odd_sizes
tap_test "the last sector is the last" last_sector
tap_test "direct I/O in blocks of 4 KiB" direct_io 4096 1024
tap_test "direct I/O in blocks of 64 KiB" direct_io 65536 256
tap_test "direct I/O in blocks of 8 MiB" direct_io 8388608 4
tap_test "eight processes at once" parallel_io
tap_test "more dirty pages than bounce memory" back_pressure
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
