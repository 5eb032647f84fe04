#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Lies about what is in rings, told by a back-end to the real modules under I/O. (Case 12 is one of
# registers.sh, 17 one of blk.sh; notifications and time are in calls.sh.)
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/lies.sh"

# It sees what is used when it sends: a lie about that goes on until then.
readonly GOES_ON='for=30000'

need_split() {
	[ "${RING:-split}" = split ] || skip "$*"
}

need_packed() {
	[ "${RING:-split}" = packed ] || skip "$*"
}

# each FUNCTION - for each of the queues: a disk's, a card's two
each() {
	"$1" main q0 main.0
	"$1" nic rx0 nic.0
	"$1" nic tx0 nic.1
}

# of_ours FUNCTION [WORD...] - likewise, but for the one whose buffers are with the device all the time
of_ours() {
	"$@" main q0 main.0
	"$@" nic tx0 nic.1
}

outside() {
	local id ids='0xffff 0x8000'

	[ "${RING:-split}" != split ] || ids='256 0x10003 0xffffffff'
	for id in $ids; do
		breaks "$1" "$2" "$OUTSIDE" "$3 used.id=$id after=3"
	done
}

not_in_flight() {
	breaks "$1" "$2" "$FREE" "$3 used.free after=3"
}

# When nothing else is in flight there can be no second completion at all; in a packed ring nobody
# looks for one then, and the device goes on behind it, where nobody looks either.
twice() {
	local reasons="$FREE|$JUMP"

	if [ "${RING:-split}" = packed ]; then
		reasons+="|$STALLED"
		impatient
	fi
	breaks "$1" "$2" "$reasons" "$3 used.twice after=3"
}

jumps() {
	local by

	need_split "there is no index in a packed ring"
	for by in 0x8000 300 -300; do
		breaks "$1" "$2" "$JUMP" "$3 used.idx=$by after=3 $GOES_ON"
	done
}

too_long() {
	local len

	for len in 0x100000 0xffffffff; do
		breaks "$1" "$2" "$LONG" "$3 used.len=$len after=3"
	done
}

# Each time it is one of the two, or both halves are right; the driver must have seen one that is not.
flickers() {
	local where why try

	need_split "case 14 is the same of a packed ring"
	for ((try = 0; try < 10; try++)); do
		where=$(machine_log_end)
		survived "$1" "$3 used.flicker=0xffff for=300 times=3"
		why=$(first_failure "$2" "$where")
		[[ $why =~ ^($OUTSIDE|$LONG|)$ ]] || fail "$2 failed of another reason: $why"
		[ -z "$why" ] || return 0
	done
	fail "$2 never saw a wrong half"
}

# scribbles WHERE DEVICE QUEUE LIE-QUEUE
scribbles() {
	need_split "a packed ring has no table of the driver's own"
	harmless "$2" "$4 $1=2000"
}

untouched() {
	need_packed "case 4 is the same of a split ring"
	breaks "$1" "$2" "$FREE|$JUMP" "$3 used.untouched after=3 $GOES_ON"
}

# A buffer that was taken for used is shown anew in its old place, when the ring is full, and there a
# device that has not been round yet never sees it: it stays deaf. Of frames that do not come no
# driver can tell, so the card is reset in another way.
wraps() {
	local where why try seen=0

	need_packed "a split ring has no wrap counter"
	for ((try = 0; try < 3 || (seen == 0 && try < 15); try++)); do
		where=$(machine_log_end)
		lies "nic.0 used.wrap for=300"
		why=$(first_failure rx0 "$where")
		[[ $why =~ ^($FREE|$JUMP|)$ ]] || fail "rx0 failed of another reason: $why"
		# By that, or by what it does not see any more, it is known that it has seen one.
		if [ -n "$why" ] || ! net_exec ping -q -c 3 -i 0.3 -W 3 "$GUEST_ADDRESS"; then
			seen=1
		fi
		recovers nic liar_tell "nic.1 used.id=0xffff times=1000"
		honest
		goes_on nic
	done
	[ "$seen" -eq 1 ] || fail "rx0 never saw a wrong counter"
	survived nic "nic.1 used.wrap for=300 times=3"
}

# The driver goes on by what it knows of a chain, and does not go looking.
skips() {
	need_packed "in a split ring there is nothing to skip"
	impatient
	breaks "$1" "$2" "$STALLED" "$3 used.skip=1 after=3"
}

# A request is not completed, so there is a reset; after that the back-end completes it.
earlier() {
	impatient
	breaks "$1" "$2" "$STALLED" "$3 hold"
	patient
	breaks "$1" "$2" "$FREE" "$3 used.old"
}

liar_begins
tap_test "case 01: an id outside the queue" each outside
tap_test "case 02: an id that is not in flight" of_ours not_in_flight
tap_test "case 03: the same completion twice" each twice
tap_test "case 04: used.idx jumps, forwards and back" each jumps
tap_test "case 05, case 07: more bytes than were writable, up to all" each too_long
tap_test "case 08: a used element that a second thread rewrites" each flickers
tap_test "case 09: descriptors become nonsense" of_ours scribbles scribble.desc
tap_test "case 10: the avail ring becomes nonsense" of_ours scribbles scribble.avail
tap_test "case 09, case 10: both do" of_ours scribbles scribble
tap_test "case 13: a descriptor marked used that the device never had" of_ours untouched
tap_test "case 14: the wrap counter lies in a second thread" wraps
tap_test "case 15: descriptors are skipped" of_ours skips
tap_test "case 33: what was sent before a reset is completed after it" of_ours earlier
tap_test "every byte was right" liar_ends
tap_test "nothing private was seen, the modules unload, nothing stays shared" liar_leaves
tap_test "the guest powers off" machine_off
tap_test "the back-end ends on SIGTERM" backend_stop_all
tap_done
