// SPDX-License-Identifier: GPL-2.0
/*
 * The in-flight log of log.h.
 *
 * Completions are entered into the log when they are shown, not when they are staged:
 * the protocol lets a back-end enter them as they come, but an entry that is free in the
 * log before the driver sees its completion could be taken again by a chain that is
 * popped meanwhile, and rolling back would then lose the first.
 */
#include "dev_chain.h"
#include "log.h"

/* The wire; little-endian like the ring itself. */
struct log_split_desc {
	u8 inflight;
	u8 padding[5];
	__le16 next;
	__le64 counter;
};

struct log_split {
	__le64 features;
	__le16 version;
	__le16 desc_num;
	__le16 last_batch_head;
	__le16 used_idx;
	struct log_split_desc desc[];
};

struct log_packed_desc {
	u8 inflight;
	u8 padding;
	__le16 next;
	__le16 last;
	__le16 num;
	__le64 counter;
	__le16 id;
	__le16 flags;
	__le32 len;
	__le64 addr;
};

/*
 * What belongs together is one word here, so that there is no moment at which half of
 * it is new:
 *
 *	heads = version | desc_num << 16 | free_head << 32 | old_free_head << 48
 *	place = used_idx | old_used_idx << 16 | used_wrap_counter << 32 |
 *		old_used_wrap_counter << 40
 */
struct log_packed {
	__le64 features;
	__le64 heads;
	__le64 place;
	u8 padding[5];
	struct log_packed_desc desc[];
};

#define LOG_VERSION	1u

/**
 * struct ring_log_entry - what is known of one entry of the log; private
 * @counter: of the chain that begins here
 * @next: packed: next entry of the chain, or of the free list
 * @last: packed: last entry of the chain that begins here
 * @num: descriptors of the chain that begins here
 * @of_id: packed: entry of the chain with this id; of the index, not of the entry
 * @list: chains to pop again, a heap by counter; of no particular entry
 * @staged: entries whose completion is staged; of no particular entry
 * @seen: packed, while the log is attached: found to be free, or in a chain
 * @repopped: the chain was in the log when it was attached, and goes back to the list
 *	when it is given back
 */
struct ring_log_entry {
	u64 counter;
	u16 next;
	u16 last;
	u16 num;
	u16 of_id;
	u16 list;
	u16 staged;
	bool seen;
	bool repopped;
};

static struct log_split __shared *log_split(const struct ring_log *log)
{
	return log->mem;
}

static struct log_packed __shared *log_packed(const struct ring_log *log)
{
	return log->mem;
}

size_t ring_log_bytes(u32 size, u64 features)
{
	const size_t bytes = features & BIT_ULL(VIRTIO_F_RING_PACKED) ?
		sizeof(struct log_packed) + (size_t)size * sizeof(struct log_packed_desc) :
		sizeof(struct log_split) + (size_t)size * sizeof(struct log_split_desc);

	return ALIGN(bytes, (size_t)64);
}

size_t ring_log_private_bytes(u32 size)
{
	return (size_t)size * sizeof(struct ring_log_entry);
}

/* ---- chains to pop again: a heap, the lowest counter first ---------------- */

static bool heap_before(const struct ring_log *log, u32 a, u32 b)
{
	return log->entry[log->entry[a].list].counter < log->entry[log->entry[b].list].counter;
}

static void heap_swap(struct ring_log *log, u32 a, u32 b)
{
	const u16 was = log->entry[a].list;

	log->entry[a].list = log->entry[b].list;
	log->entry[b].list = was;
}

static void heap_push(struct ring_log *log, u16 i)
{
	u32 at = log->resubmits++;

	log->entry[at].list = i;
	for (; at && heap_before(log, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(log, at, (at - 1) / 2);
}

static u16 heap_pop(struct ring_log *log)
{
	const u16 top = log->entry[0].list;
	u32 at = 0, child;

	log->entry[0].list = log->entry[--log->resubmits].list;
	while ((child = 2 * at + 1) < log->resubmits) {
		if (child + 1 < log->resubmits && heap_before(log, child + 1, child))
			child++;
		if (!heap_before(log, child, at))
			break;
		heap_swap(log, at, child);
		at = child;
	}
	return top;
}

/* ---- attaching ------------------------------------------------------------ */

/* A chain in flight was found in the log, and checked. */
static void log_found(struct ring_log *log, u16 i, u64 counter)
{
	struct ring_log_entry *e = &log->entry[i];

	e->counter = counter;
	e->repopped = true;
	if (counter >= log->counter)
		log->counter = counter + 1;
	heap_push(log, i);
}

static void split_begin(struct ring_dev *r, struct log_split __shared *mem)
{
	shared_store16(&mem->desc_num, r->size);
	shared_store16(&mem->last_batch_head, 0);
	/* A ring that was in use before it had a log goes on from where it is. */
	shared_store16(&mem->used_idx, (u16)r->pushes);
	barrier();
	shared_store16(&mem->version, LOG_VERSION);
}

/* The process was killed between showing its last batch and taking that off the log. */
static int split_commit(struct ring_dev *r, struct log_split __shared *mem, u16 used)
{
	const u16 batch = used - shared_load16(&mem->used_idx);
	u32 i = shared_load16(&mem->last_batch_head), n;

	if (batch > r->size)
		return -EINVAL;
	for (n = 0; n < batch; n++) {
		if (i >= r->size)
			return -EINVAL;
		i = (u32)array_index_nospec(i, r->size);
		shared_store8(&mem->desc[i].inflight, 0);
		i = shared_load16(&mem->desc[i].next);
	}
	barrier();
	shared_store16(&mem->used_idx, used);
	return 0;
}

static int split_recover(struct ring_dev *r, struct log_split __shared *mem)
{
	struct ring_log *log = r->log;
	const u16 used = shared_load16(&r->split.used->idx);
	u32 i;
	u8 in_flight;

	if (split_commit(r, mem, used) < 0)
		return -EINVAL;
	for (i = 0; i < r->size; i++) {
		in_flight = shared_load8(&mem->desc[i].inflight);
		if (in_flight > 1)
			return -EINVAL;
		if (in_flight)
			log_found(log, (u16)i, shared_load64(&mem->desc[i].counter));
	}

	/* Chains are popped in order, so the rest is what was popped and not yet used. */
	r->pushes = used;
	r->shown = used;
	r->pops = (u64)used + log->resubmits;
	r->seen = (u16)r->pops;
	return log->resubmits;
}

/* One store; with the version, without which the rest is not believed. */
static void packed_write_heads(struct ring_dev *r, u16 head, u16 old_head)
{
	shared_store64(&log_packed(r->log)->heads,
		       LOG_VERSION | (u64)r->size << 16 | (u64)head << 32 |
		       (u64)old_head << 48);
}

/* Likewise; from @old to @pos is a batch that is being shown. */
static void packed_write_place(struct ring_dev *r, u32 pos, u32 old)
{
	shared_store64(&log_packed(r->log)->place,
		       (u64)packed_index(pos, r->size) | (u64)(pos < r->size) << 32 |
		       (u64)packed_index(old, r->size) << 16 | (u64)(old < r->size) << 40);
}

/* Nothing is in progress: all was popped that the log has, all was shown that was used. */
static void packed_write_settled(struct ring_dev *r)
{
	struct ring_log *log = r->log;

	log->chain_head = log->free_head;
	log->place = r->packed.used;
	packed_write_heads(r, log->free_head, log->free_head);
	barrier();
	packed_write_place(r, log->place, log->place);
}

static void packed_begin(struct ring_dev *r, struct log_packed __shared *mem)
{
	const u32 used = r->packed.used;
	u32 i;

	for (i = 0; i < r->size; i++) {
		r->log->entry[i].next = (u16)(i + 1);
		shared_store16(&mem->desc[i].next, (u16)(i + 1));
	}
	r->log->place = used;
	packed_write_place(r, used, used);
	barrier();
	packed_write_heads(r, 0, 0);
}

/*
 * Where the log is, once a batch that was in progress is committed or rolled back: the
 * first descriptor of it tells which. Returns the first free entry, or -EINVAL.
 */
static int packed_settle(struct ring_dev *r, struct log_packed __shared *mem)
{
	const u64 place = shared_load64(&mem->place), heads = shared_load64(&mem->heads);
	const u32 idx = (u16)place, old_idx = (u16)(place >> 16);
	const u32 wrap = (u8)(place >> 32), old_wrap = (u8)(place >> 40);
	const u32 pos = wrap ? idx : idx + r->size;
	const u32 old_pos = old_wrap ? old_idx : old_idx + r->size;
	u16 flags;

	if (idx >= r->size || old_idx >= r->size || wrap > 1 || old_wrap > 1)
		return -EINVAL;

	r->packed.used = old_pos;
	if (pos == old_pos)
		return (u16)(heads >> 48);
	flags = shared_load16(&r->packed.desc[array_index_nospec(old_idx, r->size)].flags);
	if (packed_is_avail(flags, old_pos, r->size))
		return (u16)(heads >> 48);
	r->packed.used = pos;
	return (u16)(heads >> 32);
}

/* Private copies of all links; each entry must be free or in one chain, once. */
static int packed_recover_free(struct ring_dev *r, struct log_packed __shared *mem, u32 i)
{
	struct ring_log_entry *entry = r->log->entry;
	u32 n;

	for (n = 0; i < r->size; n++) {
		i = (u32)array_index_nospec(i, r->size);
		if (entry[i].seen)
			return -EINVAL;
		entry[i].seen = true;
		shared_store8(&mem->desc[i].inflight, 0);
		entry[i].next = shared_load16(&mem->desc[i].next);
		i = entry[i].next;
	}
	return i == r->size ? (int)n : -EINVAL;
}

static int packed_recover_chain(struct ring_dev *r, struct log_packed __shared *mem, u16 head)
{
	struct ring_log_entry *entry = r->log->entry;
	const u16 num = shared_load16(&mem->desc[head].num);
	const u16 last = shared_load16(&mem->desc[head].last);
	u32 i = head, n;

	if (!num || num > r->size)
		return -EINVAL;
	for (n = 1;; n++) {
		if (i >= r->size)
			return -EINVAL;
		i = (u32)array_index_nospec(i, r->size);
		if (entry[i].seen)
			return -EINVAL;
		entry[i].seen = true;
		entry[i].next = shared_load16(&mem->desc[i].next);
		if (n == num)
			break;
		i = entry[i].next;
	}
	if (i != last)
		return -EINVAL;
	entry[head].num = num;
	entry[head].last = last;
	log_found(r->log, head, shared_load64(&mem->desc[head].counter));
	return num;
}

/*
 * Of completions that are shown together all but the first are written before. Those that
 * never were shown would be seen with the next that is: give the descriptors back the
 * bits that they had.
 */
static void packed_forget_staged(struct ring_dev *r)
{
	u32 pos = r->packed.used, n;

	for (n = 0; n < r->taken; n++) {
		__le64 __shared *word = packed_word(&r->packed, pos, r->size);

		if (packed_is_used((u16)(shared_load64(word) >> 48), pos, r->size)) {
			shared_store64(word, packed_rest(0, 0, packed_avail_flags(pos, r->size)));
			dev_dirty(r, word, sizeof(*word));
		}
		pos = packed_forward(pos, 1, r->size);
	}
}

static int packed_recover(struct ring_dev *r, struct log_packed __shared *mem)
{
	struct ring_log *log = r->log;
	const int head = packed_settle(r, mem);
	u32 total, i;
	u8 in_flight;
	int n;

	if (head < 0)
		return head;
	n = packed_recover_free(r, mem, (u32)head);
	if (n < 0)
		return n;
	total = (u32)n;
	for (i = 0; i < r->size; i++) {
		in_flight = shared_load8(&mem->desc[i].inflight);
		if (in_flight > 1)
			return -EINVAL;
		if (!in_flight)
			continue;
		n = packed_recover_chain(r, mem, (u16)i);
		if (n < 0)
			return n;
		total += (u32)n;
		r->taken += (u16)n;
	}
	if (total != r->size)
		return -EINVAL;

	log->free_head = (u16)head;
	packed_write_settled(r);
	r->packed.avail = packed_forward(r->packed.used, r->taken, r->size);
	packed_forget_staged(r);
	r->pops = log->resubmits;
	return log->resubmits;
}

int ring_dev_log(struct ring_dev *r, struct ring_log *log, void __shared *mem, void *priv)
{
	/* Both layouts have version and size at the same place. */
	struct log_split __shared *head = mem;
	const u16 version = shared_load16(&head->version);

	*log = (struct ring_log) { .mem = mem, .entry = priv };
	memset(priv, 0, ring_log_private_bytes(r->size));
	r->log = log;
	if (!version) {
		if (r->is_packed)
			packed_begin(r, mem);
		else
			split_begin(r, mem);
		return 0;
	}
	if (version != LOG_VERSION || shared_load16(&head->desc_num) != r->size)
		return -EINVAL;
	return r->is_packed ? packed_recover(r, mem) : split_recover(r, mem);
}

/* ---- popping -------------------------------------------------------------- */

/* A packed chain from its copy in the log: what a driver wrote, so nothing is believed. */
static int packed_repop(struct ring_dev *r, u16 head, struct ring_chain *c)
{
	struct ring_log *log = r->log;
	u16 i = head, id = 0;
	struct dev_desc d;
	int ret;

	dev_chain_begin(c);
	while (c->count < log->entry[head].num) {
		struct log_packed_desc __shared *desc = &log_packed(log)->desc[i];

		d.addr = shared_load64(&desc->addr);
		d.len = shared_load32(&desc->len);
		d.flags = shared_load16(&desc->flags);
		id = shared_load16(&desc->id);
		ret = packed_dev_take(r, &d, c);
		if (unlikely(ret))
			return ret;
		/* As it was popped at first: what goes on says so, what does not is the last. */
		if (!(d.flags & VRING_DESC_F_NEXT) != (c->count == log->entry[head].num))
			return dev_fault(r, RING_LOG_CHAIN);
		i = log->entry[i].next;
	}
	ret = dev_check_id(r, id);
	if (unlikely(ret < 0))
		return ret;
	c->id = (u16)ret;
	log->entry[c->id].of_id = head;
	return 1;
}

int ring_log_pop(struct ring_dev *r, struct ring_chain *c)
{
	const u16 i = heap_pop(r->log);
	const int ret = r->is_packed ? packed_repop(r, i, c) : split_dev_repop(r, i, c);

	if (ret > 0)
		dev_enter(r, c);
	return ret;
}

void ring_log_desc(struct ring_dev *r, const struct dev_desc *d, u16 id, bool first)
{
	struct ring_log *log = r->log;
	struct log_packed __shared *mem = log_packed(log);
	struct ring_log_entry *head;
	struct log_packed_desc __shared *desc;

	if (first) {
		head = &log->entry[log->chain_head];
		head->num = 0;
		head->counter = log->counter++;
		shared_store16(&mem->desc[log->chain_head].num, 0);
		shared_store64(&mem->desc[log->chain_head].counter, head->counter);
		barrier();
		shared_store8(&mem->desc[log->chain_head].inflight, 1);
	}
	head = &log->entry[log->chain_head];
	head->last = log->free_head;
	head->num++;
	shared_store16(&mem->desc[log->chain_head].last, log->free_head);
	shared_store16(&mem->desc[log->chain_head].num, head->num);

	desc = &mem->desc[log->free_head];
	shared_store64(&desc->addr, d->addr);
	shared_store32(&desc->len, d->len);
	shared_store16(&desc->flags, d->flags);
	shared_store16(&desc->id, id);
	log->free_head = log->entry[log->free_head].next;
}

void ring_log_popped(struct ring_dev *r, u16 id)
{
	struct ring_log *log = r->log;

	if (!r->is_packed) {
		shared_store64(&log_split(log)->desc[id].counter, log->counter++);
		barrier();
		shared_store8(&log_split(log)->desc[id].inflight, 1);
		return;
	}
	/* From here on it stays in the log: before, the place was that before the chain. */
	log->entry[id].of_id = log->chain_head;
	barrier();
	packed_write_heads(r, log->free_head, log->free_head);
	log->chain_head = log->free_head;
}

bool ring_log_unpopped(struct ring_dev *r, u16 id)
{
	struct ring_log *log = r->log;
	const u16 i = r->is_packed ? log->entry[id].of_id : id;
	struct ring_log_entry *e = &log->entry[i];

	if (e->repopped) {
		heap_push(log, i);
		return true;
	}
	if (!r->is_packed) {
		shared_store8(&log_split(log)->desc[id].inflight, 0);
		return false;
	}
	e = &log->entry[e->last];
	e->next = log->free_head;
	shared_store16(&log_packed(log)->desc[log->entry[i].last].next, e->next);
	log->free_head = i;
	log->chain_head = i;
	barrier();
	packed_write_heads(r, i, i);
	barrier();
	shared_store8(&log_packed(log)->desc[i].inflight, 0);
	return false;
}

/* ---- completing ----------------------------------------------------------- */

void ring_log_staged(struct ring_dev *r, u16 id)
{
	struct ring_log *log = r->log;
	const u16 i = r->is_packed ? log->entry[id].of_id : id;

	log->entry[i].repopped = false;
	log->entry[log->staged++].staged = i;
}

void ring_log_before_show(struct ring_dev *r)
{
	struct ring_log *log = r->log;
	u32 n;

	for (n = 0; n < log->staged; n++) {
		const u16 i = log->entry[n].staged;

		if (!r->is_packed) {
			/* The batch is a list, of which the log has the head. */
			shared_store16(&log_split(log)->desc[i].next,
				       n ? log->entry[n - 1].staged : 0);
			shared_store16(&log_split(log)->last_batch_head, i);
		} else {
			const u16 last = log->entry[i].last;

			log->entry[last].next = log->free_head;
			shared_store16(&log_packed(log)->desc[last].next, log->free_head);
			log->free_head = i;
		}
	}
	if (r->is_packed) {
		packed_write_heads(r, log->free_head, log->chain_head);
		barrier();
		packed_write_place(r, r->packed.used, log->place);
	}
	barrier();
}

void ring_log_shown(struct ring_dev *r)
{
	struct ring_log *log = r->log;
	u32 n;

	barrier();
	for (n = 0; n < log->staged; n++) {
		const u16 i = log->entry[n].staged;

		if (r->is_packed)
			shared_store8(&log_packed(log)->desc[i].inflight, 0);
		else
			shared_store8(&log_split(log)->desc[i].inflight, 0);
	}
	barrier();
	if (r->is_packed) {
		packed_write_settled(r);
	} else {
		shared_store16(&log_split(log)->used_idx, (u16)r->shown);
	}
	log->staged = 0;
}
