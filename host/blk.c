// SPDX-License-Identifier: GPL-2.0
/*
 * A disk (virtio 1.2, 5.2).
 *
 * Theory
 * ------
 * A chain becomes a struct blk_io: its header is copied and checked once
 * (blk_req_check()), where its data segments and its status byte are is remembered, and
 * what the disk stands on does it step by step (blk_store.h). When the last step ended the
 * status is written, the chain pushed, and the slot is free again. Short I/O goes on where
 * it stopped.
 *
 * Where the kernel can copy between guest memory and what the disk stands on, a step has the
 * segments themselves and nobody else touches the data. Else, and where memory is not aligned as
 * that wants it, the data goes by way of a private buffer, piece by piece; a queue has few of
 * them, and requests wait for one (blk_bounce.c).
 *
 * At most BLK_DEPTH requests of a queue are in flight; a ring that holds more
 * waits. Requests complete in any order; those in flight when the daemon is killed are
 * in the log that the front-end keeps (inflight.c), and are served again: all of them
 * can be done twice, as long as none is once its completion was shown. So are those that a
 * queue leaves when it stops. What the kernel still
 * does for the dead holds the image's lock (blk_lock.c). FLUSH covers the writes that were
 * completed before it came (5.2.6.2), which is what fsync gives. A driver that
 * does not know FLUSH, or has switched the cache off (CONFIG_WCE), is promised that
 * completed writes are durable: for it every write is a synchronous one, or is followed by
 * a flush.
 *
 * Ranges to discard or to zero are done one after the other, where what the disk stands on can;
 * what must be zeroes is written where it cannot. A discard that cannot be done is none: it is a
 * hint.
 */
#include "blk.h"

#include "blk_bounce.h"
#include "blk_store.h"
#include "message.h"
#include "queue.h"

#include <limits.h>
#include <stdlib.h>

#define BLK_SEG_MAX	126u		/* told to the driver: data segments */
#define BLK_BYTES	(1u << 30)	/* of a chain */
#define BLK_RANGE_SECTORS	(1u << 21)	/* told to the driver: of a range, 1 GiB */

_Static_assert(BLK_SEGS <= IOV_MAX, "a request must be one operation");

/**
 * struct blk - a disk
 * @dev: what it has in common with other devices
 * @store: what it stands on
 * @through: the write cache is off (CONFIG_WCE); the control thread changes it, atomically
 * @serial: answer to GET_ID, padded with zeros
 */
struct blk {
	struct device dev;
	struct blk_store *store;
	bool through;
	char serial[VIRTIO_BLK_ID_BYTES];
};

/**
 * struct blk_queue - a queue of a disk
 * @disk: what requests are checked against
 * @free: slots that are not in flight
 * @bounce: private buffers
 * @giving: those are being given to requests that wait
 * @seg: where a chain's segments are put when it is popped
 * @mem: of the slots
 * @io: the slots
 */
struct blk_queue {
	struct blk_disk disk;
	struct blk_io *free;
	struct blk_bounce bounce;
	bool giving;
	struct ring_iov seg[BLK_SEGS];
	struct blk_segs *mem;
	struct blk_io io[BLK_DEPTH];
};

static struct blk *blk_of(const struct queue *q)
{
	return container_of(q->dev, struct blk, dev);
}

static void blk_next(struct queue *q, struct blk_io *io);

/* ---- steps ------------------------------------------------------------------ */

/* A request needs its slot and its buffer no longer: whoever waits for one goes on. */
static void blk_release(struct queue *q, struct blk_io *io)
{
	struct blk_queue *b = q->priv;

	if (io->buf)
		blk_bounce_put(&b->bounce, io);
	if (!b->free)
		queue_again(q);
	io->next = b->free;
	b->free = io;
	/* One that goes on may end at once, and come by here. */
	if (b->giving)
		return;
	b->giving = true;
	while ((io = blk_bounce_next(&b->bounce)))
		blk_next(q, io);
	b->giving = false;
}

/* End a request: @good bytes of its writable data are valid. */
static void blk_complete(struct queue *q, struct blk_io *io, u8 status, u32 good)
{
	shared_store8(io->status, status);
	dirty_wrote(&q->dirty, io->status, BLK_STATUS_BYTES);
	ring_dev_push(&q->ring, &io->chain,
		      status == VIRTIO_BLK_S_OK ? good + BLK_STATUS_BYTES : good);
	blk_release(q, io);
}

static bool blk_has_ranges(const struct blk_io *io)
{
	return io->req.op == BLK_OP_DISCARD || io->req.op == BLK_OP_ZEROES;
}

static void blk_step_range(const struct blk_store *s, struct blk_io *io)
{
	static u8 zeroes[BLK_PIECE_BYTES] __attribute__((aligned(BLK_BLOCK_MAX)));
	const struct blk_range *r = &io->mem->range[io->at];
	struct blk_step *step = &io->step;

	*step = (struct blk_step) {
		.op = io->zeroes ? BLK_OP_WRITE : io->req.op,
		.offset = r->offset + io->done,
		.bytes = io->zeroes ? min_t(u32, r->bytes - io->done, s->piece) : r->bytes,
		.iov = io->mem->seg,
		.iovs = 1,
		.unmap = r->unmap,
	};
	/* Only read from, there being no such iovec. */
	io->mem->seg[0] = (struct iovec) { zeroes, step->bytes };
	step->last = io->at + 1 == io->ranges &&
		     (!io->zeroes || io->done + step->bytes == r->bytes);
}

static void blk_step_data(const struct blk_store *s, struct blk_io *io)
{
	u32 left = io->req.bytes - io->done;

	if (io->bounced) {
		io->mem->seg[0] = (struct iovec) { io->buf, min_t(u32, left, s->piece) };
		io->iov = io->mem->seg;
		io->iovs = 1;
	}
	io->step = (struct blk_step) {
		.op = io->req.op,
		.offset = io->req.offset + io->done,
		.bytes = io->bounced ? (u32)io->iov->iov_len : left,
		.iov = io->iov,
		.iovs = io->iovs,
	};
	io->step.last = io->step.bytes == left;
	if (io->bounced && io->req.op == BLK_OP_WRITE)
		ring_iov_read(io->mem->data, io->segs, io->skip + io->done, io->buf,
			      io->step.bytes);
}

/* Have the next step of a request done. */
static void blk_next(struct queue *q, struct blk_io *io)
{
	struct blk_store *s = blk_of(q)->store;
	struct blk_queue *b = q->priv;
	int r = 1;

	if (io->bounced && !io->buf)
		r = blk_bounce_get(&b->bounce, io, min_t(u32, io->req.bytes, s->piece));
	if (r < 0)
		blk_complete(q, io, VIRTIO_BLK_S_IOERR, 0);
	if (r <= 0)
		return;
	if (io->syncing || io->req.op == BLK_OP_FLUSH)
		io->step = (struct blk_step) { .op = BLK_OP_FLUSH, .last = true };
	else if (blk_has_ranges(io))
		blk_step_range(s, io);
	else
		blk_step_data(s, io);
	s->ops->submit(s, q, io);
}

/* All was done but, perhaps, a flush. */
static void blk_finish_data(struct queue *q, struct blk_io *io)
{
	if (io->durable && io->unsynced && !io->syncing) {
		io->syncing = true;
		blk_next(q, io);
		return;
	}
	blk_complete(q, io, VIRTIO_BLK_S_OK, io->req.op == BLK_OP_READ ? io->req.bytes : 0);
}

/* The kernel has written to so many bytes of what is left of a read's segments. */
static void blk_wrote(const struct queue *q, const struct blk_io *io, u32 bytes)
{
	const struct iovec *iov = io->iov;
	u32 len;

	if (likely(!q->dirty.log) || io->bounced)
		return;
	for (; bytes; iov++) {
		len = min_t(u32, bytes, (u32)iov->iov_len);
		dirty_wrote(&q->dirty, memory_shared(iov->iov_base), len);
		bytes -= len;
	}
}

/* So many bytes more of a request were read or written; not more than are left. */
static void blk_advance(const struct queue *q, struct blk_io *io, u32 bytes)
{
	if (io->bounced && io->req.op == BLK_OP_READ)
		dirty_iov_write(&q->dirty, io->mem->data, io->segs, io->skip + io->done, io->buf,
				bytes);
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

/* A step could not be done, for what it ended with: say so, and fail. */
static void blk_fail(struct queue *q, struct blk_io *io, int res)
{
	static const char *const names[] = {
		[BLK_OP_READ] = "read", [BLK_OP_WRITE] = "write", [BLK_OP_FLUSH] = "flush",
		[BLK_OP_DISCARD] = "discard", [BLK_OP_ZEROES] = "zeroes",
	};

	log_peer(&q->dev->limit, LOG_WARN, q->dev->id, "%s of %u bytes at %llu failed: %s",
		 names[io->step.op], io->step.bytes, (unsigned long long)io->step.offset,
		 res ? strerror(-res) : "the image became shorter");
	blk_complete(q, io, VIRTIO_BLK_S_IOERR, io->req.op == BLK_OP_READ ? io->done : 0);
}

/* A step of a request of ranges ended. */
static void blk_range_done(struct queue *q, struct blk_io *io, int res)
{
	const struct blk_range *r = &io->mem->range[io->at];

	if (!io->zeroes && (res == -EOPNOTSUPP || res == -ENOSYS || res == -EINVAL)) {
		if (io->req.op == BLK_OP_ZEROES) {
			io->zeroes = true;
			blk_next(q, io);
			return;
		}
		res = 0;
	}
	if (res < 0 || (io->zeroes && !res)) {
		blk_fail(q, io, res);
		return;
	}
	if (io->zeroes)
		io->done += (u32)res;
	if (!io->zeroes || io->done >= r->bytes) {
		io->done = 0;
		io->at++;
	}
	if (io->at == io->ranges)
		blk_finish_data(q, io);
	else
		blk_next(q, io);
}

void blk_step_done(struct queue *q, struct blk_io *io, int res)
{
	struct blk_store *s = blk_of(q)->store;

	if (res == -EAGAIN || res == -EINTR) {
		s->ops->submit(s, q, io);
		return;
	}
	if (io->step.op == BLK_OP_FLUSH) {
		if (res < 0)
			blk_fail(q, io, res);
		else
			blk_finish_data(q, io);
		return;
	}
	if (blk_has_ranges(io)) {
		blk_range_done(q, io, res);
		return;
	}
	/* One that failed may have written to any part. */
	if (io->step.op == BLK_OP_READ)
		blk_wrote(q, io, res > 0 && (u32)res <= io->step.bytes ? (u32)res : io->step.bytes);
	if (res <= 0 || (u32)res > io->step.bytes) {
		blk_fail(q, io, res);
		return;
	}
	blk_advance(q, io, (u32)res);
	if (io->done < io->req.bytes)
		blk_next(q, io);
	else
		blk_finish_data(q, io);
}

/* Before its first step. */
static void blk_begin(struct blk_io *io)
{
	io->done = 0;
	io->at = 0;
	io->zeroes = false;
	io->syncing = false;
	io->unsynced = false;
}

void blk_io_anew(struct queue *q, struct blk_io *io)
{
	blk_begin(io);
	blk_next(q, io);
}

void blk_io_leave(struct queue *q, struct blk_io *io)
{
	if (queue_is_logged(q))
		blk_release(q, io);
	else
		blk_complete(q, io, VIRTIO_BLK_S_IOERR, 0);
}

/* ---- requests -------------------------------------------------------------- */

/* Is the memory of a request aligned as what the disk stands on wants it? */
static bool blk_is_aligned(const struct blk_store *s, const struct blk_io *io)
{
	u64 bits = 0;
	unsigned int i;

	for (i = 0; i < io->iovs; i++)
		bits |= (uintptr_t)io->iov[i].iov_base | io->iov[i].iov_len;
	return !(bits & (s->align - 1));
}

/* The data goes by way of a private buffer: remember the segments that it is in. */
static void blk_bounce(struct blk_io *io, const struct ring_iov *seg, unsigned int segs, u32 skip)
{
	memcpy(io->mem->data, seg, segs * sizeof(*seg));
	io->segs = segs;
	io->skip = skip;
	io->bounced = true;
}

/* Data segments of a chain: @skip bytes passed over, then as many as are asked for. */
static void blk_gather(const struct blk_store *s, struct blk_io *io, const struct ring_iov *seg,
		       unsigned int segs, u32 skip)
{
	u32 bytes = io->req.bytes, pass = skip, len;
	unsigned int i;

	if (s->distant) {
		blk_bounce(io, seg, segs, skip);
		return;
	}
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
	if (!blk_is_aligned(s, io))
		blk_bounce(io, seg, segs, skip);
}

static void blk_get_id(struct queue *q, struct blk_io *io, const struct ring_chain *c)
{
	u32 len = min_t(u32, io->req.bytes, VIRTIO_BLK_ID_BYTES);

	dirty_iov_write(&q->dirty, c->iov + c->out, c->in, 0, blk_of(q)->serial, len);
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
	ring_iov_read(c->iov, c->out, BLK_HDR_BYTES, raw, io->req.bytes);
	for (i = 0; i < io->ranges && status == VIRTIO_BLK_S_OK; i++)
		status = blk_range_check(&raw[i], io->req.op, &b->disk, &io->mem->range[i]);
	return status;
}

/* Serve one chain. Return: false when it cannot even be answered. */
static bool blk_serve_chain(struct queue *q, const struct ring_chain *c)
{
	const struct blk_store *s = blk_of(q)->store;
	struct blk_queue *b = q->priv;
	struct virtio_blk_outhdr hdr = { 0 };
	const struct ring_iov *last;
	struct blk_io *io;
	int status;

	ring_iov_read(c->iov, c->out, 0, &hdr, sizeof(hdr));
	io = b->free;
	b->disk.sectors = __atomic_load_n(&s->sectors, __ATOMIC_RELAXED);
	status = blk_req_check(&hdr, c->out_len, c->in_len, &b->disk, &io->req);
	if (status < 0)
		return false;
	b->free = io->next;
	io->chain.id = c->id;
	io->chain.count = c->count;
	last = &c->iov[c->out + c->in - 1];
	io->status = shared_at(last->base, last->len - 1);
	io->bounced = false;
	io->stamped = false;
	blk_begin(io);
	io->durable = !(b->disk.features & BIT_ULL(VIRTIO_BLK_F_FLUSH)) ||
		      __atomic_load_n(&blk_of(q)->through, __ATOMIC_RELAXED);
	if (status == VIRTIO_BLK_S_OK && blk_has_ranges(io))
		status = blk_take_ranges(q, io, c);
	if (status != VIRTIO_BLK_S_OK) {
		blk_complete(q, io, (u8)status, 0);
		return true;
	}
	switch (io->req.op) {
	case BLK_OP_READ:
		blk_gather(s, io, c->iov + c->out, c->in, 0);
		break;
	case BLK_OP_WRITE:
		blk_gather(s, io, c->iov, c->out, BLK_HDR_BYTES);
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
		blk_next(q, io);
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

static void blk_stop(struct queue *q)
{
	struct blk_store *s = blk_of(q)->store;

	if (s->ops->stop)
		s->ops->stop(s, q);
}

static void blk_take_over(struct queue *q)
{
	struct blk_store *s = blk_of(q)->store;

	if (s->ops->begin)
		s->ops->begin(s, q);
}

static int blk_start(struct queue *q)
{
	const struct blk *blk = blk_of(q);
	struct blk_store *s = blk->store;
	struct blk_queue *b;
	unsigned int i;
	int r;

	b = malloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->mem = malloc(BLK_DEPTH * sizeof(*b->mem));
	if (!b->mem) {
		free(b);
		return -ENOMEM;
	}
	b->disk.block = s->block;
	/* What the device is does not depend on what the driver knows of it. */
	b->disk.features = q->features | (blk->dev.features & BIT_ULL(VIRTIO_BLK_F_RO));
	blk_bounce_init(&b->bounce);
	b->giving = false;
	b->free = NULL;
	for (i = BLK_DEPTH; i--;) {
		b->io[i].mem = &b->mem[i];
		b->io[i].op.pending = false;
		b->io[i].buf = NULL;
		b->io[i].next = b->free;
		b->free = &b->io[i];
	}
	q->priv = b;
	r = s->ops->start ? s->ops->start(s, q) : 0;
	if (!r)
		return 0;
	q->priv = NULL;
	free(b->mem);
	free(b);
	return r;
}

static void blk_finish(struct queue *q)
{
	struct blk_store *s = blk_of(q)->store;
	struct blk_queue *b = q->priv;

	if (s->ops->finish)
		s->ops->finish(s, q);
	blk_bounce_free(&b->bounce);
	free(b->mem);
	free(b);
	q->priv = NULL;
}

static void blk_idle(struct device *dev)
{
	struct blk_store *s = container_of(dev, struct blk, dev)->store;

	if (s->ops->idle)
		s->ops->idle(s);
}

static void blk_config(struct device *dev, u8 *space)
{
	struct blk *blk = container_of(dev, struct blk, dev);
	struct virtio_blk_config config;

	_Static_assert(sizeof(config) <= MESSAGE_CONFIG_BYTES, "configuration space");
	memset(&config, 0, sizeof(config));
	config.capacity = (__force __virtio64)
		cpu_to_le64(__atomic_load_n(&blk->store->sectors, __ATOMIC_RELAXED));
	config.blk_size = (__force __virtio32)cpu_to_le32(blk->store->block);
	config.seg_max = (__force __virtio32)cpu_to_le32(BLK_SEG_MAX);
	config.num_queues = (__force __virtio16)cpu_to_le16(dev->queues);
	config.wce = !blk->through;
	config.max_discard_sectors = (__force __virtio32)cpu_to_le32(BLK_RANGE_SECTORS);
	config.max_discard_seg = (__force __virtio32)cpu_to_le32(BLK_RANGES);
	config.discard_sector_alignment = (__force __virtio32)
		cpu_to_le32(BLK_BLOCK_MAX >> BLK_SECTOR_SHIFT);
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
	struct blk_store *s = container_of(dev, struct blk, dev)->store;
	u64 sectors;

	if (!s->ops->resized || !s->ops->resized(s, &sectors))
		return false;
	__atomic_store_n(&s->sectors, sectors, __ATOMIC_RELAXED);
	log_info(dev->id, "image %s has %llu bytes now", s->name,
		 (unsigned long long)sectors * BLK_SECTOR);
	return true;
}

static void blk_close(struct device *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);

	blk->store->ops->close(blk->store);
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
	.begin = blk_take_over,
	.serve = blk_serve,
	.stop = blk_stop,
	.finish = blk_finish,
	.idle = blk_idle,
	.close = blk_close,
};

static struct blk_store *blk_open_store(const struct options_device *spec)
{
	if (spec->path)
		return blk_file_open(spec);
	if (spec->nbd)
		return blk_nbd_open(spec);
	return blk_null_open(spec);
}

struct device *blk_open(const struct options_device *spec)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	struct blk_store *s;

	if (!blk)
		return NULL;
	device_init(&blk->dev, &blk_ops, spec->id);
	s = blk_open_store(spec);
	if (!s) {
		free(blk);
		return NULL;
	}
	blk->store = s;
	s->id = blk->dev.id;
	s->align = s->align ? s->align : 1;
	s->piece = s->piece ? s->piece : BLK_PIECE_BYTES;
	if (spec->serial)
		memcpy(blk->serial, spec->serial,
		       min_t(size_t, strlen(spec->serial), sizeof(blk->serial)));
	blk->dev.port = s->port;
	blk->dev.queues = s->queues ? min_t(u16, s->queues, spec->queues) : spec->queues;
	blk->dev.queue_num = blk->dev.queues;
	blk->dev.features = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
			    BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_MQ);
	/* What a driver has set here does not go with its guest. */
	blk->dev.migrates = spec->migrate;
	if (!spec->migrate)
		blk->dev.features |= BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);
	if (!spec->readonly)
		blk->dev.features |= BIT_ULL(VIRTIO_BLK_F_DISCARD) |
				     BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (spec->readonly)
		blk->dev.features |= BIT_ULL(VIRTIO_BLK_F_RO);
	return &blk->dev;
}
