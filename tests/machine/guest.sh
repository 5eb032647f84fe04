# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0
#
# Words for scripts that run in the guest; init has them before the first command. The
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

# refuses REASON COMMAND WORD... - it fails, and what it says ends with that; all of it is in
# $said then
refuses() {
	reason=$1
	shift
	! said=$("$@" 2>&1) || die "accepted: $*"
	case $said in
	*": $reason") ;;
	*) die "$*: not refused with $reason: $said" ;;
	esac
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

# nothing_shared - is that what airlock lists?
nothing_shared() {
	cat /sys/kernel/debug/airlock/regions
	test "$(cat /sys/kernel/debug/airlock/regions)" = "total - - 0 -"
}

# window_base - where the window begins
window_base() {
	for dev in /sys/bus/pci/devices/*; do
		[ "$(cat "$dev/device")" != 0x1110 ] || sed -n '3s/ .*//p' "$dev/resource"
	done
}

# need_disk SERIAL, need_nic MAC - wait for it, print its name
need_disk() {
	wait_for 1200 disk "$1" >/dev/null || die "no disk with serial $1"
	disk "$1"
}

need_nic() {
	wait_for 1200 nic "$1" >/dev/null || die "no interface with address $1"
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

# churn SERIAL DISK - fio fills a piece of a disk and then checks it, again and again, with small
# requests and with large ones at once, until it is told to stop or something is wrong. How it
# ended is then in /run/churn-SERIAL.end, and what it said in /run/churn-SERIAL.log. A block that
# was not written counts as wrong, since each has a number. CHURN is a further option.
churn() {
	fio --filename="/dev/$2" --direct=1 --ioengine=io_uring --iodepth=8 --thread --loops=1000000 \
		--verify=crc32c --verify_fatal=1 --exitall_on_error ${CHURN:+"$CHURN"} \
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

# went_on SERIAL [N] - have there been more than N reads and as many writes since /run/churn-SERIAL.before
# was made? A round is 64 small writes, 16 large ones, and as many reads; N is four rounds if not given.
went_on() {
	awk -v n="${2:-320}" 'FILENAME == ARGV[1] { r = $1; w = $5; seen = 1 }
		FILENAME == ARGV[2] { good = seen && $1 > r + n && $5 > w + n }
		END { exit !good }' "/run/churn-$1.before" "/sys/block/$(cat "/run/churn-$1.disk")/stat"
}

# mark_churn SERIAL...
mark_churn() {
	for s in "$@"; do
		cp "/sys/block/$(cat "/run/churn-$s.disk")/stat" "/run/churn-$s.before" || return
	done
}

# await_churn_by N SERIAL... - until all of them went on by so much
await_churn_by() {
	n=$1
	shift
	for s in "$@"; do
		wait_for 2400 went_on "$s" "$n" || {
			cat "/run/churn-$s.log"
			die "no I/O on $s"
		}
	done
}

# await_churn SERIAL... - until all of them went on
await_churn() {
	await_churn_by 320 "$@"
}

# start_churn SERIAL...
start_churn() {
	# What a failed test left behind: two of them on a disk would find each other's data.
	for pid in /run/churn-*.pid; do
		if [ -e "$pid" ] && [ ! -e "${pid%.pid}.end" ]; then
			kill "$(cat "$pid")"
			wait_for 1200 test -e "${pid%.pid}.end"
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
		wait_for 1200 test -e "/run/churn-$s.end" || die "I/O on $s does not end"
		grep -qx good "/run/churn-$s.end" || {
			cat "/run/churn-$s.log" "/run/churn-$s.end"
			exit 1
		}
	done
}

# churn_breaks SERIAL - the disk is gone: an error ends it. That can be a byte that is wrong, for
# fio: a disk that is gone has no sectors, so that what is read from it is its end, which fio
# compares as if it were data. So a test looks before that whether it still goes on.
churn_breaks() {
	wait_for 2400 test -e "/run/churn-$1.end" || die "I/O on $1 does not end"
	cat "/run/churn-$1.log" "/run/churn-$1.end"
	! grep -qx good "/run/churn-$1.end" || die "no error"
	grep -Eq 'err= *[1-9]' "/run/churn-$1.log" || die "what ended it is no error of the disk"
}

# iperf HOST PORT - both ways filled, test after test, until /run/iperf-stop is there. A server
# does not listen for a moment between two tests, or drops who came in it. Each that went well
# is a line in /run/iperf-rounds; /run/iperf-end says how it ended. Each is so many bytes: one of
# a length in time is ended by the server, 40 seconds after that time, whatever still passes.
iperf() {
	tries=0
	while [ ! -e /run/iperf-stop ]; do
		if iperf3 -c "$1" -p "$2" --bidir -n 32M --rcv-timeout 600000 >/run/iperf.log 2>&1; then
			echo >>/run/iperf-rounds
			tries=0
		elif [ "$tries" -lt 50 ] && grep -Eq 'unable to connect|reset by peer|busy' /run/iperf.log &&
			! grep -q 'connected to' /run/iperf.log; then
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
	wait_for 2400 enough "$1" || {
		tail -n 30 /run/iperf.log
		die "iperf3 does not go on"
	}
}

# iperf_breaks - its card is gone: it ends, and not well. A connection that has something to send
# is given up after a few tries; one that waits for the server's last word would do so for ever.
iperf_breaks() {
	echo 3 >/proc/sys/net/ipv4/tcp_retries2
	wait_for 600 test -e /run/iperf-end || killall iperf3
	wait_for 1200 test -e /run/iperf-end || die "iperf3 does not end"
	echo 15 >/proc/sys/net/ipv4/tcp_retries2
	! grep -qx good /run/iperf-end || die "it goes on without its card"
}

# connected PORT - is there a TCP connection to that port?
connected() {
	awk -v port="$(printf ':%04X$' "$1")" \
		'$3 ~ port && $4 == "01" { found = 1 } END { exit !found }' /proc/net/tcp
}

# no_leaks - memory that nothing points to any more, where the kernel looks for such. It says
# nothing of what is younger than five seconds, nor of what is new since its last look.
no_leaks() {
	kmemleak=/sys/kernel/debug/kmemleak
	case $(uname -r) in
	*-airlock-debug) ;;
	*) return 0 ;;
	esac
	for i in 1 2 3 4; do
		sleep 6
		# Once it has run out of memory itself it looks no more, and says so only here.
		echo scan >"$kmemleak" || die "the kernel does not look for leaks"
		[ "$i" = 1 ] || [ -n "$(cat "$kmemleak")" ] || return 0
	done
	die "$(cat "$kmemleak")"
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

# leaks_hold_airlock - without the function drivers it does not go, for it knows of pages that leaked
leaks_hold_airlock() {
	rmmod airlock_net airlock_blk || return
	! rmmod airlock 2>/dev/null || die "it has gone"
	airlockctl audit | grep leaked
}

# sentinel_load [MIB] - fill the kernel's memory with the secret /token; half of it is let go at once
# and still has it
sentinel_load() {
	insmod /sentinel.ko "mib=${1:-16}" "token=$(hexdump -v -e '1/1 "%02x"' /token)"
}

# canary_start MIB - hold the secret /token; returns when it is in memory
canary_start() {
	canary /token /tmp/canary /run/canary "$1" >/run/canary.log 2>&1 &
	echo $! >/run/canary.pid
	wait_for 1200 grep -qs alive /run/canary || {
		cat /run/canary.log
		return 1
	}
}

# canary_end - stop; 1 when the memory is not what it was
canary_end() {
	kill "$(cat /run/canary.pid)"
	wait_for 1200 negated grep -qs alive /run/canary
	grep -q intact /run/canary || {
		cat /run/canary
		return 1
	}
}
