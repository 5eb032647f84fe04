// SPDX-License-Identifier: GPL-2.0
/*
 * Lists the memory that a guest of the emulated SEV machine shares, as its processor
 * sees it: by the guest's own page tables, read from outside.
 *
 *	opened PID PRIVATE BYTES CR3 [CBIT]
 *
 *	PID		the VMM
 *	PRIVATE, BYTES	where in its memory the guest's private RAM is, and how much there is:
 *			the first line of the emulator's log
 *	CR3		of a processor that runs the guest's kernel
 *	CBIT		position of the C-bit, 47 unless given
 *
 * Theory
 * ------
 * A guest under SEV decides by the C-bit of each leaf entry whether a page is private. The
 * page tables are private themselves, so this reads them from the VMM's memory, walks all four
 * levels, and marks each page of RAM that any present leaf entry maps with the C-bit
 * clear. That is what the guest could write to in the clear, whether it ever did or not; the
 * emulator's log tells what it did. The guest is stopped meanwhile, or idle: tables that
 * change under the walk are seen half.
 *
 * 0xA0000-0xFFFFF is not looked at: there the emulator has one view only. RAM above 4 GiB is
 * not supported: the test machines have none.
 *
 * Output: "ADDRESS BYTES" for each run of such pages, sorted, ADDRESS as 0x…; nothing when
 * there are none. Exit: 0, or 2 when the tables cannot be read or make no sense.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE		4096ull
#define ENTRIES		512
#define LEVELS		4

#define PTE_PRESENT	(1ull << 0)
#define PTE_LARGE	(1ull << 7)	/* a leaf above the lowest level */
#define PTE_ADDRESS	0x000ffffffffff000ull

#define HOLE_START	0xa0000ull
#define HOLE_END	0x100000ull

/**
 * struct guest - what is looked at
 * @mem: /proc/PID/mem of the VMM
 * @base: where the private RAM is in it
 * @bytes: of RAM
 * @cbit: the C-bit in an entry
 * @open: for each page, is it mapped with the C-bit clear?
 */
struct guest {
	int mem;
	uint64_t base, bytes, cbit;
	bool *open;
};

static void __attribute__((format(printf, 1, 2), noreturn)) opened_die(const char *fmt, ...)
{
	va_list args;

	fputs("opened: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static void opened_mark(struct guest *g, uint64_t start, uint64_t bytes)
{
	for (uint64_t at = start; at < start + bytes && at < g->bytes; at += PAGE)
		if (at < HOLE_START || at >= HOLE_END)
			g->open[at / PAGE] = true;
}

/* All that @level entries of the table at @table map; level 1 is the lowest. */
static void opened_walk(struct guest *g, uint64_t table, int level)
{
	uint64_t entry[ENTRIES];

	if (table >= g->bytes ||
	    pread(g->mem, entry, sizeof(entry), (off_t)(g->base + table)) != sizeof(entry))
		opened_die("no table of level %d at 0x%llx", level, (unsigned long long)table);
	for (int i = 0; i < ENTRIES; i++) {
		uint64_t size = PAGE << (9 * (level - 1));
		uint64_t address = entry[i] & PTE_ADDRESS & ~g->cbit;

		if (!(entry[i] & PTE_PRESENT))
			continue;
		if (level > 1 && !(entry[i] & PTE_LARGE))
			opened_walk(g, address, level - 1);
		else if (!(entry[i] & g->cbit))
			opened_mark(g, address & ~(size - 1), size);
	}
}

static uint64_t opened_number(const char *text, const char *what)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || !*text || *end)
		opened_die("%s is '%s', not a number", what, text);
	return value;
}

int main(int argc, char **argv)
{
	struct guest g;
	uint64_t cr3, first, at;
	char path[64];

	if (argc < 5 || argc > 6)
		opened_die("usage: opened PID PRIVATE BYTES CR3 [CBIT]");
	snprintf(path, sizeof(path), "/proc/%llu/mem",
		 (unsigned long long)opened_number(argv[1], "PID"));
	g.base = opened_number(argv[2], "PRIVATE");
	g.bytes = opened_number(argv[3], "BYTES");
	cr3 = opened_number(argv[4], "CR3");
	g.cbit = 1ull << (opened_number(argc > 5 ? argv[5] : "47", "CBIT") & 63);
	g.open = calloc(g.bytes / PAGE + 1, sizeof(*g.open));
	g.mem = open(path, O_RDONLY | O_CLOEXEC);
	if (g.mem < 0 || !g.open)
		opened_die("%s: %s", path, strerror(errno));

	opened_walk(&g, cr3 & PTE_ADDRESS & ~g.cbit, LEVELS);

	for (at = 0; at < g.bytes; at += PAGE) {
		if (!g.open[at / PAGE])
			continue;
		for (first = at; at < g.bytes && g.open[at / PAGE]; at += PAGE)
			;
		printf("0x%llx %llu\n", (unsigned long long)first,
		       (unsigned long long)(at - first));
	}
	return 0;
}
