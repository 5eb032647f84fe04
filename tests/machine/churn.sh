# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Work that goes on while a test disturbs it, and notices every wrong byte. Sourced after
# machine.sh by tests that have a HOST with an echo at port 7000.
#
# Theory
#   Of a disk: fio writes and reads back with checksums until told to stop; the first error or
#   difference ends it (churn, in guest.sh). Of a card: a TCP connection on which every byte
#   comes back, and iperf3, which fills both ways and must end well. Devices are told apart by a
#   name, for which the guest has their PCI address in /run/NAME-pci. How often the driver
#   brought one up again is counted in its list of queues, so that no test can pass without any
#   recovery.

readonly IPERF_PORT=5201

# churn_programs - have what it needs in the guest's root file system; before machine_boot
churn_programs() {
	local program path

	for program in fio iperf3; do
		path=$(command -v "$program") || die "$program is missing: run tests/lib/install.sh"
		ADD_PROGRAMS="${ADD_PROGRAMS:-} $path"
	done
	export ADD_PROGRAMS
}

# load_devices MAC ADDRESS - the drivers, the disk main, and the card, up
load_devices() {
	guest "set -e
		modprobe -a airlock_blk airlock_net
		up $1 $2/24
		pci_of /sys/block/\$(need_disk main)/device >/run/main-pci
		pci_of /sys/class/net/\$(nic $1)/device >/run/nic-pci"
}

# address_of NAME - its PCI address
address_of() {
	guest "cat /run/$1-pci" | tr -dc '0-9a-f:.'
}

# start_churn DISK... - write and read back until told to stop; the first error ends it
start_churn() {
	guest -t 900 "start_churn $*"
}

# churn_ends DISK... - it went on since, and every byte was right
churn_ends() {
	guest -t 900 "end_churn $*"
}

# churn_left_whole DISK - another system, or this one before it was started anew, wrote there while
# it ended: each block is one of those that it wrote, whole
churn_left_whole() {
	guest -t 600 "fio --filename=/dev/\$(need_disk $1) --direct=1 --thread --rw=read --verify=crc32c \
		--verify_fatal=1 --exitall_on_error \
		--name=small --bs=4k --size=256k --name=large --bs=128k --offset=1m --size=2m"
}

# counter REGEX [NIC] - the sum of the driver's counters with such names, of the card whose name is in
# /run/NIC; nothing when there is none
counter() {
	guest "ethtool -S \$(cat /run/${2:-nic}) |
		awk -F: '\$1 ~ /^ *($1)\$/ { n += \$2; found = 1 } END { if (found) print n }'" | tr -dc '0-9'
}

# counter_above REGEX N [NIC]
counter_above() {
	[ "$(counter "$1" "${3:-nic}")" -gt "$2" ]
}

# of_device NAME WORD - what the driver counts under that word in its list of queues
of_device() {
	guest "sed -n \"s/^\$(cat /run/$1-pci) -.* $2=\([0-9]*\).*/\1/p\" /sys/kernel/debug/airlock/queues" |
		tr -dc '0-9'
}

# recovered NAME - how often the device was brought up again
recovered() {
	of_device "$1" recovered
}

# failures NAME - how often it was taken out of service
failures() {
	of_device "$1" failed
}

# passed_on NAME REGEX - calls that its driver got, for all queues of such names
passed_on() {
	guest "sed -n \"s/^\$(cat /run/$1-pci) $2 size=.* calls=\([0-9]*\) .*/\1/p\" /sys/kernel/debug/airlock/queues |
		awk '{ n += \$1 } END { print n + 0 }'" | tr -dc '0-9'
}

# recovers NAME COMMAND WORD... - the command makes the device fail, and it comes back
recovers() {
	local name=$1 before

	shift
	before=$(recovered "$name")
	"$@"
	wait_for 300 more_recovered "$name" "$before" || fail "$name was not brought up again"
}

more_recovered() {
	[ "$(recovered "$1")" -gt "$2" ]
}

# find_ring NAME QUEUE - sets ADDRESS, where that split queue is in the VMM's memory file, and
# SIZE, its descriptors
find_ring() {
	local pci

	pci=$(address_of "$1")
	SIZE=$(guest "sed -n \"s/^$pci $2 size=\([0-9]*\) .*/\1/p\" /sys/kernel/debug/airlock/queues" |
		tr -dc '0-9')
	memory_address "$pci" "ring.$2"
}

# stray_used [LOG TEXT] - used.idx of the ring goes where it cannot be; descriptors, avail ring
# and used ring begin on a cache line each (ring_place())
stray_used() {
	pages stray "$M_PID" "$((ADDRESS + (16 * SIZE + 6 + 2 * SIZE + 63) / 64 * 64 + 2))" "$@"
}

# can_lie - is it known from outside where the next word of a ring will be? Of split ones it is.
can_lie() {
	[ "${RING:-split}" = split ]
}

need_lies() {
	can_lie || skip "where the next word of a packed ring will be is not known from outside"
}

# asks_for_reset NAME QUEUE - a device of QEMU's own finds an avail entry in that split queue that
# cannot be, and sets NEEDS_RESET. (It takes what avail.idx says without a look at how much
# that is: with old entries it would serve old buffers once more.)
asks_for_reset() {
	find_ring "$1" "$2"
	pages stray "$M_PID" "$((ADDRESS + 16 * SIZE + 2))" "$WORK/console.log" 'the device asks for a reset' \
		$((2 * SIZE)) || {
		machine_logs
		fail "$2: the device does not see it"
	}
}

# lie NAME QUEUE - the host lies about that queue, which is in use, until the guest has seen it
lie() {
	find_ring "$1" "$2"
	stray_used "$WORK/console.log" "$2: failed: used index" || {
		machine_logs
		fail "$2: the guest does not see the lie"
	}
}

# traffic_works [BYTES] - so many come back right, over a connection of their own
traffic_works() {
	guest "traffic tcp $HOST 7000 ${1:-1000000} 65536"
}

# start_traffic - checked bytes both ways, connection after connection, until told to stop
start_traffic() {
	guest "rm -f /run/traffic*
		(while [ ! -e /run/traffic-stop ]; do
			traffic tcp $HOST 7000 3000000 65536 || exit 1
		done && echo good >/run/traffic) >/run/traffic.log 2>&1 &
		wait_for 1200 connected 7000"
}

# start_iperf [HOST] - fill both ways, test after test, until told to stop. The server is the
# caller's test's, and ends with it.
start_iperf() {
	local server=${1:-$HOST}

	net_serve iperf "$IPERF_PORT" iperf3 -s -B "$server" -p "$IPERF_PORT" --rcv-timeout 600000
	guest -t 600 "rm -f /run/iperf-*
		iperf $server $IPERF_PORT &
		iperf_rounds 1"
}

# iperf_ends_well - a whole test went well since, and all before
iperf_ends_well() {
	guest -t 600 'iperf_rounds $(($(wc -l </run/iperf-rounds) + 2))
		touch /run/iperf-stop
		wait_for 1200 grep -qsx good /run/iperf-end || {
			tail -n 30 /run/iperf.log
			die "iperf3 failed, or does not end"
		}'
}

traffic_ends_well() {
	guest -t 600 'touch /run/traffic-stop
		wait_for 3000 grep -qsx good /run/traffic || {
			cat /run/traffic.log
			die "it failed, or does not end"
		}'
}
