#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Counts the instructions that an operation of our ring takes, without payload.
#
#	instructions.sh [BUILD]			prints them
#	instructions.sh record [BUILD]		writes them to bench/ring.instructions
#	instructions.sh check [BUILD]		compares them with that file; prints TAP
#
# BUILD is where bench/ring was built; the environment's BUILD if not given. INSTRUCTIONS in the
# environment says what to do when no argument does.
#
# Theory
#   A count does not depend on what else the machine does, so that a change which makes
#   the ring slower shows on a loaded machine, too. It is no measure of speed: cache
#   misses between processors, which are most of the time, do not count.
#   Both sides run in turn in one thread under callgrind, which counts inside of the
#   functions ours_count_* only (bench/ours.c): the calls of the ring, with the least that a
#   caller needs around them, and no start-up. Driver half: add or post, show, poll;
#   device half: pop, translate, push, show.
#   Another compiler makes other instructions: the record names its compiler, and is
#   for that one only. More than TOLERANCE per cent above the record fails, for the
#   reason to be found; as much below fails too, since such a record would let the ring
#   become that much slower unseen: record it anew.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../tests/lib/common.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

readonly RECORD=$TOP/bench/ring.instructions
readonly BATCHES='1 32'
readonly TOLERANCE=3
# Sixteen times round a ring of 256.
readonly OPS=4096

# count KIND BATCH HALF - instructions per operation of one half
count() {
	local out=$WORK/callgrind.out

	valgrind --tool=callgrind --callgrind-out-file="$out" --toggle-collect="ours_count_$3*" \
		"$BUILD/bench/ring" --alternate "$1" --batch "$2" --ops "$OPS" \
		>"$WORK/valgrind.log" 2>&1 || {
		last_lines "$WORK/valgrind.log"
		die "callgrind of '$1' batch $2 failed"
	}
	awk -v ops="$OPS" '$1 == "totals:" { printf "%.1f\n", $2 / ops; n = $2 }
		END { exit !n }' "$out" || die "callgrind saw no ours_count_$3*: was it stripped?"
}

# count_all - a line for each kind and batch
count_all() {
	local kind batch drv dev

	while IFS= read -r kind; do
		for batch in $BATCHES; do
			drv=$(count "$kind" "$batch" drv)
			dev=$(count "$kind" "$batch" dev)
			printf '%-22s batch %2d  driver %6.1f  device %6.1f\n' \
				"$kind" "$batch" "$drv" "$dev"
		done
	done < <("$BUILD/bench/ring" --kinds)
}

compiler() {
	"$BUILD/bench/ring" --compiler
}

record() {
	count_all >"$WORK/counted"
	{
		printf '# Instructions per operation; made by bench/instructions.sh record, compared by\n'
		printf '# bench/instructions.sh check.\n'
		printf '# compiler %s\n' "$(compiler)"
		cat "$WORK/counted"
	} >"$WORK/record"
	cp "$WORK/record" "$RECORD"
	say "wrote $RECORD"
}

# half LINE HALF - its count
half() {
	awk -v half="$2" '{ for (i = 1; i < NF; i++) if ($i == half) print $(i + 1) }' <<<"$1"
}

# near KIND BATCH - is the count of both halves that of the record?
near() {
	local name line half short was is

	name=$(printf '%-22s batch %2d ' "$1" "$2")
	line=$(grep -F "$name" "$RECORD") || fail "the record does not have it: record it anew"
	for half in driver device; do
		short=dev
		[ "$half" = device ] || short=drv
		was=$(half "$line" "$half")
		is=$(count "$1" "$2" "$short")
		printf '%s half: %s instructions per operation, recorded %s\n' "$half" "$is" "$was"
		awk -v is="$is" -v was="$was" -v t="$TOLERANCE" 'BEGIN { exit is > was * (1 + t / 100) }' ||
			fail "it takes more than the record says, by more than $TOLERANCE per cent"
		awk -v is="$is" -v was="$was" -v t="$TOLERANCE" 'BEGIN { exit is < was * (1 - t / 100) }' ||
			fail "it takes less, by more than $TOLERANCE per cent: record it anew"
	done
}

check() {
	local was kind batch

	command -v valgrind >/dev/null || tap_skip_all "valgrind is not installed"
	was=$(sed -n 's/^# compiler //p' "$RECORD")
	[ "$was" = "$(compiler)" ] ||
		tap_skip_all "the record is of compiler $was, this is $(compiler)"
	while IFS= read -r kind <&3; do
		for batch in $BATCHES; do
			tap_test "$kind, batch $batch, takes as many instructions as recorded" \
				near "$kind" "$batch"
		done
	done 3< <("$BUILD/bench/ring" --kinds)
	tap_done
}

what=${INSTRUCTIONS:-print}
case ${1:-} in
record | check)
	what=$1
	shift
	;;
esac
BUILD=$(realpath "${1:-$BUILD}")
[ -x "$BUILD/bench/ring" ] || die "$BUILD/bench/ring is not built: make bench"
[ "$what" = check ] || command -v valgrind >/dev/null || die "valgrind is not installed"
work_dir instructions
case $what in
record) record ;;
check) check ;;
print) count_all ;;
esac
