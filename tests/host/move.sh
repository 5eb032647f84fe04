#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	move.sh BUILD_DIR
#
# A disk with migrate=on: two daemons have its image, and one at a time uses it.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
work_dir move
truncate -s 8M "$WORK/disk"
# blk SOCKET [OPTION]
blk() {
	printf 'type=blk,socket=%s,path=%s%s' "$WORK/$1" "$WORK/disk" "${2:+,$2}"
}
start_daemon 1 --device "$(blk there migrate=on)"
THERE=$PID
mv "$WORK/log" "$WORK/log.there"
start_daemon 1 --device "$(blk here migrate=on)"
against_daemon move.py "$WORK/here" "$WORK/there" "$WORK/disk" "$WORK/log.there" "$DAEMON" \
	"$(blk plain)" && status=0 || status=1
PID=$THERE
end_daemon || status=1
exit "$status"
