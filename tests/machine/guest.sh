# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0
#
# Words for scripts that run in the guest; init puts them before each command. The
# shell is busybox's.
#
# Theory
#   Devices are found by what the machine gave them, a serial number or a MAC
#   address, not by the order of probing. Waiting is for a condition, with an end.

# die WORD... - end the command
die() {
	echo "$*"
	exit 1
}

# wait_for TENTHS COMMAND WORD... - until it succeeds; 1 when it never did
wait_for() {
	tenths=$1
	shift
	until "$@"; do
		[ "$tenths" -gt 0 ] || return 1
		tenths=$((tenths - 1))
		usleep 100000
	done
}

# negated COMMAND WORD...
negated() {
	! "$@"
}

# built_in MODULE - is it part of the kernel's image?
built_in() {
	grep -q "/$1\.ko$" "/lib/modules/$(uname -r)/modules.builtin"
}

# mainline - load mainline's drivers, and give them the virtio functions that nobody owns.
# A virtio_pci that is loaded now finds them by itself; one that is built in has had its
# chance and lost them to init. To offer one that is owned changes nothing.
mainline() {
	modprobe -a virtio_pci virtio_blk virtio_net ext4 || return
	for dev in /sys/bus/pci/devices/*; do
		[ "$(cat "$dev/vendor")" != 0x1af4 ] || echo "${dev##*/}" >/sys/bus/pci/drivers_probe
	done
}

# disk SERIAL - the name of that disk: airblk0. Disks after it are not asked: one that
# lost its back-end takes long to answer.
disk() {
	for serial in /sys/block/*/serial; do
		if [ "$(cat "$serial" 2>/dev/null)" = "$1" ]; then
			echo "$serial" | cut -d / -f 4
			return
		fi
	done
	return 1
}

# nic MAC - the name of that interface
nic() {
	grep -lx "$1" /sys/class/net/*/address 2>/dev/null | head -n 1 | cut -d / -f 5 | grep .
}

# pci_of PATH - PCI address of the function that a device in sysfs belongs to
pci_of() {
	readlink -f "$1" | grep -o '/0000:[0-9a-f:.]*' | tail -n 1 | tr -d /
}

# queues_of PCI - names of the queues that airlock has open there
queues_of() {
	sed -n "s/^$1 \([a-z][a-z0-9]*\) size=.*/\1/p" /sys/kernel/debug/airlock/queues
}

# shared_by PCI - bytes that airlock shares for it
shared_by() {
	awk -v pci="$1" '$1 == pci { sum += $4 } END { print sum }' /sys/kernel/debug/airlock/regions
}

# window_base - where the window begins
window_base() {
	for dev in /sys/bus/pci/devices/*; do
		[ "$(cat "$dev/device")" != 0x1110 ] || sed -n '3s/ .*//p' "$dev/resource"
	done
}

# need_disk SERIAL, need_nic MAC - wait for it, print its name
need_disk() {
	wait_for 100 disk "$1" >/dev/null || die "no disk with serial $1"
	disk "$1"
}

need_nic() {
	wait_for 100 nic "$1" >/dev/null || die "no interface with address $1"
	nic "$1"
}

# up MAC ADDRESS/BITS [MTU] - configure an interface
up() {
	nic=$(need_nic "$1") || die "$nic"
	ip address flush dev "$nic"
	ip link set "$nic" mtu "${3:-1500}"
	ip address add "$2" dev "$nic"
	ip link set "$nic" up
}

# reads DISK N, writes DISK N - were there more than N?
reads() {
	test "$(awk '{ print $1 }' "/sys/block/$1/stat")" -gt "$2"
}

writes() {
	test "$(awk '{ print $5 }' "/sys/block/$1/stat")" -gt "$2"
}

# churn SERIAL - fio fills a piece of a disk and then checks it, again and again, with small
# requests and with large ones at once, until it is told to stop or something is wrong. How it
# ended is then in /run/churn-SERIAL.end, and what it said in /run/churn-SERIAL.log. A block that
# was not written counts as wrong, since each has a number.
churn() {
	fio --filename="/dev/$2" --direct=1 --ioengine=io_uring --iodepth=8 --thread --loops=1000000 \
		--verify=crc32c --verify_fatal=1 --exitall_on_error \
		--name=small --rw=randwrite --bs=4k --size=256k \
		--name=large --rw=randwrite --bs=128k --offset=1m --size=2m --fsync=8 &
	echo $! >"/run/churn-$1.pid"
	status=0
	wait $! || status=$?
	# That is what fio calls to be told to stop, whatever was before.
	if [ "$status" = 128 ] && ! grep -Eq 'err= *[1-9]|verify' "/run/churn-$1.log"; then
		echo good >"/run/churn-$1.end"
	else
		echo "bad: fio ended with $status" >"/run/churn-$1.end"
	fi
}

# went_on SERIAL - have all blocks been written and checked since /run/churn-SERIAL.before was made?
# A round is 64 small writes, 16 large ones, and as many reads.
went_on() {
	awk 'FILENAME == ARGV[1] { r = $1; w = $5; seen = 1 }
		FILENAME == ARGV[2] { good = seen && $1 > r + 320 && $5 > w + 320 }
		END { exit !good }' "/run/churn-$1.before" "/sys/block/$(cat "/run/churn-$1.disk")/stat"
}

# mark_churn SERIAL...
mark_churn() {
	for s in "$@"; do
		cp "/sys/block/$(cat "/run/churn-$s.disk")/stat" "/run/churn-$s.before" || return
	done
}

# await_churn SERIAL... - until all of them went on
await_churn() {
	for s in "$@"; do
		wait_for 900 went_on "$s" || {
			cat "/run/churn-$s.log"
			die "no I/O on $s"
		}
	done
}

# start_churn SERIAL...
start_churn() {
	for s in "$@"; do
		# One that a failed test left behind.
		if [ -e "/run/churn-$s.pid" ] && [ ! -e "/run/churn-$s.end" ]; then
			kill "$(cat "/run/churn-$s.pid")"
			wait_for 600 test -e "/run/churn-$s.end"
		fi
	done
	rm -f /run/churn-*
	for s in "$@"; do
		disk "$s" >"/run/churn-$s.disk" || die "there is no disk $s"
		churn "$s" "$(cat "/run/churn-$s.disk")" >"/run/churn-$s.log" 2>&1 &
	done
	mark_churn "$@" && await_churn "$@"
}

# end_churn SERIAL... - it went on since, and every byte was right
end_churn() {
	mark_churn "$@" && await_churn "$@" || exit
	touch /run/churn-stop
	for s in "$@"; do
		kill "$(cat "/run/churn-$s.pid")"
		wait_for 600 test -e "/run/churn-$s.end" || die "I/O on $s does not end"
		grep -qx good "/run/churn-$s.end" || {
			cat "/run/churn-$s.log" "/run/churn-$s.end"
			exit 1
		}
	done
}

# iperf HOST PORT - both ways filled, test after test, until /run/iperf-stop is there. A server
# does not listen for a moment between two tests, or drops who came in it. Each that went well
# is a line in /run/iperf-rounds; /run/iperf-end says how it ended.
iperf() {
	tries=0
	while [ ! -e /run/iperf-stop ]; do
		if iperf3 -c "$1" -p "$2" --bidir -t 1 >/run/iperf.log 2>&1; then
			echo >>/run/iperf-rounds
			tries=0
		elif [ "$tries" -lt 5 ] && grep -Eq 'unable to connect|reset by peer|busy' /run/iperf.log; then
			tries=$((tries + 1))
			usleep 300000
		else
			echo bad >/run/iperf-end
			return
		fi
	done
	echo good >/run/iperf-end
}

# iperf_rounds N - until so many went well
iperf_rounds() {
	enough() { [ -e /run/iperf-rounds ] && [ "$(wc -l </run/iperf-rounds)" -ge "$1" ]; }
	wait_for 1200 enough "$1" || {
		tail -n 30 /run/iperf.log
		die "iperf3 does not go on"
	}
}

# connected PORT - is there a TCP connection to that port?
connected() {
	awk -v port="$(printf ':%04X$' "$1")" \
		'$3 ~ port && $4 == "01" { found = 1 } END { exit !found }' /proc/net/tcp
}

# random_file FILE MIB
random_file() {
	dd if=/dev/urandom of="$1" bs=1M count="$2" 2>/dev/null
}

# sum [FILE] - its SHA-256, or that of the standard input
sum() {
	sha256sum "${1:--}" | cut -d ' ' -f 1
}

forget_cache() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# repeat FROM TO DOUBLINGS - a file that holds the other's contents 2^DOUBLINGS times
repeat() {
	cp "$1" "$2"
	doublings=$3
	while [ "$doublings" -gt 0 ]; do
		cat "$2" "$2" >"$2.twice"
		mv "$2.twice" "$2"
		doublings=$((doublings - 1))
	done
}

# dirty_memory - write to nearly all memory that is free, and free it again
dirty_memory() {
	mount -o remount,size=95% /tmp || return
	yes 'not clear' | head -c 4m >/tmp/dirt.part
	pieces=$(awk '/^MemAvailable/ { print int($2 / 4096) - 24 }' /proc/meminfo)
	while [ "$pieces" -gt 0 ]; do
		cat /tmp/dirt.part || return
		pieces=$((pieces - 1))
	done >/tmp/dirt
	rm /tmp/dirt /tmp/dirt.part
}

# canary_start MIB - hold the secret /token; returns when it is in memory
canary_start() {
	canary /token /tmp/canary /run/canary "$1" >/run/canary.log 2>&1 &
	echo $! >/run/canary.pid
	wait_for 300 grep -qs alive /run/canary || {
		cat /run/canary.log
		return 1
	}
}

# canary_end - stop; 1 when the memory is not what it was
canary_end() {
	kill "$(cat /run/canary.pid)"
	wait_for 300 negated grep -qs alive /run/canary
	grep -q intact /run/canary || {
		cat /run/canary
		return 1
	}
}
