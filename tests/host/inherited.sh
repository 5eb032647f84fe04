#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	inherited.sh BUILD_DIR
#
# A socket that airlockd inherits (--fd): one that listens, one that is connected,
# and those that cannot be used.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir inherited
truncate -s 1M "$WORK/disk"
PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/inherited.py" "$DAEMON" "$WORK/disk" "$WORK/sock"
