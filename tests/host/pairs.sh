#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	pairs.sh BUILD_DIR
#
# A card with several pairs of queues, on a tap in a network namespace of its own.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
in_own_network 'mode tap multi_queue' "$@"
status=0
work_dir pairs
ip tuntap add tap0 mode tap multi_queue
ip link set tap0 up
start_daemon 1 --device "type=net,socket=$WORK/sock,tap=tap0,queues=2"
PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/pairs.py" "$WORK/sock" tap0 || status=1
end_daemon || status=1
[ "$status" -eq 0 ] || note "$WORK/log"
exit "$status"
