# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
#
# A second QEMU, to which a running guest moves. Sourced after machine.sh.
#
# Theory
#   move_arrivals, when the machine has booted, starts another QEMU on the same command line, which
#   waits for the guest; its devices are those of another back-end, there, each with the name that
#   it has here. It has lines of its own, since both would read one. move_begin, move_copied and move_end
#   have the guest move; move_arrived says that from here on it is there: once in the test that moved it,
#   which is a subshell, and once after it.
#
#   QEMU's TCG loses writes of the guest itself. What was written to since the last look is asked for
#   once for each pass of the copying; at that the processors' TLBs are to forget which pages they may write
#   to without saying so, and they do not (before QEMU 9.0), or do not always: what is written to by way
#   of such an entry, after the page was copied, is lost, and the guest dies of old pages of its kernel.
#   So there are few passes, nearly nothing is copied after the first one until the guest stands
#   still (and then all is, at once), and move_kernel has the kernel change its page tables, and with that
#   flush QEMU's TLBs, whenever it is entered or left.
#
#   That kernel does not clear pages that it allocates, either: what it has written to is copied at the end in
#   any case, with what a device wrote there, whether that was marked or not.

# move_kernel - between machine_new and machine_boot, for a machine whose guest is to move
move_kernel() {
	M_APPEND+=' pti=on init_on_alloc=0 init_on_free=0'
}

# move_arrivals FROM TO - the back-end whose devices are here, and that which has them there
move_arrivals() {
	local run=() arg args=()

	[ -z "$NET" ] || run=(ip netns exec "$NET")
	M_HERE=$M_PID
	for arg in "${M_ARGS[@]}"; do
		arg=${arg//"$WORK/$1.d/"/"$WORK/$2.d/"}
		case $arg in
		file,id=console,*) arg+=,append=on ;;
		chardev:control) arg=chardev:control-there ;;
		chardev=qmp,*) arg=chardev=qmp-there,mode=control ;;
		esac
		args+=("$arg")
	done
	M_ARGS=("${args[@]}" -incoming "unix:$WORK/arrivals")
	machine_line control-there
	M_CONTROL_THERE=$LINE
	exec {M_ANSWERS_THERE}<"$WORK/control-there.log"
	machine_line qmp-there
	M_QMP_THERE=$LINE
	machine_start "${run[@]}"
	M_THERE=$M_PID M_PID=$M_HERE
	printf '%s\n' '{"execute":"qmp_capabilities"}' >&"$M_QMP_THERE"
	wait_for 120 move_waits_or_gone
	gone "$M_THERE" && die "the QEMU to move to does not start: $(cat "$WORK/qemu.log")"
	return 0
}

move_waits_or_gone() {
	[ -S "$WORK/arrivals" ] || gone "$M_THERE"
}

# move_begin MIB - let the guest move, with so many MiB a second, which are not to be enough for all
move_begin() {
	M_MOVES_FROM=$(machine_line_end qmp)
	machine_qmp '{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"events","state":true}]}}'
	machine_qmp "{\"execute\":\"migrate-set-parameters\",\"arguments\":{\"max-bandwidth\":$(($1 << 20)),\"downtime-limit\":1}}"
	machine_qmp "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:$WORK/arrivals\"}}"
}

# move_said REGEX - since it began, or the move failed
move_said() {
	machine_qmp_has "$M_MOVES_FROM" "$1\\|\"status\": \"failed\"\\|\"error\"" || gone "$M_HERE"
}

move_await() {
	wait_for 600 move_said "$1" && machine_qmp_has "$M_MOVES_FROM" "$1" || {
		machine_line_from qmp "$M_MOVES_FROM"
		cat "$WORK/qemu.log"
		fail "the guest does not move"
	}
}

# move_copied - until all of its memory was copied once. From then on next to nothing is, until the end
move_copied() {
	move_await 'MIGRATION_PASS.*"pass": 2[^0-9]'
	machine_qmp '{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":262144}}'
}

# move_end - let the guest stand still for as long as the rest takes; until it is there, and not here
move_end() {
	machine_qmp '{"execute":"migrate-set-parameters","arguments":{"downtime-limit":2000000}}'
	move_await '"status": "completed"'
	wait_for 600 grep -q '"RESUME"' "$WORK/qmp-there.log" || fail "the guest does not go on there"
	machine_qmp '{"execute":"quit"}'
	wait_for 300 gone "$M_HERE"
	: >"$WORK/moved"
}

# move_complaints - machine_complaints, of where the guest is
move_complaints() {
	[ ! -e "$WORK/moved" ] || move_arrived
	machine_complaints
}

# move_arrived - what is said to the machine is said there
move_arrived() {
	M_PID=$M_THERE M_CONTROL=$M_CONTROL_THERE M_ANSWERS=$M_ANSWERS_THERE M_QMP=$M_QMP_THERE
}
