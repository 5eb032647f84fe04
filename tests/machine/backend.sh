# shellcheck shell=bash disable=SC2034,SC2178
# SPDX-License-Identifier: GPL-2.0
#
# The back-ends of a test machine: airlockd processes, and passt beside them.
# Sourced after network.sh.
#
# Theory
#   A back-end has a name and any number of devices, each with a socket in
#   WORK/NAME.d. Devices are collected with backend_device; backend_start starts the
#   process and returns when all its sockets are there. Its log is WORK/NAME.log.
#   It runs as root, because taps want that, or, after backend_unprivileged, as nobody.
#   Which airlockd: AIRLOCKD of the environment if set, else that with sanitizers
#   after backend_sanitized, else the plain one. (A search of a process with
#   sanitizers, which maps terabytes, would not end.) After backend_liar, one that lies on
#   order (tests/hostile/lie.h), told so at WORK/NAME.lies.

AIRLOCKD=${AIRLOCKD:-}
declare -A BACKEND_SOCKETS=() BACKEND_PID=() BACKEND_NOBODY=() BACKEND_LIAR=()
BACKENDS=()

# backend_device NAME ID SPEC - one more --device for that back-end; sets SOCKET
backend_device() {
	local -n devices=backend_devices_$1

	if ! [[ -v BACKEND_SOCKETS[$1] ]]; then
		BACKENDS+=("$1")
		devices=()
		mkdir "$WORK/$1.d"
	fi
	SOCKET=$WORK/$1.d/$2.sock
	BACKEND_SOCKETS[$1]+=" $SOCKET"
	devices+=(--device "$3,socket=$SOCKET,id=$2")
}

# backend_sanitized - the back-ends to come are to notice their own errors
backend_sanitized() {
	AIRLOCKD=${AIRLOCKD:-$BUILD/asan/airlockd}
}

# backend_program - the airlockd to be run
backend_program() {
	printf '%s\n' "${AIRLOCKD:-$BUILD/airlockd}"
}

# backend_unprivileged NAME - let it run as nobody; to be said after backend_device.
# Nobody may not enter each directory that a build can be in: it gets a copy.
backend_unprivileged() {
	BACKEND_NOBODY[$1]=yes
	chmod 711 "$WORK"
	chown nobody:nogroup "$WORK/$1.d"
	install -m 755 "$(backend_program)" "$WORK/airlockd-$1"
}

# backend_liar NAME - it is to lie when it is told to; to be said after backend_device
backend_liar() {
	BACKEND_LIAR[$1]=yes
	mkfifo "$WORK/$1.lies"
	# One that is open at both ends takes a line when nobody reads, too.
	exec {LIES_FD}<>"$WORK/$1.lies"
}

AS_NOBODY=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

# backend_passt NAME SOCKET - Debian's passt as nobody, in the test network; its
# guest gets the address of the namespace's first interface with a default route.
# Where passt may not make its sandbox (a chroot, some containers) it ends, and so
# does this, with 1; why is in WORK/NAME.log.
backend_passt() {
	ip netns exec "$NET" "${AS_NOBODY[@]}" passt --foreground --ipv4-only --socket "$2" \
		--tcp-ports none --udp-ports none >"$WORK/$1.log" 2>&1 </dev/null &
	BACKEND_PID[$1]=$!
	on_exit stop_pid "$!"
	wait_for 120 backend_passt_up_or_gone "$1" "$2"
	[ -S "$2" ] && ! gone "${BACKEND_PID[$1]}"
}

backend_passt_up_or_gone() {
	gone "${BACKEND_PID[$1]}" || [ -S "$2" ]
}

backend_up_or_gone() {
	local socket

	gone "${BACKEND_PID[$1]}" && return
	for socket in ${BACKEND_SOCKETS[$1]}; do
		[ -S "$socket" ] || return
	done
}

# backend_start NAME
backend_start() {
	local -n devices=backend_devices_$1
	local run=() program sandbox=()

	program=$(backend_program)
	[ -x "$program" ] || die "$program is missing: build it with make airlockd tests"
	[ -z "$NET" ] || run=(ip netns exec "$NET")
	if [[ -v BACKEND_NOBODY[$1] ]]; then
		run+=("${AS_NOBODY[@]}")
		program=$WORK/airlockd-$1
	fi
	if [[ -v BACKEND_LIAR[$1] ]]; then
		run+=(env "LIES=$WORK/$1.lies")
		program=$BUILD/hostile/airlockd
		sandbox=(--sandbox off)
	fi
	"${run[@]}" "$program" "${devices[@]}" "${sandbox[@]}" >>"$WORK/$1.log" 2>&1 </dev/null &
	BACKEND_PID[$1]=$!
	# A test may kill it; the shell need not announce that.
	disown "$!"
	on_exit stop_pid "${BACKEND_PID[$1]}"
	if ! wait_for 120 backend_up_or_gone "$1" || gone "${BACKEND_PID[$1]}"; then
		last_lines "$WORK/$1.log"
		die "airlockd ($1) did not start"
	fi
}

# backend_alive NAME
backend_alive() {
	! gone "${BACKEND_PID[$1]}"
}

# backend_kill NAME - at once, whatever it is doing
backend_kill() {
	kill -KILL "${BACKEND_PID[$1]}"
	wait_for 120 gone "${BACKEND_PID[$1]}"
}

# backend_pause NAME - it stands still, as one may that waits for its disk
backend_pause() {
	on_exit backend_resume "$1"
	kill -STOP "${BACKEND_PID[$1]}"
}

# backend_resume NAME
backend_resume() {
	kill -CONT "${BACKEND_PID[$1]}"
}

# backend_stop NAME - as a user does; 1 when it does not end
backend_stop() {
	kill -TERM "${BACKEND_PID[$1]}" && wait_for 120 gone "${BACKEND_PID[$1]}"
}

# backend_stop_all - those that still run: as a test, the last one, so that what a
# sanitizer says at the end is seen
backend_stop_all() {
	local name

	for name in "${BACKENDS[@]}"; do
		! backend_alive "$name" || backend_stop "$name" ||
			fail "airlockd ($name) does not end on SIGTERM"
	done
}

# backend_complaints - what sanitizers said in any log; nothing is good
backend_complaints() {
	local name

	for name in "${BACKENDS[@]}"; do
		grep -aE 'Sanitizer|runtime error:|DATA RACE|Segmentation fault' \
			"$WORK/$name.log" || true
	done
}
