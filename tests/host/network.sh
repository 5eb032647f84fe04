#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	network.sh BUILD_DIR
#
# A network card on a stream socket: frames both ways, back-pressure, a server that
# goes and comes, and drivers that lie (ATTACKS 57, 59).
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir network
start_daemon 1 --device "type=net,socket=$WORK/sock,stream=$WORK/stream"
status=0
PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/network.py" "$WORK/sock" "$WORK/stream" || status=1
if ! end_daemon; then
	printf '# airlockd did not end well\n'
	status=1
fi
[ "$status" -eq 0 ] || note "$WORK/log"
exit "$status"
