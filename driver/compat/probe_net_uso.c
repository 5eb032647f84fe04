// SPDX-License-Identifier: GPL-2.0
/*
 * There is a word for segments of UDP, and so the stack's helpers know them: both came with the
 * same version.
 */
#include <linux/virtio_net.h>

#ifdef HAVE_NET_USO
int probe = VIRTIO_NET_HDR_GSO_UDP_L4;
#else
/* Where there is, this is a number already. */
enum probe {
	VIRTIO_NET_HDR_GSO_UDP_L4,
};
#endif
