#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	initramfs.sh OUT [FILE...]	(environment: ADD_MODULES, ADD_PROGRAMS)
#
# Builds the guest's root file system as a cpio archive.
#
# Theory
#   The guest has nothing but this archive: busybox, mkfs.ext4, our tools, and
#   the kernel modules that a test may ask for, each with what it depends on, with
#   an index for modprobe. Ours come from BUILD/kmod/KVER, or from KMOD of the
#   environment; a guest that is to run without them (the negative control) simply does not
#   load them. Each FILE goes into the root directory: secrets of one run, which are not to
#   be kept. ADD_MODULES names more modules of the image, ADD_PROGRAMS paths of more programs.
set -euo pipefail
# shellcheck source=tests/lib/common.sh
. "$(dirname "$0")/../lib/common.sh"

# Modules of the image that some test loads, without those they depend on.
STOCK=(virtio_pci_modern_dev virtio_pci virtio_blk virtio_net ext4 crc32c_intel loop 8021q macvlan)
OURS=(airlock airlock_net airlock_blk)
TOOLS=(canary failnth kexec multicast ranges traffic xdp)

# add_modules ROOT - the stock modules and what they need
add_modules() {
	local root=$1 module path

	for module in "${STOCK[@]}" ${ADD_MODULES:-}; do
		modprobe -d "$MODULES_ROOT" -S "$KVER" --show-depends "$module" ||
			die "module $module is not in the kernel image"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r path; do
		install -D -m 644 "$path" "$root${path#"$MODULES_ROOT"}"
	done
	for module in "${OURS[@]}"; do
		path=$KMOD/$module.ko
		[ -f "$path" ] || die "$path is missing: build it with make modules KVER=$KVER"
		install -D -m 644 "$path" "$root/lib/modules/$KVER/extra/$module.ko"
	done
	cp "$MODULES_ROOT/lib/modules/$KVER"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$KVER/"
	depmod -b "$root" "$KVER"
}

# add_program ROOT PATH - with the libraries it is linked to
add_program() {
	local lib

	install -D -m 755 "$2" "$1/sbin/$(basename "$2")"
	# A static one has none, which ldd calls an error.
	{ ldd "$2" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r lib; do
		install -D -m 755 "$lib" "$1$lib"
	done
}

[ $# -ge 1 ] || die "usage: initramfs.sh OUT [FILE...]"
OUT=$1
shift
eval "$("$TOP/tests/lib/kernel.sh")"
KMOD=${KMOD:-$BUILD/kmod/$KVER}
work_dir initramfs
ROOT=$WORK/root
mkdir -p "$ROOT"/{bin,sbin,etc,lib,lib64,sys/kernel/debug}
install -m 755 "$TOP/tests/machine/init" "$ROOT/init"
install -m 644 "$TOP/tests/machine/guest.sh" "$ROOT/guest.sh"
install -m 755 "$(command -v busybox)" "$ROOT/bin/busybox"
ln -s busybox "$ROOT/bin/sh"
# The kernel itself asks for modules by this name.
ln -s ../bin/busybox "$ROOT/sbin/modprobe"
install -m 644 /etc/mke2fs.conf "$ROOT/etc/mke2fs.conf"
add_modules "$ROOT"
# Debian's own, which knows softdep, for tests that ask for it by path.
add_program "$ROOT" "$(PATH=$PATH:/sbin:/usr/sbin command -v kmod)"
mkdir "$ROOT/sbin/kmod.d"
ln -s ../kmod "$ROOT/sbin/kmod.d/modprobe"
add_program "$ROOT" "$BUILD/airlockctl"
add_program "$ROOT" "$(PATH=$PATH:/sbin:/usr/sbin command -v ethtool)"
# By a name that is not one of busybox's own, which its shell would prefer.
add_program "$ROOT" "$(PATH=$PATH:/sbin:/usr/sbin command -v mkfs.ext4)"
for program in ${ADD_PROGRAMS:-}; do
	add_program "$ROOT" "$program"
done
for tool in "${TOOLS[@]}"; do
	install -m 755 "$BUILD/guest/$tool" "$ROOT/bin/$tool"
done
for file in "$@"; do
	install -m 600 "$file" "$ROOT/$(basename "$file")"
done
(cd "$ROOT" && find . | cpio --quiet -o -H newc -R 0:0) >"$OUT"
