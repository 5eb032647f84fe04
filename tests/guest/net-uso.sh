#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Segmentation of UDP is left to the other side: by the guest to the host, and by the host to
# the guest. In a window, with a QEMU that lets a back-end offer it (net-uso.patch), and with
# Linux 6.12, since the helpers of 6.1's stack do not know it.
#
# Theory
#   A program that asks for it (UDP_SEGMENT) hands its kernel many datagrams in one piece. Who
#   cuts it up shows in how many packets pass the tap: as many as pieces, or as datagrams.
set -euo pipefail
KERNEL_SERIES=6.12
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly MAC=52:54:00:a1:0c:01 HOST=192.0.2.1 GUEST=192.0.2.2
readonly HALF_MAC=52:54:00:a1:0c:02 HALF_HOST=198.51.100.1 HALF_GUEST=198.51.100.2
# In pieces, each of so many datagrams of so many bytes.
readonly PIECES=40 DATAGRAMS=30 BYTES=500

# passed WAY COMMAND WORD... - sets PASSED, how many packets went that way (net_packets) meanwhile
passed() {
	local way=$1 before

	shift
	before=$(net_packets tap0 "$way")
	"$@"
	PASSED=$(($(net_packets tap0 "$way") - before))
	echo "$PASSED packets for $((PIECES * DATAGRAMS)) datagrams in $PIECES pieces"
}

from_guest() {
	guest "traffic segments $HOST 7000 $PIECES $BYTES $DATAGRAMS"
}

loads() {
	guest "modprobe airlock_net && up $MAC $GUEST/24
		ethtool -k \$(nic $MAC) | grep '^tx-udp-segmentation: on'"
	guest "traffic serve $GUEST 7001 >/run/serve.log 2>&1 &
		wait_for 1200 grep -q serving /run/serve.log"
}

guest_leaves_it() {
	passed rx from_guest
	[ "$PASSED" -lt $((4 * PIECES)) ] || fail "the guest cuts up"
}

host_leaves_it() {
	passed tx net_exec "$BUILD/guest/traffic" segments "$GUEST" 7001 "$PIECES" "$BYTES" "$DATAGRAMS"
	[ "$PASSED" -lt $((4 * PIECES)) ] || fail "the host cuts up"
}

switched_off() {
	guest "ethtool -K \$(nic $MAC) tx-udp-segmentation off"
	passed rx from_guest
	[ "$PASSED" -ge $((PIECES * DATAGRAMS)) ] || fail "it is still left to the device"
	guest "ethtool -K \$(nic $MAC) tx-udp-segmentation on"
	guest_leaves_it
}

# The device is told not to join datagrams, and to do so again, by name of the features.
joining() {
	guest "ethtool -K \$(nic $MAC) rx-gro-hw off && ethtool -K \$(nic $MAC) rx-gro-hw on"
	! machine_log_has 'its offloads' || fail "the device refuses"
	host_leaves_it
}

# A device that would join datagrams of IPv4 only, which headers do not tell apart from others.
half() {
	guest "up $HALF_MAC $HALF_GUEST/24 && traffic tcp $HALF_HOST 7002 4000000 65536"
	guest "traffic segments $HALF_HOST 7002 10 $BYTES $DATAGRAMS"
}

# It is for larger frames than the receive slots are: nothing else of the card suffers.
tcp_beside() {
	guest "traffic segments $HOST 7000 $PIECES $BYTES $DATAGRAMS &
		traffic tcp $HOST 7000 8000000 65536 && wait \$!"
}

need_machine
need_machine sev
printf '%s\n' 6.2 "$(uname -r)" | sort -V -C || tap_skip_all "taps of this machine's kernel cannot cut up UDP"
backend_sanitized
export QEMU
QEMU=$("$TOP/tests/machine/emulator.sh")
machine_new window
net_new
net_tap tap0 "$HOST/24"
machine_nic nic "$MAC" tap=tap0 airlockd host_uso=on,guest_uso4=on,guest_uso6=on
net_tap tap1 "$HALF_HOST/24"
machine_nic half "$HALF_MAC" tap=tap1 airlockd guest_uso4=on
net_serve echo-half 7002 "$BUILD/guest/traffic" serve "$HALF_HOST" 7002
net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
machine_boot
TAP_ALSO=machine_complaints
tap_test "the driver offers segmentation of UDP to the stack" loads
tap_test "the guest leaves it to the host" guest_leaves_it
tap_test "the host leaves it to the guest" host_leaves_it
tap_test "it can be switched off and on" switched_off
tap_test "the device can be told not to join datagrams" joining
tap_test "a device that can it for IPv4 only goes without" half
tap_test "TCP beside it goes on" tcp_beside
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
