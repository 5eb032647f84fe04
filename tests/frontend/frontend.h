/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small vhost-user front-end on the driver half of ring/: drives a back-end at native
 * speed, without a VM.
 *
 * Theory
 * ------
 * The guest's memory is one memfd. Its first part holds the rings, one after the other, the
 * rest is the caller's; fe_alloc() hands both out and nothing is ever given back. The
 * front-end outlives its connections: memory, rings and the in-flight log stay when the
 * back-end dies, and fe_connect() with fe_resume() go on with whoever answers next, as a
 * VMM does.
 *
 * A back-end may die at any moment, so each call that talks to it can fail with
 * -ENOTCONN. Everything else that goes wrong here is a bug of the test or a lie of the
 * back-end: said in one line, and an error.
 */
#ifndef TESTS_FRONTEND_H
#define TESTS_FRONTEND_H

#include "../../host/message.h"
#include "../../ring/log.h"

#define FE_QUEUES	16u
#define FE_GUEST	0x100000000ull	/* where guest memory begins */
#define FE_SECONDS	20		/* until a wait was in vain */

/**
 * struct fe_queue - a virtqueue of the front-end
 * @ring: driver half
 * @priv: its private memory
 * @areas: where it is
 * @kick: eventfd
 * @call: eventfd
 * @size: descriptors; 0: not set up
 */
struct fe_queue {
	struct ring_drv ring;
	void *priv;
	struct ring_areas areas;
	int kick;
	int call;
	u16 size;
};

/**
 * struct fe - a front-end
 * @sock: connection, or -1
 * @features: negotiated
 * @protocol: negotiated
 * @mem: guest memory
 * @bytes: of it
 * @used: handed out
 * @mem_fd: its file
 * @log_fd: file of the in-flight log, or -1
 * @log: what is known of it
 * @queue: the queues
 */
struct fe {
	int sock;
	u64 features;
	u64 protocol;
	u8 *mem;
	u64 bytes;
	u64 used;
	int mem_fd;
	int log_fd;
	struct message_inflight log;
	struct fe_queue queue[FE_QUEUES];
};

/**
 * fe_open() - make a front-end
 * @fe: filled in
 * @bytes: of guest memory
 *
 * Return: 0 or -errno.
 */
int fe_open(struct fe *fe, u64 bytes);

/**
 * fe_close() - free it
 * @fe: opened before
 */
void fe_close(struct fe *fe);

/**
 * fe_alloc() - take some guest memory, zeroed
 * @fe: the front-end
 * @bytes: how much
 *
 * Return: its address, aligned to 4096, or NULL.
 */
void *fe_alloc(struct fe *fe, u64 bytes);

/* Guest-physical address of what fe_alloc() returned, or of a place in it. */
static inline u64 fe_bus(const struct fe *fe, const void *p)
{
	return FE_GUEST + (u64)((const u8 *)p - fe->mem);
}

/**
 * fe_connect() - connect and negotiate
 * @fe: the front-end; an earlier connection is dropped
 * @path: of the socket
 * @features: virtio features wanted, VERSION_1 and protocol features besides
 * @protocol: protocol features wanted
 *
 * Return: 0, -ENOTCONN when nobody listens or the back-end went away, -ENOTSUP when it does not offer them,
 * -ETIMEDOUT.
 */
int fe_connect(struct fe *fe, const char *path, u64 features, u64 protocol);

/**
 * fe_drop() - drop the connection
 * @fe: the front-end
 */
void fe_drop(struct fe *fe);

/**
 * fe_send() - send a message
 * @fe: the front-end
 * @request: its number
 * @payload: its payload
 * @size: bytes of that
 * @fd: goes with it and stays the caller's; -1: none
 *
 * Return: 0 or -ENOTCONN.
 */
int fe_send(struct fe *fe, u32 request, const void *payload, u32 size, int fd);

/**
 * fe_ask() - send a message and wait for the answer
 * @fe: the front-end
 * @request: its number
 * @payload: its payload, and that of the answer
 * @size: bytes of both
 * @fd: where to put the fd of the answer, or NULL
 *
 * Return: 0, -ENOTCONN, or -EPROTO for another answer.
 */
int fe_ask(struct fe *fe, u32 request, void *payload, u32 size, int *fd);

/**
 * fe_queue_open() - make a queue
 * @fe: the front-end; negotiated once
 * @index: of the vring
 * @size: descriptors
 *
 * Return: 0 or -errno.
 */
int fe_queue_open(struct fe *fe, u16 index, u16 size);

/**
 * fe_log() - ask for an in-flight log
 * @fe: the front-end, connected
 * @queues: that it is for
 * @size: most descriptors of one
 *
 * Return: 0 or -errno.
 */
int fe_log(struct fe *fe, u16 queues, u16 size);

/**
 * fe_resume() - tell a back-end of memory, log and queues, and start them
 * @fe: the front-end, connected
 *
 * Queues go on from where the rings say that an earlier back-end was.
 *
 * Return: 0 or -errno.
 */
int fe_resume(struct fe *fe);

/**
 * fe_stop() - stop a queue
 * @fe: the front-end, connected
 * @index: of the vring
 *
 * Return: its base, or -errno.
 */
int64_t fe_stop(struct fe *fe, u16 index);

/**
 * fe_kick() - show what was staged, and kick when the back-end wants that
 * @q: the queue
 *
 * Return: it was kicked.
 */
bool fe_kick(struct fe_queue *q);

/**
 * fe_wait() - wait for a call of any queue
 * @fe: the front-end
 * @ms: at most so long
 *
 * Queues must be armed. Return: true when there was one, false when the time is over.
 */
bool fe_wait(struct fe *fe, int ms);

#endif /* TESTS_FRONTEND_H */
