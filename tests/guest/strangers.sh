#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The drivers with a device that is not ours: QEMU's own virtio-blk and virtio-net, through
# the same window. Here the NIC has MSI-X vectors (see kinds.sh for where else).
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

disk_works() {
	guest 'set -e
		modprobe airlock_blk
		d=/dev/$(need_disk main)
		random_file /tmp/x 16
		dd if=/tmp/x of=$d bs=1M oflag=direct 2>/dev/null
		test $(dd if=$d bs=1M count=16 iflag=direct 2>/dev/null | sum) = $(sum /tmp/x)
		sum /tmp/x' >"$WORK/theirs"
	[ "$(cat "$WORK/theirs")" = "$(head -c 16M "$WORK/main.img" | sha256sum | cut -d ' ' -f 1)" ] ||
		fail "the image differs from what the guest wrote"
}

nic_works() {
	guest "set -e
		modprobe airlock_net
		up $MAC $GUEST/24
		traffic tcp $HOST 7000 8000000 65536
		traffic udp $HOST 7000 50 1000"
}

has_vectors() {
	guest "set -e
		nic=/sys/class/net/\$(nic $MAC)/device
		ls \$nic/msi_irqs
		test \$(ls \$nic/msi_irqs | wc -l) -ge 2"
}

unloads() {
	guest 'rmmod airlock_net && rmmod airlock_blk && rmmod airlock'
}

need_machine
machine_new "${MACHINE:-window}"
truncate -s 64M "$WORK/main.img"
net_new
net_tap tap0 "$HOST/24"
net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
machine_qemu_disk main "$WORK/main.img"
machine_qemu_nic nic "$MAC" tap0
machine_boot
TAP_ALSO=machine_complaints
tap_test "QEMU's own disk works through the window" disk_works
tap_test "QEMU's own NIC works through the window" nic_works
tap_test "the rings are ${RING:-split}" machine_rings
tap_test "it has a vector for each of its queues" has_vectors
tap_test "the modules unload" unloads
tap_test "the guest powers off" machine_off
tap_done
