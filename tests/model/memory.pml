/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that two sides share, and that shows the stores of one to the other late and in any
 * order, as processors and compilers do.
 *
 * Theory
 * ------
 * With one memory in which everything happens at once no barrier is ever missed. Here each
 * side has a log: its own stores, oldest first, that the other side need not have seen. A
 * side always sees its own stores; what else it sees is in its view. That is all that there
 * is to know, as there are two sides only.
 *
 *   store	goes to the end of the log, and into the view of the side that stores.
 *   load	takes what the view has, or any of the stores to that place in the other's
 *		log: then it sees that one and those to the same place before it, and they
 *		leave the log. Stores to other places stay unseen, older ones too. So stores
 *		are seen out of order, a load may take an old value after another load took a
 *		new one, and a load may miss what was stored long ago.
 *   release	marks a store. It owes to its place that all be seen that the log has before
 *		it; an acquire load there, which sees it or follows a plain load that did,
 *		has the debt paid.
 *   acquire	marks a load. It does nothing when there is no such debt.
 *   full	The side sees what the other stored before its latest full barrier. So of two
 *   barrier	sides that store, pass a full barrier and load what the other stored, one at
 *		least sees the other's store.
 *
 * This is the view machine of the theory of weak memory ("promising semantics", without
 * promises) cut down to two sides. It is weaker than C11 and the kernel's model in three ways,
 * each of which can only make a proof harder: a full barrier makes neither an acquire of a
 * plain load before it nor a release of a plain store after it, and a debt is forgotten for one
 * to another place.
 *
 * What is missing is a load that is done after a later store. For data halves.pml has that:
 * what is read may be read as late as at the next barrier. A load of an index or an event is
 * done in its place: what is done next depends on its value, and no store is seen before the
 * loads are done that it depends on.
 *
 * A side is a processor at a time: whatever serialises the calls on a half hands on what was
 * seen and stored.
 *
 * A place that both sides write, as the words of a packed ring, has one order of stores: who
 * writes must have seen all that the other wrote there. store() asserts that.
 *
 * A plain store of the value that is there already is none: it would say nothing new. It
 * is left out so that there are fewer states.
 *
 * Users have PLACES, and in a process: me, the side, and the scratch bytes h, i, j, k, which
 * are 0 between any two calls. No call is atomic by itself.
 */
#define DRV	0
#define DEV	1

/* Stores that may be unseen at a time; store() asserts that it is enough. */
#ifndef LOG
#define LOG	12
#endif

typedef log {
	byte place[LOG];
	byte value[LOG];
	bit release[LOG];
	byte n;
	/* How many of them the other side sees */
	byte fenced;		/* by its next full barrier */
	byte owed;		/* by its next acquire load of owed_at */
	byte owed_at;
	byte kicked;		/* by being notified, where that gives order */
}

typedef view {
	byte value[PLACES];
}

log unseen[2];
view seen[2];

#define OURS	unseen[me]
#define THEIRS	unseen[1 - me]

inline memory_init(place, first)
{
	seen[DRV].value[place] = first;
	seen[DEV].value[place] = first
}

/* The other's store number @nth leaves its log. */
inline forget(nth)
{
	THEIRS.n--;
	i = nth;
	do
	:: i < THEIRS.n ->
		THEIRS.place[i] = THEIRS.place[i + 1];
		THEIRS.value[i] = THEIRS.value[i + 1];
		THEIRS.release[i] = THEIRS.release[i + 1];
		i++
	:: else -> break
	od;
	THEIRS.place[i] = 0;
	THEIRS.value[i] = 0;
	THEIRS.release[i] = 0;
	i = 0;
	THEIRS.fenced = THEIRS.fenced - (THEIRS.fenced > nth);
	THEIRS.owed = THEIRS.owed - (THEIRS.owed > nth);
	THEIRS.kicked = THEIRS.kicked - (THEIRS.kicked > nth)
}

/* See the first @count of the other's stores. */
inline see(count)
{
	j = count;
	do
	:: j > 0 ->
		seen[me].value[THEIRS.place[0]] = THEIRS.value[0];
		forget(0);
		j--
	:: else -> break
	od
}

/* The first of the other's unseen stores to @where is number k; none: k is their number. */
inline find(where)
{
	k = 0;
	do
	:: k < THEIRS.n && THEIRS.place[k] != where -> k++
	:: else -> break
	od
}

inline store(where, what, is_release)
{
	d_step {
		find(where);
		assert(k == THEIRS.n);
		k = 0;
		if
		:: (is_release) || seen[me].value[where] != what ->
			assert(OURS.n < LOG);
			seen[me].value[where] = what;
			OURS.place[OURS.n] = where;
			OURS.value[OURS.n] = what;
			OURS.release[OURS.n] = is_release;
			OURS.n++
		:: else
		fi
	}
}

/* To @into: one of the values that may be seen at @where. */
inline load(where, is_acquire, into)
{
	d_step {
		do
		:: k < THEIRS.n ->
			h = h + (THEIRS.place[k] == where);
			k++
		:: else -> break
		od;
		k = 0
	}
	/* h: how many of the stores there it sees */
	do
	:: h > 0 -> h--
	:: break
	od;
	true;
	d_step {
		do
		:: h > 0 ->
			h--;
			find(where);
			seen[me].value[where] = THEIRS.value[k];
			if
			:: THEIRS.release[k] -> THEIRS.owed = k; THEIRS.owed_at = where
			:: else
			fi;
			forget(k)
		:: else -> break
		od;
		if
		:: (is_acquire) && THEIRS.owed_at == where -> see(THEIRS.owed)
		:: else
		fi;
		if
		:: THEIRS.owed == 0 -> THEIRS.owed_at = 0
		:: else
		fi;
		k = 0;
		into = seen[me].value[where]
	}
}

inline full_barrier()
{
	d_step {
		see(THEIRS.fenced);
		if
		:: THEIRS.owed == 0 -> THEIRS.owed_at = 0
		:: else
		fi;
		OURS.fenced = OURS.n
	}
}
