#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Modules that are broken on purpose make the proofs fail. A proof that nothing can
# break is none.
#
# Theory
#   A mutant is the driver with one edit, built apart. The proof, one of the other test
#   programs, is run with it until a test fails. It must be the one that is meant to notice,
#   and for the reason that is meant. An edit that changes nothing, because the code is not
#   what it was, is an error.
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

# notices TEST REASON - of the lines on standard input, that test's is the first failure, and
# what it says matches
notices() {
	local line failed=''

	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		"not ok "*" - $1") failed=yes ;;
		"not ok "*) fail "another test failed first" ;;
		"ok "*" - $1") fail "that test passes" ;;
		'# '*) [ -z "$failed" ] || ! [[ $line =~ $2 ]] || return 0 ;;
		*) [ -z "$failed" ] || fail "it failed, but not because: $2" ;;
		esac
	done
	fail "that test did not run, or did not say: $2"
}

# caught NAME PROOF TEST REASON FILE SED-SCRIPT
caught() {
	local pid

	mutate "$1" "$5" "$6"
	mkfifo "$WORK/$1.tap"
	"$TOP/tests/$2" "$BUILD" >"$WORK/$1.tap" 2>"$WORK/$1.log" </dev/null &
	pid=$!
	on_exit stop_pid "$pid" 60
	notices "$3" "$4" <"$WORK/$1.tap"
}

need_machine sev
eval "$("$TOP/tests/lib/kernel.sh")"
work_dir mutants
export MACHINE=sev
readonly LISTED="a disk shares what the audit lists, page by page, by its own choice of provider"
readonly CLEARED="no page was opened with anything in it"

# Of the pool's chunk, which is a whole one; in another, the ring would not work either.
tap_test "a bounce slot in private memory is noticed" caught private-slot sev/audit.sh \
	"$LISTED" 'only in audit:' \
	driver/region_decrypt.c \
	'/set_memory_decrypted(/,/));/ s/chunk->bytes >> PAGE_SHIFT/(chunk->bytes >> PAGE_SHIFT) - (chunk->bytes == AIRLOCK_SPAN_MAX)/'
tap_test "a page that is shared and not listed is noticed" caught unlisted sev/audit.sh \
	"$LISTED" 'only in opened:' \
	driver/audit.c \
	's/span->off, span->bytes)/span->off, span->bytes - (span->bytes > PAGE_SIZE ? PAGE_SIZE : 0))/'
tap_test "pages that were not cleared before they are shared are noticed" caught unclear sev/audit.sh \
	"$CLEARED" 'opened with something in them:' \
	driver/region_decrypt.c 's/GFP_KERNEL | __GFP_ZERO/GFP_KERNEL/'
# Clearing is the first private use of a page: one that was not cleared has had none.
tap_test "pages that were not cleared when they came back are noticed" caught uncleared sev/audit.sh \
	"so it is after the disk was bound anew three times" 'the audit and what is flipped differ' \
	driver/region_decrypt.c '/memset(pages, 0/ s/memset.*/;/'
# They are not given to the allocator either: a guest that uses them dies of it, at once or not.
tap_test "pages that stay shared after unloading are noticed" caught unclosed sev/audit.sh \
	"the witnesses see that a disk shares memory" 'still open:' \
	driver/region_decrypt.c \
	's/set_memory_encrypted(/set_memory_decrypted(/; s/free_pages_exact(.*/err = 0;/'
tap_test "pages that stay shared over a reboot are noticed" caught unretired sev/privacy.sh \
	"a reboot closes every page first" 'left open:' \
	driver/device.c '/airlock_region_retire(core);/d'
# The rest of the page goes into the slot behind the write. (More in the transmit FIFO can fall
# on a frame before it, and is then seen by another test first, or not.)
tap_test "bytes beside a write in its bounce slot are noticed" caught generous guest/sentinel.sh \
	"case 50: the secret is nowhere on the host side, in the midst of I/O and after it" 'the search ended with 1' \
	driver/blk_io.c \
	's/private, bv.bv_len, out)/private, out ? PAGE_SIZE - bv.bv_offset : bv.bv_len, out)/'
tap_done
