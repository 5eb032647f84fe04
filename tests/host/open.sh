#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	open.sh BUILD_DIR
#
# What a device stands on, and its socket: what cannot be opened is refused with
# one line, and nothing is left behind.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

work_dir open
chmod 755 "$WORK"
S=$WORK/sock
truncate -s 1M "$WORK/disk" "$WORK/other" "$WORK/with,comma"
truncate -s 1000 "$WORK/odd"
: >"$WORK/empty"
mkfifo "$WORK/fifo"
LONG=$WORK/$(printf '%0120d' 0)

blk() {
	printf 'type=blk,socket=%s,path=%s' "$S" "$1"
}

refused "a missing image is refused" "blk0: image .*missing cannot be opened.*create it" \
	--device "$(blk "$WORK/missing")"
refused "an image below a file is refused" "blk0: image .*check the path" --device "$(blk "$WORK/disk/x")"
refused "a directory as an image is refused" "blk0: image .*neither a file" --device "$(blk "$WORK")"
refused "a directory as a read-only image is refused" "blk0: image .*neither a file" \
	--device "$(blk "$WORK"),readonly=on"
refused "a FIFO as an image is refused" "blk0: image .*neither a file" --device "$(blk "$WORK/fifo")"
cp "$(command -v sleep)" "$WORK/program"
"$WORK/program" 600 &
on_exit stop_pid $!
running() {
	[ "$(readlink "/proc/$1/exe")" = "$WORK/program" ]
}
wait_for 120 running $!
refused "a program that runs as an image is refused" "blk0: image .*used as a program" \
	--device "$(blk "$WORK/program")"
refused "a character device as an image is refused" "blk0: image .*neither a file" \
	--device "$(blk /dev/zero)"
refused "an image of an odd size is refused" "blk0: image .*multiple of 512" --device "$(blk "$WORK/odd")"
refused "an empty image is refused" "blk0: image .*not empty" --device "$(blk "$WORK/empty")"
refused "a socket path that is too long is refused" "blk0: socket path .*too long" \
	--device "type=blk,socket=$LONG,path=$WORK/disk"
refused "a socket in a missing directory is refused" "blk0: socket path .*directory does not exist" \
	--device "type=blk,socket=$WORK/none/sock,path=$WORK/disk"
refused "a file at the socket's path is refused" "blk0: socket path .*not a socket" \
	--device "type=blk,socket=$WORK/disk,path=$WORK/disk"
[ -s "$WORK/disk" ] && r=0 || r=1
result "$r" "a file at the socket's path is left alone"
refused "a failing second device undoes the first" "blk1: image .*missing" \
	--device "$(blk "$WORK/disk")" --device "type=blk,socket=$S.2,path=$WORK/missing"
refused "two devices at one path are refused" "blk1: socket path .*in use" \
	--device "$(blk "$WORK/disk")" --device "$(blk "$WORK/other")"
refused "a stream path that is too long is refused" "net0: stream path .*too long" \
	--device "type=net,socket=$S,stream=$LONG"

# What root may do anyway needs somebody else to be refused.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	REAL=$DAEMON
	cp "$REAL" "$WORK/airlockd"
	printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all %q "$@"\n' \
		"$WORK/airlockd" >"$WORK/as-nobody"
	chmod 755 "$WORK/as-nobody" "$WORK/airlockd"
	mkdir -m 777 "$WORK/open"
	install -m 600 "$WORK/disk" "$WORK/secret"
	install -m 444 "$WORK/disk" "$WORK/readable"
	DAEMON=$WORK/as-nobody
	refused "an unreadable image is refused" "blk0: image .*Permission denied" \
		--device "type=blk,socket=$WORK/open/s,path=$WORK/secret,readonly=on"
	refused "an image that may not be written is refused" "blk0: image .*for writing.*readonly=on" \
		--device "type=blk,socket=$WORK/open/s,path=$WORK/readable"
	refused "a tap that may not be made is refused" "net0: tap .*ip tuntap add" \
		--device "type=net,socket=$WORK/open/s,tap=airlock-none"
	refused "a socket where one may not write is refused" "blk0: socket path .*cannot be made" \
		--device "type=blk,socket=$S,path=$WORK/readable,readonly=on"
	DAEMON=$REAL
else
	skip "what may not be opened is refused" "needs root and setpriv"
fi

start_daemon 2 --device "$(blk "$WORK/disk")" --device "type=net,socket=$S.2,stream=$WORK/nobody"
[ -S "$S" ] && [ -S "$S.2" ] && r=0 || r=1
result "$r" "two devices are served by one process"
refused "a socket path in use is refused" "blk0: socket path .*in use" --device "$(blk "$WORK/other")"
refused "a socket as an image is refused" "blk0: image .*neither a file" \
	--device "type=blk,socket=$S.3,path=$S"
[ -S "$S" ] && r=0 || r=1
result "$r" "a socket path in use is left alone"
end_daemon && r=0 || r=1
result "$r" "SIGTERM ends it with status 0"
[ -z "$(find "$WORK" -type s)" ] && r=0 || r=1
result "$r" "no socket is left behind"

start_daemon 1 --device "$(blk "$WORK/disk")"
kill -KILL "$PID"
wait "$PID" || true
[ -S "$S" ] && r=0 || r=1
result "$r" "a daemon that is killed leaves its socket"
start_daemon 1 --device "$(blk "$WORK/disk")"
end_daemon && r=0 || r=1
result "$r" "a socket that nobody listens to is replaced"

start_daemon 2 --device "type=blk,socket=$S,mode=0660,path=$WORK/with,,comma" \
	--device "type=net,socket=$S.a,,b,stream=$WORK/nobody"
[ "$(stat -c %a "$S")" = 660 ] && r=0 || r=1
result "$r" "a socket gets the mode that was asked for"
[ "$(stat -c %a "$S.a,b")" = "$(printf %o $((0777 & ~$(umask))))" ] && r=0 || r=1
result "$r" "a path can have a comma, and without a mode the umask counts"
end_daemon && r=0 || r=1
[ -z "$(find "$WORK" -type s)" ] || r=1
result "$r" "such sockets are removed as well"
finish
