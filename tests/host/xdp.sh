#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	xdp.sh BUILD_DIR
#
# A card on queues of an interface, by AF_XDP: frames both ways, what cannot be, and that nothing is left on the
# interface. All on a pair of virtual ones, in a network namespace of its own: the card has x0, x1 is its network.
set -euo pipefail
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# links QUEUES MTU - the pair, anew
links() {
	ip link delete x0 2>/dev/null || true
	ip link add x0 numrxqueues "$1" numtxqueues "$1" type veth peer name x1 numrxqueues "$1" numtxqueues "$1"
	ip link set x0 mtu "$2"
	ip link set x1 mtu "$2"
	ip link set x0 up
	ip link set x1 up
}

# led - is a program on the interface?
led() {
	ip link show dev x0 | grep -Eqw 'xdp|xdpgeneric'
}

not_led() {
	! led
}

# serve ARGUMENT... - as another user, who removes the socket
serve() {
	start_daemon 1 --user nobody --device "type=net,socket=$WORK/theirs/sock,xdp=x0${1:+,$1}"
}

# part PROGRAM-PART
part() {
	results_of xdp.py "$1" "$WORK/theirs/sock" x0 x1 "$WORK/log"
}

if [ -z "${AIRLOCK_XDP_INSIDE:-}" ]; then
	[ "$(id -u)" -eq 0 ] && [ "$(tr -s ' ' </proc/self/uid_map)" = ' 0 0 4294967295' ] ||
		skip_all "programs of interfaces need root"
	why=$(unshare -n ip link add x0 type veth peer name x1 2>&1) || skip_all "no pair of interfaces can be had: $why"
	AIRLOCK_XDP_INSIDE=1 exec unshare -n "$0" "$@"
fi
command -v python3 >/dev/null || die "python3 is missing: install it"
work_dir xdp
chmod 711 "$WORK"
mkdir "$WORK/theirs"
chown nobody "$WORK/theirs"
sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true

links 1 1500
refused "an interface that is not there is refused" "net0: interface x7, queue 0, is not there: .*: check the name" \
	--device "type=net,socket=$WORK/sock,xdp=x7"
refused "a queue that is not there is refused" "net0: interface x0, queue 1, cannot be bound to: .*ethtool -l" \
	--device "type=net,socket=$WORK/sock,xdp=x0,xdp-queue=1"
refused "more queues than are there are refused" "net0: interface x0, queue 1, cannot be bound to: .*ethtool -l" \
	--device "type=net,socket=$WORK/sock,xdp=x0,queues=2"
not_led && r=0 || r=1
result "$r" "what was refused left no program behind"

serve
led && r=0 || r=1
result "$r" "while it serves a program is on the interface"
refused "an interface that another daemon has is refused" "net0: interface x0, queue 0, .*: another program has it" \
	--device "type=net,socket=$WORK/sock,xdp=x0"
part frames
end_daemon && r=0 || r=1
result "$r" "the daemon ends well"
not_led && r=0 || r=1
result "$r" "nothing is left on the interface"

serve
kill -KILL "$PID"
wait "$PID" 2>/dev/null || true
wait_for 60 not_led && r=0 || r=1
result "$r" "nothing is left on the interface by one that was killed"
serve
end_daemon && r=0 || r=1
result "$r" "after one that was killed another one serves"

serve
part said
end_daemon && r=0 || r=1
result "$r" "the daemon ends well when its interface was down"

links 1 9000
serve
part long
end_daemon && r=0 || r=1
result "$r" "the daemon ends well after long frames"

links 2 1500
serve queues=2
part pairs
end_daemon && not_led && r=0 || r=1
result "$r" "the daemon ends well with two queues, and nothing is left"

links 1 1500
serve
part gone
end_daemon && r=0 || r=1
result "$r" "the daemon ends well without its interface"
finish
