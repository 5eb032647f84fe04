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
	wait_for 120 machine_qmp_has "$where" '"main-mac"' || return
	machine_line_from qmp "$where" | grep '"main-mac"' >"$WORK/filter"
	grep -Eq "$1" "$WORK/filter"
}

# filter REGEX... - soon all of this is so
filter() {
	local regex

	for regex in "$@"; do
		wait_for 120 told "$regex" || fail "not so: $regex: $(cat "$WORK/filter")"
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
	wait_for 120 got_more v5 20 || fail "frames of the VLAN are lost"
	before=$(got "$nic")
	tagged 7
	tagged 5
	wait_for 120 got_more v5 40 || fail "frames of the VLAN are lost"
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
	guest "refuses 'Cannot assign requested address' \
		ip link set \$(cat /run/nic) address 01:00:5e:00:00:09"
}

knows_guest() {
	net_exec ip neigh show to "$GUEST" | grep -q lladdr
}

announces() {
	net_exec ip neigh flush dev tap0
	! knows_guest || fail "the host did not forget the guest"
	machine_qmp '{"execute":"announce-self","arguments":{"initial":50,"max":550,"rounds":3,"step":50}}'
	wait_for 120 knows_guest || fail "the guest did not announce itself"
}

# received - frames that came, as the driver counts them
received() {
	counter rx0_packets
}

# frames BYTES - how many come while so many bytes do
frames() {
	local before

	before=$(received)
	guest "traffic tcp $HOST 7000 $1 65536" >&2
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

# stacked - packets that IP got
stacked() {
	guest "awk '/^Ip:/ { n = \$4 } END { print n }' /proc/net/snmp" | tr -dc '0-9'
}

# per_packet - frames for each packet that IP gets of them, in hundredths
per_packet() {
	local frames packets

	frames=$(received) packets=$(stacked)
	traffic_works 4000000 >&2
	frames=$(($(received) - frames)) packets=$(($(stacked) - packets))
	[ "$frames" -ge $((4000000 / 1448)) ] || fail "only $frames frames came"
	echo $((frames * 100 / packets))
}

# Frames that come one by one are joined by the stack, which sees those that an interrupt found
# together; rx-usecs lets there be such. How many there are is the host's business, which may have
# time for few at once: so more than once, until there are.
stack_joins() {
	local without with tries=10

	guest "ethtool -K \$(cat /run/nic) rx-gro-hw off gro off &&
		ethtool -C \$(cat /run/nic) rx-usecs 1000"
	without=$(per_packet)
	[ "$without" -le 120 ] ||
		fail "$without hundredths of frames for each packet: something else joins them"
	guest "ethtool -K \$(cat /run/nic) gro on"
	until with=$(per_packet) && [ "$with" -ge 200 ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "$with hundredths of frames for each packet: the stack does not"
	done
	guest "ethtool -C \$(cat /run/nic) rx-usecs 0"
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

# A command that waits for its answer finds a lie there; what was told before is told again, and further
# commands are listened to.
lying_commands() {
	need_lies
	on_exit guest 'touch /run/enough'
	guest 'rm -f /run/enough /run/over
		nic=$(cat /run/nic)
		(while [ ! -e /run/enough ]; do
			ifconfig $nic allmulti
			ifconfig $nic -allmulti
		done >/dev/null 2>&1
		touch /run/over) &'
	recovers nic lie nic ctrl
	guest 'touch /run/enough
		until [ -e /run/over ]; do sleep 1; done
		ifconfig $(cat /run/nic) allmulti'
	filter '"multicast": "all"' "\"main-mac\": \"$NEW_MAC\""
	guest 'ifconfig $(cat /run/nic) -allmulti'
	filter '"multicast": "normal"'
	traffic_works
}

needs_reset() {
	need_lies
	start_traffic
	start_iperf
	recovers nic asks_for_reset nic tx0
	iperf_ends_well
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
	wait_for 120 sizes 64 128 || fail "the rings have other sizes"
	traffic_ends_well
	guest "ethtool -g \$(cat /run/nic) | tr -s '\\t ' ' ' | tr '\\n' ';' | grep 'Current.*RX: 64;.*TX: 128;'"
	# No power of two, too few, and more than fit.
	guest "for ring in 'rx 100' 'tx 32' 'rx 512'; do
			refuses 'Invalid argument' ethtool -G \$(cat /run/nic) \$ring
		done"
	sizes 64 128
	guest "ethtool -G \$(cat /run/nic) rx 256 tx 256"
	wait_for 120 sizes 256 256 || fail "the rings have other sizes"
	guest "wait_for 100 ping -c 1 -W 1 $HOST"
	traffic_works
	! machine_log_has 'failed:' || fail "it is reported as a failure"
}

# In microseconds, from one datagram to the next. Which of them shows whether interrupts are put
# off depends on how fast the guest is: when it is not done with a frame and the next one comes, it
# needs no interrupt in any case, and when that comes long after, none can be spared.
readonly PACES='200 500 1000 2000 4000 8000'

# one_way MICROSECONDS - the host sends 400 datagrams at that pace, which is what queues hold
one_way() {
	net_exec python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(400):
    s.sendto(bytes(100), (sys.argv[1], 9))
    time.sleep(int(sys.argv[2]) / 1e6)
' "$GUEST" "$1"
}

# received_until N - have so many frames come?
received_until() {
	[ "$(received)" -ge "$1" ]
}

# per_call USECS PACE - frames for each interrupt, in hundredths, with rx-usecs at that
per_call() {
	local frames called

	guest "ethtool -C \$(cat /run/nic) rx-usecs $1" >&2
	frames=$(received) called=$(passed_on nic rx0)
	one_way "$2"
	# Some may have been lost on the way.
	wait_for 120 received_until $((frames + 300)) ||
		fail "$(($(received) - frames)) of 400 frames came"
	frames=$(($(received) - frames)) called=$(($(passed_on nic rx0) - called))
	echo $((frames * 100 / (called + 1)))
}

# spares_at PACE - the guest keeps that pace without rx-usecs, and with it most interrupts are spared;
# three times in turn, for what else the host does looks like that now and then
spares_at() {
	local without with

	for _ in 1 2 3; do
		without=$(per_call 0 "$1") || fail "$without"
		echo "at $1 us, hundredths of frames for each interrupt: $without without"
		[ "$without" -le 300 ] || return
		with=$(per_call 1000 "$1") || fail "$with"
		echo "and $with with"
		[ "$with" -gt $((6 * without)) ] || return
	done
}

# spares - it does so at one of the paces
spares() {
	local pace

	for pace in $PACES $PACES $PACES; do
		! spares_at "$pace" || return 0
	done
	fail "there are not fewer interrupts"
}

coalesces() {
	guest "ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 0'"
	spares
	guest "ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 1000'"
	traffic_works
	# The second is refused by the kernel, in other words where it has no netlink for ethtool.
	guest "refuses 'Invalid argument' ethtool -C \$(cat /run/nic) rx-usecs 1001
		! said=\$(ethtool -C \$(cat /run/nic) tx-usecs 10 2>&1) || die 'it is accepted'
		echo \"\$said\" | grep 'unsupported parameter\|Operation not supported'"
	if can_lie; then
		start_traffic
		recovers nic lie nic rx0
		traffic_ends_well
	fi
	guest "ethtool -c \$(cat /run/nic) | tr -s '\\t ' ' ' | grep -x 'rx-usecs: 1000'
		ethtool -C \$(cat /run/nic) rx-usecs 0"
}

# waits COMMAND [QUEUE...] - for how long the next look may be put off, as ethtool shows it
waits() {
	guest "ethtool $1 \$(cat /run/nic) ${2:-} | tr -s '\\t ' ' ' | sed -n 's/^rx-usecs: //p'" | tr -dc '0-9'
}

# The kernel's moderation finds a time by itself when many frames come, and many looks find some. It
# is the queue's, for as long as there is moderation; what was set stays so.
adapts() {
	local pace chosen=0

	guest "ethtool -C \$(cat /run/nic) adaptive-rx on"
	for pace in $PACES $PACES $PACES; do
		one_way "$pace"
		chosen=$(waits -Q 'queue_mask 0x1 --show-coalesce')
		[ "$chosen" -eq 0 ] || break
	done
	[ "$chosen" -gt 0 ] || fail "it chose no time"
	traffic_works
	guest "ip link set \$(cat /run/nic) down && ip link set \$(cat /run/nic) up
		ip address replace $GUEST/24 dev \$(cat /run/nic)
		ethtool -C \$(cat /run/nic) adaptive-rx off"
	[ "$(waits -c)" -eq 0 ] || fail "what moderation chose stays without it"
	traffic_works
}

# busy_polls - how often a frame was found by whoever waits for it
busy_polls() {
	guest "awk '/^TcpExt/ { if (n++) { print \$i } else for (i = 1; \$i != \"BusyPollRxPackets\"; i++); }' \
		/proc/net/netstat" | tr -dc '0-9'
}

# Interrupts are put off while somebody polls, or whoever is first finds the frame. (Who polls may
# be kept from it for longer than that: so more than once.)
busy() {
	local before tries=10

	before=$(busy_polls)
	until [ "$(busy_polls)" -gt "$before" ]; do
		tries=$((tries - 1))
		[ "$tries" -ge 0 ] || fail "none was found by polling"
		polled_traffic
	done
	traffic_works
}

polled_traffic() {
	guest "set -e
		nic=/sys/class/net/\$(cat /run/nic)
		echo 1000 >\$nic/napi_defer_hard_irqs
		echo 100000000 >\$nic/gro_flush_timeout
		echo 50000 >/proc/sys/net/core/busy_read
		echo 50000 >/proc/sys/net/core/busy_poll
		traffic udp $HOST 7000 200 64
		echo 0 >/proc/sys/net/core/busy_read
		echo 0 >/proc/sys/net/core/busy_poll
		echo 0 >\$nic/napi_defer_hard_irqs
		echo 0 >\$nic/gro_flush_timeout"
}

# lost COUNTER OFFSET COMMAND WORD... - the host changes what the ring that was found has at OFFSET,
# which says when the other side is to be told; a frame of the command's comes through all the
# same, and is counted. (Whoever comes between the two makes it right again: so more than once.)
lost() {
	local name=$1 offset=$2 tries=50 before

	shift 2
	before=$(counter "$name")
	until [ "$(counter "$name")" -gt "$before" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "no frame is counted as $name"
		pages stray "$M_PID" "$((ADDRESS + offset))"
		"$@" || fail "a frame does not come through"
	done
	traffic_works
}

# used_event of the split ring, by which the driver, which now sleeps, has asked for a call
lost_call() {
	need_lies
	find_ring nic rx0
	lost rx0_late $((18 * SIZE + 4)) net_exec ping -c 1 -W 60 "$GUEST"
}

# avail_event, by which the device, which now waits, has asked for a kick
lost_kick() {
	need_lies
	find_ring nic tx0
	lost tx0_late_kicks $(((18 * SIZE + 6 + 63) / 64 * 64 + 4 + 8 * SIZE)) \
		guest "ping -c 1 -W 60 $HOST"
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
		wait_for 1200 down || die 'the link is up'
		! ethtool -t \$(cat /run/nic) || die 'it is said to be well'
		ethtool -t \$(cat /run/nic) | grep 'link up.*1'
		ethtool -t \$(cat /run/nic) | grep 'control queue answers.*0'"
	machine_qmp '{"execute":"set_link","arguments":{"name":"nic","up":true}}'
	guest "up() { test \$(cat /sys/class/net/\$(cat /run/nic)/carrier) = 1; }
		wait_for 1200 up || die 'the link is down'"
	traffic_works
}

# The stack refuses these for us, by the limits that it was told.
mtu() {
	guest "refuses 'Invalid argument' ip link set \$(cat /run/nic) mtu 60
		refuses 'Invalid argument' ip link set \$(cat /run/nic) mtu 65536
		ip link set \$(cat /run/nic) mtu 65535 && ip link set \$(cat /run/nic) mtu 1500"
}

need_machine
machine_new "${MACHINE:-window}"
set_up
churn_programs
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
tap_test "where it is, the stack joins them" stack_joins
tap_test "all of it is told again after a reset" told_again
tap_test "case 04: the queue of commands lies, and the card is reset" lying_commands
tap_test "case 36: a card that asks for a reset gets it, its connections go on" needs_reset
tap_test "rings can be shorter, and as long as before" rings
tap_test "rx-usecs means fewer interrupts" coalesces
tap_test "adaptive-rx chooses a time by itself" adapts
tap_test "a socket finds frames by busy polling" busy
tap_test "case 46: a frame is found when the call for it is lost" lost_call
tap_test "case 11: a frame is sent when the kick for it is lost" lost_kick
tap_test "the self-test tells what works" well
tap_test "and that the link is gone, which comes back" link_goes
tap_test "an MTU out of range is refused" mtu
tap_test "the guest powers off" machine_off
tap_done
