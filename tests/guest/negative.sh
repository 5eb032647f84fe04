#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The negative control: mainline's drivers in a plain machine, with the same
# airlockd, the same canary and the same search, which must find it. A search that
# cannot find is no proof. On the way it shows that airlockd serves mainline's drivers.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

mainline_works() {
	guest "set -e
		mainline
		d=/dev/\$(need_disk main)
		test \$d = /dev/vda
		mkfs.ext4 -q \$d
		mkdir -p /mnt
		mount -t ext4 \$d /mnt
		random_file /mnt/f 16
		before=\$(sum /mnt/f)
		forget_cache
		test \$before = \$(sum /mnt/f)
		umount /mnt
		up $MAC $GUEST/24
		traffic tcp $HOST 7000 4000000 65536"
}

canary_found() {
	local status=0 source

	guest 'canary_start 32'
	machine_search "$WORK/token" >"$WORK/found" || status=$?
	cat "$WORK/found"
	[ "$status" -eq 1 ] || fail "the search ended with $status"
	# The whole canary: 64 MiB of it, 32 bytes each. (Of what it holds airlockd maps
	# only the parts that it was told to use.)
	for source in held shared; do
		awk -v source="$source" '$1 == source { hits += $3 } END { exit hits < 2097152 }' \
			"$WORK/found" || fail "not all of the canary was found in what is $source"
	done
	guest 'canary_end'
}

need_machine
machine_new plain
head -c 32 /dev/urandom >"$WORK/token"
machine_disk_and_nic
machine_boot "$WORK/token"
TAP_ALSO=machine_complaints
tap_test "mainline's drivers do their I/O through airlockd" mainline_works
tap_test "the canary is found where all memory is shared" canary_found
tap_test "the guest powers off" machine_off
tap_done
