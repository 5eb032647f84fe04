#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	mainline-lies.sh ['CASE;DEVICE;LIE...'...]
#
# What mainline's drivers make of the lies that tests/hostile tells ours: a line for each, "CASE |
# DEVICE | LIES | what was seen"; without arguments all of the list below. No test: nothing is asked of
# mainline. KERNEL_SERIES=debug sees most.
#
# DEVICE is main or nic, a disk and a card of the back-end that lies; or disk or card, QEMU's own,
# for which a LIE is a rule of pci-lies.sh, or calls=MICROSECONDS.
#
# Theory
#   The machine shares all its memory, as mainline wants it. fio verifies on the disk, checked TCP
#   runs over the card. When the lies were told (or could not be), some seconds pass; then
#   the guest is asked whether it still answers, its log is read, and a request and a connection
#   of their own show whether the device still works. QEMU's own devices lie before mainline's
#   drivers are loaded. A machine is used for the next case when this one left it as it was;
#   arguments are cases of one machine, and those behind the first that did not are not taken up.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
. "$TOP/tests/machine/churn.sh"
. "$TOP/tests/machine/lies.sh"
. "$TOP/tests/machine/pci-lies.sh"

readonly PAUSE=10 LIAR_PATIENCE=60
readonly LIST=(
	'01;main;main.0 used.id=256 after=3'
	'01;main;main.0 used.id=0xffffffff after=3'
	'01;nic;nic.0 used.id=256 after=3'
	'01;nic;nic.1 used.id=256 after=3'
	'02;main;main.0 used.free after=3'
	'02;nic;nic.0 used.free after=3'
	'02;nic;nic.1 used.free after=3'
	'03;main;main.0 used.twice after=3'
	'03;nic;nic.0 used.twice after=3'
	'03;nic;nic.1 used.twice after=3'
	'04;main;main.0 used.idx=0x8000 after=3'
	'04;nic;nic.0 used.idx=0x8000 after=3'
	'04;nic;nic.1 used.idx=-1 after=3'
	'05;main;main.0 used.len=0x80000000 after=3'
	'05;nic;nic.0 used.len=0x100000 after=3'
	'07;nic;nic.0 used.len=0xffffffff after=3'
	'09;main;main.0 scribble=2000'
	'09;nic;nic.1 scribble=2000'
	'18;nic;nic.0 net.num_buffers=0 times=3'
	'18;nic;nic.0 net.num_buffers=65535 times=3'
	'19;nic;nic.0 net.later=0 times=2'
	'20;nic;nic.0 net.gso_type=1 net.gso_size=0 times=3'
	'21;nic;nic.0 net.flags=1 net.csum_start=0xffff times=3'
	'22;nic;nic.0 net.flags=0xff times=3'
	'23;nic;nic.0 len=11 times=2'
	'23;nic;nic.0 len=1900 times=2'
	'25;nic;nic.1 hold times=100000'
	'26;main;main.0 blk.status=0x7f'
	'27;main;main.0 len=0'
	'32;main;main.0 hold'
	'45;nic;nic.0 call for=2000'
	"29;disk;device:0:8:=:$ALL_ONES"
	'30;disk;device:20:4:=:0'
	'30;disk;device:20:4:=:513'
	'30;disk;device:20:4:=:0x80000000'
	"34;disk;$GENERATION:+:1"
	"34;card;$GENERATION:+:1"
	"35;disk;$STATUS:&:0xf7"
	"36;disk;$STATUS:|:1"
	"36;disk;$STATUS:=:0xff"
	"37;disk;$QUEUE_SIZE:=:3"
	"37;disk;$QUEUE_SIZE:=:65535"
	"38;disk;$QUEUE_ENABLE:=:1"
	"40;disk;$NOTIFY_OFF:=:0xffff"
	"41;disk;$QUEUE_VECTOR:=:0xffff"
	'42;card;device:0:6:=:0x010101010101'
	'42;card;device:6:2:+:1;calls=1000'
	"43;disk;all:0:4096:|:$ALL_ONES"
	'44;disk;calls=1000'
	'47;card;calls=1000'
)

# ends COMMAND - it does in the guest, well, within some half a minute; else it is left to itself
ends() {
	(guest "rm -f /run/ended
		($1 && touch /run/ended) >/dev/null 2>&1 &
		wait_for 300 test -e /run/ended") >/dev/null 2>&1
}

# verdict main|nic|disk|card - one or more words
verdict() {
	local splat said=()

	sleep "$PAUSE"
	if ! guest 'echo 1' >/dev/null; then
		said+=("the guest hangs or is dead")
	elif [ "$1" = disk ] && ! (guest 'test -b /dev/vda') >/dev/null; then
		said+=("there is no disk")
	elif [ "$1" = card ] && ! (guest "nic $MAC") >/dev/null; then
		said+=("there is no card of that address")
	elif [ "$1" = nic ] || [ "$1" = card ]; then
		ends "traffic tcp $HOST 7000 200000 65536" || said+=("the card does not work any more")
	else
		ends 'dd if=/dev/vda of=/dev/null bs=4k count=16 iflag=direct' ||
			said+=("the disk does not work any more")
		[ "$1" = disk ] || ends 'mark_churn main && wait_for 280 went_on main' || said+=("fio stopped")
	fi
	splat=$(machine_splats | head -n 1 | tr -d '\r' | cut -c 1-110)
	[ -z "$splat" ] || said+=("log: $splat")
	[ "${#said[@]}" -gt 0 ] || said=("goes on")
	printf '%s; ' "${said[@]}" | sed 's/; $/\n/'
}

# of_backend - a machine with main and nic, which work
of_backend() {
	machine_new plain
	liar_machine
	guest "mainline && need_disk main && up $MAC $GUEST_ADDRESS/24" >/dev/null
	liar_works >/dev/null
}

# of_qemu - a machine with disk and card, for which there is no driver yet
of_qemu() {
	need_pci_lies
	machine_new plain
	truncate -s 64M "$WORK/main.img"
	net_new
	net_tap tap0 "$HOST/24"
	machine_qemu_disk disk "$WORK/main.img"
	machine_qemu_nic card "$MAC" tap0
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
	machine_boot
}

# tell_device DEVICE LIE... - what cannot be told, or ends with an error, is said in TOLD
tell_device() {
	local device=$1 lie rules=()

	shift
	case $device in
	main | nic)
		(lies "$@") >/dev/null 2>&1 || TOLD=' (not told in a minute)'
		;;
	*)
		for lie; do
			case $lie in
			calls=*) calls "$device" "${lie#calls=}" ;;
			*) rules+=("$lie") ;;
			esac
		done
		tell "$device" "${rules[@]}"
		guest "mainline; ! nic $MAC || up $MAC $GUEST_ADDRESS/24" >/dev/null ||
			TOLD=' (loading ends with an error)'
		;;
	esac
}

# calm DEVICE - it is as it was before
calm() {
	machine_log_mark
	case $1 in
	main | nic)
		honest
		;;
	*)
		calls "$1" 0
		tell "$1"
		guest 'rmmod virtio_blk virtio_net virtio_pci' >/dev/null
		;;
	esac
}

# cases LINE... - in one machine
cases() {
	local line words device TOLD seen

	case $1 in
	*\;main\;* | *\;nic\;*) of_backend ;;
	*) of_qemu ;;
	esac
	machine_log_mark
	for line; do
		IFS=';' read -ra words <<<"$line"
		device=${words[1]} TOLD=''
		tell_device "$device" "${words[@]:2}"
		seen=$(verdict "$device")
		printf '%s | %s | %s%s | %s\n' "${words[0]}" "$device" \
			"$(printf '%s, ' "${words[@]:2}" | sed 's/, $//')" "$TOLD" "$seen"
		[ "$seen" = 'goes on' ] && calm "$device" >/dev/null || return 0
	done
}

# table DEVICES - all of the list that are of such devices, in as many machines as it takes
table() {
	local lines=() line taken file=$SEEN.$BASHPID

	for line in "${LIST[@]}"; do
		[[ ! $line =~ ^[0-9]+\;($1)\; ]] || lines+=("$line")
	done
	while [ "${#lines[@]}" -gt 0 ]; do
		"$0" "${lines[@]}" 2>/dev/null | tee "$file" || true
		taken=$(grep -cE '^[0-9]+ \|' "$file") || true
		[ "$taken" -gt 0 ] || {
			printf '%s | no machine\n' "${lines[0]//;/ | }"
			taken=1
		}
		lines=("${lines[@]:taken}")
	done
}

if [ $# -gt 0 ]; then
	cases "$@"
	exit
fi
SEEN=$(mktemp -d)/seen
on_exit rm -r "${SEEN%/*}"
table 'main|nic' &
table 'disk|card' &
wait
