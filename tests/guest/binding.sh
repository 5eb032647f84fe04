#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whose a device is where virtio_pci is loaded too: airlock's, when a softdep of modprobe's
# configuration loads it first, or when a device is moved to it by hand. The plain machine,
# because virtio_pci's devices work only there before they are moved.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# nic_bound_to NAME - that driver has the NIC
nic_bound_to() {
	guest "set -e
		driver=\$(readlink /sys/bus/pci/devices/\$(pci_of /sys/class/net/\$(need_nic $MAC)/device)/driver)
		test \${driver##*/} = $1 || die \"it is bound to \$driver\""
}

nic_works() {
	guest -t 120 "up $MAC $GUEST/24 && ping -c 2 -W 10 $HOST && traffic tcp $HOST 7000 4000000 65536"
}

# Nothing but virtio_pci is asked for; kmod's modprobe does the rest.
softdep_first() {
	! guest 'built_in virtio_pci' ||
		skip "virtio_pci is built into this kernel: nothing can be loaded before it"
	guest 'set -e
		mkdir -p /etc/modprobe.d
		echo "softdep virtio_pci pre: airlock airlock_blk airlock_net" >/etc/modprobe.d/airlock.conf
		echo "options airlock provider=dma" >>/etc/modprobe.d/airlock.conf
		/sbin/kmod.d/modprobe virtio_pci
		/sbin/kmod.d/modprobe -a virtio_blk virtio_net
		grep -q ^virtio_pci /proc/modules || die "virtio_pci is not loaded"
		need_disk main >/run/disk
		grep ^airblk /run/disk || die "the disk is $(cat /run/disk)"
		! ls /sys/bus/pci/drivers/virtio-pci | grep ^0000 || die "virtio_pci has a device"
		random_file /tmp/x 4
		dd if=/tmp/x of=/dev/$(cat /run/disk) bs=64k oflag=direct 2>/dev/null
		dd if=/dev/$(cat /run/disk) bs=64k count=64 iflag=direct 2>/dev/null | cmp - /tmp/x'
	nic_bound_to airlock
	nic_works
}

# Without airlock all is mainline's. (Where the test before was skipped, airlock is not there.)
mainline_first() {
	guest 'set -e
		for module in airlock_net airlock_blk airlock; do
			! grep -q "^$module " /proc/modules || rmmod $module
		done
		mainline
		need_disk main | grep ^vd'
	nic_bound_to virtio-pci
	nic_works
}

# move DRIVER - as README.md says
move() {
	guest "set -e
		dev=\$(pci_of /sys/class/net/\$(nic $MAC)/device)
		echo \$dev >/sys/bus/pci/devices/\$dev/driver/unbind
		echo $1 >/sys/bus/pci/devices/\$dev/driver_override
		echo \$dev >/sys/bus/pci/drivers_probe"
	nic_bound_to "$1"
	nic_works
}

# An interface that was up and had traffic; the disk stays mainline's.
moved_by_hand() {
	guest 'modprobe airlock provider=dma && modprobe airlock_net'
	move airlock
	guest 'disk main | grep ^vd'
}

moved_back() {
	move virtio-pci
	guest 'rmmod airlock_net && rmmod airlock'
}

need_machine
backend_sanitized
machine_new plain
machine_disk_and_nic
machine_boot
TAP_ALSO=machine_complaints
tap_test "with a softdep, loading virtio_pci gives all to airlock" softdep_first
tap_test "without airlock the same devices are virtio_pci's" mainline_first
tap_test "a NIC in use is moved from virtio_pci to airlock by driver_override" moved_by_hand
tap_test "and back again" moved_back
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
