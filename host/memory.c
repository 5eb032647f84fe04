// SPDX-License-Identifier: GPL-2.0
/*
 * The part of a front-end's memory that a session may see.
 *
 * Theory
 * ------
 * A region is a range of guest memory and the file that holds it. Of the file
 * only [offset, offset + bytes) belongs to the region, and of that only what a
 * ring or a descriptor names is ever mapped: for each region a range of
 * addresses without access is reserved, and granules of 2 MiB (or of the file's
 * huge pages) appear in it when they are first named. A translated range is
 * contiguous here because the whole region is contiguous in the reservation.
 * The fd is closed as soon as nothing is left to map. Addresses and entries of the
 * kernel's table of mappings are shared with all other sessions, and files can
 * be sparse: so what a session may reserve is bounded.
 *
 * A region's file must be one whose pages this kernel provides by itself: a memfd,
 * a file of tmpfs or hugetlbfs, or one on a local disk (a file system on a device).
 * Behind any other (FUSE, a network) is somebody who could let fstat(), munmap()
 * or close() wait for ever; what a file is gets asked in ways that ask the kernel
 * only.
 *
 * Ownership. A struct memory belongs to its session; queue workers borrow it
 * while they run. It does not change once it is made, except that granules go
 * from unmapped to mapped, each once, under @lock; a set bit in @map says that
 * a granule may be used, and is read without the lock.
 *
 * A file that is truncated under us raises SIGBUS at the next access. The
 * handler finds the region in memory_reserved[], puts zeroed private memory over
 * the granule, marks the memory as faulted and returns; the worker finds the
 * mark after its batch and has the session closed. The table of reservations is
 * written by the control thread only, while nobody can fault in the entry.
 *
 * #syscalls mmap munmap fcntl newfstatat fstat statx close rt_sigaction
 */
#include "memory.h"

#include "options.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_GRANULE		(2ull << 20)
#define MEMORY_GRANULE_MAX	(1ull << 30)
/* Of all sessions together: each has slots, a table that is new, and two of each log likewise. */
#define MEMORY_RESERVED		(OPTIONS_DEVICES * (MEMORY_SLOTS + MESSAGE_REGIONS + 4))
#define MEMORY_SPAN_MAX		(4ull << 40)	/* addresses of a session */
#define MEMORY_SPANS_MAX	(64ull << 40)	/* of all sessions together */

/**
 * struct memory_region - one region; private
 * @guest: guest-physical address
 * @user: address in the front-end
 * @bytes: size
 * @again: how often it was added once more
 * @fd: the file, or -1 when all of it is mapped
 * @granule: bytes of a granule; a power of two
 * @page: bytes to which a mapping must be aligned
 * @skip: bytes from the reservation's start to the region's start
 * @file: offset in the file at which the reservation starts
 * @base: the reservation
 * @span: its bytes, a multiple of @granule
 * @map: one bit a granule, set once it is mapped
 * @left: granules not yet mapped
 * @slot: of memory_reserved[]
 */
struct memory_region {
	u64 guest;
	u64 user;
	u64 bytes;
	u32 again;
	int fd;
	u64 granule;
	u64 page;
	u64 skip;
	u64 file;
	void *base;
	u64 span;
	u64 *map;
	u64 left;
	unsigned int slot;
};

struct memory {
	pthread_mutex_t lock;
	struct memory_region region[MEMORY_SLOTS];
	unsigned int regions;
	u64 span;
	u64 mapped;
	bool faulted;
};

/**
 * struct memory_reservation - what the SIGBUS handler needs of a region
 * @start: first address; 0: entry is free
 * @end: address after the last
 * @granule: bytes of a granule
 * @faulted: set when memory was lost
 */
struct memory_reservation {
	uintptr_t start;
	uintptr_t end;
	uintptr_t granule;
	bool *faulted;
};

static struct memory_reservation memory_reserved[MEMORY_RESERVED];
static u64 memory_spans;	/* reserved addresses; control thread */

/* Only calls that are safe in a signal handler, and no lock. */
static void memory_on_fault(int sig, siginfo_t *info, void *ucontext)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	struct memory_reservation *r;
	int saved = errno;
	void *at;

	(void)ucontext;
	for (r = memory_reserved; r < memory_reserved + MEMORY_RESERVED; r++) {
		uintptr_t start = __atomic_load_n(&r->start, __ATOMIC_ACQUIRE);

		if (!start || addr < start || addr >= r->end)
			continue;
		at = (void *)(addr & ~(r->granule - 1));
		if (mmap(at, r->granule, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == at) {
			__atomic_store_n(r->faulted, true, __ATOMIC_RELAXED);
			errno = saved;
			return;
		}
	}
	/* Not ours: let the access fault again and the default action end us. */
	signal(sig, SIG_DFL);
}

int memory_catch_faults(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = memory_on_fault;
	sa.sa_flags = SA_SIGINFO;
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) ? -errno : 0;
}

static int memory_reserve_slot(struct memory_region *r, bool *faulted)
{
	unsigned int i;

	for (i = 0; i < MEMORY_RESERVED; i++) {
		if (memory_reserved[i].start)
			continue;
		memory_reserved[i].end = (uintptr_t)r->base + r->span;
		memory_reserved[i].granule = r->granule;
		memory_reserved[i].faulted = faulted;
		__atomic_store_n(&memory_reserved[i].start, (uintptr_t)r->base, __ATOMIC_RELEASE);
		r->slot = i;
		return 0;
	}
	return -ENOMEM;
}

/* Reserve addresses for a region, aligned to its granule. */
static void *memory_reserve(u64 span, u64 granule)
{
	uintptr_t start, aligned;
	void *p;

	if (span > SIZE_MAX - granule)
		return NULL;
	p = mmap(NULL, span + granule, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	start = (uintptr_t)p;
	aligned = ALIGN(start, granule);
	if (aligned != start)
		munmap(p, aligned - start);
	if (aligned + span != start + span + granule)
		munmap((void *)(aligned + span), start + granule - aligned);
	return (void *)aligned;
}

/* Check what kind of file an fd is, without waiting. Return: NULL, or what is wrong. */
static const char *memory_check_kind(int fd)
{
	struct statx stx;

	/* Only memfds and files of tmpfs and hugetlbfs have seals. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return NULL;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) ||
	    !S_ISREG(stx.stx_mode))
		return "a region's file cannot be mapped";
	/* File systems on no device have a number of their own below major 0. */
	if (!stx.stx_dev_major)
		return "a region's file is neither a memfd nor on tmpfs, hugetlbfs or a local disk";
	return NULL;
}

/* Check the file of a region. Return: NULL, or what is wrong with it. */
static const char *memory_check_file(struct memory_region *r, u64 offset)
{
	struct stat st;
	int flags;

	flags = fcntl(r->fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) != O_RDWR)
		return "a region's file is not open for reading and writing";
	if (fstat(r->fd, &st) || !S_ISREG(st.st_mode))
		return "a region's file cannot be mapped";
	if (r->bytes > (u64)st.st_size || offset > (u64)st.st_size - r->bytes)
		return "a region is larger than its file";
	r->page = (u64)sysconf(_SC_PAGESIZE);
	/* The block size of a hugetlbfs file is the size of its pages. */
	if (st.st_blksize > 0 && (u64)st.st_blksize >= MEMORY_GRANULE &&
	    (u64)st.st_blksize <= MEMORY_GRANULE_MAX &&
	    !((u64)st.st_blksize & ((u64)st.st_blksize - 1)))
		r->page = (u64)st.st_blksize;
	r->granule = r->page > MEMORY_GRANULE ? r->page : MEMORY_GRANULE;
	return NULL;
}

/* Check where a region lies. Return: NULL, or what is wrong. */
static const char *memory_check_range(const struct message_region *w)
{
	u64 mask = (u64)sysconf(_SC_PAGESIZE) - 1;

	if (!w->bytes)
		return "a region's size is 0";
	if ((w->guest & mask) || (w->user & mask) || (w->offset & mask))
		return "a region is not aligned to pages";
	if (w->guest > UINT64_MAX - w->bytes || w->user > UINT64_MAX - w->bytes)
		return "a region's end is beyond the address space";
	if (w->offset > (u64)INT64_MAX || w->bytes > (u64)INT64_MAX - w->offset)
		return "a region's offset overflows";
	return NULL;
}

static bool memory_overlap(u64 a, u64 a_bytes, u64 b, u64 b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

static const char *memory_check_overlap(const struct memory *memory,
					const struct message_region *w)
{
	const struct memory_region *r;

	for (r = memory->region; r < memory->region + memory->regions; r++) {
		if (memory_overlap(r->guest, r->bytes, w->guest, w->bytes) ||
		    memory_overlap(r->user, r->bytes, w->user, w->bytes))
			return "regions overlap";
	}
	return NULL;
}

/* Fill in the next region, as far as it goes. Return: NULL, or what is wrong. */
static const char *memory_take(struct memory *memory, const struct message_region *w, int fd)
{
	struct memory_region *r = &memory->region[memory->regions];
	const char *why;

	r->fd = fd;
	why = memory_check_range(w);
	if (!why)
		why = memory_check_overlap(memory, w);
	r->guest = w->guest;
	r->user = w->user;
	r->bytes = w->bytes;
	if (!why)
		why = memory_check_file(r, w->offset);
	if (why)
		return why;

	r->skip = w->offset & (r->granule - 1);
	r->file = w->offset - r->skip;
	r->span = ALIGN(r->skip + r->bytes, r->granule);
	r->left = r->span / r->granule;
	if (r->span > MEMORY_SPAN_MAX - memory->span)
		return "the regions are too large: more than 4 TiB";
	if (r->span > MEMORY_SPANS_MAX - memory_spans)
		return "the regions of all front-ends are too large: more than 64 TiB";
	r->base = memory_reserve(r->span, r->granule);
	if (r->base) {
		memory->span += r->span;
		memory_spans += r->span;
	}
	r->map = calloc((r->left + 63) / 64, sizeof(u64));
	if (!r->base || !r->map || memory_reserve_slot(r, &memory->faulted))
		return "a region is too large to map";
	return NULL;
}

/* Free what there is of a region. */
static void memory_drop(struct memory *memory, struct memory_region *r)
{
	if (r->slot < MEMORY_RESERVED)
		__atomic_store_n(&memory_reserved[r->slot].start, 0, __ATOMIC_RELEASE);
	if (r->base) {
		munmap(r->base, r->span);
		memory->span -= r->span;
		memory_spans -= r->span;
	}
	if (r->fd >= 0)
		close(r->fd);
	free(r->map);
}

/* Take one region, with the message's fd number @i. Return: NULL, or what is wrong with it. */
static const char *memory_take_one(struct memory *memory, const struct message_region *w,
				   struct message *m, unsigned int i)
{
	struct memory_region *r = &memory->region[memory->regions];
	/* What is not checked stays with the message. */
	const char *why = memory_check_kind(m->fd[i]);

	if (why)
		return why;
	memset(r, 0, sizeof(*r));
	r->slot = MEMORY_RESERVED;
	why = memory_take(memory, w, message_take_fd(m, i));
	if (why)
		memory_drop(memory, r);
	else
		memory->regions++;
	return why;
}

/* What is guest memory is whole pages. Return: NULL, or what is wrong. */
static const char *memory_check_pages(const struct message_region *w)
{
	return w->bytes & ((u64)sysconf(_SC_PAGESIZE) - 1) ?
		"a region's size is no multiple of the page size" : NULL;
}

/* Take @num regions, each with the message's fd of its number. */
static int memory_open_regions(struct message *m, const struct message_region *region,
			       unsigned int num, const char **why, struct memory **out)
{
	struct memory *memory;
	unsigned int i;

	if (m->fds != num) {
		*why = "number of regions and of file descriptors differ";
		return -EPROTO;
	}
	*why = "out of memory";
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	pthread_mutex_init(&memory->lock, NULL);
	for (i = 0; i < num; i++) {
		*why = memory_take_one(memory, &region[i], m, i);
		if (*why) {
			memory_close(memory);
			return -EPROTO;
		}
	}
	*out = memory;
	return 0;
}

int memory_open(struct message *m, const char **why, struct memory **memory)
{
	const struct message_table table = m->table;
	unsigned int i;

	if (table.regions < 1 || table.regions > MESSAGE_REGIONS ||
	    m->size < 8 + sizeof(struct message_region) * table.regions) {
		*why = "number of regions cannot be";
		return -EPROTO;
	}
	for (i = 0; i < table.regions; i++) {
		*why = memory_check_pages(&table.region[i]);
		if (*why)
			return -EPROTO;
	}
	return memory_open_regions(m, table.region, table.regions, why, memory);
}

int memory_open_file(struct message *m, const struct message_region *w, const char **why,
		     struct memory **memory)
{
	return memory_open_regions(m, w, 1, why, memory);
}

static struct memory_region *memory_find(struct memory *memory, const struct message_region *w)
{
	struct memory_region *r;

	for (r = memory->region; r < memory->region + memory->regions; r++) {
		if (r->guest == w->guest && r->user == w->user && r->bytes == w->bytes)
			return r;
	}
	return NULL;
}

int memory_add(struct message *m, const char **why, struct memory **memory)
{
	const struct message_region region = m->slot.region;
	struct memory_region *r = *memory ? memory_find(*memory, &region) : NULL;

	*why = memory_check_pages(&region);
	if (*why)
		return -EPROTO;
	if (!*memory)
		return memory_open_file(m, &region, why, memory);
	if (m->fds != 1)
		*why = "no file descriptor";
	else if (r)
		r->again++;
	else if ((*memory)->regions == MEMORY_SLOTS)
		*why = "more regions than there are slots";
	else
		*why = memory_take_one(*memory, &region, m, 0);
	return *why ? -EPROTO : 0;
}

int memory_remove(const struct message *m, const char **why, struct memory *memory)
{
	const struct message_region w = m->slot.region;
	struct memory_region *r = memory ? memory_find(memory, &w) : NULL;

	if (!r) {
		*why = "there is no such region";
		return -EPROTO;
	}
	if (r->again) {
		r->again--;
		return 0;
	}
	memory_drop(memory, r);
	/* The last one takes its place. */
	*r = memory->region[--memory->regions];
	return 0;
}

void memory_close(struct memory *memory)
{
	if (!memory)
		return;
	while (memory->regions)
		memory_drop(memory, &memory->region[--memory->regions]);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

/* Map granule @i of a region; under the lock. */
static bool memory_map_granule(struct memory *memory, struct memory_region *r, u64 i)
{
	u64 lo = i * r->granule, hi = lo + r->granule;
	u64 first = r->skip & ~(r->page - 1);
	u64 last = ALIGN(r->skip + r->bytes, r->page);
	void *at;

	/* Nothing of the file but the region, to the page. */
	if (lo < first)
		lo = first;
	if (hi > last)
		hi = last;
	at = (char *)r->base + lo;
	if (mmap(at, hi - lo, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, r->fd,
		 (off_t)(r->file + lo)) != at)
		return false;
	memory->mapped += hi - lo;
	__atomic_fetch_or(&r->map[i / 64], BIT_ULL(i % 64), __ATOMIC_RELEASE);
	if (!--r->left) {
		close(r->fd);
		r->fd = -1;
	}
	return true;
}

static bool memory_is_mapped(const struct memory_region *r, u64 i)
{
	return __atomic_load_n(&r->map[i / 64], __ATOMIC_ACQUIRE) & BIT_ULL(i % 64);
}

/* Address of [off, off + len) of a region; the range is inside it. */
static void __shared *memory_at(struct memory *memory, struct memory_region *r, u64 off, u64 len)
{
	u64 i = (r->skip + off) / r->granule;
	u64 last = (r->skip + off + len - 1) / r->granule;
	bool ok = true;

	for (; ok && i <= last; i++) {
		if (likely(memory_is_mapped(r, i)))
			continue;
		pthread_mutex_lock(&memory->lock);
		ok = memory_is_mapped(r, i) || memory_map_granule(memory, r, i);
		pthread_mutex_unlock(&memory->lock);
	}
	return ok ? shared_mark((char *)r->base + r->skip + off) : NULL;
}

void __shared *memory_map(void *ctx, u64 addr, u32 len, bool write)
{
	struct memory *memory = ctx;
	struct memory_region *r;
	u64 off;

	(void)write;
	for (r = memory->region; r < memory->region + memory->regions; r++) {
		off = addr - r->guest;
		if (off < r->bytes && len <= r->bytes - off) {
			/* A wrong guess at the branch must not reach outside. */
			off = array_index_nospec(off, r->bytes);
			return memory_at(memory, r, off, len);
		}
	}
	return NULL;
}

void __shared *memory_map_user(struct memory *memory, u64 addr, size_t len)
{
	struct memory_region *r;
	u64 off;

	for (r = memory->region; r < memory->region + memory->regions; r++) {
		off = addr - r->user;
		if (off < r->bytes && len <= r->bytes - off)
			return memory_at(memory, r, off, len);
	}
	return NULL;
}

bool memory_guest(const struct memory *memory, const void __shared *at, u64 *guest)
{
	const struct memory_region *r;
	u64 off;

	for (r = memory->region; r < memory->region + memory->regions; r++) {
		off = (uintptr_t)shared_unmark(at) - ((uintptr_t)r->base + r->skip);
		if (off < r->bytes) {
			*guest = r->guest + off;
			return true;
		}
	}
	return false;
}

void __shared *memory_shared(void *at)
{
	return shared_mark(at);
}

u64 memory_end(const struct memory *memory)
{
	const struct memory_region *r;
	u64 end = 0;

	for (r = memory->region; r < memory->region + memory->regions; r++) {
		if (r->guest + r->bytes > end)
			end = r->guest + r->bytes;
	}
	return end;
}

unsigned int memory_regions(const struct memory *memory)
{
	return memory->regions;
}

u64 memory_offered(const struct memory *memory)
{
	u64 bytes = 0;
	unsigned int i;

	for (i = 0; i < memory->regions; i++)
		bytes += memory->region[i].bytes;
	return bytes;
}

u64 memory_mapped(struct memory *memory)
{
	u64 bytes;

	pthread_mutex_lock(&memory->lock);
	bytes = memory->mapped;
	pthread_mutex_unlock(&memory->lock);
	return bytes;
}

bool memory_faulted(const struct memory *memory)
{
	return __atomic_load_n(&memory->faulted, __ATOMIC_RELAXED);
}
