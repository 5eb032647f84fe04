#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Replays the corpora and fuzzes on from there; prints TAP.
#
#	fuzz.sh [BUILD]			(environment: FUZZ_SECONDS, FUZZ_SEED, FUZZ_TARGETS, FUZZ_INTO)
#
# BUILD is where the targets were built; the environment's BUILD if not given. FUZZ_SECONDS
# is for each target, 5 if not given; FUZZ_TARGETS are those to run, else all; FUZZ_INTO is a
# directory that keeps the new inputs that are worth it, in a directory for each target.
#
# Theory
#   A target is a program (fuzz.h), its corpus the directory of its name in corpus/. Nothing
#   is written to the tree. What a target fails for, be it a crash, a leak, too much time or
#   memory, is kept in BUILD/fuzz/crashes, and its contents are printed in base64: to see it
#   again, run BUILD/fuzz/TARGET FILE. An input that found a fault in what is tested
#   belongs in the corpus, once that is mended.
#   The seed is fixed, so that two runs do the same as long as they do it at the same
#   speed; FUZZ_SEED=0 takes another each time. Of a target with threads (both, storm) no two runs
#   are the same.
#
#   To renew a corpus after a target or what it tests has changed:
#
#	make fuzz TIME=600 F=drv INTO=found
#	mkdir build/renewed && build/fuzz/drv -merge=1 build/renewed found/drv tests/fuzz/corpus/drv
#
#   and put what is in build/renewed in the place of what was there. All corpora together should
#   stay below 200 files: a few hundred bytes each are replayed by each make check.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

BUILD=$(realpath -m "${1:-$BUILD}")
readonly CORPUS=$TOP/tests/fuzz/corpus
readonly CRASHES=$BUILD/fuzz/crashes
readonly INPUT_MOST=600
# Of an input, on a machine that does other things too.
readonly INPUT_SECONDS=30
SECONDS_EACH=${FUZZ_SECONDS:-5}
SEED=${FUZZ_SEED:-1}
read -ra TARGETS <<<"${FUZZ_TARGETS:-$(find "$CORPUS" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | xargs)}"

# target NAME OPTION... - run a target with few descriptors to lose
target() {
	local name=$1

	shift
	(
		ulimit -n 256 -c 0
		export ASAN_OPTIONS=quarantine_size_mb=32:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
		exec "$BUILD/fuzz/$name" -seed="$SEED" -max_len="$INPUT_MOST" -timeout="$INPUT_SECONDS" \
			-rss_limit_mb=1024 -artifact_prefix="$WORK/artifacts/$name-" \
			-print_final_stats=1 "$@"
	) >"$WORK/$name.log" 2>&1
}

# keep - print and keep what a target failed for
keep() {
	local file

	mkdir -p "$CRASHES"
	for file in "$WORK"/artifacts/*; do
		[ -e "$file" ] || continue
		mv "$file" "$CRASHES/"
		printf 'kept: %s\nbase64: %s\n' "$CRASHES/$(basename "$file")" \
			"$(base64 -w0 "$CRASHES/$(basename "$file")")"
	done
}

# found NAME - say what a target failed for, and fail
found() {
	grep -aE 'does not hold|ERROR|runtime error|^ +#([0-9]|1[0-9]) ' "$WORK/$1.log" | head -n 24
	keep
	fail "$1 failed"
}

# stat NAME FIELD - of the final statistics
stat() {
	sed -n "s/^stat::$2: *//p" "$WORK/$1.log"
}

replay() {
	local name=$1

	[ -n "$(find "$CORPUS/$name" -type f 2>/dev/null)" ] || fail "there is no corpus of $name"
	target "$name" -runs=0 "$CORPUS/$name" || found "$name"
	[ "$(stat "$name" number_of_executed_units)" -ge "$(find "$CORPUS/$name" -type f | wc -l)" ] ||
		fail "not all inputs were replayed"
}

fuzz() {
	local name=$1 into=$WORK/new

	[ -z "${FUZZ_INTO:-}" ] || into=$FUZZ_INTO/$name
	mkdir -p "$into"
	target "$name" -max_total_time="$SECONDS_EACH" "$into" "$CORPUS/$name" || found "$name"
	[ "$(stat "$name" number_of_executed_units)" -gt "$(find "$CORPUS/$name" -type f | wc -l)" ] ||
		fail "nothing but the corpus was run"
}

for name in "${TARGETS[@]}"; do
	[ -x "$BUILD/fuzz/$name" ] || die "$BUILD/fuzz/$name is not built: make tests"
done
work_dir fuzz
mkdir "$WORK/artifacts"
for name in "${TARGETS[@]}"; do
	tap_test "$name: nothing in its corpus fails" replay "$name"
	tap_test "$name: nothing else fails in $SECONDS_EACH s from seed $SEED" fuzz "$name"
	printf '# %s: %s inputs, %s a second\n' "$name" "$(stat "$name" number_of_executed_units)" \
		"$(stat "$name" average_exec_per_sec)"
	rm -rf "$WORK/new"
done
tap_done
