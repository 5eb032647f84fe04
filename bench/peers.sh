#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Provides the peers that bench/ring is held against and that are not ours: the kernel's
# ringtest and DPDK's rte_ring.
#
#	peers.sh ringtest	prints the directory of ringtest's programs
#	peers.sh rte		prints what to give to the compiler for peer_rte.c
#	peers.sh fetch		gets what is missing of both
#
# Exit: 0; 1 for errors; 3 when it is not there, or not to be had now, with the reason on
# standard error. Only fetch uses the network; it needs no root.
#
# Theory
#   ringtest comes from Debian's package of the kernel's source, rte_ring from that of
#   DPDK's headers and static libraries; a package is downloaded, what is needed of it
#   unpacked, and the rest thrown away: nothing is installed, since libdpdk-dev depends on
#   hundreds of packages, of which a ring uses none. ringtest is built by its own
#   Makefile.
#   What is there depends on this script only, so its hash names the result in the
#   user's cache; it appears by one rename, so it is there whole or not at all.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../tests/lib/common.sh"
# shellcheck source=tests/lib/apt.sh
. "$TOP/tests/lib/apt.sh"

readonly SOURCE=linux-source-6.1
readonly RINGTEST=tools/virtio/ringtest
readonly LAYOUTS=(virtio_ring_0_9 virtio_ring_inorder ring ptr_ring)
# The static libraries of DPDK that a ring is linked with; each needs those after it.
readonly LIBRARIES=(librte_ring.a librte_eal.a librte_telemetry.a librte_kvargs.a)
# What they need of others; it comes with qemu-system-x86 and iproute2.
readonly SYSTEM=(libnuma.so.1 libbsd.so.0)

HASH=$(sha256sum <"$0" | cut -c 1-16)
DEST=$CACHE/bench/$HASH

none() {
	say "peers.sh: $*"
	exit "$NOT_TO_BE_HAD"
}

# download PACKAGE - to WORK/PACKAGE.deb; the package lists may be missing or old
download() {
	local deb

	say "fetching $1"
	(cd "$WORK" && apt_get -o APT::Sandbox::User=root download "$1") || {
		[ "$(id -u)" -ne 0 ] || apt_update || true
		(cd "$WORK" && apt_get -o APT::Sandbox::User=root download "$1") || return
	}
	deb=$(find "$WORK" -maxdepth 1 -name "$1_*.deb")
	mv "$deb" "$WORK/$1.deb"
}

# publish NAME DIR - make DIR the thing of that name in the cache
publish() {
	mkdir -p "$DEST"
	mv -T "$2" "$DEST/$1" 2>/dev/null || [ -d "$DEST/$1" ] || die "cannot create $DEST/$1"
}

# ---- ringtest ---------------------------------------------------------------

unpack_ringtest() {
	mkdir "$WORK/source"
	dpkg-deb --fsys-tarfile "$WORK/$SOURCE.deb" | tar -xO "./usr/src/$SOURCE.tar.xz" |
		tar -xJ -C "$WORK/source" --strip-components=1 "$SOURCE/$RINGTEST" \
			"$SOURCE/include/linux/ptr_ring.h"
}

fetch_ringtest() {
	local tmp

	[ ! -d "$DEST/ringtest" ] || return 0
	download "$SOURCE" || return
	unpack_ringtest || die "$RINGTEST cannot be unpacked from $SOURCE"
	# Its own flags, not those that whoever calls make has given.
	env -u MAKEFLAGS -u CFLAGS -u LDFLAGS make -C "$WORK/source/$RINGTEST" "${LAYOUTS[@]}" \
		>"$WORK/make.log" 2>&1 || {
		last_lines "$WORK/make.log"
		die "$RINGTEST of $SOURCE does not build"
	}
	tmp=$(mktemp -d "$CACHE/ringtest.XXXXXX") || die "cannot write to $CACHE"
	on_exit rm -rf "$tmp"
	(cd "$WORK/source/$RINGTEST" && cp "${LAYOUTS[@]}" "$tmp/")
	dpkg-deb -f "$WORK/$SOURCE.deb" Version >"$tmp/VERSION"
	chmod 755 "$tmp"
	publish ringtest "$tmp"
}

# ---- rte_ring ---------------------------------------------------------------

unpack_rte() {
	local lib=usr/lib/x86_64-linux-gnu

	dpkg-deb -x "$WORK/libdpdk-dev.deb" "$WORK/dpdk"
	mv "$WORK/dpdk/usr/include" "$1/include"
	mkdir "$1/lib"
	(cd "$WORK/dpdk/$lib" && cp "${LIBRARIES[@]}" "$1/lib/")
}

fetch_rte() {
	local tmp

	[ ! -d "$DEST/rte" ] || return 0
	[ "$(uname -m)" = x86_64 ] || {
		say "peers.sh: rte_ring is looked for on x86-64 only"
		return 1
	}
	download libdpdk-dev || return
	tmp=$(mktemp -d "$CACHE/rte.XXXXXX") || die "cannot write to $CACHE"
	on_exit rm -rf "$tmp"
	unpack_rte "$tmp" || die "libdpdk-dev has not the files that are looked for"
	dpkg-deb -f "$WORK/libdpdk-dev.deb" Version >"$tmp/VERSION"
	chmod 755 "$tmp"
	publish rte "$tmp"
}

# Debian's headers want a processor of 2008; a ring does with any.
rte_flags() {
	printf '%s ' -isystem "$DEST/rte/include/x86_64-linux-gnu/dpdk" -isystem "$DEST/rte/include/dpdk" \
		-include rte_config.h "-L$DEST/rte/lib" "${LIBRARIES[@]/#/-l:}" "${SYSTEM[@]/#/-l:}" -lm -ldl
	printf '\n'
}

# ---- both -------------------------------------------------------------------

case ${1:-} in
ringtest)
	[ -d "$DEST/ringtest" ] || none "ringtest is not there: peers.sh fetch"
	printf '%s\n' "$DEST/ringtest"
	;;
rte)
	[ -d "$DEST/rte" ] || none "rte_ring is not there: peers.sh fetch"
	rte_flags
	;;
fetch)
	mkdir -p "$CACHE"
	TMPDIR=$CACHE work_dir peers
	fetch_rte && rte=yes || rte=no
	fetch_ringtest && ringtest=yes || ringtest=no
	if [ "$rte $ringtest" != 'yes yes' ]; then
		last_lines "$WORK/apt.log" 5
		none "not to be had: rte_ring there: $rte, ringtest there: $ringtest"
	fi
	;;
*)
	die "usage: peers.sh ringtest|rte|fetch"
	;;
esac
