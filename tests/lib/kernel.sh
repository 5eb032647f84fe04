#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Provides a guest's kernel, image and headers, and never installs an image.
#
#	kernel.sh		prints KVER=..., KDIR=..., VMLINUZ=..., MODULES_ROOT=...
#	kernel.sh fetch		likewise; fetches what is missing first
#	kernel.sh release	prints the kernel's release only
#	kernel.sh headers	prints where the modules are built: KDIR only
#	kernel.sh series	prints the series that are there
#
# KERNEL_SERIES is the series, of common.sh's KERNELS and KERNELS_BUILT. KERNEL_RELEASE, when
# set, names one kernel whose headers are installed. Exit: 0, 1 for errors, 3 when there is none.
# Only fetch uses the network.
#
# Theory
#   Modules load only into the kernel that their headers belong to.
#
#   The Debian release's own series: the headers are installed as packages, not by the
#   metapackage, which may stand for a backport. The newest that are installed will do as
#   long as the image of exactly that version can be had, from this machine, if it is
#   installed here, or from the archive; the archive drops versions, and then its newest
#   headers are installed beside them.
#
#   A series of the backports: nothing is installed, since its headers depend on an image,
#   which would become the kernel that this machine starts. Image, headers and build
#   tools are unpacked side by side. What is there already stays in use.
#
#   One that is built has a script of its own, tests/kernel/build.sh.
#
#   Kernels go to the user's cache, in a directory named for release and version;
#   it appears by one rename, so it is there whole or not at all. MODULES_ROOT is what
#   depmod -b and modprobe -d want: it holds lib/modules/KVER.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/lib/apt.sh
. "$TOP/tests/lib/apt.sh"

# What follows the series and a dot in a release: 6.1.0-56-amd64, 6.12.117+deb12-amd64.
readonly REST='[0-9]+(-[0-9]+|\+deb12)-amd64'

none() {
	say "kernel.sh: $*"
	exit "$NOT_TO_BE_HAD"
}

# newest PREFIX - of the lines on standard input that are PREFIX and a release of the series
newest() {
	grep -xE "$1${KERNEL_SERIES//./\\.}\.$REST" | sort -V | tail -n 1
}

version_of() {
	dpkg-query -W -f '${Version}' "linux-headers-$1" 2>/dev/null
}

# ---- the release's own series -----------------------------------------------

# installed_release - empty when there are no headers
installed_release() {
	if [ -n "${KERNEL_RELEASE:-}" ]; then
		printf '%s\n' "$KERNEL_RELEASE"
		return
	fi
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-headers-*' 2>/dev/null |
		sed -n 's/^installed //p' | newest linux-headers- | sed 's/^linux-headers-//' || true
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

# download KVER VERSION DIR - the image package of that version, unpacked into DIR/root
download() {
	local name

	cd "$3"
	for name in "linux-image-$1-unsigned" "linux-image-$1"; do
		apt_get -o APT::Sandbox::User=root download "$name=$2" || continue
		dpkg-deb -x ./*.deb root
		return
	done
	return 1
}

# unpack_own DIR - image of the installed headers' version
unpack_own() {
	copy_installed "$KVER" "$VERSION" "$1" && return
	say "fetching the guest kernel $KVER ($VERSION)"
	(download "$KVER" "$VERSION" "$1") && return
	# The package lists may be missing or older than the headers.
	[ "$(id -u)" -ne 0 ] || apt_update || true
	(download "$KVER" "$VERSION" "$1")
}

# install_headers - the archive's newest of the series, or those that were asked for
install_headers() {
	local name

	need_root "installing kernel headers"
	apt_update || true
	if [ -n "${KERNEL_RELEASE:-}" ]; then
		name=linux-headers-$KERNEL_RELEASE
	else
		name=$(apt-cache --names-only search '^linux-headers-' | cut -d ' ' -f 1 |
			newest linux-headers-) ||
			none "the APT sources have no headers of Linux $KERNEL_SERIES, which the" \
				"modules are for: is Debian 12 among them?"
	fi
	say "installing $name"
	# Also when it is installed: in a version that the archive has no longer, perhaps.
	apt_get -y --no-install-recommends install "$name" || {
		last_lines "$WORK/apt.log" 15
		none "$name cannot be installed"
	}
}

fetch_own() {
	KVER=$(installed_release)
	if [ -z "$KVER" ] || ! VERSION=$(version_of "$KVER") || [ -z "$VERSION" ]; then
		install_headers
		KVER=$(installed_release)
		VERSION=$(version_of "$KVER")
	fi
	into_cache kernel unpack_own && return
	[ -z "${KERNEL_RELEASE:-}" ] || none "cannot download linux-image-$KVER $VERSION"
	install_headers
	KVER=$(installed_release)
	VERSION=$(version_of "$KVER")
	into_cache kernel unpack_own || none "the APT sources have no image for linux-headers-$KVER $VERSION"
}

# ---- a series of the backports ----------------------------------------------

# cached - "KVER_VERSION" of the newest in the cache that can be built for
cached() {
	local root

	for root in "$CACHE/kernel-and-headers/$KERNEL_SERIES".*-amd64_*; do
		[ ! -d "$root/boot" ] || basename "$root"
	done | sort -V | tail -n 1
}

# unpack_foreign DIR - image, headers and build tools; their Makefile names a path
unpack_foreign() {
	local common=${KVER%-amd64}

	say "fetching the guest kernel $KVER ($VERSION) and its headers"
	(
		cd "$1"
		apt_get_private download "linux-headers-$KVER=$VERSION" \
			"linux-headers-$common-common=$VERSION" "linux-kbuild-$common=$VERSION" &&
			{ apt_get_private download "linux-image-$KVER-unsigned=$VERSION" ||
				apt_get_private download "linux-image-$KVER=$VERSION"; } || exit
		mkdir root
		for deb in ./*.deb; do
			dpkg-deb -x "$deb" root || exit
		done
		sed -i "s|/usr/src/|$ROOT/usr/src/|" "root/usr/src/linux-headers-$KVER/Makefile"
	)
}

fetch_foreign() {
	local name

	[ -z "$(cached)" ] || return 0
	apt_private backports || {
		last_lines "$WORK/apt.log" 5
		none "the backports are not to be had"
	}
	name=$(apt_names_private '^linux-headers-' | newest linux-headers-) ||
		none "the backports have no headers of Linux $KERNEL_SERIES"
	KVER=${name#linux-headers-}
	VERSION=$(apt-cache "${APT_PRIVATE[@]:1}" show "$name" | sed -n 's/^Version: //p' | head -n 1)
	into_cache kernel-and-headers unpack_foreign || {
		last_lines "$WORK/apt.log" 5
		none "Linux $KVER $VERSION cannot be fetched"
	}
}

# ---- both -------------------------------------------------------------------

# into_cache KIND UNPACK - call that for a new directory, which becomes ROOT
into_cache() {
	local tmp

	ROOT=$CACHE/$1/${KVER}_$VERSION
	[ ! -d "$ROOT" ] || return 0
	mkdir -p "$(dirname "$ROOT")"
	tmp=$(mktemp -d "$ROOT.XXXXXX")
	on_exit rm -rf "$tmp"
	"$2" "$tmp" || return
	depmod -b "$tmp/root" "$KVER" || return
	mv -T "$tmp/root" "$ROOT" 2>/dev/null || [ -d "$ROOT" ] || die "cannot create $ROOT"
}

ROOT=

built_series() {
	[[ " $KERNELS_BUILT " == *" $KERNEL_SERIES "* ]]
}

# built [build] - where such a kernel is
built() {
	ROOT=$("$TOP/tests/kernel/build.sh" "$KERNEL_SERIES" "$@") || exit
}

own_series() {
	[ -n "${KERNEL_RELEASE:-}" ] || [ "$KERNEL_SERIES" = "${KERNELS%% *}" ]
}

# choose - set KVER, KDIR, ROOT
choose() {
	local name

	if built_series; then
		[ -n "${ROOT:-}" ] || built
		KVER=$(basename "$ROOT"/lib/modules/*)
		KDIR=$ROOT/usr/src/linux-headers-$KVER
	elif own_series; then
		KVER=$(installed_release)
		[ -n "$KVER" ] || none "no headers of Linux $KERNEL_SERIES: tests/lib/install.sh installs them"
		KDIR=/lib/modules/$KVER/build
		ROOT=$CACHE/kernel/${KVER}_$(version_of "$KVER") ||
			none "linux-headers-$KVER is not installed"
	else
		name=$(cached)
		[ -n "$name" ] || none "no Linux $KERNEL_SERIES in the cache: tests/lib/install.sh all fetches it"
		KVER=${name%%_*} ROOT=$CACHE/kernel-and-headers/$name
		KDIR=$ROOT/usr/src/linux-headers-$KVER
	fi
}

# series_there - never fails
series_there() {
	local series

	for series in $KERNELS $KERNELS_BUILT; do
		case ${KERNEL_RELEASE:-$series.} in
		"$series".*) ! KERNEL_SERIES=$series "$0" >/dev/null 2>&1 || printf '%s\n' "$series" ;;
		esac
	done
}

if [ "${1:-}" = series ]; then
	series_there
	exit
fi
case " $KERNELS $KERNELS_BUILT " in
*" $KERNEL_SERIES "*) ;;
*) die "KERNEL_SERIES is $KERNEL_SERIES, must be one of $KERNELS $KERNELS_BUILT" ;;
esac
work_dir kernel
if [ "${1:-}" = fetch ]; then
	if built_series; then
		built build
	elif own_series; then
		fetch_own
	else
		fetch_foreign
	fi
fi
choose
case ${1:-} in
release) printf '%s\n' "$KVER" ;;
headers) printf '%s\n' "$KDIR" ;;
*)
	[ -d "$ROOT" ] || none "the image of $KVER is not in the cache: tests/lib/install.sh fetches it"
	printf 'KVER=%q\nKDIR=%q\nVMLINUZ=%q\nMODULES_ROOT=%q\n' \
		"$KVER" "$KDIR" "$ROOT/boot/vmlinuz-$KVER" "$ROOT"
	;;
esac
