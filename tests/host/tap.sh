#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	tap.sh BUILD_DIR
#
# A tap interface: names that cannot be, one that is down, one that comes up. All in a
# network namespace of its own.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
in_own_network 'mode tap' "$@"

command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir tap

# tap NAME
tap() {
	printf 'type=net,socket=%s,tap=%s' "$WORK/sock" "$1"
}

for name in abcdefghijklmnop a/b v%d a:b 'a b' . ..; do
	refused "a tap named '$name' is refused" "net0: tap .*not a name of an interface: use 1 to 15" \
		--device "$(tap "$name")"
done
refused "an interface that is no tap is refused" "net0: tap lo .*no tap" --device "$(tap lo)"
[ "$(ip -o link | grep -vc ': lo:')" -eq 0 ] && r=0 || r=1
result "$r" "what was refused left no interface behind"

ip tuntap add tap0 mode tap
start_daemon 1 --device "$(tap tap0)"
[ "$(grep -c 'net0: tap tap0 is down: .*: ip link set tap0 up$' "$WORK/log")" -eq 1 ] && r=0 || r=1
result "$r" "a tap that is down is said at the start"
results_of tap.py "$WORK/sock" tap0 "$WORK/log"
end_daemon && r=0 || r=1
result "$r" "the daemon ends well"

ip link set tap0 up
start_daemon 1 --device "$(tap tap0)"
end_daemon
! grep -q 'is down' "$WORK/log" && r=0 || r=1
result "$r" "a tap that is up is not said to be down"
finish
