#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	dirty.sh BUILD_DIR
#
# While a guest's memory is copied, what the daemon writes there is in the front-end's log, page
# by page, and nothing else is.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
work_dir dirty
truncate -s 8M "$WORK/disk"
start_daemon 3 --device "type=blk,socket=$WORK/sock,path=$WORK/disk,serial=airlock-test,migrate=on" \
	--device "type=blk,socket=$WORK/sock.null,null=1G,migrate=on" \
	--device "type=net,socket=$WORK/sock.net,stream=$WORK/stream"
against_daemon dirty.py "$WORK/sock" "$PID" "$WORK/stream" "$WORK/log"
