#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#	jail.sh BUILD_DIR
#
# Once it serves, airlockd may do no more than it needs: of a build without sanitizers, which are in the way.
set -euo pipefail
JAILED=1
# shellcheck source=tests/host/rig.bash
. "$(dirname "$0")/rig.bash"
SIGSYS=159

# is WORD PATTERN - what the kernel says of the daemon
is() {
	grep -Eq "^$1:[[:space:]]*$2$" "/proc/$PID/status"
}

# has_nothing - as it is now
has_nothing() {
	local set

	for set in Inh Prm Eff Amb; do
		is "Cap$set" 0+ || return
	done
	is NoNewPrivs 1 && is Seccomp 2
}

# tries WHAT OUTCOME - done, an error, or killed
tries() {
	local status=0 out

	out=$("$BUILD/frontend/jailed" "$WORK/sock" "$1" 2>/dev/null </dev/null) || status=$?
	[ "$status" -ne "$SIGSYS" ] || out=killed
	[ "$status $out" = "0 $2" ] || [ "$out $2" = 'killed killed' ] || {
		printf '# %s: status %d, %s\n' "$1" "$status" "$out"
		return 1
	}
}

work_dir jail
chmod 711 "$WORK"
truncate -s 1M "$WORK/disk"
DISK="type=blk,socket=$WORK/sock,path=$WORK/disk"

start_daemon 1 --device "$DISK"
has_nothing && r=0 || r=1
result "$r" "it has no capabilities, and cannot have any"
end_daemon && [ ! -e "$WORK/sock" ] && r=0 || r=1
result "$r" "it ends well, and its socket is removed"

start_daemon 1 --sandbox off --device "$DISK"
is Seccomp 0 && is CapEff 0+ && r=0 || r=1
result "$r" "without the sandbox it has no capabilities either"
end_daemon && r=0 || r=1
result "$r" "and ends well"

if [ "$(id -u)" -eq 0 ]; then
	mkdir "$WORK/theirs"
	chown nobody:nogroup "$WORK/theirs"
	start_daemon 1 --user nobody --device "type=blk,socket=$WORK/theirs/sock,path=$WORK/disk"
	id=$(id -u nobody) group=$(id -g nobody)
	is Uid "$id	$id	$id	$id" && is Gid "$group	$group	$group	$group" && is Groups "$group ?" &&
		has_nothing && is CapBnd 0+ && r=0 || r=1
	result "$r" "as another user it has none of root's groups and capabilities"
	[ "$(stat -c %U "$WORK/theirs/sock")" = nobody ] && r=0 || r=1
	result "$r" "the socket is that user's"
	end_daemon && [ ! -e "$WORK/theirs/sock" ] && r=0 || r=1
	result "$r" "which removes it at the end"
	refused "a user that does not exist is refused" "there is no user nobody-at-all: give" \
		--user nobody-at-all --device "$DISK"
	chown nobody "$WORK/disk"
	chmod 777 "$WORK"
	status=0
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$DAEMON" --user root --device "$DISK" \
		>"$WORK/out" 2>&1 || status=$?
	[ "$status" -eq 1 ] && grep -q 'only root can become another user' "$WORK/out" && r=0 || r=1
	result "$r" "who is not root becomes nobody else"
else
	skip "another user" "that needs root"
fi

for what in internet exec kill trace terminal user; do
	tries "$what" killed && r=0 || r=1
	result "$r" "what it may not do: $what"
done
tries port 'Connection refused' && r=0 || r=1
result "$r" "for a disk on an NBD server it may connect to that server's port"
if [ "$(python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))')" -lt 4 ]; then
	skip "but to no other" "this kernel's Landlock knows no ports"
else
	tries other-port 'Permission denied' && r=0 || r=1
	result "$r" "but to no other"
fi
for what in open create; do
	tries "$what" 'Permission denied' && r=0 || r=1
	result "$r" "what it may try in vain: $what"
done
: >"$WORK/sock.file"
tries nothing 'done' && tries remove 'done' && [ ! -e "$WORK/sock.file" ] && r=0 || r=1
result "$r" "what it may do: remove something beside its socket"
if "$BUILD/frontend/jailed" "$WORK/sock" nothing 2>&1 | grep -q 'no Landlock'; then
	skip "nothing elsewhere can be removed" "this kernel has no Landlock"
else
	tries remove-other 'Permission denied' && r=0 || r=1
	result "$r" "nothing elsewhere can be removed"
fi
finish
