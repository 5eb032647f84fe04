#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Provides the QEMU of the emulated SEV machine: Debian's own, with emulated-sev.patch; with
# net-uso.patch, which lets a back-end offer segmentation of UDP as newer versions do; with
# hostile-pci.patch, for devices that lie in their registers; and with vhost-msix.patch, so that cards of
# a vhost-user back-end have vectors without KVM.
#
#	emulator.sh		prints its path; never builds and needs no network
#	emulator.sh build	builds it when there is none, as root; then prints its path
#
# Exit: 0; 1 for errors; 3 when there is none, or its source is not to be had now, with the
# reason on standard error.
#
# Theory
#   It is Debian's QEMU (tests/lib/built.sh). A patch applies by its context, without fuzz, or not at
#   all: with fuzz, hunks were seen to land in the wrong place without an error.
#   The configuration is the smallest that the test machines need.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
# shellcheck source=tests/lib/apt.sh
. "$TOP/tests/lib/apt.sh"
# shellcheck source=tests/lib/built.sh
. "$TOP/tests/lib/built.sh"

readonly PATCHES=("$TOP"/tests/machine/{emulated-sev,net-uso,hostile-pci,vhost-msix}.patch)
readonly CONFIGURE=(
	--target-list=x86_64-softmmu --without-default-features --enable-tcg --enable-vhost-user --enable-vhost-net
	--disable-docs --disable-tools --disable-guest-agent --disable-werror
	--disable-install-blobs --disable-debug-info
	# Without both of these it does not link.
	--disable-pie --extra-ldflags=-no-pie
)
# To build; to run, it needs nothing that qemu-system-x86 and ovmf do not bring.
readonly PACKAGES=(
	build-essential dpkg-dev libfdt-dev libglib2.0-dev libpixman-1-dev meson ninja-build
	patch pkg-config python3 zlib1g-dev
)

HASH=$(cat "${PATCHES[@]}" "$0" "$TOP/tests/lib/built.sh" | sha256sum | cut -c 1-16)
DEST=$CACHE/emulator/$HASH

# source_to DIR - unpack QEMU's source there; 1 when it is not to be had
source_to() {
	local dsc

	apt_private source || return
	(cd "$WORK" && apt_get_private --download-only source qemu) || return
	dsc=$(find "$WORK" -maxdepth 1 -name 'qemu_*.dsc')
	dpkg-source --no-check -x "$dsc" "$1" >"$WORK/unpack.log" 2>&1 || {
		last_lines "$WORK/unpack.log"
		die "the source package of QEMU cannot be unpacked"
	}
}

patch_source() {
	local patch

	for patch in "${PATCHES[@]}"; do
		patch -d "$1" -p1 -F0 -f <"$patch" >"$WORK/patch.log" 2>&1 || {
			last_lines "$WORK/patch.log"
			die "$(basename "$patch") does not apply to QEMU $(cat "$1/VERSION")" \
				"of this Debian release: adapt the patch"
		}
	done
}

# compile SOURCE - in WORK/build. QEMU's configure must find the python3 of Debian, whose
# packages are the ones that it wants.
compile() {
	mkdir "$WORK/build"
	(
		cd "$WORK/build"
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin
		"$1/configure" "${CONFIGURE[@]}" && ninja qemu-system-x86_64
	) >"$WORK/compile.log" 2>&1 || {
		last_lines "$WORK/compile.log" 15 | cut -c 1-400
		die "QEMU $(cat "$1/VERSION") does not build"
	}
}

build_from() {
	say "building QEMU $(cat "$1/VERSION") for the emulated SEV machine, some minutes"
	patch_source "$1"
	compile "$1"
	strip -o "$2/qemu-system-x86_64" "$WORK/build/qemu-system-x86_64"
	cp "$1/VERSION" "$2/"
}

built "$DEST" "the emulator" QEMU "tests/machine/emulator.sh build" "${1:-}"
printf '%s\n' "$DEST/qemu-system-x86_64"
