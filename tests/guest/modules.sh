#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Coming and going: modules, bindings, devices and back-ends, idle and with I/O in
# flight. After each of these what is left must work.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly SPARE_MAC=52:54:00:a1:0c:02 BUSY_MAC=52:54:00:a1:0c:03 LOST_MAC=52:54:00:a1:0c:04

# Each disk and NIC is for one way to lose it; main and $MAC stay to the end. Those
# that are called lost have a back-end of their own, which will be killed.
set_up() {
	local id

	net_new
	net_tap tap0 "$HOST/24"
	net_tap tap1 198.51.100.1/24
	net_tap tap2 203.0.113.1/24
	net_tap tap3 100.64.0.1/24
	for id in main spare busy lost late; do
		truncate -s 64M "$WORK/$id.img"
	done
	machine_disk main "$WORK/main.img" airlockd serial=main
	machine_disk spare "$WORK/spare.img" airlockd serial=spare
	machine_disk busy "$WORK/busy.img" airlockd serial=busy
	machine_disk lost "$WORK/lost.img" lost serial=lost
	machine_disk late "$WORK/late.img" lost serial=late
	machine_nic nic "$MAC" tap=tap0
	machine_nic spare-nic "$SPARE_MAC" tap=tap1
	machine_nic busy-nic "$BUSY_MAC" tap=tap2
	machine_nic lost-nic "$LOST_MAC" tap=tap3 lost
	net_serve echo 7000 "$BUILD/guest/traffic" serve 0.0.0.0 7000
}

# works - main disk and NIC move data and say the truth
works() {
	guest "set -e
		d=/dev/\$(need_disk main)
		random_file /tmp/w 4
		dd if=/tmp/w of=\$d bs=256k conv=fsync 2>/dev/null
		blockdev --flushbufs \$d
		test \$(dd if=\$d bs=256k count=16 2>/dev/null | sum) = \$(sum /tmp/w)
		up $MAC $GUEST/24
		traffic tcp $HOST 7000 1000000 65536"
}

# The order in which modules come and go, as far as they do not need each other.
load_unload() {
	guest "set -e
		modprobe airlock
		modprobe $1
		modprobe $2"
	works
	guest "set -e
		! rmmod airlock 2>/dev/null || die 'airlock left while it was needed'
		rmmod $3
		rmmod $4
		rmmod airlock
		! grep -q '^airlock' /proc/modules || die 'a module stayed'
		! ls /sys/block | grep airblk || die 'a disk stayed'
		test -z \"\$(nic $MAC)\" || die 'an interface stayed'"
}

unload_untouched() {
	guest "set -e
		for i in 1 2 3 4 5; do
			modprobe -a airlock_net airlock_blk
			rmmod airlock_net
			rmmod airlock_blk
			rmmod airlock
		done"
}

load_both() {
	guest "modprobe -a airlock_blk airlock_net"
	works
}

both_at_once() {
	guest -t 600 "d=/dev/\$(disk main)
		(random_file /tmp/x 32 && dd if=/tmp/x of=\$d bs=1M oflag=direct 2>/dev/null &&
			dd if=\$d bs=1M count=32 iflag=direct 2>/dev/null | cmp - /tmp/x &&
			echo good >/run/disk) &
		(traffic tcp $HOST 7000 12000000 65536 && echo good >/run/net) &
		(traffic udp $HOST 7000 300 1000 && echo good >/run/udp) &
		wait
		rm -f /tmp/x
		cat /run/disk /run/net /run/udp"
}

# A mounted disk keeps its module; an interface in use does not, and its traffic ends.
unload_in_use() {
	guest "set -e
		d=/dev/\$(disk main)
		mkfs.ext4 -q \$d
		mkdir -p /mnt
		mount -t ext4 \$d /mnt
		! rmmod airlock_blk 2>/dev/null || die 'the module of a mounted disk left'
		random_file /mnt/f 2
		umount /mnt"
	guest "traffic tcp $HOST 7000 1000000000 65536 >/dev/null 2>&1 &
		traffic=\$!
		wait_for 1200 connected 7000 || die 'no connection'
		rmmod airlock_net || die 'it does not leave'
		kill \$traffic
		modprobe airlock_net || die 'it does not come back'"
	works
}

# rebind DISK-OR-NIC COMMAND - unbind and bind its PCI function
rebind() {
	guest "set -e
		pci=\$(pci_of $1)
		drivers=/sys/bus/pci/drivers/airlock
		test -e \$drivers/\$pci || die \"\$pci is not bound to airlock\"
		echo \$pci >\$drivers/unbind
		test ! -e \$drivers/\$pci
		echo \$pci >\$drivers/bind
		test -e \$drivers/\$pci"
	works
}

rebind_disk() {
	rebind '/sys/block/$(disk main)/device'
}

rebind_nic() {
	rebind "/sys/class/net/\$(nic $MAC)/device"
}

# Readers of the disk get errors or end of data when it goes; they do not hang.
rebind_busy() {
	guest "set -e
		d=\$(disk main)
		pci=\$(pci_of /sys/block/\$d/device)
		busy() {
			while dd if=/dev/\$d of=/dev/null bs=64k iflag=direct 2>/dev/null &&
				[ -b /dev/\$d ]; do :; done
		}
		before=\$(awk '{ print \$1 }' /sys/block/\$d/stat)
		busy &
		busy=\$!
		wait_for 1200 reads \$d \$((before + 20))
		echo \$pci >/sys/bus/pci/drivers/airlock/unbind
		wait \$busy || true
		echo \$pci >/sys/bus/pci/drivers/airlock/bind"
	works
}

unplug_idle() {
	machine_unplug spare || fail "the guest did not give the disk back"
	machine_unplug spare-nic || fail "the guest did not give the NIC back"
	guest "! disk spare && ! nic $SPARE_MAC" || fail "the guest still shows what is gone"
	works
}

# Whoever uses them gets an error and ends.
unplug_busy() {
	guest "up $BUSY_MAC 203.0.113.2/24 && ping -c 1 -W 60 203.0.113.1"
	start_churn busy
	start_iperf 203.0.113.1
	guest 'test ! -e /run/churn-busy.end || die "the data was wrong"'
	machine_unplug busy || fail "the guest did not give the disk back"
	machine_unplug busy-nic || fail "the guest did not give the NIC back"
	guest "! disk busy && ! nic $BUSY_MAC" || fail "the guest still shows what is gone"
	guest -t 600 'churn_breaks busy && iperf_breaks'
	works
}

# A back-end dies in the midst of I/O on two disks and a NIC. Others go on at once.
back_end_killed() {
	guest -t 600 "set -e
		up $LOST_MAC 100.64.0.2/24
		ping -c 1 -W 60 100.64.0.1
		pci_of /sys/class/net/\$(nic $LOST_MAC)/device >/run/lost-nic
		for s in lost late; do
			d=\$(disk \$s)
			echo 3000 >/sys/block/\$d/queue/io_timeout
			pci_of /sys/block/\$d/device >/run/\$s-disk
			(while dd if=/dev/urandom of=/dev/\$d bs=64k oflag=direct 2>/dev/null; do :; done
				echo ended >/run/\$s-ended) >/dev/null 2>&1 &
			wait_for 1200 writes \$d 20
		done
		(traffic tcp 100.64.0.1 7000 1000000000 65536) >/dev/null 2>&1 &
		wait_for 1200 connected 7000"
	backend_kill lost
	works
	backend_alive airlockd || fail "the other back-end ended too"
}

# With requests in flight that nobody will answer.
unbind_lost() {
	guest "set -e
		for f in /run/lost-disk /run/lost-nic; do
			echo \$(cat \$f) >/sys/bus/pci/drivers/airlock/unbind
		done
		wait_for 1200 test -e /run/lost-ended"
	works
}

late_errors() {
	guest -t 600 'echo 0 >/sys/module/airlock/parameters/recover_tries
		wait_for 2400 test -e /run/late-ended
		echo $(cat /run/late-disk) >/sys/bus/pci/drivers/airlock/unbind'
	works
}

unload_last() {
	guest "set -e
		rmmod airlock_blk
		rmmod airlock_net
		rmmod airlock"
}

need_machine
backend_sanitized
machine_new "${MACHINE:-window}" 64
set_up
churn_programs
machine_boot
TAP_ALSO=machine_complaints
tap_test "load net, blk; unload net, blk" load_unload airlock_net airlock_blk airlock_net airlock_blk
tap_test "load blk, net; unload net, blk" load_unload airlock_blk airlock_net airlock_net airlock_blk
tap_test "load net, blk; unload blk, net" load_unload airlock_net airlock_blk airlock_blk airlock_net
tap_test "load blk, net; unload blk, net" load_unload airlock_blk airlock_net airlock_blk airlock_net
tap_test "load and unload without any I/O, five times" unload_untouched
tap_test "both modules are there and work" load_both
tap_test "disk and network at once" both_at_once
tap_test "unload while in use" unload_in_use
tap_test "unbind and bind a disk" rebind_disk
tap_test "unbind and bind a NIC" rebind_nic
tap_test "unbind a disk that is being read" rebind_busy
tap_test "unplug an idle disk and an idle NIC" unplug_idle
tap_test "unplug a disk and a NIC under I/O" unplug_busy
tap_test "a back-end is killed under I/O, the others go on" back_end_killed
tap_test "devices without a back-end can be unbound, their I/O ends" unbind_lost
tap_test "I/O that no back-end answers ends with an error" late_errors
tap_test "the modules unload after all that" unload_last
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
