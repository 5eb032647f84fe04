#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demo in the emulated SEV machine, as a user runs it: it ends well, and its summary says
# what it is there to say.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

ends_well() {
	MACHINE=sev "$TOP/tests/machine/demo.sh" >"$WORK/summary" 2>"$WORK/progress" || {
		cat "$WORK/progress" "$WORK/summary"
		fail "the demo ended with $?"
	}
}

# value KEY - the bytes of that line of the summary
value() {
	sed -n "s/^$1: \([0-9]*\) bytes.*/\1/p" "$WORK/summary"
}

says() {
	cat "$WORK/summary"
	grep -qx 'memory encryption: AMD SEV (emulated)' "$WORK/summary" || fail "not what kind of guest"
	[ "$(value 'shared with host')" -eq "$(value 'region of the drivers')" ] ||
		fail "the drivers list something else than what is shared"
	[ "$(value 'shared by mainline on the same guest, all in all')" -gt \
		$((8 * $(value 'shared with host'))) ] || fail "mainline shares too little to be true"
}

need_machine sev
work_dir demo
tap_test "the demo ends well" ends_well
tap_test "it says what is shared, and what mainline would have shared" says
tap_done
