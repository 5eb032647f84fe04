// SPDX-License-Identifier: GPL-2.0
/*
 * A disk (virtio 1.2, 5.2).
 *
 * Theory
 * ------
 * A chain becomes a struct blk_io: its header is copied and checked once
 * (blk_req_check()), its data segments become the iovec of one operation in the
 * queue's io_uring, so that the kernel copies between the file and guest memory
 * and nobody else touches the data. Where the status byte goes is remembered
 * before the operation starts. When it ends, short I/O goes on where it stopped;
 * then the status is written, the chain pushed, and the slot is free again.
 *
 * Either all data goes past the page cache or all goes through it. A page, or a
 * folio of several, that is written back whole because of a write through the cache
 * would overwrite what a write past it did to another part in the meantime. So
 * direct I/O is used when what it wants aligned is no more than the block that the
 * driver is told of: then offset and length always are. Where only the guest's
 * memory is not, the data goes by way of a private buffer, piece by piece; a queue
 * has BLK_BOUNCES of them, and requests wait for one.
 *
 * At most BLK_DEPTH requests of a queue are in flight; a ring that holds more
 * waits. Requests complete in any order; those in flight when the daemon is killed are
 * in the log that the front-end keeps (inflight.c), and are served again: all of them
 * can be done twice, as long as none is once its completion was shown. What the kernel still
 * does for the dead holds the image's lock (blk_lock.c). FLUSH covers the writes that were
 * completed before it came (5.2.6.2), which is what fsync gives. A driver that
 * does not know FLUSH, or has switched the cache off (CONFIG_WCE), is promised that
 * completed writes are durable: for it every write is a synchronous one.
 *
 * Ranges to discard or to zero become holes of the file, one after the other, where its file
 * system can make some; what must be zeroes is written where it cannot. A discard that
 * cannot be done is none: it is a hint.
 *
 * A disk that stands on nothing (null) has only the costs of the way there: for benches.
 */
#include "blk.h"

#include "blk_file.h"
#include "message.h"
#include "queue.h"
#include "../ring/blk_req.h"

#include <limits.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/uio.h>

#define BLK_DEPTH	256u		/* requests of a queue in flight */
#define BLK_SEG_MAX	126u		/* told to the driver: data segments */
#define BLK_SEGS	256u		/* accepted: with room for split headers */
#define BLK_BYTES	(1u << 30)	/* of a chain */
#define BLK_BOUNCES	16u		/* private buffers of a queue */
#define BLK_BOUNCE_BYTES	(128u << 10)
#define BLK_BOUNCE_ALIGN	4096u	/* no block is larger */
#define BLK_RANGE_SECTORS	(1u << 21)	/* told to the driver: of a range, 1 GiB */

/* RWF_DSYNC of linux/fs.h; the cast in there is not one that sparse accepts. */
#define BLK_RW_DSYNC	0x2

_Static_assert(BLK_SEGS <= IOV_MAX, "a request must be one operation");

/**
 * struct blk - a disk
 * @dev: what it has in common with other devices
 * @file: what it stands on
 * @null: it stands on nothing
 * @direct: data goes past the page cache
 * @through: the write cache is off (CONFIG_WCE); the control thread changes it, atomically
 * @serial: answer to GET_ID, padded with zeros
 */
struct blk {
	struct device dev;
	struct blk_file file;
	bool null;
	bool direct;
	bool through;
	char serial[VIRTIO_BLK_ID_BYTES];
};

/**
 * struct blk_segs - room of a slot; apart from it, since most slots of most queues are never used
 *	and what was not used is not there
 * @seg: data segments
 * @data: segments of the chain, when it is bounced
 * @range: ranges to discard or to zero
 */
struct blk_segs {
	struct iovec seg[BLK_SEGS];
	struct ring_iov data[BLK_SEGS];
	struct blk_range range[BLK_RANGES];
};

/**
 * struct blk_io - a request in flight
 * @op: its operation
 * @chain: what to push; only id and count are set
 * @status: where the status byte goes
 * @req: the request
 * @done: bytes that were read or written; of ranges, of the current one
 * @at: range that is current
 * @ranges: how many
 * @zeroes: it is written, since there can be no hole
 * @durable: it is to be durable when it is complete
 * @iov: data segments that are left
 * @iovs: how many
 * @bounced: the data goes by way of @buf
 * @buf: private buffer, or NULL while it waits for one
 * @skip: bytes of @data before the data, when it is bounced
 * @segs: how many of @data
 * @next: of the free slots, or of those that wait for a buffer
 * @mem: room for what it has many of
 */
struct blk_io {
	struct queue_op op;
	struct ring_chain chain;
	u8 __shared *status;
	struct blk_req req;
	u32 done;
	unsigned int at;
	unsigned int ranges;
	bool zeroes;
	bool durable;
	struct iovec *iov;
	unsigned int iovs;
	bool bounced;
	void *buf;
	u32 skip;
	unsigned int segs;
	struct blk_io *next;
	struct blk_segs *mem;
};

/**
 * struct blk_queue - a queue of a disk
 * @disk: what requests are checked against
 * @free: slots that are not in flight
 * @bounces: private buffers that exist
 * @spares: of which not in use
 * @spare: they
 * @waiting: requests that wait for one, first to last
 * @waiting_end: where the next such is linked
 * @seg: where a chain's segments are put when it is popped
 * @mem: of the slots
 * @io: the slots
 */
struct blk_queue {
	struct blk_disk disk;
	struct blk_io *free;
	unsigned int bounces;
	unsigned int spares;
	void *spare[BLK_BOUNCES];
	struct blk_io *waiting;
	struct blk_io **waiting_end;
	struct ring_iov seg[BLK_SEGS];
	struct blk_segs *mem;
	struct blk_io io[BLK_DEPTH];
};

static struct blk *blk_of(const struct queue *q)
{
	return container_of(q->dev, struct blk, dev);
}

static void blk_submit(struct queue *q, struct blk_io *io);

/* ---- private buffers --------------------------------------------------------- */

/* Give a request a buffer. Return: 1, 0 when it will be given one, -ENOMEM. */
static int blk_bounce_get(struct blk_queue *b, struct blk_io *io)
{
	if (b->spares) {
		io->buf = b->spare[--b->spares];
		return 1;
	}
	if (b->bounces < BLK_BOUNCES &&
	    !posix_memalign(&io->buf, BLK_BOUNCE_ALIGN, BLK_BOUNCE_BYTES)) {
		b->bounces++;
		return 1;
	}
	io->buf = NULL;
	if (!b->bounces)
		return -ENOMEM;
	io->next = NULL;
	*b->waiting_end = io;
	b->waiting_end = &io->next;
	return 0;
}

/* A request needs its buffer no longer: whoever waits goes on. */
static void blk_bounce_put(struct queue *q, struct blk_io *io)
{
	struct blk_queue *b = q->priv;
	struct blk_io *next = b->waiting;

	if (!next) {
		b->spare[b->spares++] = io->buf;
		return;
	}
	b->waiting = next->next;
	if (!b->waiting)
		b->waiting_end = &b->waiting;
	next->buf = io->buf;
	blk_submit(q, next);
}

/* ---- requests -------------------------------------------------------------- */

/* End a request: @good bytes of its writable data are valid. */
static void blk_complete(struct queue *q, struct blk_io *io, u8 status, u32 good)
{
	struct blk_queue *b = q->priv;

	shared_store8(io->status, status);
	ring_dev_push(&q->ring, &io->chain,
		      status == VIRTIO_BLK_S_OK ? good + BLK_STATUS_BYTES : good);
	if (io->buf)
		blk_bounce_put(q, io);
	io->buf = NULL;
	/* What waits for a slot may go on. */
	if (!b->free)
		queue_again(q);
	io->next = b->free;
	b->free = io;
}

/* Is the memory of a request aligned for direct I/O? */
static bool blk_is_aligned(const struct blk_file *f, const struct blk_io *io)
{
	u64 bits = 0;
	unsigned int i;

	for (i = 0; i < io->iovs; i++)
		bits |= (uintptr_t)io->iov[i].iov_base | io->iov[i].iov_len;
	return !(bits & (f->align - 1));
}

/* The next piece of a request by way of its buffer becomes its only segment. */
static void blk_fill(struct blk_io *io)
{
	u32 bytes = min_t(u32, io->req.bytes - io->done, BLK_BOUNCE_BYTES);

	if (io->req.op == BLK_OP_WRITE)
		ring_iov_read(io->mem->data, io->segs, io->skip + io->done, io->buf, bytes);
	io->iov = io->mem->seg;
	io->iovs = 1;
	io->mem->seg[0].iov_base = io->buf;
	io->mem->seg[0].iov_len = bytes;
}

/* The next step of a request of ranges: a hole, or a piece of zeroes. */
static void blk_prep_range(const struct blk *blk, struct blk_io *io, struct io_uring_sqe *sqe,
			   int fd)
{
	static const u8 zeroes[BLK_BOUNCE_BYTES] __attribute__((aligned(BLK_BOUNCE_ALIGN)));
	const struct blk_range *r = &io->mem->range[io->at];
	int hole = FALLOC_FL_KEEP_SIZE;

	if (io->zeroes) {
		io_uring_prep_write(sqe, fd, zeroes,
				    min_t(u32, r->bytes - io->done, sizeof(zeroes)),
				    r->offset + io->done);
		return;
	}
	if (io->req.op == BLK_OP_DISCARD || r->unmap)
		hole |= FALLOC_FL_PUNCH_HOLE;
	else
		hole |= FALLOC_FL_ZERO_RANGE;
	io_uring_prep_fallocate(sqe, blk->file.fd, hole, (off_t)r->offset, r->bytes);
}

static void blk_submit(struct queue *q, struct blk_io *io)
{
	const struct blk *blk = blk_of(q);
	struct blk_queue *b = q->priv;
	u64 at = io->req.offset + io->done;
	int fd = blk->direct ? blk->file.direct : blk->file.fd;
	struct io_uring_sqe *sqe;
	int r;

	if (io->bounced && !io->buf) {
		r = blk_bounce_get(b, io);
		if (r < 0)
			blk_complete(q, io, VIRTIO_BLK_S_IOERR, 0);
		if (r <= 0)
			return;
	}
	if (io->bounced)
		blk_fill(io);
	sqe = queue_sqe(q, &io->op);
	if (!sqe) {
		blk_complete(q, io, VIRTIO_BLK_S_IOERR, 0);
		return;
	}
	switch (io->req.op) {
	case BLK_OP_READ:
		io_uring_prep_readv(sqe, fd, io->iov, io->iovs, at);
		break;
	case BLK_OP_WRITE:
		io_uring_prep_writev(sqe, fd, io->iov, io->iovs, at);
		if (io->durable)
			sqe->rw_flags = (__force __kernel_rwf_t)BLK_RW_DSYNC;
		break;
	case BLK_OP_DISCARD:
	case BLK_OP_ZEROES:
		blk_prep_range(blk, io, sqe, fd);
		break;
	default:
		io_uring_prep_fsync(sqe, blk->file.fd, IORING_FSYNC_DATASYNC);
		break;
	}
	queue_submit(sqe, &io->op);
}

/* So many bytes more of a request were read or written; not more than are left. */
static void blk_advance(struct blk_io *io, u32 bytes)
{
	if (io->bounced && io->req.op == BLK_OP_READ)
		ring_iov_write(io->mem->data, io->segs, io->skip + io->done, io->buf, bytes);
	io->done += bytes;
	if (io->bounced || io->done == io->req.bytes)
		return;
	while (bytes >= io->iov->iov_len) {
		bytes -= (u32)io->iov->iov_len;
		io->iov++;
		io->iovs--;
	}
	io->iov->iov_base = (char *)io->iov->iov_base + bytes;
	io->iov->iov_len -= bytes;
}

static bool blk_has_ranges(const struct blk_io *io)
{
	return io->req.op == BLK_OP_DISCARD || io->req.op == BLK_OP_ZEROES;
}

/* So many bytes could not be done, for what the operation ended with: say so, and fail. */
static void blk_fail(struct queue *q, struct blk_io *io, u32 bytes, u64 at, int res, u32 good)
{
	static const char *const names[] = {
		[BLK_OP_READ] = "read", [BLK_OP_WRITE] = "write", [BLK_OP_FLUSH] = "flush",
		[BLK_OP_DISCARD] = "discard", [BLK_OP_ZEROES] = "zeroes",
	};

	log_peer(&q->dev->limit, LOG_WARN, q->dev->id, "%s of %u bytes at %llu failed: %s",
		 names[io->req.op], bytes, (unsigned long long)at,
		 res ? strerror(-res) : "the image became shorter");
	blk_complete(q, io, VIRTIO_BLK_S_IOERR, good);
}

/* A step of a request of ranges ended. */
static void blk_range_done(struct queue *q, struct blk_io *io, int res)
{
	const struct blk_range *r = &io->mem->range[io->at];

	if (!io->zeroes && (res == -EOPNOTSUPP || res == -ENOSYS || res == -EINVAL)) {
		if (io->req.op == BLK_OP_ZEROES) {
			io->zeroes = true;
			blk_submit(q, io);
			return;
		}
		res = 0;
	}
	if (res < 0 || (io->zeroes && !res)) {
		blk_fail(q, io, r->bytes, r->offset, res, 0);
		return;
	}
	if (io->zeroes)
		io->done += (u32)res;
	if (!io->zeroes || io->done >= r->bytes) {
		io->done = 0;
		io->at++;
	}
	if (io->at == io->ranges && !io->durable) {
		blk_complete(q, io, VIRTIO_BLK_S_OK, 0);
		return;
	}
	if (io->at == io->ranges)
		io->req.op = BLK_OP_FLUSH;
	blk_submit(q, io);
}

static void blk_on_done(struct queue *q, struct queue_op *op, int res)
{
	struct blk_io *io = container_of(op, struct blk_io, op);
	bool in = io->req.op == BLK_OP_READ;
	u32 left = io->req.bytes - io->done;

	if (res == -EAGAIN || res == -EINTR) {
		blk_submit(q, io);
		return;
	}
	if (blk_has_ranges(io)) {
		blk_range_done(q, io, res);
		return;
	}
	if (io->req.op == BLK_OP_FLUSH && res >= 0) {
		blk_complete(q, io, VIRTIO_BLK_S_OK, 0);
		return;
	}
	if (res > 0 && (u32)res <= left) {
		blk_advance(io, (u32)res);
		if (io->done < io->req.bytes)
			blk_submit(q, io);
		else
			blk_complete(q, io, VIRTIO_BLK_S_OK, in ? io->req.bytes : 0);
		return;
	}
	blk_fail(q, io, left, io->req.offset + io->done, res, in ? io->done : 0);
}

/* Remember the data segments of a chain for a request that is bounced. */
static void blk_bounce(struct blk_io *io, const struct ring_iov *seg, unsigned int segs, u32 skip)
{
	memcpy(io->mem->data, seg, segs * sizeof(*seg));
	io->segs = segs;
	io->skip = skip;
	io->bounced = true;
}

/* Data segments of a chain: @skip bytes passed over, then as many as are asked for. */
static void blk_gather(const struct blk *blk, struct blk_io *io, const struct ring_iov *seg,
		       unsigned int segs, u32 skip)
{
	u32 bytes = io->req.bytes, pass = skip, len;
	unsigned int i;

	io->iov = io->mem->seg;
	io->iovs = 0;
	for (i = 0; i < segs && bytes; i++) {
		if (pass >= seg[i].len) {
			pass -= seg[i].len;
			continue;
		}
		len = min_t(u32, seg[i].len - pass, bytes);
		/* For the kernel, which copies: nobody looks at it here. */
		io->mem->seg[io->iovs].iov_base = shared_unmark(shared_at(seg[i].base, pass));
		io->mem->seg[io->iovs].iov_len = len;
		io->iovs++;
		bytes -= len;
		pass = 0;
	}
	if (blk->direct && !blk_is_aligned(&blk->file, io))
		blk_bounce(io, seg, segs, skip);
}

static void blk_get_id(struct queue *q, struct blk_io *io, const struct ring_chain *c)
{
	u32 len = min_t(u32, io->req.bytes, VIRTIO_BLK_ID_BYTES);

	ring_iov_write(c->iov + c->out, c->in, 0, blk_of(q)->serial, len);
	blk_complete(q, io, VIRTIO_BLK_S_OK, len);
}

/* Copy the ranges of a request and check them, all before the first. Return: a status. */
static int blk_take_ranges(struct queue *q, struct blk_io *io, const struct ring_chain *c)
{
	const struct blk_queue *b = q->priv;
	struct virtio_blk_discard_write_zeroes raw[BLK_RANGES];
	int status = VIRTIO_BLK_S_OK;
	unsigned int i;

	io->ranges = io->req.bytes / (u32)sizeof(*raw);
	io->at = 0;
	io->zeroes = false;
	ring_iov_read(c->iov, c->out, BLK_HDR_BYTES, raw, io->req.bytes);
	for (i = 0; i < io->ranges && status == VIRTIO_BLK_S_OK; i++)
		status = blk_range_check(&raw[i], io->req.op, &b->disk, &io->mem->range[i]);
	return status;
}

/* A disk that stands on nothing reads as zeroes. */
static void blk_serve_null(struct queue *q, struct blk_io *io, const struct ring_chain *c)
{
	bool in = io->req.op == BLK_OP_READ;
	unsigned int i;

	for (i = 0; i < c->in && in; i++)
		shared_zero(c->iov[c->out + i].base, c->iov[c->out + i].len);
	blk_complete(q, io, VIRTIO_BLK_S_OK, in ? io->req.bytes : 0);
}

/* Serve one chain. Return: false when it cannot even be answered. */
static bool blk_serve_chain(struct queue *q, const struct ring_chain *c)
{
	struct blk_queue *b = q->priv;
	struct virtio_blk_outhdr hdr = { 0 };
	const struct ring_iov *last;
	struct blk_io *io;
	int status;

	ring_iov_read(c->iov, c->out, 0, &hdr, sizeof(hdr));
	io = b->free;
	b->disk.sectors = __atomic_load_n(&blk_of(q)->file.sectors, __ATOMIC_RELAXED);
	status = blk_req_check(&hdr, c->out_len, c->in_len, &b->disk, &io->req);
	if (status < 0)
		return false;
	b->free = io->next;
	io->chain.id = c->id;
	io->chain.count = c->count;
	last = &c->iov[c->out + c->in - 1];
	io->status = shared_at(last->base, last->len - 1);
	io->done = 0;
	io->bounced = false;
	io->durable = !(b->disk.features & BIT_ULL(VIRTIO_BLK_F_FLUSH)) ||
		      __atomic_load_n(&blk_of(q)->through, __ATOMIC_RELAXED);
	if (status == VIRTIO_BLK_S_OK && blk_has_ranges(io))
		status = blk_take_ranges(q, io, c);
	if (status != VIRTIO_BLK_S_OK) {
		blk_complete(q, io, (u8)status, 0);
		return true;
	}
	if (blk_of(q)->null && io->req.op != BLK_OP_GET_ID) {
		blk_serve_null(q, io, c);
		return true;
	}
	switch (io->req.op) {
	case BLK_OP_READ:
		blk_gather(blk_of(q), io, c->iov + c->out, c->in, 0);
		break;
	case BLK_OP_WRITE:
		blk_gather(blk_of(q), io, c->iov, c->out, BLK_HDR_BYTES);
		break;
	case BLK_OP_GET_ID:
		blk_get_id(q, io, c);
		return true;
	case BLK_OP_DISCARD:
	case BLK_OP_ZEROES:
	case BLK_OP_FLUSH:
		break;
	}
	if (io->req.op != BLK_OP_FLUSH && !io->req.bytes)
		blk_complete(q, io, VIRTIO_BLK_S_OK, 0);
	else
		blk_submit(q, io);
	return true;
}

/* ---- what the queue asks for ------------------------------------------------ */

static enum device_served blk_serve(struct queue *q)
{
	struct blk_queue *b = q->priv;
	struct ring_chain c = { .iov = b->seg };
	unsigned int i;

	if (!queue_enabled(q))
		return DEVICE_BLOCKED;
	for (i = 0; i < DEVICE_BUDGET; i++) {
		if (!b->free)
			return DEVICE_BLOCKED;
		if (ring_dev_pop(&q->ring, &c) <= 0)
			return DEVICE_DRY;
		if (!blk_serve_chain(q, &c)) {
			ring_dev_break(&q->ring, RING_CALLER);
			return DEVICE_BLOCKED;
		}
	}
	return DEVICE_MORE;
}

/* Requests in flight are I/O, which the queue waits for. */
static void blk_stop(struct queue *q)
{
	(void)q;
}

static int blk_start(struct queue *q)
{
	const struct blk *blk = blk_of(q);
	struct blk_queue *b;
	unsigned int i;

	b = malloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->mem = malloc(BLK_DEPTH * sizeof(*b->mem));
	if (!b->mem) {
		free(b);
		return -ENOMEM;
	}
	b->disk.block = blk->file.block;
	/* What the device is does not depend on what the driver knows of it. */
	b->disk.features = q->features | (blk->dev.features & BIT_ULL(VIRTIO_BLK_F_RO));
	b->bounces = 0;
	b->spares = 0;
	b->waiting = NULL;
	b->waiting_end = &b->waiting;
	b->free = NULL;
	for (i = BLK_DEPTH; i--;) {
		b->io[i].mem = &b->mem[i];
		b->io[i].op.done = blk_on_done;
		b->io[i].op.pending = false;
		b->io[i].buf = NULL;
		b->io[i].next = b->free;
		b->free = &b->io[i];
	}
	q->priv = b;
	return 0;
}

static void blk_finish(struct queue *q)
{
	struct blk_queue *b = q->priv;

	while (b->spares)
		free(b->spare[--b->spares]);
	free(b->mem);
	free(b);
	q->priv = NULL;
}

static void blk_config(struct device *dev, u8 *space)
{
	struct blk *blk = container_of(dev, struct blk, dev);
	struct virtio_blk_config config;

	_Static_assert(sizeof(config) <= MESSAGE_CONFIG_BYTES, "configuration space");
	memset(&config, 0, sizeof(config));
	config.capacity = (__force __virtio64)cpu_to_le64(blk->file.sectors);
	config.blk_size = (__force __virtio32)cpu_to_le32(blk->file.block);
	config.seg_max = (__force __virtio32)cpu_to_le32(BLK_SEG_MAX);
	config.num_queues = (__force __virtio16)cpu_to_le16(dev->queues);
	config.wce = !blk->through;
	config.max_discard_sectors = (__force __virtio32)cpu_to_le32(BLK_RANGE_SECTORS);
	config.max_discard_seg = (__force __virtio32)cpu_to_le32(BLK_RANGES);
	config.discard_sector_alignment = (__force __virtio32)
		cpu_to_le32(BLK_BOUNCE_ALIGN >> BLK_SECTOR_SHIFT);
	config.max_write_zeroes_sectors = (__force __virtio32)cpu_to_le32(BLK_RANGE_SECTORS);
	config.max_write_zeroes_seg = (__force __virtio32)cpu_to_le32(BLK_RANGES);
	config.write_zeroes_may_unmap = 1;
	memcpy(space, &config, sizeof(config));
}

/* The only field that a driver may write is the write cache's mode (5.2.5). */
static int blk_set_config(struct device *dev, u32 offset, const u8 *data, u32 bytes)
{
	struct blk *blk = container_of(dev, struct blk, dev);

	if (offset != offsetof(struct virtio_blk_config, wce) || bytes != 1 || *data > 1)
		return -EINVAL;
	__atomic_store_n(&blk->through, !*data, __ATOMIC_RELAXED);
	return 0;
}

static u8 blk_note(const struct device *dev)
{
	return ((const struct blk *)dev)->through;
}

static void blk_recall(struct device *dev, u8 note)
{
	struct blk *blk = container_of(dev, struct blk, dev);

	__atomic_store_n(&blk->through, note & 1, __ATOMIC_RELAXED);
}

/* Requests that are checked from here on are checked against the new size. */
static bool blk_refresh(struct device *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);
	u64 sectors;

	if (blk->null || !blk_file_resized(&blk->file, dev->id, &sectors))
		return false;
	__atomic_store_n(&blk->file.sectors, sectors, __ATOMIC_RELAXED);
	log_info(dev->id, "image %s has %llu bytes now", blk->file.path,
		 (unsigned long long)sectors * BLK_SECTOR);
	return true;
}

static void blk_close(struct device *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);

	if (!blk->null)
		blk_file_close(&blk->file);
	free(blk);
}

static const struct ring_dev_limits blk_limits = { .segs = BLK_SEGS, .bytes = BLK_BYTES };

static const struct device_ops blk_ops = {
	.logged = true,
	.limits = &blk_limits,
	.config = blk_config,
	.set_config = blk_set_config,
	.note = blk_note,
	.recall = blk_recall,
	.refresh = blk_refresh,
	.start = blk_start,
	.serve = blk_serve,
	.stop = blk_stop,
	.finish = blk_finish,
	.close = blk_close,
};

struct device *blk_open(const struct options_device *spec)
{
	struct blk *blk = calloc(1, sizeof(*blk));

	if (!blk)
		return NULL;
	device_init(&blk->dev, &blk_ops, spec->id);
	blk->null = !spec->path;
	if (blk->null) {
		blk->file = (struct blk_file) {
			.fd = -1, .direct = -1, .block = BLK_SECTOR,
			.sectors = spec->null >> BLK_SECTOR_SHIFT,
		};
	} else if (blk_file_open(&blk->file, spec)) {
		free(blk);
		return NULL;
	}
	blk->direct = blk->file.direct >= 0 && blk->file.align <= blk->file.block;
	if (spec->serial)
		memcpy(blk->serial, spec->serial,
		       min_t(size_t, strlen(spec->serial), sizeof(blk->serial)));
	blk->dev.queues = spec->queues;
	blk->dev.queue_num = spec->queues;
	blk->dev.features = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
			    BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_MQ) |
			    BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);
	if (!spec->readonly)
		blk->dev.features |= BIT_ULL(VIRTIO_BLK_F_DISCARD) |
				     BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (spec->readonly)
		blk->dev.features |= BIT_ULL(VIRTIO_BLK_F_RO);
	return &blk->dev;
}
