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
work_dir pairs
ip tuntap add tap0 mode tap multi_queue
ip link set tap0 up
start_daemon 1 --device "type=net,socket=$WORK/sock,tap=tap0,queues=2"
against_daemon pairs.py "$WORK/sock" tap0
