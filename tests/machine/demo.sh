#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	demo.sh		(environment: BUILD, MACHINE=window|sev)
#
# Shows the claim: a guest does its I/O through airlock, and the host sees none of
# its memory but the window or, in the emulated SEV machine, the pages that the drivers opened.
#
# Theory
#   A guest with one airlock disk and one airlock NIC writes, reads back, pings, and
#   moves data over TCP both ways, while a process in it holds a secret in anonymous
#   memory and tmpfs. The secret's token is made here and goes into the guest with its
#   root file system. The host side then looks for it in everything that the back-end
#   has mapped, has open, or could have been handed by the VMM: once in the midst of
#   I/O, once after all I/O, both with the guest up and the secret in use. In the midst
#   of I/O means that a writer and a sender go on until they are told to stop, and that
#   the guest's counters of disk and NIC are higher after the search than before it.
#   tests/guest/negative.sh shows that the same search finds it where it can be seen.
#
#   What the guest shares is measured from outside. In the window machine it is all that the
#   VMM could hand over. In the emulated SEV machine the VMM hands over all memory, of which
#   the host sees the pages that the guest opened: those that its page tables open now and
#   did not when it had booted. They must be the ones that the drivers list. What mainline's
#   drivers would have opened in the same guest is measured too (mainline.sh).
#
#   Each value of the summary is "not reached" until its step was done, so a demo
#   that ends early says how far it came.
#
# Output: progress on standard error; a summary, "key: value", on standard output.
# Exit: 0 only when every line of the summary holds.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/machine.sh"

readonly MAC=52:54:00:a1:0c:01 HOST=192.0.2.1 GUEST=192.0.2.2
readonly CANARY_MIB=32 DISK_MIB=64 NET_MIB=16

RESULT=failed
SHARED='not reached' REGION='not reached' DISK='not reached' NETWORK='not reached'
CANARY='not reached' LOG='not reached'
ENCRYPTION='not reached' KERNELS_OWN='not reached' MAINLINE='not reached'
MEANWHILE='not reached' MAPPED='not reached' SHARES='not reached' FILES='not reached'

# summary - the end of the script, however it ends
summary() {
	[ "$RESULT" = ok ] || machine_logs
	cat <<-END
		machine: $M_KIND, kernel ${KVER:-not reached}, $("$M_QEMU" --version | head -n 1)
		memory encryption: $ENCRYPTION
		guest memory: $((M_MEMORY_MIB << 20)) bytes
		shared with host: $SHARED
		region of the drivers: $REGION
	END
	[ "$M_KIND" != sev ] || cat <<-END
		shared by the kernel besides (swiotlb=noforce): $KERNELS_OWN
		shared by mainline on the same guest, all in all: $MAINLINE
	END
	cat <<-END
		disk checksum: $DISK
		network checksum: $NETWORK
		searched in the back-end's memory: $MAPPED
		searched in what the VMM shares: $SHARES
		searched in files the back-end has open: $FILES
		I/O while searching: $MEANWHILE
		canary in shared memory: $CANARY
		guest log: $LOG
		seconds: $SECONDS
		demo: $RESULT
	END
}

# failed WHAT - the demo ends here
failed() {
	say "demo: failed: $1"
	exit 1
}

# in_guest SCRIPT - quiet, unless it fails
in_guest() {
	local output

	output=$(guest -t 600 "set -e; $1") || {
		printf '%s\n' "$output" | sed 's/^/    guest: /' >&2
		return 1
	}
}

prepare() {
	truncate -s 256M "$WORK/disk.img"
	head -c 32 /dev/urandom >"$WORK/token"
	head -c "${NET_MIB}M" /dev/urandom >"$WORK/down"
	net_new
	net_tap tap0 "$HOST/24"
	machine_disk disk0 "$WORK/disk.img" airlockd serial=demo
	machine_nic nic0 "$MAC" tap=tap0
}

load() {
	in_guest "modprobe -a airlock_blk airlock_net ext4
		need_disk demo
		up $MAC $GUEST/24"
}

# Starts writing and returns: the same file, with other data each time, until there is
# /run/enough. Dirty pages go to the disk at once, so that it always has something to do.
# The sum is made of what was meant, not of what is there.
disk_write() {
	in_guest "disk=/dev/\$(need_disk demo)
		mkfs.ext4 -q \$disk
		mkdir -p /mnt
		mount -t ext4 \$disk /mnt
		echo 1048576 >/proc/sys/vm/dirty_background_bytes
		{
			until [ -e /run/sum ] && [ -e /run/enough ]; do
				dd if=/dev/urandom bs=1M count=$DISK_MIB | tee /mnt/data | sha256sum >/run/sum
				sync
			done
			mv /run/sum /run/written
		} >/dev/null 2>&1 &"
}

# Starts sending and returns; net_sent ends it.
net_send() {
	net_serve sink 5000 sh -c "exec nc -l -d $HOST 5000 >/dev/null"
	in_guest "nc $HOST 5000 </dev/urandom >/dev/null 2>&1 &
		echo \$! >/run/sender
		wait_for 1200 connected 5000"
}

net_sent() {
	in_guest 'kill $(cat /run/sender)'
}

disk_check() {
	in_guest "wait_for 3000 test -e /run/written
		forget_cache
		test \$(stat -c %s /mnt/data) -eq $((DISK_MIB << 20))
		sha256sum </mnt/data >/run/read
		cmp /run/written /run/read
		umount /mnt"
}

ping_host() {
	in_guest "ping -c 3 -W 5 $HOST"
}

# Both ways: what one side sent and what the other got, each summed where it was.
tcp_up() {
	local sent

	net_serve up 5001 sh -c "nc -l -d $HOST 5001 | sha256sum"
	sent=$(guest -t 600 "random_file /tmp/up $NET_MIB; sha256sum </tmp/up
		nc $HOST 5001 </tmp/up; rm /tmp/up") && wait_for 120 gone "$STARTED" &&
		[ "$sent" = "$(cat "$WORK/up.out")" ]
}

tcp_down() {
	local got

	net_serve down 5002 sh -c "exec nc -l -N $HOST 5002 <'$WORK/down'"
	got=$(guest -t 600 "mkfifo /run/silence; nc $HOST 5002 <>/run/silence | sha256sum") &&
		[ "$got" = "$(sha256sum <"$WORK/down")" ]
}

# search NAME - look for the token now; the worse result stays in CANARY
search() {
	local status=0

	machine_search "$WORK/token" >"$WORK/search.$1" || status=$?
	MAPPED=$(search_bytes "$1" mapped)
	SHARES=$(search_bytes "$1" shared)
	FILES=$(search_bytes "$1" held)
	case $status in
	0) [ "$CANARY" != 'not reached' ] || CANARY='not found' ;;
	1) CANARY="FOUND $(search_says "$1" hits) times" ;;
	*) CANARY='not all could be searched' ;;
	esac
	[ "$status" -eq 0 ] || last_lines "$WORK/search.$1" 40
	return "$status"
}

# search_bytes NAME SOURCE - how much of that was looked through
search_bytes() {
	awk -v source="$2" '$1 == source { sum += $2 } END { printf "%.0f bytes", sum }' \
		"$WORK/search.$1"
}

# io - what disk and NIC of the guest did until now: sectors written, packets sent
io() {
	guest "awk '{ print \$7 }' /sys/block/\$(disk demo)/stat
		cat /sys/class/net/\$(nic $MAC)/statistics/tx_packets" | paste -sd ' '
}

# Once more if the I/O paused for just as long as the search took.
search_during() {
	local before after sectors packets

	for _ in {1..10}; do
		before=$(io) || return
		search during || return
		after=$(io) || return
		sectors=$((${after% *} - ${before% *})) packets=$((${after#* } - ${before#* }))
		MEANWHILE="$((sectors * 512)) bytes written, $packets packets sent"
		if [ "$sectors" -gt 0 ] && [ "$packets" -gt 0 ]; then
			in_guest ': >/run/enough'
			return
		fi
	done
	CANARY='no I/O was under way'
	return 1
}

# search_says NAME KEY
search_says() {
	sed -n "s/^$2: //p" "$WORK/search.$1"
}

# encryption - what the guest's kernel says of it
encryption() {
	ENCRYPTION=$(guest 'dmesg | sed -n "s/.*Memory Encryption Features active: //p"')
	case $M_KIND:$ENCRYPTION in
	sev:*SEV*) ENCRYPTION+=' (emulated)' ;;
	sev:*) return 1 ;;
	*) ENCRYPTION=${ENCRYPTION:-none} ;;
	esac
}

# What is shared, measured from outside, and what the drivers say they use.
measure() {
	local bytes total=$((M_MEMORY_MIB << 20))

	if [ "$M_KIND" = sev ]; then
		memory_audit >&2 && memory_since || return
		KERNELS_OWN="$(memory_bytes "$WORK/opened.before") bytes"
		pages same "$WORK/audit" "$WORK/opened" >&2 || return
		bytes=$(memory_bytes "$WORK/opened")
	else
		bytes=$(search_says after shared)
	fi
	SHARED="$bytes bytes ($(awk -v a="$bytes" -v b="$total" \
		'BEGIN { printf "%.2f", 100 * a / b }') %)"
	REGION=$(guest 'sed -n "s/^total - - \([0-9]*\) -/\1 bytes/p" \
		/sys/kernel/debug/airlock/regions')
	[ "$bytes" -gt 0 ] && [ "$bytes" -lt "$total" ] && [ -n "$REGION" ]
}

# The same machine once more, with mainline's drivers.
measure_mainline() {
	local bytes

	bytes=$("$TOP/tests/machine/mainline.sh") || return
	MAINLINE="$bytes bytes"
}

check_log() {
	LOG='has warnings'
	machine_log_flush && [ -z "$(machine_splats)" ] && LOG=clean
}

SECONDS=0
need_root "the demo (it makes a network namespace and a tap)"
machine_new "${MACHINE:-window}" 4
on_exit summary
say "demo: preparing a disk, a network and a secret"
prepare
say "demo: booting the $M_KIND machine"
machine_boot "$WORK/token"
encryption || failed "the guest's memory is not encrypted"
[ "$M_KIND" != sev ] || memory_mark
say "demo: loading the drivers"
load || failed "the drivers do not give a disk and a network interface"
say "demo: holding $CANARY_MIB MiB of canary in anonymous memory, and as many in tmpfs"
in_guest "canary_start $CANARY_MIB" || failed "the canary did not start"
say "demo: making an ext4 file system, writing $DISK_MIB MiB to it"
disk_write || failed "the disk does not hold a file system"
say "demo: searching all that the back-end sees, during I/O of disk and network"
net_send || failed "the host side cannot be reached"
search_during || failed "the canary: $CANARY"
net_sent || failed "the connection to the host side ended"
say "demo: reading back, comparing checksums"
DISK=differs
disk_check || failed "what was read is not what was written"
DISK=ok
say "demo: pinging the host side"
NETWORK='no answer'
ping_host || failed "the host side does not answer"
say "demo: moving $NET_MIB MiB over TCP to the host side"
NETWORK=differs
tcp_up || failed "what arrived at the host is not what was sent"
say "demo: moving $NET_MIB MiB over TCP to the guest"
tcp_down || failed "what arrived at the guest is not what was sent"
NETWORK=ok
say "demo: searching all that the back-end sees, after I/O"
search after || failed "the canary: $CANARY"
measure || failed "the shared memory is not what it should be"
in_guest canary_end || failed "the canary's own memory was damaged"
check_log || failed "the guest's kernel complained"
say "demo: powering off"
machine_off || failed "the guest does not power off"
if [ "$M_KIND" = sev ]; then
	say "demo: booting it once more, with mainline's drivers"
	measure_mainline || failed "mainline's drivers do not work there"
fi
RESULT=ok
