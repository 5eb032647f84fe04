// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of the daemon.
 *
 * Every message is one line on stderr: "airlockd: blk0: text". A line is put
 * together in private memory and written by one call, so that lines of several
 * threads stay whole. What a peer can provoke goes through log_peer(), which
 * bounds the rate per device: a hostile guest can neither fill a disk nor drown
 * the lines of others. Control characters are replaced: no text that came from
 * outside can forge a line.
 *
 * #syscalls write
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX	1024

static const char *const log_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static enum log_level log_max = LOG_INFO;

void log_level_set(enum log_level level)
{
	log_max = level;
}

int log_level_parse(const char *name, enum log_level *level)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(log_names); i++) {
		if (!strcmp(name, log_names[i])) {
			*level = i;
			return 0;
		}
	}
	return -EINVAL;
}

static void log_write(const char *who, const char *fmt, va_list args)
{
	char line[LOG_LINE_MAX];
	size_t n, i;
	int r;

	r = snprintf(line, sizeof(line), "airlockd: %s%s", who ? who : "", who ? ": " : "");
	if (r < 0)
		return;
	n = min_t(size_t, (size_t)r, sizeof(line) - 2);
	r = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, args);
	if (r > 0)
		n = min_t(size_t, n + (size_t)r, sizeof(line) - 2);
	for (i = 0; i < n; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	/* Nobody is left to tell when stderr itself fails. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
	va_list args;

	if (level > log_max)
		return;
	va_start(args, fmt);
	log_write(who, fmt, args);
	va_end(args);
}

void log_limit_init(struct log_limit *limit)
{
	memset(limit, 0, sizeof(*limit));
	pthread_mutex_init(&limit->lock, NULL);
}

/* May one more line be written? @lost: lines kept back before, to be told now. */
static bool log_limit_pass(struct log_limit *limit, u32 *lost)
{
	struct timespec now;
	bool pass;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*lost = 0;
	pthread_mutex_lock(&limit->lock);
	if ((u64)now.tv_sec - limit->since >= LOG_PEER_SECONDS) {
		*lost = limit->lost;
		limit->since = (u64)now.tv_sec;
		limit->lines = 0;
		limit->lost = 0;
	}
	pass = limit->lines < LOG_PEER_LINES;
	if (pass)
		limit->lines++;
	else
		limit->lost++;
	pthread_mutex_unlock(&limit->lock);
	return pass;
}

void log_peer(struct log_limit *limit, enum log_level level, const char *who,
	      const char *fmt, ...)
{
	va_list args;
	u32 lost;

	if (level > log_max || !log_limit_pass(limit, &lost))
		return;
	if (lost)
		log_line(level, who, "%u messages were kept back", lost);
	va_start(args, fmt);
	log_write(who, fmt, args);
	va_end(args);
}
