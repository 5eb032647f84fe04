#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host sees what was meant for it, and nothing else: in the window machine
# with our drivers, a secret in private memory is not found, and the payload of a write
# is. Without the second the first would be no proof. See negative.sh too.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

not_found() {
	local status=0

	guest 'canary_start 32'
	guest 'set -e
		d=/dev/$(need_disk main)
		random_file /tmp/x 16
		dd if=/tmp/x of=$d bs=1M oflag=direct 2>/dev/null
		dd if=$d of=/dev/null bs=1M count=16 iflag=direct 2>/dev/null'
	machine_search "$WORK/token" || status=$?
	[ "$status" -eq 0 ] || fail "the search ended with $status"
	guest 'canary_end'
}

# The token of the payload is written to the disk: it must be in the window then, seen
# through QEMU's memory file and through the back-end's mapping, and in the image.
payload_found() {
	local status=0 source

	guest 'set -e
		d=/dev/$(disk main)
		repeat /payload /tmp/p 11
		dd if=/tmp/p of=$d bs=64k oflag=direct conv=fsync 2>/dev/null'
	machine_search "$WORK/payload" >"$WORK/found" || status=$?
	cat "$WORK/found"
	[ "$status" -eq 1 ] || fail "the search ended with $status"
	for source in mapped held shared; do
		awk -v source="$source" '$1 == source && $3 > 0 { found = 1 } END { exit !found }' \
			"$WORK/found" || fail "not found in what is $source"
	done
}

need_machine
machine_new "${MACHINE:-window}"
head -c 32 /dev/urandom >"$WORK/token"
head -c 32 /dev/urandom >"$WORK/payload"
truncate -s 64M "$WORK/main.img"
machine_disk main "$WORK/main.img" airlockd serial=main
machine_boot "$WORK/token" "$WORK/payload"
guest 'modprobe airlock_blk'
TAP_ALSO=machine_complaints
tap_test "case 50: a canary in private memory is nowhere on the host side" not_found
tap_test "the payload of a write is found by the same search" payload_found
tap_test "the guest powers off" machine_off
tap_done
