#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Case 49: random words, flipped bits and old contents all over the shared memory, while fio
# verifies and iperf3 runs. Data may be wrong, it is the host's; nothing else may.
#
#	SEED=N TIME=SECONDS chaos.sh BUILD
#
# Without a seed it has one of its own, and says which.
#
# Theory
#   The back-end is the honest one, and is lied to as well: it has to live, too. What I/O goes
#   on is not asked; devices fail and come back all the time, and have as many attempts as they
#   want. When the host has come to its senses the same devices must work: bound anew, since
#   what a request got before may be anything, with every byte right.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
readonly SEED TIME=${TIME:-10}

load() {
	# Not more: on the debug kernel each piece of it is remembered by where it was allocated and freed.
	guest -t 300 "sentinel_load 2 && modprobe airlock recover_tries=4000000000"
	load_devices "$MAC" "$GUEST"
	guest -t 120 'echo 3000 >/sys/block/$(need_disk main)/queue/io_timeout
		rmmod sentinel && sentinel_load 2'
}

# what is shared, as offsets in the memory file; rings, which are small, as often as all that is not
ranges() {
	local base=0 times

	[ "$M_KIND" != window ] || base=$(guest window_base | tr -dc '0-9a-fx')
	guest 'cat /sys/kernel/debug/airlock/regions' | tr -d '\r' |
		while read -r device purpose address bytes _; do
			[[ $device == *:* ]] || continue
			times=1
			[[ $purpose != ring.* ]] || times=4
			while [ "$times" -gt 0 ]; do
				printf '%d %d\n' "$((address - base))" "$bytes"
				times=$((times - 1))
			done
		done
}

# Work that does not mind errors; what it says goes nowhere. (What iperf3 does is seen by what the card sends.)
busy() {
	net_serve iperf "$IPERF_PORT" iperf3 -s -B "$HOST" -p "$IPERF_PORT"
	guest "fio --filename=/dev/\$(disk main) --direct=1 --ioengine=io_uring --iodepth=8 --thread \
			--verify=crc32c --verify_fatal=0 --continue_on_error=all --time_based --runtime=100000 \
			--name=small --rw=randrw --bs=4k --size=1m \
			--name=large --rw=randrw --bs=128k --offset=1m --size=8m >/dev/null 2>&1 &
		echo \$! >/run/fio
		(while [ ! -e /run/enough ]; do
			timeout 10 iperf3 -c $HOST -p $IPERF_PORT --bidir -t 2
			sleep 1
		done >/dev/null 2>&1) &
		wait_for 1200 writes \$(disk main) 10
		$MOVED
		moved >/run/moved"
}

# both_failed - for a lie that was seen: a slow machine is late, too
both_failed() {
	local queue

	machine_log_flush || true
	for queue in 'q[0-9]+' '[rt]x[0-9]+'; do
		tail -c "+$((BEGAN + 1))" "$WORK/console.log" |
			grep -aE " $queue: failed: " | grep -qv 'no completion' || return 1
	done
	[ "$(recovered main)" -gt 0 ] && [ "$(recovered nic)" -gt 0 ]
}

# For the guest: what fio has written and the card has sent by now.
MOVED="moved() {
	awk '{ print \$5 }' /sys/block/\$(disk main)/stat
	cat /sys/class/net/\$(nic $MAC)/statistics/tx_bytes
}"
readonly MOVED

# goes_on - both fio and iperf3 have done something since they were asked last
goes_on() {
	guest -t 300 "$MOVED
		more() {
			moved >/run/now
			{ read -r writes; read -r bytes; } </run/moved
			{ read -r more_writes; read -r more_bytes; } </run/now
			[ \$more_writes -gt \$writes ] && [ \$more_bytes -gt \$((bytes + 100000)) ]
		}
		kill -0 \$(cat /run/fio) || die 'fio has ended'
		wait_for 1200 more || die \"fio or iperf3 does nothing: \$(cat /run/moved /run/now)\"
		mv /run/now /run/moved"
}

# not_seen - the secret is nowhere that the host sees
not_seen() {
	"$BUILD/guest/search" --held "${BACKEND_PID[airlockd]}" --shared "$M_PID" <"$WORK/token" ||
		fail "the search ended with $?"
}

# Not everything that is written is a lie; some of it must have been one to each of the two.
chaos() {
	local round=0 BEGAN

	BEGAN=$(machine_log_end)
	busy
	ranges | tee "$WORK/ranges"
	while true; do
		"$BUILD/guest/chaos" "$M_PID" "$TIME" $((SEED + round)) <"$WORK/ranges" || fail "no chaos"
		not_seen
		goes_on
		! both_failed || break
		round=$((round + 1))
		[ "$round" -lt 20 ] || fail "the disk or the card never failed"
	done
	backend_alive airlockd || fail "the back-end ended"
}

# Nothing private got to where the host sees it, and nothing that was private was written to.
is_private() {
	not_seen
	guest -t 120 canary_end
}

# Also what waits must end: fio waits for its requests, and a device for its reset.
ends() {
	guest -t 900 'touch /run/enough
		kill -INT $(cat /run/fio)
		gone() { ! kill -0 $(cat /run/fio) 2>/dev/null; }
		wait_for 2400 gone || die "fio does not end"
		rmmod sentinel airlock_net airlock_blk && nothing_shared && rmmod airlock'
}

works_again() {
	load
	start_churn main
	start_traffic
	churn_ends main
	traffic_ends_well
}

need_machine
backend_sanitized
M_RECONNECT=1
machine_new "${MACHINE:-window}"
machine_disk_and_nic
churn_programs
head -c 32 /dev/urandom >"$WORK/token"
machine_sentinel
machine_boot "$WORK/token" "$SENTINEL_KO"
TAP_ALSO=machine_complaints
tap_test "disk and card are there" load
guest -t 120 'canary_start 16' || die "the canary did not start"
tap_test "case 49: $TIME seconds of chaos, SEED=$SEED" chaos
tap_test "nothing private was seen or written to" is_private
tap_test "what is under way ends, the modules unload" ends
tap_test "with an honest host every byte is right again" works_again
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
