#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A card of airlockd's with two pairs of queues: both are used, their port leaves and joins the tap as the guest
# has one or two, and a daemon that is killed and comes back serves both again.
set -euo pipefail
CPUS=${CPUS:-2}
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

load() {
	guest "modprobe airlock_net && up $MAC $GUEST/24 && nic $MAC >/run/nic &&
		ethtool -l \$(cat /run/nic) | tr -s '\\t\\n ' ' ' | grep 'Current.*Combined: 2 '"
}

# Connections on both processors at once; each byte of them is checked.
connections() {
	guest -t 600 "rm -f /run/good*
		for i in 0 1 2 3 4 5 6 7; do
			(taskset \$((1 << i % 2)) traffic tcp $HOST 7000 500000 65536 && touch /run/good\$i) &
		done
		wait
		test \$(ls /run/good* | wc -l) -eq 8 || die 'not all connections are good'"
}

# both_used - frames come by each pair
both_used() {
	local before0 before1

	before0=$(counter rx0_packets) before1=$(counter rx1_packets)
	connections
	counter_above rx0_packets "$((before0 + 20))" && counter_above rx1_packets "$((before1 + 20))" ||
		fail "a pair was not used"
}

one_pair() {
	local before

	guest 'ethtool -L $(cat /run/nic) combined 1'
	before=$(counter rx1_packets)
	connections
	[ "$(counter rx1_packets)" -eq "$before" ] || fail "frames came by a pair that is not there"
}

two_again() {
	guest 'ethtool -L $(cat /run/nic) combined 2'
	both_used
}

killed_and_back() {
	backend_kill airlockd
	backend_start airlockd
	guest -t 900 "once() { traffic tcp $HOST 7000 200000 65536; }
		wait_for 20 once"
	both_used
}

need_machine
M_RECONNECT=1
machine_new "${MACHINE:-window}"
net_new
net_tap tap0 "$HOST/24" 1500 multi_queue
machine_nic nic "$MAC" tap=tap0,queues=2 airlockd mq=on queues=2
net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
machine_boot
TAP_ALSO=machine_complaints
tap_test "the card has two pairs" load
tap_test "both carry frames, and every byte is right" both_used
tap_test "with one pair all comes by that" one_pair
tap_test "with two again by both" two_again
tap_test "a daemon that is killed and comes back serves both" killed_and_back
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
