/* SPDX-License-Identifier: GPL-2.0 */
/* The control thread's event loop. */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include "../ring/os.h"

struct loop;

/**
 * struct loop_event - something that the control thread waits for
 * @fd: readable when there is something to do; owned by the caller
 * @fn: called by the control thread; may remove any event and free its owner
 *
 * Embedded in its owner.
 */
struct loop_event {
	int fd;
	void (*fn)(struct loop_event *ev);
};

/**
 * loop_open() - make the loop
 *
 * Return: the loop, or NULL with errno set.
 */
struct loop *loop_open(void);

/**
 * loop_close() - free the loop
 * @loop: the loop, with no events; NULL is ignored
 */
void loop_close(struct loop *loop);

/**
 * loop_add() - wait for an event
 * @loop: the loop
 * @ev: the event; stays in place until loop_del()
 *
 * Return: 0 or -errno.
 */
int loop_add(struct loop *loop, struct loop_event *ev);

/**
 * loop_del() - wait for it no longer
 * @loop: the loop
 * @ev: an event; harmless when it was not added
 */
void loop_del(struct loop *loop, struct loop_event *ev);

/**
 * loop_turn() - wait for one event and handle it
 * @loop: the loop
 *
 * Return: 0 or -errno.
 */
int loop_turn(struct loop *loop);

#endif /* HOST_LOOP_H */
