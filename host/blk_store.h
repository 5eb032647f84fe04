/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a disk stands on, and the requests that it does for it.
 *
 * Theory
 * ------
 * blk.c knows virtio: it takes chains, checks them, and answers them. A store (a file, a server,
 * nothing) knows where the data is. Between the two goes struct blk_io, one request, a step at a
 * time: blk.c says what the step is (struct blk_step), the store does it and calls
 * blk_step_done(), from within submit() or later; then there is a next step, or the request is
 * complete. So ranges, private buffers, short I/O and zeroes that must be written are in one
 * place, and a store has one thing to do at a time for each request, and many requests.
 *
 * All of a store but open and close happens in the workers of the disk's queues, each of which
 * has requests of its own.
 */
#ifndef HOST_BLK_STORE_H
#define HOST_BLK_STORE_H

#include "options.h"
#include "queue.h"
#include "../ring/blk_req.h"

#include <sys/uio.h>

#define BLK_DEPTH	256u		/* requests of a queue in flight */
#define BLK_SEGS	256u		/* of a chain: with room for split headers */
#define BLK_PIECE_BYTES	(128u << 10)	/* of private memory that a step uses, at most */
#define BLK_BLOCK_MAX	4096u		/* no block is larger */

struct blk_store;
struct blk_link;

/**
 * struct blk_step - what is to be done next for a request
 * @op: BLK_OP_READ, WRITE, FLUSH, DISCARD or ZEROES; not always that of the request
 * @offset: byte offset on the disk
 * @bytes: of it; 0 of a flush
 * @iov: READ and WRITE: where the data is: in guest memory, for the kernel, or else to be used
 *	by memory_shared() only; or, always so when the store is @distant, in one piece of private
 *	memory
 * @iovs: how many
 * @unmap: ZEROES: what holds them may be given back
 * @last: when it is done no data of the request is left
 */
struct blk_step {
	enum blk_op op;
	u64 offset;
	u32 bytes;
	struct iovec *iov;
	unsigned int iovs;
	bool unmap;
	bool last;
};

/**
 * struct blk_segs - room of a slot; apart from it, since most slots of most queues are never used
 *	and what was not used is not there
 * @seg: data segments, for the kernel
 * @data: data segments of the chain
 * @range: ranges to discard or to zero
 */
struct blk_segs {
	struct iovec seg[BLK_SEGS];
	struct ring_iov data[BLK_SEGS];
	struct blk_range range[BLK_RANGES];
};

/**
 * struct blk_io - a request in flight
 * @chain: what to push; only id and count are set
 * @status: where the status byte goes
 * @req: the request
 * @step: for the store: what is to be done
 * @durable: for the store: the request is to be durable when it is complete
 * @unsynced: of the store, when it is: what was done is not, a flush has to follow
 * @done: bytes that were read or written; of ranges, of the current one
 * @at: range that is current
 * @ranges: how many
 * @zeroes: it is written, since there can be no hole
 * @syncing: all is done but the flush that follows
 * @iov: data segments that are left
 * @iovs: how many
 * @bounced: the data goes by way of @buf
 * @buf: private buffer, or NULL while it waits for one
 * @block: of @buf, see blk_bounce.c
 * @blocks: likewise
 * @skip: bytes of @mem->data before the data
 * @segs: how many of @mem->data; both are set when it is bounced
 * @next: of the free slots, or of those that wait for a buffer; else of the store
 * @mem: room for what it has many of
 * @op: of the store, if it wants it: an operation in the queue's io_uring
 * @link: of an NBD disk, see blk_link.c: its connection
 * @slot: likewise: where it is in that
 * @cookie: likewise: of the step, in libnbd
 * @stamped: likewise: it was submitted before; false of a new request
 * @told: likewise: losses that were told when a flush came
 * @mark: likewise: writes that it covers
 */
struct blk_io {
	struct ring_chain chain;
	u8 __shared *status;
	struct blk_req req;
	struct blk_step step;
	bool durable;
	bool unsynced;
	u32 done;
	unsigned int at;
	unsigned int ranges;
	bool zeroes;
	bool syncing;
	struct iovec *iov;
	unsigned int iovs;
	bool bounced;
	void *buf;
	u32 block;
	u32 blocks;
	u32 skip;
	unsigned int segs;
	struct blk_io *next;
	struct blk_segs *mem;

	struct queue_op op;
	struct blk_link *link;
	u32 slot;
	int64_t cookie;
	bool stamped;
	u32 told;
	u64 mark;
};

/**
 * struct blk_store_ops - what a kind of store does
 * @start: control thread, before the queue's worker runs; as @start of struct device_ops; NULL:
 *	nothing to do
 * @begin: worker, which has just been given the queue; NULL: nothing to do
 * @submit: worker: do a request's step, which ends with blk_step_done()
 * @stop: worker: the queue is to stop; steps end, in bounded time, with blk_step_done() or
 *	blk_io_leave(); NULL: they end by themselves
 * @finish: control thread, after the worker ended; NULL: nothing to do
 * @idle: control thread: no queue runs any more; NULL: nothing to do
 * @resized: control thread: has it another size? Then @sectors is that. NULL: nobody can tell
 * @close: free it
 */
struct blk_store_ops {
	int (*start)(struct blk_store *s, struct queue *q);
	void (*begin)(struct blk_store *s, struct queue *q);
	void (*submit)(struct blk_store *s, struct queue *q, struct blk_io *io);
	void (*stop)(struct blk_store *s, struct queue *q);
	void (*finish)(struct blk_store *s, struct queue *q);
	void (*idle)(struct blk_store *s);
	bool (*resized)(struct blk_store *s, u64 *sectors);
	void (*close)(struct blk_store *s);
};

/**
 * struct blk_store - what a disk stands on; embedded in that of its kind
 * @ops: of its kind
 * @id: of the device, for messages
 * @name: for messages; not copied
 * @sectors: size in units of 512 bytes; changes, atomically
 * @block: logical block size to tell the driver, at most BLK_BLOCK_MAX
 * @align: what guest memory must be aligned to, or the data is bounced; 1: to nothing
 * @distant: data never goes between it and guest memory: it is always bounced
 * @piece: most bytes of a step that is bounced, or writes zeroes; whole blocks
 * @queues: most queues that it can serve
 * @port: TCP port that it may have to be connected to again; 0: none
 */
struct blk_store {
	const struct blk_store_ops *ops;
	const char *id;
	const char *name;
	u64 sectors;
	u32 block;
	u32 align;
	bool distant;
	u32 piece;
	u16 queues;
	u16 port;
};

/**
 * blk_step_done() - a step ended; blk.c has it
 * @q: the queue
 * @io: the request
 * @res: READ, WRITE: bytes, which may be fewer than asked for; else 0; or -errno: -EAGAIN and
 *	-EINTR: once more; -EOPNOTSUPP, -ENOSYS or -EINVAL of a DISCARD or of ZEROES: the store
 *	cannot do that
 */
void blk_step_done(struct queue *q, struct blk_io *io, int res);

/**
 * blk_io_anew() - do a request once more, from its first step on
 * @q: the queue
 * @io: the request, submitted; of a store that is distant
 */
void blk_io_anew(struct queue *q, struct blk_io *io);

/**
 * blk_io_leave() - give a request up, since its queue stops and its end cannot be waited for
 * @q: the queue
 * @io: the request, submitted
 *
 * With an in-flight log it stays in there, and is served again by whoever goes on by the log;
 * else it ends with an error.
 */
void blk_io_leave(struct queue *q, struct blk_io *io);

/**
 * blk_file_open() - stand on a file or a block device
 * @spec: the device: path, whether it is read only, and what is for messages
 *
 * Says in one line what is wrong when there is something, somebody else's use of it among that.
 *
 * Return: the store or NULL.
 */
struct blk_store *blk_file_open(const struct options_device *spec);

/**
 * blk_null_open() - stand on nothing: writes are forgotten, and zeroes read
 * @spec: the device: its size
 *
 * Return: the store or NULL.
 */
struct blk_store *blk_null_open(const struct options_device *spec);

/**
 * blk_nbd_open() - stand on an export of an NBD server
 * @spec: the device: its URI and what goes with that
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: the store or NULL.
 */
struct blk_store *blk_nbd_open(const struct options_device *spec);

#endif /* HOST_BLK_STORE_H */
