#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	disk.sh BUILD_DIR
#
# A disk does what virtio says, and survives drivers that lie: ATTACKS 54 to 58, 60,
# 63, 66, 67, 69.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
frontend disk.py
