#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whose a device is where virtio_pci is loaded too: airlock's, when a softdep of modprobe's
# configuration loads it first, or when a device is moved to it, by hand (airlockctl) or by
# udev's rule. The plain machine, because virtio_pci's devices work only there before they
# are moved.
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
	guest "up $MAC $GUEST/24 && ping -c 2 -W 60 $HOST && traffic tcp $HOST 7000 4000000 65536"
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

# An interface that was up and had traffic; the disk stays mainline's.
moved_by_hand() {
	guest "set -e
		modprobe airlock provider=dma
		modprobe airlock_net
		airlockctl bind \$(pci_of /sys/class/net/\$(nic $MAC)/device)"
	nic_bound_to airlock
	nic_works
	guest 'disk main | grep ^vd'
}

# To say so again changes nothing.
moved_back() {
	guest "set -e
		dev=\$(pci_of /sys/class/net/\$(nic $MAC)/device)
		airlockctl unbind \$dev
		airlockctl unbind \$dev"
	nic_bound_to virtio-pci
	nic_works
}

# stays DEVICE REASON - airlock does not get it, says why, and all is as it was
stays() {
	guest "set -e
		! airlockctl bind $1 2>/run/why || die 'it was moved'
		cat /run/why
		test \$(wc -l </run/why) -eq 1
		grep -q '^airlockctl: $2' /run/why
		grep -q '(null)' /sys/bus/pci/devices/$1/driver_override"
	nic_bound_to virtio-pci
	nic_works
}

# At last with all modules, but there is no window to share.
refused() {
	local dev

	dev=$(guest "dev=\$(pci_of /sys/class/net/\$(nic $MAC)/device)
		echo >/sys/bus/pci/devices/\$dev/driver_override
		rmmod airlock_net; rmmod airlock; echo \$dev" | tr -d '\r\n')
	stays "$dev" "$dev: airlock_net is not loaded: modprobe airlock_net"
	guest 'modprobe airlock provider=window && modprobe airlock_net'
	stays "$dev" "$dev: airlock did not take it (No such device); it has driver virtio-pci now"
	machine_log_has "$dev: .*window" || fail "the log does not say why"
	guest 'rmmod airlock_net && rmmod airlock'
}

# A disk that is mounted stays, whoever has it, and what was written to it moves with it.
mounted_disk() {
	guest 'set -e
		modprobe airlock provider=dma
		modprobe airlock_blk
		dev=$(pci_of /sys/block/$(disk main)/device)
		mkfs.ext4 -q /dev/$(disk main)
		mount -t ext4 /dev/$(disk main) /mnt
		! airlockctl bind $dev 2>/run/why || die "a mounted disk was moved"
		grep -q "the disk is in use: unmount it first" /run/why
		echo kept >/mnt/file
		umount /mnt
		airlockctl bind $dev
		need_disk main | grep ^airblk
		mount -t ext4 /dev/$(disk main) /mnt
		grep -qx kept /mnt/file
		! airlockctl unbind $dev 2>/run/why || die "a mounted disk was moved back"
		grep -q "the disk is in use" /run/why
		umount /mnt
		airlockctl unbind $dev
		need_disk main | grep ^vd
		mount -t ext4 /dev/$(disk main) /mnt
		grep -qx kept /mnt/file
		umount /mnt'
}

# all_ours - disk and NIC are airlock's, and work
all_ours() {
	guest "need_disk main | grep ^airblk && dd if=/dev/\$(disk main) bs=64k count=1 iflag=direct >/dev/null"
	nic_bound_to airlock
	nic_works
}

# All rules that a Debian guest has for drivers, and ours. What is there already is told again.
udev_at_boot() {
	guest -t 900 "set -e
		modprobe airlock_net
		mkdir -p /usr/sbin /lib/udev/rules.d /etc/udev /lib/systemd
		ln -s /sbin/airlockctl /usr/sbin/airlockctl
		cp /*.rules /lib/udev/rules.d/
		for dev in /sys/block/\$(disk main) /sys/class/net/\$(nic $MAC); do
			echo >/sys/bus/pci/devices/\$(pci_of \$dev/device)/driver_override
		done
		ln -s /sbin/udevadm /lib/systemd/systemd-udevd
		/lib/systemd/systemd-udevd --daemon
		udevadm trigger --action=add
		udevadm settle"
	all_ours
}

# What was given away stays away, however often devices are told anew.
udev_leaves() {
	guest -t 900 "set -e
		airlockctl unbind \$(pci_of /sys/class/net/\$(nic $MAC)/device)
		udevadm trigger --action=add
		udevadm settle"
	nic_bound_to virtio-pci
	nic_works
}

# As if they were plugged in: a virtio_pci that is built in is asked before any rule is.
udev_plugged_in() {
	guest -t 900 "set -e
		disk=\$(pci_of /sys/block/\$(disk main)/device)
		nic=\$(pci_of /sys/class/net/\$(nic $MAC)/device)
		echo 1 >/sys/bus/pci/devices/\$disk/remove
		echo 1 >/sys/bus/pci/devices/\$nic/remove
		! disk main || die 'the disk is still there'
		echo 1 >/sys/bus/pci/rescan
		udevadm settle"
	all_ours
}

need_machine
backend_sanitized
machine_new plain
machine_disk_and_nic
udevadm=$(command -v udevadm) || die "udevadm is not installed: run tests/lib/install.sh"
ADD_PROGRAMS=$udevadm machine_boot "$TOP/driver/60-airlock.rules" /lib/udev/rules.d/80-drivers.rules
TAP_ALSO=machine_complaints
tap_test "with a softdep, loading virtio_pci gives all to airlock" softdep_first
tap_test "without airlock the same devices are virtio_pci's" mainline_first
tap_test "airlockctl moves a NIC in use from virtio_pci to airlock" moved_by_hand
tap_test "and back again" moved_back
tap_test "a NIC that airlock refuses stays with virtio_pci" refused
tap_test "a disk is moved with what is on it, but not while it is mounted" mounted_disk
tap_test "udev's rule gives to airlock what virtio_pci has" udev_at_boot
tap_test "udev's rule leaves alone what was given away" udev_leaves
tap_test "udev's rule gives to airlock what is plugged in" udev_plugged_in
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
