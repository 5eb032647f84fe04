#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines of ring/ the unit tests and the corpora reach; prints TAP.
#
#	coverage.sh [BUILD]
#
# BUILD is where the programs were built; the environment's BUILD if not given.
#
# Theory
#   Unit tests and fuzz targets are built once more, without optimisation and with gcc's
#   counters, in BUILD/cov. The targets get their corpora from replay.c. gcov says of each
#   object how often each line of each source was run; a line counts as reached if any
#   program did so, in any object that has it: an inline function is in many. Lines of
#   ring/ that are not compiled in user space do not count.
#   What was not reached is printed, for the next test.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

BUILD=$(realpath -m "${1:-$BUILD}")
readonly LEAST=95
readonly COV=$BUILD/cov
# They show what happens between threads, in lines that others reach too.
readonly LEFT_OUT=' litmus threads '

# run_all - every program, from counters that are zero
run_all() {
	local program

	find "$COV" -name '*.gcda' -delete
	for program in "$COV"/unit/*; do
		[ -x "$program" ] && [[ $LEFT_OUT != *" $(basename "$program") "* ]] || continue
		"$program" >"$WORK/run.log" 2>&1 || {
			tail -n 20 "$WORK/run.log"
			fail "$(basename "$program") failed"
		}
	done
	for program in "$COV"/fuzz/*; do
		[ -x "$program" ] || continue
		"$program" "$TOP/tests/fuzz/corpus/$(basename "$program")" >"$WORK/run.log" 2>&1 || {
			tail -n 20 "$WORK/run.log"
			fail "the corpus of $(basename "$program") failed"
		}
	done
}

# count - a line for each source, and one for all of them; exit 1 when that is too little
count() {
	# One document after the other, each in a line of its own.
	find "$COV" -name '*.gcda' -exec gcov --json-format --stdout {} + 2>/dev/null |
		python3 "$TOP/tests/fuzz/coverage.py" "$TOP/ring" "$LEAST"
}

[ -n "$(find "$COV/unit" "$COV/fuzz" -type f 2>/dev/null)" ] || die "$COV is not built: make tests"
work_dir coverage
cd "$WORK"
tap_test "unit tests and corpora run with counters" run_all
share='nothing'
count >"$WORK/count" && share=$(tail -n 1 "$WORK/count") || share="$(tail -n 1 "$WORK/count"), too little"
sed 's/^/# /' "$WORK/count"
tap_test "line coverage of ring/ is at least $LEAST %: $share" test "${share#*too little}" = "$share"
tap_done
