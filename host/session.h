/* SPDX-License-Identifier: GPL-2.0 */
/* One connection of a front-end to a device. */
#ifndef HOST_SESSION_H
#define HOST_SESSION_H

#include "device.h"
#include "loop.h"

struct session;

/**
 * session_open() - serve a front-end
 * @dev: the device; has no other session
 * @loop: of the control thread
 * @sock: connected socket; taken in any case
 * @ended: called once, by the control thread, when the session is gone
 * @ctx: its argument
 *
 * Return: the session, which frees itself before it calls @ended, or NULL (said
 * why; @ended is not called).
 */
struct session *session_open(struct device *dev, struct loop *loop, int sock,
			     void (*ended)(void *ctx), void *ctx);

/**
 * session_close() - end a session
 * @s: the session
 *
 * Queues drain first; @ended comes when they have, perhaps before this returns.
 */
void session_close(struct session *s);

/**
 * session_config_changed() - tell the front-end that the device's configuration changed
 * @s: the session
 *
 * Where it can be told (BACKEND_REQ and CONFIG negotiated); else it may ask. Never waits.
 */
void session_config_changed(struct session *s);

#endif /* HOST_SESSION_H */
