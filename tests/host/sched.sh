#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	sched.sh BUILD_DIR
#
# Queues that share threads, threads that have their processors, and threads that look for work
# before they sleep.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
work_dir sched
cpus=$(python3 -c 'import os; print(":".join(str(c) for c in sorted(os.sched_getaffinity(0))[:2]))')
start_daemon 1 --device "type=blk,socket=$WORK/sock,null=1G,queues=4,threads=2,cpus=$cpus,poll=100000"
against_daemon sched.py "$WORK/sock" "$PID" "$cpus"
