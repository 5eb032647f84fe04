#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the Debian packages that building, the demo and the tests need, and fetches
# the guest's kernel.
#
# Theory
#   Nothing is done, and no network used, when all of it is there. The package
#   lists are fetched at most once for each need, and only when something is missing.
#   The kernel headers are packages of one series, the one that the modules are
#   for, not the metapackage: that may stand for a backport. The newest that are
#   installed will do as long as their image can be had (tests/lib/kernel.sh);
#   when the archive has dropped it, the newest of the archive are installed beside them.
#   KERNEL_RELEASE, when set, names other headers, and then those it must be.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/common.sh"

PACKAGES=(
	# building: modules, daemon
	build-essential kmod liburing-dev pkg-config
	# checking: unit tests, sanitizers, static checks
	clang libclang-rt-14-dev libcmocka-dev shellcheck sparse
	# machines: the virtual machine, its network, its initramfs
	busybox-static cpio e2fsprogs iproute2 iputils-ping netcat-openbsd
	passt procps python3 qemu-system-x86 seabios
)
readonly NOT_TO_BE_HAD=3

installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing() {
	local p

	for p in "${PACKAGES[@]}"; do
		installed "$p" || printf '%s\n' "$p"
	done
}

# Are there headers to build with? Any, or those that were asked for.
have_headers() {
	if [ -n "${KERNEL_RELEASE:-}" ]; then
		installed "linux-headers-$KERNEL_RELEASE"
	else
		"$TOP/tests/lib/kernel.sh" release >/dev/null 2>&1
	fi
}

# newest_headers - the name of the archive's newest, or of those asked for
newest_headers() {
	local name

	if [ -n "${KERNEL_RELEASE:-}" ]; then
		printf 'linux-headers-%s\n' "$KERNEL_RELEASE"
		return
	fi
	name=$(apt-cache --names-only search "^linux-headers-$KERNEL_SERIES\." | cut -d ' ' -f 1 |
		grep -xE "linux-headers-$KERNEL_SERIES\.$KERNEL_REST" | sort -V | tail -n 1) ||
		die "the APT sources have no headers of Linux $KERNEL_SERIES," \
			"which the modules are for: is Debian 12 among them?"
	printf '%s\n' "$name"
}

# apt_get COMMAND WORD... - its output only when it fails
apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$WORK/apt.log" 2>&1 || {
		last_lines "$WORK/apt.log" 15
		die "apt-get $* failed; is the network there, and Debian 12 in the APT sources?"
	}
}

# install_missing - packages and headers
install_missing() {
	local want name

	mapfile -t want < <(missing)
	[ "${#want[@]}" -gt 0 ] || ! have_headers || return 0
	need_root "installing ${want[*]:-kernel headers}"
	apt_get update
	if ! have_headers; then
		name=$(newest_headers)
		want+=("$name")
	fi
	say "installing ${#want[@]} packages: ${want[*]}"
	apt_get -y --no-install-recommends install "${want[@]}"
}

# upgrade_headers - to the newest of the archive, which must not be those we have
upgrade_headers() {
	local name before

	need_root "installing newer kernel headers"
	apt_get update
	name=$(newest_headers)
	before=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null) || true
	say "installing $name: the image of the installed headers' version is not to be had any more"
	apt_get -y --no-install-recommends install "$name"
	[ "$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name")" != "$before" ] ||
		die "the APT sources have no kernel image that fits $name"
}

# Its output is for others.
kernel() {
	"$TOP/tests/lib/kernel.sh" >/dev/null
}

command -v apt-get >/dev/null ||
	die "this is not a Debian machine: install by hand what $0 lists"
work_dir install
install_missing
status=0
kernel || status=$?
if [ "$status" -eq "$NOT_TO_BE_HAD" ] && [ -z "${KERNEL_RELEASE:-}" ]; then
	upgrade_headers
	status=0
	kernel || status=$?
fi
exit "$status"
