#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#	syscalls.sh SOURCE...
#
# Prints the C source of jail_syscalls[] (jail.h): the system calls that comments in the sources
# name, beside the code that makes them:
#
#	#syscalls NAME... ioctl:REQUEST...
#
# The requests' names are those of headers that this includes.
set -eu
words=$(sed -n 's/^.*#syscalls \(.*\)$/\1/p' "$@" | sed 's/\*\/.*//' | tr -s ' \t' '\n' | sort -u)
cat <<'END'
/* Made by host/syscalls.sh. */
#include "host/jail.h"

#include <linux/fs.h>
#include <linux/if_tun.h>

const struct jail_syscall jail_syscalls[] = {
END
for word in $words; do
	case $word in
	*:*) printf '\t{ "%s", true, (__u32)%s },\n' "${word%%:*}" "${word#*:}" ;;
	*) printf '\t{ "%s", false, 0 },\n' "$word" ;;
	esac
done
printf '\t{ NULL, false, 0 },\n};\n'
