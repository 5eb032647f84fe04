/* SPDX-License-Identifier: GPL-2.0 */
/* Messages of the daemon: one line each, on stderr. */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <pthread.h>

#include "../ring/os.h"

/**
 * enum log_level - how much is said; each level includes those before it
 * @LOG_ERROR: the daemon cannot do what it was asked to
 * @LOG_WARN: a peer lied, or something the user should know
 * @LOG_INFO: sessions, regions, start and stop
 * @LOG_DEBUG: each protocol message
 */
enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/**
 * struct log_limit - keeps a peer from filling the log
 * @lock: protects the rest
 * @since: start of the current window, in seconds
 * @lines: lines written in it
 * @lost: lines kept back in it
 */
struct log_limit {
	pthread_mutex_t lock;
	u64 since;
	u32 lines;
	u32 lost;
};

/**
 * log_level_set() - choose what is said
 * @level: lines above it are not written
 *
 * Before the first thread is started.
 */
void log_level_set(enum log_level level);

/**
 * log_level_parse() - find a level by its name
 * @name: "error", "warn", "info" or "debug"
 * @level: filled in when 0 is returned
 *
 * Return: 0 or -EINVAL.
 */
int log_level_parse(const char *name, enum log_level *level);

/**
 * log_line() - write one line
 * @level: its level
 * @who: device it is about, or NULL for the daemon itself
 * @fmt: text, without a newline
 *
 * One write(2), so that lines of several threads do not mix. Any thread.
 */
void log_line(enum log_level level, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(who, ...)	log_line(LOG_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...)	log_line(LOG_WARN, who, __VA_ARGS__)
#define log_info(who, ...)	log_line(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...)	log_line(LOG_DEBUG, who, __VA_ARGS__)

/**
 * log_limit_init() - start a limit
 * @limit: the limit
 */
void log_limit_init(struct log_limit *limit);

/**
 * log_peer() - write a line that a peer can provoke
 * @limit: of the device
 * @level: as for log_line()
 * @who: as for log_line()
 * @fmt: text, without a newline
 *
 * At most LOG_PEER_LINES lines in LOG_PEER_SECONDS; what was kept back is
 * counted and said later. Any thread.
 */
void log_peer(struct log_limit *limit, enum log_level level, const char *who,
	      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define LOG_PEER_LINES		20u
#define LOG_PEER_SECONDS	10u

#endif /* HOST_LOG_H */
