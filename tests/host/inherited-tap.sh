#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	inherited-tap.sh BUILD_DIR
#
# Taps that airlockd inherits open, and a socket: as a user who may open neither, and those that cannot be used. All
# in a network namespace of its own.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
in_own_network 'mode tap' "$@"

command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir inherited-tap
chmod 711 "$WORK"
PYTHONDONTWRITEBYTECODE=1 python3 "$RIG/inherited_tap.py" "$DAEMON" "$WORK/sock"
