#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	many.sh BUILD_DIR
#
# 64 disks of one daemon, all busy and then all idle: each is served, they cost little memory, and idle ones no time,
# also when their threads look for work before they sleep.
# How evenly they are served is said and not judged: tests are no place for speed.
set -euo pipefail
JAILED=1
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
readonly DEVICES=64

# figure NAME - of the last line
figure() {
	sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$WORK/many.json"
}

# fares HOW [KEY...] - with so much more said of each disk
fares() {
	local devices=() status=0 i r

	for ((i = 0; i < DEVICES; i++)); do
		devices+=(--device "type=blk,socket=$WORK/sock$i,null=1G,queues=1${2:-}")
	done
	start_daemon "$DEVICES" "${devices[@]}"
	timeout 300 "$BUILD/frontend/many" "$DEVICES" 2000 "$WORK/sock" "$PID" >"$WORK/many.json" \
		2>"$WORK/many.err" || status=$?
	note "$WORK/many.json"
	note "$WORK/many.err"
	[ "$status" -eq 0 ] && [ "$(figure least)" -gt 0 ] && r=0 || r=1
	result "$r" "$1: all of $DEVICES disks are served"
	[ "$(figure resident_kib)" -lt 65536 ] && r=0 || r=1
	result "$r" "$1: with $DEVICES disks it takes less than 64 MiB"
	# A hundredth of a second is what the kernel counts by.
	awk -v p="$(figure idle_percent)" 'BEGIN { exit !(p != "" && p <= 0.5) }' && r=0 || r=1
	result "$r" "$1: idle disks take no time"
	end_daemon && r=0 || r=1
	result "$r" "$1: it ends well"
}

work_dir many
fares "kicks"
fares "looks" ,poll=50
finish
