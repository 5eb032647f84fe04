#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the Debian packages that building, the demo and the tests need.
#
# Theory
#   Nothing is done, and no network used, when all of them are there. The
#   package lists are fetched at most once, and only when something is missing.
#   The kernel headers come from the metapackage, so that they fit the newest
#   kernel image of the same suite; tests/lib/kernel.sh fetches that image.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/common.sh"

PACKAGES=(
	# building: modules, daemon
	build-essential linux-headers-amd64 kmod liburing-dev pkg-config
	# checking: unit tests, sanitizers, static checks
	clang libclang-rt-14-dev libcmocka-dev shellcheck sparse
	# machines: the virtual machine, its network, its initramfs
	busybox-static cpio e2fsprogs iproute2 iputils-ping netcat-openbsd
	passt procps python3 qemu-system-x86 seabios
)

installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing() {
	local p

	for p in "${PACKAGES[@]}"; do
		installed "$p" || printf '%s\n' "$p"
	done
}

command -v apt-get >/dev/null ||
	die "this is not a Debian machine: install by hand what $0 lists"
mapfile -t want < <(missing)
[ "${#want[@]}" -gt 0 ] || exit 0

need_root "installing ${want[*]}"
export DEBIAN_FRONTEND=noninteractive
say "installing ${#want[@]} packages: ${want[*]}"
work_dir install
{ apt-get -q update && apt-get -q -y --no-install-recommends install "${want[@]}"; } \
	>"$WORK/apt.log" 2>&1 || {
	last_lines "$WORK/apt.log" 15
	die "apt-get failed; is the network there, and Debian 12 in the APT sources?"
}
