#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	nbd.sh BUILD_DIR
#
# A disk on an NBD server: what reaches that, what it says, that it goes away, hangs and comes
# back (ATTACKS 69).
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
command -v nbdkit >/dev/null || die "nbdkit is missing: install it"
work_dir nbd
PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/nbd.py" "$DAEMON" "$WORK"
