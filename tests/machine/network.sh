# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The host side of a test network: a network namespace of its own. Sourced after
# tests/lib/common.sh.
#
# Theory
#   Taps, addresses and servers live in a namespace named for this process,
#   so two runs at a time do not meet, nothing of the machine's own network
#   changes, and removing the namespace removes all of it. Back-ends run in it
#   too, because that is where their tap is.

NET=

# net_why_not - why there can be no test network here; nothing when there can be
net_why_not() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "network namespaces need root"
	elif [ ! -c /dev/net/tun ]; then
		echo "/dev/net/tun is missing"
	elif ! unshare --net true 2>/dev/null; then
		echo "network namespaces are not allowed here"
	fi
}

net_new() {
	local why

	why=$(net_why_not)
	[ -z "$why" ] || die "cannot make a test network: $why"
	NET=airlock-$$
	ip netns add "$NET"
	on_exit ip netns delete "$NET"
	net_exec ip link set lo up
}

# net_exec COMMAND WORD... - as the host side; in the background, net_start
net_exec() {
	ip netns exec "$NET" "$@"
}

# net_start COMMAND WORD... - likewise, until the test ends; sets STARTED, its pid. (Of a function in the
# background bash gives the pid of a shell that waits for the command.)
net_start() {
	ip netns exec "$NET" "$@" &
	STARTED=$!
	on_exit stop_pid "$STARTED"
}

# net_tap NAME ADDRESS/BITS [MTU [FLAG]]
net_tap() {
	net_exec ip tuntap add dev "$1" mode tap vnet_hdr ${4:+"$4"}
	net_exec sysctl -q -w "net.ipv6.conf.$1.disable_ipv6=1" 2>/dev/null || true
	net_exec ip link set "$1" mtu "${3:-1500}"
	net_exec ip address add "$2" dev "$1"
	net_exec ip link set "$1" up
}

# net_packets TAP rx|tx - how many it has passed, from the guest or to it
net_packets() {
	net_exec cat "/sys/class/net/$1/statistics/$2_packets"
}

# net_listens PORT - does something listen on this TCP port?
net_listens() {
	[ -n "$(net_exec ss -Hltn "sport = :$1")" ]
}

# net_serve NAME PORT COMMAND WORD... - start a server and wait until it listens;
# output to WORK/NAME.out. Sets STARTED, as net_start does.
net_serve() {
	local name=$1 port=$2

	shift 2
	net_start "$@" >"$WORK/$name.out" 2>"$WORK/$name.log" </dev/null
	wait_for 120 net_listens "$port" || {
		last_lines "$WORK/$name.log"
		die "$1 does not listen on port $port"
	}
}
