// SPDX-License-Identifier: GPL-2.0
/*
 * tarry.ko: a device that takes its time to shut down. For tests only.
 *
 *	insmod tarry.ko [ms=MS]
 *
 * Theory
 * ------
 * At reboot and kexec the kernel shuts devices down one after the other, the youngest
 * first, and stops the other processors only then. Usually that is a matter of milliseconds.
 * With this device it is not: what is younger has been shut down, and whoever uses that
 * goes on all the while.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static unsigned int ms = 3000;
module_param(ms, uint, 0);
MODULE_PARM_DESC(ms, "milliseconds (default 3000)");

static struct platform_device *tarry_device;

static int tarry_probe(struct platform_device *pdev)
{
	return 0;
}

static void tarry_shutdown(struct platform_device *pdev)
{
	pr_info("tarry: shutting down\n");
	msleep(ms);
}

static struct platform_driver tarry_driver = {
	.driver = { .name = KBUILD_MODNAME },
	.probe = tarry_probe,
	.shutdown = tarry_shutdown,
};

static int __init tarry_init(void)
{
	int err = platform_driver_register(&tarry_driver);

	if (err)
		return err;
	tarry_device = platform_device_register_simple(KBUILD_MODNAME, PLATFORM_DEVID_NONE, NULL,
						       0);
	if (IS_ERR(tarry_device)) {
		platform_driver_unregister(&tarry_driver);
		return PTR_ERR(tarry_device);
	}
	return 0;
}

static void __exit tarry_exit(void)
{
	platform_device_unregister(tarry_device);
	platform_driver_unregister(&tarry_driver);
}

module_init(tarry_init);
module_exit(tarry_exit);
MODULE_DESCRIPTION("airlock tests: a device that takes its time to shut down");
MODULE_LICENSE("GPL");
