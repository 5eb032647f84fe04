# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of airlockd share. Sourced with the build directory as $1.
#
# Theory
#   Each test is one call that ends in exactly one line of TAP. The daemon under test
#   is the one built with address and undefined-behaviour sanitizers: a report of
#   theirs is a failure like any other, since it changes the exit status and what
#   is on stderr.

# shellcheck source=tests/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
[ $# -ge 1 ] || die "usage: $(basename "$0") BUILD_DIR"
BUILD=$1
DAEMON=$BUILD/asan/airlockd
# Without sanitizers it is jailed.
[ -z "${JAILED:-}" ] || DAEMON=$BUILD/airlockd
[ -x "$DAEMON" ] || die "$DAEMON is missing: make tests"
RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
TESTS=0 FAILS=0

# in_own_network TAP ARGUMENT... - run the script, with those arguments, in a network namespace of its own, where
# such taps can be had; skip it where they cannot
in_own_network() {
	local inside=(unshare -n) tap=$1 why

	shift
	[ -z "${AIRLOCK_TAP_INSIDE:-}" ] || return 0
	[ "$(id -u)" -eq 0 ] || inside=(unshare -rn)
	# shellcheck disable=SC2086 # words
	if ! why=$("${inside[@]}" ip tuntap add tap0 $tap 2>&1); then
		printf '1..0 # SKIP no tap can be had: %s\n' "$(head -n 1 <<<"$why")"
		exit 0
	fi
	AIRLOCK_TAP_INSIDE=1 exec "${inside[@]}" "$0" "$@"
}

# result STATUS NAME - one line of TAP
result() {
	TESTS=$((TESTS + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$TESTS" "$2"
	else
		FAILS=$((FAILS + 1))
		printf 'not ok %d - %s\n' "$TESTS" "$2"
	fi
}

# skip NAME WHY
skip() {
	TESTS=$((TESTS + 1))
	printf 'ok %d - %s # SKIP %s\n' "$TESTS" "$1" "$2"
}

# finish - the plan, and the status
finish() {
	printf '1..%d\n' "$TESTS"
	[ "$FAILS" -eq 0 ]
}

# note FILE - show a file as TAP comments
note() {
	sed 's/^/# /' "$1"
}

# refused NAME PATTERN ARGUMENT... - airlockd exits 1 with one line that matches,
# and leaves no socket in WORK
refused() {
	local name=$1 pattern=$2 status=0 good=0 before after

	shift 2
	before=$(find "$WORK" -type s | sort)
	timeout 120 "$DAEMON" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
	after=$(find "$WORK" -type s | sort)
	[ "$status" -eq 1 ] || good=1
	[ "$(wc -l <"$WORK/err")" -eq 1 ] || good=1
	grep -Eq "^airlockd: $pattern" "$WORK/err" || good=1
	[ ! -s "$WORK/out" ] || good=1
	[ "$before" = "$after" ] || good=1
	result "$good" "$name"
	if [ "$good" -ne 0 ]; then
		printf '# status %d, wanted /%s/\n' "$status" "$pattern"
		note "$WORK/err"
	fi
}

# serving COUNT LOG - have so many devices said that they wait?
serving() {
	[ "$(grep -c 'waiting for a front-end' "$2")" -ge "$1" ]
}

# start_daemon COUNT ARGUMENT... - start it and wait until COUNT devices are
# served; sets PID, its log is WORK/log
start_daemon() {
	local count=$1

	shift
	: >"$WORK/log"
	"$DAEMON" "$@" 2>"$WORK/log" </dev/null &
	PID=$!
	on_exit stop_pid "$PID"
	if ! wait_for 120 serving "$count" "$WORK/log"; then
		last_lines "$WORK/log"
		die "airlockd does not start"
	fi
}

# end_daemon - SIGTERM; returns its status
end_daemon() {
	local status=0

	kill -TERM "$PID"
	wait_for 120 gone "$PID" || kill -KILL "$PID"
	wait "$PID" || status=$?
	return "$status"
}

# results_of PROGRAM [WORD]... - the TAP of a test program of Python is part of the script's own
results_of() {
	local line

	PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/$1" "${@:2}" >"$WORK/results" || true
	while read -r line; do
		case $line in
		"ok "*) result 0 "${line#* - }" ;;
		"not ok "*) result 1 "${line#* - }" ;;
		1..*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$WORK/results"
	grep -q '^1\.\.' "$WORK/results" || result 1 "$1 runs to its end"
}

# frontend PROGRAM [WORD]... - serve a disk of 8 MiB, or what DISK names, run a test program
# of Python against it, and stop; its TAP is the script's, and the daemon has to end well
frontend() {
	local program=$1 disk

	shift
	command -v python3 >/dev/null || die "python3 is missing: install it"
	[ -n "${WORK:-}" ] || work_dir "${program%.py}"
	truncate -s 8M "$WORK/disk"
	disk=${DISK:-$WORK/disk}
	start_daemon 1 --device "type=blk,socket=$WORK/sock,path=$disk,serial=airlock-test" "$@"
	against_daemon "$program" "$WORK/sock" "$PID" "$disk"
}

# against_daemon PROGRAM [WORD]... - likewise, with those words, against the one that was started
against_daemon() {
	local status=0

	PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/$1" "${@:2}" || status=1
	if ! end_daemon; then
		printf '# airlockd did not end well\n'
		status=1
	fi
	[ "$status" -eq 0 ] || note "$WORK/log"
	return "$status"
}
