#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The protocol by which the halves of a virtqueue tell each other of work, proved by spin; and
# each barrier taken out of it, which spin must notice.
#
# Theory
#   halves.pml says what is proved and what can be taken out, memory.pml what memory may do.
#   spin makes a program of a model and its options, which looks at every state that can be
#   reached. All these programs run first, one on each processor; the tests look at what they
#   said. A proof of something that never happens would be none: of each ring, every
#   statement must have been reached.
#   What is taken out must break the claim that is named, and no other.
#   To see how: with the options that a failed test prints, spin -a halves.pml, compile and run
#   pan.c, and spin -t -p -g halves.pml.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"
work_dir model

command -v spin >/dev/null || tap_skip_all "spin is not installed: run tests/lib/install.sh"

RINGS=("split, flags" "split, event index" "packed, flags" "packed, event index")
declare -A RING=(
	["split, flags"]=""
	["split, event index"]="-DEVENT_IDX"
	["packed, flags"]="-DPACKED"
	["packed, event index"]="-DPACKED -DEVENT_IDX"
)

# Of each test: number of its program, function, claim, name. Of each program: options.
TESTS=()
PROGRAMS=()

# plan TEST-FUNCTION CLAIM RING NAME -O... OPTION... - a program, and a test of what it says.
# How well it is compiled is a matter of how much there is to do.
plan() {
	local function=$1 claim=$2 ring=$3 name=$4 optimise=$5

	shift 5
	TESTS+=("${#PROGRAMS[@]} $function $claim $ring: $name")
	PROGRAMS+=("$optimise ${RING[$ring]} $*")
}

# without WHAT CLAIM RING NAME - a claim is false when something is taken out
without() {
	plan refuted "$2" "$3" "$4" -O0 -DKICKS_ORDER=1 "-D$1=0"
}

# verify NUMBER -O... OPTION... - run a program; what it says is in WORK/NUMBER/log
verify() {
	local dir=$WORK/$1 optimise=$2

	shift 2
	mkdir "$dir"
	cd "$dir"
	{
		echo "options: $*"
		spin -a "$@" "$TOP/tests/model/halves.pml" &&
			gcc "$optimise" -w -DSAFETY -DNOREDUCE -o pan pan.c &&
			timeout 300 ./pan -w20
	} >log 2>&1
}

# said NUMBER WORD... - the program did
said() {
	local log=$WORK/$1/log

	shift
	grep -qF -- "$*" "$log" || {
		cat "$log"
		fail "it does not say: $*"
	}
}

# proved NUMBER - all claims are true in all states
proved() {
	said "$1" "errors: 0"
	! grep -E 'max search depth|not completed|out of memory' "$WORK/$1/log"
}

# reached NUMBER - every statement was
reached() {
	said "$1" "unreached in proctype half"
	! grep -E '\.pml:[0-9]+, state [0-9]+' "$WORK/$1/log"
}

# refuted NUMBER CLAIM
refuted() {
	said "$1" "assertion violated $2 (at depth"
}

for ring in "${RINGS[@]}"; do
	plan proved - "$ring" "no wake-up is lost, nothing is read too early or too late" -O2
	TESTS+=("$((${#PROGRAMS[@]} - 1)) reached - $ring: every statement of the proof is reached")
done
plan proved - "packed, event index" "all is well with a queue of one descriptor, over four rounds" \
	-O2 -DSIZE=1 -DCHAINS=4
plan proved - "packed, event index" "an event structure in halves loses no wake-up" \
	-O2 -DTORN -DCHAINS=2 -DLOG=20
for ring in "split, event index" "packed, event index"; do
	plan proved - "$ring" "notifications without cause do no harm" \
		-O2 -DNEEDLESS -DCHAINS=2 -DLOG=20
done

# Whether flags or indices say who is to be notified is nothing to these.
for ring in "split, event index" "packed, event index"; do
	without A chain_written "$ring" "without barrier A a chain is read before it is written"
	without B chain_written "$ring" "without barrier B a chain is read before it is written"
	without C completion_written "$ring" \
		"without barrier C a completion is read before it is written"
	without D completion_written "$ring" \
		"without barrier D a completion is read before it is written"
	without A_LOADS completion_kept "$ring" \
		"a barrier A for stores alone lets a completion be overwritten before it is read"
	without C_LOADS chain_kept "$ring" \
		"a barrier C for stores alone lets a chain be overwritten before it is read"
	without E_ALL no_kick_lost "$ring" \
		"a question about what was shown last, not since the last question, loses a kick"
	without G_ALL no_call_lost "$ring" \
		"a question about what was shown last, not since the last question, loses a call"
done
for ring in "${RINGS[@]}"; do
	without E no_kick_lost "$ring" "without barrier E a kick is lost"
	without F no_kick_lost "$ring" "without barrier F a kick is lost"
	without F_AGAIN no_kick_lost "$ring" "without the look after F a kick is lost"
	without G no_call_lost "$ring" "without barrier G a call is lost"
	without H no_call_lost "$ring" "without barrier H a call is lost"
	without H_AGAIN no_call_lost "$ring" "without the look after H a call is lost"
done

export -f verify
export WORK TOP
for number in "${!PROGRAMS[@]}"; do
	# Words only: xargs takes a line that ends with a blank for half a line.
	# shellcheck disable=SC2086
	echo "$number" ${PROGRAMS[number]}
done >"$WORK/programs"
# One that fails has a log that says so.
xargs -P "$(nproc)" -L 1 bash -c 'verify "$@" || true' verify <"$WORK/programs" &
on_exit stop_pid $!
wait $!

for test in "${TESTS[@]}"; do
	read -r number function claim name <<<"$test"
	tap_test "$name" "$function" "$number" "$claim"
done
tap_done
