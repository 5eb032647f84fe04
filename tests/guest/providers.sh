#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The providers dma and decrypt, in the plain machine: there all memory is shared, and
# opening a page does nothing, but each step of the provider is taken. One after the other
# in the same boot, so that the second gets what the first gave back.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01

# budgets - the KiB that the log says were reserved since the mark, one device a line
budgets() {
	machine_log_since | sed -n "s/.*: sharing \([0-9]*\) KiB with the host ($1)$/\1/p"
}

# Every page is listed with this provider, and their sum is what was announced: no more.
audited() {
	local device purpose address bytes provider sum=0 total='' budget

	machine_log_flush
	guest 'cat /sys/kernel/debug/airlock/regions' | tee "$WORK/regions"
	while read -r device purpose address bytes provider; do
		if [ "$device" = total ]; then
			total=$bytes
			continue
		fi
		[ "$provider" = "$1" ] || fail "$purpose at $address comes from $provider"
		sum=$((sum + bytes))
	done <"$WORK/regions"
	mapfile -t budget < <(budgets "$1")
	[ "${#budget[@]}" -eq 2 ] || fail "the log has ${#budget[@]} budgets instead of two"
	[ "$sum" -eq "$total" ] || fail "the sum is $sum, the total $total"
	[ "$total" -eq $(((budget[0] + budget[1]) << 10)) ] ||
		fail "$total bytes are shared; the budgets are ${budget[*]} KiB"
}

# loads PROVIDER - in one test with the audit, because the log is compared with it
loads() {
	guest "modprobe airlock provider=$1 && modprobe -a airlock_blk airlock_net &&
		need_disk main && need_nic $MAC"
	audited "$1"
}

disk_works() {
	local size

	for size in 4096 65536 4194304; do
		guest -t 600 "set -e
			d=/dev/\$(disk main)
			random_file /tmp/x 16
			dd if=/tmp/x of=\$d bs=$size oflag=direct conv=fsync 2>/dev/null
			blockdev --flushbufs \$d
			dd if=\$d of=/tmp/y bs=$size count=$((16777216 / size)) \
				iflag=direct 2>/dev/null
			cmp /tmp/x /tmp/y
			sum /tmp/x" >"$WORK/theirs" || fail "in blocks of $size: $(cat "$WORK/theirs")"
		[ "$(cat "$WORK/theirs")" = "$(head -c 16M "$WORK/main.img" | sha256sum | cut -d ' ' -f 1)" ] ||
			fail "the image differs from what the guest wrote in blocks of $size"
	done
}

nic_works() {
	guest "set -e
		up $MAC $GUEST/24
		ping -c 3 -W 60 $HOST
		traffic tcp $HOST 7000 8000000 65536
		traffic udp $HOST 7000 50 1472"
}

# After that nothing is shared, and it can be done again.
unloads() {
	guest "set -e
		rmmod airlock_net
		rmmod airlock_blk
		cat /sys/kernel/debug/airlock/regions
		test \"\$(cat /sys/kernel/debug/airlock/regions)\" = 'total - - 0 -' || die 'it still shares'
		rmmod airlock
		! grep -q '^airlock' /proc/modules || die 'a module stayed'"
}

need_machine
backend_sanitized
machine_new plain
machine_disk_and_nic
machine_boot
TAP_ALSO=machine_complaints
for provider in dma decrypt; do
	tap_test "$provider: the audit lists it alone, and no more than the budgets" loads "$provider"
	tap_test "$provider: a disk reads what it wrote" disk_works
	tap_test "$provider: TCP and UDP" nic_works
	tap_test "$provider: the modules unload, nothing is shared any more" unloads
done
tap_test "the guest powers off" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
