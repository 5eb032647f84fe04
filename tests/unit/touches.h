/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts how often shared memory is touched, instruction by instruction.
 *
 * Theory
 * ------
 * While a rig is watched its areas are taken away. Who touches one faults; the handler
 * notes where, gives the area back for this one instruction (by the processor's trap
 * flag), and takes it away again. A field that is loaded twice is counted twice, which no
 * other thread that rewrites it could show for sure.
 *
 * Between touches_begin() and touches_end() nothing may be asserted. For x86-64 only;
 * what uses this is skipped elsewhere.
 */
#ifndef TESTS_UNIT_TOUCHES_H
#define TESTS_UNIT_TOUCHES_H

#include <signal.h>
#include <ucontext.h>

#include "rig.h"

/* Areas of a rig that are watched. */
enum { TOUCH_DESC, TOUCH_DRIVER, TOUCH_DEVICE, TOUCH_TABLE, TOUCH_AREAS };

/**
 * struct touches - what was touched
 * @area: areas that are watched
 * @count: touches of each of them
 * @first: offset of the first one in each
 * @open: area that the current instruction was given
 * @old_segv: handler that was there before
 * @old_trap: likewise
 */
struct touches {
	const struct rig_map *area[TOUCH_AREAS];
	u32 count[TOUCH_AREAS];
	size_t first[TOUCH_AREAS];
	const struct rig_map *open;
	struct sigaction old_segv, old_trap;
};

static struct touches touches;

#ifdef __x86_64__

#define TRAP_FLAG	0x100

static void touched(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	u32 i;

	if (sig == SIGTRAP) {
		mprotect(touches.open->start, touches.open->span, PROT_NONE);
		u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	for (i = 0; i < TOUCH_AREAS; i++) {
		const struct rig_map *m = touches.area[i];
		const size_t at = (size_t)((u8 *)info->si_addr - m->start);

		if (at >= m->span)
			continue;
		if (!touches.count[i]++)
			touches.first[i] = at - (size_t)((u8 *)shared_unmark(m->at) - m->start);
		touches.open = m;
		mprotect(m->start, m->span, PROT_READ | PROT_WRITE);
		u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	/* Somebody else's: it faults again, and for good. */
	sigaction(SIGSEGV, &touches.old_segv, NULL);
}

static inline void touches_begin(struct rig *rig)
{
	struct sigaction act = { .sa_sigaction = touched, .sa_flags = SA_SIGINFO };
	u32 i;

	touches = (struct touches) {
		.area = { &rig->desc, &rig->driver, &rig->device, &rig->table },
	};
	sigaction(SIGSEGV, &act, &touches.old_segv);
	sigaction(SIGTRAP, &act, &touches.old_trap);
	for (i = 0; i < TOUCH_AREAS; i++)
		mprotect(touches.area[i]->start, touches.area[i]->span, PROT_NONE);
}

static inline void touches_end(void)
{
	u32 i;

	for (i = 0; i < TOUCH_AREAS; i++)
		mprotect(touches.area[i]->start, touches.area[i]->span, PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &touches.old_segv, NULL);
	sigaction(SIGTRAP, &touches.old_trap, NULL);
}

#else

static inline void touches_begin(struct rig *rig)
{
	(void)rig;
	skip();
}

static inline void touches_end(void)
{
}

#endif

/* Make a call and count. */
#define TOUCHES_OF(rig, call) ({			\
	touches_begin(rig);				\
	__auto_type _ret = (call);			\
	touches_end();					\
	_ret; })

#endif /* TESTS_UNIT_TOUCHES_H */
