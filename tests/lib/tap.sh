# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# Tests that report in TAP, the Test Anything Protocol. Sourced after common.sh.
#
# Theory
#   A test is a function, or any command, that succeeds or does not; it runs with
#   set -e in a subshell, so what it sets and starts ends with it. Its output is
#   shown only when it failed. skip says why a test cannot be done here.
#   TAP_ALSO, a command, is asked after each test; what it prints fails the test too.
#   A test of ten seconds and more says how long it took, for who looks where the time goes.

TAP_COUNT=0
TAP_FAILED=0
TAP_ALSO=true

# tap_test NAME COMMAND WORD...
tap_test() {
	local name=$1 out=$WORK/tap.out status=0 also since=$SECONDS

	shift
	TAP_COUNT=$((TAP_COUNT + 1))
	rm -f "$WORK/tap.skip"
	# Not "( ... ) || status": that would switch set -e off inside.
	set +e
	(
		UNDO=()
		trap undo_all EXIT
		set -e
		"$@"
	) >"$out" 2>&1
	status=$?
	set -e
	also=$("$TAP_ALSO" 2>&1) || true
	[ $((SECONDS - since)) -lt 10 ] || printf '# %d s: %s\n' $((SECONDS - since)) "$name"
	if [ "$status" -eq 77 ] && [ -e "$WORK/tap.skip" ] && [ -z "$also" ]; then
		printf 'ok %d - %s # SKIP %s\n' "$TAP_COUNT" "$name" "$(cat "$WORK/tap.skip")"
		return
	elif [ "$status" -eq 0 ] && [ -z "$also" ]; then
		printf 'ok %d - %s\n' "$TAP_COUNT" "$name"
		return
	fi
	TAP_FAILED=$((TAP_FAILED + 1))
	printf 'not ok %d - %s\n' "$TAP_COUNT" "$name"
	[ "$status" -eq 0 ] || printf 'status %d\n' "$status" | cat "$out" - | tail -n 40 | sed 's/^/# /'
	[ -z "$also" ] || printf '%s\n' "$also" | head -n 40 | sed 's/^/# /'
}

# skip WORD... - in a test: it cannot be done here, and why
skip() {
	printf '%s\n' "$*" >"$WORK/tap.skip"
	exit 77
}

# fail WORD... - in a test: it failed, and how
fail() {
	printf '%s\n' "$*"
	exit 1
}

# tap_skip_all WORD... - instead of all tests of a script
tap_skip_all() {
	printf '1..0 # SKIP %s\n' "$*"
	exit 0
}

# tap_done - the plan; the script's last command, its status is the result
tap_done() {
	printf '1..%d\n' "$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ]
}
