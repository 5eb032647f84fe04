// SPDX-License-Identifier: GPL-2.0
/* How frames are spread is asked and set by a struct ethtool_rxfh_param; or by pointers. */
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#ifdef HAVE_RXFH_PARAM
static int probe(struct net_device *ndev, struct ethtool_rxfh_param *rxfh)
{
	return rxfh->key ? 0 : -EOPNOTSUPP;
}
#else
static int probe(struct net_device *ndev, u32 *indir, u8 *key, u8 *hfunc)
{
	return key ? 0 : -EOPNOTSUPP;
}
#endif

extern const struct ethtool_ops probe_ops;
const struct ethtool_ops probe_ops = {
	.get_rxfh = probe,
};
