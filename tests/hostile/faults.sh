#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What can fail inside the driver fails once, each step in its turn, after a probe (whose steps are
# tests/sev/lifecycle.sh's): when a card is set up, gets other rings, when a device is reset and brought
# up again, when the system sleeps and wakes up. I/O that was under way ends well, what is asked for
# next works, and with the drivers gone nothing is shared.
#
# Theory
#   A round (tests/machine/steps.sh) is: load the function driver, make the step fail in the midst of
#   I/O, wait until the device is back, let the I/O end, unload. To be loaded anew gives a device all
#   its attempts again; else each would be waited for longer than the one before. One device has a
#   driver at a time, and nothing is IPv6's, so that all steps are those of the path that is tested.
#   What has a device reset is a lie of the back-end, told once (tests/hostile/lie.h). The machine
#   sleeps once; later sleeps are those of the devices alone (tests/machine/sleep.sh).
#   Of probes every allocation fails in tests/hostile/failnth.sh.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/lies.sh"
. "$TOP/tests/machine/sleep.sh"
. "$TOP/tests/machine/steps.sh"

# What cannot be in any ring, whatever its layout.
readonly LIE=used.id=0xffff

# For the guest, which has them in a file: a line is slow.
WORDS="
	STEPS=/sys/module/airlock/parameters/fault_steps
	$(cat <<'END'

	# resets PCI - how often it was brought up again
	resets() {
		sed -n "s/^$1 - .* recovered=//p" /sys/kernel/debug/airlock/queues
	}

	more_resets() {
		[ "$(resets "$1")" -gt "$2" ]
	}

	# arm N - from here on steps are counted, and that one fails
	arm() {
		dmesg -c >/dev/null
		echo "$1" >$STEPS
	}

	# settle - the works that the driver has queued have taken their steps: for a while there was no
	# further one, in which the kernel waited for works on each processor. (Once is not enough: those
	# behind one that sleeps, for the stack's lock or for the device, pass it.)
	settle() {
		steps='' quiet=0 rounds=600
		while [ "$quiet" -lt 5 ]; do
			[ "$rounds" -gt 0 ] || die 'it takes steps for ever'
			rounds=$((rounds - 1))
			echo 1 >/proc/sys/vm/stat_refresh
			usleep 100000
			before_that=$steps steps=$(cat $STEPS)
			[ "$steps" = "$before_that" ] && quiet=$((quiet + 1)) || quiet=0
		done
	}

	# tell - what came of it; no step fails from here on
	tell() {
		echo "steps $(cat $STEPS)"
		echo 0 >$STEPS
		dmesg | grep 'is made to fail' || true
	}

	# back PCI BEFORE - the device is up again
	back() {
		wait_for 1200 more_resets "$1" "$2" || die 'it is not brought up again'
		settle
	}

	unload() {
		rmmod "$1" && nothing_shared
	}

	# load_disk, have_disk - sets disk, pci, before
	load_disk() {
		modprobe airlock_blk && need_disk main >/run/disk || exit
		have_disk
	}

	have_disk() {
		disk=$(cat /run/disk)
		pci=$(pci_of /sys/block/$disk/device) before=$(resets $pci)
	}

	# begin_io, end_io - all of /run/data is written, and read again: every byte is right
	begin_io() {
		(dd if=/run/data of=/dev/$disk bs=64k oflag=direct conv=notrunc &&
			dd if=/dev/$disk of=/run/back bs=64k count=16 iflag=direct) >/run/io.log 2>&1 &
		io=$!
	}

	end_io() {
		wait $io || {
			cat /run/io.log
			die 'I/O ends with an error'
		}
		cmp /run/data /run/back || exit
		rm /run/back
	}
END
)
	# load_card, have_card - sets nic, pci, before
	load_card() {
		modprobe airlock_net && up $MAC $GUEST_ADDRESS/24 || exit
		have_card
	}

	have_card() {
		nic=\$(nic $MAC)
		pci=\$(pci_of /sys/class/net/\$nic/device) before=\$(resets \$pci)
	}

	# begin_traffic, end_traffic - a connection that is there before and after: every byte is right
	begin_traffic() {
		traffic tcp $HOST 7000 \${1:-500000} 65536 >/run/traffic.log 2>&1 &
		io=\$!
	}

	end_traffic() {
		wait \$io || {
			cat /run/traffic.log
			die 'the connection is lost'
		}
	}"
readonly WORDS

# with_words [-t SECONDS] SCRIPT - for the guest
with_words() {
	local script=${*: -1}

	guest "${@:1:$#-1}" ". /run/words; $script"
}

# in_round SCRIPT KIND N - a round, all of it in the guest; sets STEPS
in_round() {
	with_words -t 600 "$1" >"$WORK/round" || {
		machine_log_flush || true
		machine_log_since | tail -n 15
		cat "$WORK/round"
		fail "step $3"
	}
	STEPS=$(sed -n 's/^steps //p' "$WORK/round" | tr -dc '0-9')
	# It may have failed in the moment between the two lines of tell.
	[ "$STEPS" -ge "$3" ] || ! grep -q "$STEP_FAILS" "$WORK/round" || STEPS=$3
	sed -n "s/.*$STEP_FAILS//p" "$WORK/round" | tr -d '\r' >>"$WORK/steps.$2"
}

# ---- numbered steps ------------------------------------------------------------------------

# IPv6 speaks when it likes to, and has the card listen to other addresses then. To come and go takes
# many a grace period, which can be short. Leaks are looked for at the end, not all the time.
prepare() {
	guest "echo $(base64 -w 0 <<<"$WORDS") | base64 -d >/run/words"
	guest 'modprobe airlock
		echo 1 >/sys/kernel/rcu_expedited
		[ ! -e /sys/kernel/debug/kmemleak ] || echo scan=off >/sys/kernel/debug/kmemleak
		random_file /run/data 1
		for f in all default; do
			f=/proc/sys/net/ipv6/conf/$f/disable_ipv6
			[ ! -e $f ] || echo 1 >$f
		done'
	both_work
}

both_work() {
	with_words "load_disk
		begin_io
		end_io
		unload airlock_blk"
	with_words "load_card
		begin_traffic
		end_traffic
		unload airlock_net"
}

# There is no I/O but that from here on, so that nothing else is lied to.
resets_disk() {
	with_words "load_disk"
	liar_tell "main.0 $LIE after=3"
	in_round "have_disk
		arm $1
		begin_io
		back \$pci \$before
		end_io
		tell
		unload airlock_blk" disk "$1"
	liar_told "main.0 $LIE after=3"
}

resets_card() {
	with_words "load_card"
	liar_tell "nic.0 $LIE after=3"
	in_round "have_card
		arm $1
		begin_traffic
		back \$pci \$before
		end_traffic
		tell
		unload airlock_net" card "$1"
	liar_told "nic.0 $LIE after=3"
}

# That costs a device none of its attempts, so it stays; its sizes are new ones each time.
resizes() {
	in_round "have_card
		size=\$((\$(cat /run/size) ^ 64 ^ 128))
		echo \$size >/run/size
		begin_traffic
		arm $1
		ethtool -G \$nic rx \$size tx \$size || exit
		back \$pci \$before
		end_traffic
		tell" rings "$1"
}

every_resize() {
	with_words "load_card; echo 64 >/run/size"
	every_step rings resizes
	with_words 'unload airlock_net'
}

# Which addresses it wants the card is told by a work, which has been there when a command was sent
# or a step has failed.
goes_up() {
	in_round "load_card
		kicks() {
			sed -n \"s/^\$pci ctrl .* kicks=\\([0-9]*\\) .*/\\1/p\" /sys/kernel/debug/airlock/queues
		}
		told() {
			[ \$(kicks) -gt \$kicks ] || dmesg | grep -q 'is made to fail'
		}
		ip link set \$nic down || exit
		settle
		kicks=\$(kicks)
		arm $1
		ip link set \$nic up || exit
		wait_for 1200 told || die 'the card is not told'
		wait_for 100 ping -c 1 -W 1 $HOST >/dev/null || die 'the host is not reached'
		settle
		tell
		unload airlock_net" up "$1"
}

sleeps() {
	guest "modprobe -a airlock_blk airlock_net
		need_disk main && need_nic $MAC"
	sleep_and_wake
	with_words "rmmod airlock_blk && unload airlock_net"
}

wakes_disk() {
	in_round "load_disk
		arm $1
		begin_io
		echo mem >/sys/power/state || exit
		back \$pci \$before
		end_io
		tell
		unload airlock_blk" disk-wakes "$1"
}

wakes_card() {
	in_round "load_card
		begin_traffic
		arm $1
		echo mem >/sys/power/state || exit
		back \$pci \$before
		end_traffic
		tell
		unload airlock_net" card-wakes "$1"
}

# ---- the end -----------------------------------------------------------------------------------

whole() {
	both_work
	guest 'rmmod airlock'
	guest -t 600 no_leaks
}

need_machine
liar_qemu
# A card of another QEMU's has the line.
VECTOR=()
[ -z "${QEMU:-}" ] || VECTOR=('queue vector')
M_RECONNECT=1
machine_new "${MACHINE:-window}"
eval "$("$TOP/tests/lib/kernel.sh")"
export KMOD=$BUILD/kmod-faults/$KVER
# Nothing fills the memory with a secret here: what is used after it was freed is to be seen.
POISON=1
liar_machine
tap_test "a disk and a card work, and nothing is shared without them" prepare
tap_test "case 51: a disk is reset, and each step fails once" every_step disk resets_disk
tap_test "case 51: among them are those of the queue, its interrupt and its start" covers disk \
	reset FEATURES_OK 'config vector' 'queue size' ring_drv_init 'queue vector' 'queue enable' \
	generation DRIVER_OK
tap_test "case 51: a card is reset, and each step fails once" every_step card resets_card
tap_test "case 51: among them are those of each of its queues, and commands" covers card \
	reset FEATURES_OK 'queue size' ring_drv_init "${VECTOR[@]}" 'queue enable' generation net_rx_begin \
	net_tx_begin DRIVER_OK "command's answer"
tap_test "case 51: a card gets other rings, and each step fails once" every_resize
tap_test "case 51: among them are those of the new sizes" covers rings \
	airlock_queue_resize.*rx airlock_queue_resize.*tx 'queue size' net_rx_begin DRIVER_OK
tap_test "case 51: a card is set up, and each step fails once" every_step up goes_up
tap_test "case 51: among them are those of the command that tells it its addresses" covers up \
	"command's answer" 'command$'
tap_test "the system sleeps and wakes up" sleeps
tap_test "case 51: a disk wakes up, and each step fails once" every_step disk-wakes wakes_disk
tap_test "case 51: among them are those of its start" covers disk-wakes \
	reset FEATURES_OK 'queue vector' 'queue enable' DRIVER_OK
tap_test "case 51: a card wakes up, and each step fails once" every_step card-wakes wakes_card
tap_test "case 51: among them are those of its start" covers card-wakes \
	reset FEATURES_OK "${VECTOR[@]}" 'queue enable' net_rx_begin DRIVER_OK
tap_test "all still works, and no memory is lost" whole
tap_test "the machine ends" quit
tap_test "the back-end ends on SIGTERM" backend_stop_all
tap_done
