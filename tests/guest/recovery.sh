#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device that fails is reset and brought up again, while others wait for it: a host that
# lies, one that does not answer, a back-end that dies and comes back. No request gets an
# error, all data is right, and traffic goes on.
#
# Theory
#   Each test disturbs work that tests/machine/churn.sh starts. A lie is written into the
#   ring by the host, from outside (pages.py poke).
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly OTHER=198.51.100.1 OTHER_MAC=52:54:00:a1:0c:02

set_up() {
	machine_disk_and_nic
	net_tap tap1 "$OTHER/24"
	truncate -s 64M "$WORK/other.img"
	machine_disk other "$WORK/other.img" other serial=other
	machine_nic other-nic "$OTHER_MAC" tap=tap1 other
	net_serve echo-other 7001 "$BUILD/guest/traffic" serve "$OTHER" 7001
}

load() {
	guest -t 120 "set -e
		modprobe -a airlock_blk airlock_net
		up $MAC $GUEST/24
		up $OTHER_MAC 198.51.100.2/24
		for s in main other; do
			d=\$(need_disk \$s)
			pci_of /sys/block/\$d/device >/run/\$s-pci
			echo 3000 >/sys/block/\$d/queue/io_timeout
		done
		pci_of /sys/class/net/\$(nic $MAC)/device >/run/nic-pci
		pci_of /sys/class/net/\$(nic $OTHER_MAC)/device >/run/other-nic-pci
		random_file /run/data 8"
}

lying_disk() {
	start_churn main
	recovers main lie main q0
	recovers main lie main q0
	churn_ends main
	guest "d=\$(disk main)
		test \$(cat /sys/block/\$d/airlock/requeues) -gt 0 || die 'nothing was sent again'"
	machine_log_has 'q0: failed: used index' || fail "the log does not say why"
}

# lying_nic QUEUE - frames are lost, the connection is not
lying_nic() {
	start_traffic
	recovers nic lie nic "$1"
	traffic_ends_well
}

# Down, it fails; opened while it is down or later, it works.
lying_closed_nic() {
	guest "ip link set \$(nic $MAC) down"
	find_ring nic rx0
	poke_used
	recovers nic guest "ip link set \$(nic $MAC) up"
	guest "ip address replace $GUEST/24 dev \$(nic $MAC)"
	traffic_works
}

# A back-end that stands still for longer than a request may take.
stuck_disk() {
	local before

	before=$(recovered main)
	start_churn main
	kill -STOP "${BACKEND_PID[airlockd]}"
	sleep 8
	kill -CONT "${BACKEND_PID[airlockd]}"
	churn_ends main
	wait_for 60 more_recovered main "$before" || fail "the disk was not reset"
}

killed_and_back() {
	start_churn other
	guest "traffic tcp $OTHER 7001 100000 65536"
	backend_kill other
	sleep 1
	backend_start other
	churn_ends other
	guest -t 120 "wait_for 300 traffic tcp $OTHER 7001 1000000 65536"
	traffic_works
}

# Without any attempt left a device is lost: errors, no hang; and it can be bound again.
lost() {
	# On a loaded machine a request may well take the three seconds: that is not what is to fail.
	guest "echo 0 >/sys/module/airlock/parameters/recover_tries
		echo 30000 >/sys/block/\$(disk main)/queue/io_timeout"
	start_churn main
	lie main q0
	guest -t 120 'wait_for 600 test -e /run/churn-main.end || die "I/O does not end"
		! grep -qx good /run/churn-main.end || die "no error"'
	start_traffic
	lie nic rx0
	wait_for 60 machine_log_has 'the link is down for good' || fail "the NIC is not lost"
	guest -t 120 'set -e
		echo 10 >/sys/module/airlock/parameters/recover_tries
		for f in /run/main-pci /run/nic-pci; do
			cat $f >/sys/bus/pci/drivers/airlock/unbind
			cat $f >/sys/bus/pci/drivers/airlock/bind
		done'
	guest "up $MAC $GUEST/24"
	start_churn main
	churn_ends main
	traffic_works
}

need_machine
backend_sanitized
M_RECONNECT=1
machine_new "${MACHINE:-window}" 64
set_up
machine_boot
TAP_ALSO=machine_complaints
tap_test "disks and cards are there" load
tap_test "a disk whose used index lies is reset, its requests are sent again" lying_disk
tap_test "a card whose receive queue lies is reset, its connections go on" lying_nic rx0
tap_test "a card whose transmit queue lies is reset, its connections go on" lying_nic tx0
tap_test "a card that fails while it is down works when it is up" lying_closed_nic
tap_test "a disk that does not answer in time is reset, its requests are sent again" stuck_disk
tap_test "a back-end that was killed comes back, its disk and card go on" killed_and_back
tap_test "a device that is given up ends its I/O, and can be bound again" lost
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
