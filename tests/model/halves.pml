/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two halves of a virtqueue, each telling the other of its work: what ring.h claims of
 * its lettered barriers, for spin to look into every order of events.
 *
 * Theory
 * ------
 * Seen from here the halves are mirror images. Each stages, shows, asks whether the other
 * side is to be notified, looks for what the other has shown, takes it, and before it
 * sleeps arms and looks once more:
 *
 *			driver				device
 *	stage		add(), post()			push()
 *	show	A	show()			C	show()
 *	ask	E	publish()		G	flush()
 *	look	D	poll()			B	pop()
 *	arm	H	arm()			F	arm()
 *
 * The driver stages CHAINS chains, as long as fewer than SIZE are out; the device stages
 * completions of what it took. The rest is left open: how much is shown at a time, how often
 * before the question is asked (once it must be), whether the device completes chains before
 * it sleeps or while it does, whether a half that is notified disarms. The driver also polls
 * before it stages, asleep or not. A notification is a bit that stays set until the half that
 * it is for, asleep, takes it.
 *
 * Proved, of all orders of events and all that memory.pml lets a load see:
 *
 *   chain_written, completion_written: what the other side has stored is what is read, from
 *	the first moment when it may be read,
 *   chain_kept, completion_kept: and it is still there at the last. A chain is read
 *	until its completion is shown, a completion until the next of the driver's barriers:
 *	plain loads may be done late, and a release store and a full barrier end that;
 *   no_kick_lost, no_call_lost: when nothing more happens, no half sleeps while there is work
 *	for it;
 *   all_done: and all chains are completed.
 *
 * A descriptor, its avail entry and what is in its buffer are all one place here, DATA, as
 * are a used element and what is in the buffer that it gives back: what is true of one
 * store before a barrier is true of several. The value is the number of the chain.
 *
 * Steps. A store is one step with what the half did before it, and a load with what it does
 * next. That loses nothing: a store need not be seen at once, and whatever an early load
 * may see, a late one may see. A full barrier is a step of its own.
 *
 * What can be taken out, by -D...=0:
 *
 *   A ... H		the barrier of that letter
 *   A_LOADS, C_LOADS	of A and C, that they wait for earlier loads
 *   F_AGAIN, H_AGAIN	the look after F or H
 *   E_ALL, G_ALL	that the question after E or G is about all that was shown since the last
 *			question, and not only what was shown last
 *
 * Without any one of them a claim is false. It must not be so for want of order in a kick or a
 * call: with -DKICKS_ORDER=1 who is notified sees what was stored before. The proofs of the
 * whole do without it.
 *
 * -DPACKED and -DEVENT_IDX choose among four rings. With -DNEEDLESS each half is notified once
 * without cause.
 */
#ifndef SIZE
#define SIZE	2
#endif
#ifndef CHAINS
#define CHAINS	3
#endif

#ifndef A
#define A	1
#endif
#ifndef B
#define B	1
#endif
#ifndef C
#define C	1
#endif
#ifndef D
#define D	1
#endif
#ifndef E
#define E	1
#endif
#ifndef F
#define F	1
#endif
#ifndef G
#define G	1
#endif
#ifndef H
#define H	1
#endif
#ifndef A_LOADS
#define A_LOADS	A
#endif
#ifndef C_LOADS
#define C_LOADS	C
#endif
#ifndef F_AGAIN
#define F_AGAIN	1
#endif
#ifndef H_AGAIN
#define H_AGAIN	1
#endif
#ifndef E_ALL
#define E_ALL	1
#endif
#ifndef G_ALL
#define G_ALL	1
#endif
#ifndef KICKS_ORDER
#define KICKS_ORDER	0
#endif

#define BY(drv, dev)	(me == DRV && drv || me == DEV && dev)
#define RELEASE		BY(A, C)
#define WAIT_LOADS	BY(A_LOADS, C_LOADS)
#define ACQUIRE		BY(D, B)
#define BARRIER_ASK	BY(E, G)
#define BARRIER_ARM	BY(H, F)
#define LOOK_AGAIN	BY(H_AGAIN, F_AGAIN)
#define ASK_FOR_ALL	BY(E_ALL, G_ALL)

/* Places: what a side stores of its nth chain, its wish to be notified, the layout's own. */
#define DATA(side, nth)	((side) * SIZE + (nth) % SIZE)
#define EVENT(side)	(2 * SIZE + (side))
#define LAYOUT(i)	(2 * SIZE + 2 + (i))
#define PLACES		(3 * SIZE + 4)

#include "memory.pml"

/* Chains, or completions, that each side ever staged, showed, asked for; took of the other. */
byte staged[2], shown[2], asked[2], taken[2];
/* Of those taken, what is no longer read */
byte read[2];
bit notified[2];

#ifdef PACKED
#include "packed.pml"
#else
#include "split.pml"
#endif

#define CAN_STAGE	BY(staged[DRV] < CHAINS && staged[DRV] - taken[DRV] < SIZE, \
			   staged[DEV] < taken[DEV])

/* The other's next n are there: from now on they are read. */
inline take()
{
	do
	:: n > 0 ->
		n--;
		taken[me]++;
		fresh = seen[me].value[DATA(1 - me, taken[me] - 1)] == taken[me];
		chain_written = fresh || me == DRV;
		completion_written = fresh || me == DEV;
		fresh = 1;
		assert(chain_written);
		assert(completion_written)
	:: else -> break
	od
}

/* From now on they are no longer read. */
inline end_reads()
{
	do
	:: read[me] < (me == DRV -> taken[DRV] : staged[DEV]) ->
		read[me]++;
		fresh = seen[1 - me].value[DATA(1 - me, read[me] - 1)] == read[me];
		chain_kept = fresh || me == DRV;
		completion_kept = fresh || me == DEV;
		fresh = 1;
		assert(chain_kept);
		assert(completion_kept)
	:: else -> break
	od
}

proctype half(bit me)
{
	byte h, i, j, k;
	byte x, y, z;		/* of the layout */
	byte n;			/* to be taken */
	bit awake = (me == DRV);
	bit armed = (me == DEV);
	bit again, due, polled;
	bit fresh = 1, chain_written, completion_written, chain_kept, completion_kept;

end_idle:
	do
	:: atomic {
		CAN_STAGE ->
		polled = 0;
		do
		:: CAN_STAGE -> stage(); staged[me]++
		:: staged[me] != shown[me] -> break
		od;
		if
		:: WAIT_LOADS -> end_reads()
		:: else
		fi;
		show_staged(RELEASE);
		asked[me] = (ASK_FOR_ALL -> asked[me] : shown[me]);
		shown[me] = staged[me]
	}

	:: atomic {
		shown[me] != asked[me] ->
		if
		:: BARRIER_ASK -> end_reads(); full_barrier()
		:: else
		fi
	}
	ASK_FIRST
	atomic {
		ask();
		asked[me] = shown[me];
		if
		:: due ->
			due = 0;
			notified[1 - me] = 1;
			OURS.kicked = (KICKS_ORDER -> OURS.n : 0)
		:: !due -> skip
		fi
	}

	:: atomic {
		awake || me == DRV && !polled && staged[DRV] < CHAINS ->
		polled = polled || !awake;
		look(ACQUIRE);
		if
		:: n > 0 -> take(); goto end_idle
		:: n == 0 && !awake -> goto end_idle
		:: n == 0 && awake -> arm(); armed = 1
		fi
	}
	atomic {
		if
		:: BARRIER_ARM -> end_reads(); full_barrier()
		:: else
		fi
	}
	atomic {
		if
		:: LOOK_AGAIN -> look_again()
		:: else
		fi;
		awake = again;
		again = 0;
		if
		:: awake -> disarm(); armed = 0
		:: !awake -> skip
		fi
	}

	:: atomic {
		!awake && notified[me] ->
		notified[me] = 0;
		awake = 1;
		d_step { see(THEIRS.kicked) }
		if
		:: armed -> disarm(); armed = 0
		:: skip
		fi
	}

	:: me == DRV && taken[DRV] == CHAINS -> break
	od
}

/* When nothing more happens: is that right? */
active proctype judge()
{
	bit no_kick_lost, no_call_lost, all_done;

	timeout;
	no_kick_lost = taken[DEV] == shown[DRV];
	assert(no_kick_lost);
	no_call_lost = taken[DRV] == shown[DEV];
	assert(no_call_lost);
	all_done = taken[DRV] == CHAINS;
	assert(all_done)
}

init
{
	atomic {
		layout_init();
#ifdef NEEDLESS
		notified[DRV] = 1;
		notified[DEV] = 1;
#endif
		run half(DRV);
		run half(DEV)
	}
}
