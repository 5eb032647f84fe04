/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of a split virtqueue (virtio 1.2, 2.7), for halves.pml.
 *
 * Theory
 * ------
 * Each side has an index, avail.idx or used.idx. It starts just before its end, so that it
 * wraps on the way; 8 bits do for 16.
 *
 * With EVENT_IDX a side stores the index at which it wants to be notified, avail_event or
 * used_event; to disarm it stores the one furthest away. Else it stores a flag, and 1 is for
 * disarmed. The question is about all that was shown since the last question.
 */
#define FIRST		254
#define WRAPPED(n)	((n) & 255)
#define INDEX(side)	LAYOUT(side)
#define NTH(n)		WRAPPED(FIRST + (n))

#ifdef EVENT_IDX
#define ARMED		NTH(taken[me])
#define DISARMED	NTH(taken[me] + 255)
#define FIRST_ARMED	NTH(0)
#define FIRST_DISARMED	NTH(255)
/* As ring_event_passed() */
#define DUE	(WRAPPED(NTH(shown[me]) - x - 1) < WRAPPED(NTH(shown[me]) - NTH(asked[me])))
#else
#define ARMED		0
#define DISARMED	1
#define FIRST_ARMED	ARMED
#define FIRST_DISARMED	DISARMED
#define DUE		(x == ARMED)
#endif

inline layout_init()
{
	memory_init(INDEX(DRV), FIRST);
	memory_init(INDEX(DEV), FIRST);
	memory_init(EVENT(DRV), FIRST_DISARMED);
	memory_init(EVENT(DEV), FIRST_ARMED)
}

inline stage()
{
	store(DATA(me, staged[me]), staged[me] + 1, 0)
}

inline show_staged(is_release)
{
	store(INDEX(me), NTH(staged[me]), is_release)
}

/* To n: how many are there to be taken */
inline look(is_acquire)
{
	load(INDEX(1 - me), is_acquire, x);
	n = WRAPPED(x - NTH(taken[me]));
	x = 0
}

inline look_again()
{
	load(INDEX(1 - me), 0, x);
	again = x != NTH(taken[me]);
	x = 0
}

inline arm()
{
	store(EVENT(me), ARMED, 0)
}

inline disarm()
{
	store(EVENT(me), DISARMED, 0)
}

#define ASK_FIRST

inline ask()
{
	load(EVENT(1 - me), 0, x);
	due = DUE;
	x = 0
}
