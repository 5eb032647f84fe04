#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host sees what the guest's kernel meant for it, and nothing beside it: a secret that
# fills slab, pages, the head- and tailroom of frames, the pages around their fragments
# and around sectors is not found; what is in the frames arrives, and is found.
#
# Theory
#   canary.sh does this for a program's memory. Here tests/kmod/sentinel.ko does it in
#   the kernel, where a driver that copies more than it should takes from. The module
#   is loaded before the drivers, and anew after them: what they make shared was full
#   of the token, and what they take later is, too. For that the kernel must not
#   clear what it allocates, as Debian's does by itself.
#
#   The token comes into the guest as a file, and is made a module parameter there; it
#   is on no command line that the host sees.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly HOST=192.0.2.1 GUEST=192.0.2.2 MAC=52:54:00:a1:0c:01
readonly SENTINEL=/sys/kernel/debug/sentinel

# Words for the guest, as those of tests/machine/guest.sh.
WORDS="
sentinel_send() {
	echo \"\$(need_nic $MAC) \$1\" >$SENTINEL/send
}

sentinel_disk() {
	echo \"/dev/\${2:-\$(need_disk sectors)} \$1\" >$SENTINEL/disk
}
"'
# files_round - write a file and read it back; 1 when it is not the same
files_round() {
	rm -f /mnt/x
	dd if=/tmp/x of=/mnt/x bs=3001 2>/dev/null
	forget_cache
	cmp /tmp/x /mnt/x
}

# busy NAME COMMAND WORD... - do that again and again, until it fails or is done
busy() {
	name=$1
	shift
	rm -f "/run/$name.enough" "/run/$name.end"
	(
		end=good
		until [ "$end" = failed ] || [ -e "/run/$name.enough" ]; do
			"$@" || end=failed
		done
		echo $end >"/run/$name.end"
	) >"/run/$name.log" 2>&1 &
}

# busy_end NAME - it is enough; 1 when it failed
busy_end() {
	: >"/run/$1.enough"
	wait_for 2400 test -e "/run/$1.end" && grep -q good "/run/$1.end" || {
		echo "$1 failed"
		cat "/run/$1.log"
		return 1
	}
}
'

# status KEY - a line of the module's status
status() {
	guest "sed -n 's/^$1: //p' $SENTINEL/status"
}

# The drivers are probed in memory that was the secret's. The queue of the interface is to be
# one that never drops what it took, as Debian's usual one, fq_codel, does when a frame
# had to wait.
loads() {
	local key

	guest "$WORDS
		set -e
		sentinel_load
		echo pfifo_fast >/proc/sys/net/core/default_qdisc
		modprobe -a airlock_blk airlock_net ext4
		need_disk main
		need_disk sectors
		up $MAC $GUEST/24
		rmmod sentinel
		sentinel_load
		cat $SENTINEL/status
		random_file /tmp/x 5
		mkfs.ext4 -q /dev/\$(disk main)
		mkdir -p /mnt
		mount -t ext4 /dev/\$(disk main) /mnt"
	for key in held let_go pages_afresh objects_afresh; do
		[ "$(status "$key")" -gt 0 ] || fail "$key is 0"
	done
}

refuses() {
	local argument

	for argument in '' token=1234 "token=$(printf %064d 0 | tr 0 g)"; do
		machine_log_mark
		guest "! insmod /sentinel.ko $argument && ! grep ^sentinel /proc/modules"
		machine_log_has 'sentinel: token must be' || fail "no line says why: $argument"
	done
}

# listen - look at what arrives, from now on. Sets LISTENER.
listen() {
	ip netns exec "$NET" "$TOP/tests/machine/frames.py" listen tap0 "$MAC" "$WORK/token" \
		>"$WORK/frames" 2>"$WORK/frames.log" </dev/null &
	LISTENER=$!
	on_exit stop_pid "$LISTENER"
	wait_for 120 grep -q listening "$WORK/frames" || {
		cat "$WORK/frames.log"
		return 1
	}
}

# listened - that was all; fails when anything was not as it should be
listened() {
	local status=0

	kill -TERM "$LISTENER"
	wait_for 300 gone "$LISTENER" || fail "the listener does not end"
	wait "$LISTENER" || status=$?
	cat "$WORK/frames"
	cut -c -2000 "$WORK/frames.log"
	[ "$status" -eq 0 ] || fail "the listener ended with $status"
}

# same KEY OF-MODULE - as many arrived as were sent, and those some
same() {
	local arrived sent

	arrived=$(sed -n "s/^$1: //p" "$WORK/frames")
	sent=$(status "$2")
	[ "$sent" -gt 0 ] || fail "nothing was sent ($2)"
	[ "$arrived" -eq "$sent" ] || fail "of $sent ($2) $arrived arrived"
}

frames_arrive() {
	listen
	on_exit guest ': >/run/files.enough'
	guest -t 900 "$WORDS
		set -e
		busy files files_round
		sentinel_send 2000
		cat $SENTINEL/status
		busy_end files"
	listened
	same ether ether
	same tcp_bytes tcp_bytes
	[ "$(status gso)" -gt 0 ] || fail "no frame was to be cut by the device"
	grep -qx 'again: 0' "$WORK/frames" || fail "some arrived twice"
}

# Until now the sequence was in frames only.
payload_found() {
	local found=0 source

	"$TOP/tests/machine/frames.py" pattern 30000 32 >"$WORK/payload"
	machine_search "$WORK/payload" >"$WORK/found" || found=$?
	cat "$WORK/found"
	[ "$found" -eq 1 ] || fail "the search ended with $found"
	for source in mapped shared; do
		awk -v source="$source" '$1 == source && $3 > 0 { found = 1 } END { exit !found }' \
			"$WORK/found" || fail "not found in what is $source"
	done
}

sectors_return() {
	guest -t 900 "$WORDS
		sentinel_disk 500"
}

# not_seen - the token is nowhere
not_seen() {
	local found=0

	machine_search "$WORK/token" >"$WORK/found" || found=$?
	grep -v '^[a-z]* [0-9]* 0 ' "$WORK/found"
	[ "$found" -eq 0 ] || fail "the search ended with $found"
}

# counts - what has been done: sectors of files, frames, rounds of sectors
counts() {
	guest "awk '{ print \$3 + \$7 }' /sys/block/\$(disk main)/stat
		sed -n 's/^sent: //p; s/^disk_rounds: //p' $SENTINEL/status" | paste -sd ' '
}

# In the midst of it means that all three went on between before and after; once more if
# one of them paused for just as long.
seen_meanwhile() {
	local before after

	for _ in {1..20}; do
		before=$(counts)
		not_seen
		after=$(counts)
		echo "files, frames, rounds: $before, then $after"
		! paste <(tr ' ' '\n' <<<"$before") <(tr ' ' '\n' <<<"$after") |
			awk '$2 <= $1 { paused = 1 } END { exit !paused }' || continue
		return 0
	done
	fail "not all went on meanwhile"
}

# all_busy - file system, frames and sectors, until all_idle
all_busy() {
	guest "$WORDS
		busy files files_round
		busy frames sentinel_send 100
		busy rounds sentinel_disk 100"
	# So that the tests to come see an idle machine when this one fails.
	on_exit guest ': >/run/files.enough; : >/run/frames.enough; : >/run/rounds.enough'
}

# all_idle - fails when anything had gone wrong
all_idle() {
	guest -t 900 "$WORDS
		set -e
		busy_end files
		busy_end frames
		busy_end rounds"
}

not_found() {
	all_busy
	seen_meanwhile
	all_idle
	not_seen
}

# A read that waits: the driver has given memory away for it, and nothing was written there
# yet. A round of sectors begins with one. (A stopped back-end cannot be asked which disk it
# is. With frames on their way it would be given up, if the search took long.)
waits_for_back_end() {
	local disk

	disk=$(guest 'disk sectors')
	on_exit guest ': >/run/rounds.enough'
	backend_pause airlockd
	guest "$WORDS
		busy rounds sentinel_disk 1 $disk
		wait_for 1200 awk '{ exit !\$1 }' /sys/block/$disk/inflight" || fail "no read waits"
	not_seen
	backend_resume airlockd
	guest "$WORDS
		busy_end rounds"
}

unloads() {
	guest 'wait_for 1200 umount /mnt 2>/dev/null && wait_for 1200 rmmod sentinel'
}

need_machine
machine_new "${MACHINE:-window}"
machine_sentinel
head -c 32 /dev/urandom >"$WORK/token"
truncate -s 64M "$WORK/sectors.img"
machine_disk_and_nic
machine_disk sectors "$WORK/sectors.img" airlockd serial=sectors
machine_boot "$WORK/token" "$SENTINEL_KO"
TAP_ALSO=machine_complaints
tap_test "the module refuses what is no token" refuses
tap_test "kernel memory is full of the secret, and what is allocated next still has it" loads
tap_test "frames of every kind arrive, and not a byte beside them" frames_arrive
tap_test "what is in the frames is found on the host side" payload_found
tap_test "sectors come back, and nothing around them has changed" sectors_return
tap_test "case 50: the secret is nowhere on the host side, in the midst of I/O and after it" not_found
tap_test "nor is it while a read waits for the back-end" waits_for_back_end
tap_test "the module gives everything back" unloads
tap_test "the guest powers off" machine_off
tap_done
