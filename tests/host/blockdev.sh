#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	blockdev.sh BUILD_DIR
#
# What a disk does on a file it does on a block device too; here it is a loop device.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

work_dir blockdev
truncate -s 8M "$WORK/disk"
if ! DISK=$(losetup -f --show "$WORK/disk" 2>"$WORK/why"); then
	printf '1..0 # SKIP no loop device can be had: %s\n' "$(head -n 1 "$WORK/why")"
	exit 0
fi
on_exit losetup -d "$DISK"
ONLY='^(features and|what is written|memory that is not|without FLUSH|many requests|beyond the end)' \
	frontend disk.py
