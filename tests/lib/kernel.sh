#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Provides the guest's kernel: the image that fits the installed headers,
# downloaded as a Debian package and unpacked, never installed.
#
#	kernel.sh		prints KVER=..., VMLINUZ=..., MODULES_ROOT=...
#	kernel.sh release	prints the kernel's release only; no network
#
# KERNEL_RELEASE, when set, names another kernel whose headers are installed.
#
# Theory
#   Modules load only into the kernel that their headers belong to, so the
#   version of the headers decides, and the image of exactly that version is fetched.
#   It goes to the user's cache, in a directory named for its release and
#   version; the directory appears by one rename, so it is there whole or not at all.
#   MODULES_ROOT is what depmod -b and modprobe -d want: it holds lib/modules/KVER.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/common.sh"

# The release of the kernel that the headers' metapackage stands for.
release() {
	local kver

	kver=$(dpkg-query -W -f '${Depends}' linux-headers-amd64 2>/dev/null |
		sed -n 's/^linux-headers-\([^ ,]*\).*/\1/p')
	[ -n "$kver" ] || die "no kernel headers: install linux-headers-amd64 (tests/lib/install.sh does)"
	printf '%s\n' "$kver"
}

# download KVER VERSION DIR - the image package of that version into DIR
download() {
	local name

	cd "$3"
	for name in "linux-image-$1-unsigned" "linux-image-$1"; do
		apt-get -q -o APT::Sandbox::User=root download "$name=$2" >apt.log 2>&1 && return
	done
	return 1
}

# unpack KVER VERSION DEST
unpack() {
	local tmp

	mkdir -p "$(dirname "$3")"
	tmp=$(mktemp -d "$3.XXXXXX")
	on_exit rm -rf "$tmp"
	say "fetching the guest kernel $1 ($2)"
	if ! (download "$1" "$2" "$tmp"); then
		# The package lists may be missing or older than the headers.
		[ "$(id -u)" -ne 0 ] || apt-get -q update >"$tmp/apt.log" 2>&1 || true
		(download "$1" "$2" "$tmp") || {
			last_lines "$tmp/apt.log" 5
			die "cannot download linux-image-$1 $2; when the archive has a newer" \
				"one, upgrade linux-headers-amd64"
		}
	fi
	dpkg-deb -x "$tmp"/*.deb "$tmp/root"
	depmod -b "$tmp/root" "$1"
	mv -T "$tmp/root" "$3" 2>/dev/null || [ -d "$3" ] || die "cannot create $3"
}

KVER=${KERNEL_RELEASE:-$(release)}
if [ "${1:-}" = release ]; then
	printf '%s\n' "$KVER"
	exit
fi
VERSION=$(dpkg-query -W -f '${Version}' "linux-headers-$KVER" 2>/dev/null) ||
	die "the package linux-headers-$KVER is not installed"
ROOT=$CACHE/kernel/${KVER}_$VERSION
[ -d "$ROOT" ] || unpack "$KVER" "$VERSION" "$ROOT"
printf 'KVER=%q\nVMLINUZ=%q\nMODULES_ROOT=%q\n' "$KVER" "$ROOT/boot/vmlinuz-$KVER" "$ROOT"
