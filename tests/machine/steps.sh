# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# Rounds in each of which another step of the modules fails (driver/fault.h). Sourced after tap.sh.
#
# Theory
#   A round does the same each time, with the modules told to fail at step N, and sets STEPS to how
#   many there were. The first round that has no step N, twice, is the last one, and a proof by
#   itself that nothing is wrong when nothing fails. Which steps failed is told by name, in the
#   guest's log, and a test says which it wants to be among them: else one could pass that fails
#   nothing.

# What the log says when a step fails, before its name.
readonly STEP_FAILS='airlock: step [0-9]* is made to fail: '

# every_step KIND COMMAND WORD... - rounds of "COMMAND WORD... N"; each adds what failed to
# WORK/steps.KIND, a line a step
every_step() {
	local kind=$1 step=0 STEPS=1

	shift
	: >"$WORK/steps.$kind"
	while [ "$step" -le "$STEPS" ]; do
		step=$((step + 1))
		"$@" "$step"
		# A step that was taken late, when nobody counted any more, may have been that one: that
		# there is none is believed the second time.
		[ "$step" -le "$STEPS" ] || "$@" "$step"
	done
	cat "$WORK/steps.$kind"
	[ "$(wc -l <"$WORK/steps.$kind")" -eq $((step - 1)) ] || fail "not each of $STEPS steps failed"
}

# covers KIND PATTERN... - among the steps that failed was such a one
covers() {
	local kind=$1 pattern

	shift
	for pattern in "$@"; do
		grep -q "$pattern" "$WORK/steps.$kind" || fail "no step was: $pattern"
	done
}
