#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Lies about notifications and time, told by a back-end to the real modules under I/O: when to
# kick, calls without end, without cause, or none, completions that do not come or come late, and a
# back-end that dies.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/lies.sh"

# is_late OF COUNTER DEVICE LIE [WORD] - that the device's lie is seen by a watch alone is counted: of
# some tries, for who looks for a reason of its own comes before it; WORD=N says which it is
is_late() {
	local before try

	before=$("$1" "$2")
	for ((try = 0; try < 10; try++)); do
		harmless "$3" "$4${5:+ $5=$try}"
		[ "$("$1" "$2")" -le "$before" ] || return 0
	done
	fail "$3: $4 is not counted as $2"
}

# A burst of more frames than there are buffers: the device waits to be told of new ones, and is told by
# the watch.
dry() {
	net_start ping -q -f -l 1000 -s 1000 -c 100000000 "$GUEST_ADDRESS" >/dev/null
	harmless nic 'nic.0 kick.none times=2'
}

# A kick that is not wanted any more is given late, by the watch that both drivers have.
events() {
	local word

	for word in 0xffffffff 0x7fff 0x20000; do
		harmless main "main.0 kick.event=$word"
		harmless nic "nic.1 kick.event=$word"
	done
	is_late of_main late_kicks main 'main.0 kick.none' after
	is_late counter tx0_late_kicks nic 'nic.1 kick.none' after
	# Over and over.
	harmless main 'main.0 kick.none times=5'
	harmless nic 'nic.1 kick.none times=5'
	dry
}

# No longer than until the reset: what is held after that is missing when this is over.
never() {
	impatient
	breaks main q0 "$STALLED" 'main.0 hold times=1000000 till-start'
	breaks nic tx0 "$STALLED" 'nic.1 hold times=1000000 till-start'
}

# Frames that were sent are looked after when others are, or when there is room again: nearly all of those of
# the transmit queue are the storm's.
storm() {
	local before try

	harmless main 'main.0 call for=2000'
	harmless nic 'nic.0 call for=2000'
	before=$(passed_on nic tx0)
	for try in 1 2 3 4 5; do
		harmless nic 'nic.1 call for=2000'
		[ "$(passed_on nic tx0)" -le $((before + 100)) ] || return 0
	done
	fail "there was no storm: $(($(passed_on nic tx0) - before)) calls in $try times"
}

# byte_limit WORD BYTES - of the card's byte queue limits
byte_limit() {
	guest "echo $2 >/sys/class/net/\$(cat /run/nic)/queues/tx-0/byte_queue_limits/$1"
}

# It was to say that there is room again. A watch sees it, and has the next call come in time. With so
# little room each frame waits for a call.
lost_room() {
	local before since

	on_exit byte_limit limit_max 1879048192
	byte_limit limit_max 3000
	is_late counter tx0_late nic 'nic.1 call.none'
	before=$(counter tx0_late) since=$SECONDS
	guest -t 600 "traffic tcp $HOST 7000 4000000 65536"
	# On a slow machine a call may come late by itself; if each did, there were one a second.
	[ "$(counter tx0_late)" -le $((before + 3 + (SECONDS - since) / 4)) ] || fail "it is late again and again"
}

# Requests and frames are found by a watch.
lost_call() {
	local before try

	is_late of_main late main 'main.0 call.none'
	# On a line all queues are looked at with each call.
	! guest 'grep -q "airlock.*-tx0" /proc/interrupts' || lost_room

	liar_quiet
	before=$(counter rx0_late)
	# Whoever looks for another reason finds it, too.
	for ((try = 0; try < 10; try++)); do
		liar_tell 'nic.0 call.none'
		wait_for 60 net_exec ping -q -c 1 -W 10 "$GUEST_ADDRESS" || fail "a frame is not seen"
		liar_told 'nic.0 call.none'
		! counter_above rx0_late "$before" || break
	done
	counter_above rx0_late "$before" || fail "no frame is counted as found late"
}

# Too few frames to fill the queue; and byte queue limits, which could have come down to a few frames by then,
# are not to stop it. So nothing but the driver's watch sees that they stay away.
few_never() {
	local where

	liar_quiet
	byte_limit limit_min 1000000
	# The limit is another one from the next completion on.
	net_exec ping -q -c 10 -i 0.2 -W 10 "$GUEST_ADDRESS"
	net_start ping -q -i 3 -c 1000 -W 1 "$GUEST_ADDRESS" >/dev/null
	where=$(machine_log_end)
	breaks nic tx0 "$STALLED" 'nic.1 hold times=1000000 till-start'
	machine_log_from "$where" >"$WORK/said"
	grep 'tx0: the device completes nothing for 75 s' "$WORK/said" ||
		fail "another one than the watch gave it up: $(cat "$WORK/said")"
}

# is_slow - each of the queues from now on, by a second a completion
is_slow() {
	local queue

	liar_tell 'main.0 slow=1000 times=1000' 'nic.0 slow=1000 times=1000' 'nic.1 slow=1000 times=1000'
	for queue in main.0 nic.0 nic.1; do
		wait_for 600 liar_said 1 "told: $queue slow=1000 times=1000" || fail "$queue is not slow"
	done
}

# The driver does not wait for what is in flight, which fio has more of than there are completions meanwhile.
slow_reset() {
	local before where told

	before=$(recovered main) where=$(machine_log_end)
	liar_tell 'main.0 used.id=0xffff'
	wait_for 900 has_failed q0 "$where" || fail "the disk did not fail"
	LIAR_MARK=$(stat -c %s "$WORK/liar.log")
	wait_for 300 more_recovered main "$before" || fail "the disk was not brought up again"
	told=$(tail -c "+$((LIAR_MARK + 1))" "$WORK/liar.log" | grep -ac 'told: main.0 slow') || true
	[ "$told" -lt 8 ] || fail "$told completions came first"
	honest
	goes_on main
}

# One completion a second, while all is taken down and brought up, is reset, and sleeps.
slow() {
	is_slow
	guest -t 600 "set -e
		nic=\$(nic $MAC)
		ip link set \$nic down
		ip link set \$nic up
		ip address replace $GUEST_ADDRESS/24 dev \$nic
		pci=\$(pci_of /sys/class/net/\$nic/device)
		for size in 64 256; do
			ethtool -G \$nic rx \$size
			wait_for 1800 grep -q \"^\$pci rx0 size=\$size \" /sys/kernel/debug/airlock/queues
		done"
	slow_reset
	is_slow
	# What waits for a request cannot be frozen before that is completed.
	on_exit guest 'echo none >/sys/power/pm_test'
	guest -t 600 'echo 300000 >/sys/power/pm_freeze_timeout
		echo devices >/sys/power/pm_test && echo mem >/sys/power/state'
	honest
	goes_on main
	goes_on nic
}

# The disk is in use when it is taken away.
unloads_slowly() {
	liar_ends
	liar_tell 'main.0 slow=500 times=1000'
	guest -t 600 'n=$(awk "{ print \$1 }" /sys/block/$(cat /run/main)/stat)
		dd if=/dev/$(cat /run/main) of=/dev/null bs=4k count=10000 iflag=direct 2>/dev/null &
		dd=$!
		wait_for 600 reads $(cat /run/main) $((n + 3))
		kill -0 $dd || die "dd has ended"
		echo "$(cat /run/main-pci)" >/sys/bus/pci/drivers/airlock/unbind
		# It may take that for the end of the disk.
		wait $dd || true
		canary_end && rmmod sentinel airlock_net airlock_blk && nothing_shared && rmmod airlock'
	liar_said 1 'told: main.0 slow=500 times=1000' || fail "the disk was not slow"
	machine_search "$WORK/token" liar || fail "the search ended with $?"
}

# killed_at_once - and comes back
killed_at_once() {
	backend_kill liar
	backend_start liar
	goes_on main
	goes_on nic
}

# It is told to lie, and is killed while it does, and then whenever. Whether the disk is reset then depends on
# what QEMU finds in the ring. What is started here ends with this test, the last one.
dies() {
	local lie ms

	liar_load
	liar_works
	impatient
	for lie in 'main.0 hold times=4' 'main.0 slow=300 times=3' 'nic.1 slow=300 times=2'; do
		liar_tell "$lie"
		wait_for 300 liar_said 1 "told: $lie" || fail "this was not told: $lie"
		killed_at_once
	done
	for _ in 1 2 3 4; do
		ms=$((RANDOM % 1000))
		echo "after $ms ms"
		nap "$(printf '0.%03d' "$ms")"
		killed_at_once
	done
	liar_ends
	liar_leaves
}

CASE_16=''
[ "${RING:-split}" = split ] || CASE_16=', case 16'
liar_begins
tap_test "case 11$CASE_16: when to kick is nonsense, or never" events
tap_test "case 25, case 32: nothing is ever completed" never
tap_test "case 45: a storm of calls" storm
tap_test "case 48: one completion a second, while a card goes down, up and gets other rings, a disk is reset, and all sleeps" slow
tap_test "case 46: calls that do not come" lost_call
tap_test "case 25: a few frames are never completed" few_never
tap_test "case 48: two completions a second, while a disk in use is taken away, and the modules unload" unloads_slowly
tap_test "case 52: the back-end dies while it lies, and comes back; nothing private was seen or stays shared" dies
tap_test "the guest powers off" machine_off
tap_done
