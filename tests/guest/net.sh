#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an airlock NIC does, in the window machine: one on a tap, one on a stream
# socket to passt, with an airlockd that is not root.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly TAP_MAC=52:54:00:a1:0c:01 STREAM_MAC=52:54:00:a1:0c:02
readonly HOST=192.0.2.1 GUEST=192.0.2.2
# passt gives the guest the namespace's own address, and answers as its router.
readonly PASST_GUEST=203.0.113.1 PASST_ROUTER=203.0.113.254

# passt wants an interface with an address and a default route to take after.
uplink() {
	net_exec ip link add uplink type veth peer name uplink-far
	net_exec ip address add "$PASST_GUEST/24" dev uplink
	net_exec ip link set uplink up
	net_exec ip link set uplink-far up
	net_exec ip route add default via "$PASST_ROUTER"
}

set_up() {
	net_new
	net_tap tap0 "$HOST/24"
	machine_nic tap "$TAP_MAC" tap=tap0
	uplink
	machine_nic stream "$STREAM_MAC" "stream=$WORK/user.d/passt" user
	backend_unprivileged user
	PASST_WHY=''
	backend_passt passt "$WORK/user.d/passt" ||
		PASST_WHY="passt does not run here: $(tail -n 1 "$WORK/passt.log")"
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
	net_serve echo-local 7001 "$BUILD/guest/traffic" serve 127.0.0.1 7001
}

loads() {
	guest "modprobe airlock_net && up $TAP_MAC $GUEST/24 && up $STREAM_MAC $PASST_GUEST/24"
}

pings_host() {
	guest "ping -c 5 -W 5 $HOST" && guest "ping -c 5 -s 1400 -A -W 5 $HOST"
}

host_pings() {
	net_exec ping -n -c 5 -i 0.2 -W 5 "$GUEST"
}

tcp() {
	guest -t 600 "traffic tcp $HOST 7000 $1 $2"
}

udp() {
	local size

	for size in 8 18 19 64 1471 1472; do
		guest "traffic udp $HOST 7000 50 $size" || fail "datagrams of $size bytes"
	done
}

# Datagrams of several frames each.
udp_fragments() {
	local size

	for size in 1473 8000 40000; do
		guest "traffic udp $HOST 7000 20 $size" || fail "datagrams of $size bytes"
	done
}

# Segmentation is left to the other side when far fewer packets pass than frames of the MTU
# would be.
offloads() {
	local rx tx bytes=$((16 << 20))

	rx=$(net_packets tap0 rx) tx=$(net_packets tap0 tx)
	tcp "$bytes" 65536
	rx=$(($(net_packets tap0 rx) - rx)) tx=$(($(net_packets tap0 tx) - tx))
	echo "$rx packets from the guest, $tx to it; $((bytes / 1448)) without offloads"
	[ "$rx" -lt $((bytes / 1448)) ] || fail "the guest segments"
	[ "$tx" -lt $((bytes / 1448)) ] || fail "the host segments"
}

parallel_tcp() {
	guest -t 600 "for i in 1 2 3 4 5 6; do
			(traffic tcp $HOST 7000 2000000 \$((i * 1000)) && echo good >/run/tcp\$i) &
		done
		wait
		test \$(cat /run/tcp[1-6] | wc -l) -eq 6"
}

# Down and up again, and once while a connection is under way.
down_and_up() {
	guest -t 600 "set -e
		nic=\$(nic $TAP_MAC)
		for i in 1 2 3 4 5; do
			ip link set \$nic down
			ip link set \$nic up
			ping -c 1 -W 60 $HOST
		done
		traffic tcp $HOST 7000 40000000 65536 &
		wait_for 1200 connected 7000
		for i in 1 2 3 4 5; do
			ip link set \$nic down
			ip link set \$nic up
		done
		wait \$!"
}

large_mtu() {
	net_exec ip link set tap0 mtu 9000
	guest "ip link set \$(nic $TAP_MAC) mtu 9000 && ping -c 3 -s 8900 -W 5 $HOST"
	guest "traffic udp $HOST 7000 20 8900"
	tcp 4000000 65536
	net_exec ping -n -M "do" -c 3 -i 0.2 -s 8900 -W 5 "$GUEST"
	guest "ip link set \$(nic $TAP_MAC) mtu 1500"
	net_exec ip link set tap0 mtu 1500
}

# A burst that no receive ring holds: what comes through must be right, and the
# interface goes on.
flood() {
	net_exec ping -n -q -f -c 3000 -s 1000 -W 1 "$GUEST" || true
	pings_host
}

# Byte queue limits know what the device has: all that is sent while it stands still, and nothing
# of that when it has gone on and so many frames came after it that the driver looked for
# completions. (With their own least limit, which is none, they might keep some of it back.)
queue_limits() {
	local stuck after limits="/sys/class/net/\$(nic $TAP_MAC)/queues/tx-0/byte_queue_limits"

	on_exit guest "echo 0 >$limits/limit_min"
	guest "echo 100000 >$limits/limit_min && traffic udp $HOST 7000 150 100"
	backend_pause airlockd
	stuck=$(guest "! ping -c 1 -s 30000 -W 1 $HOST >/dev/null && cat $limits/inflight" |
		tr -dc '0-9')
	backend_resume airlockd
	guest "traffic udp $HOST 7000 150 100"
	after=$(guest "cat $limits/inflight" | tr -dc '0-9')
	echo "bytes in flight: $stuck, then $after"
	[ "$stuck" -ge 30000 ] || fail "not all that was sent is in flight"
	[ "$after" -lt 30000 ] || fail "what was sent then counts as in flight for ever"
}

passt() {
	[ -z "$PASST_WHY" ] || skip "$PASST_WHY"
	[ "$(stat -c %U "/proc/${BACKEND_PID[user]}")" = nobody ] || fail "the back-end is not nobody's"
	guest "traffic tcp $PASST_ROUTER 7001 4000000 65536"
	guest "traffic udp $PASST_ROUTER 7001 50 1000"
}

need_machine
backend_sanitized
machine_new "${MACHINE:-window}"
set_up
machine_boot
TAP_ALSO=machine_complaints
tap_test "the driver finds its interfaces" loads
tap_test "the rings are ${RING:-split}" machine_rings
tap_test "the guest pings the host" pings_host
tap_test "the host pings the guest" host_pings
tap_test "TCP both ways, large writes" tcp $((16 << 20)) 65536
tap_test "TCP both ways, writes of one byte" tcp 20000 1
tap_test "TCP both ways, writes of 1447 bytes" tcp 3000000 1447
tap_test "neither side segments: TSO in both directions" offloads
tap_test "six connections at once" parallel_tcp
tap_test "UDP of every size that fits a frame" udp
tap_test "UDP in fragments" udp_fragments
tap_test "an MTU of 9000" large_mtu
tap_test "a flood of packets" flood
tap_test "byte queue limits count what the device has" queue_limits
tap_test "down and up, idle and under way" down_and_up
tap_test "passt on a stream socket, without root" passt
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
