#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	pair.sh BUILD_DIR
#
# Two cards that are linked with each other: frames both ways, one that is not there, one that does not take.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir pair
# Another pair, to see that wires are not mixed up.
start_daemon 4 --device "type=net,socket=$WORK/a,pair=x" --device "type=net,socket=$WORK/c,pair=y" \
	--device "type=net,socket=$WORK/d,pair=y" --device "type=net,socket=$WORK/b,pair=x"
against_daemon pair.py "$WORK/a" "$WORK/b" "$WORK/c" "$WORK/d"
