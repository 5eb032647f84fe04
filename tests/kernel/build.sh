#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Provides kernels that notice: Linux of the Debian release, configured for the test machines.
#
#	build.sh KIND		prints where it is; never builds and needs no network
#	build.sh KIND build	builds it when there is none, as root; then prints where it is
#
# KIND is "debug" (address and undefined-behaviour sanitizers, lockdep, leaks, poisoned pages,
# failures on order) or "kcsan" (data races, lockdep, failures on order).
# Exit: 0; 1 for errors; 3 when there is none, or its source is not to be had now, with the
# reason on standard error.
#
# Theory
#   An option is off unless guest.config or KIND.config has it, and an option that is there and
#   does not come out as it was asked for is an error: a kernel that only seems to look is worse
#   than none. The source is Debian's (tests/lib/built.sh).
#   The result has a kernel's usual layout, boot/, lib/modules/KVER/, and what modules are built
#   with in usr/src/linux-headers-KVER, which does not depend on where it lies.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
# shellcheck source=tests/lib/apt.sh
. "$TOP/tests/lib/apt.sh"
# shellcheck source=tests/lib/built.sh
. "$TOP/tests/lib/built.sh"

readonly HERE=$TOP/tests/kernel SERIES=${KERNELS%% *}
readonly PACKAGES=(bc bison build-essential cpio flex kmod libelf-dev perl xz-utils)

KIND=${1:-}
[[ " $KERNELS_BUILT " == *" $KIND "* ]] || die "usage: build.sh debug|kcsan [build]"
HASH=$(cat "$HERE/guest.config" "$HERE/$KIND.config" "$0" "$TOP/tests/lib/built.sh" | sha256sum |
	cut -c 1-16)
DEST=$CACHE/debug-kernel/$KIND-$HASH

# source_to DIR - unpack the kernel's source there; 1 when it is not to be had
source_to() {
	local name=linux-source-$SERIES

	apt_update || true
	(cd "$WORK" && apt_get -o APT::Sandbox::User=root download "$name") || return
	mkdir "$1"
	dpkg-deb --fsys-tarfile "$WORK/$name"_*.deb |
		tar -xO "./usr/src/$name.tar.xz" | tar -xJ --strip-components=1 -C "$1"
}

# mend SOURCE - Linux 6.1 hangs in its first second now and then, the more so the busier the host is: the
# thread of RCU Tasks holds a lock while it waits for work, and whoever saw no thread yet, and was
# interrupted then, waits for that lock (rcu_tasks_one_gp()). Later versions let go of it, too.
mend() {
	local file=$1/kernel/rcu/tasks.h

	sed -i -e '/^\t\tset_tasks_gp_state(rtp, RTGS_WAIT_CBS);$/i \\t\tmutex_unlock(\&rtp->tasks_gp_mutex);' \
		-e '/^\t\t\t\t   TASK_IDLE);$/a \\t\tmutex_lock(\&rtp->tasks_gp_mutex);' "$file"
	[ "$(grep -cE '^[[:blank:]]{2}mutex_(un)?lock\(&rtp->tasks_gp_mutex\);$' "$file")" -eq 2 ] ||
		die "kernel/rcu/tasks.h is not what it was: is it mended there?"
}

configure() {
	local line missing=''

	# The parts of the kernel that our modules use and that no configuration can ask for.
	printf '%s\n' '' 'config TEST_GUEST' '	def_bool y' '	select AUXILIARY_BUS' \
		'	select DIMLIB' '	select PAGE_POOL' >>"$1/lib/Kconfig"
	cat "$HERE/guest.config" "$HERE/$KIND.config" >"$WORK/wanted"
	printf '%s\n' "CONFIG_LOCALVERSION=\"-airlock-$KIND\"" >>"$WORK/wanted"
	make -C "$1" KCONFIG_ALLCONFIG="$WORK/wanted" allnoconfig >"$WORK/compile.log" 2>&1 || {
		last_lines "$WORK/compile.log"
		die "the kernel cannot be configured"
	}
	while read -r line; do
		grep -qxF -e "$line" "$1/.config" || missing+=" $line"
	done < <(grep '^CONFIG_' "$WORK/wanted")
	[ -z "$missing" ] || die "$KIND: not so in the kernel that would be built:$missing"
}

compile() {
	make -C "$1" -j "$(nproc)" bzImage modules >"$WORK/compile.log" 2>&1 || {
		last_lines "$WORK/compile.log" 15 | cut -c 1-400
		die "the kernel does not build"
	}
}

# install_headers SOURCE DIR - what modules are built with, as Debian's packages have it
install_headers() {
	(
		cd "$1"
		{
			find . arch/x86 -maxdepth 1 -name 'Makefile*'
			find include scripts \( -type f -o -type l \) ! -name '*.o' ! -name '*.cmd'
			find arch/x86 \( -name Kbuild.platforms -o -name Platform \)
			find arch/x86 \( -name include -o -name scripts \) -type d -exec find {} -type f \;
			printf '%s\n' .config Module.symvers
			[ ! -x tools/objtool/objtool ] || echo tools/objtool/objtool
		} | sort -u | tar -c -T - | tar -x -C "$2"
	)
}

install_to() {
	local version headers

	version=$(cat "$1/include/config/kernel.release")
	headers=$2/usr/src/linux-headers-$version
	mkdir -p "$2/boot" "$headers"
	cp "$1/arch/x86/boot/bzImage" "$2/boot/vmlinuz-$version"
	cp "$1/System.map" "$2/boot/System.map-$version"
	make -C "$1" INSTALL_MOD_PATH="$2" modules_install >"$WORK/compile.log" 2>&1 || {
		last_lines "$WORK/compile.log"
		die "the kernel's modules cannot be installed"
	}
	rm -f "$2/lib/modules/$version"/{build,source}
	install_headers "$1" "$headers"
}

build_from() {
	say "building Linux $(make -s -C "$1" kernelversion) ($KIND) for guests, some minutes"
	mend "$1"
	configure "$1"
	compile "$1"
	install_to "$1" "$2"
}

built "$DEST" "the kernel" "Linux $SERIES" "tests/kernel/build.sh $KIND build" "${2:-}"
printf '%s\n' "$DEST"
