/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of a packed virtqueue (virtio 1.2, 2.8), for halves.pml.
 *
 * Theory
 * ------
 * Each descriptor has a word that both sides write, with two bits that say whose it is, AVAIL
 * and USED, against a wrap counter that starts at 1 and flips at each round. With three
 * chains in two descriptors a second round is begun. The length and the id, which are in that
 * word too, count as DATA here: loaded on their own after the bits, which is harder.
 *
 * Of what is shown at a time the first word is stored last, and is the only release; the
 * others were stored when they were staged. The other side looks at one word at a
 * time, in order, and so does not get to them before.
 *
 * Each side has an event structure: ENABLE, DISABLE, or, with EVENT_IDX, DESC and a position,
 * which here runs from 0 to twice the size. It is stored and loaded as one.
 *
 * With TORN it is two places, its flags and its position: stored by two plain stores, which
 * have no order, and loaded by two loads, in either order. No wake-up is lost by that either,
 * and here is why: when the barrier F comes before E, both loads see what was stored before
 * F or later, and later than that is stored only by a half that is awake; when E comes before
 * F, the look after F sees the work, whatever the other side read. One store and one load
 * save needless and late notifications, no lost ones. So it is with a driver that stores the
 * position first and the flags after, as Linux does.
 */
#define WORD(n)		LAYOUT((n) % SIZE)
#define EVENT_AT(side)	LAYOUT(SIZE + (side))

/* AVAIL is 2, USED is 1. */
#define FIRST_ROUND(n)	((n) / SIZE % 2 == 0)
#define WORD_BY(side, n) (FIRST_ROUND(n) -> 2 + (side) : 1 - (side))

#define ENABLE		0
#define DISABLE		1
#define DESC		2
#define ROUNDS		(2 * SIZE)
#define POSITION(n)	((n) % ROUNDS)
#define EVENT_WORD(flags, at) ((flags) * ROUNDS + (at))

#ifdef EVENT_IDX
#define ARMED		DESC
#else
#define ARMED		ENABLE
#endif

#ifdef TORN
#define FLAGS_WORD(flags) (flags)
#else
#define FLAGS_WORD(flags) EVENT_WORD(flags, 0)
#endif

inline layout_init()
{
	memory_init(EVENT(DRV), FLAGS_WORD(DISABLE));
	memory_init(EVENT(DEV), FLAGS_WORD(ARMED))
}

inline stage()
{
	store(DATA(me, staged[me]), staged[me] + 1, 0);
	if
	:: staged[me] == shown[me] -> skip
	:: staged[me] != shown[me] ->
		z = WORD_BY(me, staged[me]);
		store(WORD(staged[me]), z, 0);
		z = 0
	fi
}

inline show_staged(is_release)
{
	z = WORD_BY(me, shown[me]);
	store(WORD(shown[me]), z, is_release);
	z = 0
}

/* To n: how many are there to be taken, as far as one word says */
inline look(is_acquire)
{
	load(WORD(taken[me]), is_acquire, x);
	n = x == WORD_BY(1 - me, taken[me]);
	x = 0
}

inline look_again()
{
	load(WORD(taken[me]), 0, x);
	again = x == WORD_BY(1 - me, taken[me]);
	x = 0
}

/* From x, the flags, and y, the position. As packed_event_due(). */
inline decide()
{
	if
	:: x == DISABLE -> due = 0
#ifdef EVENT_IDX
	:: x == DESC ->
		due = shown[me] - asked[me] >= SIZE ||
		      (POSITION(shown[me]) - 1 - y + 2 * ROUNDS) % ROUNDS <
		      shown[me] - asked[me]
#else
	:: x == ENABLE -> due = 1
#endif
	fi;
	x = 0;
	y = 0
}

#ifdef TORN

inline arm()
{
	store(EVENT(me), ARMED, 0);
	store(EVENT_AT(me), POSITION(taken[me]), 0)
}

inline disarm()
{
	store(EVENT(me), DISABLE, 0)
}

inline ask_first()
{
	if
	:: load(EVENT(1 - me), 0, x)
	:: load(EVENT_AT(1 - me), 0, y); z = 1
	fi
}
#define ASK_FIRST	atomic { ask_first() }

inline ask()
{
	if
	:: z == 0 -> load(EVENT_AT(1 - me), 0, y)
	:: z == 1 -> load(EVENT(1 - me), 0, x)
	fi;
	z = 0;
	decide()
}

#else

inline arm()
{
	store(EVENT(me), EVENT_WORD(ARMED, POSITION(taken[me])), 0)
}

inline disarm()
{
	store(EVENT(me), FLAGS_WORD(DISABLE), 0)
}

#define ASK_FIRST

inline ask()
{
	load(EVENT(1 - me), 0, x);
	y = x % ROUNDS;
	x = x / ROUNDS;
	decide()
}

#endif
