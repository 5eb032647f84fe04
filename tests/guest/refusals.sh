#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the drivers refuse, and that they say why: module parameters out of range, a device
# that is not a modern one, a machine without a window.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

# said REGEX - the guest's kernel must have said it since the last test
said() {
	machine_log_has "$1" || {
		machine_log_since
		fail "the log does not have: $1"
	}
}

# refuses MODULE PARAMETER REGEX
refuses() {
	guest "! modprobe $1 $2 || die 'it was accepted'
		! grep -q '^$1 ' /proc/modules"
	said "$3"
}

# A value at each end of what is allowed is accepted.
accepts() {
	guest "modprobe $1 $2 && rmmod $1"
}

# It answers to the function's number that was virtio's before there were capabilities.
legacy() {
	local pci

	guest '! grep -q "^airlock " /proc/modules || rmmod airlock
		modprobe airlock_blk; ! ls /sys/block | grep airblk && nothing_shared'
	machine_refused 1 'no common configuration capability: not a modern virtio device'
	pci=$(sed -n 's/: refused: no common .*//p' "$WORK/refused")
	guest "test -e /sys/bus/pci/devices/$pci && test ! -e /sys/bus/pci/devices/$pci/driver &&
		rmmod airlock_blk && rmmod airlock"
}

no_window() {
	guest 'modprobe -a airlock_blk airlock_net
		! disk main && ! grep -l 52:54 /sys/class/net/*/address && nothing_shared'
	machine_refused 2 'no window.*memory-backend-memfd.*ivshmem-plain'
	guest 'rmmod airlock_blk && rmmod airlock_net && rmmod airlock'
}

need_machine
machine_new window 0
truncate -s 16M "$WORK/main.img" "$WORK/legacy.img"
machine_disk main "$WORK/main.img" airlockd serial=main
machine_qemu_disk legacy "$WORK/legacy.img" disable-legacy=off,disable-modern=on,iommu_platform=off
net_new
net_tap tap0 192.0.2.1/24
machine_nic nic 52:54:00:a1:0c:01 tap=tap0
machine_boot
TAP_ALSO=machine_complaints
tap_test "an unknown provider is refused" refuses airlock provider=magic \
	'provider=magic is not one of auto, window, decrypt, dma'
tap_test "blk: a depth of 0 is refused" refuses airlock_blk depth=0 'depth=0: must be 1 to 512'
tap_test "blk: a depth of 513 is refused" refuses airlock_blk depth=513 'depth=513: must be 1 to 512'
tap_test "blk: a depth of 512 is accepted" accepts airlock_blk depth=512
tap_test "blk: a pool of 255 KiB is refused" refuses airlock_blk pool_kib=255 \
	'pool_kib=255: must be 256 to 2048'
tap_test "blk: a pool of 258 KiB is refused" refuses airlock_blk pool_kib=258 \
	'pool_kib=258: .*multiple of 4'
tap_test "net: 96 receive slots are refused" refuses airlock_net rx_slots=96 \
	'rx_slots=96: must be a power of two from 64 to 1024'
tap_test "net: receive slots of 1024 bytes are refused" refuses airlock_net rx_slot_bytes=1024 \
	'rx_slot_bytes=1024: must be a power of two from 2048 to 16384'
tap_test "net: 1024 receive slots of 16384 bytes are refused" refuses airlock_net \
	'rx_slots=1024 rx_slot_bytes=16384' \
	'rx_slots=1024 of rx_slot_bytes=16384: more than 2048 KiB together'
tap_test "net: a transmit FIFO of 255 KiB is refused" refuses airlock_net tx_fifo_kib=255 \
	'tx_fifo_kib=255: must be 256 to 2048'
tap_test "net: a transmit FIFO of 2048 KiB is accepted" accepts airlock_net tx_fifo_kib=2048
tap_test "a legacy device is refused, and nothing of it is used" legacy
tap_test "without a window nothing is shared, and it is said why" no_window
tap_test "the guest powers off" machine_off
tap_done
