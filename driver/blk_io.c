// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a block request.
 *
 * Theory
 * ------
 * The block layer's tag is the allocation: tag i owns control slot i and data
 * slot i of its lane from blk_io_queue_rq() until the request has ended, so a
 * request of up to BLK_BLOCK bytes finds its bounce memory without a search or a
 * lock. A larger one takes runs of blocks from the lane's pool, all or nothing.
 *
 *   prepare   compose the header, find the bounce memory, copy write data out
 *   submit    stage the chain in the ring; the device has it once published
 *   reap      (tasklet, or who polls) take completions out of the ring
 *   finish    (softirq) read the status, copy read data in, give memory back, end
 *
 * Copies are done without the lane's lock: the tag owns the memory. Only the
 * bytes that the request asks for are copied, in one pass each way. Since all
 * data is copied, buffers need no alignment.
 *
 * Discards and zeroes have no data of the caller's: what goes out are their ranges, which
 * always fit the data slot. A write with FUA does not come here: the block layer, which was
 * not told of any FUA, sends a write and a flush.
 *
 * Exactly once. A request is put into blk_lane.inflight[] under the lock when it
 * enters the ring. Reaping takes it out, and so does blk_io_kill() when the device
 * has failed; both hold the lock, and whoever took it out completes it. Killing
 * marks the lane dead first, so nothing comes in behind it. A killed request is
 * ended with an error without a look at its slots, which the device may still
 * write if its reset was not confirmed; they are never used again.
 *
 * Back-pressure. When pool or ring are full the answer is
 * BLK_STS_DEV_RESOURCE, which promises the block layer that a completion will
 * come and run the queue again. The promise holds: an empty pool satisfies any
 * request (blk_vdisk.bytes is at most the pool), so something holds blocks, and it
 * either ends or is itself put back for a full ring, which is full of requests
 * that will end. Blocks are given back before the request is ended, because
 * ending is what wakes the queue. What was staged is published before going away,
 * or nothing might ever complete. Where nothing is in the ring, because whoever held
 * blocks has not entered it yet or has just left it, the promise is not made: the answer is
 * BLK_STS_RESOURCE, and the block layer asks again by itself. Pool, ring and tags all belong
 * to one lane, so nobody waits for a completion on another.
 *
 * What the device says. Of a completion, two things are believed after a check:
 * the length, which ring/ has bounded, and the status byte, preset to a value
 * that is none and loaded once. A read whose length is short of data and status
 * fails: the caller must not see what an earlier request left in the slot.
 */
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/highmem.h>

#include "blk.h"
#include "compat/compat.h"

/* What the status byte holds until the device writes it: no status of virtio. */
#define BLK_STATUS_NONE		0xff

/**
 * struct blk_io - driver's part of a request
 * @next: in the list of those that were just reaped
 * @bytes: of data; of ranges when it is a discard or zeroes
 * @len: bytes that the device says it wrote, status included
 * @runs: entries of @run in use; 0: the data is in the data slot, or there is none
 * @killed: the device failed; end it with an error
 * @run: blocks of the pool
 */
struct blk_io {
	struct request *next;
	u32 bytes;
	u32 len;
	u16 runs;
	bool killed;
	struct extent run[BLK_SEGS_MAX];
};

/**
 * blk_io_pdu_bytes() - driver's part of each request, for the tag set
 *
 * Return: bytes.
 */
size_t blk_io_pdu_bytes(void)
{
	return sizeof(struct blk_io);
}

static struct blk_lane *blk_io_lane(const struct request *rq)
{
	return rq->mq_hctx->driver_data;
}

/* ---- bounce memory of a request ------------------------------------------- */

/* Pieces of bounce memory that a request's data is in. */
static unsigned int blk_io_pieces(const struct blk_io *io)
{
	return io->runs ? io->runs : io->bytes ? 1 : 0;
}

/* Piece @i: its address here and, by the way, its address for the device and its bytes. */
static void __shared *blk_io_piece(const struct blk_lane *lane, const struct blk_io *io,
				   u32 tag, unsigned int i, u64 *bus, u32 *bytes)
{
	if (!io->runs) {
		*bus = slots_bus(&lane->data, tag);
		*bytes = BLK_BLOCK;
		return slots_cpu(&lane->data, tag);
	}
	*bus = extent_bus(&lane->pool, &io->run[i]);
	*bytes = extent_bytes(&lane->pool, &io->run[i]);
	return extent_cpu(&lane->pool, &io->run[i]);
}

static void blk_io_copy_bytes(void __shared *shared, u8 *private, u32 n, bool out)
{
	if (out)
		shared_copy_out(shared, private, n);
	else
		shared_copy_in(private, shared, n);
}

/* All of the data in one page and in the data slot, as most is: worth a way without loops. */
static bool blk_io_copy_page(const struct blk_lane *lane, struct request *rq, bool out)
{
	const struct blk_io *io = blk_mq_rq_to_pdu(rq);
	struct bio_vec bv;
	u8 *private;

	if (io->runs || !io->bytes)
		return false;
	bv = req_bvec(rq);
	if (bv.bv_len != io->bytes || bv.bv_offset + bv.bv_len > PAGE_SIZE)
		return false;
	private = bvec_kmap_local(&bv);
	blk_io_copy_bytes(slots_cpu(&lane->data, rq->tag), private, bv.bv_len, out);
	if (!out)
		flush_dcache_page(bv.bv_page);
	kunmap_local(private);
	return true;
}

/* One pass between the request's pages and its bounce memory. */
static void blk_io_copy(const struct blk_lane *lane, struct request *rq, bool out)
{
	const struct blk_io *io = blk_mq_rq_to_pdu(rq);
	void __shared *shared = NULL;
	struct req_iterator iter;
	unsigned int piece = 0;
	struct bio_vec bv;
	u32 room = 0;
	u64 bus;

	if (blk_io_copy_page(lane, rq, out))
		return;
	rq_for_each_segment(bv, rq, iter) {
		u8 *private = bvec_kmap_local(&bv);
		u32 done, n;

		for (done = 0; done < bv.bv_len; done += n) {
			if (!room)
				shared = blk_io_piece(lane, io, rq->tag, piece++, &bus, &room);
			n = min(room, bv.bv_len - done);
			blk_io_copy_bytes(shared, private + done, n, out);
			shared = shared_at(shared, n);
			room -= n;
		}
		if (!out)
			flush_dcache_page(bv.bv_page);
		kunmap_local(private);
	}
}

static void blk_io_unalloc(struct blk_lane *lane, struct blk_io *io)
{
	unsigned long flags;

	if (!io->runs)
		return;
	spin_lock_irqsave(&lane->q->lock, flags);
	extent_free(&lane->pool, io->run, io->runs);
	spin_unlock_irqrestore(&lane->q->lock, flags);
	io->runs = 0;
}

/* Bounce memory for @io->bytes. Return: 0 or -ENOSPC. */
static int blk_io_alloc(struct blk_lane *lane, struct blk_io *io)
{
	unsigned long flags;
	int runs;

	io->runs = 0;
	if (io->bytes <= BLK_BLOCK)
		return 0;

	spin_lock_irqsave(&lane->q->lock, flags);
	runs = extent_alloc(&lane->pool, DIV_ROUND_UP(io->bytes, BLK_BLOCK), io->run,
			    lane->vdisk->runs);
	spin_unlock_irqrestore(&lane->q->lock, flags);
	if (runs < 0)
		return runs;
	io->runs = runs;
	return 0;
}

/* ---- prepare, submit ------------------------------------------------------- */

/* The virtio request type, or -1 for what this disk was never said to do. */
static int blk_io_type(const struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return VIRTIO_BLK_T_IN;
	case REQ_OP_WRITE:
		return VIRTIO_BLK_T_OUT;
	case REQ_OP_FLUSH:
		return VIRTIO_BLK_T_FLUSH;
	case REQ_OP_DISCARD:
		return VIRTIO_BLK_T_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return VIRTIO_BLK_T_WRITE_ZEROES;
	case REQ_OP_DRV_IN:
		return VIRTIO_BLK_T_GET_ID;
	default:
		return -1;
	}
}

static void blk_io_range(void __shared *slot, u32 i, u64 sector, u32 sectors, u32 flags)
{
	const struct virtio_blk_discard_write_zeroes range = {
		.sector = cpu_to_le64(sector),
		.num_sectors = cpu_to_le32(sectors),
		.flags = cpu_to_le32(flags),
	};

	shared_copy_out(shared_at(slot, i * sizeof(range)), &range, sizeof(range));
}

/*
 * The ranges of a discard, or the one to be zeroed, into the data slot. Only where a disk
 * takes several does the block layer put some that are apart into one request, each in
 * a bio of its own. Return: bytes; 0 when they are more than was agreed.
 */
static u32 blk_io_ranges(const struct blk_lane *lane, struct request *rq, int type)
{
	void __shared *slot = slots_cpu(&lane->data, rq->tag);
	u32 flags = 0, n = 0;
	struct bio *bio;

	if (type == VIRTIO_BLK_T_WRITE_ZEROES && !(rq->cmd_flags & REQ_NOUNMAP))
		flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (type == VIRTIO_BLK_T_WRITE_ZEROES || lane->vdisk->limits.discard_segs == 1) {
		blk_io_range(slot, n++, blk_rq_pos(rq), blk_rq_sectors(rq), flags);
	} else {
		__rq_for_each_bio(bio, rq) {
			if (unlikely(n == lane->vdisk->limits.discard_segs))
				return 0;
			blk_io_range(slot, n++, bio->bi_iter.bi_sector,
				     bio->bi_iter.bi_size >> BLK_SECTOR_SHIFT, flags);
		}
	}
	return n * sizeof(struct virtio_blk_discard_write_zeroes);
}

/* How much data goes with a request. False when it is more than was ever agreed. */
static bool blk_io_measure(const struct blk_lane *lane, struct request *rq, int type)
{
	struct blk_io *io = blk_mq_rq_to_pdu(rq);

	switch (type) {
	case VIRTIO_BLK_T_FLUSH:
		io->bytes = 0;
		return true;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		io->bytes = blk_io_ranges(lane, rq, type);
		return io->bytes;
	default:
		io->bytes = blk_rq_bytes(rq);
		return io->bytes <= lane->vdisk->bytes;
	}
}

/* Everything that needs no ring. On success the request is ready for blk_io_submit(). */
static blk_status_t blk_io_prepare(struct blk_lane *lane, struct request *rq)
{
	struct blk_io *io = blk_mq_rq_to_pdu(rq);
	void __shared *ctrl = slots_cpu(&lane->ctrl, rq->tag);
	struct virtio_blk_outhdr hdr = {};
	int type = blk_io_type(rq);

	if (unlikely(type < 0))
		return BLK_STS_NOTSUPP;

	io->killed = false;
	io->len = 0;
	if (unlikely(!blk_io_measure(lane, rq, type)))
		return BLK_STS_IOERR;
	if (blk_io_alloc(lane, io))
		return BLK_STS_DEV_RESOURCE;

	hdr.type = (__force __virtio32)cpu_to_le32(type);
	if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_OUT)
		hdr.sector = (__force __virtio64)cpu_to_le64(blk_rq_pos(rq));
	shared_copy_out(shared_at(ctrl, BLK_CTRL_HDR), &hdr, sizeof(hdr));
	shared_store8((u8 __shared *)shared_at(ctrl, BLK_CTRL_STATUS), BLK_STATUS_NONE);
	if (type == VIRTIO_BLK_T_OUT)
		blk_io_copy(lane, rq, true);
	return BLK_STS_OK;
}

/* The data descriptors, none longer than size_max. Return: how many. */
static unsigned int blk_io_segs(const struct blk_lane *lane, const struct request *rq,
				struct ring_seg *seg)
{
	const struct blk_io *io = blk_mq_rq_to_pdu((struct request *)rq);
	u32 left = io->bytes, bytes, n;
	unsigned int i, segs = 0;
	u64 bus;

	for (i = 0; i < blk_io_pieces(io); i++) {
		blk_io_piece(lane, io, rq->tag, i, &bus, &bytes);
		for (bytes = min(bytes, left); bytes; bytes -= n) {
			n = min(bytes, lane->vdisk->limits.size_max);
			seg[segs++] = (struct ring_seg) { .bus = bus, .len = n };
			bus += n;
			left -= n;
		}
	}
	return segs;
}

/* Stage a prepared and started request. Return: 0, -ENOSPC or -EIO. */
static int blk_io_submit(struct blk_lane *lane, struct request *rq)
{
	const u64 ctrl = slots_bus(&lane->ctrl, rq->tag);
	const struct ring_table table = {
		.desc = shared_at(slots_cpu(&lane->ctrl, rq->tag), BLK_CTRL_TABLE),
		.bus = ctrl + BLK_CTRL_TABLE,
		.num = BLK_SEGS_MAX + 2,
	};
	struct ring_seg seg[BLK_SEGS_MAX + 2];
	struct ring_buf buf = { .seg = seg };
	unsigned int data = blk_io_segs(lane, rq, &seg[1]);
	unsigned long flags;
	int err = -EIO;

	seg[0] = (struct ring_seg) { .bus = ctrl + BLK_CTRL_HDR, .len = BLK_HDR_BYTES };
	seg[data + 1] = (struct ring_seg) {
		.bus = ctrl + BLK_CTRL_STATUS,
		.len = BLK_STATUS_BYTES,
	};
	buf.out = rq_data_dir(rq) == WRITE ? data + 1 : 1;
	buf.in = data + 2 - buf.out;
	if (lane->vdisk->adev->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC))
		buf.table = &table;

	spin_lock_irqsave(&lane->q->lock, flags);
	if (likely(!lane->dead && !lane->down))
		err = ring_drv_add(&lane->q->ring, &buf, rq);
	if (likely(err >= 0)) {
		lane->inflight[rq->tag] = rq;
		err = 0;
	}
	spin_unlock_irqrestore(&lane->q->lock, flags);
	return err;
}

/* Give the device all that was staged. */
static void blk_io_publish(struct blk_lane *lane)
{
	unsigned long flags;
	bool kick = false, watch = false;

	spin_lock_irqsave(&lane->q->lock, flags);
	if (likely(!lane->dead && !lane->down)) {
		kick = ring_drv_publish(&lane->q->ring);
		watch = !lane->watched;
		lane->watched = true;
	}
	lane->stats.kicks += kick;
	spin_unlock_irqrestore(&lane->q->lock, flags);
	if (kick)
		airlock_queue_kick(lane->q);
	if (unlikely(watch))
		blk_watch_start(lane->vdisk);
}

/* The way of one request into the ring; on failure it holds nothing any more. */
static blk_status_t blk_io_enter(struct blk_lane *lane, struct request *rq)
{
	blk_status_t status = blk_io_prepare(lane, rq);
	unsigned long flags;
	int err;

	if (unlikely(status))
		goto out;

	blk_mq_start_request(rq);
	err = blk_io_submit(lane, rq);
	if (likely(!err))
		return BLK_STS_OK;

	blk_io_unalloc(lane, blk_mq_rq_to_pdu(rq));
	if (err == -ENOSPC) {
		status = BLK_STS_DEV_RESOURCE;
	} else if (READ_ONCE(lane->dead)) {
		status = BLK_STS_IOERR;
	} else {
		/* The block layer asks again, until it is held or the device is back. */
		status = BLK_STS_RESOURCE;
		airlock_queue_fault(lane->q);
	}
out:
	if (status == BLK_STS_DEV_RESOURCE) {
		spin_lock_irqsave(&lane->q->lock, flags);
		lane->stats.waits++;
		if (!ring_drv_in_flight(&lane->q->ring))
			status = BLK_STS_RESOURCE;
		spin_unlock_irqrestore(&lane->q->lock, flags);
	}
	return status;
}

static blk_status_t blk_io_queue_rq(struct blk_mq_hw_ctx *hctx,
				    const struct blk_mq_queue_data *bd)
{
	struct blk_lane *lane = hctx->driver_data;
	blk_status_t status;

	if (unlikely(READ_ONCE(lane->dead)))
		return BLK_STS_IOERR;

	status = blk_io_enter(lane, bd->rq);
	if (bd->last || status)
		blk_io_publish(lane);
	return status;
}

/* The block layer meant to send more than it did. */
static void blk_io_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	blk_io_publish(hctx->driver_data);
}

/*
 * A batch with one kick. When one cannot go in now, it and those behind it come back
 * through queue_rq().
 */
static void blk_io_queue_rqs(compat_rq_list *list)
{
	struct blk_lane *lane = NULL;
	struct request *rq;

	while ((rq = rq_list_pop(list))) {
		struct blk_lane *next = blk_io_lane(rq);

		if (lane && next != lane)
			blk_io_publish(lane);
		lane = next;

		/* Some block layers do this only for requests that they send one by one. */
		rq->mq_hctx->tags->rqs[rq->tag] = rq;
		if (likely(!READ_ONCE(lane->dead) && !blk_io_enter(lane, rq)))
			continue;

		if (blk_mq_request_started(rq))
			blk_mq_requeue_request(rq, true);
		else
			compat_rq_list_push(list, rq);
		break;
	}
	if (lane)
		blk_io_publish(lane);
}

/* ---- reap, finish ---------------------------------------------------------- */

/* Take @rq out of the device's hands; with the lane's lock held. */
static void blk_io_take(struct blk_lane *lane, struct request *rq, struct request **list)
{
	struct blk_io *io = blk_mq_rq_to_pdu(rq);

	lane->inflight[rq->tag] = NULL;
	io->next = *list;
	*list = rq;
}

/* Hand requests that were taken on to blk_io_complete(); without the lock. */
static void blk_io_hand_on(struct request *list)
{
	while (list) {
		struct request *rq = list;
		struct blk_io *io = blk_mq_rq_to_pdu(rq);

		list = io->next;
		blk_mq_complete_request(rq);
	}
}

/*
 * Take all completions, and ask for a call at the next unless the lane is polled. Nothing
 * goes in under the lock, so an honest device cannot make it go round more often than there
 * are tags; one that plays with used.idx gets no more than that either. Return: how many.
 */
static int blk_io_reap(struct blk_lane *lane)
{
	struct ring_drv *ring = &lane->q->ring;
	struct request *list = NULL;
	struct ring_done done;
	u32 rounds = lane->depth + 1;
	unsigned long flags;
	int got = 0, all = 0;

	/* blk_failed() waits for whoever is between taking and handing on. */
	rcu_read_lock();
	spin_lock_irqsave(&lane->q->lock, flags);
	do {
		if (lane->dead || lane->down)
			break;
		ring_drv_disarm(ring);
		while ((got = ring_drv_poll(ring, &done)) > 0) {
			struct blk_io *io = blk_mq_rq_to_pdu(done.cookie);

			io->len = done.len;
			blk_io_take(lane, done.cookie, &list);
			all++;
		}
	} while (!got && !lane->polled && ring_drv_arm(ring) && --rounds);
	lane->done += all;
	spin_unlock_irqrestore(&lane->q->lock, flags);

	if (unlikely(got < 0))
		airlock_queue_fault(lane->q);
	blk_io_hand_on(list);
	rcu_read_unlock();
	return all;
}

/*
 * Somebody waits for a request on a polled lane, and looks. The device is never asked to
 * call there. Such requests end where they are found.
 */
static int blk_io_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *batch)
{
	/* With the lock: a recovery makes the ring anew. */
	return blk_io_reap(hctx->driver_data);
}

/**
 * blk_io_reap_later() - take completions; the tasklet of a lane
 * @reaper: of the lane
 *
 * Not in the interrupt: with one processor the block layer finishes a request where
 * it is told of it, and that is where read data is copied.
 */
void blk_io_reap_later(struct tasklet_struct *reaper)
{
	blk_io_reap(container_of(reaper, struct blk_lane, reaper));
}

/**
 * blk_io_call() - the device called
 * @q: the lane's virtqueue
 *
 * Hard interrupt context.
 */
void blk_io_call(struct airlock_queue *q)
{
	struct blk_lane *lane = q->priv;

	tasklet_schedule(&lane->reaper);
}

/* What the device's answer means, looked at once. */
static blk_status_t blk_io_status(struct blk_lane *lane, const struct request *rq)
{
	const struct blk_io *io = blk_mq_rq_to_pdu((struct request *)rq);
	void __shared *ctrl = slots_cpu(&lane->ctrl, rq->tag);
	const bool data_in = rq_data_dir(rq) == READ && io->bytes;
	const u32 need = data_in ? io->bytes + BLK_STATUS_BYTES : 0;
	unsigned long flags;

	switch (shared_load8((u8 __shared *)shared_at(ctrl, BLK_CTRL_STATUS))) {
	case VIRTIO_BLK_S_OK:
		if (likely(io->len >= need))
			return BLK_STS_OK;
		break;
	case VIRTIO_BLK_S_IOERR:
		return BLK_STS_IOERR;
	case VIRTIO_BLK_S_UNSUPP:
		return BLK_STS_NOTSUPP;
	}

	spin_lock_irqsave(&lane->q->lock, flags);
	lane->stats.bad_replies++;
	spin_unlock_irqrestore(&lane->q->lock, flags);
	dev_err_ratelimited(&lane->vdisk->adev->pdev->dev,
			    "%s: %s: unknown status or short length (%u of %u) from the device, request failed\n",
			    lane->vdisk->disk->disk_name, lane->q->name, io->len, need);
	return BLK_STS_IOERR;
}

/* Softirq or process context; the request has left the ring. */
static void blk_io_complete(struct request *rq)
{
	struct blk_lane *lane = blk_io_lane(rq);
	struct blk_io *io = blk_mq_rq_to_pdu(rq);
	blk_status_t status = BLK_STS_IOERR;

	if (likely(!io->killed)) {
		status = blk_io_status(lane, rq);
		if (!status && io->bytes && rq_data_dir(rq) == READ)
			blk_io_copy(lane, rq, false);
	}
	blk_io_unalloc(lane, io);
	/* Pairs with blk_settle(): the copy was before. */
	atomic_fetch_inc_release(&lane->finished);
	blk_mq_end_request(rq, status);
}

/* ---- trouble ---------------------------------------------------------------- */

/**
 * blk_io_start() - let the device call, unless the lane is polled
 * @lane: the lane, before airlock_ready()
 */
void blk_io_start(struct blk_lane *lane)
{
	unsigned long flags;

	if (lane->polled)
		return;
	spin_lock_irqsave(&lane->q->lock, flags);
	ring_drv_arm(&lane->q->ring);
	spin_unlock_irqrestore(&lane->q->lock, flags);
}

/**
 * blk_io_pause() - the device is out of service
 * @lane: the lane; the block layer is held
 *
 * What the device has stays where it is: it may still write to its memory. Process
 * context.
 */
void blk_io_pause(struct blk_lane *lane)
{
	unsigned long flags;

	spin_lock_irqsave(&lane->q->lock, flags);
	WRITE_ONCE(lane->down, true);
	spin_unlock_irqrestore(&lane->q->lock, flags);
}

/* Out of the device's hands, all of it; with the lane's lock held. */
static struct request *blk_io_take_all(struct blk_lane *lane)
{
	struct request *list = NULL;
	u32 tag;

	for (tag = 0; tag < lane->depth; tag++) {
		if (lane->inflight[tag])
			blk_io_take(lane, lane->inflight[tag], &list);
	}
	return list;
}

/**
 * blk_io_take_back() - have the block layer send again what the device had
 * @lane: the lane, paused; the device's reset was confirmed
 *
 * A read or write that was done and not answered is done twice, which is harmless: nobody
 * was told that it was done once. Process context.
 */
void blk_io_take_back(struct blk_lane *lane)
{
	struct request *list, *rq;
	unsigned long flags;

	spin_lock_irqsave(&lane->q->lock, flags);
	list = blk_io_take_all(lane);
	for (rq = list; rq; rq = ((struct blk_io *)blk_mq_rq_to_pdu(rq))->next)
		lane->stats.requeues++;
	spin_unlock_irqrestore(&lane->q->lock, flags);

	while ((rq = list)) {
		struct blk_io *io = blk_mq_rq_to_pdu(rq);

		list = io->next;
		blk_io_unalloc(lane, io);
		blk_mq_requeue_request(rq, false);
	}
}

/**
 * blk_io_resume() - the device is in service again
 * @lane: the lane, paused
 */
void blk_io_resume(struct blk_lane *lane)
{
	unsigned long flags;

	spin_lock_irqsave(&lane->q->lock, flags);
	WRITE_ONCE(lane->down, false);
	spin_unlock_irqrestore(&lane->q->lock, flags);
	/* Calls that came since airlock_ready() were not listened to. */
	if (!lane->polled)
		tasklet_schedule(&lane->reaper);
}

/**
 * blk_io_kill() - end a lane: fail what the device has, refuse what comes
 * @lane: the lane of a failed or stopped device
 *
 * Process context; harmless more than once. Does not touch shared memory.
 */
void blk_io_kill(struct blk_lane *lane)
{
	struct request *list, *rq;
	struct blk_io *io;
	unsigned long flags;

	spin_lock_irqsave(&lane->q->lock, flags);
	WRITE_ONCE(lane->dead, true);
	list = blk_io_take_all(lane);
	for (rq = list; rq; rq = io->next) {
		io = blk_mq_rq_to_pdu(rq);
		io->killed = true;
		lane->done++;
	}
	spin_unlock_irqrestore(&lane->q->lock, flags);
	blk_io_hand_on(list);
}

/*
 * Too long without an answer. Perhaps only the interrupt was lost: look first.
 * Else the device has the memory and keeps it, so the device must be reset: the core
 * does that, and this request is sent again with all the others.
 */
static enum blk_eh_timer_return blk_io_timeout(struct request *rq)
{
	struct blk_lane *lane = blk_io_lane(rq);
	unsigned long flags;
	bool stuck, first;
	int tag;

	blk_io_reap(lane);

	/* As there: blk_failed() waits until the fault is told, which is not of the next ring. */
	rcu_read_lock();
	spin_lock_irqsave(&lane->q->lock, flags);
	if (lane->down) {
		spin_unlock_irqrestore(&lane->q->lock, flags);
		rcu_read_unlock();
		return BLK_EH_RESET_TIMER;
	}
	/* An I/O scheduler takes the tag back from a request that is to be sent again. */
	tag = READ_ONCE(rq->tag);
	stuck = tag >= 0 && lane->inflight[tag] == rq;
	first = stuck && ring_drv_fault(&lane->q->ring) == RING_OK;
	lane->stats.timeouts += stuck;
	if (first)
		ring_drv_break(&lane->q->ring, RING_STALLED);
	spin_unlock_irqrestore(&lane->q->lock, flags);
	if (first) {
		/* Before the reset: a host that is stuck in that may keep it from coming out. */
		dev_err(&lane->vdisk->adev->pdev->dev,
			"%s: %s: no answer to a request within %u s, resetting the device\n",
			lane->vdisk->disk->disk_name, lane->q->name, rq->timeout / HZ);
		airlock_queue_fault(lane->q);
	}
	rcu_read_unlock();
	if (!stuck && blk_mq_request_completed(rq))
		return BLK_EH_DONE;
	return BLK_EH_RESET_TIMER;
}

static int blk_io_init_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	struct blk_vdisk *vdisk = data;

	hctx->driver_data = &vdisk->lane[index];
	return 0;
}

const struct blk_mq_ops blk_io_ops = {
	.queue_rq = blk_io_queue_rq,
	.queue_rqs = blk_io_queue_rqs,
	.commit_rqs = blk_io_commit_rqs,
	.complete = blk_io_complete,
	.timeout = blk_io_timeout,
	.init_hctx = blk_io_init_hctx,
	.map_queues = blk_plan_map_queues,
	.poll = blk_io_poll,
};
