# shellcheck shell=bash disable=SC2034,SC2054
# SPDX-License-Identifier: GPL-2.0
#
# A test machine: QEMU, a guest that does what it is told, and the back-ends.
# Sourced by tests and by the demo.
#
# Theory
#   machine_new KIND; machine_disk, machine_nic ...; machine_boot; then
#   guest SCRIPT as often as wanted; machine_off. One machine for one process.
#   Everything is in WORK: console.log (the kernel's messages), qemu.log, one log for
#   each back-end. What was started is stopped when the script ends.
#
#   guest sends a shell script over the control line (tests/machine/init has the
#   protocol), prints what it printed, and returns its status. Its deadline is
#   generous: it is there to end a hang, not to measure, and -t makes it longer, never
#   shorter. It must be longer than what the script itself waits for. A machine that missed a
#   deadline or ended is dead (WORK/dead says why): each later guest fails at once.
#
#   RING in the environment, "packed", has devices offer packed rings.
#   M_RECONNECT, in seconds, has QEMU look for a back-end again that has gone.
#   M_BOOTS_IN, in seconds, is how long a guest may take to boot; a kernel with sanitizers on a loaded
#   machine needs a good part of what it has unless something else is said. A guest that has not come
#   so far as to listen in that time, with nothing of ours in it yet, is started anew, and that is said:
#   now and then a kernel hangs in its first second on a loaded machine. M_INITRAMFS names an archive
#   of initramfs.sh to be used in the place of one of the machine's own.
#   M_BOOT and M_APPEND, to be changed between machine_new and machine_boot, say what the
#   firmware does with disks, and more words of the kernel's command line. The environment
#   says CPUS, how many the guest has, and KERNEL_SERIES.
#
#   The kernel is not to try whether timers interrupt: it gives them so little time for that that on a
#   loaded machine it panics instead. And it is to be patient with processors, and tasks (init has
#   those), that do not get on: who is given no time by the host is not stuck. Without KVM the kernel
#   believes that the clocks of its processors differ, which are all one, and asks a device for the
#   time, one processor after the other: half of what four of them did on the debug kernel was that.
#
#   Every device is behind a root port of its own, so that it can be unplugged.
#
#   A machine that cannot have a second processor is emulated without any barrier and any locked
#   instruction (QEMU's mttcg_start_vcpu_thread()), as if nobody else saw its memory. A back-end
#   does: kicks and calls get lost. So each can have two, whether it has them or not.
# shellcheck source=tests/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
. "$TOP/tests/machine/network.sh"
. "$TOP/tests/machine/backend.sh"
. "$TOP/tests/machine/kinds.sh"
. "$TOP/tests/machine/memory.sh"

# What no command ends with: the guest did not understand it.
readonly M_AGAIN=254
# What no guest may ever say.
readonly M_SPLAT='BUG|WARNING|Oops|general protection|Call Trace|unable to handle|'\
'possible recursive locking|inconsistent lock state|INFO: possible|INFO: task|'\
'blocked for more than|soft lockup|hard LOCKUP|self-detected stall|detected stalls|'\
'KASAN|UBSAN|Bad page|bad page|refcount_t|scheduling while atomic|Kernel panic|'\
'stalled pool shutdown|kmemleak: Cannot|leak detector disabled'

# Not to try timers and clocks; and in seconds, before the kernel calls a processor stuck that holds up
# RCU, and half of that for one that schedules nothing, which is at most 60.
readonly M_PATIENCE='no_timer_check tsc=reliable rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60'

# machine_new KIND [WINDOW_MIB] - sets WORK
machine_new() {
	M_WINDOW_MIB=${2:-16}
	M_KIND=$1 M_ARGS=() M_PORTS=0 M_PID='' M_CPUS=${CPUS:-2}
	M_BOOT=(-boot strict=on) M_APPEND=''
	M_VIRTIO=disable-legacy=on,iommu_platform=on
	[ "${RING:-split}" = split ] || M_VIRTIO+=,packed=on
	declare -F "machine_kind_$1" >/dev/null || die "no machine is of kind $1"
	work_dir machine
	echo 0 >"$WORK/log-mark"
	M_NONCE=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	"machine_kind_$1"
	command -v "$M_QEMU" >/dev/null || die "$M_QEMU is not installed: run tests/lib/install.sh"
}

# machine_why_not KIND - why there can be no machine of that kind here; nothing when there can
machine_why_not() {
	net_why_not
	[ "$1" != sev ] || { "$TOP/tests/machine/emulator.sh" >/dev/null || true; } 2>&1
	{ "$TOP/tests/lib/kernel.sh" >/dev/null || true; } 2>&1
}

# need_machine [KIND] - end the tests here, with the reason, where none of that kind can be
need_machine() {
	local why

	why=$(machine_why_not "${1:-${MACHINE:-window}}" | head -n 1)
	[ -z "$why" ] || tap_skip_all "$why"
}

# machine_port - one more root port; sets PORT
machine_port() {
	M_PORTS=$((M_PORTS + 1))
	PORT=port$M_PORTS
	M_ARGS+=(-device "pcie-root-port,id=$PORT,chassis=$M_PORTS")
}

# machine_disk ID FILE [BACKEND [OPTIONS [QEMU-OPTIONS]]]
machine_disk() {
	local id=$1 backend=${3:-airlockd}

	backend_device "$backend" "$id" "type=blk,path=$2${4:+,$4}"
	machine_port
	M_ARGS+=(
		-chardev "socket,id=$id-chardev,path=$SOCKET${M_RECONNECT:+,reconnect=$M_RECONNECT}"
		-device "vhost-user-blk-pci,id=$id,chardev=$id-chardev,bus=$PORT,$M_VIRTIO,num-queues=1${5:+,$5}"
	)
}

# machine_nic ID MAC tap=NAME|stream=SOCKET [BACKEND [QEMU-OPTIONS [NETDEV-OPTIONS]]]
machine_nic() {
	local id=$1 backend=${4:-airlockd}

	backend_device "$backend" "$id" "type=net,$3"
	machine_port
	M_ARGS+=(
		-chardev "socket,id=$id-chardev,path=$SOCKET${M_RECONNECT:+,reconnect=$M_RECONNECT}"
		-netdev "vhost-user,id=$id-netdev,chardev=$id-chardev${6:+,$6}"
		-device "virtio-net-pci,id=$id,netdev=$id-netdev,mac=$2,bus=$PORT,$M_VIRTIO,romfile=${M_NIC_OPTIONS:+,$M_NIC_OPTIONS}${5:+,$5}"
	)
}

# machine_disk_and_nic - a disk of 64 MiB with the serial number "main", and a NIC with
# MAC on a tap in a network of its own, where HOST echoes what port 7000 gets
machine_disk_and_nic() {
	truncate -s 64M "$WORK/main.img"
	net_new
	net_tap tap0 "$HOST/24"
	machine_disk main "$WORK/main.img" airlockd serial=main
	machine_nic nic "$MAC" tap=tap0
	net_serve echo 7000 "$BUILD/guest/traffic" serve "$HOST" 7000
}

# machine_qemu_disk ID FILE [QEMU-OPTIONS [DRIVE-OPTIONS]], machine_qemu_nic ID MAC TAP
# [QEMU-OPTIONS [NETDEV-OPTIONS]] - QEMU's own devices, for which there is no back-end; the
# disk's serial number is its ID
machine_qemu_disk() {
	machine_port
	M_ARGS+=(
		-drive "if=none,id=$1-drive,file=$2,format=raw${4:+,$4}"
		-device "virtio-blk-pci,id=$1,drive=$1-drive,serial=$1,bus=$PORT,$M_VIRTIO${3:+,$3}"
	)
}

machine_qemu_nic() {
	machine_port
	M_ARGS+=(
		-netdev "tap,id=$1-netdev,ifname=$3,script=no,downscript=no${5:+,$5}"
		-device "virtio-net-pci,id=$1,netdev=$1-netdev,mac=$2,bus=$PORT,$M_VIRTIO,romfile=${4:+,$4}"
	)
}

# machine_rings - all queues that the guest has open are of the layout RING, "split" or "packed"
machine_rings() {
	guest "cat /sys/kernel/debug/airlock/queues
		grep -q ' ring=${RING:-split} ' /sys/kernel/debug/airlock/queues
		! grep ' ring=' /sys/kernel/debug/airlock/queues | grep -v ' ring=${RING:-split} '"
}

# machine_sentinel - the guest is not to clear or poison what it allocates, but with POISON; sets SENTINEL_KO, the
# module that fills what there is with a secret (sentinel_load), a FILE for machine_boot
machine_sentinel() {
	eval "$("$TOP/tests/lib/kernel.sh")"
	SENTINEL_KO=$BUILD/kmod-test/$KVER/sentinel.ko
	[ -f "$SENTINEL_KO" ] || die "$SENTINEL_KO is missing: build it with make test-modules"
	[ -n "${POISON:-}" ] || M_APPEND+=' init_on_alloc=0 init_on_free=0 page_poison=0'
}

# machine_line NAME - a character device that is written to through a pipe, and whose
# output is collected in WORK/NAME.log; sets LINE, the number to write to
machine_line() {
	mkfifo "$WORK/$1.in" "$WORK/$1.out"
	# The output, too, so that it does not end with a machine that is started anew.
	exec {LINE}<>"$WORK/$1.out" {LINE}<>"$WORK/$1.in"
	: >"$WORK/$1.log"
	cat <"$WORK/$1.out" >"$WORK/$1.log" &
	disown "$!"
	on_exit stop_pid "$!"
	M_ARGS+=(-chardev "pipe,id=$1,path=$WORK/$1")
}

# machine_line_end NAME - where the next output of the line will begin
machine_line_end() {
	stat -c %s "$WORK/$1.log"
}

# machine_line_from NAME WHERE - what it said from there on
machine_line_from() {
	tail -c "+$(($2 + 1))" "$WORK/$1.log"
}

# machine_boot [FILE...] - start back-ends and QEMU, wait for the guest. Each FILE is
# put into the guest's root directory.
machine_boot() {
	local backend run=() try boots_in=150

	# One of Debian's takes eight, alone; when it hangs in its first (tests/kernel/build.sh), the next will not.
	[[ " $KERNELS_BUILT " != *" $KERNEL_SERIES "* ]] || boots_in=600
	eval "$("$TOP/tests/lib/kernel.sh")"
	[ -n "${M_INITRAMFS:-}" ] || "$TOP/tests/machine/initramfs.sh" "$WORK/initramfs" "$@"
	for backend in "${BACKENDS[@]}"; do
		backend_start "$backend"
	done

	M_ARGS+=(-chardev "file,id=console,path=$WORK/console.log" -serial chardev:console)
	machine_line control
	M_CONTROL=$LINE
	# Subshells go on where this one, or another, has stopped to read.
	exec {M_ANSWERS}<"$WORK/control.log"
	machine_line qmp
	M_QMP=$LINE
	M_ARGS+=(-serial chardev:control -mon chardev=qmp,mode=control)

	[ -z "$NET" ] || run=(ip netns exec "$NET")
	for try in 1 2 3; do
		machine_skip
		machine_start "${run[@]}"
		! machine_answer "${M_BOOTS_IN:-$boots_in}" >/dev/null || break
		[ "$try" -lt 3 ] || {
			machine_logs
			die "the guest did not boot: $(cat "$WORK/dead" 2>/dev/null)"
		}
		say "machine.sh: the guest did not boot ($(cat "$WORK/dead")), the next try"
		last_lines "$WORK/console.log" 3
		stop_pid "$M_PID" || true
		rm "$WORK/dead"
	done
	machine_qmp '{"execute":"qmp_capabilities"}'
}

# machine_start [COMMAND WORD...] - QEMU, by that
machine_start() {
	"$@" "$M_QEMU" -name "airlock-test-$M_KIND" -nodefaults -no-user-config -display none \
		-no-reboot "${M_BOOT[@]}" -smp "$M_CPUS,maxcpus=$((M_CPUS > 1 ? M_CPUS : 2))" -m "$M_MEMORY_MIB" -kernel "$VMLINUZ" -initrd "${M_INITRAMFS:-$WORK/initramfs}" \
		-append "console=ttyS0 loglevel=5 panic=-1 $M_PATIENCE test.nonce=$M_NONCE $M_APPEND" \
		"${M_ARGS[@]}" >"$WORK/qemu.log" 2>&1 </dev/null &
	M_PID=$!
	on_exit stop_pid "$M_PID"
}

machine_ended() {
	[ -e "$WORK/dead" ] || [ -e "$WORK/off" ]
}

# machine_dead WORD... - no more commands to this machine, because of that
machine_dead() {
	[ -e "$WORK/dead" ] || printf '%s\n' "$*" >"$WORK/dead"
	printf '%s\n' "$*"
}

# machine_skip - what has come on the control line until now is no answer to what is said next
machine_skip() {
	local line

	while IFS= read -r line <&"$M_ANSWERS"; do
		:
	done
}

# machine_reads - go on to read the control line; 1 when there is no answer yet. For its caller's
# OUTPUT, what came before the answer; PART, of a line; ANSWER, the answer
machine_reads() {
	local line

	while IFS= read -r line <&"$M_ANSWERS"; do
		line=$PART$line PART=''
		if [[ $line == "@$M_NONCE "* ]]; then
			ANSWER=${line#"@$M_NONCE "}
			return 0
		fi
		OUTPUT+=$line$'\n'
	done
	PART+=$line
	return 1
}

machine_answered_or_gone() {
	machine_reads || gone "$M_PID"
}

# machine_answer SECONDS - what comes on the control line until the answer is complete, to stdout,
# without empty lines at its end; returns the status it ends with; 125 when the machine is dead
machine_answer() {
	local OUTPUT='' PART='' ANSWER=''

	wait_for "$1" machine_answered_or_gone || true
	[ -n "$ANSWER" ] || machine_reads || true
	while [[ $OUTPUT == *$'\n' ]]; do
		OUTPUT=${OUTPUT%$'\n'}
	done
	[ -z "$OUTPUT" ] || printf '%s\n' "$OUTPUT"
	case $ANSWER in
	'')
		if gone "$M_PID"; then
			machine_dead "the machine ended"
		else
			machine_dead "no answer in $1 seconds"
		fi
		return 125
		;;
	ready) return 0 ;;
	again) return "$M_AGAIN" ;;
	*) return "$ANSWER" ;;
	esac
}

machine_tell() {
	printf '%s\n' "$1" >&"$M_CONTROL"
}

# machine_run SECONDS SCRIPT - have the guest run it, until it has understood; prints and returns
# what machine_answer() does
machine_run() {
	local LC_ALL=C script status=$M_AGAIN

	# No blank at either end, for the shell that reads it.
	script='\n'${2//\\/\\\\}'\n'
	script=${script//$'\n'/\\n}
	while [ "$status" -eq "$M_AGAIN" ]; do
		status=0
		machine_skip
		machine_tell "${#script} $script"
		machine_answer "$1" || status=$?
	done
	return "$status"
}

# guest [-t SECONDS] SCRIPT
guest() {
	local deadline=300

	if [ "$1" = -t ]; then
		[ "$2" -le "$deadline" ] || deadline=$2
		shift 2
	fi
	if [ -e "$WORK/dead" ]; then
		printf 'the machine is dead: %s\n' "$(cat "$WORK/dead")"
		return 125
	fi
	machine_run "$deadline" "$1"
}

# ---- the guest's log --------------------------------------------------------

# machine_log_has REGEX - was it said since the mark, until now?
machine_log_has() {
	machine_log_flush || true
	machine_log_since | grep -aqE -e "$1"
}

# machine_refused N REGEX - since the mark airlock has refused N devices for that reason, and
# none has more than one line that says so; in a test. The lines, each from the device's PCI
# address on, are in WORK/refused then.
machine_refused() {
	machine_log_flush || true
	machine_log_since | sed -n 's/.* airlock \(0000:[0-9a-f:.]*: refused: .*\)/\1/p' \
		>"$WORK/refused"
	cat "$WORK/refused"
	[ "$(grep -cE ": refused: $2" "$WORK/refused")" -eq "$1" ] ||
		fail "not refused $1 times, or for another reason than: $2"
	[ -z "$(cut -d ' ' -f 1 "$WORK/refused" | sort | uniq -d)" ] ||
		fail "it is said of a device more than once"
}

# machine_log_flush - wait until all that the guest's kernel said is in console.log
machine_log_flush() {
	local word="airlock-test-mark-$RANDOM$RANDOM"

	! machine_ended || return 0
	guest "echo $word >/dev/kmsg" >/dev/null && wait_for 120 grep -aq "$word" "$WORK/console.log"
}

# machine_log_end - how long the log is, with all that the guest's kernel said
machine_log_end() {
	machine_log_flush || true
	stat -c %s "$WORK/console.log"
}

# machine_log_from WHERE - what the log has from there on
machine_log_from() {
	tail -c "+$(($1 + 1))" "$WORK/console.log" | tr -d '\r' | grep -av airlock-test-mark || true
}

# machine_log_mark - forget what was said until now
machine_log_mark() {
	machine_log_end >"$WORK/log-mark"
}

# machine_log_since - what was said since the mark
machine_log_since() {
	machine_log_from "$(cat "$WORK/log-mark")"
}

# machine_splats - what must not be in the log since the mark; nothing is good. A data race that no
# function of our modules has a part in is the kernel's own.
machine_splats() {
	machine_log_since | awk '/BUG: KCSAN:/ { race = 1; text = "" }
		!race { print }
		race { text = text $0 "\n" }
		race && /==========/ { race = 0; if (text ~ /\[airlock/) printf "%s", text }
		END { if (race) printf "%s", text }' | grep -aE "$M_SPLAT" || true
}

# machine_complaints - all that is wrong with machine and back-ends since the last
# time it was asked; nothing is good. For TAP_ALSO.
machine_complaints() {
	local end

	end=$(machine_log_end)
	[ ! -e "$WORK/dead" ] || printf 'the machine is dead: %s\n' "$(cat "$WORK/dead")"
	machine_splats
	backend_complaints
	printf '%s\n' "$end" >"$WORK/log-mark"
}

# machine_logs - the last lines of the logs that tell most, to stderr, once
machine_logs() {
	local backend

	[ -z "${M_LOGGED:-}" ] || return 0
	M_LOGGED=yes
	last_lines "$WORK/console.log"
	last_lines "$WORK/qemu.log" 5
	for backend in "${BACKENDS[@]}"; do
		last_lines "$WORK/$backend.log" 10
	done
}

# ---- the machine from outside -----------------------------------------------

# machine_qmp COMMAND - send it
machine_qmp() {
	printf '%s\n' "$1" >&"$M_QMP"
}

# machine_qmp_has WHERE REGEX - was it said since then?
machine_qmp_has() {
	machine_line_from qmp "$1" | grep -q "$2"
}

# machine_unplug ID - ask the guest to give the device back; 1 when it does not
machine_unplug() {
	local where

	where=$(machine_line_end qmp)
	machine_qmp "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"$1\"}}"
	wait_for 300 machine_qmp_has "$where" "DEVICE_DELETED.*\"device\": \"$1\""
}

# machine_search TOKEN [BACKEND] - look for that in all that the host side sees: the back-end's
# memory, what it has open, what the VMM could hand over. '' for a machine without a back-end. Prints what the search
# (tests/guest/search.c) says, returns its status.
machine_search() {
	local pid=''

	[ -z "${2-airlockd}" ] || pid=${BACKEND_PID[${2-airlockd}]}
	"$BUILD/guest/search" ${pid:+--mapped "$pid" --held "$pid"} --shared "$M_PID" <"$1"
}

# machine_found TOKEN [BACKEND] - for TAP_ALSO: what of it the host side sees; nothing is good
machine_found() {
	machine_search "$@" >"$WORK/found" || {
		echo "something private is seen, or the search is no proof:"
		grep -v ' 0 ' "$WORK/found"
	}
}

# machine_next - load the kernel /vmlinuz with the initramfs /initramfs.next, both of which are
# in the guest, to be started as this machine was
machine_next() {
	guest -t 600 'kexec -l /vmlinuz /initramfs.next /proc/cmdline'
}

# machine_kexec - start it out of the running one
machine_kexec() {
	[ ! -e "$WORK/dead" ] || return 1
	machine_run "${M_BOOTS_IN:-600}" 'kexec -e'
}

# machine_leave - the guest is about to end by itself: no word to it any more
machine_leave() {
	: >"$WORK/off"
}

# machine_off - 1 when the guest does not power off by itself
machine_off() {
	local OUTPUT PART ANSWER=again

	[ ! -e "$WORK/dead" ] || return 1
	guest -t 600 no_leaks || return
	machine_leave
	# Until it has understood, as with machine_run().
	while [ "$ANSWER" = again ]; do
		OUTPUT='' PART='' ANSWER=''
		machine_skip
		machine_tell poweroff
		wait_for 300 machine_answered_or_gone || return
	done
	wait_for 300 gone "$M_PID"
}
