#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each allocation that the kernel makes while it binds a device, ours or its own, fails once, and each
# that it makes while it sets a card up. It says so, or does without; nothing stays shared, nothing
# is lost, and the next try works.
#
# Theory
#   A program in the guest (tests/guest/failnth.c) fails one after another by the kernel's own means,
#   a few seconds' worth at a time, so that a guest that hangs is known from one that is slow. After
#   each such piece nothing may be shared; after all of them the device must work as ever, which
#   it does not when anything of an attempt is in the way. What is only lost is found by the search for
#   leaks at the end.
#   What debugging allocates for itself is left alone: it can do without, and there is as much
#   of that as of all else.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
# In seconds, of one piece
readonly PIECE=20

# In the guest: a device works, and goes.
readonly WORKS_disk='modprobe airlock_blk && disk=$(need_disk main) &&
	dd if=/dev/$disk of=/dev/null bs=64k count=4 iflag=direct && rmmod airlock_blk'
readonly WORKS_card="modprobe airlock_net && up $MAC $GUEST/24 && traffic tcp $HOST 7000 100000 65536 &&
	rmmod airlock_net"

# All allocations can fail, those that may sleep and those of single pages too, and nothing is said of
# it, for a stack in the log is what every test takes for an error. For the same reason there is a disk
# of loop's: the first disk makes a cache for its requests, and mm/slab_common.c shows a stack when it
# cannot. Leaks are looked for at the end, and not all the time.
prepare() {
	guest 'set -e
		echo 1 >/sys/kernel/rcu_expedited
		cd /sys/kernel/debug
		for f in failslab fail_page_alloc; do
			echo N >$f/ignore-gfp-wait
			echo 0 >$f/verbose
		done
		echo N >fail_page_alloc/ignore-gfp-highmem
		echo 0 >fail_page_alloc/min-order
		grep -qx 1 /sys/kernel/slab/kmalloc-64/failslab
		grep -qx 0 /sys/kernel/slab/kmemleak_object/failslab
		echo Y >failslab/cache-filter
		echo scan=off >kmemleak
		modprobe loop'
	guest "modprobe airlock
		$WORKS_disk && $WORKS_card && nothing_shared"
	guest "mkdir /run/pci
		for f in /sys/bus/pci/devices/*; do
			case \$(cat \$f/device) in
			0x1110) echo \${f##*/} >/run/pci/window ;;
			0x1041) echo \${f##*/} >/run/pci/card ;;
			0x1042) echo \${f##*/} >/run/pci/disk ;;
			esac
		done"
}

# fails_each CHECK WORD... - "failnth WORD... FROM SECONDS" until there is no further allocation; the
# check holds after each piece
fails_each() {
	local check=$1 from=1 word=next

	shift
	while [ "$word" = next ]; do
		guest "failnth $* $from $PIECE && $check" >"$WORK/failnth" || {
			cat "$WORK/failnth"
			fail "from $from on"
		}
		grep 'errors' "$WORK/failnth"
		read -r word from < <(tr -d '\r' <"$WORK/failnth" | grep -E '^(next|end) [0-9]+$')
	done
	[ "$from" -gt 1 ] || fail "nothing was made to fail"
}

# fails_to_bind DRIVER DEVICE [MODULE] - the device is enabled before: for that the kernel asks ACPI
# where its interrupt goes, and ACPI's interpreter uses freed memory when it has none (Linux 6.1,
# acpi_ns_get_attached_object()), which is not our affair.
fails_to_bind() {
	guest "modprobe -a airlock ${3:-}
		cat /run/pci/$2 >/sys/bus/pci/drivers/$1/unbind &&
			echo 1 >/sys/bus/pci/devices/\$(cat /run/pci/$2)/enable"
	fails_each nothing_shared bind "$1" "\$(cat /run/pci/$2)"
	guest "rmmod ${3:-} airlock && modprobe airlock && $WORKS_disk && $WORKS_card && rmmod airlock"
}

fails_to_go_up() {
	guest "modprobe airlock && modprobe airlock_net && need_nic $MAC"
	fails_each true up "\$(nic $MAC)"
	guest "rmmod airlock_net && $WORKS_card && nothing_shared && rmmod airlock"
}

# machine_splats - machine.sh's, without three stacks that the kernel shows of itself when an allocation
# of its own fails: files in /proc/irq/N that are not there when they are to be removed (remove_proc_entry()
# of unregister_irq_proc()); directories in /proc/sys/net (__register_sysctl_table()); and memory for
# the partitions' table (vzalloc() in bdev_disk_changed()). All else in between counts.
machine_splats() {
	machine_log_since | awk '
		/ WARNING: CPU: .* at fs\/proc\/generic\.c:[0-9]+ remove_proc_entry\+/ && file {
			its_own = 1
			next
		}
		/sysctl could not get directory: \/net\// { its_own = 1 }
		/failnth: vmalloc error: .*, vm_struct allocation failed,/ { its_own = 1 }
		{ file = /name .(smp_affinity|effective_affinity|affinity_hint|node|spurious)(_list)?.$/ }
		/Call Trace:$/ && its_own { next }
		/<\/TASK>$/ { its_own = 0 }
		{ print }' | grep -aE "$M_SPLAT" || true
}

need_machine
# Its cards have vectors.
machine_built_qemu || true
machine_new "${MACHINE:-window}"
machine_disk_and_nic
# The caches that can fail, if only such are to: all but those.
M_APPEND+=' slub_debug=A;-,kmemleak_*,debug_objects_cache'
machine_boot
# The debug kernel is built to have it.
guest 'test -e /proc/self/fail-nth' >/dev/null || [ "$KERNEL_SERIES" = debug ] ||
	tap_skip_all "the kernel cannot fail allocations on order"
TAP_ALSO=machine_complaints
tap_test "the kernel can fail allocations on order" guest 'test -e /proc/self/fail-nth'
tap_test "a disk and a card work" prepare
tap_test "case 51: a window is bound, each allocation fails once" fails_to_bind airlock_window window
tap_test "case 51: a disk is bound, each allocation fails once" fails_to_bind airlock disk airlock_blk
tap_test "case 51: a card is bound, each allocation fails once" fails_to_bind airlock card airlock_net
tap_test "case 51: a card is set up, each allocation fails once" fails_to_go_up
tap_test "the guest powers off, and no memory is lost" machine_off
tap_test "airlockd ends on SIGTERM" backend_stop_all
tap_done
