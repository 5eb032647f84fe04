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
#   generous: it is there to end a hang, not to measure. A machine that missed a
#   deadline or ended is dead (WORK/dead says why): each later guest fails at once.
#
#   Every device is behind a root port of its own, so that it can be unplugged.
# shellcheck source=tests/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
. "$TOP/tests/machine/network.sh"
. "$TOP/tests/machine/backend.sh"
. "$TOP/tests/machine/kinds.sh"

# What no guest may ever say.
readonly M_SPLAT='BUG|WARNING|Oops|general protection|Call Trace|unable to handle|'\
'possible recursive locking|inconsistent lock state|INFO: possible|INFO: task|'\
'blocked for more than|soft lockup|hard LOCKUP|self-detected stall|detected stalls|'\
'KASAN|UBSAN|kmemleak|Bad page|bad page|refcount_t|scheduling while atomic|Kernel panic'

# machine_new KIND [WINDOW_MIB] - sets WORK
machine_new() {
	M_WINDOW_MIB=${2:-16}
	M_KIND=$1 M_ARGS=() M_PORTS=0 M_PID=''
	declare -F "machine_kind_$1" >/dev/null || die "no machine is of kind $1"
	work_dir machine
	echo 0 >"$WORK/log-mark"
	M_NONCE=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	"machine_kind_$1"
	command -v "$M_QEMU" >/dev/null || die "$M_QEMU is not installed: run tests/lib/install.sh"
}

# need_machine - end the tests here, with the reason, where no machine can be
need_machine() {
	local why

	why=$(net_why_not)
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
		-chardev "socket,id=$id-chardev,path=$SOCKET"
		-device "vhost-user-blk-pci,id=$id,chardev=$id-chardev,bus=$PORT,disable-legacy=on,iommu_platform=on,num-queues=1${5:+,$5}"
	)
}

# machine_nic ID MAC tap=NAME|stream=SOCKET [BACKEND [QEMU-OPTIONS]]
machine_nic() {
	local id=$1 backend=${4:-airlockd}

	backend_device "$backend" "$id" "type=net,$3"
	machine_port
	M_ARGS+=(
		-chardev "socket,id=$id-chardev,path=$SOCKET"
		-netdev "vhost-user,id=$id-netdev,chardev=$id-chardev"
		-device "virtio-net-pci,id=$id,netdev=$id-netdev,mac=$2,bus=$PORT,disable-legacy=on,iommu_platform=on,romfile=${M_NIC_OPTIONS:+,$M_NIC_OPTIONS}${5:+,$5}"
	)
}

# machine_pipe NAME - two pipes for a character device; sets PIPE_IN, PIPE_OUT (numbers)
machine_pipe() {
	mkfifo "$WORK/$1.in" "$WORK/$1.out"
	exec {PIPE_IN}<>"$WORK/$1.in" {PIPE_OUT}<>"$WORK/$1.out"
	M_ARGS+=(-chardev "pipe,id=$1,path=$WORK/$1")
}

# machine_boot [FILE...] - start back-ends and QEMU, wait for the guest. Each FILE is
# put into the guest's root directory.
machine_boot() {
	local backend

	eval "$("$TOP/tests/lib/kernel.sh")"
	"$TOP/tests/machine/initramfs.sh" "$WORK/initramfs" "$@"
	for backend in "${BACKENDS[@]}"; do
		backend_start "$backend"
	done

	M_ARGS+=(-chardev "file,id=console,path=$WORK/console.log" -serial chardev:console)
	machine_pipe control
	M_CONTROL_IN=$PIPE_IN M_CONTROL_OUT=$PIPE_OUT
	machine_pipe qmp
	M_QMP_IN=$PIPE_IN M_QMP_OUT=$PIPE_OUT
	M_ARGS+=(-serial chardev:control -mon chardev=qmp,mode=control)

	"$M_QEMU" -name "airlock-test-$M_KIND" -nodefaults -no-user-config -display none \
		-no-reboot -boot strict=on -smp 2 -m "$M_MEMORY_MIB" -kernel "$VMLINUZ" -initrd "$WORK/initramfs" \
		-append "console=ttyS0 loglevel=5 panic=-1 test.nonce=$M_NONCE" \
		"${M_ARGS[@]}" >"$WORK/qemu.log" 2>&1 </dev/null &
	M_PID=$!
	on_exit stop_pid "$M_PID"
	machine_answer 120 >/dev/null || {
		machine_logs
		die "the guest did not boot: $(cat "$WORK/dead" 2>/dev/null)"
	}
	machine_qmp '{"execute":"qmp_capabilities"}'
}

machine_ended() {
	[ -e "$WORK/dead" ] || [ -e "$WORK/off" ]
}

# machine_dead WORD... - no more commands to this machine, because of that
machine_dead() {
	[ -e "$WORK/dead" ] || printf '%s\n' "$*" >"$WORK/dead"
	printf '%s\n' "$*"
}

# machine_answer SECONDS - what comes on the control line until the answer is
# complete, to stdout; returns the status it ends with; 125 when the machine is dead
machine_answer() {
	local end=$((SECONDS + $1)) line='' part output=''

	while :; do
		if IFS= read -r -t 1 -u "$M_CONTROL_OUT" part; then
			line+=$part
			case $line in
			"@$M_NONCE ready") return 0 ;;
			"@$M_NONCE "*)
				output=${output%$'\n'}
				[ -z "$output" ] || printf '%s\n' "${output%$'\n'}"
				return "${line##* }"
				;;
			esac
			output+=$line$'\n'
			line=
			continue
		fi
		line+=$part
		if gone "$M_PID"; then
			machine_dead "the machine ended"
			return 125
		elif [ "$SECONDS" -ge "$end" ]; then
			printf '%s' "$output"
			machine_dead "no answer in $1 seconds"
			return 125
		fi
	done
}

machine_tell() {
	printf '%s\n' "$1" >&"$M_CONTROL_IN"
}

# guest [-t SECONDS] SCRIPT
guest() {
	local deadline=60

	if [ "$1" = -t ]; then
		deadline=$2
		shift 2
	fi
	if [ -e "$WORK/dead" ]; then
		printf 'the machine is dead: %s\n' "$(cat "$WORK/dead")"
		return 125
	fi
	machine_tell "$(printf '%s\n' "$1" | base64 -w 0)"
	machine_answer "$deadline"
}

# ---- the guest's log --------------------------------------------------------

# machine_log_has REGEX - was it said since the mark, until now?
machine_log_has() {
	machine_log_flush || true
	machine_log_since | grep -aqE -e "$1"
}

# machine_log_flush - wait until all that the guest's kernel said is in console.log
machine_log_flush() {
	local word="airlock-test-mark-$RANDOM$RANDOM"

	! machine_ended || return 0
	guest "echo $word >/dev/kmsg" >/dev/null && wait_for 20 grep -aq "$word" "$WORK/console.log"
}

# machine_log_mark - forget what was said until now
machine_log_mark() {
	machine_log_flush || true
	stat -c %s "$WORK/console.log" >"$WORK/log-mark"
}

# machine_log_since - what was said since the mark
machine_log_since() {
	tail -c "+$(($(cat "$WORK/log-mark") + 1))" "$WORK/console.log" | tr -d '\r' |
		grep -av airlock-test-mark || true
}

# machine_splats - what must not be in the log since the mark; nothing is good
machine_splats() {
	machine_log_since | grep -aE "$M_SPLAT" || true
}

# machine_complaints - all that is wrong with machine and back-ends since the last
# time it was asked; nothing is good. For TAP_ALSO.
machine_complaints() {
	machine_log_flush || true
	[ ! -e "$WORK/dead" ] || printf 'the machine is dead: %s\n' "$(cat "$WORK/dead")"
	machine_splats
	backend_complaints
	stat -c %s "$WORK/console.log" >"$WORK/log-mark"
}

# machine_logs - the last lines of the logs that tell most, to stderr
machine_logs() {
	local backend

	last_lines "$WORK/console.log"
	last_lines "$WORK/qemu.log" 5
	for backend in "${BACKENDS[@]}"; do
		last_lines "$WORK/$backend.log" 10
	done
}

# ---- the machine from outside -----------------------------------------------

# machine_qmp COMMAND - send it
machine_qmp() {
	printf '%s\n' "$1" >&"$M_QMP_IN"
}

# machine_qmp_wait SECONDS REGEX - until QEMU says a line that matches
machine_qmp_wait() {
	local end=$((SECONDS + $1)) line='' part

	while [ "$SECONDS" -lt "$end" ] && ! gone "$M_PID"; do
		IFS= read -r -t 1 -u "$M_QMP_OUT" part || {
			line+=$part
			continue
		}
		line+=$part
		[[ ! $line =~ $2 ]] || return 0
		line=
	done
	return 1
}

# machine_unplug ID - ask the guest to give the device back; 1 when it does not
machine_unplug() {
	machine_qmp "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"$1\"}}"
	machine_qmp_wait 60 "DEVICE_DELETED.*\"device\": \"$1\""
}

# machine_off - 1 when the guest does not power off by itself
machine_off() {
	[ ! -e "$WORK/dead" ] || return 1
	: >"$WORK/off"
	machine_tell poweroff
	wait_for 60 gone "$M_PID"
}
