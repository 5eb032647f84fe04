#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest moves to another QEMU and another airlockd while it works, and goes on there: no byte of its
# memory or of its disk is wrong, no connection is lost.
#
#	[DRIVERS=mainline|airlock] migrate.sh BUILD
#
# Theory
#   Both daemons have the image open, with migrate=on, and a tap each on one bridge. QEMU copies the
#   guest's memory, and again what changed meanwhile; it knows what airlockd writes by the log only
#   (host/dirty.c). So what is read or received after a page was copied is lost where that is
#   not marked. Three things would show that:
#
#	held	what waits in a socket that nobody reads (mainline's driver writes to each of those
#		pages itself, too: that frames are marked is shown by tests/host/dirty.sh)
#	cold	a disk that is read into the page cache once, likewise (a disk of its own, since
#		fio empties the page cache of what it uses)
#	churn	fio with verify, iperf3: rings, status bytes and buffers
#
#   The first two are had when all memory was copied once, and looked at when the guest has moved, without the
#   disk being asked again. The copying is too slow to come to an end before, and then it
#   need not care for how long the guest stands still.
#
#   Mainline's drivers run in a machine that shares all memory; airlock's in one with a window, which moves
#   with the guest as the rest of its memory does.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/move.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly DRIVERS=${DRIVERS:-mainline}

# Two taps on one bridge, which has the host's address.
network() {
	local tap

	net_new
	net_exec ip link add br0 type bridge
	for tap in tap0 tap1; do
		net_tap "$tap" 198.51.100.1/32
		net_exec ip link set "$tap" master br0
	done
	net_exec ip address add "$HOST/24" dev br0
	net_exec ip link set br0 up
}

load() {
	case $DRIVERS in
	airlock) load_devices "$MAC" "$GUEST" ;;
	mainline) guest "mainline && need_disk main && need_disk cold && up $MAC $GUEST/24" ;;
	esac
}

# cold - the sum of the cold disk, by way of the page cache
cold() {
	guest -t 600 'sum "/dev/$(disk cold)"' | tr -dc 0-9a-f
}

# hold - connect, and read nothing until /run/go is there; the host sends when WORK/held.go is
hold() {
	# shellcheck disable=SC2016 # by that shell
	net_serve hold 7001 sh -c '{
		until [ -e "$0.go" ]; do sleep 0.1; done
		cat "$0.data"
	} | busybox nc -l -p 7001' "$WORK/held"
	guest "rm -f /run/go /run/held
		(tail -f /dev/null | nc $HOST 7001 | { until [ -e /run/go ]; do usleep 100000; done; sum >/run/held; }) &
		wait_for 1200 connected 7001"
}

# All of it, and that there is no more, was acknowledged.
held_arrived() {
	[ -n "$(net_exec ss -Htn state fin-wait-2 '( sport = :7001 )')" ]
}

moves() {
	local reads

	start_churn main
	start_iperf
	hold
	move_begin 64
	move_copied
	: >"$WORK/held.go"
	# Nobody else may be the last one to close it: with that the page cache would go.
	guest 'sleep 1000000 <"/dev/$(disk cold)" &'
	cold >"$WORK/cold.read"
	cmp "$WORK/cold.sum" "$WORK/cold.read" || fail "what is read is wrong before the guest has moved"
	wait_for 300 held_arrived
	move_end
	move_arrived
	churn_ends main
	iperf_ends_well
	reads=$(disk_reads)
	cold >"$WORK/cold.moved"
	[ "$(disk_reads)" = "$reads" ] || fail "the disk was asked again"
	guest 'touch /run/go; wait_for 600 test -s /run/held; cat /run/held' | tr -dc 0-9a-f >"$WORK/held.moved"
}

disk_reads() {
	guest 'awk "{ print \$1 }" "/sys/block/$(disk cold)/stat"' | tr -dc 0-9
}

# marked ID - has the daemon that was left marked what that device wrote?
marked() {
	grep -E "$1: [1-9][0-9]* marks in the log of written pages" "$WORK/airlockd.log"
}

marked_both() {
	marked main && marked cold
}

# The bridge knows where it is now; both daemons were never at odds over the image.
is_there() {
	net_exec bridge fdb show br br0 | grep -i "$MAC dev tap1" || fail "the bridge looks for the guest elsewhere"
	! grep -h 'in use' "$WORK/airlockd.log" "$WORK/there.log"
}

# With the daemon that was left gone, too.
goes_on() {
	backend_stop airlockd
	traffic_works
	start_churn main
	churn_ends main
}

need_machine
case $DRIVERS in
airlock) KIND=window ;;
mainline) KIND=plain ;;
*) die "DRIVERS is airlock or mainline" ;;
esac
M_MEMORY_MIB=512
machine_new "$KIND"
move_kernel
network
truncate -s 64M "$WORK/main.img"
head -c 16M /dev/urandom >"$WORK/cold.img"
sha256sum <"$WORK/cold.img" | cut -d ' ' -f 1 | tr -d '\n' >"$WORK/cold.sum"
head -c 96k /dev/urandom >"$WORK/held.data"
for disk in main cold; do
	machine_disk "$disk" "$WORK/$disk.img" airlockd "serial=$disk,migrate=on"
	backend_device there "$disk" "type=blk,path=$WORK/$disk.img,serial=$disk,migrate=on"
done
machine_nic nic "$MAC" tap=tap0
backend_device there nic type=net,tap=tap1
net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
churn_programs
machine_boot
TAP_ALSO=move_complaints
tap_test "disk and card are there" load
move_arrivals airlockd there
tap_test "a guest moves, with all that it does: no byte is wrong, no connection is lost" moves
move_arrived
tap_test "what was read from a disk is what it was" cmp "$WORK/cold.sum" "$WORK/cold.moved"
tap_test "what was received is what was sent" \
	cmp <(sha256sum <"$WORK/held.data" | cut -d ' ' -f 1 | tr -d '\n') "$WORK/held.moved"
tap_test "what disks wrote was logged" marked_both
tap_test "what the card wrote was logged" marked nic
tap_test "network and image are where the guest is" is_there
tap_test "the guest goes on there" goes_on
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
