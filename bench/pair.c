// SPDX-License-Identifier: GPL-2.0
/*
 * Starting, pinning, timing and ending two sides.
 *
 * A process of the device side is forked for each run, after everything was
 * mapped, so that both see shared memory at one address. It leaves what it has to
 * say on the board. If it dies without a word, the driver side's wait ends at the
 * deadline; if the caller dies, the kernel ends it.
 */
#include "pair.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A run is some tens of milliseconds. */
#define PAIR_DEADLINE_NS	(30 * 1000000000ull)

/* One side of one run. */
struct pair_runner {
	struct pair *pair;
	const struct pair_work *work;
	enum pair_side side;
};

u64 pair_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

int pair_open(struct pair *p, const int cpu[PAIR_SIDES])
{
	void *board = mmap(NULL, sizeof(*p->board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (board == MAP_FAILED)
		return -errno;
	p->board = board;
	p->cpu[PAIR_DRIVER] = cpu[PAIR_DRIVER];
	p->cpu[PAIR_DEVICE] = cpu[PAIR_DEVICE];
	return 0;
}

void pair_close(struct pair *p)
{
	munmap(p->board, sizeof(*p->board));
	p->board = NULL;
}

static void pair_stop(struct pair_board *board)
{
	__atomic_store_n(&board->stop, 1, __ATOMIC_RELAXED);
}

bool pair_rest(struct pair_board *board)
{
	if (__atomic_load_n(&board->stop, __ATOMIC_RELAXED))
		return false;
	if (pair_now() > board->deadline) {
		pair_stop(board);
		return false;
	}
	sched_yield();
	return true;
}

/* Wait until both sides have come to the @nth meeting of the run, from 1. */
static int pair_meet(struct pair_board *board, u32 nth)
{
	u32 turns = 0;

	__atomic_add_fetch(&board->arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&board->arrived, __ATOMIC_ACQUIRE) < nth * PAIR_SIDES) {
		if (!pair_wait(board, &turns))
			return -ECANCELED;
	}
	return 0;
}

static int pair_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int pair_parts(const struct pair_runner *r, struct pair_clock *clock)
{
	const struct pair_work *w = r->work;
	struct pair_board *board = r->pair->board;
	int ret;

	ret = pair_pin(r->pair->cpu[r->side]);
	if (ret)
		return ret;
	if (w->enter)
		w->enter(w->ctx, r->side);

	ret = pair_meet(board, 1);
	if (!ret && w->warm)
		ret = w->side[r->side](w->ctx, w->warm);
	if (!ret)
		ret = pair_meet(board, 2);
	if (ret)
		return ret;

	clock->begin = pair_now();
	ret = w->side[r->side](w->ctx, w->ops);
	clock->end = pair_now();
	return ret;
}

static void pair_side(const struct pair_runner *r)
{
	struct pair_clock *clock = &r->pair->board->clock[r->side];

	clock->error = pair_parts(r, clock);
	if (clock->error)
		pair_stop(r->pair->board);
}

static void *pair_thread(void *arg)
{
	pair_side(arg);
	return NULL;
}

static int pair_in_threads(const struct pair_runner runner[PAIR_SIDES])
{
	pthread_t thread;
	int ret;

	ret = pthread_create(&thread, NULL, pair_thread, (void *)&runner[PAIR_DEVICE]);
	if (ret)
		return -ret;
	pair_side(&runner[PAIR_DRIVER]);
	pthread_join(thread, NULL);
	return 0;
}

static int pair_in_processes(const struct pair_runner runner[PAIR_SIDES])
{
	const pid_t parent = getpid();
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
			_exit(1);
		pair_side(&runner[PAIR_DEVICE]);
		_exit(0);
	}
	pair_side(&runner[PAIR_DRIVER]);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status ? -EPIPE : 0;
}

/* The error of the side that failed, not that of the one which was told. */
static int pair_error(const struct pair_board *board)
{
	const int drv = board->clock[PAIR_DRIVER].error;
	const int dev = board->clock[PAIR_DEVICE].error;

	if (drv && drv != -ECANCELED)
		return drv;
	if (dev && dev != -ECANCELED)
		return dev;
	return drv || dev ? -ETIMEDOUT : 0;
}

int pair_run(struct pair *p, const struct pair_work *w, double *seconds)
{
	const struct pair_runner runner[PAIR_SIDES] = {
		{ .pair = p, .work = w, .side = PAIR_DRIVER },
		{ .pair = p, .work = w, .side = PAIR_DEVICE },
	};
	const struct pair_clock *drv = &p->board->clock[PAIR_DRIVER];
	const struct pair_clock *dev = &p->board->clock[PAIR_DEVICE];
	cpu_set_t mine;
	int ret;

	if (sched_getaffinity(0, sizeof(mine), &mine))
		return -errno;
	p->board->arrived = 0;
	p->board->stop = 0;
	p->board->clock[PAIR_DRIVER] = (struct pair_clock) { .error = 0 };
	p->board->clock[PAIR_DEVICE] = (struct pair_clock) { .error = 0 };
	p->board->deadline = pair_now() + PAIR_DEADLINE_NS;

	ret = w->processes ? pair_in_processes(runner) : pair_in_threads(runner);
	sched_setaffinity(0, sizeof(mine), &mine);
	if (!ret)
		ret = pair_error(p->board);
	if (!ret)
		*seconds = (double)((drv->end > dev->end ? drv->end : dev->end) -
				    (drv->begin < dev->begin ? drv->begin : dev->begin)) / 1e9;
	return ret;
}
