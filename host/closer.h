/* SPDX-License-Identifier: GPL-2.0 */
/* Closes the fds that a device's front-ends sent, so that nobody waits for it. */
#ifndef HOST_CLOSER_H
#define HOST_CLOSER_H

#include "../ring/os.h"

struct closer;

/**
 * closer_open() - make a closer
 *
 * Return: the closer, or NULL with errno set.
 */
struct closer *closer_open(void);

/**
 * closer_end() - have no more closed
 * @c: the closer; frees itself when what it was given is closed; NULL is ignored
 */
void closer_end(struct closer *c);

/**
 * closer_close() - close an fd without waiting
 * @c: the closer
 * @fd: any fd; taken; below 0 is ignored
 *
 * Control thread.
 */
void closer_close(struct closer *c, int fd);

/**
 * closer_idle() - is everything closed?
 * @c: the closer
 *
 * Return: true when it is; else closer_bell() rings once it is.
 */
bool closer_idle(struct closer *c);

/**
 * closer_bell() - what rings when everything is closed
 * @c: the closer, which keeps it
 *
 * Return: an eventfd, to be read before closer_idle() is asked again.
 */
int closer_bell(const struct closer *c);

/**
 * closer_is_event() - can the fd be an event, for kicks and calls?
 * @fd: any fd
 *
 * Never waits for anything, whatever the fd is.
 *
 * Return: true for an eventfd and for an end of a pipe (user-mode Linux uses
 * those), which close(2) and a cancelled read or write always return from.
 */
bool closer_is_event(int fd);

#endif /* HOST_CLOSER_H */
