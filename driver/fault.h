/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps that can be told to fail, in modules that were built for tests.
 *
 * Theory
 * ------
 * What can go wrong between claiming a function and its last page being private again goes
 * wrong too seldom to be tested by waiting. So those steps are wrapped:
 *
 *   err = fault_int(pci_enable_device(pdev));
 *   p = fault_ptr(kzalloc(bytes, GFP_KERNEL));
 *   if (fault_due("reset") || status)
 *
 * In modules built with FAULTS=1 the steps are counted, and the step whose number was
 * written to airlock.fault_steps fails instead of being taken: once, so that whatever
 * is tried next is not disturbed. Read, that tells the count. In all others
 * the wrappers are what they wrap, and there is no such parameter.
 */
#ifndef DRIVER_FAULT_H
#define DRIVER_FAULT_H

#include <linux/err.h>
#include <linux/types.h>

#ifdef AIRLOCK_FAULTS
/**
 * fault_due() - is this the step that is to fail?
 * @step: what it is, for the log
 *
 * Any context.
 */
bool fault_due(const char *step);
#else
static inline bool fault_due(const char *step)
{
	return false;
}
#endif

#define fault_int(call)	(fault_due(#call) ? -EIO : (call))
#define fault_ptr(call)	(fault_due(#call) ? NULL : (call))
#define fault_err(call)	(fault_due(#call) ? ERR_PTR(-ENOMEM) : (call))

#endif /* DRIVER_FAULT_H */
