/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vhost-user back-end that lies on order.
 *
 * Theory
 * ------
 * The program is airlockd, built of the same host/ and ring/, with what it asks of the ring's
 * device half led through here by the linker (wrap.c). Left alone it is honest. A lie is armed
 * by a line on the pipe that LIES in the environment names:
 *
 *	DEVICE.QUEUE KIND[=NUMBER]... [after=N] [times=N] [for=MS] [till-start]
 *
 * From then on, each time that queue comes to the point where lies of that kind are told, N of
 * them are passed over (after) and N are used (times, 1 unless said), none after the queue was
 * set up anew (till-start); several kinds, of one point, are told together. With "for", a second
 * thread tells it over and over for so long, beginning there, until it has no more sense or the
 * queue is set up anew. Each time that it was told is said on stderr, so that a test knows. Any
 * number can be armed, they compose; "honest" takes all of them back.
 *
 * What a disk says of itself is asked for only once, so lies about that are in the environment
 * (config.c).
 *
 * A lie tells nothing about what is to come of it: it may break the honest half too, which
 * then breaks its queue, like any other.
 */
#ifndef TESTS_HOSTILE_LIE_H
#define TESTS_HOSTILE_LIE_H

#include "../../host/queue.h"

/**
 * enum lie_point - where in a queue's life a lie is told
 * @LIE_POPPED: a chain was taken out of the ring
 * @LIE_PUSH: its completion is about to be staged
 * @LIE_STAGED: it is staged, and not shown yet
 * @LIE_SHOWN: completions were shown
 * @LIE_ARMED: the driver was told whether to kick
 */
enum lie_point { LIE_POPPED, LIE_PUSH, LIE_STAGED, LIE_SHOWN, LIE_ARMED };

/**
 * struct lie_at - where the queue is
 * @q: the queue
 * @chain: what is popped or pushed, with its segments; NULL at the other points
 * @at: staged: where its completion is in the ring
 * @last: push: what the driver had left in the last byte that the device writes
 * @len: push: the length that it will have
 * @first: popped, push, staged: no later buffer of a frame that has several
 * @hold: push: it is not to be pushed now, if ever
 * @held: push: one that was not, to be pushed after it; or NULL
 * @held_len: its length
 * @alone: push: it is shown, and the driver called, before the next one
 * @dwell: push, staged: likewise, and nothing else happens in the queue for WRAP_DWELL_MS, so that the driver looks
 *	while a second thread tells it over and over
 * @call: shown: the driver is to be called
 */
struct lie_at {
	struct queue *q;
	const struct ring_chain *chain;
	u32 at;
	u8 last;
	u32 len;
	bool first;
	bool hold;
	const struct ring_chain *held;
	u32 held_len;
	bool alone;
	bool dwell;
	bool call;
};

/**
 * struct lie_kind - something to lie about
 * @name: as it is asked for
 * @point: when
 * @tell: does it with the number that was given, or 0. Return: false when it cannot be told here
 *	and now; then it stays armed
 */
struct lie_kind {
	const char *name;
	enum lie_point point;
	bool (*tell)(struct lie_at *at, u64 number);
};

/* What there is, each ended by one without a name. */
extern const struct lie_kind lie_ring_kinds[];
extern const struct lie_kind lie_load_kinds[];

/**
 * lie_tell() - tell what is armed for a point; a queue's worker
 * @point: where it is
 * @at: in detail; may be changed
 */
void lie_tell(enum lie_point point, struct lie_at *at);

/* Nanoseconds of a clock that only goes forwards. */
u64 lie_now(void);

/* What flickers is wrong for about as long as it takes until it is wrong again. */
static inline void lie_linger(void)
{
	lie_now();
	lie_now();
}

/**
 * lie_stop() - have no second thread use what is about to go or to be set up anew; waits for them
 */
void lie_stop(void);

/**
 * lie_set_up() - likewise, and take back what was to be told until then
 * @q: the queue, about to be set up anew
 */
void lie_set_up(const struct queue *q);

/**
 * lie_is_young() - does the driver perhaps not have a completion yet?
 * @at: where it was pushed
 *
 * Return: true for a short while; after that its memory belongs to another one.
 */
bool lie_is_young(const struct lie_at *at);

/**
 * lie_held_id() - what did the last chain have as its id whose completion was held back?
 * @q: the queue
 * @id: set to it
 *
 * Return: false when that was another queue's.
 */
bool lie_held_id(const struct queue *q, u16 *id);

/**
 * lie_last_byte() - where a disk's status is
 * @c: the chain
 *
 * Return: the last byte that the device writes, or NULL when it writes none.
 */
u8 __shared *lie_last_byte(const struct ring_chain *c);

/**
 * lie_call() - call the driver
 * @q: the queue
 */
void lie_call(const struct queue *q);

/**
 * lie_restore() - put back what was scribbled where the honest half is about to read
 * @r: the half
 */
void lie_restore(struct ring_dev *r);

/**
 * lie_scribble_on() - and scribble there again, for as long as that was asked for
 * @r: the half, which has read
 */
void lie_scribble_on(struct ring_dev *r);

/**
 * lie_forget() - the queue is set up anew
 * @r: its half
 */
void lie_forget(const struct ring_dev *r);

#endif /* TESTS_HOSTILE_LIE_H */
