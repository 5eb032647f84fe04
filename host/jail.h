/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon may do once it serves. */
#ifndef HOST_JAIL_H
#define HOST_JAIL_H

#include "options.h"

/**
 * struct jail_syscall - a system call that is allowed
 * @name: as libseccomp knows it
 * @arg: 0, or which of its arguments, from 1 on, must be @value
 * @value: of that, 32 bits
 */
struct jail_syscall {
	const char *name;
	unsigned int arg;
	u32 value;
};

/* Made of the sources by syscalls.sh; ended by one without a name. */
extern const struct jail_syscall jail_syscalls[];

/**
 * jail_enter() - give up what is not needed any more
 * @o: the command line: the user to become, the sockets to remove at the end
 * @port: of each of its devices, a TCP port that it may connect to, or 0
 *
 * When all that has a name is open, and before the first thread. Says in one line what is wrong
 * when there is something; what this kernel cannot do is said and is no error.
 *
 * Return: 0 or -errno.
 */
int jail_enter(const struct options *o, const u16 *port);

#endif /* HOST_JAIL_H */
