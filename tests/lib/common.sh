# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# What every script here needs: one way to say things, one way to die, one way
# to wait, one way to clean up. Sourced, never run.
#
# Theory
#   - Progress and errors go to stderr; stdout belongs to the result (TAP, or
#     the demo's summary).
#   - Waiting is always for a condition, with a deadline: wait_for. No script
#     sleeps and hopes. What is looked at often is looked at without starting a process: beside two guests
#     that alone was a third of two processors.
#   - Whoever starts something gives on_exit what undoes it, in the same breath. The
#     undoing runs last-in first-out when the script ends, however it ends.

# Debian's own tools, which the packages are installed for, before any others of the machine.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-~/.cache}/airlock
export BUILD=${BUILD:-$TOP/build}

# The series of kernels that the guest modules are for, and the one that is meant unless the
# environment says another. The first is the Debian release's own; the others are from its
# backports.
KERNELS='6.1 6.12'
# Those that tests/kernel/build.sh builds, of the first series.
KERNELS_BUILT='debug kcsan'
export KERNEL_SERIES=${KERNEL_SERIES:-6.1}

# What scripts that provide something exit with when it is not to be had now.
NOT_TO_BE_HAD=3

# say WORD... - progress
say() {
	printf '%s\n' "$*" >&2
}

# die WORD... - an error that ends the script
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# need_root WHAT-FOR
need_root() {
	[ "$(id -u)" -eq 0 ] || die "$1 needs root: run it as root (sudo)"
}

UNDO=()

# on_exit COMMAND WORD... - run it when the script ends; last in, first out
on_exit() {
	UNDO+=("$(printf '%q ' "$@")")
}

undo_all() {
	local i

	trap '' HUP INT PIPE TERM
	for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do
		eval "${UNDO[i]}" || true
	done
	UNDO=()
}

trap undo_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# nap SECONDS - a sleep that is no process: nothing ever comes out of this pipe
nap() {
	[ -n "${NAP:-}" ] || exec {NAP}<> <(:)
	read -rt "$1" -u "$NAP" || true
}

# wait_for SECONDS COMMAND WORD... - until it succeeds; 1 when it never did
wait_for() {
	local end=$((SECONDS + $1 + 1)) tries=0

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		tries=$((tries + 1))
		if [ "$tries" -lt 20 ]; then
			nap 0.05
		else
			nap 0.2
		fi
	done
}

# gone PID - has the process ended? (A zombie that nobody waited for has.)
gone() {
	local stat

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# What is in parentheses is a name, with anything in it.
	stat=${stat##*) }
	[[ $stat == [ZX]* ]]
}

# stop_pid PID [SECONDS] - ask, wait, then insist; 1 when it had to be killed
stop_pid() {
	local pid=$1 status=0

	kill -TERM "$pid" 2>/dev/null || true
	# It hears of that when it runs.
	kill -CONT "$pid" 2>/dev/null || true
	if ! wait_for "${2:-10}" gone "$pid"; then
		kill -KILL "$pid" 2>/dev/null || true
		status=1
	fi
	wait "$pid" 2>/dev/null || true
	return "$status"
}

# work_dir NAME - make a directory that is removed at the end; sets WORK
work_dir() {
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/airlock-$1.XXXXXX")
	if [ -n "${AIRLOCK_KEEP:-}" ]; then
		say "# keeping $WORK"
	else
		on_exit rm -rf "$WORK"
	fi
}

# last_lines FILE [LINES] - the end of a log, to stderr
last_lines() {
	[ -f "$1" ] || return 0
	printf -- '---- last lines of %s\n' "$(basename "$1")" >&2
	tail -n "${2:-25}" "$1" | tr -d '\r' | sed 's/^/    /' >&2
}
