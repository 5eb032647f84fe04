/* SPDX-License-Identifier: GPL-2.0 */
/* The socket at which a device waits for its front-end. */
#ifndef HOST_LISTENER_H
#define HOST_LISTENER_H

#include "device.h"
#include "loop.h"

struct listener;

/**
 * listener_open() - make a device's socket
 * @dev: the device
 * @spec: says where: a path to bind, or an inherited socket
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the listener, which serves nobody yet, or NULL.
 */
struct listener *listener_open(struct device *dev, const struct options_device *spec);

/**
 * listener_start() - serve front-ends
 * @l: the listener
 * @loop: of the control thread
 *
 * Return: 0 or -errno (said why).
 */
int listener_start(struct listener *l, struct loop *loop);

/**
 * listener_stop() - take no more front-ends, end the session
 * @l: the listener; harmless more than once
 */
void listener_stop(struct listener *l);

/**
 * listener_refresh() - look whether what the device stands on has changed, and tell the front-end
 * @l: the listener
 */
void listener_refresh(struct listener *l);

/**
 * listener_busy() - is there a session, or can one come?
 * @l: the listener
 *
 * Return: false once it was stopped, or its inherited connection ended, and no
 * session is left.
 */
bool listener_busy(const struct listener *l);

/**
 * listener_close() - remove the socket
 * @l: the listener, not busy or never started; NULL is ignored
 */
void listener_close(struct listener *l);

#endif /* HOST_LISTENER_H */
