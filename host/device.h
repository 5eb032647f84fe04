/* SPDX-License-Identifier: GPL-2.0 */
/* A device of the daemon: what a disk and a network card have in common. */
#ifndef HOST_DEVICE_H
#define HOST_DEVICE_H

#include "closer.h"
#include "log.h"
#include "options.h"
#include "../ring/ring.h"

struct queue;

/**
 * enum device_served - how far a queue was served
 * @DEVICE_DRY: no chain is left; wait for a kick
 * @DEVICE_BLOCKED: something other than a chain is missing; an operation of the
 *	device calls queue_again() when it is there
 * @DEVICE_MORE: the bound for one round was reached; come back at once
 */
enum device_served {
	DEVICE_DRY,
	DEVICE_BLOCKED,
	DEVICE_MORE,
};

/* Most chains that one call of @serve takes: bounds what a driver can demand. */
#define DEVICE_BUDGET	256u

struct device;

/**
 * struct device_ops - what a type of device does
 * @logged: what is in flight can be served again by another daemon
 * @limits: bounds of a chain; translation is filled in by the queue
 * @config: fill MESSAGE_CONFIG_BYTES of configuration space; NULL: the type has
 *	none here
 * @set_config: control thread: the driver writes to that space; 0 or -EINVAL; NULL: it may not
 * @note: control thread: what a driver has set, of which another daemon must know that goes on in
 *	this one's stead; 7 bits; NULL: nothing
 * @recall: control thread: a front-end has begun, and @note was that of an earlier daemon, or 0
 * @refresh: control thread: look whether what it stands on has changed; true when that changed the
 *	configuration; NULL: it cannot
 * @set_mtu: control thread: NET_SET_MTU; 0 or -EINVAL; NULL: no card
 * @announce: control thread: SEND_RARP, of a device that announces: have the network learn
 *	where that address is now
 * @start: control thread, before the queue's worker runs: set q->priv; 0 or
 *	-errno (then @finish is not called); -EAGAIN: the queue is to be started again in a moment;
 *	-EBUSY: it cannot be, and that was said
 * @begin: worker, which has just been given the queue: wait for events; NULL: there are none yet
 * @serve: worker: take chains and serve them
 * @stop: worker, when the queue is to stop: cancel what waits for events; what
 *	does I/O is waited for by the queue
 * @finish: control thread, after the worker ended with no operation pending:
 *	give popped chains back, free q->priv
 * @idle: control thread: no queue runs or is to run: let go of what only they need; NULL: nothing
 * @close: free the device
 */
struct device_ops {
	bool logged;
	const struct ring_dev_limits *limits;
	void (*config)(struct device *dev, u8 *space);
	int (*set_config)(struct device *dev, u32 offset, const u8 *data, u32 bytes);
	u8 (*note)(const struct device *dev);
	void (*recall)(struct device *dev, u8 note);
	bool (*refresh)(struct device *dev);
	int (*set_mtu)(struct device *dev, u64 mtu);
	void (*announce)(struct device *dev, const u8 *mac);
	int (*start)(struct queue *q);
	void (*begin)(struct queue *q);
	enum device_served (*serve)(struct queue *q);
	void (*stop)(struct queue *q);
	void (*finish)(struct queue *q);
	void (*idle)(struct device *dev);
	void (*close)(struct device *dev);
};

/**
 * struct device - a device; embedded in struct blk and struct net
 * @ops: of its type
 * @id: name for messages
 * @features: virtio features of the type that it offers
 * @queues: number of vrings
 * @queue_num: what GET_QUEUE_NUM answers: vrings of a disk, pairs of a network card
 * @announces: SEND_RARP is offered
 * @sched: how its queues are served; @threads is from 1 to @queues
 * @port: TCP port that it may have to connect to when it serves; 0: none
 * @renewed: a worker changed the configuration: the front-end is to be told (atomic)
 * @migrates: its guest can go on elsewhere: what is written to its memory is logged on demand
 * @limit: for messages that its peers provoke
 * @closer: of the fds that its front-ends sent
 */
struct device {
	const struct device_ops *ops;
	char id[OPTIONS_ID_BYTES];
	u64 features;
	u16 queues;
	u16 queue_num;
	bool announces;
	struct options_sched sched;
	u16 port;
	bool renewed;
	bool migrates;
	struct log_limit limit;
	struct closer *closer;
};

/**
 * device_open() - open what a device stands on
 * @spec: what the user asked for
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the device or NULL.
 */
struct device *device_open(const struct options_device *spec);

/**
 * device_init() - fill in the common part; for the types
 * @dev: the device
 * @ops: of the type
 * @id: name
 */
void device_init(struct device *dev, const struct device_ops *ops, const char *id);

/**
 * device_close() - close a device
 * @dev: without a session; NULL is ignored
 */
void device_close(struct device *dev);

/**
 * device_features() - everything the device offers a front-end
 * @dev: the device
 *
 * Return: feature bits of type, ring, transport and vhost-user.
 */
u64 device_features(const struct device *dev);

#endif /* HOST_DEVICE_H */
