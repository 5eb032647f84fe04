// SPDX-License-Identifier: GPL-2.0
/* Lies that are armed, and the thread that reads which: lie.h. */
#include "lie.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LIES		64u
#define LIE_LINE	256u
#define LIE_KINDS	6u

/**
 * struct lie - one that is armed
 * @line: as it was asked for
 * @device: whose
 * @queue: and which of its queues
 * @kind: what about, up to the first that is NULL
 * @number: how, for each
 * @after: how many points are passed over first
 * @times: how many are used after that; 0: the place is free
 * @ms: how long a second thread goes on
 * @till_start: it is taken back when the queue is set up anew
 */
struct lie {
	char line[LIE_LINE];
	char device[OPTIONS_ID_BYTES];
	u16 queue;
	const struct lie_kind *kind[LIE_KINDS + 1];
	u64 number[LIE_KINDS];
	u32 after;
	u32 times;
	u32 ms;
	bool till_start;
};

/**
 * struct lie_thread - a second thread
 * @lie: what it tells
 * @at: where the lie began
 * @chain: the copy that @at.chain points to
 * @iov: the first that the device writes; kinds that go on look no further
 * @until: when it ends, in nanoseconds
 */
struct lie_thread {
	struct lie lie;
	struct lie_at at;
	struct ring_chain chain;
	struct ring_iov iov;
	u64 until;
};

static pthread_mutex_t lie_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lie_ended = PTHREAD_COND_INITIALIZER;
static struct lie lies[LIES];
static unsigned int lie_threads;
static bool lie_leave;

static void lie_say(const char *what, const char *line)
{
	char text[LIE_LINE + 32];
	const int n = snprintf(text, sizeof(text), "hostile: %s: %s\n", what, line);

	if (write(STDERR_FILENO, text, (size_t)n) != n)
		return;
}

u64 lie_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

/* All or none of it: what cannot be told says so before it changes anything. */
static bool lie_tell_one(const struct lie *lie, struct lie_at *at)
{
	unsigned int i;

	for (i = 0; lie->kind[i]; i++) {
		if (!lie->kind[i]->tell(at, lie->number[i]))
			return false;
	}
	return true;
}

/* ---- a second thread --------------------------------------------------------- */

static void *lie_thread(void *arg)
{
	struct lie_thread *t = arg;

	while (lie_now() < t->until && !__atomic_load_n(&lie_leave, __ATOMIC_RELAXED) &&
	       lie_tell_one(&t->lie, &t->at))
		;
	free(t);
	pthread_mutex_lock(&lie_lock);
	lie_threads--;
	pthread_cond_broadcast(&lie_ended);
	pthread_mutex_unlock(&lie_lock);
	return NULL;
}

static void lie_go_on(const struct lie *lie, const struct lie_at *at)
{
	struct lie_thread *t = calloc(1, sizeof(*t));
	pthread_t thread;

	if (!t)
		return;
	t->lie = *lie;
	t->at = *at;
	if (at->chain) {
		t->chain = *at->chain;
		t->chain.iov = &t->iov;
		t->chain.in = !!t->chain.in;
		t->chain.out = 0;
		if (t->chain.in)
			t->iov = at->chain->iov[at->chain->out];
		t->at.chain = &t->chain;
	}
	t->until = lie_now() + (u64)lie->ms * 1000000;
	pthread_mutex_lock(&lie_lock);
	if (pthread_create(&thread, NULL, lie_thread, t)) {
		free(t);
	} else {
		pthread_detach(thread);
		lie_threads++;
	}
	pthread_mutex_unlock(&lie_lock);
}

void lie_stop(void)
{
	pthread_mutex_lock(&lie_lock);
	__atomic_store_n(&lie_leave, true, __ATOMIC_RELAXED);
	while (lie_threads)
		pthread_cond_wait(&lie_ended, &lie_lock);
	__atomic_store_n(&lie_leave, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lie_lock);
}

void lie_set_up(const struct queue *q)
{
	unsigned int i;

	lie_stop();
	pthread_mutex_lock(&lie_lock);
	for (i = 0; i < LIES; i++) {
		if (lies[i].till_start && lies[i].queue == q->index &&
		    !strcmp(lies[i].device, q->dev->id))
			memset(&lies[i], 0, sizeof(lies[i]));
	}
	pthread_mutex_unlock(&lie_lock);
}

/* ---- telling ----------------------------------------------------------------- */

/* Take one that is due, with @lie a copy of it. */
static bool lie_take_due(unsigned int i, enum lie_point point, const struct queue *q,
			 struct lie *lie)
{
	bool due = false;

	pthread_mutex_lock(&lie_lock);
	if (lies[i].times && lies[i].kind[0]->point == point && lies[i].queue == q->index &&
	    !strcmp(lies[i].device, q->dev->id)) {
		due = !lies[i].after;
		lies[i].after -= !due;
		lies[i].times -= due;
		*lie = lies[i];
	}
	pthread_mutex_unlock(&lie_lock);
	return due;
}

/* It could not be told: it stays due, unless it was taken back meanwhile. */
static void lie_give_back(unsigned int i, const struct lie *lie)
{
	pthread_mutex_lock(&lie_lock);
	if (!strcmp(lies[i].line, lie->line))
		lies[i].times++;
	pthread_mutex_unlock(&lie_lock);
}

void lie_tell(enum lie_point point, struct lie_at *at)
{
	struct lie lie;
	unsigned int i;

	/* Not under the lock: some take their time. */
	for (i = 0; i < LIES; i++) {
		if (!lie_take_due(i, point, at->q, &lie))
			continue;
		if (!lie_tell_one(&lie, at)) {
			lie_give_back(i, &lie);
			continue;
		}
		if (lie.ms)
			lie_go_on(&lie, at);
		lie_say("told", lie.line);
	}
}

/* ---- being asked -------------------------------------------------------------- */

static const struct lie_kind *lie_find(const char *name)
{
	const struct lie_kind *const tables[] = { lie_ring_kinds, lie_load_kinds };
	const struct lie_kind *kind;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		for (kind = tables[i]; kind->name; kind++) {
			if (!strcmp(kind->name, name))
				return kind;
		}
	}
	return NULL;
}

/* The number behind "=", which is cut off; negative ones wrap. */
static bool lie_number(char *word, u64 *number)
{
	char *value = strchr(word, '='), *end;

	*number = 0;
	if (!value)
		return true;
	*value++ = '\0';
	*number = *value == '-' ? (u64)strtoll(value, &end, 0) : strtoull(value, &end, 0);
	return *value && !*end;
}

static bool lie_where(struct lie *lie, char *word)
{
	char *dot = strrchr(word, '.'), *end;

	if (!dot || (size_t)(dot - word) >= sizeof(lie->device))
		return false;
	*dot++ = '\0';
	strcpy(lie->device, word);
	lie->queue = (u16)strtoul(dot, &end, 10);
	return *dot && !*end;
}

/* One more kind, of the same point as those before. */
static bool lie_what(struct lie *lie, const struct lie_kind *kind, u64 number)
{
	unsigned int i = 0;

	while (lie->kind[i])
		i++;
	if (i == LIE_KINDS || (i && kind->point != lie->kind[0]->point))
		return false;
	lie->kind[i] = kind;
	lie->number[i] = number;
	return true;
}

static bool lie_how(struct lie *lie, char *word)
{
	const struct lie_kind *kind;
	u64 number;

	if (!lie_number(word, &number))
		return false;
	kind = lie_find(word);
	if (kind)
		return lie_what(lie, kind, number);
	if (!strcmp(word, "after"))
		lie->after = (u32)number;
	else if (!strcmp(word, "times"))
		lie->times = (u32)number;
	else if (!strcmp(word, "for"))
		lie->ms = (u32)number;
	else if (!strcmp(word, "till-start"))
		lie->till_start = true;
	else
		return false;
	return true;
}

static bool lie_parse(struct lie *lie, const char *line)
{
	char copy[LIE_LINE], *rest = NULL, *word;

	memset(lie, 0, sizeof(*lie));
	lie->times = 1;
	snprintf(lie->line, sizeof(lie->line), "%s", line);
	snprintf(copy, sizeof(copy), "%s", line);
	word = strtok_r(copy, " ", &rest);
	if (!word || !lie_where(lie, word))
		return false;
	while ((word = strtok_r(NULL, " ", &rest))) {
		if (!lie_how(lie, word))
			return false;
	}
	return lie->kind[0];
}

/* "honest" takes back all that is armed. */
static void lie_take(const char *line)
{
	struct lie lie;
	unsigned int i = 0;

	if (!strcmp(line, "honest")) {
		pthread_mutex_lock(&lie_lock);
		memset(lies, 0, sizeof(lies));
		pthread_mutex_unlock(&lie_lock);
		lie_stop();
		lie_say("is", line);
		return;
	}
	if (!lie_parse(&lie, line)) {
		lie_say("does not know", line);
		return;
	}
	pthread_mutex_lock(&lie_lock);
	while (i < LIES && lies[i].times)
		i++;
	if (i < LIES)
		lies[i] = lie;
	pthread_mutex_unlock(&lie_lock);
	lie_say(i < LIES ? "armed" : "has no room for", line);
}

static void *lie_reader(void *arg)
{
	char line[LIE_LINE];
	FILE *in = arg;

	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		lie_take(line);
	}
	fclose(in);
	return NULL;
}

/* Before main(), which blocks signals for the threads that it starts; this one wants none either. */
__attribute__((constructor)) static void lie_start(void)
{
	const char *path = getenv("LIES");
	/* For writing too, so that it has no end when a writer leaves. */
	FILE *in = path ? fopen(path, "r+") : NULL;
	pthread_t thread;
	sigset_t all, old;

	if (!path)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (!in || pthread_create(&thread, NULL, lie_reader, in)) {
		lie_say("cannot listen at", path);
		exit(EXIT_FAILURE);
	}
	pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
