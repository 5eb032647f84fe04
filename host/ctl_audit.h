/* SPDX-License-Identifier: GPL-2.0 */
/* airlockctl audit: what this guest shares with the host. */
#ifndef HOST_CTL_AUDIT_H
#define HOST_CTL_AUDIT_H

#include "ctl.h"

extern const struct ctl_command ctl_audit;

#endif /* HOST_CTL_AUDIT_H */
