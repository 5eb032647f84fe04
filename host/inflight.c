// SPDX-License-Identifier: GPL-2.0
/*
 * The file in which a session's queues log what they have in flight.
 *
 * Theory
 * ------
 * A daemon that is killed has chains that it popped and never completed. What they were
 * is in a file that the front-end keeps (docs/interop/vhost-user.rst, "Inflight I/O
 * tracking"): it asks for one (GET_INFLIGHT_FD), hands it back (SET_INFLIGHT_FD), and hands
 * it to whatever back-end it finds at the socket later. What is written there, and what is
 * believed of it, is ring/log.c's.
 *
 * Each queue has a part of the same size, that of the largest queue that the front-end
 * announces; a driver may choose a smaller one. Behind them is a page of our own, of which the
 * protocol knows nothing, for what a driver has set in a device (write cache: off).
 *
 * The file comes from the front-end like a region of guest memory, and is treated like
 * one: a struct memory of its own, whose only region is the file, mapped when it is first
 * used and guarded against truncation. What was made here is sealed against that.
 *
 * #syscalls memfd_create ftruncate fcntl close
 */
#include "inflight.h"

#include "../ring/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define INFLIGHT_NOTED	0x80

/**
 * struct inflight - the file
 * @memory: its only region, from address 0
 * @queues: parts in it
 * @size: most descriptors of a queue
 * @bytes: size
 * @note: where the note is, or 0
 */
struct inflight {
	struct memory *memory;
	u16 queues;
	u16 size;
	u64 bytes;
	u64 note;
};

/* Check numbers of the front-end. Return: NULL, or what is wrong. */
static const char *inflight_check(const struct message_inflight *w, u16 queues)
{
	if (!w->queues || w->queues > queues)
		return "the log is of more queues than there are, or of none";
	if (!w->size || w->size > RING_SIZE_MAX)
		return "a queue cannot have the size that the log is for";
	return NULL;
}

/* Bytes of all parts, to the page. */
static u64 inflight_parts(const struct message_inflight *w, u64 features)
{
	return ALIGN(w->queues * (u64)ring_log_bytes(w->size, features),
		     (u64)sysconf(_SC_PAGESIZE));
}

int inflight_make(struct message *m, u64 features, u16 queues, const char **why)
{
	struct message_inflight w = m->inflight;
	u64 page = (u64)sysconf(_SC_PAGESIZE);
	int fd;

	*why = inflight_check(&w, queues);
	if (*why)
		return -EPROTO;
	w.bytes = inflight_parts(&w, features) + page;
	w.offset = 0;
	*why = "out of memory or file descriptors";
	fd = memfd_create("airlock in-flight log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -EPROTO;
	if (ftruncate(fd, (off_t)w.bytes) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		close(fd);
		return -EPROTO;
	}
	m->inflight = w;
	return fd;
}

int inflight_open(struct message *m, u64 features, u16 queues, const char **why,
		  struct inflight **out)
{
	const struct message_inflight w = m->inflight;
	struct message_region region = { .bytes = w.bytes, .offset = w.offset };
	struct inflight *inflight;

	*why = inflight_check(&w, queues);
	if (*why)
		return -EPROTO;
	*why = "out of memory";
	inflight = calloc(1, sizeof(*inflight));
	if (!inflight)
		return -EPROTO;
	if (memory_open_file(m, &region, why, &inflight->memory)) {
		free(inflight);
		return -EPROTO;
	}
	inflight->queues = w.queues;
	inflight->size = w.size;
	inflight->bytes = w.bytes;
	if (inflight_parts(&w, features) < w.bytes)
		inflight->note = inflight_parts(&w, features);
	*out = inflight;
	return 0;
}

void inflight_close(struct inflight *inflight)
{
	if (!inflight)
		return;
	memory_close(inflight->memory);
	free(inflight);
}

int inflight_part(struct inflight *inflight, u16 index, u32 num, u64 features,
		  void __shared **part)
{
	u64 bytes;

	*part = NULL;
	if (!inflight || index >= inflight->queues)
		return 0;
	bytes = ring_log_bytes(inflight->size, features);
	if (num > inflight->size || bytes > inflight->bytes / (index + 1u))
		return -EINVAL;
	*part = memory_map(inflight->memory, index * bytes, (u32)bytes, true);
	return *part ? 0 : -EINVAL;
}

void inflight_note(struct inflight *inflight, u8 note)
{
	void __shared *at = inflight && inflight->note ?
		memory_map(inflight->memory, inflight->note, 1, true) : NULL;

	if (at)
		shared_store8((u8 __shared *)at, note | INFLIGHT_NOTED);
}

int inflight_recall(struct inflight *inflight)
{
	void __shared *at = inflight->note ?
		memory_map(inflight->memory, inflight->note, 1, false) : NULL;
	u8 note = at ? shared_load8((u8 __shared *)at) : 0;

	return note & INFLIGHT_NOTED ? note & ~INFLIGHT_NOTED : -ENOENT;
}

bool inflight_faulted(const struct inflight *inflight)
{
	return inflight && memory_faulted(inflight->memory);
}
