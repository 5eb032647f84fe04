# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Work that goes on while a test disturbs it, and notices every wrong byte. Sourced after
# machine.sh by tests that have a HOST with an echo at port 7000.
#
# Theory
#   Of a disk: write and read back, round after round, until told to stop; the first error or
#   difference ends it (churn, in guest.sh). Of a card: a TCP connection on which every byte
#   comes back. Devices are told apart by a name, for which the guest has their PCI address
#   in /run/NAME-pci. How often the driver brought one up again is counted in its list of
#   queues, so that no test can pass without any recovery.

# start_churn DISK... - write and read back until told to stop; the first error ends it
start_churn() {
	guest "rm -f /run/churn-*
		for s in $*; do
			churn \$s >/run/churn-\$s.log 2>&1 &
		done
		for s in $*; do
			wait_for 300 test -e /run/churn-\$s.round || die 'no I/O'
		done"
}

# churn_ends DISK... - it went on since, and every byte was right
churn_ends() {
	guest -t 150 "for s in $*; do
			rm -f /run/churn-\$s.round
		done
		for s in $*; do
			wait_for 600 test -e /run/churn-\$s.round || die \"no I/O on \$s any more\"
		done
		touch /run/churn-stop
		for s in $*; do
			wait_for 600 test -e /run/churn-\$s.end || die \"I/O on \$s does not end\"
			cat /run/churn-\$s.log /run/churn-\$s.end
			grep -qx good /run/churn-\$s.end || exit 1
		done"
}

# recovered NAME - how often the device was brought up again
recovered() {
	guest "sed -n \"s/^\$(cat /run/$1-pci) - .* recovered=//p\" /sys/kernel/debug/airlock/queues" |
		tr -dc '0-9'
}

# recovers NAME COMMAND WORD... - the command makes the device fail, and it comes back
recovers() {
	local name=$1 before

	shift
	before=$(recovered "$name")
	"$@"
	wait_for 60 more_recovered "$name" "$before" || fail "$name was not brought up again"
}

more_recovered() {
	[ "$(recovered "$1")" -gt "$2" ]
}

# find_ring NAME QUEUE - sets ADDRESS, where that split queue is in the VMM's memory file, and
# SIZE, its descriptors
find_ring() {
	local pci

	pci=$(guest "cat /run/$1-pci" | tr -dc '0-9a-f:.')
	SIZE=$(guest "sed -n \"s/^$pci $2 size=\([0-9]*\) .*/\1/p\" /sys/kernel/debug/airlock/queues" |
		tr -dc '0-9')
	memory_address "$pci" "ring.$2"
}

# poke_used [LOG TEXT] - used.idx of the ring goes where it cannot be; descriptors, avail ring
# and used ring begin on a cache line each (ring_place())
poke_used() {
	pages poke "$M_PID" "$((ADDRESS + (16 * SIZE + 6 + 2 * SIZE + 63) / 64 * 64 + 2))" ff7f "$@"
}

# lie NAME QUEUE - the host lies about that queue, which is in use, until the guest has seen it
lie() {
	find_ring "$1" "$2"
	poke_used "$WORK/console.log" "$2: failed: used index" || {
		machine_logs
		fail "$2: the guest does not see the lie"
	}
}

# traffic_works [BYTES] - so many come back right, over a connection of their own
traffic_works() {
	guest -t 120 "traffic tcp $HOST 7000 ${1:-1000000} 65536"
}

# start_traffic - checked bytes both ways, connection after connection, until told to stop
start_traffic() {
	guest "rm -f /run/traffic*
		(while [ ! -e /run/traffic-stop ]; do
			traffic tcp $HOST 7000 3000000 65536 || exit 1
		done && echo good >/run/traffic) >/run/traffic.log 2>&1 &
		wait_for 100 connected 7000"
}

traffic_ends_well() {
	guest -t 180 'touch /run/traffic-stop
		wait_for 1500 grep -qsx good /run/traffic || {
			cat /run/traffic.log
			die "it failed, or does not end"
		}'
}
