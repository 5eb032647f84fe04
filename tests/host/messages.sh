#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	messages.sh BUILD_DIR
#
# Lies in vhost-user messages cost the session, not the daemon: ATTACKS 61 to 65, 68.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
frontend messages.py
