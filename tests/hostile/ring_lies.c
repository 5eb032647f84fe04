// SPDX-License-Identifier: GPL-2.0
/*
 * Lies about the ring itself (virtio 1.2, 2.7 and 2.8), for both layouts where there is one in
 * both. A packed completion that is to be shown first is held back by the device half, so it is
 * changed where it is held.
 */
#include "lie.h"

#include "../../ring/layout.h"

#include <unistd.h>

static struct ring_dev *ring_of(const struct lie_at *at)
{
	return &at->q->ring;
}

bool lie_is_young(const struct lie_at *at)
{
	const struct ring_dev *r = ring_of(at);

	if (r->is_packed)
		return packed_back(r->packed.used, at->at, r->size) < 4;
	return (u16)((u16)r->pushes - at->at) < 4;
}

/* ---- completions --------------------------------------------------------------- */

static struct vring_used_elem __shared *lie_used(const struct lie_at *at)
{
	struct ring_dev *r = ring_of(at);

	return &r->split.used->ring[at->at & (r->size - 1u)];
}

/* Change the last word of a packed completion: @mask of it becomes @bits. */
static void lie_packed(const struct lie_at *at, u64 mask, u64 bits)
{
	struct ring_packed *p = &ring_of(at)->packed;
	const u32 index = packed_index(at->at, ring_of(at)->size);
	__le64 __shared *word = &ring_words(p->desc, index)->rest;

	if (p->holds && p->held_at == index)
		p->held = (p->held & ~mask) | (bits & mask);
	else
		shared_store64(word, (shared_load64(word) & ~mask) | (bits & mask));
}

static bool lie_used_id(struct lie_at *at, u64 id)
{
	if (ring_of(at)->is_packed)
		lie_packed(at, (u64)0xffff << 32, id << 32);
	else
		shared_store32(&lie_used(at)->id, (u32)id);
	return true;
}

static bool lie_used_len(struct lie_at *at, u64 len)
{
	if (ring_of(at)->is_packed)
		lie_packed(at, U32_MAX, len);
	else
		shared_store32(&lie_used(at)->len, (u32)len);
	return true;
}

/* An id that the driver may know, of a chain that is not in flight. */
static bool lie_used_free(struct lie_at *at, u64 number)
{
	struct ring_dev *r = ring_of(at);
	u32 id = r->size;

	(void)number;
	while (id--) {
		if (!r->served[id].state && id != at->chain->id)
			return lie_used_id(at, id);
	}
	return false;
}

/* The one that was held back, which a reset has taken back since: another has its place. */
static bool lie_used_old(struct lie_at *at, u64 number)
{
	u16 id;

	(void)number;
	if (!lie_held_id(at->q, &id) || ring_of(at)->served[id].state || id == at->chain->id)
		return false;
	return lie_used_id(at, id);
}

/* A descriptor in the middle of a chain that is in flight: its second. */
static bool lie_used_mid(struct lie_at *at, u64 number)
{
	struct ring_dev *r = ring_of(at);
	u64 rest;

	(void)number;
	if (r->is_packed)
		return false;
	rest = shared_load64(&ring_words(r->split.desc, at->chain->id)->rest);
	if (!((rest >> 32) & VRING_DESC_F_NEXT))
		return false;
	return lie_used_id(at, rest >> 48);
}

/* The same completion once more. */
static bool lie_used_twice(struct lie_at *at, u64 number)
{
	struct ring_dev *r = ring_of(at);
	const u16 id = at->chain->id, count = r->served[id].count;
	struct lie_at next = { .q = at->q, .chain = at->chain };

	(void)number;
	if (r->in_order)
		return false;
	if (!r->is_packed) {
		next.at = (u16)r->pushes;
		shared_store32(&lie_used(&next)->id, id);
		shared_store32(&lie_used(&next)->len, at->len);
	} else {
		next.at = r->packed.used;
		packed_put(&r->packed, packed_index(next.at, r->size),
			   packed_rest(at->len, id, packed_used_flags(next.at, r->size)));
		r->packed.used = packed_forward(next.at, count, r->size);
		r->staged += count;
	}
	r->pushes++;
	return true;
}

/* What comes next is this many descriptors further on than the chain was long. */
static bool lie_used_skip(struct lie_at *at, u64 more)
{
	struct ring_dev *r = ring_of(at);

	if (!r->is_packed)
		return false;
	r->packed.used = packed_forward(r->packed.used, (u16)more, r->size);
	return true;
}

/* The completion is right and wrong in turns; in a second thread. */
static bool lie_used_flicker(struct lie_at *at, u64 id)
{
	if (ring_of(at)->is_packed || !lie_is_young(at))
		return false;
	at->dwell = true;
	shared_store32(&lie_used(at)->id, (u32)id);
	shared_store32(&lie_used(at)->len, U32_MAX);
	lie_linger();
	shared_store32(&lie_used(at)->id, at->chain->id);
	shared_store32(&lie_used(at)->len, at->len);
	return true;
}

/* ---- what was shown -------------------------------------------------------------- */

/* used.idx goes on by so many more. */
static bool lie_used_idx(struct lie_at *at, u64 more)
{
	struct ring_dev *r = ring_of(at);

	if (r->is_packed)
		return false;
	shared_store16(&r->split.used->idx, (u16)(r->pushes + more));
	return true;
}

/* The next descriptor is marked used, with an id that the driver does not have in flight. */
static bool lie_used_untouched(struct lie_at *at, u64 number)
{
	struct ring_dev *r = ring_of(at);
	const u32 pos = r->packed.used;
	u32 id = r->size;

	(void)number;
	if (!r->is_packed)
		return false;
	while (id-- && r->served[id].state)
		;
	shared_store64(packed_word(&r->packed, pos, r->size),
		       packed_rest(0, (u16)id, packed_used_flags(pos, r->size)));
	return true;
}

/*
 * The next descriptor is the driver's and the device's in turns: the wrap counter lies. What the
 * driver writes there meanwhile stays.
 */
static bool lie_used_wrap(struct lie_at *at, u64 number)
{
	struct ring_dev *r = ring_of(at);
	const u64 marks = (u64)(PACKED_AVAIL | PACKED_USED) << 48;
	u64 *word, right, wrong;

	(void)number;
	if (!r->is_packed)
		return false;
	word = shared_unmark(packed_word(&r->packed, r->packed.used, r->size));
	right = __atomic_load_n(word, __ATOMIC_RELAXED);
	wrong = right & ~marks;
	if (packed_used_flags(r->packed.used, r->size))
		wrong |= marks;
	if (__atomic_compare_exchange_n(word, &right, wrong, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED)) {
		lie_linger();
		__atomic_compare_exchange_n(word, &wrong, right, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
	return true;
}

static bool lie_no_call(struct lie_at *at, u64 number)
{
	(void)number;
	if (!at->call)
		return false;
	at->call = false;
	return true;
}

void lie_call(const struct queue *q)
{
	const u64 one = 1;

	if (write(q->call, &one, sizeof(one)) < 0)
		return;
}

/* A call for nothing; with a second thread, a storm. */
static bool lie_call_now(struct lie_at *at, u64 number)
{
	(void)number;
	lie_call(at->q);
	return true;
}

/* ---- what the driver wrote --------------------------------------------------------- */

/*
 * The driver's half of the ring becomes nonsense that is good to follow: each descriptor goes on
 * at the next, for ever. The honest half reads what is not popped yet, so all of it is put back
 * while that looks, and this is begun only when all is popped. Words are exchanged, and put back
 * only where they are nonsense still: what the driver writes meanwhile is the driver's.
 */
#define LIE_TABLE	1024u

/**
 * struct lie_scribble - nonsense in a ring
 * @r: whose; NULL: there is none
 * @until: when it ends, in nanoseconds
 * @there: it is there now
 * @table: the table is nonsense
 * @entries: the avail ring is
 * @desc: what the words of the table were
 * @avail: and the entries
 * @idx: and the index
 */
static struct lie_scribble {
	struct ring_dev *r;
	u64 until;
	bool there;
	bool table;
	bool entries;
	u64 desc[LIE_TABLE][2];
	u16 avail[LIE_TABLE];
	u16 idx;
} scribble;

static u64 lie_nonsense(u32 i, u32 size)
{
	return split_rest(U32_MAX, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT,
			  (u16)((i + 1) & (size - 1)));
}

static u64 lie_swap64(u64 *word, u64 value)
{
	return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

static void lie_undo64(u64 *word, u64 wrong, u64 right)
{
	__atomic_compare_exchange_n(word, &wrong, right, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void lie_undo16(u16 *word, u16 wrong, u16 right)
{
	__atomic_compare_exchange_n(word, &wrong, right, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static bool lie_all_popped(const struct ring_dev *r)
{
	return r->seen == (u16)r->pops && shared_load16(&r->split.avail->idx) == (u16)r->pops;
}

static void lie_scribble(struct ring_dev *r)
{
	u64 *desc = shared_unmark(r->split.desc);
	struct vring_avail *avail = shared_unmark(r->split.avail);
	u32 i;

	for (i = 0; i < r->size && scribble.table; i++) {
		scribble.desc[i][0] = lie_swap64(&desc[2 * i], ~0ULL);
		scribble.desc[i][1] = lie_swap64(&desc[2 * i + 1], lie_nonsense(i, r->size));
	}
	for (i = 0; i < r->size && scribble.entries; i++)
		scribble.avail[i] = __atomic_exchange_n((u16 *)&avail->ring[i], U16_MAX,
							__ATOMIC_SEQ_CST);
	scribble.idx = (u16)r->pops;
	if (scribble.entries)
		lie_undo16((u16 *)&avail->idx, scribble.idx, (u16)(scribble.idx - 1));
	scribble.there = true;
}

void lie_restore(struct ring_dev *r)
{
	u64 *desc = shared_unmark(r->split.desc);
	struct vring_avail *avail = shared_unmark(r->split.avail);
	u32 i;

	if (scribble.r != r || !scribble.there)
		return;
	for (i = 0; i < r->size && scribble.table; i++) {
		lie_undo64(&desc[2 * i], ~0ULL, scribble.desc[i][0]);
		lie_undo64(&desc[2 * i + 1], lie_nonsense(i, r->size), scribble.desc[i][1]);
	}
	for (i = 0; i < r->size && scribble.entries; i++)
		lie_undo16((u16 *)&avail->ring[i], U16_MAX, scribble.avail[i]);
	if (scribble.entries)
		lie_undo16((u16 *)&avail->idx, (u16)(scribble.idx - 1), scribble.idx);
	scribble.there = false;
}

void lie_scribble_on(struct ring_dev *r)
{
	if (scribble.r != r)
		return;
	if (lie_now() > scribble.until)
		scribble.r = NULL;
	else if (lie_all_popped(r))
		lie_scribble(r);
}

void lie_forget(const struct ring_dev *r)
{
	if (scribble.r == r)
		scribble.r = NULL;
	scribble.there = scribble.there && scribble.r;
}

/* For so many milliseconds. */
static bool lie_begin_scribble(struct lie_at *at, u64 ms, bool table, bool entries)
{
	struct ring_dev *r = ring_of(at);

	if (r->is_packed || r->size > LIE_TABLE || scribble.r || !lie_all_popped(r))
		return false;
	scribble.r = r;
	scribble.until = lie_now() + ms * 1000000;
	scribble.table = table;
	scribble.entries = entries;
	lie_scribble(r);
	return true;
}

static bool lie_scribble_table(struct lie_at *at, u64 ms)
{
	return lie_begin_scribble(at, ms, true, false);
}

static bool lie_scribble_avail(struct lie_at *at, u64 ms)
{
	return lie_begin_scribble(at, ms, false, true);
}

static bool lie_scribble_both(struct lie_at *at, u64 ms)
{
	return lie_begin_scribble(at, ms, true, true);
}

/* ---- notifications ------------------------------------------------------------------ */

/* Whatever the driver shows, it is not to kick. */
static bool lie_no_kick(struct lie_at *at, u64 number)
{
	struct ring_dev *r = ring_of(at);

	(void)number;
	r->armed = false;
	if (r->is_packed)
		packed_event_store(r->packed.device_event, r->packed.avail, r->size, false,
				   r->event_idx);
	else
		split_event_store(&r->split.used->flags, r->split.avail_event, (u16)r->pops, false,
				  r->event_idx);
	return true;
}

/* The word that says when it is to kick is any. */
static bool lie_event(struct lie_at *at, u64 word)
{
	struct ring_dev *r = ring_of(at);

	if (r->is_packed) {
		shared_store32((__le32 __shared *)r->packed.device_event, (u32)word);
	} else {
		shared_store16(&r->split.used->flags, (u16)word);
		shared_store16(r->split.avail_event, (u16)word);
	}
	return true;
}

const struct lie_kind lie_ring_kinds[] = {
	{ "used.id", LIE_STAGED, lie_used_id },
	{ "used.len", LIE_STAGED, lie_used_len },
	{ "used.free", LIE_STAGED, lie_used_free },
	{ "used.mid", LIE_STAGED, lie_used_mid },
	{ "used.old", LIE_STAGED, lie_used_old },
	{ "used.skip", LIE_STAGED, lie_used_skip },
	{ "used.twice", LIE_STAGED, lie_used_twice },
	{ "used.flicker", LIE_STAGED, lie_used_flicker },
	{ "used.idx", LIE_SHOWN, lie_used_idx },
	{ "used.untouched", LIE_SHOWN, lie_used_untouched },
	{ "used.wrap", LIE_SHOWN, lie_used_wrap },
	{ "call.none", LIE_SHOWN, lie_no_call },
	{ "call", LIE_SHOWN, lie_call_now },
	{ "scribble", LIE_POPPED, lie_scribble_both },
	{ "scribble.desc", LIE_POPPED, lie_scribble_table },
	{ "scribble.avail", LIE_POPPED, lie_scribble_avail },
	{ "kick.none", LIE_ARMED, lie_no_kick },
	{ "kick.event", LIE_ARMED, lie_event },
	{ NULL, LIE_ARMED, NULL },
};
