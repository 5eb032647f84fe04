#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	messages.sh BUILD_DIR
#
# Lies in vhost-user messages cost the session, not the daemon and not the device beside:
# ATTACKS 61 to 65, 68.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
work_dir messages
truncate -s 1M "$WORK/beside"
frontend messages.py --device "type=blk,socket=$WORK/sock.beside,path=$WORK/beside"
