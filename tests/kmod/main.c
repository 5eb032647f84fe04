// SPDX-License-Identifier: GPL-2.0
/*
 * sentinel.ko: holds a secret in the memory of the guest's kernel, and has drivers do
 * I/O in the midst of it. For tests only.
 *
 *	insmod sentinel.ko token=HEX [mib=MIB]
 *	echo "DEV COUNT [MAC]" >/sys/kernel/debug/sentinel/send
 *	echo "PATH COUNT" >/sys/kernel/debug/sentinel/disk	overwrites that disk
 *	cat /sys/kernel/debug/sentinel/status
 *
 * Theory
 * ------
 * The token is 32 random bytes, made by the host for one run, of which the host finds
 * every copy that it can see. A driver that hands out more than it was asked to gives
 * away what lies beside its data, or what was in its memory before. So the token is put,
 * over and over, where that would be:
 *
 *   secret.c	slab objects of every size, pages and vmalloc; half of them are given
 *		back as they are, for others to find
 *   frames.c	frames whose headroom and tailroom are full of it, with fragments in
 *		the midst of pages that are full of it
 *   sectors.c	sectors that lie in the midst of such pages
 *
 * What is in the frames and sectors themselves is a sequence that any position determines
 * (pattern.c), so that the other side can tell that it got that and not a byte else.
 *
 * A write to "send" or "disk" does the work and returns when it is done, with an error
 * when not all of it was; "status" counts. One such write at a time is served by each.
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <net/net_namespace.h>

#include "sentinel.h"

#define COUNT_MAX	1000000u

static char *token;
module_param(token, charp, 0);
MODULE_PARM_DESC(token, "the secret, 64 hexadecimal digits");

static unsigned int mib = 4;
module_param(mib, uint, 0);
MODULE_PARM_DESC(mib, "MiB of slab, of pages and of vmalloc to be filled, 1 to 64 (default 4)");

static struct dentry *main_dir;

/* A line of text that was written to a file here. */
static int main_line(char *text, size_t size, const char __user *from, size_t len)
{
	if (len >= size)
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	return 0;
}

static ssize_t main_send(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char text[64], name[IFNAMSIZ], address[18];
	struct net_device *dev;
	u8 mac[ETH_ALEN];
	int err, words;
	u32 count;

	err = main_line(text, sizeof(text), from, len);
	if (err)
		return err;
	eth_broadcast_addr(mac);
	words = sscanf(text, "%15s %u %17s", name, &count, address);
	if (words < 2 || !count || count > COUNT_MAX || (words == 3 && !mac_pton(address, mac)))
		return -EINVAL;
	dev = dev_get_by_name(current->nsproxy->net_ns, name);
	if (!dev)
		return -ENODEV;
	err = frames_send(dev, mac, count);
	dev_put(dev);
	return err ?: len;
}

static ssize_t main_disk(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char text[96], path[64];
	struct file *disk;
	u32 count;
	int err;

	err = main_line(text, sizeof(text), from, len);
	if (err)
		return err;
	if (sscanf(text, "%63s %u", path, &count) != 2 || !count || count > COUNT_MAX)
		return -EINVAL;
	/* Exclusive: not one that is mounted. */
	disk = filp_open(path, O_RDWR | O_DIRECT | O_EXCL, 0);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	err = sectors_move(disk, count);
	filp_close(disk, NULL);
	return err ?: len;
}

static int main_status_show(struct seq_file *seq, void *unused)
{
	secret_status(seq);
	frames_status(seq);
	sectors_status(seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(main_status);

static const struct file_operations main_send_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = main_send,
};

static const struct file_operations main_disk_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = main_disk,
};

static int __init main_init(void)
{
	int err;

	if (mib < 1 || mib > 64) {
		pr_err("sentinel: mib is %u, must be 1 to 64\n", mib);
		return -EINVAL;
	}
	if (!token || secret_set(token)) {
		pr_err("sentinel: token must be 64 hexadecimal digits\n");
		return -EINVAL;
	}
	err = pattern_make();
	if (err)
		goto forget;
	err = secret_take(mib);
	if (err)
		goto free_pattern;
	main_dir = debugfs_create_dir("sentinel", NULL);
	debugfs_create_file("status", 0400, main_dir, NULL, &main_status_fops);
	debugfs_create_file("send", 0200, main_dir, NULL, &main_send_fops);
	debugfs_create_file("disk", 0200, main_dir, NULL, &main_disk_fops);
	return 0;

free_pattern:
	pattern_free();
forget:
	secret_forget();
	pr_err("sentinel: no memory for %u MiB of each kind\n", mib);
	return err;
}

static void __exit main_exit(void)
{
	/* No writer is left, and none comes in any more, after this. */
	debugfs_remove(main_dir);
	frames_end();
	secret_give();
	pattern_free();
	secret_forget();
}

module_init(main_init);
module_exit(main_exit);
MODULE_DESCRIPTION("airlock tests: a secret in the kernel's memory");
MODULE_LICENSE("GPL");
