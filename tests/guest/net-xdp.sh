#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# XDP programs on airlock's interfaces: pass, drop, send back, redirect. The NICs are QEMU's
# own, which join no segments when they are told so.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly OTHER=198.51.100.1 OTHER_MAC=52:54:00:a1:0c:02 UDP_PORT=4242

set_up() {
	net_new
	net_tap tap0 "$HOST/24" 9000
	net_tap tap1 "$OTHER/24"
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
	machine_qemu_nic nic "$MAC" tap0
	machine_qemu_nic other "$OTHER_MAC" tap1
}

load() {
	guest "set -e
		modprobe airlock_net
		up $MAC $GUEST/24
		up $OTHER_MAC 198.51.100.2/24
		nic $MAC >/run/nic
		nic $OTHER_MAC >/run/other
		pci_of /sys/class/net/\$(nic $MAC)/device >/run/nic-pci"
}

# program WORD... - attach it
program() {
	guest "xdp \$(cat /run/nic) $* >/run/xdp.log 2>&1 &
		echo \$! >/run/xdp.pid
		wait_for 1200 grep -q ready /run/xdp.log || { cat /run/xdp.log; exit 1; }"
}

# program_ends - detach it; sets COUNT, the frames that it counted
program_ends() {
	COUNT=$(guest 'kill $(cat /run/xdp.pid)
		wait_for 1200 grep -q frames /run/xdp.log
		wait_for 1200 negated kill -0 $(cat /run/xdp.pid) 2>/dev/null
		sed -n "s/ frames//p" /run/xdp.log' | tr -dc '0-9')
}

# joins on|off - does the device join segments?
joins() {
	guest "ethtool -k \$(cat /run/nic) | grep rx-gro-hw
		ethtool -k \$(cat /run/nic) | grep -q 'rx-gro-hw: $1'"
}

passes() {
	joins on
	program pass
	joins off
	traffic_works 2000000
	guest "! ethtool -K \$(cat /run/nic) rx-gro-hw on || die 'segments are joined for a program'"
	program_ends
	[ "$COUNT" -ge $((2000000 / 1448)) ] || fail "it saw $COUNT frames only"
	[ "$(counter rx0_not_for_xdp)" -eq 0 ] || fail "frames were lost"
	joins on
	traffic_works 2000000
}

# datagrams COUNT - from the host to the guest's UDP_PORT
datagrams() {
	net_exec python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[1])):
    s.sendto(bytes([i % 251]) * 500, (sys.argv[2], int(sys.argv[3])))
' "$1" "$GUEST" "$UDP_PORT"
}

dropped() {
	[ "$(counter rx0_xdp_drops)" -eq "$1" ]
}

drops() {
	program drop "$UDP_PORT"
	datagrams 40
	wait_for 120 dropped 40 || fail "$(counter rx0_xdp_drops) frames were dropped"
	traffic_works 2000000
	program_ends
	[ "$COUNT" -eq 40 ] || fail "the program saw $COUNT frames"
	datagrams 5
	traffic_works 2000000
	dropped 40 || fail "frames are dropped without a program"
}

# What the host left to be summed was summed, or it would not take its own back.
sends_back() {
	local size

	program tx "$UDP_PORT"
	for size in 8 64 500 1471 1472; do
		net_exec "$BUILD/guest/traffic" udp "$GUEST" "$UDP_PORT" 30 "$size" || fail "datagrams of $size bytes"
	done
	traffic_works 2000000
	program_ends
	[ "$COUNT" -ge 150 ] || fail "only $COUNT were seen"
	[ "$(counter rx0_xdp_tx)" -eq "$COUNT" ] ||
		fail "$COUNT were seen, $(counter rx0_xdp_tx) sent"
}

# Frames of more than a slot.
long_frames() {
	guest "ip link set \$(cat /run/nic) mtu 3400"
	program tx "$UDP_PORT"
	net_exec "$BUILD/guest/traffic" udp "$GUEST" "$UDP_PORT" 30 3300
	guest "! ip link set \$(cat /run/nic) mtu 3600 || die 'the MTU is too large'"
	program_ends
	guest "set -e
		ip link set \$(cat /run/nic) mtu 3600
		! xdp \$(cat /run/nic) pass || die 'it is attached'
		ip link set \$(cat /run/nic) mtu 1500"
}

# redirected COUNT - what the host sends to the first card comes out of the other
redirected() {
	net_exec python3 -c '
import socket, sys
count, guest, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
out.bind(("tap1", 0))
out.settimeout(120)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(count):
    s.sendto(bytes([i % 251]) * 300, (guest, port))
    while True:
        frame = out.recv(2048)
        if len(frame) == 342 and frame[36:38] == port.to_bytes(2, "big"):
            break
    assert frame[42:] == bytes([i % 251]) * 300, frame
' "$1" "$GUEST" "$UDP_PORT"
}

redirects() {
	program redirect "$UDP_PORT" '$(cat /run/other)'
	redirected 300
	traffic_works 2000000
	program_ends
	[ "$COUNT $(counter rx0_xdp_redirects)" = "300 300" ] ||
		fail "$COUNT were seen, $(counter rx0_xdp_redirects) redirected"
	# Without the carrier nothing is taken, and nothing leaks.
	guest 'ip link set $(cat /run/other) down'
	program redirect "$UDP_PORT" '$(cat /run/other)'
	datagrams 40
	traffic_works 2000000
	program_ends
	guest 'ip link set $(cat /run/other) up'
}

# A flood that no FIFO holds; what is lost is lost, all else goes on.
bulk() {
	program redirect "$UDP_PORT" '$(cat /run/other)'
	datagrams 20000
	traffic_works 2000000
	program_ends
	program tx "$UDP_PORT"
	datagrams 20000
	traffic_works 2000000
	net_exec "$BUILD/guest/traffic" udp "$GUEST" "$UDP_PORT" 30 1000
	program_ends
	[ "$COUNT" -gt 1000 ] || fail "it saw $COUNT frames only"
}

goes_on() {
	need_lies
	program tx "$UDP_PORT"
	start_traffic
	recovers nic lie nic rx0
	traffic_ends_well
	net_exec "$BUILD/guest/traffic" udp "$GUEST" "$UDP_PORT" 30 1000
	guest "ip link set \$(cat /run/nic) down; ip link set \$(cat /run/nic) up"
	guest "ip address replace $GUEST/24 dev \$(cat /run/nic)"
	wait_for 120 net_exec "$BUILD/guest/traffic" udp "$GUEST" "$UDP_PORT" 30 1000
	joins off
	guest 'rmmod airlock_net'
	program_ends
	load
	traffic_works 2000000
}

need_machine
machine_new "${MACHINE:-window}"
set_up
machine_boot
TAP_ALSO=machine_complaints
tap_test "the driver finds its interfaces" load
tap_test "what a program passes comes through, and no segments are joined" passes
tap_test "what a program drops is dropped, and nothing else" drops
tap_test "what a program sends back comes back" sends_back
tap_test "frames of more than a slot are shown whole, within the largest MTU for a program" long_frames
tap_test "what a program redirects comes out of the other interface" redirects
tap_test "floods through a program leave nothing behind" bulk
tap_test "a program stays through a reset and while the interface is down" goes_on
tap_test "the guest powers off" machine_off
tap_done
