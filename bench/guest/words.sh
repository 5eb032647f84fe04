# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0
#
# More words for scripts that run in the guest (tests/machine/guest.sh): load, and measuring it.
#
# Theory
#   A load is a command that goes on until it is killed. measure starts one, has meter (meter.c)
#   look at the kernel's counters in its midst, and ends it. What the load says is shown only
#   when something is wrong.
DISK=$(cat /run/disk 2>/dev/null)
NIC=$(cat /run/nic 2>/dev/null)

# begin airlock|mainline MAC ADDRESS/BITS - load the drivers. Requests are not sorted: how
# they would be is no matter of the driver, and only for disks of some drivers the default.
begin() {
	case $1 in
	airlock) modprobe -a airlock_blk airlock_net ;;
	mainline) mainline ;;
	esac || die "no drivers"
	modprobe pktgen || die "no pktgen"
	need_disk main >/run/disk || die "$(cat /run/disk)"
	need_nic "$2" >/run/nic || die "$(cat /run/nic)"
	echo none >"/sys/block/$(cat /run/disk)/queue/scheduler"
	up "$2" "$3"
}

# disk_load RW BYTES DEPTH
disk_load() {
	exec fio --name=load --filename="/dev/$DISK" --rw="$1" --bs="$2" --iodepth="$3" \
		--direct=1 --ioengine=io_uring --thread --norandommap --gtod_reduce=1 \
		--time_based --runtime=3600
}

# net_load WORD... - of flow (flow.c)
net_load() {
	exec flow "$@"
}

# frames_load ADDRESS MAC - the kernel's own generator sends frames of 64 bytes, of which
# the card adds the last four
frames_load() {
	echo rem_device_all >/proc/net/pktgen/kpktgend_0
	echo "add_device $NIC" >/proc/net/pktgen/kpktgend_0
	for word in 'count 0' 'pkt_size 60' 'clone_skb 0' 'delay 0' "dst $1" "dst_mac $2"; do
		echo "$word" >"/proc/net/pktgen/$NIC" || exit
	done
	echo start >/proc/net/pktgen/pgctrl
}

# start LOAD WORD...
start() {
	"$@" >/run/load.log 2>&1 &
	echo $! >/run/load
}

# stop - end it; 1, and what it said, when it had ended by itself
stop() {
	kill -KILL "$(cat /run/load)" || {
		cat /run/load.log
		return 1
	}
	wait
}

# measure SECONDS COUNTER LOAD WORD...
measure() {
	seconds=$1 counter=$2
	shift 2
	start "$@"
	meter "$seconds" "$counter" "$DISK" "$NIC" && measured=0 || measured=1
	stop && return "$measured"
}

# count_doorbells yes|no - by probes of the function that writes to a device's doorbell
# register and does so each time it is called, which each of the drivers has
count_doorbells() {
	tracing=/sys/kernel/debug/tracing
	function=airlock_queue_kick
	grep -q "^airlock " /proc/modules || function=vp_notify
	# Hits are counted all the same.
	echo 0 >$tracing/tracing_on
	if [ "$1" = yes ]; then
		echo "p:doorbell $function" >$tracing/kprobe_events &&
			echo 1 >$tracing/events/kprobes/enable
	elif [ -e $tracing/events/kprobes ]; then
		echo 0 >$tracing/events/kprobes/enable && echo >$tracing/kprobe_events
	fi
}

# symbols - write the kernel's symbols to the disk, for the host to read
symbols() {
	{
		grep -i ' [tw] ' /proc/kallsyms
		echo end
	} | dd of="/dev/$DISK" bs=64k conv=fsync 2>/dev/null
}

# shared - what the drivers share, "what bytes" a line
shared() {
	if [ -e /sys/kernel/debug/airlock/regions ]; then
		for what in "disk /sys/block/$DISK" "nic /sys/class/net/$NIC"; do
			awk -v pci="$(pci_of "${what#* }")" -v what="${what%% *}" \
				'$1 == pci { sum += $4 } END { print what, sum }' \
				/sys/kernel/debug/airlock/regions
		done
	else
		# Its slots are of 2 KiB. The log has the size, too, but not for long: it fills with full pools.
		slots=/sys/kernel/debug/swiotlb/io_tlb_nslabs
		# A machine of 1 GiB that need not bounce has none.
		[ -e "$slots" ] && echo "swiotlb $(($(cat "$slots") * 2048))" || echo "swiotlb 0"
	fi
}
