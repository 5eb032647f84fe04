#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	machine.sh initramfs FILE	writes what all machines boot
#	machine.sh NAME [count|large]	is one machine of bench/guest: boots it from that file, of
#					M_INITRAMFS, then does what standard input says
#
# environment: BUILD
#
# Theory
#   tests/machine/machine.sh has one machine for one process; the bench has one of these
#   processes for each. A request is a line, the answer is what it printed, each line
#   after a "|", and then ". STATUS". The first such answer is that of booting.
#
#	guest SECONDS BASE64	run that script in the guest
#	trace FILE BYTES	write each instruction of the guest's kernel into FILE until it
#				has so many bytes, or for two minutes; with count only
#	symbols FILE		what functions the guest's kernel has, and where
#
#   At the end of standard input the machine ends.
#
#   All have one processor, the same model of it, the same emulator, kernel, back-end and root
#   file system, and a disk and a network card on the same back-end. NAME says what is behind
#   the devices and who drives them:
#
#	window		airlock in a window
#	sev		airlock in the emulated SEV machine
#	sev-mainline	mainline's drivers there, so with swiotlb
#	bounce		mainline's in an ordinary machine with swiotlb=force
#	plain		mainline's in an ordinary machine, which has no reason to ask the kernel
#			for addresses (no iommu_platform): the limit
#
#   With large the guest has 6 GiB of memory, of which mainline's swiotlb takes more than of 1 GiB.
#   With count the emulator counts time in instructions (icount), so that what the guest
#   does between two of its timer's ticks does not depend on how slow a trace makes it.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../../tests/machine/machine.sh"

readonly MAC=52:54:00:a1:0c:01 HOST=192.0.2.1 GUEST=192.0.2.2 FLOW_PORT=7000
readonly DISK_MIB=128
# An instruction takes 8 ns of the guest's time, about what it does take here. With 1 ns the guest
# lives ten times slower than the host, and firmware that waits for something takes minutes.
readonly SHIFT=3
# Where the kernel and its modules are.
readonly KERNEL=0xffffffff80000000..0xffffffffffffffff
readonly LARGE_MIB=6144
readonly NAME=$1 HOW=${2:-}

# Both sides on a processor of their own, where there are two.
pin() {
	local pid

	[ "$(nproc)" -gt 1 ] || return 0
	taskset -a -p -c 0 "$M_PID" >/dev/null || return
	for pid in "${BACKEND_PID[airlockd]}" "$SERVER"; do
		taskset -a -p -c 1 "$pid" >/dev/null
	done
}

# initramfs FILE
initramfs() {
	ADD_MODULES=pktgen \
		ADD_PROGRAMS="$(command -v fio) $BUILD/bench/guest/flow $BUILD/bench/guest/meter" \
		"$TOP/tests/machine/initramfs.sh" "$1" "$TOP/bench/guest/words.sh"
}

# new KIND - a machine of that kind, but with what all have
new() {
	export CPUS=1 QEMU
	QEMU=$("$TOP/tests/machine/emulator.sh") || die "there is no emulator"
	[ "$HOW" != large ] || M_MEMORY_MIB=$LARGE_MIB
	machine_new "$1"
	# As when the figures of bench/README.md were taken.
	M_NIC_OPTIONS=vectors=0
	[ "$1" = sev ] || {
		M_ARGS+=(-cpu EPYC)
		M_APPEND+=' mitigations=off'
	}
	[ "$HOW" != count ] || {
		M_ARGS=("${M_ARGS[@]/thread=multi/thread=single}")
		M_ARGS+=(-icount "shift=$SHIFT" -dfilter "$KERNEL")
		M_BOOTS_IN=900
	}
}

boot() {
	local driver=mainline

	case $NAME in
	window) driver=airlock && new window ;;
	sev) driver=airlock && new sev ;;
	sev-mainline) M_SWIOTLB=yes new sev ;;
	bounce) new bounce ;;
	plain) new plain && M_VIRTIO=disable-legacy=on ;;
	*) die "there is no machine $NAME" ;;
	esac
	head -c "${DISK_MIB}M" /dev/urandom >"$WORK/main.img"
	net_new
	net_tap tap0 "$HOST/24"
	machine_disk main "$WORK/main.img" airlockd serial=main
	machine_nic nic "$MAC" tap=tap0
	net_serve flow "$FLOW_PORT" "$BUILD/bench/guest/flow" serve "$HOST" "$FLOW_PORT"
	machine_boot "$TOP/bench/guest/words.sh"
	pin
	in_guest 300 "begin $driver $MAC $GUEST/24"
}

# in_guest SECONDS SCRIPT
in_guest() {
	guest -t "$1" ". /words.sh; $2"
}

# hmp COMMAND
hmp() {
	machine_qmp '{"execute":"human-monitor-command","arguments":{"command-line":"'"$1"'"}}'
}

# trace FILE BYTES - one instruction a block, and a line for each block
trace() {
	: >"$1"
	hmp "singlestep on"
	hmp "logfile $1"
	hmp "log exec,nochain"
	wait_for 120 test_bytes "$1" "$2" || true
	hmp "log none"
	hmp "singlestep off"
}

test_bytes() {
	[ "$(stat -c %s "$1")" -ge "$2" ] || gone "$M_PID"
}

# symbols FILE - by way of the disk: the control line is far too slow for them
symbols() {
	in_guest 300 symbols && sed '/^end$/,$d' "$WORK/main.img" >"$1"
}

# answer COMMAND WORD...
answer() {
	local output status=0

	output=$("$@" 2>&1) || status=$?
	[ -z "$output" ] || printf '|%s\n' "${output//$'\n'/$'\n'|}"
	printf '. %d\n' "$status"
}

if [ "$NAME" = initramfs ]; then
	initramfs "$2"
	exit
fi
boot
printf '. 0\n'
while read -r verb first rest; do
	case $verb in
	guest) answer in_guest "$first" "$(base64 -d <<<"$rest")" ;;
	symbols) answer symbols "$first" ;;
	trace) answer trace "$first" "$rest" ;;
	*) die "no such request: $verb" ;;
	esac
done
