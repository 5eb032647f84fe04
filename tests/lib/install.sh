#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the Debian packages that building, the demo and the tests need, and provides
# the guests' kernels and the emulated SEV machine.
#
#	install.sh [sev|bench|guest|all|debug]	sev, bench: also the emulator; guest: that and the kernels of
#					other series; all: that and the first kernel of those
#					that tests/kernel builds; debug: all of those
#
# Theory
#   Nothing is done, and no network used, when all of it is there. The package
#   lists are fetched at most once for each need, and only when something is missing.
#   What is not to be had now, a kernel of the backports or the emulator's source, is said
#   and is no error: the tests that need it say why they were skipped. Without the
#   release's own kernel nothing can be built.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/lib/apt.sh
. "$TOP/tests/lib/apt.sh"

PACKAGES=(
	# building: modules, daemon
	build-essential kmod libbpf-dev libcap-ng-dev libjansson-dev libnbd-dev libseccomp-dev liburing-dev
	libxdp-dev pkg-config
	# checking: unit tests, sanitizers and libFuzzer, static checks, model, instruction counts
	clang libclang-rt-14-dev libcmocka-dev shellcheck sparse spin valgrind
	# machines: the virtual machine, its firmware, its network, its initramfs
	busybox-static cpio e2fsprogs ethtool fio iperf3 iproute2 iputils-ping nbdkit netcat-openbsd ovmf
	passt procps python3 qemu-system-x86 seabios udev util-linux
)

# provide COMMAND WORD... - its output is for others; what is not to be had is no error
provide() {
	local status=0

	"$@" >/dev/null || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq "$NOT_TO_BE_HAD" ] || exit "$status"
	return "$status"
}

command -v apt-get >/dev/null ||
	die "this is not a Debian machine: install by hand what $0 lists"
work_dir install
apt_install "${PACKAGES[@]}" || {
	last_lines "$WORK/apt.log" 15
	die "packages cannot be installed; is the network there, and Debian 12 in the APT sources?"
}
provide "$TOP/tests/lib/kernel.sh" fetch || die "there is no kernel $KERNEL_SERIES to build for"
case ${1:-} in
guest) more=$KERNELS ;;
all) more="$KERNELS ${KERNELS_BUILT%% *}" ;;
debug) more="$KERNELS $KERNELS_BUILT" ;;
*) more= ;;
esac
if [ -n "$more" ]; then
	for series in $more; do
		KERNEL_SERIES=$series provide "$TOP/tests/lib/kernel.sh" fetch || true
	done
fi
if [ -n "${1:-}" ]; then
	provide "$TOP/tests/machine/emulator.sh" build || true
fi
