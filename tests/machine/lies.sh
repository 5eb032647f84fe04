# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# A machine whose back-end lies, and what the guest makes of it. Sourced after machine.sh,
# tap.sh and churn.sh.
#
# Theory
#   The disk main and the card nic are those of the back-end "liar" (tests/hostile/lie.h). fio
#   writes and verifies on one, and checked TCP goes over the other, from the first case to the last. A
#   case tells lies, makes sure that they were told, and looks for the one reaction that
#   ATTACKS.md wants; then I/O must go on, of itself. All the while the guest holds a secret, of which the
#   memory that the drivers get is full, too, and which after each case must be nowhere that the host can look
#   (liar_complaints), and at the end be what it was (liar_leaves).

# Why a queue breaks, in the driver's words.
readonly OUTSIDE='used id is outside the queue' FREE='used id is not in flight'
readonly JUMP='used index jumps past what is in flight' LONG='used length is above what was writable'
readonly STALLED='no completion in time'

readonly HOST=192.0.2.1 GUEST_ADDRESS=192.0.2.2 MAC=52:54:00:a1:0c:01

# liar_qemu - the QEMU that is built here, if there is one: its cards have a vector for each queue, as
# elsewhere; before machine_new
liar_qemu() {
	machine_built_qemu || true
}

# liar_machine [OPTIONS [QEMU-OPTIONS]] - of the disk. Where the caller has a function more_devices,
# that adds some.
# shellcheck disable=SC2120 # given by blk.sh
liar_machine() {
	truncate -s 64M "$WORK/main.img"
	net_new
	net_tap tap0 "$HOST/24"
	machine_disk main "$WORK/main.img" liar "serial=main${1:+,$1}" "${2:-}"
	machine_nic nic "$MAC" tap=tap0 liar
	! declare -F more_devices >/dev/null || more_devices
	backend_liar liar
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
	churn_programs
	head -c 32 /dev/urandom >"$WORK/token"
	machine_sentinel
	machine_boot "$WORK/token" "$SENTINEL_KO"
	TAP_ALSO=liar_complaints
}

# liar_load [PARAMETER...] - the drivers, which try to bring a device up again more often than
# there are lies
liar_load() {
	guest -t 120 "sentinel_load && modprobe airlock recover_tries=1000 $*"
	load_devices "$MAC" "$GUEST_ADDRESS"
	guest -t 120 "nic $MAC >/run/nic
		disk main >/run/main
		rmmod sentinel && sentinel_load && canary_start 16"
	patient
}

# impatient - from here on, until the test ends, a disk's request is late after ten seconds in place of
# five minutes; on a slow machine one that is not lied about may be after thirty. Frames that were sent are
# after fifteen, in place of 75.
impatient() {
	on_exit patient
	guest 'echo 10000 >/sys/block/$(cat /run/main)/queue/io_timeout
		echo 4 >/sys/module/airlock_net/parameters/tx_timeout'
}

patient() {
	guest 'echo 300000 >/sys/block/$(cat /run/main)/queue/io_timeout
		echo 20 >/sys/module/airlock_net/parameters/tx_timeout'
}

# liar_works - fio and TCP from here on. A stall may end a connection, as long as what came was right.
liar_works() {
	start_churn main
	guest "rm -f /run/traffic*
		(while [ ! -e /run/traffic-stop ]; do
			traffic tcp $HOST 7000 1000000 65536 && echo >>/run/traffic-rounds || sleep 1
		done) >>/run/traffic.log 2>&1 &
		echo \$! >/run/traffic.pid
		wait_for 500 test -s /run/traffic-rounds"
}

# liar_begins - a machine, and the tests of it that all who lie under I/O begin with
liar_begins() {
	need_machine
	liar_qemu
	M_RECONNECT=1
	machine_new "${MACHINE:-window}"
	liar_machine
	tap_test "disk and card are there" liar_load
	tap_test "fio and TCP are under way" liar_works
}

# liar_quiet - no more traffic of the card's
liar_quiet() {
	guest -t 900 'touch /run/traffic-stop
		wait_for 2500 negated kill -0 $(cat /run/traffic.pid) 2>/dev/null'
}

# liar_ends - every byte was right
liar_ends() {
	churn_ends main
	liar_quiet
	guest 'cat /run/traffic.log
		! grep wrong /run/traffic.log'
}

# liar_leaves - the secret is nowhere on the host's side, and is what it was; the modules go, and nothing
# stays shared
liar_leaves() {
	machine_search "$WORK/token" liar || fail "the search ended with $?"
	guest -t 300 'canary_end && rmmod sentinel airlock_net airlock_blk && nothing_shared && rmmod airlock'
}

# liar_tell LINE... - not told yet, perhaps
liar_tell() {
	local line

	LIAR_MARK=$(stat -c %s "$WORK/liar.log")
	for line; do
		printf '%s\n' "$line" >&"$LIES_FD"
		wait_for 60 liar_said 1 "armed: $line" || fail "the back-end does not know: $line"
	done
}

# liar_said N TEXT - so often, since liar_tell
liar_said() {
	[ "$(tail -c "+$((LIAR_MARK + 1))" "$WORK/liar.log" | grep -acxF "hostile: $2")" -ge "$1" ]
}

# liar_told LINE... - all of them, as often as was asked for
liar_told() {
	local line times

	for line; do
		times=1
		[[ ! $line =~ times=([0-9]+) ]] || times=${BASH_REMATCH[1]}
		wait_for "${LIAR_PATIENCE:-300}" liar_said "$times" "told: $line" ||
			fail "this was not told $times times: $line"
	done
}

lies() {
	liar_tell "$@"
	liar_told "$@"
}

# honest - from here on
honest() {
	LIAR_MARK=$(stat -c %s "$WORK/liar.log")
	echo honest >&"$LIES_FD"
	wait_for 60 liar_said 1 'is: honest' || fail "the back-end does not listen"
}

# goes_on DEVICE - I/O, since now
goes_on() {
	case $1 in
	main) guest -t 600 'mark_churn main && await_churn_by 40 main' ;;
	nic)
		guest -t 600 "once() { traffic tcp $HOST 7000 200000 65536 >>/run/traffic.log 2>&1; }
			wait_for 5 once || { tail -n 5 /run/traffic.log; die 'no connection comes to its end'; }
			! grep wrong /run/traffic.log"
		;;
	esac
}

# seen_failures QUEUE WHERE - what the guest's log says of it, from there on, in lines that have come out
# to their end
seen_failures() {
	tail -c "+$(($2 + 1))" "$WORK/console.log" | sed -n "s/.* $1: failed: \(.*\)\r\$/\1/p"
}

# first_failure QUEUE WHERE - likewise, until now
first_failure() {
	machine_log_flush || true
	seen_failures "$@" | head -n 1
}

has_failed() {
	[ -n "$(seen_failures "$@")" ]
}

# breaks DEVICE QUEUE REASON LINE... - the lies, when they have been told, break the queue, for that reason
# and no other, the device is reset, and then works. What was told once breaks it once, and that is said once.
breaks() {
	local device=$1 queue=$2 reason=$3 before failed where why line

	shift 3
	before=$(recovered "$device") failed=$(failures "$device") where=$(machine_log_end)
	liar_tell "$@"
	wait_for 900 has_failed "$queue" "$where" || fail "$queue did not fail: $*"
	for line; do
		# Of those that go on, one that is believed is the last one.
		[[ $line =~ for=|times= ]] || liar_told "$line"
	done
	honest
	why=$(seen_failures "$queue" "$where" | head -n 1)
	[[ $why =~ ^($reason)$ ]] || fail "$queue failed of another reason: $why: $*"
	wait_for 300 more_recovered "$device" "$before" || fail "$device was not brought up again: $*"
	[[ $* =~ for=|times= ]] || broke_once "$device" "$queue" "$failed" "$before" "$where" || fail "not once: $*"
	goes_on "$device"
}

# broke_once DEVICE QUEUE FAILED RECOVERED WHERE - counted, said, and brought up again since then
broke_once() {
	local failed recovered said

	failed=$(($(failures "$1") - $3)) recovered=$(($(recovered "$1") - $4))
	machine_log_flush || true
	said=$(seen_failures "$2" "$5" | wc -l)
	printf '%d times failed, %d times said, %d times recovered\n' "$failed" "$said" "$recovered"
	[ "$failed $said $recovered" = '1 1 1' ]
}

# survived DEVICE LINE... - the driver may see the lies or not, and reset the device or not; it
# works in any case
survived() {
	local device=$1

	shift
	lies "$@"
	goes_on "$device"
}

# harmless DEVICE LINE... - nothing comes of the lies
harmless() {
	local before

	before=$(recovered "$1")
	survived "$@"
	[ "$(recovered "$1")" -eq "$before" ] || fail "the device was reset: ${*:2}"
}

# of_main COUNTER - of the disk
of_main() {
	guest "cat /sys/block/\$(cat /run/main)/airlock/$1" | tr -dc '0-9'
}

# dropped REGEX LINE... - frames are, and counted so; the card is not reset for them. All that were lied
# about may be ARP's, when connections wait, and too short for what is said of them: then others are.
dropped() {
	local before resets try

	before=$(counter "rx0_($1)") resets=$(recovered nic)
	for try in 1 2 3 4 5; do
		lies "${@:2}"
		! wait_for 20 counter_above "rx0_($1)" "$before" || break
	done
	[ "$(counter "rx0_($1)")" -gt "$before" ] || fail "no frame is counted as $1 in $try times: ${*:2}"
	goes_on nic
	[ "$(recovered nic)" -eq "$resets" ] || fail "the card was reset: ${*:2}"
}

# liar_complaints - for TAP_ALSO; what one test left is not the next one's
liar_complaints() {
	echo honest >&"$LIES_FD"
	machine_complaints
	! backend_alive liar || gone "$M_PID" || machine_found "$WORK/token" liar
}
