// SPDX-License-Identifier: GPL-2.0
/* An interface says what it can do of XDP; or there is nothing to say. */
#include <linux/netdevice.h>

#ifdef HAVE_XDP_FEATURES
void probe(struct net_device *ndev);
void probe(struct net_device *ndev)
{
	ndev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT;
}
#else
/* Where there is, this is declared already. */
enum netdev_xdp_act {
	PROBE_XDP_ACT,
};
#endif
