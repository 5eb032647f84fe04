#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# airlock and mainline's drivers in the same SEV guest, one after the other: what each of
# them makes the host see, in bytes, and where the payload of a write is then.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# write_payload TOKEN - so often that no bounce memory is without it
write_payload() {
	guest "set -e
		repeat /$1 /tmp/p 17
		dd if=/tmp/p of=/dev/\$(disk main) bs=64k oflag=direct conv=fsync 2>/dev/null
		rm /tmp/p"
}

network_works() {
	guest "up $MAC $GUEST/24 && traffic tcp $HOST 7000 4000000 65536"
}

# swiotlb - the kernel's pool, as the kernel says where it is
swiotlb() {
	local first last

	read -r first last < <(guest 'dmesg' | tr -d '\r' |
		sed -n 's/.*software IO TLB: mapped \[mem \(0x[0-9a-f]*\)-\(0x[0-9a-f]*\)\].*/\1 \2/p')
	printf '%s %d\n' "$first" $((last - first))
}

airlock_shares() {
	guest "modprobe -a airlock_blk airlock_net && need_disk main && need_nic $MAC"
	write_payload airlocks
	network_works
	memory_agrees
	memory_bytes "$WORK/opened" >"$WORK/airlock.bytes"
	pages find "$M_PID" "$WORK/airlocks" >"$WORK/found"
	[ -s "$WORK/found" ] || fail "the payload is nowhere: this search finds nothing"
	pages minus "$WORK/found" "$WORK/audit" >"$WORK/strays"
	[ ! -s "$WORK/strays" ] || fail "payload outside what is listed: $(cat "$WORK/strays")"
	guest 'rmmod airlock_net && rmmod airlock_blk && rmmod airlock'
	memory_none
}

mainline_shares() {
	guest 'mainline && need_disk main | grep ^vd'
	write_payload mainlines
	network_works
	swiotlb >"$WORK/swiotlb"
	pages find "$M_PID" "$WORK/mainlines" >"$WORK/found"
	[ -s "$WORK/found" ] || fail "the payload is nowhere"
	pages minus "$WORK/found" "$WORK/swiotlb" >"$WORK/strays"
	[ ! -s "$WORK/strays" ] || fail "payload outside of swiotlb: $(cat "$WORK/strays")"
	memory_opened >"$WORK/opened.now"
	pages minus "$WORK/swiotlb" "$WORK/opened.now" >"$WORK/closed"
	[ ! -s "$WORK/closed" ] || fail "the guest did not open all of swiotlb: $(cat "$WORK/closed")"
	memory_bytes "$WORK/opened.now" >"$WORK/mainline.bytes"
}

# The point of it all. (Sixteen times is far below what is measured, and far above noise.)
far_less() {
	local ours theirs

	ours=$(cat "$WORK/airlock.bytes") theirs=$(cat "$WORK/mainline.bytes")
	[ "$theirs" -gt $((16 * ours)) ] || fail "mainline $theirs bytes, airlock $ours"
}

need_machine sev
export M_SWIOTLB=yes
machine_new sev
head -c 32 /dev/urandom >"$WORK/airlocks"
head -c 32 /dev/urandom >"$WORK/mainlines"
machine_disk_and_nic
machine_boot "$WORK/airlocks" "$WORK/mainlines"
memory_mark
TAP_ALSO=machine_complaints
tap_test "airlock's payload is in the pages that its audit lists, and nowhere else" airlock_shares
tap_test "mainline's payload is in swiotlb, all of which the guest opened" mainline_shares
tap_test "airlock shares less than a sixteenth of what mainline does" far_less
printf '# bytes that the guest of %d MiB shares: mainline %s, airlock %s\n' "$M_MEMORY_MIB" \
	"$(cat "$WORK/mainline.bytes")" "$(cat "$WORK/airlock.bytes")"
tap_test "the guest powers off" machine_off
tap_done
