#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices that lie in their registers, their configuration and their interrupts, to the real
# modules: each is refused for a reason, or what cannot be is set right, and the same device works
# when it tells the truth again.
#
# Theory
#   Disk and card are QEMU's own, of the build with hostile-pci.patch: x-lies has rules for what a
#   read of a register gives, x-calls raises every interrupt of a device over and over. Both are set
#   while the machine runs, so one machine serves all cases. A device is bound for one
#   case only, and between two nothing may be shared: what one left behind is seen. All the while
#   the guest holds a secret, which at the end must be nowhere that the host can look.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/pci-lies.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly ODD_MAC=52:54:00:a1:0c:02

# ---- the driver --------------------------------------------------------------------------

# honest DEVICE - from here on
honest() {
	calls "$1" 0
	tell "$1"
}

load() {
	guest -t 120 'sentinel_load && rmmod sentinel'
	load_devices "$MAC" "$GUEST"
	guest "pci_of /sys/block/\$(need_disk few)/device >/run/few-pci
		pci_of /sys/class/net/\$(need_nic $ODD_MAC)/device >/run/odd-pci
		echo 1000 >/sys/module/airlock/parameters/recover_tries"
	guest -t 120 'for pci in /sys/bus/pci/drivers/airlock/0000:*; do
			echo ${pci##*/} >/sys/bus/pci/drivers/airlock/unbind
		done
		nothing_shared && sentinel_load && canary_start 16'
}

# bind DEVICE - what comes of it is the caller's to see
bind() {
	guest -t 120 "echo \$(cat /run/$1-pci) >/sys/bus/pci/drivers/airlock/bind" || true
}

# unbind DEVICE [CONDITION] - bound or not, after that condition was seen in the guest; nothing is
# shared then: no other device is bound
unbind() {
	guest -t 120 "pci=\$(cat /run/$1-pci)
		${2:-true} || exit
		[ ! -e /sys/bus/pci/drivers/airlock/\$pci ] || echo \$pci >/sys/bus/pci/drivers/airlock/unbind
		nothing_shared"
}

# works DEVICE - data comes back as it was sent
works() {
	case $1 in
	nic)
		guest -t 120 "card() {
				for c in /sys/class/net/*/device; do
					[ \$(pci_of \$c) != \$(cat /run/nic-pci) ] || echo \$c | cut -d / -f 5 | grep .
				done
			}
			has() { [ -n \"\$(card)\" ]; }
			wait_for 100 has || die 'there is no card'
			ip address replace $GUEST/24 dev \$(card) && ip link set \$(card) up &&
			traffic tcp $HOST 7000 100000 65536"
		;;
	*)
		guest -t 120 "d=/dev/\$(need_disk $1) && random_file /run/r 1 &&
			dd if=/run/r of=\$d bs=64k oflag=direct 2>/dev/null &&
			dd if=\$d bs=64k count=16 iflag=direct 2>/dev/null | cmp - /run/r"
		;;
	esac
}

# is_there DEVICE - has the driver made a disk or a card of it?
is_there() {
	guest "pci=/sys/bus/pci/devices/\$(cat /run/$1-pci)
		ls -d \$pci/net/* \$pci/block/* 2>/dev/null | grep ."
}

# undo DEVICE - it tells the truth, and leaves nothing behind
undo() {
	tell "$1"
	unbind "$1"
}

# let_go - what failed leaves the devices to the next one as it found them
let_go() {
	[ -z "$GOOD" ] || return 0
	honest main
	honest nic
	honest odd
	guest -t 120 'for pci in /sys/bus/pci/drivers/airlock/0000:*; do
			[ ! -e $pci ] || echo ${pci##*/} >/sys/bus/pci/drivers/airlock/unbind
		done'
}

# then_works FUNCTION - and both devices work, now that they tell the truth
then_works() {
	local device

	GOOD=''
	on_exit let_go
	"$1"
	for device in main nic; do
		bind "$device"
		works "$device"
		unbind "$device"
	done
	GOOD=yes
}

# log_mark - sets MARK, for the next two
log_mark() {
	MARK=$(machine_log_end)
}

# said - what the log says since MARK, as far as it has come out
said() {
	machine_log_from "$MARK"
}

# has_said REASON
has_said() {
	grep -aqE "airlock.* .*($1)" <(said)
}

# says REASON RULE... - the log says it, since MARK
says() {
	wait_for 300 has_said "$1" ||
		fail "the log does not say '$1': ${*:2}: $(said)"
}

# refused DEVICE REASON RULE...
refused() {
	log_mark
	tell "$1" "${@:3}"
	bind "$1"
	says "$2" "${@:3}"
	tell "$1"
	unbind "$1" 'test -z "$(ls -d /sys/bus/pci/devices/$pci/net/* /sys/bus/pci/devices/$pci/block/* 2>/dev/null)"' ||
		fail "there is a device nevertheless, or something is shared: ${*:3}"
}

# accepted DEVICE RULE... - it works with that
accepted() {
	tell "$1" "${@:2}"
	bind "$1"
	works "$1" || fail "it does not work: ${*:2}"
	undo "$1"
}

# corrected DEVICE REASON RULE... - it works with that, and it is said what was set right
corrected() {
	log_mark
	accepted "$1" "${@:3}"
	says "$2" "${@:3}"
}

# bind_ends DEVICE - what is read of registers with rules is bounded; how long that takes says
# nothing. One that goes on and on is let go by the truth.
bind_ends() {
	local pid

	bind "$1" &
	pid=$!
	until gone "$pid"; do
		if [ "$(told "$1")" -gt 5000 ]; then
			tell "$1"
			wait "$pid"
			return 1
		fi
		nap 0.05
	done
	wait "$pid"
}

# either DEVICE RULE... - it is refused for a reason, or works with that
either() {
	log_mark
	tell "$1" "${@:2}"
	bind_ends "$1" || fail "it does not end: ${*:2}"
	if is_there "$1"; then
		works "$1" || fail "it does not work: ${*:2}"
	else
		says 'refused|was not confirmed|is gone' "${@:2}"
	fi
	undo "$1"
}

# count_calls blk|net - interrupts of the configurations of such devices since they were bound
count_calls() {
	guest "awk '/airlock\.$1.*-config/ { for (i = 2; \$i ~ /^[0-9]+\$/; i++) n += \$i }
		END { print n + 0 }' /proc/interrupts" | tr -dc '0-9'
}

# called blk|net N - more than so many
called() {
	[ "$(count_calls "$1")" -gt "$2" ]
}

# uptime_of_guest - in hundredths of seconds
uptime_of_guest() {
	guest 'cut -d " " -f 1 /proc/uptime' | tr -dc '0-9'
}

# seldom_looked_at DEVICE blk|net RULE MICROSECONDS N - while one interrupt after another, with such a
# time between them, says that the configuration changed, that register is read with longer and
# longer pauses
seldom_looked_at() {
	local before began came looks took

	before=$(count_calls "$2")
	began=$(uptime_of_guest)
	tell "$1" "$3"
	calls "$1" "$4"
	wait_for 300 called "$2" $((before + $5)) || fail "no interrupts come"
	# Looks first, so that both others are of a longer time.
	looks=$(told "$1")
	took=$(($(uptime_of_guest) - began)) came=$(($(count_calls "$2") - before))
	calls "$1" 0
	printf '%d looks for %d interrupts in %d hundredths of a second\n' "$looks" "$came" "$took"
	[ "$looks" -gt 1 ] || fail "nobody looked"
	# Six until a pause is eight seconds long. All pauses are again short ones when one has been
	# twice as long as it was to be, as on a slow machine: then there are as many in 16 seconds.
	# Pauses that do not grow allow four in a second, and none as many as interrupts.
	[ "$looks" -le $((took * 6 / 1600 + 8)) ] || fail "it is looked at too often"
}

# fails DEVICE REASON RULE... - under way, and comes back when it tells the truth
fails() {
	local before

	bind "$1"
	works "$1"
	before=$(recovered "$1")
	log_mark
	tell "$1" "${@:3}"
	calls "$1" "$OFTEN"
	wait_for 300 has_said "$2" || fail "it is not noticed: ${*:3}"
	honest "$1"
	wait_for 300 more_recovered "$1" "$before" || fail "it was not brought up again: ${*:3}"
	works "$1"
	unbind "$1"
}

# with_attempts N - a device has so many until the test ends
with_attempts() {
	on_exit guest 'echo 1000 >/sys/module/airlock/parameters/recover_tries'
	guest "echo $1 >/sys/module/airlock/parameters/recover_tries"
}

# given_up DEVICE RULE... - under way, since it goes on to lie
given_up() {
	bind "$1"
	works "$1"
	log_mark
	tell "$1" "${@:2}"
	calls "$1" "$OFTEN"
	wait_for 300 has_said 'given up after 3 attempts' || fail "it is not given up: ${*:2}"
	unheard "$1"
}

# interrupts - how many came to what is bound
interrupts() {
	guest "awk '/airlock/ { for (i = 2; \$i ~ /^[0-9]+\$/; i++) n += \$i }
		END { print n + 0 }' /proc/interrupts" | tr -dc '0-9'
}

interrupted() {
	[ "$(interrupts)" -gt "$1" ]
}

# unheard DEVICE - it calls, though it is to be silent, and nobody is told
unheard() {
	local before

	before=$(passed_on "$1" '.*')
	wait_for 120 interrupted $(($(interrupts) + 100)) || fail "it does not call: $(guest 'cat /proc/interrupts')"
	[ "$(passed_on "$1" '.*')" -eq "$before" ] || fail "calls of a device that was given up are passed on"
}

# ---- the cases ------------------------------------------------------------------------------

# survives DEVICE RESETS RULE... - with fresh rings in which something is, data is right; it is
# reset so often at most, and for nothing but an index that jumps
survives() {
	local resets

	log_mark
	tell "$1" "${@:3}"
	bind "$1"
	works "$1" || fail "it does not work: ${*:3}"
	[ "$(told "$1")" -ge 2 ] || fail "it was not told: ${*:3}"
	resets=$(recovered "$1")
	printf '%d resets\n' "$resets"
	[ "$resets" -le "$2" ] || fail "it was reset $resets times: ${*:3}"
	machine_log_flush
	if said | grep -a 'failed: ' | grep -v 'used index jumps past'; then
		fail "it was reset for another reason: ${*:3}"
	fi
	undo "$1"
}

# The rings are wiped before they are handed over. An index that comes after that, before anything
# is in flight, is overwritten by the device's next, or seen before that and a lie like any other;
# an element that no index covers is never looked at.
early() {
	survives main 2 used:2:2:=:7:0:2
	survives main 0 used:4:8:=:0xffffffff00000003
	survives nic 2 used:2:2:=:0x8000:0:2
}

shrinks() {
	bind main
	works main
	on_exit guest 'touch /run/enough'
	guest 'd=/dev/$(disk main); (while [ ! -e /run/enough ]; do
			dd if=$d of=/dev/null bs=64k skip=700 count=50 iflag=direct
		done >/dev/null 2>&1) &'
	tell main device:0:8:=:32768
	calls main 20000
	guest 'is() { test $(blockdev --getsize64 /dev/$(disk main)) = 16777216; }
		wait_for 300 is || die "it has the old size"
		! dd if=/dev/$(disk main) of=/dev/null bs=4k skip=4096 count=1 iflag=direct 2>&1 |
			grep -q "1+0 records in" || die "there is something behind its end"'
	works main
	tell main
	guest 'is() { test $(blockdev --getsize64 /dev/$(disk main)) = 67108864; }
		wait_for 300 is || die "it has the wrong size"
		touch /run/enough'
	calls main 0
	unbind main
}

limits() {
	local seg

	for seg in 0 1 0xffffffff; do
		accepted main "device:12:4:=:$seg"
	done
	refused main 'size_max cannot be' "$FEATURES:|:2" device:8:4:=:0
	refused main 'size_max cannot be' "$FEATURES:|:2" device:8:4:=:1
	accepted main "$FEATURES:|:2" device:8:4:=:4096
	accepted main device:34:2:=:0 device:24:8:=:$ALL_ONES
	accepted main device:34:2:=:0xffff
	accepted main device:36:12:=:$ALL_ONES device:48:8:=:$ALL_ONES
	accepted main device:36:12:=:0
	accepted main device:44:4:=:3
	discards device:36:12:=:$ALL_ONES
	discards device:36:4:=:8 device:40:4:=:0xffff
}

# discards RULE... - no request has more ranges than a slot holds, whatever is said, and it is done
discards() {
	tell main "$@"
	bind main
	guest -t 120 'd=$(need_disk main)
		test "$(cat /sys/block/$d/queue/max_discard_segments)" = 32 &&
			blkdiscard -o 1048576 -l 4194304 /dev/$d' || fail "$*"
	works main
	undo main
}

# looked_at DEVICE N - so often, since it was told
looked_at() {
	[ "$(told "$1")" -ge "$2" ]
}

generation() {
	local device

	for device in main nic; do
		refused "$device" 'configuration changed during each of|does not hold still' "$GENERATION:+:1"
	done
	# Under way: what is read is not believed, and it is tried again now and then.
	bind nic
	works nic
	tell nic "$GENERATION:+:1"
	calls nic "$OFTEN"
	wait_for 120 looked_at nic 64 || fail "nobody looks"
	works nic
	honest nic
	unbind nic
}

features() {
	local device

	for device in main nic; do
		refused "$device" 'does not offer VIRTIO_F_VERSION_1' "$FEATURES:&:0xfffffffe"
		refused "$device" 'does not accept features' "$STATUS:&:0xf7"
		refused "$device" 'does not start: status' "$STATUS:&:0xfb"
		fails "$device" 'does not offer features 0x.* any more' "$FEATURES:&:0" "$STATUS:|:$NEEDS_RESET:0:1"
	done
	# Any other guest goes on without VIRTIO_F_ACCESS_PLATFORM, which QEMU insists on then.
	if [ "$M_KIND" = sev ]; then
		refused main 'a confidential guest needs' "$FEATURES:&:0xfffffffd:1:1"
	else
		refused main 'does not accept features' "$FEATURES:&:0xfffffffd:1:1"
	fi
	with_attempts 3
	for device in main nic; do
		given_up "$device" "$FEATURES:&:0" "$STATUS:|:$NEEDS_RESET:0:1"
		honest "$device"
		unbind "$device"
	done
}

# The lower half is read first, then the upper one.
features_change() {
	local device

	# What was read once is not read again.
	for device in main nic; do
		accepted "$device" "$FEATURES:&:0:2"
	done
	# Some that nobody knows.
	accepted main "$FEATURES:|:0xffffff00:1:1"
	# Each time others contradict each other: segmentation without checksums, joined frames without
	# buffers that can be, commands without a queue for them.
	refused nic 'features change while they are agreed on' \
		"$FEATURES:&:0xfffffffe:0:1" "$FEATURES:&:0xffff7fff:2:1" "$FEATURES:&:0xfffdffff:4:1"
}

status() {
	refused main 'a reset was not confirmed' "$STATUS:|:$NEEDS_RESET"
	refused main 'a reset was not confirmed' "$STATUS:|:1"
	refused main 'a reset was not confirmed|device is gone' "$STATUS:=:0xff"
	refused nic 'a reset was not confirmed' "$STATUS:=:0x0f"
	fails main 'the device asks for a reset' "$STATUS:|:$NEEDS_RESET:0:1"
	fails nic 'the device asks for a reset' "$STATUS:|:$NEEDS_RESET:0:3"
	fails nic 'the device is gone' "$STATUS:=:0xff:0:4"
}

# Under way no reset is confirmed any more: it is given up, and ends I/O. One that is confirmed when the device
# is taken away gives all memory back.
never_reset() {
	local device

	with_attempts 3
	for device in main nic; do
		given_up "$device" "$STATUS:|:$NEEDS_RESET"
		says 'a reset was not confirmed within'
		if [ "$device" = main ]; then
			guest -t 100 'd=/dev/$(ls /sys/block | grep airblk)
				test -b $d && ! dd if=$d of=/dev/null bs=4k count=1 iflag=direct || die "it still works"'
		else
			guest 'grep -x 0 /sys/bus/pci/devices/$(cat /run/nic-pci)/net/*/carrier || die "it still works"'
		fi
		honest "$device"
		unbind "$device"
	done
}

queue_sizes() {
	local size queue

	for size in 0 3 65535; do
		refused main 'queue of 0 descriptors' "$QUEUE_SIZE:=:$size"
		refused nic 'queue 0 has 0 descriptors' "$QUEUE_SIZE:=:$size"
	done
	refused main 'does not accept .* descriptors' "$QUEUE_SIZE:=:32768"
	refused nic 'does not accept .* descriptors' "$QUEUE_SIZE:=:32768"
	refused main 'does not accept .* descriptors|there is no queue' "$QUEUE_SIZE:+:1:2"
	# That can be, of a packed queue. Both of its pair are said to have as many, and told to have 64.
	tell odd "$QUEUE_SIZE:=:100:0:2"
	bind odd
	for queue in rx0 tx0; do
		guest "grep \"^\$(cat /run/odd-pci) $queue size=64 .*ring=packed\" /sys/kernel/debug/airlock/queues ||
			{ cat /sys/kernel/debug/airlock/queues; die 'another size'; }"
	done
	undo odd
}

queues() {
	local device

	for device in main nic; do
		refused "$device" 'cannot be enabled' "$QUEUE_ENABLE:=:0"
		refused "$device" 'it is enabled already' "$QUEUE_ENABLE:=:1"
		refused "$device" '(0 descriptors|there is no queue)' "$NUM_QUEUES:=:0"
		accepted "$device" "$NUM_QUEUES:=:0xffff"
	done
	refused nic 'queue 1 has 0 descriptors' "$NUM_QUEUES:=:1"
	# A disk has two, or as many as there are.
	tell main "$NUM_QUEUES:=:1"
	bind main
	works main
	guest 'test "$(queues_of $(cat /run/main-pci))" = q0' || fail "it has other queues than there are"
	undo main
	fails main 'cannot be enabled' "$QUEUE_ENABLE:=:0" "$STATUS:|:$NEEDS_RESET:0:1"
}

capabilities() {
	local CAP CHAIN type names=('' common notification interrupt device)

	find_caps main
	for type in 1 2 3 4; do
		refused main "no ${names[type]}.* capability" "pci:$((CAP[type] + 3)):1:=:0x77"
		refused main "no ${names[type]}.* capability" "pci:$((CAP[type] + 4)):1:=:6"
		refused main "${names[type]}.* is not inside BAR" "pci:$((CAP[type] + 8)):4:=:0xfffffff0"
		refused main "${names[type]}.* is not inside BAR" "pci:$((CAP[type] + 12)):4:=:0xffffffff"
		refused main "${names[type]}.*, at least" "pci:$((CAP[type] + 12)):4:=:0"
		# There is no such BAR.
		refused main "no ${names[type]}.* capability" "pci:$((CAP[type] + 4)):1:=:0"
	done
	refused main 'list of capabilities loops' "pci:$((CAP[1] + 1)):1:=:${CAP[1]}"
	refused main 'no .* capability' 'pci:0x34:1:=:0'
}

# What was read counts, and is not read again: not the kind, the BAR, the place, or the length.
capabilities_change() {
	local CAP CHAIN type

	find_caps main
	for type in 1 2 3 4; do
		accepted main "pci:$((CAP[type] + 3)):1:=:0x77:1" "pci:$((CAP[type] + 4)):1:=:6:1" \
			"pci:$((CAP[type] + 8)):4:=:0xfffffff0:1" "pci:$((CAP[type] + 12)):4:=:0:1"
	done
}

# loops_later AT TO - after any number of reads the capability AT has TO as the next one. How many
# there are is seen first.
loops_later() {
	local next="pci:$(($1 + 1)):1" reads after

	tell main "$next:|:0"
	bind main
	reads=$(told main)
	undo main
	[ "$reads" -gt 0 ] || fail "the list is not read"
	printf '%d reads of %d\n' "$reads" "$1"
	for ((after = 1; after < reads; after++)); do
		either main "$next:=:$2:$after"
	done
}

# The list ends at first, and then it does not any more.
list_changes() {
	local CAP CHAIN

	find_caps main
	loops_later "${CHAIN[0]}" "${CHAIN[0]}"
	loops_later "${CHAIN[-1]}" "${CHAIN[0]}"
}

notification() {
	local CAP CHAIN mult

	find_caps main
	for mult in 1 3 0x80000000 0xffffffff; do
		refused main 'notify_off_multiplier' "pci:$((CAP[2] + 16)):4:=:$mult"
	done
	refused main 'notification register is not where it can be' "$NOTIFY_OFF:=:0xffff"
	refused nic 'notification register is not where it can be' "$NOTIFY_OFF:=:0xffff:1"
	# Where each has a page of its own, and the library would look at the capability for each anew.
	find_caps few
	accepted few "pci:$((CAP[2] + 8)):4:=:0xfffffff0:1" "pci:$((CAP[2] + 16)):4:=:0xffffffff:1"
}

# by_line DEVICE RULE... - it works with that, by the interrupt line
by_line() {
	tell "$1" "${@:2}"
	bind "$1"
	works "$1" || fail "it does not work: ${*:2}"
	guest 'cat /proc/interrupts
		grep "airlock.*-config" /proc/interrupts && ! grep "MSI.*airlock" /proc/interrupts'
	undo "$1"
}

vectors() {
	local device vector reads

	for device in main nic; do
		by_line "$device" "$CONFIG_VECTOR:=:0xffff"
		for vector in 0xffff 0; do
			by_line "$device" "$QUEUE_VECTOR:=:$vector"
		done
		# Taken when it was tried, and not when a queue is opened.
		tell "$device" "$QUEUE_VECTOR:|:0"
		bind "$device"
		reads=$(told "$device")
		undo "$device"
		refused "$device" 'does not take vector' "$QUEUE_VECTOR:=:0x77:$((reads - 1))"
	done
	# One vector for all queues, since the table has two.
	bind few
	works few
	guest 'grep -E "airlock.*-queues" /proc/interrupts && ! grep -E "airlock.*-q0" /proc/interrupts'
	undo few
}

# link_changes - how often the card's link went up or down
link_changes() {
	guest 'cat /sys/bus/pci/devices/$(cat /run/nic-pci)/net/*/carrier_changes' | tr -dc '0-9'
}

link_is_up() {
	guest 'grep -qx 1 /sys/bus/pci/devices/$(cat /run/nic-pci)/net/*/carrier'
}

addresses() {
	local before

	corrected nic 'address .* cannot be' device:0:6:=:0x010101010101
	corrected nic 'address .* cannot be' device:0:6:=:0
	corrected nic 'MTU 0 cannot be' device:10:2:=:0
	corrected nic 'MTU 67 cannot be' device:10:2:=:67
	accepted nic device:10:2:=:0xffff
	refused nic 'it has 0 pairs of queues' "$FEATURES:|:0x400000" device:8:2:=:0
	refused nic 'it has 32769 pairs of queues' "$FEATURES:|:0x400000" device:8:2:=:0x8001
	bind nic
	works nic
	before=$(link_changes)
	# Up and down.
	seldom_looked_at nic net device:6:2:+:1 "$OFTEN" 400
	[ "$(link_changes)" -gt "$before" ] || fail "the link was always up"
	# And up again when somebody looks, in a pause or two.
	tell nic
	calls nic "$OFTEN"
	wait_for 60 link_is_up || fail "the link stays down"
	calls nic 0
	works nic
	unbind nic
}

# every_vector_called - each of them interrupted since it was requested
every_vector_called() {
	guest "awk '/airlock/ { n = 0; for (i = 2; \$i ~ /^[0-9]+\$/; i++) n += \$i
			seen++; if (!n) idle++ }
		END { exit !seen || idle }' /proc/interrupts"
}

# Calls of a device that is not live, of one that goes, and of one that has gone.
early_calls() {
	for _ in 1 2 3 4 5; do
		calls main "$OFTEN"
		calls nic "$OFTEN"
		bind main
		bind nic
		works nic
		wait_for 300 every_vector_called || fail "they do not call: $(guest 'cat /proc/interrupts')"
		guest -t 120 'for pci in /sys/bus/pci/drivers/airlock/0000:*; do
				echo ${pci##*/} >/sys/bus/pci/drivers/airlock/unbind
			done
			nothing_shared'
	done
	calls main 0
	calls nic 0
}

config_spam() {
	bind main
	works main
	seldom_looked_at main blk "$STATUS:|:0" "$OFTEN" 400
	works main
	calls main 0
	undo main
	# In step with the pauses' growth at first; in a quiet time they are not to be short again.
	bind main
	seldom_looked_at main blk "$STATUS:|:0" 510000 60
	undo main
}

# Taken away while it does not confirm its reset, a device leaves behind what it could still write to: that is
# listed, and nobody gets it again.
never_confirmed() {
	GOOD=''
	on_exit let_go
	bind nic
	works nic
	tell nic "$STATUS:|:$NEEDS_RESET"
	leaves_leak nic
	works_apart nic
	GOOD=yes
}

# leaves_leak DEVICE - taken away, it has pages that are listed as leaked, and no others are listed
leaves_leak() {
	guest -t 120 "pci=\$(cat /run/$1-pci) list=/sys/kernel/debug/airlock/regions
		echo \$pci >/sys/bus/pci/drivers/airlock/unbind
		cat \$list
		grep \"^\$pci leaked \" \$list && ! grep -v leaked \$list | grep 0000:"
}

# works_apart DEVICE - when it tells the truth again it works, and what leaked is no part of what it has:
# airlockctl refuses a list with pages that are in it twice
works_apart() {
	tell "$1"
	bind "$1"
	works "$1"
	guest -t 120 "list=/sys/kernel/debug/airlock/regions
		airlockctl audit && grep leaked \$list && grep -v leaked \$list | grep 0000: &&
			echo \$(cat /run/$1-pci) >/sys/bus/pci/drivers/airlock/unbind"
}

# Every register reads as nothing: as torn out. What was shared stays so, for nobody knows.
all_ones() {
	bind main
	works main
	log_mark
	tell main "all:0:4096:|:$ALL_ONES"
	calls main "$OFTEN"
	wait_for 300 has_said 'is gone' || fail "it is not noticed"
	guest -t 100 'd=/dev/$(ls /sys/block | grep airblk)
		test -b $d && ! dd if=$d of=/dev/null bs=4k count=1 iflag=direct || die "it still works"'
	calls main 0
	leaves_leak main
	works_apart main
}

# complaints - for TAP_ALSO: also of what the host sees
complaints() {
	machine_complaints
	gone "$M_PID" || machine_found "$WORK/token" ''
}

# What a device that was torn out had is shared still, and the module that knows of it stays.
private() {
	guest -t 300 'canary_end && leaks_hold_airlock'
}

need_machine
need_pci_lies
machine_new "${MACHINE:-window}"
truncate -s 64M "$WORK/main.img" "$WORK/few.img"
net_new
net_tap tap0 "$HOST/24"
machine_qemu_disk main "$WORK/main.img"
machine_qemu_disk few "$WORK/few.img" vectors=2,page-per-vq=on
machine_qemu_nic nic "$MAC" tap0 host_mtu=1500
net_tap tap1 198.51.100.1/24
machine_qemu_nic odd "$ODD_MAC" tap1 packed=on
net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
head -c 32 /dev/urandom >"$WORK/token"
machine_sentinel
machine_boot "$WORK/token" "$SENTINEL_KO"
TAP_ALSO=complaints
tap_test "disks and card are there" load
tap_test "case 12: used before it was started" then_works early
tap_test "case 29: a disk that shrinks under I/O" then_works shrinks
tap_test "case 30: limits of a disk that cannot be" then_works limits
tap_test "case 34: a configuration that changes for ever" then_works generation
tap_test "case 35: features that go, and are not accepted" then_works features
tap_test "case 35: features that change from one read to the next" then_works features_change
tap_test "case 36: a status that cannot be" then_works status
tap_test "case 36: under way, resets that are not confirmed any more" then_works never_reset
tap_test "case 37: sizes of queues that cannot be" then_works queue_sizes
tap_test "case 38: queues that are not enabled, or not there" then_works queues
tap_test "case 39: capabilities that loop, lie outside, or are not there" then_works capabilities
tap_test "case 39: capabilities that change while they are read" then_works capabilities_change
tap_test "case 39: capabilities that loop after some reads" then_works list_changes
tap_test "case 40: a kick's register that is nowhere" then_works notification
tap_test "case 41: vectors that are not taken, and too few" then_works vectors
tap_test "case 42: addresses, MTUs, pairs and a link that cannot be" then_works addresses
tap_test "case 44, case 45: interrupts all the time while devices come and go" then_works early_calls
tap_test "case 47: a configuration that is said to change with each interrupt" then_works config_spam
tap_test "case 33: taken away, resets that are not confirmed" never_confirmed
tap_test "case 43: every register reads as ones" all_ones
tap_test "nothing private was seen, and what leaked is known" private
tap_test "the guest powers off" machine_off
tap_done
