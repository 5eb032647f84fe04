#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	locks.sh BUILD_DIR
#
# An image has one writer or any number of readers, whoever they are: devices of one
# airlockd, of several, or QEMU.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

work_dir locks
S=$WORK/sock
D=$WORK/disk
truncate -s 1M "$D"
ln "$D" "$WORK/link"
IN_USE="image .* is in use.*: stop what uses it"

# blk SOCKET IMAGE [OPTION]
blk() {
	printf 'type=blk,socket=%s,path=%s%s' "$S.$1" "$2" "${3:+,$3}"
}

# pass COMMAND... - result's status from a command's
pass() {
	"$@" && r=0 || r=1
}

# opened PID FILE - has the process got it open?
opened() {
	[ -n "$(find "/proc/$1/fd" -lname "$2" 2>/dev/null)" ]
}

refused "two writers in one process are refused" "blk1: $IN_USE" \
	--device "$(blk 1 "$D")" --device "$(blk 2 "$D")"
refused "a writer and a reader in one process are refused" "blk1: $IN_USE" \
	--device "$(blk 1 "$D")" --device "$(blk 2 "$D" readonly=on)"
refused "a reader and a writer by another name are refused" "blk1: $IN_USE" \
	--device "$(blk 1 "$D" readonly=on)" --device "$(blk 2 "$WORK/link")"

start_daemon 1 --device "$(blk 1 "$D")"
refused "a writer beside another process is refused" "blk0: $IN_USE" --device "$(blk 2 "$D")"
refused "a reader beside a writer of another process is refused" "blk0: $IN_USE" \
	--device "$(blk 2 "$D" readonly=on)"
pass end_daemon
result "$r" "the one that was first stays"

start_daemon 2 --device "$(blk 1 "$D" readonly=on)" --device "$(blk 2 "$D" readonly=on)"
FIRST=$PID
start_daemon 1 --device "$(blk 3 "$D" readonly=on)"
pass end_daemon
result "$r" "any number may read"
PID=$FIRST
pass end_daemon
result "$r" "readers end well"

# What a killed process has in flight keeps its image for a moment; so does this one. A
# lock of any kind is as good: flock(1) has none of those.
cat >"$WORK/hold.py" <<'END'
import fcntl, struct, sys, time
f = open(sys.argv[1], "r+b")
fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqixxxx", fcntl.F_WRLCK, 0, 0, 0, 0))
open(sys.argv[1] + ".held", "w").close()
time.sleep(600)
END
if python3 -c 'import fcntl; fcntl.F_OFD_SETLK' 2>/dev/null; then
	python3 "$WORK/hold.py" "$D" &
	HOLDER=$!
	on_exit stop_pid "$HOLDER"
	wait_for 120 test -e "$D.held"
	: >"$WORK/log"
	"$DAEMON" --device "$(blk 1 "$D")" 2>"$WORK/log" </dev/null &
	PID=$!
	on_exit stop_pid "$PID"
	wait_for 120 opened "$PID" "$D"
	kill -KILL "$HOLDER"
	pass wait_for 120 serving 1 "$WORK/log"
	end_daemon || r=1
	result "$r" "an image that becomes free at once is waited for"
	[ "$r" -eq 0 ] || note "$WORK/log"
else
	skip "an image that becomes free at once is waited for" "python3 has no F_OFD_SETLK"
fi

# theirs WORD... - QEMU's daemon offers the image
theirs() {
	qemu-storage-daemon --blockdev "driver=file,node-name=disk,filename=$D" \
		--export "vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path=$S.qemu,$1" \
		--pidfile "$WORK/qemu.pid" >"$WORK/qemu.log" 2>&1 </dev/null &
	QEMU=$!
	on_exit stop_pid "$QEMU"
}

if command -v qemu-storage-daemon >/dev/null; then
	start_daemon 1 --device "$(blk 1 "$D")"
	theirs writable=on
	status=0
	wait "$QEMU" || status=$?
	[ "$status" -eq 1 ] && grep -q 'Failed to get .* lock' "$WORK/qemu.log" && r=0 || r=1
	result "$r" "QEMU refuses an image that airlockd writes"
	[ "$r" -eq 0 ] || note "$WORK/qemu.log"
	end_daemon

	theirs writable=on
	wait_for 120 test -e "$WORK/qemu.pid"
	refused "airlockd refuses an image that QEMU writes" "blk0: $IN_USE" --device "$(blk 1 "$D")"
	stop_pid "$QEMU"
	rm -f "$WORK/qemu.pid"

	theirs writable=off
	wait_for 120 test -e "$WORK/qemu.pid"
	start_daemon 1 --device "$(blk 1 "$D" readonly=on)"
	pass end_daemon
	result "$r" "airlockd and QEMU read one image"
	stop_pid "$QEMU"
else
	skip "QEMU and airlockd keep each other out" "qemu-storage-daemon is missing"
fi

if LOOP=$(losetup -f --show "$D" 2>"$WORK/why"); then
	on_exit losetup -d "$LOOP"
	start_daemon 1 --device "$(blk 1 "$LOOP")"
	refused "a second writer of a block device is refused" "blk0: image .*busy: .*in use" \
		--device "$(blk 2 "$LOOP")"
	refused "a reader beside a writer of a block device is refused" "blk0: $IN_USE" \
		--device "$(blk 2 "$LOOP" readonly=on)"
	end_daemon
else
	skip "a block device in use is refused" "no loop device can be had: $(head -n 1 "$WORK/why")"
fi
finish
