// SPDX-License-Identifier: GPL-2.0
/*
 * What airlockd asks of a ring's device half, on its way there: the linker has each call of
 * ring_dev_pop() come to __wrap_ring_dev_pop(), and so on (--wrap). Here is remembered which
 * memory each popped chain has, which the device half forgets.
 */
#include "lie.h"

#include <linux/virtio_net.h>
#include <stdlib.h>
#include <unistd.h>

#define WRAP_SEGS	256u	/* more than either device accepts */
#define WRAP_DWELL_MS	50

/**
 * struct wrap_chain - a chain that was popped
 * @chain: it
 * @last: what the driver had left in the last byte that the device writes
 * @iov: its segments
 */
struct wrap_chain {
	struct ring_chain chain;
	u8 last;
	struct ring_iov iov[WRAP_SEGS];
};

/**
 * struct wrap_queue - chains of a queue, by their ids; never freed
 * @q: the queue
 * @later: buffers of the frame that is being pushed that are to come
 * @chain: they
 * @next: of all
 */
struct wrap_queue {
	const struct queue *q;
	u32 later;
	struct wrap_chain *chain;
	struct wrap_queue *next;
};

static pthread_mutex_t wrap_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wrap_queue *wrap_queues;

int __real_ring_dev_pop(struct ring_dev *r, struct ring_chain *c);
void __real_ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len);
bool __real_ring_dev_flush(struct ring_dev *r);
bool __real_ring_dev_arm(struct ring_dev *r);
void __real_memory_close(struct memory *memory);
void __real_queue_start(struct queue *q, u64 features, struct memory *memory,
			struct inflight *inflight, struct dirty *dirty);
bool __real_queue_reap(struct queue *q);
void __real_queue_close(struct queue *q);

int __wrap_ring_dev_pop(struct ring_dev *r, struct ring_chain *c);
void __wrap_ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len);
bool __wrap_ring_dev_flush(struct ring_dev *r);
bool __wrap_ring_dev_arm(struct ring_dev *r);
void __wrap_memory_close(struct memory *memory);
void __wrap_queue_start(struct queue *q, u64 features, struct memory *memory,
			struct inflight *inflight, struct dirty *dirty);
bool __wrap_queue_reap(struct queue *q);
void __wrap_queue_close(struct queue *q);

static struct queue *wrap_queue_of(struct ring_dev *r)
{
	return container_of(r, struct queue, ring);
}

/* What is remembered of a queue; the queue's worker only. */
static struct wrap_queue *wrap_of(const struct queue *q)
{
	struct wrap_queue *w;

	pthread_mutex_lock(&wrap_lock);
	for (w = wrap_queues; w && w->q != q; w = w->next)
		;
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w || !(w->chain = calloc(RING_SIZE_MAX, sizeof(*w->chain))))
			abort();
		w->q = q;
		w->next = wrap_queues;
		wrap_queues = w;
	}
	pthread_mutex_unlock(&wrap_lock);
	return w;
}

int __wrap_ring_dev_pop(struct ring_dev *r, struct ring_chain *c)
{
	struct lie_at at = { .q = wrap_queue_of(r), .first = true };
	u8 __shared *last;
	struct wrap_chain *w;
	unsigned int i, segs;
	int ret;

	lie_restore(r);
	ret = __real_ring_dev_pop(r, c);
	lie_scribble_on(r);
	if (ret <= 0)
		return ret;
	w = &wrap_of(at.q)->chain[c->id];
	w->chain = *c;
	w->chain.iov = w->iov;
	segs = min_t(unsigned int, (unsigned int)(c->out + c->in), WRAP_SEGS);
	for (i = 0; i < segs; i++)
		w->iov[i] = c->iov[i];
	last = lie_last_byte(&w->chain);
	w->last = last ? shared_load8(last) : 0;
	at.chain = &w->chain;
	lie_tell(LIE_POPPED, &at);
	return ret;
}

/* Is it the first buffer of a frame? Its header, which is honest still, says how many follow. */
static bool wrap_is_first(struct wrap_queue *w, const struct ring_chain *c)
{
	struct virtio_net_hdr_v1 hdr;

	if (w->q->dev->queue_num != 1 || w->q->dev->queues != 2 || w->q->index)
		return true;
	if (w->later) {
		w->later--;
		return false;
	}
	if (ring_iov_read(c->iov + c->out, c->in, 0, &hdr, sizeof(hdr)) == sizeof(hdr))
		w->later = le16_to_cpu((__force __le16)hdr.num_buffers) - 1u;
	return true;
}

static void wrap_show(struct ring_dev *r)
{
	if (__real_ring_dev_flush(r))
		lie_call(wrap_queue_of(r));
}

void __wrap_ring_dev_push(struct ring_dev *r, const struct ring_chain *c, u32 len)
{
	struct lie_at at = { .q = wrap_queue_of(r), .len = len };
	struct wrap_queue *w = wrap_of(at.q);

	at.chain = &w->chain[c->id].chain;
	at.last = w->chain[c->id].last;
	at.first = wrap_is_first(w, at.chain);
	at.at = r->is_packed ? r->packed.used : (u16)r->pushes;
	lie_tell(LIE_PUSH, &at);
	if (at.hold)
		return;
	__real_ring_dev_push(r, c, at.len);
	lie_tell(LIE_STAGED, &at);
	if (at.held)
		__real_ring_dev_push(r, at.held, at.held_len);
	if (at.alone || at.dwell)
		wrap_show(r);
	if (at.dwell)
		usleep(WRAP_DWELL_MS * 1000);
}

bool __wrap_ring_dev_flush(struct ring_dev *r)
{
	struct lie_at at = { .q = wrap_queue_of(r) };
	const u64 before = r->shown;

	at.call = __real_ring_dev_flush(r);
	if (r->shown != before)
		lie_tell(LIE_SHOWN, &at);
	return at.call;
}

bool __wrap_ring_dev_arm(struct ring_dev *r)
{
	struct lie_at at = { .q = wrap_queue_of(r) };
	const bool more = __real_ring_dev_arm(r);

	lie_tell(LIE_ARMED, &at);
	return more;
}

void __wrap_memory_close(struct memory *memory)
{
	lie_stop();
	__real_memory_close(memory);
}

void __wrap_queue_start(struct queue *q, u64 features, struct memory *memory,
			struct inflight *inflight, struct dirty *dirty)
{
	if (q->wanted) {
		lie_set_up(q);
		lie_forget(&q->ring);
	}
	__real_queue_start(q, features, memory, inflight, dirty);
}

bool __wrap_queue_reap(struct queue *q)
{
	if (q->running)
		lie_stop();
	return __real_queue_reap(q);
}

void __wrap_queue_close(struct queue *q)
{
	lie_stop();
	__real_queue_close(q);
}
