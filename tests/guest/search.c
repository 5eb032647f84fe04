// SPDX-License-Identifier: GPL-2.0
/*
 * Searches what the host side can see for a secret that only the guest should hold.
 *
 *	search [--mapped PID]... [--held PID]... [--shared PID]... <TOKEN
 *
 *	--mapped PID	all memory of the process: what a back-end did map
 *	--held PID	every file with contents that the process has open: what it
 *			could map
 *	--shared PID	every memory file (memfd, shm) that the process has open:
 *			what a VMM could hand over to a back-end
 *
 * Theory
 * ------
 * The token, 32 bytes on standard input, is looked for at every alignment;
 * consecutive reads overlap by one byte less than a token. A mapping is read through
 * /proc/PID/mem. Where that gives EIO, as for rings of io_uring on some kernels, the
 * file behind the mapping is taken from the process (pidfd_getfd) and mapped here.
 * What then still cannot be read is named, and makes the search worth nothing as
 * a proof: exit 2, whatever was found elsewhere is printed all the same. Only the
 * kernel's own pages ([vvar], [vsyscall]) are passed over; they hold no user data.
 * The process may map and unmap meanwhile: a mapping that is gone when it was to be
 * read is not an error.
 *
 * This process holds the token, and is not one that is searched.
 *
 * Output: "SOURCE BYTES HITS NAME" for each source, then
 *	searched: BYTES
 *	shared: BYTES (size of all memory files of --shared)
 *	unreadable: BYTES
 *	hits: NUMBER
 * Exit: 0 searched all and found nothing, 1 found, 2 not a proof.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TOKEN_BYTES	32
#define OVERLAP		(TOKEN_BYTES - 1)
#define CHUNK_BYTES	(4u << 20)
#define LINE_BYTES	4608

/**
 * struct search - one run
 * @token: what to look for
 * @buf: CHUNK_BYTES and OVERLAP before them
 * @searched: bytes looked at
 * @shared: bytes in memory files of --shared processes
 * @unreadable: bytes that could not be looked at
 * @hits: how often the token was seen
 */
struct search {
	unsigned char token[TOKEN_BYTES];
	unsigned char *buf;
	uint64_t searched, shared, unreadable, hits;
};

/**
 * struct mapping - a line of /proc/PID/maps
 * @start: first address
 * @end: address after the last
 * @offset: in the file
 * @name: of the file, may be empty
 */
struct mapping {
	uint64_t start, end, offset;
	char name[LINE_BYTES];
};

static void __attribute__((format(printf, 1, 2), noreturn)) search_die(const char *fmt, ...)
{
	va_list args;

	fputs("search: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static uint64_t search_count(const struct search *s, const unsigned char *at, size_t len)
{
	const unsigned char *end = at + len;
	uint64_t hits = 0;

	while ((at = memmem(at, (size_t)(end - at), s->token, TOKEN_BYTES))) {
		hits++;
		at++;
	}
	return hits;
}

static void search_report(struct search *s, const char *source, uint64_t bytes, uint64_t hits,
			  const char *name)
{
	printf("%s %llu %llu %s\n", source, (unsigned long long)bytes,
	       (unsigned long long)hits, *name ? name : "anonymous");
	s->searched += bytes;
	s->hits += hits;
}

/*
 * Look through [@start, @end) of @fd.
 *
 * Return: bytes that were read; short at an error or at the end, with errno, which
 * is 0 at the end. @hits is added to.
 */
static uint64_t search_range(struct search *s, int fd, uint64_t start, uint64_t end,
			     uint64_t *hits)
{
	unsigned char *data = s->buf + OVERLAP;
	size_t kept = 0;
	uint64_t at = start;

	while (at < end) {
		size_t want = end - at < CHUNK_BYTES ? (size_t)(end - at) : CHUNK_BYTES;
		ssize_t n = pread(fd, data, want, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : 0;
			break;
		}
		*hits += search_count(s, data - kept, (size_t)n + kept);
		at += (uint64_t)n;
		/* The end of this read goes before the start of the next one. */
		kept = kept + (size_t)n < OVERLAP ? kept + (size_t)n : OVERLAP;
		memmove(data - kept, data + n - kept, kept);
	}
	return at - start;
}

/* ---- mappings ----------------------------------------------------------- */

static bool search_is_kernels(const struct mapping *m)
{
	return !strcmp(m->name, "[vvar]") || !strcmp(m->name, "[vvar_vclock]") ||
	       !strcmp(m->name, "[vsyscall]");
}

static bool search_parse(const char *line, struct mapping *m)
{
	unsigned long long start, end, offset;
	int at = 0;

	if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %n", &start, &end, &offset, &at) < 3)
		return false;
	m->start = start;
	m->end = end;
	m->offset = offset;
	snprintf(m->name, sizeof(m->name), "%s", line + at);
	m->name[strcspn(m->name, "\n")] = '\0';
	return true;
}

/* Is there a mapping at @address of the process, or, when @name is given, of that file? */
static bool search_is_mapped(pid_t pid, uint64_t address, const char *name)
{
	char path[64], line[LINE_BYTES];
	struct mapping m;
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && fgets(line, sizeof(line), maps))
		found = search_parse(line, &m) &&
			(name ? !strcmp(m.name, name) : m.start <= address && address < m.end);
	fclose(maps);
	return found;
}

/* Map what @m maps, by a descriptor of the process's own, and look through it. */
static bool search_by_fd(struct search *s, pid_t pid, int number, const struct mapping *m,
			 uint64_t *hits)
{
	size_t len = (size_t)(m->end - m->start);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	void *map = MAP_FAILED;

	if (fd >= 0)
		map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)m->offset);
	if (map != MAP_FAILED) {
		*hits += search_count(s, map, len);
		munmap(map, len);
	}
	if (fd >= 0)
		close(fd);
	if (pidfd >= 0)
		close(pidfd);
	return map != MAP_FAILED;
}

/*
 * The second way to read a mapping. Two rings have the same name: all that
 * could be behind the mapping are looked through.
 */
static bool search_behind(struct search *s, pid_t pid, const struct mapping *m, uint64_t *hits)
{
	char path[64], link[LINE_BYTES];
	struct dirent *entry;
	bool done = false;
	DIR *dir;

	if (!*m->name || *m->name == '[')
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (!strcmp(link, m->name) &&
		    search_by_fd(s, pid, atoi(entry->d_name), m, hits))
			done = true;
	}
	if (dir)
		closedir(dir);
	return done;
}

/*
 * A mapping of a memory file. Read through the process, its holes would be filled, and
 * whoever looks at them later would take that for a use of theirs.
 */
static uint64_t search_memfd(struct search *s, pid_t pid, const struct mapping *m, uint64_t *hits)
{
	char path[96];
	uint64_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		 (unsigned long long)m->start, (unsigned long long)m->end);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = search_range(s, fd, m->offset, m->offset + (m->end - m->start), hits);
	close(fd);
	return got;
}

static void search_mapping(struct search *s, pid_t pid, int mem, const struct mapping *m)
{
	uint64_t bytes = m->end - m->start, hits = 0, got;

	if (!strncmp(m->name, "/memfd:", 7))
		got = search_memfd(s, pid, m, &hits);
	else
		got = search_range(s, mem, m->start, m->end, &hits);

	if (got < bytes && search_behind(s, pid, m, &hits))
		got = bytes;
	search_report(s, "mapped", got, hits, m->name);
	if (got < bytes && search_is_mapped(pid, m->start + got, NULL)) {
		printf("unreadable %llu - %llx-%llx %s\n", (unsigned long long)(bytes - got),
		       (unsigned long long)m->start, (unsigned long long)m->end, m->name);
		s->unreadable += bytes - got;
	}
}

/*
 * All mappings of the process as they are listed now. The list is taken whole
 * before the first is read: reading takes time, in which it changes.
 */
static void search_mapped(struct search *s, pid_t pid)
{
	char path[64], line[LINE_BYTES];
	struct mapping m;
	FILE *maps, *list = tmpfile();
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (mem < 0 || !maps || !list)
		search_die("process %d: %s (run as root)", pid, strerror(errno));
	while (fgets(line, sizeof(line), maps))
		fputs(line, list);
	rewind(list);
	while (fgets(line, sizeof(line), list))
		if (search_parse(line, &m) && !search_is_kernels(&m))
			search_mapping(s, pid, mem, &m);
	fclose(list);
	fclose(maps);
	close(mem);
}

/* ---- files -------------------------------------------------------------- */

/*
 * Memory that has a descriptor: memfds, and other files of a memory file system
 * that the process has mapped (a log in a tmpfs is no memory).
 */
static bool search_is_memory(pid_t pid, int fd, const char *name)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) || (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC))
		return false;
	return !strncmp(name, "/memfd:", 7) || search_is_mapped(pid, 0, name);
}

/* hugetlbfs reads like any file; a hole reads as zeros and is not filled by that. */
static void search_file(struct search *s, const char *source, int fd, const char *name)
{
	uint64_t hits = 0, got;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	got = search_range(s, fd, 0, (uint64_t)st.st_size, &hits);
	search_report(s, source, got, hits, name);
	if (got < (uint64_t)st.st_size && errno) {
		printf("unreadable %llu - %s\n", (unsigned long long)st.st_size - got, name);
		s->unreadable += (uint64_t)st.st_size - got;
	}
	if (!strcmp(source, "shared"))
		s->shared += (uint64_t)st.st_size;
}

/* Was this file already seen under an earlier descriptor of the process? */
static bool search_is_seen(const struct stat *st, struct stat *seen, size_t *count, size_t max)
{
	for (size_t i = 0; i < *count; i++)
		if (seen[i].st_dev == st->st_dev && seen[i].st_ino == st->st_ino)
			return true;
	if (*count == max)
		search_die("more than %zu files open", max);
	seen[(*count)++] = *st;
	return false;
}

static void search_files(struct search *s, const char *source, pid_t pid, bool memory_only)
{
	static struct stat seen[4096];
	char path[64], link[LINE_BYTES];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		search_die("process %d: %s (run as root)", pid, strerror(errno));
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		struct stat st;
		int fd;

		/* Only regular files are opened: opening may do something to others. */
		if (n <= 0 || fstatat(dirfd(dir), entry->d_name, &st, 0) ||
		    !S_ISREG(st.st_mode) || search_is_seen(&st, seen, &count, 4096))
			continue;
		link[n] = '\0';
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			printf("unreadable %lld - %s\n", (long long)st.st_size, link);
			s->unreadable += (uint64_t)st.st_size;
			continue;
		}
		if (!memory_only || search_is_memory(pid, fd, link))
			search_file(s, source, fd, link);
		close(fd);
	}
	closedir(dir);
}

static pid_t search_pid(const char *text)
{
	char *end;
	long pid = text ? strtol(text, &end, 10) : 0;

	if (pid <= 0 || *end || pid == getpid())
		search_die("%s is not a process to search", text ? text : "(nothing)");
	return (pid_t)pid;
}

int main(int argc, char **argv)
{
	struct search s = { 0 };

	s.buf = malloc(OVERLAP + CHUNK_BYTES);
	if (!s.buf || fread(s.token, 1, TOKEN_BYTES, stdin) != TOKEN_BYTES)
		search_die("give %d bytes of token on standard input", TOKEN_BYTES);
	if (argc < 3 || argc % 2 == 0)
		search_die("usage: search [--mapped PID] [--held PID] [--shared PID] <TOKEN");
	for (int i = 1; i < argc; i += 2) {
		pid_t pid = search_pid(argv[i + 1]);

		if (!strcmp(argv[i], "--mapped"))
			search_mapped(&s, pid);
		else if (!strcmp(argv[i], "--held"))
			search_files(&s, "held", pid, false);
		else if (!strcmp(argv[i], "--shared"))
			search_files(&s, "shared", pid, true);
		else
			search_die("%s is not an option", argv[i]);
	}
	printf("searched: %llu\nshared: %llu\nunreadable: %llu\nhits: %llu\n",
	       (unsigned long long)s.searched, (unsigned long long)s.shared,
	       (unsigned long long)s.unreadable, (unsigned long long)s.hits);
	if (s.unreadable)
		return 2;
	return s.hits ? 1 : 0;
}
