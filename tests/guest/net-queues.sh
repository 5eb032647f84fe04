#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A NIC with several pairs of queues: how many there are, that each carries frames, and that
# the device spreads them as it is told. The NIC is QEMU's own, which can hash (RSS).
#
# Theory
#   The guest has four processors and so four pairs. Which pair a frame came by is in the
#   driver's counters.
#
#   There are two NICs, since QEMU 7.2 forgets frames when it hashes: one that came to a queue of
#   the tap, was hashed to another one's ring and found that full, is tried again when the
#   guest gives buffers to the former. So what is hashed are datagrams, one at a time, and
#   the connections go through a NIC that does not.
set -euo pipefail
CPUS=${CPUS:-4}
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01 BUDGET=$((4 << 20))
readonly HASH_HOST=198.51.100.1 HASH_GUEST=198.51.100.2 HASH_MAC=52:54:00:a1:0c:02

set_up() {
	net_new
	net_tap tap0 "$HOST/24" 1500 multi_queue
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
	machine_qemu_nic nic "$MAC" tap0 mq=on,vectors=10 queues=4
	net_tap tap1 "$HASH_HOST/24" 1500 multi_queue
	net_serve echo-hash 7001 "$BUILD/guest/traffic" serve "$HASH_HOST" 7001
	machine_qemu_nic hash "$HASH_MAC" tap1 mq=on,vectors=10,rss=on queues=4
}

# load [PARAMETER...] - the driver, anew
load() {
	guest "[ ! -e /sys/module/airlock_net ] || rmmod airlock_net
		modprobe airlock_net $* && up $MAC $GUEST/24 && up $HASH_MAC $HASH_GUEST/24 &&
		nic $MAC >/run/nic && nic $HASH_MAC >/run/hash &&
		pci_of /sys/class/net/\$(nic $MAC)/device >/run/nic-pci"
}

# pairs N - so many are open, and a command queue, within the budget
pairs() {
	guest "set -e
		pci=\$(cat /run/nic-pci)
		names=\$(queues_of \$pci)
		echo \$names
		test \$(echo \"\$names\" | grep -c '^[rt]x[0-9]*\$') -eq $((2 * $1)) || die 'other queues'
		echo \"\$names\" | grep -qx ctrl
		shared=\$(shared_by \$pci)
		echo \$shared
		test \$shared -le $BUDGET || die 'more than its budget'"
}

# uses N - so many pairs carry frames
uses() {
	guest "nic=\$(cat /run/nic)
		test \$(ls -d /sys/class/net/\$nic/queues/rx-* | wc -l) -eq $1 || die 'other receive queues'
		test \$(ls -d /sys/class/net/\$nic/queues/tx-* | wc -l) -eq $1 || die 'other transmit queues'
		ethtool -l \$nic | tr -s '\\t\\n ' ' ' | grep 'Current.*Combined: $1 '"
}

four_pairs() {
	load
	pairs 4
	uses 4
	machine_log_has "net: 4 of 4 pairs of queues, each with 256 receive slots of 2048 bytes" || fail "the log does not say what was chosen"
}

# Connections on all processors at once; each byte of them is checked.
connections() {
	guest -t 600 "rm -f /run/good*
		for i in 0 1 2 3 4 5 6 7; do
			(taskset \$((1 << i % 4)) traffic tcp $HOST 7000 ${1:-1500000} 65536 && touch /run/good\$i) &
		done
		wait
		test \$(ls /run/good* | wc -l) -eq 8 || die 'not all connections are good'"
}

# Datagrams of eight flows at once through the NIC that hashes.
datagrams() {
	guest -t 600 "rm -f /run/good*
		for i in 0 1 2 3 4 5 6 7; do
			(traffic udp $HASH_HOST 7001 60 1000 && touch /run/good\$i) &
		done
		wait
		test \$(ls /run/good* | wc -l) -eq 8 || die 'not all flows are good'"
}

# counters NIC DIRECTION - packets of each pair, on a line
counters() {
	guest "ethtool -S \$(cat /run/$1) | sed -n 's/^ *$2[0-9]*_packets: //p' | tr '\\n' ' '" |
		tr -dc '0-9 '
}

# idle_since BEFORE NOW - how many of the pairs have carried next to nothing since
idle_since() {
	local -a before now
	local i idle=0

	read -ra before <<<"$1"
	read -ra now <<<"$2"
	for i in "${!before[@]}"; do
		[ $((now[i] - before[i])) -gt 20 ] || idle=$((idle + 1))
	done
	echo "$idle"
}

# carried LEAST MOST NIC DIRECTION COMMAND - it leaves that many of the pairs idle
carried() {
	local before now idle

	before=$(counters "$3" "$4")
	"$5"
	now=$(counters "$3" "$4")
	idle=$(idle_since "$before" "$now")
	if [ "$idle" -lt "$1" ] || [ "$idle" -gt "$2" ]; then
		fail "$3, $4: $idle idle pairs: $before, then $now"
	fi
}

# Each processor sends by its own pair, and hears by the same, since the tap learns that.
all_carry() {
	carried 0 0 nic tx connections
	carried 0 0 nic rx connections
	carried 0 2 hash rx datagrams
}

# transmit_calls - of all pairs, since they were opened
transmit_calls() {
	guest "sed -n \"s/^\$(cat /run/nic-pci) tx[0-9]* .* calls=\([0-9]*\) .*/\1/p\" /sys/kernel/debug/airlock/queues |
		awk '{ sum += \$1 } END { print sum }'" | tr -dc '0-9'
}

# Nothing of the stack's waits for a frame that was copied: as long as there is room, no
# device has to say that it is done. (Else it would for each, since there is one at a time.) Byte
# queue limits want to hear of some, until they have learnt how many may be under way.
quiet_transmit() {
	local before called tries=10

	while before=$(transmit_calls); do
		guest "traffic udp $HOST 7000 300 100"
		called=$(($(transmit_calls) - before))
		echo "300 frames took $called calls"
		[ "$called" -ge 100 ] || return 0
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "each time"
	done
}

interrupts_spread() {
	guest "function=\$(ls /sys/bus/pci/devices/\$(cat /run/nic-pci) | grep '^airlock\.net')
		for i in 0 1 2 3; do
			irq=\$(sed -n \"s/^ *\([0-9]*\):.* \$function-rx\$i\$/\1/p\" /proc/interrupts)
			test \"\$(cat /proc/irq/\$irq/smp_affinity_list)\" = \$i || die \"rx\$i is elsewhere\"
			test \$((0x\$(cat /sys/class/net/\$(cat /run/nic)/queues/tx-\$i/xps_cpus))) -eq \$((1 << i)) ||
				die \"tx\$i is used by others\"
		done"
}

# All hashes to one pair, to another, and to all again.
spreads_as_told() {
	guest "ethtool -x \$(cat /run/hash)
		ethtool -x \$(cat /run/hash) | grep 'RX flow hash indirection table for .* with 4 RX ring'
		ethtool -X \$(cat /run/hash) equal 1"
	carried 3 3 hash rx datagrams
	guest "ethtool -X \$(cat /run/hash) weight 0 0 0 1"
	carried 3 3 hash rx datagrams
	# There is no fifth pair, no other hash, and a pair that is in the table stays.
	guest "refuses 'Invalid argument' ethtool -X \$(cat /run/hash) weight 1 1 1 1 1
		refuses 'Operation not supported' ethtool -X \$(cat /run/hash) hfunc xor
		refuses 'Invalid argument' ethtool -L \$(cat /run/hash) combined 2
		ethtool -X \$(cat /run/hash) default"
	carried 0 2 hash rx datagrams
	guest "refuses 'Operation not supported' ethtool -X \$(cat /run/nic) equal 1"
}

# A key of zeroes hashes all frames to 0, and so to the table's first entry.
other_key() {
	local zeroes

	zeroes=00$(printf ':00%.0s' {1..39})
	guest "ethtool -x \$(cat /run/hash) | sed -n '/key/{n;p}' >/run/key
		ethtool -X \$(cat /run/hash) hkey $zeroes"
	guest "ethtool -x \$(cat /run/hash) | grep -x '$zeroes'"
	carried 3 3 hash rx datagrams
	guest "ethtool -X \$(cat /run/hash) hkey \$(cat /run/key)"
	carried 0 2 hash rx datagrams
}

fewer_channels() {
	guest "ethtool -L \$(cat /run/nic) combined 2"
	uses 2
	carried 2 2 nic tx connections
	guest "for channels in 'combined 5' 'combined 0' 'rx 1'; do
			refuses 'Invalid argument' ethtool -L \$(cat /run/nic) \$channels
		done"
	uses 2
	guest "ethtool -L \$(cat /run/hash) combined 2"
	carried 2 3 hash rx datagrams
	guest "ethtool -L \$(cat /run/hash) combined 4"
	carried 0 2 hash rx datagrams
}

# A device that was reset uses as many pairs as before.
recovers_as_it_was() {
	need_lies
	start_traffic
	recovers nic lie nic rx0
	traffic_ends_well
	uses 2
	carried 2 2 nic tx connections
	guest "ethtool -L \$(cat /run/nic) combined 4"
	uses 4
	start_traffic
	guest "(while [ ! -e /run/traffic-stop ]; do
			taskset 8 ping -c 1 -W 1 $HOST
		done) >/dev/null 2>&1 &"
	recovers nic lie nic tx3
	traffic_ends_well
	uses 4
	carried 0 0 nic tx connections
}

# While connections are under way; none is lost.
channels_under_way() {
	start_traffic
	guest "set -e
		for n in 1 3 2 4 1 4; do
			ethtool -L \$(cat /run/nic) combined \$n
			usleep 300000
		done"
	traffic_ends_well
	uses 4
	guest "set -e
		ip link set \$(cat /run/nic) down
		ethtool -L \$(cat /run/nic) combined 2
		ip link set \$(cat /run/nic) up"
	uses 2
	connections 300000
	# Longer than a queue may be stopped: those that are not used are not watched.
	sleep 22
	! guest "dmesg | grep -i 'transmit queue'" || fail "the watchdog looks at queues that are not used"
}

# limited PARAMETER N
limited() {
	load "$1"
	pairs "$2"
	uses "$2"
	connections 300000
}

refused() {
	guest "rmmod airlock_net; modprobe airlock_net budget_kib=512
		! nic $MAC || die 'there is an interface'
		! grep '^0000:' /sys/kernel/debug/airlock/regions || die 'something is shared'"
	machine_log_has 'net: refused: budget_kib=512 does not hold one pair of queues' ||
		fail "the log does not say why"
	guest "rmmod airlock_net; ! modprobe airlock_net queues=257 || die 'out of range'"
	machine_log_has 'airlock_net: queues=257: must be 0 to 256' || fail "the log does not say so"
}

need_machine
machine_new "${MACHINE:-window}"
set_up
machine_boot
TAP_ALSO=machine_complaints
tap_test "four processors have four pairs of queues, within the budget" four_pairs
tap_test "eight connections use all of them" all_carry
tap_test "each pair is one processor's" interrupts_spread
tap_test "frames sent cost no interrupts while there is room" quiet_transmit
tap_test "received frames are spread by the table" spreads_as_told
tap_test "they are hashed by the key" other_key
tap_test "there can be fewer channels, and not more" fewer_channels
tap_test "a device that was reset uses as many as before" recovers_as_it_was
tap_test "their number can be changed under traffic, and while it is down" channels_under_way
tap_test "queues= bounds them" limited queues=2 2
tap_test "budget_kib= bounds them" limited budget_kib=1024 1
tap_test "a budget that holds none is refused" refused
tap_test "the guest powers off" machine_off
tap_done
