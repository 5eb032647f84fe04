#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device that fails is reset and brought up again, while others wait for it: a host that
# lies, one that does not answer, a back-end that dies and comes back. No request gets an
# error, all data is right, and traffic goes on.
#
# Theory
#   Each test disturbs work that tests/machine/churn.sh starts. A lie is written into the
#   ring by the host, from outside (pages.py stray).
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly OTHER=198.51.100.1 OTHER_MAC=52:54:00:a1:0c:02
readonly TORN=203.0.113.1 TORN_MAC=52:54:00:a1:0c:03

set_up() {
	machine_disk_and_nic
	net_tap tap1 "$OTHER/24"
	truncate -s 64M "$WORK/other.img"
	machine_disk other "$WORK/other.img" other serial=other
	machine_nic other-nic "$OTHER_MAC" tap=tap1 other
	net_tap tap2 "$TORN/24"
	truncate -s 64M "$WORK/torn.img"
	machine_disk torn "$WORK/torn.img" torn serial=torn
	machine_nic torn-nic "$TORN_MAC" tap=tap2 torn
	net_serve echo-torn 7002 "$BUILD/guest/traffic" serve "$TORN" 7002
	net_serve echo-other 7001 "$BUILD/guest/traffic" serve "$OTHER" 7001
}

load() {
	guest "set -e
		modprobe -a airlock_blk airlock_net
		up $MAC $GUEST/24
		up $OTHER_MAC 198.51.100.2/24
		up $TORN_MAC 203.0.113.2/24
		for s in main other torn; do
			d=\$(need_disk \$s)
			pci_of /sys/block/\$d/device >/run/\$s-pci
			echo 10000 >/sys/block/\$d/queue/io_timeout
		done
		pci_of /sys/class/net/\$(nic $MAC)/device >/run/nic-pci
		pci_of /sys/class/net/\$(nic $OTHER_MAC)/device >/run/other-nic-pci
		pci_of /sys/class/net/\$(nic $TORN_MAC)/device >/run/torn-nic-pci"
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
	start_iperf
	recovers nic lie nic "$1"
	iperf_ends_well
	traffic_ends_well
}

# Down, it fails; opened while it is down or later, it works.
lying_closed_nic() {
	guest "ip link set \$(nic $MAC) down"
	find_ring nic rx0
	stray_used
	recovers nic guest "ip link set \$(nic $MAC) up"
	guest "ip address replace $GUEST/24 dev \$(nic $MAC)"
	traffic_works
}

# unanswered - has the guest said so since the last test? (It is not asked: its processors may be
# waiting for the back-end.)
unanswered() {
	machine_log_since | grep -aq 'q0: no answer to a request'
}

# A back-end that stands still for longer than a request may take.
stuck_disk() {
	local before

	before=$(recovered main)
	start_churn main
	backend_pause airlockd
	wait_for 300 unanswered || {
		backend_resume airlockd
		fail "it waits for ever"
	}
	backend_resume airlockd
	churn_ends main
	wait_for 300 more_recovered main "$before" || fail "the disk was not reset"
}

# A back-end that stands still for longer than a card may complete nothing.
stuck_nic() {
	local before pci

	pci=$(address_of other-nic)
	before=$(recovered other-nic)
	start_churn main
	start_iperf "$OTHER"
	# TCP waits for acknowledgements when nothing passes, and leaves room: this does not.
	guest "ping -s 60000 $OTHER >/run/ping.log 2>&1 &
		echo \$! >/run/ping"
	backend_pause other
	wait_for 300 grep -aq "$pci .*tx0: the device completes nothing" "$WORK/console.log" || {
		backend_resume other
		fail "it waits for ever"
	}
	backend_resume other
	wait_for 300 more_recovered other-nic "$before" || fail "the card was not reset"
	guest 'kill $(cat /run/ping) 2>/dev/null || true'
	iperf_ends_well
	churn_ends main
}

killed_and_back() {
	start_churn main other
	start_iperf
	guest "traffic tcp $OTHER 7001 100000 65536"
	backend_kill other
	sleep 1
	backend_start other
	churn_ends main other
	iperf_ends_well
	guest -t 900 "wait_for 10 traffic tcp $OTHER 7001 1000000 65536"
	traffic_works
}

# Without any attempt left a device is lost: errors, no hang; and it can be bound again.
lost() {
	# On a loaded machine a request may well take ten seconds: that is not what is to fail.
	guest "echo 0 >/sys/module/airlock/parameters/recover_tries
		echo 30000 >/sys/block/\$(disk main)/queue/io_timeout"
	start_churn main
	lie main q0
	guest -t 600 'churn_breaks main'
	start_traffic
	lie nic rx0
	wait_for 300 machine_log_has 'the link is down for good' || fail "the NIC is not lost"
	guest 'set -e
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

# Surprise removal: slots lose their power in the midst of I/O. That is a bit in the slot control of
# the root port's PCI Express capability, which is set here behind the kernel's back; without the
# byte before it, or QEMU takes it for the end of an orderly removal. Whoever waits gets an
# error; the kernel is told later, and nothing is left but the pages: a host may say that a device
# is gone which still writes, so they are not used again.
torn_out() {
	start_churn torn
	start_iperf "$TORN"
	guest "echo 3000 >/sys/block/\$(disk torn)/queue/io_timeout
		(traffic tcp $TORN 7002 1000000000 65536; echo \$? >/run/torn-traffic.end) >/run/torn.log 2>&1 &
		wait_for 1200 connected 7002 || die 'no connection'
		test ! -e /run/churn-torn.end || die 'the data was wrong'"
	guest -t 900 'set -e
		byte() { od -An -tu1 -j "$1" -N 1 $port/config | tr -d " "; }
		for f in torn torn-nic; do
			pci=$(cat /run/$f-pci)
			port=$(dirname $(readlink -f /sys/bus/pci/devices/$pci))
			at=52
			until [ "$(byte $at)" = 16 ] && [ "$at" != 52 ]; do
				at=$(byte $((at == 52 ? at : at + 1)))
			done
			printf "\\007" | dd of=$port/config bs=1 seek=$((at + 25)) conv=notrunc 2>/dev/null
			test $(od -An -tx1 -N2 /sys/bus/pci/devices/$pci/config | tr -d " ") = ffff || die "$f is still there"
		done
		churn_breaks torn
		wait_for 1800 grep -qsx 1 /run/torn-traffic.end || die "the connection goes on"
		for f in torn torn-nic; do
			echo 1 >/sys/bus/pci/devices/$(cat /run/$f-pci)/remove
			! grep "^$(cat /run/$f-pci) " /sys/kernel/debug/airlock/regions | grep -v " leaked " || die "it is still shared"
		done
		iperf_breaks'
	traffic_works
}

need_machine
backend_sanitized
M_RECONNECT=1
machine_new "${MACHINE:-window}" 64
set_up
churn_programs
machine_boot
TAP_ALSO=machine_complaints
tap_test "disks and cards are there" load
tap_test "case 04: a disk whose used index lies is reset, its requests are sent again" lying_disk
tap_test "case 04: a card whose receive queue lies is reset, its connections go on" lying_nic rx0
tap_test "case 04: a card whose transmit queue lies is reset, its connections go on" lying_nic tx0
tap_test "a card that fails while it is down works when it is up" lying_closed_nic
tap_test "case 32: a disk that does not answer in time is reset, its requests are sent again" stuck_disk
tap_test "case 25: a card that completes nothing is reset, its connections go on" stuck_nic
tap_test "case 43: a disk and a card that are torn out end their I/O, and their pages stay apart" torn_out
# Behind it a back-end is gone for good, and to ask its disk for its name takes long.
tap_test "case 52: a back-end that was killed comes back, its disk and card go on" killed_and_back
tap_test "a device that is given up ends its I/O, and can be bound again" lost
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
