#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	null.sh BUILD_DIR
#
# A disk that stands on nothing does what a disk does, but remember.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
work_dir null
start_daemon 1 --device "type=blk,socket=$WORK/sock,null=1T"
against_daemon null.py "$WORK/sock"
