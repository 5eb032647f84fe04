#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Sparse, clang, Kbuild, kernel-doc and shellcheck over everything, and proof that the
# checkers would notice shared memory being dereferenced outside its accessors.
set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$TOP/tests/lib/tap.sh"
work_dir checkers
cd "$TOP"

STD=(-std=gnu11 -D_GNU_SOURCE)
SPARSE=(sparse "${STD[@]}" -Wno-unknown-attribute)
CLANG=(clang "${STD[@]}" -fsyntax-only -Wall -Wextra)

cat >"$WORK/peek.c" <<'END'
#include "ring.h"
u32 peek(struct vring_desc __shared *desc);
u32 peek(struct vring_desc __shared *desc)
{
	return le32_to_cpu((__force __le32)desc->len);
}
END

# silent COMMAND WORD... - it says nothing of any user-space source
silent() {
	local f

	for f in ring/*.c host/*.c bench/*.c bench/guest/*.c; do
		# Its headers are DPDK's, which are not there.
		[ "$f" != bench/peer_rte.c ] || continue
		"$@" "$f" 2>&1 || printf '%s: exit status %d\n' "$f" $?
	done >"$WORK/silent"
	! grep -vE '^/usr/|: note: in included file' "$WORK/silent"
}

# sees COMMAND WORD... - it says what is wrong with peek.c
sees() {
	"$@" -Iring "$WORK/peek.c" 2>&1 | grep noderef
}

# modules_for SERIES - they build for that kernel without a word
modules_for() {
	make -s BUILD="$WORK/build-$1" KERNEL_SERIES="$1" W=1 C=1 modules \
		>"$WORK/kbuild.log" 2>&1 || {
		cat "$WORK/kbuild.log"
		return 1
	}
	# That debug information cannot be had says nothing of the code.
	! grep -vE 'Skipping BTF generation|^ +KBUILD ' "$WORK/kbuild.log"
}

# What one kernel has is compat code for another, so each that is there sees other lines; those that
# are built here are one of these.
modules() {
	local series there

	there=$(tests/lib/kernel.sh series | grep '^[0-9]') || true
	[ -n "$there" ] || fail "there is no kernel to build for: run tests/lib/install.sh"
	for series in $there; do
		modules_for "$series" || fail "not so for Linux $series"
	done
}

kernel_doc() {
	local tool

	tool=$(find /usr/src/linux-headers-*-common/scripts/ -name kernel-doc | sort | tail -n 1)
	[ -n "$tool" ] || fail "kernel-doc is missing: run tests/lib/install.sh"
	"$tool" -none -Werror ring/*.h driver/*.h host/*.h >"$WORK/kernel-doc" 2>&1 || true
	! grep . "$WORK/kernel-doc"
}

scripts() {
	grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' tests bench .ci |
		xargs shellcheck -x -P SCRIPTDIR -e SC1090,SC1091,SC2015
}

tap_test "sparse has nothing to say of ring/, host/ and bench/" silent "${SPARSE[@]}"
tap_test "clang has nothing to say of ring/, host/ and bench/" silent "${CLANG[@]}"
tap_test "sparse sees a dereference of shared memory" sees "${SPARSE[@]}"
tap_test "clang sees a dereference of shared memory" sees "${CLANG[@]}"
tap_test "the modules build for each kernel without a warning (W=1, sparse)" modules
tap_test "kernel-doc has nothing to say of the headers" kernel_doc
tap_test "shellcheck has nothing to say of the scripts" scripts
tap_done
