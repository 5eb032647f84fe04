// SPDX-License-Identifier: GPL-2.0
/*
 * A host that writes anything anywhere into the memory that a guest shares (case 49).
 *
 *	chaos PID SECONDS SEED <RANGES
 *
 * PID is the emulator, whose one memory file is written to; a range is "OFFSET BYTES" in it.
 *
 * Theory
 * ------
 * Each range is hit as often as each other, whatever its size: rings are small, slots are
 * large. What is written is a word of 1 to 8 bytes that is random, or one bit that flips, or up
 * to 256 bytes that were there, or elsewhere, some time ago: an old index or an old completion
 * is the lie that is hardest to see. Bursts are followed by pauses, so that between two of them
 * the guest gets to where a lie can hurt. The seed decides all but the time.
 *
 * Output: what was done, in one line. Exit: 0, 1 for errors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RANGES		256u
#define PIECES		64u
#define PIECE_BYTES	256u
#define BURST		64u
#define PAUSE_US	20000u

/**
 * struct range - memory that is shared
 * @at: where it begins in the memory file
 * @bytes: its size
 */
struct range {
	size_t at;
	size_t bytes;
};

/**
 * struct piece - what was in the memory some time ago
 * @at: where
 * @bytes: how much; 0: nothing yet
 * @data: it
 */
struct piece {
	size_t at;
	size_t bytes;
	uint8_t data[PIECE_BYTES];
};

/**
 * struct chaos - one run
 * @ranges: how many
 * @range: they
 * @memory: the memory file
 * @bytes: its size
 * @state: of the random numbers
 * @piece: what can be written again
 * @words: written
 * @bits: flipped
 * @replays: pieces written again
 */
struct chaos {
	unsigned int ranges;
	struct range range[RANGES];
	volatile uint8_t *memory;
	size_t bytes;
	uint64_t state;
	struct piece piece[PIECES];
	unsigned long words;
	unsigned long bits;
	unsigned long replays;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "chaos: %s: %s\n", what, why);
	return 1;
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators". */
static uint64_t chaos_random(struct chaos *c)
{
	c->state ^= c->state >> 12;
	c->state ^= c->state << 25;
	c->state ^= c->state >> 27;
	return c->state * 0x2545f4914f6cdd1dULL;
}

/* Somewhere that at least so many bytes of a range follow, or as many as it has. */
static size_t chaos_place(struct chaos *c, size_t *bytes)
{
	const struct range *r = &c->range[chaos_random(c) % c->ranges];

	if (*bytes > r->bytes)
		*bytes = r->bytes;
	return r->at + chaos_random(c) % (r->bytes - *bytes + 1);
}

/* By one store; @at is a multiple of @bytes, as is where each range begins. */
static void chaos_store(struct chaos *c, size_t at, uint64_t word, size_t bytes)
{
	volatile void *where = c->memory + at;

	switch (bytes) {
	case 1:
		*(volatile uint8_t *)where = (uint8_t)word;
		break;
	case 2:
		*(volatile uint16_t *)where = (uint16_t)word;
		break;
	case 4:
		*(volatile uint32_t *)where = (uint32_t)word;
		break;
	case 8:
		*(volatile uint64_t *)where = word;
		break;
	}
}

static void chaos_word(struct chaos *c)
{
	uint64_t word = chaos_random(c);
	size_t bytes = (size_t)1 << chaos_random(c) % 4, at, i;

	/* All or nothing set is a word that somebody may take for an end. */
	if (chaos_random(c) % 4 == 0)
		word = chaos_random(c) % 2 ? UINT64_MAX : 0;
	at = chaos_place(c, &bytes);
	/* Half of them at once, as processors do; the others so that any part can be seen. */
	if (chaos_random(c) % 2 && !(bytes & (bytes - 1)))
		chaos_store(c, at - at % bytes, word, bytes);
	else
		for (i = 0; i < bytes; i++)
			c->memory[at + i] = (uint8_t)(word >> 8 * i);
	c->words++;
}

static void chaos_bit(struct chaos *c)
{
	size_t bytes = 1;
	const size_t at = chaos_place(c, &bytes);

	c->memory[at] ^= (uint8_t)(1u << chaos_random(c) % 8);
	c->bits++;
}

static void chaos_remember(struct chaos *c)
{
	struct piece *p = &c->piece[chaos_random(c) % PIECES];
	size_t i;

	p->bytes = 1 + chaos_random(c) % PIECE_BYTES;
	p->at = chaos_place(c, &p->bytes);
	for (i = 0; i < p->bytes; i++)
		p->data[i] = c->memory[p->at + i];
}

static void chaos_replay(struct chaos *c)
{
	const struct piece *p = &c->piece[chaos_random(c) % PIECES];
	size_t bytes = p->bytes, at = p->at, i;

	if (!bytes)
		return;
	if (chaos_random(c) % 4 == 0)
		at = chaos_place(c, &bytes);
	for (i = 0; i < bytes; i++)
		c->memory[at + i] = p->data[i];
	c->replays++;
}

static void chaos_burst(struct chaos *c)
{
	unsigned int n = 1 + (unsigned int)(chaos_random(c) % BURST);

	while (n--) {
		switch (chaos_random(c) % 4) {
		case 0:
			chaos_word(c);
			break;
		case 1:
			chaos_bit(c);
			break;
		case 2:
			chaos_remember(c);
			break;
		case 3:
			chaos_replay(c);
			break;
		}
	}
}

/* ---- where ------------------------------------------------------------------------ */

/* The emulator's memory file, open; -1 unless there is one, and one only. */
static int chaos_find(const char *pid)
{
	char dir[64], path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	ino_t inode = 0;
	struct stat st;
	int fd = -1;
	ssize_t n;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%s/fd", pid);
	fds = opendir(dir);
	while (fds && (entry = readdir(fds))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, "/memfd:memory-backend-memfd", 27) || stat(path, &st))
			continue;
		if (fd >= 0 && st.st_ino != inode) {
			close(fd);
			fd = -1;
			errno = E2BIG;
			break;
		}
		inode = st.st_ino;
		if (fd < 0)
			fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fds)
		closedir(fds);
	return fd;
}

static int chaos_map(struct chaos *c, const char *pid)
{
	struct stat st;
	void *memory;
	int fd = chaos_find(pid);

	if (fd < 0 || fstat(fd, &st))
		return fail(pid, "it has no memory file that can be opened, or several");
	c->bytes = (size_t)st.st_size;
	memory = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return fail("mmap", strerror(errno));
	c->memory = memory;
	return 0;
}

static int chaos_ranges(struct chaos *c)
{
	struct range *r;
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		if (c->ranges == RANGES)
			return fail("ranges", "more than can be held");
		r = &c->range[c->ranges++];
		if (sscanf(line, "%zi %zi", (ssize_t *)&r->at, (ssize_t *)&r->bytes) != 2)
			return fail(line, "not \"OFFSET BYTES\"");
		if (r->at % sizeof(uint64_t))
			return fail(line, "the offset is not a multiple of 8");
		if (!r->bytes || r->at > c->bytes || r->bytes > c->bytes - r->at)
			return fail(line, "not in the memory file");
	}
	return c->ranges ? 0 : fail("ranges", "there is none");
}

int main(int argc, char **argv)
{
	static struct chaos c;
	time_t end;

	if (argc != 4)
		return fail("usage", "chaos PID SECONDS SEED <RANGES");
	/* Zero would stay zero. */
	c.state = strtoull(argv[3], NULL, 0) * 2 + 1;
	if (chaos_map(&c, argv[1]) || chaos_ranges(&c))
		return 1;
	for (end = time(NULL) + atol(argv[2]); time(NULL) < end;) {
		chaos_burst(&c);
		usleep((useconds_t)(chaos_random(&c) % PAUSE_US));
	}
	printf("seed %s: %lu words, %lu bits, %lu replays\n", argv[3], c.words, c.bits, c.replays);
	return 0;
}
