#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The full barriers that the model needs (E, F, G, H) are in the code that it models.
#
# Theory
#   The model proves that none of them may be missing; that one is missing in C shows in a
#   test by luck only, once in millions of rounds. So the compiled functions are looked at:
#   each that shows something and then asks, or asks and then looks, has one full barrier,
#   and those that do neither have none. On x86 a full barrier is mfence, or an atomic
#   operation on the stack; what keeps less than all in order is no instruction there.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

BUILD=$(realpath -m "${1:-$BUILD}")

# fences OBJECT FUNCTION - how many full barriers it has; 1 when there is no such function
fences() {
	objdump -d --no-show-raw-insn "$BUILD/obj/ring/$1" | awk -v name="<$2>:" '
		$2 == name { inside = 1; seen = 1; next }
		inside && !NF { inside = 0 }
		inside && /mfence|lock (or|add)/ { n++ }
		END { print n + 0; exit !seen }'
}

has() {
	local n

	n=$(fences "$2" "$3") || fail "$2 has no function $3"
	[ "$n" -eq "$1" ] || fail "$3 has $n full barriers"
}

work_dir barriers
[ "$(uname -m)" = x86_64 ] || tap_skip_all "barriers are recognised on x86-64 only"
[ -e "$BUILD/obj/ring/drv.o" ] || die "the rings are not built: make tests"
tap_test "barrier E: publish shows, then asks" has 1 drv.o ring_drv_publish
tap_test "barrier F: the device arms, then looks" has 1 dev.o ring_dev_arm
tap_test "barrier G: flush shows, then asks" has 1 dev.o ring_dev_flush
tap_test "barrier H: the driver arms, then looks" has 1 drv.o drv_arm
tap_test "show asks nothing and has none" has 0 drv.o ring_drv_show
tap_test "the device's show has none either" has 0 dev.o ring_dev_show
tap_done
