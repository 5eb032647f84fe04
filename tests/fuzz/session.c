// SPDX-License-Identifier: GPL-2.0
/*
 * A session of the daemon with a front-end that is played by the input: the handlers of
 * vhost-user messages, and the memory that a front-end shares.
 *
 * Theory
 * ------
 * Real are session.c, memory.c, message.c and the closer. In place of the event loop and of
 * queue.c there are a few lines here, without threads: an event is handled when the input
 * says so, and so is a worker: it serves some chains, finds that its queue is broken, or
 * ends when it was told to. What it takes from a ring it reads and writes, at both ends, so
 * that a piece which is not mapped is found.
 *
 * Queues watch the session: nothing of their set-up changes, and no memory goes away, while
 * they run. A file that they are given is an event. When the front-end has gone the session
 * ends, once; then nothing is left open or allocated.
 */
#include "fuzz_front.h"
#include "../../host/queue.h"
#include "../../host/session.h"

#define QUEUES		2u
#define SEGS		4u
#define USER		0x00007f0000000000ull
/* Where the rings of an honest set-up are in the first file. */
#define RING_AT(i)	(0x4000ull * (i))

static struct {
	struct fuzz_in in;
	struct device dev;
	struct loop_event *event[4];
	struct queue *queue[QUEUES];
	int theirs;
	bool ended;
	bool deaf;		/* the front-end does not read its answers */
	bool wrote;		/* something is in the files */
	u8 note;
} t;

/* ---- in place of the event loop ---------------------------------------------------- */

int loop_add(struct loop *loop, struct loop_event *ev)
{
	size_t i;

	(void)loop;
	for (i = 0; i < ARRAY_SIZE(t.event); i++) {
		fuzz_check(t.event[i] != ev);
		if (!t.event[i]) {
			t.event[i] = ev;
			return 0;
		}
	}
	return -ENOMEM;
}

void loop_del(struct loop *loop, struct loop_event *ev)
{
	size_t i;

	(void)loop;
	for (i = 0; i < ARRAY_SIZE(t.event); i++) {
		if (t.event[i] == ev)
			t.event[i] = NULL;
	}
}

/* Handle one event, the @first or a later one. Return: false when there is none. */
static bool turn(u32 first)
{
	struct pollfd p[ARRAY_SIZE(t.event)];
	u32 i, at;

	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i].fd = t.event[i] ? t.event[i]->fd : -1;
		p[i].events = POLLIN;
	}
	if (poll(p, ARRAY_SIZE(p), 0) <= 0)
		return false;
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		at = (first + i) % ARRAY_SIZE(p);
		if (!p[at].revents)
			continue;
		t.event[at]->fn(t.event[at]);
		return true;
	}
	return false;
}

/* ---- in place of the device and its queues ------------------------------------------- */

u64 device_features(const struct device *dev)
{
	return dev->features | RING_FEATURES | BIT_ULL(MESSAGE_VIRTIO_F_PROTOCOL) |
	       (dev->migrates ? BIT_ULL(MESSAGE_VIRTIO_F_LOG_ALL) : 0);
}

static int set_config(struct device *dev, u32 offset, const u8 *data, u32 bytes)
{
	fuzz_check(dev == &t.dev && offset <= MESSAGE_CONFIG_BYTES &&
		   bytes <= MESSAGE_CONFIG_BYTES - offset);
	if (!bytes)
		return -EINVAL;
	t.note = data[bytes - 1] & 0x7f;
	return 0;
}

static u8 note(const struct device *dev)
{
	fuzz_check(dev == &t.dev);
	return t.note;
}

static void recall(struct device *dev, u8 kept)
{
	fuzz_check(dev == &t.dev && kept < 0x80);
	t.note = kept;
}

static int set_mtu(struct device *dev, u64 mtu)
{
	fuzz_check(dev == &t.dev);
	return mtu & 1 ? -EINVAL : 0;
}

static void announce(struct device *dev, const u8 *mac)
{
	static u8 last;

	fuzz_check(dev == &t.dev);
	last = mac[5];
	(void)last;
}

static void config(struct device *dev, u8 *space)
{
	fuzz_check(dev == &t.dev);
	memset(space, 0x5a, MESSAGE_CONFIG_BYTES);
}

struct worker *workers_open(struct device *dev)
{
	static struct worker worker;

	worker.dev = dev;
	return &worker;
}

void workers_close(struct worker *w)
{
	(void)w;
}

int queue_open(struct queue *q, struct worker *worker, u16 index, int doorbell)
{
	fuzz_check(index < QUEUES);
	memset(q, 0, sizeof(*q));
	q->dev = worker->dev;
	q->index = index;
	q->doorbell = doorbell;
	q->kick = q->call = q->err = -1;
	t.queue[index] = q;
	return 0;
}

/* A file that is taken in place of another. */
static void take(int *at, int fd)
{
	fuzz_check(fd < 0 || closer_is_event(fd));
	if (*at >= 0)
		close(*at);
	*at = fd;
}

void queue_close(struct queue *q)
{
	fuzz_check(!q->running);
	if (!q->dev)
		return;
	take(&q->kick, -1);
	take(&q->call, -1);
	take(&q->err, -1);
	t.queue[q->index] = NULL;
}

void queue_reset(struct queue *q)
{
	fuzz_check(!q->running);
	q->num = 0;
	q->based = q->addressed = q->polled = q->wanted = q->enabled = false;
	take(&q->kick, -1);
}

void queue_set_kick(struct queue *q, int fd)
{
	fuzz_check(!q->running);
	take(&q->kick, fd);
}

int queue_set_call(struct queue *q, int fd)
{
	take(&q->call, fd);
	return 0;
}

int queue_set_err(struct queue *q, int fd)
{
	take(&q->err, fd);
	return 0;
}

void queue_set_enabled(struct queue *q, bool enabled)
{
	q->enabled = enabled;
}

static void __shared *area(struct queue *q, u64 addr, size_t bytes, u64 align)
{
	return addr & (align - 1) ? NULL : memory_map_user(q->memory, addr, bytes);
}

static bool start_ring(struct queue *q)
{
	struct ring_dev_limits limits = {
		.map = memory_map, .ctx = q->memory, .segs = SEGS, .bytes = 1u << 20,
	};
	const struct ring_areas a = {
		.desc = area(q, q->addr.desc, ring_desc_bytes(q->num), 16),
		.driver = area(q, q->addr.avail, ring_driver_bytes(q->num, q->features), 4),
		.device = area(q, q->addr.used, ring_device_bytes(q->num, q->features), 4),
	};

	if (!a.desc || !a.driver || !a.device)
		return false;
	if (q->dirty.log) {
		q->dirty.memory = q->memory;
		fuzz_check(memory_guest(q->memory, a.device, &q->dirty.used));
		q->dirty.used_bytes = q->addr.flags ? ring_device_bytes(q->num, q->features) : 0;
		q->dirty.used_log = q->addr.log;
		limits.dirty = dirty_wrote_ring;
		limits.dirty_ctx = &q->dirty;
		t.wrote = true;
	}
	if (!q->based)
		q->base = ring_base_new(q->features);
	return !ring_dev_init(&q->ring, &a, q->num, q->features, q->base, &limits, q->ring_priv);
}

static bool start_log(struct queue *q)
{
	void __shared *part;

	if (inflight_part(q->inflight, q->index, q->num, q->features, &part))
		return false;
	if (!part)
		return true;
	t.wrote = true;
	q->log_priv = fuzz_alloc(ring_log_private_bytes(q->num));
	return ring_dev_log(&q->ring, &q->log, part, q->log_priv) >= 0;
}

static void free_ring(struct queue *q)
{
	free(q->ring_priv);
	free(q->log_priv);
	q->ring_priv = q->log_priv = NULL;
}

/* As the real one does it, but that no thread is started. */
void queue_start(struct queue *q, u64 features, struct memory *memory, struct inflight *inflight,
		 struct dirty *dirty)
{
	fuzz_check(!q->running);
	if (!q->wanted || !q->num || !q->addressed || !memory || (q->kick < 0 && !q->polled))
		return;
	q->wanted = false;
	q->features = features;
	q->memory = memory;
	q->inflight = inflight;
	q->dirty.log = dirty;
	q->faulted = q->stop = q->ended = false;
	if (!(features & BIT_ULL(VIRTIO_F_VERSION_1)) || !ring_size_ok(q->num, features))
		return;
	q->ring_priv = fuzz_alloc(ring_dev_private_bytes(q->num));
	q->running = start_ring(q) && start_log(q);
	if (!q->running)
		free_ring(q);
}

void queue_request_stop(struct queue *q)
{
	if (q->running)
		q->stop = true;
}

bool queue_reap(struct queue *q)
{
	if (!q->running)
		return true;
	if (!q->ended)
		return false;
	q->running = false;
	q->base = ring_dev_base(&q->ring);
	q->based = true;
	free_ring(q);
	q->memory = NULL;
	q->inflight = NULL;
	return true;
}

/* ---- a worker ---------------------------------------------------------------------------- */

static void touch(const struct ring_iov *iov, bool write)
{
	u8 __shared *first = iov->base, __shared *last = shared_at(iov->base, iov->len - 1);
	const u8 a = shared_load8(first), z = shared_load8(last);

	if (!write)
		return;
	shared_store8(first, a + 1);
	shared_store8(last, z + 1);
	t.wrote = true;
}

static void serve(struct queue *q)
{
	struct ring_iov iov[SEGS];
	struct ring_chain c = { .iov = iov };
	u32 n, i;

	t.wrote = true;
	ring_dev_disarm(&q->ring);
	for (n = 0; n < 8 && ring_dev_pop(&q->ring, &c) > 0; n++) {
		for (i = 0; i < (u32)c.out + c.in; i++)
			touch(&iov[i], i >= c.out);
		ring_dev_push(&q->ring, &c, c.in_len);
	}
	ring_dev_flush(&q->ring);
	ring_dev_arm(&q->ring);
	q->faulted |= ring_dev_fault(&q->ring) != RING_OK;
}

static void work(u32 index, bool end)
{
	struct queue *q = t.queue[index];
	const u64 one = 1;

	if (!q || !q->running || q->ended)
		return;
	fuzz_check(memory_regions(q->memory) <= MEMORY_SLOTS && memory_mapped(q->memory) <= 6ull << 40);
	if (!end) {
		serve(q);
	} else if (q->stop) {
		q->ended = true;
		fuzz_check(write(q->doorbell, &one, sizeof(one)) == sizeof(one));
	}
}

/* ---- the front-end ------------------------------------------------------------------------- */

/**
 * struct out - a message to send
 * @request: of the header
 * @flags: likewise
 * @size: likewise
 * @payload: bytes
 * @bytes: of it that are sent
 * @fds: files along
 * @kinds: of those
 */
struct out {
	u32 request;
	u32 flags;
	u32 size;
	u8 payload[512];
	u32 bytes;
	u32 fds;
	u8 kinds[16];
};

static void out_add(struct out *o, u64 value, u32 bytes)
{
	if (bytes > sizeof(o->payload) - o->bytes)
		return;
	value = htole64(value);
	memcpy(o->payload + o->bytes, &value, bytes);
	o->bytes += bytes;
	o->size = o->bytes;
}

static void out_send(const struct out *o)
{
	u8 buf[12 + sizeof(o->payload)];
	const u32 head[3] = { htole32(o->request), htole32(o->flags), htole32(o->size) };

	memcpy(buf, head, sizeof(head));
	memcpy(buf + sizeof(head), o->payload, o->bytes);
	if (t.theirs >= 0)
		front_send(&t.in, t.theirs, buf, sizeof(head) + o->bytes, o->fds, o->kinds);
}

static void send_u64(u32 request, u64 value)
{
	struct out o = { .request = request, .flags = 1 };

	out_add(&o, value, 8);
	out_send(&o);
}

static void send_state(u32 request, u32 index, u32 num)
{
	send_u64(request, index | (u64)num << 32);
}

static void send_event(u32 request, u32 index)
{
	struct out o = { .request = request, .flags = 1, .fds = 1, .kinds = { FRONT_EVENT } };

	out_add(&o, index, 8);
	out_send(&o);
}

/* As an honest one begins: one region, and queue @i in it. */
static void set_up(void)
{
	const u8 how = in_u8(&t.in);
	const u32 i = how & 1, num = 1u << (how >> 1 & 7);
	const u64 at = USER + RING_AT(i);
	struct out table = { .request = MESSAGE_SET_MEM_TABLE, .flags = 1, .fds = 1,
			     .kinds = { FRONT_SMALL } };
	struct out addr = { .request = MESSAGE_SET_VRING_ADDR, .flags = 1 };
	struct out log = { .request = MESSAGE_SET_LOG_BASE, .flags = 1, .fds = 1,
			   .kinds = { FRONT_LARGE } };

	if (how & 0x80) {
		send_u64(MESSAGE_SET_PROTOCOL_FEATURES, MESSAGE_F_LOG_SHMFD);
		out_add(&log, 4096, 8);
		out_add(&log, 0, 8);
		out_send(&log);
	}
	send_u64(MESSAGE_SET_FEATURES, BIT_ULL(VIRTIO_F_VERSION_1) |
		 (how & 0x80 ? BIT_ULL(MESSAGE_VIRTIO_F_LOG_ALL) : 0) |
		 (how & 0x10 ? BIT_ULL(VIRTIO_F_RING_PACKED) : 0) |
		 (how & 0x20 ? BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) : 0));
	out_add(&table, 1, 8);
	out_add(&table, 0, 8);
	out_add(&table, FRONT_SMALL_BYTES, 8);
	out_add(&table, USER, 8);
	out_add(&table, 0, 8);
	if (how & 0x40)
		out_send(&table);
	send_state(MESSAGE_SET_VRING_NUM, i, num);
	out_add(&addr, i, 8);
	out_add(&addr, at, 8);
	out_add(&addr, at + 0x2000, 8);
	out_add(&addr, at + 0x1000, 8);
	out_add(&addr, 0, 8);
	out_send(&addr);
	send_event(MESSAGE_SET_VRING_KICK, i);
	send_event(MESSAGE_SET_VRING_CALL, i);
}

/* A number that may mean something there. */
static u64 in_place(void)
{
	static const u64 places[] = {
		0, 0x1000, 0x2000, 0x4000, FRONT_SMALL_BYTES, FRONT_LARGE_BYTES, FRONT_HUGE_BYTES,
		USER, USER + 0x1000, USER + FRONT_SMALL_BYTES, 2ull << 20, 4ull << 40,
	};
	const u8 how = in_u8(&t.in);

	return how >= 0x80 ? in_number(&t.in) : places[how % ARRAY_SIZE(places)];
}

static void out_payload(struct out *o)
{
	const u8 how = in_u8(&t.in);
	u32 n, i;

	switch (o->request) {
	case MESSAGE_SET_MEM_TABLE:
		n = how & 0xf;
		out_add(o, how >= 0xf0 ? in_u32(&t.in) : n, 4);
		out_add(o, 0, 4);
		o->fds = how >= 0xe0 ? in_u8(&t.in) % 16 : n;
		for (i = 0; i < n; i++) {
			out_add(o, in_place(), 8);
			out_add(o, in_place(), 8);
			out_add(o, in_place(), 8);
			out_add(o, how & 0x10 ? in_place() : 0, 8);
		}
		break;
	case MESSAGE_SET_VRING_ADDR:
		out_add(o, how & 3, 4);
		out_add(o, how >= 0xf0, 4);
		for (i = 0; i < 4; i++)
			out_add(o, in_place(), 8);
		break;
	case MESSAGE_SET_VRING_KICK:
	case MESSAGE_SET_VRING_CALL:
	case MESSAGE_SET_VRING_ERR:
		out_add(o, (how & 3) | (how & 4 ? MESSAGE_NOFD : 0) |
			   (how >= 0xf0 ? in_u64(&t.in) : 0), 8);
		o->fds = how & 8 ? in_u8(&t.in) % 3 : !(how & 4);
		break;
	case MESSAGE_ADD_MEM_REG:
	case MESSAGE_REM_MEM_REG:
		out_add(o, 0, 8);
		out_add(o, in_place(), 8);
		out_add(o, in_place(), 8);
		out_add(o, in_place(), 8);
		out_add(o, how & 0x10 ? in_place() : 0, 8);
		o->fds = o->request == MESSAGE_ADD_MEM_REG ? how < 0xf0 : how & 1;
		break;
	case MESSAGE_SET_STATUS:
	case MESSAGE_SEND_RARP:
	case MESSAGE_NET_SET_MTU:
		out_add(o, how >= 0x80 ? in_u64(&t.in) : how & 0xf, 8);
		break;
	case MESSAGE_GET_INFLIGHT_FD:
	case MESSAGE_SET_INFLIGHT_FD:
		out_add(o, how & 0x10 ? in_place() : FRONT_SMALL_BYTES, 8);
		out_add(o, how & 0x20 ? in_place() : 0, 8);
		out_add(o, how >= 0xf0 ? in_u16(&t.in) : how & 3, 2);
		out_add(o, how & 0x40 ? in_u16(&t.in) : 1u << (how >> 2 & 3) * 2, 2);
		if (how & 0x80)
			out_add(o, 0, 4);
		o->fds = o->request == MESSAGE_SET_INFLIGHT_FD;
		break;
	case MESSAGE_SET_LOG_BASE:
		out_add(o, how & 0x10 ? in_place() : FRONT_SMALL_BYTES, 8);
		out_add(o, how & 0x20 ? in_place() : 0, 8);
		o->fds = how < 0xf0;
		break;
	case MESSAGE_SET_LOG_FD:
		o->fds = how & 1;
		break;
	case MESSAGE_SET_BACKEND_REQ_FD:
		o->fds = how & 3;
		break;
	case MESSAGE_GET_CONFIG:
	case MESSAGE_SET_CONFIG:
		out_add(o, how >= 0xf0 ? in_u32(&t.in) : 0, 4);
		out_add(o, how & 0x7f, 4);
		out_add(o, 0, 4);
		for (i = 0; i < (how & 0x7fu); i++)
			out_add(o, i, 1);
		break;
	case MESSAGE_SET_VRING_NUM:
	case MESSAGE_SET_VRING_BASE:
	case MESSAGE_GET_VRING_BASE:
	case MESSAGE_SET_VRING_ENABLE:
		out_add(o, how & 3, 4);
		out_add(o, how & 0x80 ? in_number(&t.in) : how >> 2 & 0x1f, 4);
		break;
	case MESSAGE_SET_FEATURES:
	case MESSAGE_SET_PROTOCOL_FEATURES:
		out_add(o, in_u64(&t.in), 8);
		break;
	}
}

static void send_one(void)
{
	const u8 which = in_u8(&t.in), how = in_u8(&t.in);
	struct out o = { .request = which % MESSAGE_REQUESTS, .flags = how & 1 ? 9 : 1 };
	u32 i;

	out_payload(&o);
	if (how >= 0xf8)
		o.size = (u32)in_number(&t.in);
	for (i = 0; i < ARRAY_SIZE(o.kinds); i++)
		o.kinds[i] = how & 2 ? in_u8(&t.in) :
			     o.request == MESSAGE_SET_MEM_TABLE || o.request == MESSAGE_SET_LOG_BASE ||
			     o.request == MESSAGE_SET_INFLIGHT_FD || o.request == MESSAGE_ADD_MEM_REG ?
				FRONT_SMALL + i % 3 : FRONT_EVENT;
	out_send(&o);
}

/* What a driver, or the front-end itself, writes to the memory. */
static void scribble(void)
{
	const u8 how = in_u8(&t.in);
	const u64 value = htole64(how & 0x10 ? in_place() : in_u32(&t.in));
	const u64 at = RING_AT(how & 1) + (how & 2 ? 0x1000 : 0) + in_u8(&t.in) * (how & 4 ? 2 : 8);

	t.wrote = true;
	fuzz_check(pwrite(front_fd[FRONT_SMALL], &value, 1u << (how >> 5 & 3), (off_t)at) > 0);
}

/* A chain in the queue of an honest set-up. */
static void offer(void)
{
	const u8 how = in_u8(&t.in);
	struct vring_desc desc = {
		.addr = htole64(in_place()),
		.len = htole32(in_u16(&t.in)),
		.flags = htole16(how >> 2 & 3),
		.next = htole16(how >> 4),
	};
	const u16 head = how >> 4, index = in_u8(&t.in);
	const u64 at = RING_AT(how & 1);

	t.wrote = true;
	if (how & 2)
		desc.next = htole16(desc.flags | 0x80);
	fuzz_check(pwrite(front_fd[FRONT_SMALL], &desc, 16, (off_t)(at + 16u * head)) == 16);
	fuzz_check(pwrite(front_fd[FRONT_SMALL], &head, 2, (off_t)(at + 0x1004 + 2 * (index & 7))) == 2);
	fuzz_check(pwrite(front_fd[FRONT_SMALL], &index, 2, (off_t)(at + 0x1002)) == 2);
}

/* Read answers; whatever the daemon sends is whole and says that it is an answer. */
static void read_answers(void)
{
	u32 head[3];
	u8 rest[512];

	while (t.theirs >= 0 && recv(t.theirs, head, 12, MSG_DONTWAIT) == 12) {
		fuzz_check(le32toh(head[0]) < MESSAGE_REQUESTS && le32toh(head[1]) == 5);
		fuzz_check(le32toh(head[2]) <= sizeof(struct message_config));
		fuzz_check(!head[2] || recv(t.theirs, rest, le32toh(head[2]), MSG_DONTWAIT) ==
			   (ssize_t)le32toh(head[2]));
	}
}

/* ---- all of it -------------------------------------------------------------------------------- */

static void ended(void *ctx)
{
	fuzz_check(ctx == &t && !t.ended);
	t.ended = true;
}

static void step(void)
{
	u8 how;
	u32 n;

	switch (in_u8(&t.in) & 0xf) {
	case 0 ... 3:
		send_one();
		break;
	case 4:
		set_up();
		break;
	case 5:
		scribble();
		break;
	case 6:
		offer();
		break;
	case 7 ... 9:
		how = in_u8(&t.in);
		for (n = 0; n < 1u + (how >> 2 & 0xf) && !t.ended && turn(how & 3); n++)
			;
		break;
	case 10 ... 12:
		how = in_u8(&t.in);
		work(how & 1, how & 2);
		break;
	case 13:
		how = in_u8(&t.in);
		if (t.queue[how & 1] && how >= 0xc0)
			t.queue[how & 1]->faulted = true;
		break;
	case 14:
		if (!t.deaf)
			read_answers();
		break;
	case 15:
		t.deaf |= in_u8(&t.in) >= 0xf0;
		break;
	}
}

static void clear_file(unsigned int kind, u64 bytes)
{
	fuzz_check(!fallocate(front_fd[kind], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      (off_t)bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device_ops ops = { .logged = true, .config = config, .set_config = set_config,
				  .note = note, .recall = recall, .set_mtu = set_mtu,
				  .announce = announce };
	const int least = 1;
	int pair[2];
	u32 n, i;
	u8 how;

	memset(&t, 0, sizeof(t));
	t.in = fuzz_in(data, size);
	how = in_u8(&t.in);
	log_level_set(LOG_ERROR);
	front_begin();
	fuzz_check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	t.theirs = pair[1];
	if (how & 1)
		ops.config = NULL;
	if (how & 2)
		fuzz_check(!setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)));
	t.dev.ops = &ops;
	t.dev.queues = t.dev.queue_num = QUEUES;
	t.dev.sched.threads = 1;
	t.dev.announces = how & 4;
	t.dev.migrates = !(how & 8);
	t.dev.closer = front_closer;
	log_limit_init(&t.dev.limit);
	fuzz_check(session_open(&t.dev, NULL, pair[0], ended, &t));
	while (in_more(&t.in) && !t.ended)
		step();

	close(t.theirs);
	t.theirs = -1;
	/* Everything that it waits for comes. */
	for (n = 0; n < 1000 && !t.ended; n++) {
		for (i = 0; i < QUEUES; i++)
			work(i, true);
		turn(n);
	}
	fuzz_check(t.ended);
	for (i = 0; i < ARRAY_SIZE(t.event); i++)
		fuzz_check(!t.event[i]);
	front_end();
	if (t.wrote) {
		clear_file(FRONT_SMALL, FRONT_SMALL_BYTES);
		clear_file(FRONT_LARGE, FRONT_LARGE_BYTES);
		clear_file(FRONT_HUGE, FRONT_HUGE_BYTES);
	}
	return 0;
}
