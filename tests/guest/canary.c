// SPDX-License-Identifier: GPL-2.0
/*
 * Holds a secret in the guest's private memory while others do I/O.
 *
 *	canary TOKEN_FILE TMPFS_FILE STATE_FILE MIB
 *
 * Theory
 * ------
 * The token is 32 random bytes, made by the host for one run. MIB megabytes of
 * anonymous memory and as many of a tmpfs file are filled with it, over and over,
 * so that wherever a part of 63 bytes of them escapes to, the whole token is there
 * to be found. All of it is compared with the token and written again a few times a
 * second, so that it is in use as a program's data are, and stays what it was.
 *
 * The state file, replaced by renaming, holds one line: "alive ROUNDS" after each
 * round, "intact ROUNDS" after SIGTERM when the last look found all in order,
 * "damaged ROUNDS" as soon as one did not. Exit: 0 intact, 1 damaged, 2 set-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_BYTES	32
#define ROUND_NS	(250 * 1000 * 1000)

static volatile sig_atomic_t stopping;

static void canary_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static void __attribute__((format(printf, 1, 2), noreturn)) canary_die(const char *fmt, ...)
{
	va_list args;

	fputs("canary: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static void canary_read_token(const char *path, unsigned char *token)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, token, TOKEN_BYTES) != TOKEN_BYTES)
		canary_die("%s: cannot read %d bytes of token", path, TOKEN_BYTES);
	close(fd);
}

static void *canary_map(const char *path, size_t bytes)
{
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *map;

	if (path) {
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, (off_t)bytes))
			canary_die("%s: %s", path, strerror(errno));
		flags = MAP_SHARED;
	}
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (map == MAP_FAILED)
		canary_die("cannot map %zu bytes: %s", bytes, strerror(errno));
	if (mlock(map, bytes))
		fprintf(stderr, "canary: not locked: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	return map;
}

static void canary_fill(unsigned char *map, size_t bytes, const unsigned char *token)
{
	for (size_t at = 0; at < bytes; at += TOKEN_BYTES)
		memcpy(map + at, token, TOKEN_BYTES);
}

static bool canary_intact(const unsigned char *map, size_t bytes, const unsigned char *token)
{
	return !memcmp(map, token, TOKEN_BYTES) &&
	       !memcmp(map, map + TOKEN_BYTES, bytes - TOKEN_BYTES);
}

static void canary_say(const char *path, const char *word, unsigned long rounds)
{
	char tmp[4096];
	FILE *file;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		canary_die("%s: name too long", path);
	file = fopen(tmp, "w");
	if (!file || fprintf(file, "%s %lu\n", word, rounds) < 0 || fclose(file) ||
	    rename(tmp, path))
		canary_die("%s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = ROUND_NS };
	unsigned char token[TOKEN_BYTES], *map[2];
	unsigned long mib, rounds = 0;
	size_t bytes;

	if (argc != 5)
		canary_die("usage: canary TOKEN_FILE TMPFS_FILE STATE_FILE MIB");
	mib = strtoul(argv[4], NULL, 10);
	if (mib < 1 || mib > 1024)
		canary_die("MIB is %s, must be 1 to 1024", argv[4]);
	bytes = mib << 20;

	signal(SIGTERM, canary_stop);
	canary_read_token(argv[1], token);
	map[0] = canary_map(NULL, bytes);
	map[1] = canary_map(argv[2], bytes);
	canary_fill(map[0], bytes, token);
	canary_fill(map[1], bytes, token);

	for (;;) {
		bool last = stopping;

		if (!canary_intact(map[0], bytes, token) || !canary_intact(map[1], bytes, token)) {
			canary_say(argv[3], "damaged", rounds);
			return 1;
		}
		canary_say(argv[3], last ? "intact" : "alive", ++rounds);
		if (last)
			return 0;
		canary_fill(map[rounds & 1], bytes, token);
		nanosleep(&pause, NULL);
	}
}
