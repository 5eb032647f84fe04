// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of an operation, and the pattern that shows that its bytes arrive.
 */
#include "load.h"

#include <sys/mman.h>
#include <unistd.h>

#define LOAD_LINE	64u
#define LOAD_PAGE	4096u

static int load_map_window(struct load *l)
{
	void *p = MAP_FAILED;
	int fd, ret = 0;

	fd = memfd_create("bench", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)LOAD_WINDOW))
		p = mmap(NULL, LOAD_WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 fd, 0);
	if (p == MAP_FAILED)
		ret = -errno;
	else
		l->window = shared_mark(p);
	close(fd);
	return ret;
}

static int load_map_private(struct load *l)
{
	u8 *p = mmap(NULL, PAIR_SIDES * LOAD_PRIVATE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	l->private[PAIR_DRIVER] = p;
	l->private[PAIR_DEVICE] = p + LOAD_PRIVATE_BYTES;
	return 0;
}

int load_open(struct load *l, struct pair *pair)
{
	int ret;

	*l = (struct load) { .pair = pair };
	ret = load_map_window(l);
	if (ret)
		return ret;
	ret = load_map_private(l);
	if (ret) {
		munmap(shared_unmark(l->window), LOAD_WINDOW);
		return ret;
	}
	load_shape(l, 0, 1, false);
	return 0;
}

void load_close(struct load *l)
{
	munmap(l->private[PAIR_DRIVER], PAIR_SIDES * LOAD_PRIVATE_BYTES);
	munmap(shared_unmark(l->window), LOAD_WINDOW);
	l->window = NULL;
}

/* The largest power of two of pieces of @bytes that fit into @room. */
static u32 load_fit(u32 room, u32 bytes)
{
	u32 n = 1;

	while (n <= room / bytes / 2)
		n *= 2;
	return n;
}

void load_shape(struct load *l, u32 payload, u32 batch, bool processes)
{
	const u32 stride = payload ? ALIGN(payload, LOAD_LINE) : LOAD_LINE;

	l->payload = payload;
	l->batch = batch;
	l->processes = processes;
	l->verify = false;
	l->stride = stride;
	l->buffers = load_fit(LOAD_PRIVATE_BYTES, stride);
	l->slot = (struct slots) {
		.base = shared_at(l->window, LOAD_RING_BYTES),
		.bus = LOAD_BUS + LOAD_RING_BYTES,
		.bytes = stride,
		.num = min_t(u32, LOAD_SLOTS, load_fit(LOAD_SLOT_BYTES, stride)),
	};
}

/*
 * A process that was just forked has its parent's private pages until it writes
 * to them, and none of the shared pages until it looks at them.
 */
void load_enter(const struct load *l, enum pair_side side)
{
	u8 __shared *window = l->window;
	size_t i;

	memset(l->private[side], (int)side, LOAD_PRIVATE_BYTES);
	for (i = 0; i < LOAD_WINDOW; i += LOAD_PAGE)
		(void)shared_load8(window + i);
}

/* Byte @i of the @nth operation: 251 is prime, so no two near ones are alike. */
static inline u8 load_pattern(u64 nth, u32 i)
{
	return (u8)(1 + (nth * 31 + i) % 251);
}

void load_stamp(const struct load *l, u64 nth, u8 *buf)
{
	u32 i;

	for (i = 0; i < l->payload; i++)
		buf[i] = load_pattern(nth, i);
}

int load_compare(const struct load *l, u64 nth, const u8 *buf)
{
	u32 i;

	for (i = 0; i < l->payload; i++) {
		if (buf[i] != load_pattern(nth, i))
			return -EBADMSG;
	}
	return 0;
}
