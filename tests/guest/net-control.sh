#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a NIC is told: which frames it is to pass on, its address, VLANs, whether to join
# segments; what it asks for, an announcement; and what ethtool sets and tells. The NIC is
# QEMU's own, which does all of it and says, when asked (query-rx-filter), what it was told.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01 NEW_MAC=52:54:00:a1:0c:77

set_up() {
	net_new
	net_tap tap0 "$HOST/24"
	# The address of the guest is learnt from an announcement, too.
	net_exec sysctl -q -w net.ipv4.conf.tap0.arp_accept=1
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
	machine_qemu_nic nic "$MAC" tap0
}

loads() {
	guest "set -e
		modprobe airlock_net
		up $MAC $GUEST/24
		nic $MAC >/run/nic
		pci_of /sys/class/net/\$(nic $MAC)/device >/run/nic-pci"
	traffic_works
}

# told REGEX - what the NIC says of its filter; one line
told() {
	local where

	where=$(machine_line_end qmp)
	machine_qmp '{"execute":"query-rx-filter","arguments":{"name":"nic"}}'
	wait_for 20 machine_qmp_has "$where" '"main-mac"' || return
	machine_line_from qmp "$where" | grep '"main-mac"' >"$WORK/filter"
	grep -Eq "$1" "$WORK/filter"
}

# filter REGEX... - soon all of this is so
filter() {
	local regex

	for regex in "$@"; do
		wait_for 20 told "$regex" || fail "not so: $regex: $(cat "$WORK/filter")"
	done
}

usual() {
	filter '"promiscuous": false' '"unicast": "normal"' '"multicast": "normal"' \
		'"multicast-table": \[.*"01:00:5e:00:00:01"' "\"main-mac\": \"$MAC\""
}

modes() {
	guest "ip link set \$(cat /run/nic) promisc on"
	filter '"promiscuous": true'
	guest "ip link set \$(cat /run/nic) promisc off"
	filter '"promiscuous": false'
	guest "ifconfig \$(cat /run/nic) allmulti"
	filter '"multicast": "all"'
	guest "ifconfig \$(cat /run/nic) -allmulti"
	filter '"multicast": "normal"'
}

# Those that fit are told one by one; of too many all of their kind are let in.
addresses() {
	guest "multicast add \$(cat /run/nic) 1 20"
	filter '"multicast": "normal"' '"multicast-table": \[.*"01:00:5e:7f:00:14"'
	guest "multicast add \$(cat /run/nic) 21 60"
	filter '"multicast": "all"'
	guest "multicast del \$(cat /run/nic) 1 80"
	filter '"multicast": "normal"'
	! told '01:00:5e:7f:00:14' || fail "an address is still there"
	guest "set -e
		modprobe macvlan
		ip link add link \$(cat /run/nic) name mv0 type macvlan
		ip link set mv0 address 52:54:00:a1:0c:99 up"
	filter '"unicast-table": \["52:54:00:a1:0c:99"\]' '"promiscuous": false'
	guest "ip link del mv0"
	filter '"unicast-table": \[\]'
}

# tagged VID - send 20 frames of that VLAN to the guest, from the host
tagged() {
	net_exec python3 -c '
import socket, sys
mac, vid = bytes.fromhex(sys.argv[1].replace(":", "")), int(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("tap0", 0))
for _ in range(20):
    s.send(mac + b"\2\0\0\0\0\1" + b"\x81\0" + vid.to_bytes(2, "big") + b"\x88\xb5" + bytes(50))
' "$MAC" "$1"
}

# got INTERFACE - packets that it received, as the stack counts them
got() {
	guest "cat /sys/class/net/$1/statistics/rx_packets" | tr -dc '0-9'
}

got_more() {
	[ "$(got "$1")" -ge "$2" ]
}

vlans() {
	local nic before

	nic=$(guest 'cat /run/nic' | tr -d '\n')
	guest "set -e
		modprobe 8021q
		ip link add link $nic name v5 type vlan id 5
		ip link set v5 up"
	filter '"vlan-table": \[(.*, )?5(,.*)?\]'
	tagged 5
	wait_for 20 got_more v5 20 || fail "frames of the VLAN are lost"
	before=$(got "$nic")
	tagged 7
	tagged 5
	wait_for 20 got_more v5 40 || fail "frames of the VLAN are lost"
	[ $(($(got "$nic") - before)) -lt 40 ] || fail "frames of another VLAN come through"
	guest "ip link add link $nic name v7 type vlan id 7"
	filter '"vlan-table": \[(.*, )?7(,.*)?\]'
	guest 'ip link del v7'
	! told '"vlan-table": \[(.*, )?7(,.*)?\]' || fail "a VLAN is still there"
}

# other_address MAC - while the interface is up
other_address() {
	guest "ip link set \$(cat /run/nic) address $1"
	filter "\"main-mac\": \"$1\""
	guest "ping -c 3 -W 5 $HOST"
	! guest "ip link set \$(cat /run/nic) address 01:00:5e:00:00:09" ||
		fail "it takes a multicast address"
}

knows_guest() {
	net_exec ip neigh show to "$GUEST" | grep -q lladdr
}

announces() {
	net_exec ip neigh flush dev tap0
	! knows_guest || fail "the host did not forget the guest"
	machine_qmp '{"execute":"announce-self","arguments":{"initial":50,"max":550,"rounds":3,"step":50}}'
	wait_for 30 knows_guest || fail "the guest did not announce itself"
}

# received - frames that came, as the driver counts them
received() {
	guest "ethtool -S \$(cat /run/nic) | sed -n 's/.*rx0_packets: //p'" | tr -dc '0-9'
}

# frames BYTES - how many come while so many bytes do
frames() {
	local before

	before=$(received)
	guest -t 120 "traffic tcp $HOST 7000 $1 65536" >&2
	echo $(($(received) - before))
}

# joins, joins_not - segments, so that there are fewer frames, or as many as on a wire
joins() {
	local n

	n=$(frames 8000000)
	[ "$n" -lt $((8000000 / 1448)) ] || fail "$n frames: nothing is joined"
}

joins_not() {
	local n

	n=$(frames 8000000)
	[ "$n" -ge $((8000000 / 1448)) ] || fail "$n frames: they are joined"
}

segments() {
	joins
	guest "ethtool -K \$(cat /run/nic) rx-gro-hw off"
	joins_not
}

# All that was told is told again to a NIC that was reset.
told_again() {
	need_lies
	guest "ifconfig \$(cat /run/nic) allmulti; multicast add \$(cat /run/nic) 1 2"
	start_traffic
	recovers nic lie nic rx0
	traffic_ends_well
	filter '"multicast": "all"' '"multicast-table": \[.*"01:00:5e:7f:00:02"' \
		'"vlan-table": \[(.*, )?5(,.*)?\]' "\"main-mac\": \"$NEW_MAC\"" '"promiscuous": false'
	joins_not
	guest "ethtool -K \$(cat /run/nic) rx-gro-hw on; ifconfig \$(cat /run/nic) -allmulti"
}

needs_reset() {
	need_lies
	start_traffic
	recovers nic asks_for_reset nic tx0
	traffic_ends_well
}

# sizes RX TX - the rings have so many descriptors
sizes() {
	guest "pci=\$(cat /run/nic-pci)
		cat /sys/kernel/debug/airlock/queues
		grep -q \"^\$pci rx0 size=$1 \" /sys/kernel/debug/airlock/queues &&
		grep -q \"^\$pci tx0 size=$2 \" /sys/kernel/debug/airlock/queues"
}

rings() {
	sizes 256 256
	start_traffic
	guest "ethtool -G \$(cat /run/nic) rx 64 tx 128"
	wait_for 30 sizes 64 128 || fail "the rings have other sizes"
	traffic_ends_well
	guest "ethtool -g \$(cat /run/nic) | tr -s '\\t ' ' ' | tr '\\n' ';' | grep 'Current.*RX: 64;.*TX: 128;'"
	guest "! ethtool -G \$(cat /run/nic) rx 100 || die '100 is a power of two'
		! ethtool -G \$(cat /run/nic) tx 32 || die '32 is enough'
		! ethtool -G \$(cat /run/nic) rx 512 || die '512 fit'"
	sizes 64 128
	guest "ethtool -G \$(cat /run/nic) rx 256 tx 256"
	wait_for 30 sizes 256 256 || fail "the rings have other sizes"
	guest "wait_for 100 ping -c 1 -W 1 $HOST"
	traffic_works
	! machine_log_has 'failed:' || fail "it is reported as a failure"
}

# calls - interrupts of the receive queue, as the driver counts them
calls() {
	guest "sed -n \"s/^\$(cat /run/nic-pci) rx0 .* calls=\([0-9]*\) .*/\1/p\" /sys/kernel/debug/airlock/queues" |
		tr -dc '0-9'
}

# one_way - datagrams that the host sends as fast as it can, for a second or so
one_way() {
	net_exec python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    for _ in range(5):
        s.sendto(bytes(100), ("'"$GUEST"'", 9))
    time.sleep(0.0002)
'
}

# per_call COMMAND - frames for each interrupt while it runs, in hundredths
per_call() {
	local frames called

	frames=$(received) called=$(calls)
	"$@"
	frames=$(($(received) - frames)) called=$(($(calls) - called))
	[ "$frames" -gt 500 ] || fail "only $frames frames came"
	echo $((frames * 100 / (called + 1)))
}

coalesces() {
	local without with

	guest "ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 0'"
	without=$(per_call one_way)
	guest "ethtool -C \$(cat /run/nic) rx-usecs 1000 &&
		ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 1000'"
	with=$(per_call one_way)
	echo "hundredths of frames for each interrupt: $without without, $with with"
	[ "$with" -gt $((4 * without)) ] || fail "there are not fewer interrupts"
	traffic_works
	guest "! ethtool -C \$(cat /run/nic) rx-usecs 1001 || die '1001 are taken'
		! ethtool -C \$(cat /run/nic) tx-usecs 10 || die 'it delays transmission'"
	if can_lie; then
		start_traffic
		recovers nic lie nic rx0
		traffic_ends_well
	fi
	guest "ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 1000'
		ethtool -C \$(cat /run/nic) rx-usecs 0"
}

# The kernel's moderation finds a time by itself when many frames come.
adapts() {
	local tries=10

	guest "ethtool -C \$(cat /run/nic) adaptive-rx on rx-usecs 0"
	until guest "! ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 0'"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "it chose no time"
		one_way
	done
	traffic_works
	guest "ip link set \$(cat /run/nic) down && ip link set \$(cat /run/nic) up
		ip address replace $GUEST/24 dev \$(cat /run/nic)
		ethtool -C \$(cat /run/nic) adaptive-rx off rx-usecs 0"
	traffic_works
}

# busy_polls - how often a frame was found by whoever waits for it
busy_polls() {
	guest "awk '/^TcpExt/ { if (n++) { print \$i } else for (i = 1; \$i != \"BusyPollRxPackets\"; i++); }' \
		/proc/net/netstat" | tr -dc '0-9'
}

busy() {
	local before

	before=$(busy_polls)
	guest -t 120 "echo 2000 >/proc/sys/net/core/busy_read
		echo 2000 >/proc/sys/net/core/busy_poll
		traffic udp $HOST 7000 200 64"
	[ "$(busy_polls)" -gt "$before" ] || fail "none was found by polling"
	guest "echo 0 >/proc/sys/net/core/busy_read; echo 0 >/proc/sys/net/core/busy_poll"
	traffic_works
}

well() {
	guest "set -e
		ethtool -t \$(cat /run/nic)
		ethtool -i \$(cat /run/nic) | grep 'driver: airlock_net'
		ethtool -i \$(cat /run/nic) | grep \"bus-info: \$(cat /run/nic-pci)\""
}

# A frame that is on its way when the link goes is dropped by QEMU 7.2, which then wants no kick of
# a packed queue any more (virtqueue_packed_drop_all()).
link_goes() {
	[ "${RING:-split}" = split ] || skip "QEMU 7.2 may stop to serve a packed queue when its link goes"
	machine_qmp '{"execute":"set_link","arguments":{"name":"nic","up":false}}'
	guest "down() { test \$(cat /sys/class/net/\$(cat /run/nic)/carrier) = 0; }
		wait_for 100 down || die 'the link is up'
		! ethtool -t \$(cat /run/nic) || die 'it is said to be well'
		ethtool -t \$(cat /run/nic) | grep 'link up.*1'
		ethtool -t \$(cat /run/nic) | grep 'control queue answers.*0'"
	machine_qmp '{"execute":"set_link","arguments":{"name":"nic","up":true}}'
	guest "up() { test \$(cat /sys/class/net/\$(cat /run/nic)/carrier) = 1; }
		wait_for 100 up || die 'the link is down'"
	traffic_works
}

# The stack refuses these for us, by the limits that it was told.
mtu() {
	guest "! ip link set \$(cat /run/nic) mtu 60 || die '60 bytes are an MTU'
		! ip link set \$(cat /run/nic) mtu 65536 || die '65536 bytes are an MTU'
		ip link set \$(cat /run/nic) mtu 65535 && ip link set \$(cat /run/nic) mtu 1500"
}

need_machine
machine_new "${MACHINE:-window}"
set_up
machine_boot
TAP_ALSO=machine_complaints
tap_test "the driver finds its interface" loads
tap_test "the device is told the interface's addresses" usual
tap_test "it is told of promiscuous and all-multicast modes" modes
tap_test "it is told further addresses, or to let all in when they are too many" addresses
tap_test "it is told which VLANs are wanted" vlans
tap_test "it is told a new address while the interface is up" other_address "$NEW_MAC"
tap_test "the guest announces itself when the device asks for that" announces
tap_test "joining of segments can be switched off" segments
tap_test "all of it is told again after a reset" told_again
tap_test "a card that asks for a reset gets it, its connections go on" needs_reset
tap_test "rings can be shorter, and as long as before" rings
tap_test "rx-usecs means fewer interrupts" coalesces
tap_test "adaptive-rx chooses a time by itself" adapts
tap_test "a socket finds frames by busy polling" busy
tap_test "the self-test tells what works" well
tap_test "and that the link is gone, which comes back" link_goes
tap_test "an MTU out of range is refused" mtu
tap_test "the guest powers off" machine_off
tap_done
