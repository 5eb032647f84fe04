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
# Exit: 0, 1 for errors, 3 when no image of the headers' version can be had any more.
#
# Theory
#   Modules load only into the kernel that their headers belong to, so the
#   version of the headers decides: of those of the series that the modules are for,
#   the newest that are installed. The image of exactly that version is taken from
#   this machine, if it is installed here, or else fetched. The archive drops versions:
#   tests/lib/install.sh goes on to newer headers then.
#   The kernel goes to the user's cache, in a directory named for its release and
#   version; the directory appears by one rename, so it is there whole or not at all.
#   MODULES_ROOT is what depmod -b and modprobe -d want: it holds lib/modules/KVER.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/common.sh"

readonly NOT_TO_BE_HAD=3

# The release of the newest headers that are installed.
release() {
	local kver

	kver=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-headers-*' 2>/dev/null |
		sed -nE "s/^installed linux-headers-($KERNEL_SERIES\.$KERNEL_REST)$/\1/p" |
		sort -V | tail -n 1)
	[ -n "$kver" ] ||
		die "no headers of Linux $KERNEL_SERIES: install them (tests/lib/install.sh does)"
	printf '%s\n' "$kver"
}

# copy_installed KVER VERSION DIR - from the image package of this machine, without
# what others added to it; 1 when it is not installed in that version
copy_installed() {
	local name

	for name in "linux-image-$1" "linux-image-$1-unsigned"; do
		[ "$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null)" = \
			"installed $2" ] || continue
		mkdir "$3/root"
		dpkg-query -L "$name" | grep -E '^/(boot/vmlinuz-|lib/modules/)' |
			(cd / && cpio --quiet -pdm "$3/root")
		return
	done
	return 1
}

# download KVER VERSION DIR - the image package of that version, unpacked into DIR
download() {
	local name

	cd "$3"
	for name in "linux-image-$1-unsigned" "linux-image-$1"; do
		apt-get -q -o APT::Sandbox::User=root download "$name=$2" >apt.log 2>&1 || continue
		dpkg-deb -x ./*.deb root
		return
	done
	return 1
}

# unpack KVER VERSION DEST
unpack() {
	local tmp

	mkdir -p "$(dirname "$3")"
	tmp=$(mktemp -d "$3.XXXXXX")
	on_exit rm -rf "$tmp"
	if ! copy_installed "$1" "$2" "$tmp"; then
		say "fetching the guest kernel $1 ($2)"
		if ! (download "$1" "$2" "$tmp"); then
			# The package lists may be missing or older than the headers.
			[ "$(id -u)" -ne 0 ] || apt-get -q update >"$tmp/apt.log" 2>&1 || true
			(download "$1" "$2" "$tmp") || {
				last_lines "$tmp/apt.log" 5
				say "kernel.sh: cannot download linux-image-$1 $2; when the archive" \
					"has a newer one, tests/lib/install.sh as root gets it"
				exit "$NOT_TO_BE_HAD"
			}
		fi
	fi
	depmod -b "$tmp/root" "$1"
	mv -T "$tmp/root" "$3" 2>/dev/null || [ -d "$3" ] || die "cannot create $3"
}

KVER=${KERNEL_RELEASE:-$(release)}
if [ "${1:-}" = release ]; then
	printf '%s\n' "$KVER"
	exit
fi
VERSION=$(dpkg-query -W -f '${Version}' "linux-headers-$KVER" 2>/dev/null) && [ -n "$VERSION" ] ||
	die "the package linux-headers-$KVER is not installed"
ROOT=$CACHE/kernel/${KVER}_$VERSION
[ -d "$ROOT" ] || unpack "$KVER" "$VERSION" "$ROOT"
printf 'KVER=%q\nVMLINUZ=%q\nMODULES_ROOT=%q\n' "$KVER" "$ROOT/boot/vmlinuz-$KVER" "$ROOT"
