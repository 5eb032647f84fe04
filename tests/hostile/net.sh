#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Lies about frames. A bad frame is dropped and counted by what is
# wrong with it; connections go on, with every byte right.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/lies.sh"

# Cards that agreed on less, each in a network of its own: no checksums; those, but no segmentation
# and no frames of several buffers.
readonly BARE_MAC=52:54:00:a1:0c:02 BARE_HOST=198.51.100.1 BARE=198.51.100.2
readonly CSUM_MAC=52:54:00:a1:0c:03 CSUM_HOST=203.0.113.1 CSUM=203.0.113.2
readonly UNSEGMENTED=guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off

# All counters of frames that were dropped.
readonly LOSSES='rx0_(bad|no|lost|empty|over)_.*'

more_devices() {
	net_tap tap1 "$BARE_HOST/24"
	machine_nic bare "$BARE_MAC" tap=tap1 liar "guest_csum=off,$UNSEGMENTED"
	net_tap tap2 "$CSUM_HOST/24"
	machine_nic csum "$CSUM_MAC" tap=tap2 liar "mrg_rxbuf=off,$UNSEGMENTED"
}

# The host's frames come one by one, with their checksums: so each header is one of a whole frame.
plain_frames() {
	net_exec ethtool -K tap0 tso off gso off tx off >/dev/null
}

buffers() {
	dropped bad_buffers 'nic.0 net.num_buffers=0 times=3'
	dropped 'bad_buffers|lost_buffers' 'nic.0 net.num_buffers=65535 times=3'
	# The next frame is taken for part of it.
	harmless nic 'nic.0 net.num_buffers=2 times=3'
}

# joined - more buffers than a frame has, which are all there when they are looked for: calls are kept back
# meanwhile, and a watch looks each second
joined() {
	local before try

	before=$(counter rx0_bad_buffers)
	for ((try = 0; try < 20; try++)); do
		liar_tell 'nic.0 call.none times=100000' 'nic.0 net.num_buffers=40'
		net_exec ping -q -c 64 -l 64 -W 1 "$GUEST_ADDRESS" >/dev/null || true
		liar_told 'nic.0 net.num_buffers=40'
		honest
		! counter_above rx0_bad_buffers "$before" || break
	done
	counter_above rx0_bad_buffers "$before" || fail "a frame of 40 buffers is not dropped as that"
	goes_on nic
}

# all_dropped COUNTER LIE - 600 frames, more than there are buffers: each gives its own back
all_dropped() {
	local before

	before=$(counter "rx0_($1)")
	dropped "$1" "$2 times=600"
	wait_for 60 counter_above "rx0_($1)" $((before + 599)) || fail "not all are counted as $1"
}

many() {
	net_start ping -q -f -c 100000000 "$GUEST_ADDRESS" >/dev/null
	all_dropped bad_flags 'nic.0 net.flags=4'
	all_dropped no_header 'nic.0 len=0'
	all_dropped bad_buffers 'nic.0 net.num_buffers=0'
	# All that is there is taken for part of the frame, and is lost with it.
	dropped 'bad_buffers|lost_buffers' 'nic.0 net.num_buffers=65535 times=600'
}

later() {
	net_exec ethtool -K tap0 tso on gso on tx on >/dev/null
	# These have most of the ring's buffers.
	dropped empty_buffers 'nic.0 net.later=0 times=30'
	breaks nic rx0 "$LONG" 'nic.0 net.later=0x100000'
	# What is left of the frame is taken for others.
	harmless nic 'nic.0 net.fewer times=3'
	plain_frames
}

gso() {
	local type size

	for type in 2 3 5 7 0x7f 0x80; do
		dropped bad_gso_type "nic.0 net.gso_type=$type times=3"
	done
	# Without a checksum to fill in there is nothing to segment; with one, the size is looked at.
	dropped bad_gso_type 'nic.0 net.flags=0 net.gso_type=1 net.gso_size=1000 times=3'
	for size in 0 1 65535; do
		dropped bad_gso_size "nic.0 net.flags=1 net.csum_start=34 net.csum_offset=16 net.gso_type=1 net.gso_size=$size times=3"
	done
	dropped bad_csum 'nic.0 net.flags=1 net.csum_start=34 net.csum_offset=16 net.gso_type=4 net.gso_size=1000 times=3'
}

checksums() {
	local where before

	for where in start=0xffff start=60000 start=0; do
		dropped bad_csum "nic.0 net.flags=1 net.csum_$where times=3"
	done
	# The sum of the two wraps.
	dropped bad_csum 'nic.0 net.flags=1 net.csum_start=0xfff0 net.csum_offset=0x20 times=3'
	dropped bad_csum 'nic.0 net.flags=1 net.csum_start=34 net.csum_offset=0xffff times=3'
	# Inside of the IP header.
	dropped bad_csum 'nic.0 net.flags=1 net.csum_start=14 net.csum_offset=10 times=3'
	before=$(counter "$LOSSES")
	harmless nic 'nic.0 net.hdr_len=0xffff times=5'
	[ "$(counter "$LOSSES")" -eq "$before" ] || fail "a frame was dropped for its hdr_len"
}

flags() {
	dropped bad_flags 'nic.0 net.flags=4 times=3'
	dropped bad_flags 'nic.0 net.flags=0xff times=3'
}

# not_agreed CARD ADDRESS REGEX LIE - likewise, of a card that agreed on less: such frames are dropped and
# counted, the next is not
not_agreed() {
	local before

	before=$(counter "rx0_$3" "$1")
	liar_tell "$4"
	net_exec ping -q -c 10 -i 0.2 -W 1 "$2" >/dev/null || true
	liar_told "$4"
	wait_for 60 counter_above "rx0_$3" "$before" "$1" || fail "no frame is counted as $3: $4"
	wait_for 60 net_exec ping -q -c 1 -W 5 "$2" >/dev/null || fail "nothing is answered: $4"
}

# not_looked_at CARD ADDRESS LIE - nothing is dropped for it
not_looked_at() {
	local before

	before=$(counter 'rx0_(bad|lost)_buffers' "$1")
	liar_tell "$3"
	net_exec ping -q -c 10 -i 0.2 -W 60 "$2" | grep ' 10 received' || fail "not all is answered: $3"
	liar_told "$3"
	[ "$(counter 'rx0_(bad|lost)_buffers' "$1")" -eq "$before" ] || fail "a frame was dropped: $3"
}

less() {
	local flags type n

	# Who is asked for by name first: a question for that is too short to be segmented.
	guest "up $BARE_MAC $BARE/24 && up $CSUM_MAC $CSUM/24 &&
		nic $BARE_MAC >/run/bare && nic $CSUM_MAC >/run/csum"
	wait_for 60 net_exec ping -q -c 1 -W 5 "$BARE" && wait_for 60 net_exec ping -q -c 1 -W 5 "$CSUM"
	for flags in 1 2; do
		not_agreed bare "$BARE" bad_flags \
			"bare.0 net.flags=$flags net.csum_start=34 net.csum_offset=16 times=3"
	done
	for type in 1 4 5 0x81; do
		not_agreed csum "$CSUM" bad_gso_type "csum.0 net.flags=1 net.csum_start=34 \
net.csum_offset=16 net.gso_type=$type net.gso_size=100 times=3"
	done
	for n in 0 2 65535; do
		not_looked_at csum "$CSUM" "csum.0 net.num_buffers=$n times=3"
	done
}

lengths() {
	dropped no_header 'nic.0 len=0 times=2'
	dropped no_header 'nic.0 len=11 times=2'
	dropped bad_length 'nic.0 len=12 times=2'
	dropped bad_length 'nic.0 len=25 times=2'
	dropped over_mtu 'nic.0 len=1900 times=2'
}

# The driver sees one or the other, and what it has seen is what counts: a header that was good when it was
# checked is good when it is used. It must have seen a bad one.
changes() {
	local before offload try

	before=$(counter 'rx0_(bad|lost)_.*') offload=$(counter rx0_bad_offload)
	for ((try = 0; try < 10; try++)); do
		harmless nic 'nic.0 net.flicker for=500 times=3'
		! counter_above 'rx0_(bad|lost)_.*' "$before" || break
	done
	counter_above 'rx0_(bad|lost)_.*' "$before" || fail "no bad header was seen"
	[ "$(counter rx0_bad_offload)" -eq "$offload" ] || fail "another header was used than was checked"
}

another_order() {
	harmless nic 'nic.1 swap times=20'
}

liar_begins
# A connection that lost some frames is silent for longer and longer; these are not.
net_start ping -q -i 0.2 "$GUEST_ADDRESS" >/dev/null
plain_frames
tap_test "case 06, case 23: a frame that is shorter than a header, or than Ethernet's, or too long" lengths
tap_test "case 18: a frame of no buffers, and of more than came" buffers
tap_test "case 18: a frame of more buffers than a frame has" joined
tap_test "case 18, case 19: a later buffer that is empty, too long, or not of the frame" later
tap_test "case 20: segmentation that is unknown, or into nothing" gso
tap_test "case 21: a checksum outside the frame" checksums
tap_test "case 22: flags that were not agreed on" flags
tap_test "case 22: checksums, segmentation and joined buffers for cards that did not agree on them" less
tap_test "case 22, case 23: more bad frames than the ring has buffers" many
tap_test "case 24: a header that changes while it is looked at" changes
tap_test "case 25: frames sent that are completed in another order" another_order
tap_test "every byte was right" liar_ends
tap_test "nothing private was seen, the modules unload, nothing stays shared" liar_leaves
tap_test "the guest powers off" machine_off
tap_test "the back-end ends on SIGTERM" backend_stop_all
tap_done
