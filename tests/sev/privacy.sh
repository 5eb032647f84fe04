#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A secret in private memory is never found in what the host sees: with the guest booted,
# under I/O, after devices were reset, after the modules were unloaded, and after a kexec out
# of a guest that used them. A reboot closes every page before the machine is reset.
#
#	environment: M_FLIP=noise for a machine where what a page held is lost when it is
#	opened or closed; there the modules must not rely on it
#
# Theory
#   The secret is in anonymous memory, in tmpfs, which is page cache and in the cache
#   of a file system; sentinel.sh has it in slab, pages, and around frames. The
#   emulator shows what was in a page when it is opened, so that a page that still holds it
#   would tell. At the end the secret is written to the disk, to
#   show that the search finds it then.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# nowhere - the secret is in nothing that the host sees, and the guest still has it
nowhere() {
	local status=0

	machine_search "$WORK/token" >"$WORK/found" || status=$?
	[ "$status" -eq 0 ] || {
		cat "$WORK/found"
		fail "the search ended with $status"
	}
}

# in_private MIB - the private backing holds that much of it, so there is something to be found
in_private() {
	local address bytes

	read -r address bytes < <(memory_private)
	echo "0 $bytes" >"$WORK/everything"
	pages held "$M_PID" "$address" "$WORK/everything" "$WORK/token" >"$WORK/held"
	[ "$(memory_bytes "$WORK/held")" -ge $(($1 << 20)) ] ||
		fail "the guest holds the secret in $(memory_bytes "$WORK/held") bytes only"
}

booted() {
	guest 'canary_start 32
		mkfs.ext4 -q -F /tmp/cached.img 16M
		mkdir -p /mnt
		mount -o loop /tmp/cached.img /mnt
		for i in 1 2 3 4 5 6 7 8; do
			cat /token /token /token /token >/mnt/f$i
		done
		cat /mnt/f* >/dev/null'
	in_private 64
	nowhere
}

works() {
	guest "set -e
		d=/dev/\$(need_disk main)
		random_file /tmp/x 16
		dd if=/tmp/x of=\$d bs=1M oflag=direct 2>/dev/null
		test \$(dd if=\$d bs=1M count=16 iflag=direct 2>/dev/null | sum) = \$(sum /tmp/x)
		up $MAC $GUEST/24
		traffic tcp $HOST 7000 4000000 65536"
}

under_io() {
	guest 'modprobe -a airlock_blk airlock_net'
	works
	nowhere
}

after_reset() {
	guest 'set -e
		for pci in $(pci_of /sys/block/$(disk main)/device) $(pci_of /sys/class/net/$(nic '"$MAC"')/device); do
			echo $pci >/sys/bus/pci/drivers/airlock/unbind
			echo $pci >/sys/bus/pci/drivers/airlock/bind
		done'
	works
	nowhere
}

after_unload() {
	guest 'rmmod airlock_net && rmmod airlock_blk && rmmod airlock && canary_end'
	memory_none
	# What the program held is free memory now, and not all of it as it was; the file is.
	in_private 32
	nowhere
}

# In the midst of use, and without a word to the drivers but the kernel's own.
after_kexec() {
	guest 'canary_start 32 && modprobe -a airlock_blk airlock_net'
	works
	machine_next
	machine_kexec
	guest 'test ! -e /run/canary.pid'
	nowhere
	guest 'canary_start 32 && modprobe -a airlock_blk airlock_net'
	works
	nowhere
}

# The search that found nothing does find what the host was meant to see.
search_works() {
	local status=0

	guest 'set -e
		for i in 1 2 3 4 5 6 7; do cat /token /token; done >/tmp/t
		dd if=/tmp/t of=/dev/$(disk main) bs=4k conv=sync oflag=direct 2>/dev/null'
	machine_search "$WORK/token" >"$WORK/found" || status=$?
	cat "$WORK/found"
	[ "$status" -eq 1 ] || fail "the search ended with $status"
	# Not only in the image, which the back-end has open.
	awk '$1 == "mapped" || $1 == "shared" { hits += $3 } END { exit !hits }' "$WORK/found" ||
		fail "not found in what is mapped or shared"
}

# With a reader under way.
before_reboot() {
	memory_audit
	guest '(while dd if=/dev/$(disk main) of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done) &'
	memory_reboot "$WORK/audit"
}

need_machine sev
machine_new sev
head -c 32 /dev/urandom >"$WORK/token"
eval "$("$TOP/tests/lib/kernel.sh")"
cp "$VMLINUZ" "$WORK/vmlinuz"
"$TOP/tests/machine/initramfs.sh" "$WORK/initramfs.next" "$WORK/token"
machine_disk_and_nic
machine_boot "$WORK/token" "$WORK/vmlinuz" "$WORK/initramfs.next"
memory_mark
TAP_ALSO=machine_complaints
tap_test "booted: the guest holds the secret, the host does not see it" booted
tap_test "under I/O" under_io
tap_test "after a reset of both devices" after_reset
tap_test "after unloading, when every page is private again" after_unload
tap_test "after a kexec" after_kexec
tap_test "the same search finds the secret when it was written to the disk" search_works
tap_test "a reboot closes every page first" before_reboot
tap_done
