#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots the emulated SEV machine with a disk and mainline's drivers, and a kernel that was
# told nothing of swiotlb, writes to the disk, and prints how many bytes of its memory the
# guest has opened to the host then, by its page tables: all of them, the kernel's own too.
set -euo pipefail
# shellcheck source=tests/machine/machine.sh
. "$(dirname "$0")/machine.sh"

export M_SWIOTLB=yes
machine_new sev
truncate -s 64M "$WORK/main.img"
machine_disk main "$WORK/main.img" airlockd serial=main
machine_boot
guest 'set -e
	mainline
	d=/dev/$(need_disk main)
	dd if=/dev/urandom of=$d bs=1M count=16 oflag=direct 2>/dev/null' >&2
memory_opened >"$WORK/opened"
memory_bytes "$WORK/opened"
machine_off
