#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	null.sh BUILD_DIR
#
# A disk that stands on nothing does what a disk does, but remember.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
status=0
work_dir null
start_daemon 1 --device "type=blk,socket=$WORK/sock,null=1T"
PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/null.py" "$WORK/sock" || status=1
end_daemon || status=1
[ "$status" -eq 0 ] || note "$WORK/log"
exit "$status"
