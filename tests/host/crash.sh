#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	[KILLS=N] [SEED=N] crash.sh BUILD_DIR
#
# airlockd is killed at any moment while a disk is in use, started again, and goes on by the in-flight
# log: no request is lost, done twice, or differs. tests/frontend/crash.c has the theory.
set -euo pipefail
JAILED=1
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
KILLS=${KILLS:-100} SEED=${SEED:-1}

# survives RING
survives() {
	local status=0

	rm -f "$WORK/image"
	truncate -s 1M "$WORK/image"
	timeout 600 "$BUILD/frontend/crash" "$1" "$KILLS" "$SEED" "$WORK/sock" "$WORK/image" \
		"$DAEMON" --log-level warn --device "type=blk,socket=$WORK/sock,path=$WORK/image,queues=2" \
		>"$WORK/crash.log" 2>&1 || status=$?
	note "$WORK/crash.log"
	result "$status" "$KILLS kills, $1 ring: nothing lost, doubled or different"
}

work_dir crash
for ring in split packed ordered; do
	survives "$ring"
done
finish
