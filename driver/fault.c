// SPDX-License-Identifier: GPL-2.0
/*
 * The count of steps, and the one that is to fail; only in modules built for tests.
 * Part of airlock.ko: the parameter is airlock.fault_steps.
 */
#include <linux/atomic.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/printk.h>

#include "fault.h"

static atomic_t fault_count = ATOMIC_INIT(0);

/* The step that fails, counted from 1; 0: none. */
static unsigned int fault;

static int fault_steps_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&fault_count));
}

/* Counted from there, so that a test need not know what was before. */
static int fault_steps_set(const char *val, const struct kernel_param *kp)
{
	unsigned int step;
	int err;

	err = kstrtouint(val, 0, &step);
	if (err)
		return err;
	atomic_set(&fault_count, 0);
	WRITE_ONCE(fault, step);
	return 0;
}

static const struct kernel_param_ops fault_steps_ops = {
	.get = fault_steps_get,
	.set = fault_steps_set,
};
module_param_cb(fault_steps, &fault_steps_ops, NULL, 0644);
MODULE_PARM_DESC(fault_steps, "read: steps taken; write: count anew, fail at that one");

bool fault_due(const char *step)
{
	unsigned int n = atomic_inc_return(&fault_count);

	if (n != READ_ONCE(fault))
		return false;
	pr_info("airlock: step %u is made to fail: %s\n", n, step);
	return true;
}
EXPORT_SYMBOL_GPL(fault_due);
