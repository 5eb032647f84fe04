/* SPDX-License-Identifier: GPL-2.0 */
/* airlockctl bind and unbind: whose a virtio function of this guest is. */
#ifndef HOST_CTL_BIND_H
#define HOST_CTL_BIND_H

#include "ctl.h"

/* Gives devices to airlock, and to another driver. */
extern const struct ctl_command ctl_bind;
extern const struct ctl_command ctl_unbind;

#endif /* HOST_CTL_BIND_H */
