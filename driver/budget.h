/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How function drivers share a budget of memory out to their queues, and what a
 * parameter may be.
 *
 * Theory
 * ------
 * Some providers share memory in chunks of BUDGET_CHUNK. A piece that does not fit what
 * is left of one would get one of its own, above the budget. So of several shares none
 * lies in two chunks.
 */
#ifndef DRIVER_BUDGET_H
#define DRIVER_BUDGET_H

#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/printk.h>

#include "airlock.h"

/* Bytes that a provider shares in one piece. */
#define BUDGET_CHUNK		((size_t)AIRLOCK_SPAN_MAX)

/* What a budget_kib parameter may be. */
#define BUDGET_KIB_MIN		256u
#define BUDGET_KIB_MAX		65536u

/**
 * budget_share() - what each of several equals gets
 * @budget: bytes for all
 * @n: how many, at least 1
 *
 * Return: bytes, a multiple of the page size, at most BUDGET_CHUNK.
 */
static inline size_t budget_share(size_t budget, unsigned int n)
{
	size_t share = min(budget / n, BUDGET_CHUNK);

	if (budget > BUDGET_CHUNK)
		share = min(share, BUDGET_CHUNK / DIV_ROUND_UP(n, budget / BUDGET_CHUNK));
	return rounddown(share, PAGE_SIZE);
}

/**
 * budget_total() - what equals take together
 * @each: bytes that each takes, at most its budget_share()
 * @n: how many, at least 1
 *
 * Return: bytes; each chunk but the last with the piece that is too small for one more.
 */
static inline size_t budget_total(size_t each, unsigned int n)
{
	const size_t together = BUDGET_CHUNK / each;

	return (n - 1) / together * BUDGET_CHUNK + ((n - 1) % together + 1) * each;
}

/**
 * param_number_ok() - is a parameter in range?
 * @name: its name, for the message
 * @value: its value
 * @least: the least that it may be
 * @most: the most
 *
 * Return: true, or false after saying why not.
 */
static inline bool param_number_ok(const char *name, unsigned int value, unsigned int least,
				   unsigned int most)
{
	if (value >= least && value <= most)
		return true;
	pr_err(KBUILD_MODNAME ": %s=%u: must be %u to %u\n", name, value, least, most);
	return false;
}

/**
 * param_kib_ok() - is a parameter in KiB in range, and of whole pages?
 * @name: its name, for the message
 * @value: its value
 * @least: the least that it may be
 * @most: the most
 *
 * Return: true, or false after saying why not.
 */
static inline bool param_kib_ok(const char *name, unsigned int value, unsigned int least,
				unsigned int most)
{
	if (value >= least && value <= most && value % 4 == 0)
		return true;
	pr_err(KBUILD_MODNAME ": %s=%u: must be %u to %u and a multiple of 4\n", name, value,
	       least, most);
	return false;
}

#endif /* DRIVER_BUDGET_H */
