#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#	syscalls.sh SOURCE...
#
# Prints the C source of jail_syscalls[] (jail.h): the system calls that comments in the sources
# name, beside the code that makes them:
#
#	#syscalls NAME... ioctl:REQUEST... socket:DOMAIN...
#
# Of ioctl(2) only that request is allowed, of socket(2) only that domain, by their names in headers that this
# includes.
set -eu
words=$(sed -n 's/^.*#syscalls \(.*\)$/\1/p' "$@" | sed 's/\*\/.*//' | tr -s ' \t' '\n' | sort -u)
cat <<'END'
/* Made by host/syscalls.sh. */
#include "host/jail.h"

#include <linux/fs.h>
#include <linux/if_tun.h>
#include <sys/socket.h>

const struct jail_syscall jail_syscalls[] = {
END
for word in $words; do
	case $word in
	ioctl:*) printf '\t{ "ioctl", 2, (__u32)%s },\n' "${word#*:}" ;;
	socket:*) printf '\t{ "socket", 1, %s },\n' "${word#*:}" ;;
	*) printf '\t{ "%s", 0, 0 },\n' "$word" ;;
	esac
done
printf '\t{ NULL, 0, 0 },\n};\n'
