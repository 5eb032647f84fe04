#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules that are broken on purpose make the proofs fail. A proof that nothing can
# break is none.
#
# Theory
#   A mutant is the driver with one edit, built apart. The proof, one of the other test
#   programs, is run with it until the test that is meant to notice has failed; it must be
#   that one. An edit that changes nothing, because the code is not what it was, is an error.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/../machine/machine.sh"
# shellcheck source=tests/lib/tap.sh
. "$TOP/tests/lib/tap.sh"

# mutate NAME FILE SED-SCRIPT - build modules from the edited source; sets KMOD
mutate() {
	local tree=$WORK/$1

	mkdir -p "$tree/tests"
	cp -r "$TOP"/{Kbuild,Makefile,driver,ring,uapi} "$tree/"
	cp -r "$TOP/tests/lib" "$TOP/tests/machine" "$tree/tests/"
	sed -i "$3" "$tree/$2"
	! cmp -s "$TOP/$2" "$tree/$2" || fail "the edit changes nothing of $2"
	make -s -C "$tree" modules BUILD="$tree/build" >"$WORK/make.log" 2>&1 || {
		tail -n 20 "$WORK/make.log"
		fail "the mutant does not build"
	}
	export KMOD=$tree/build/kmod/$KVER
}

# notices TEST - of the lines on standard input, that test's comes, and is a failure
notices() {
	local line

	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		"not ok "*" - $1") return 0 ;;
		"ok "*" - $1") fail "that test passes" ;;
		esac
	done
	fail "that test did not run"
}

# caught NAME PROOF TEST FILE SED-SCRIPT
caught() {
	local pid

	mutate "$1" "$4" "$5"
	mkfifo "$WORK/$1.tap"
	"$TOP/tests/$2" "$BUILD" >"$WORK/$1.tap" 2>"$WORK/$1.log" </dev/null &
	pid=$!
	on_exit stop_pid "$pid" 60
	notices "$3" <"$WORK/$1.tap"
}

need_machine sev
eval "$("$TOP/tests/lib/kernel.sh")"
work_dir mutants
export MACHINE=sev
tap_test "a bounce slot in private memory is noticed" caught private-slot sev/audit.sh \
	"a disk shares what the audit lists, page by page, by its own choice of provider" \
	driver/region_decrypt.c '/set_memory_decrypted(/,/)));/ s/chunk->bytes >> PAGE_SHIFT/(chunk->bytes >> PAGE_SHIFT) - 1/'
tap_test "a page that is shared and not listed is noticed" caught unlisted sev/audit.sh \
	"a disk shares what the audit lists, page by page, by its own choice of provider" \
	driver/region_decrypt.c '/set_memory_decrypted(/,/)));/ s/chunk->bytes >> PAGE_SHIFT/(chunk->bytes >> PAGE_SHIFT) + 1/'
tap_test "pages that were not cleared before they are shared are noticed" caught unclear sev/audit.sh \
	"no page was opened with anything in it" \
	driver/region_decrypt.c 's/GFP_KERNEL | __GFP_ZERO/GFP_KERNEL/'
tap_test "pages that were not cleared when they came back are noticed" caught uncleared sev/audit.sh \
	"after unloading nothing is shared, and what was is cleared" \
	driver/region_decrypt.c '/memset(pages, 0/ s/memset.*/;/'
tap_test "pages that stay shared after unloading are noticed" caught unclosed sev/audit.sh \
	"after unloading nothing is shared, and what was is cleared" \
	driver/region_decrypt.c 's/set_memory_encrypted(/set_memory_decrypted(/'
tap_test "pages that stay shared over a reboot are noticed" caught unretired sev/privacy.sh \
	"a reboot closes every page first" \
	driver/device.c '/airlock_region_retire(core);/d'
tap_test "a byte too many in the transmit FIFO is noticed" caught generous guest/sentinel.sh \
	"the secret is nowhere on the host side, in the midst of I/O and after it" \
	driver/net_tx.c '/shared_copy_out(/ s/src, n/src, ALIGN(n, 128)/'
tap_done
