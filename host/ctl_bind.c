// SPDX-License-Identifier: GPL-2.0
/*
 * airlockctl bind and unbind: whose a virtio function of this guest is.
 *
 * Run in a guest, by hand or by udev (driver/60-airlock.rules). A kernel with virtio_pci
 * built in has given it all virtio functions before any module is loaded; moving one is
 * three writes to sysfs: its driver_override, so that no other driver takes it from then
 * on, the old driver's unbind, and drivers_probe.
 *
 * All devices are checked before the first is touched. One that cannot be moved goes
 * back to whom it was with, and nothing is done about those behind it. The kernel's answer
 * to a write says little, so what counts is whose the device is afterwards. airlock itself
 * takes every function, and its two halves, airlock_net and airlock_blk, then decide whether
 * it will do: it has one of them, or it was refused.
 *
 * Taking a disk away from its driver ends what is mounted from it, for which the kernel
 * does not ask. So that is asked here: a disk that somebody has opened for himself alone,
 * as mounts, swap and device mappers do, stays where it is; and while one is moved it is
 * ours alone, so that nobody does so meanwhile.
 */
#include "ctl_bind.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define BIND_SYSFS	"/sys"
#define BIND_DRIVER	"airlock"
#define BIND_MAINLINE	"virtio-pci"

#define BIND_VENDOR		0x1af4u
#define BIND_MODERN_NET		0x1041u
#define BIND_MODERN_BLK		0x1042u
#define BIND_TRANSITIONAL_NET	0x1000u
#define BIND_TRANSITIONAL_BLK	0x1001u

#define BIND_WORD	64

/*
 * A device that was just plugged in is shown before anybody can have it, and then a
 * driver may already be about to take it: it is offered again, for a second in all.
 */
#define BIND_TRIES	20
#define BIND_PAUSE_US	50000

/**
 * struct bind_plan - what was asked for
 * @sysfs: where sysfs is
 * @driver: whom the devices are for
 */
struct bind_plan {
	const char *sysfs;
	const char *driver;
};

/**
 * struct bind_half - airlock's half for a kind of device
 * @module: its name
 * @driver: what its driver is called, on the kernel's auxiliary bus
 */
struct bind_half {
	const char *module;
	const char *driver;
};

static const struct bind_half bind_net = { "airlock_net", "airlock_net.net" };
static const struct bind_half bind_blk = { "airlock_blk", "airlock_blk.blk" };

/* ---- sysfs ----------------------------------------------------------------- */

__attribute__((format(printf, 3, 4)))
static void bind_path(const struct bind_plan *plan, char path[PATH_MAX], const char *fmt, ...)
{
	size_t n = (size_t)snprintf(path, PATH_MAX, "%s/bus/", plan->sysfs);
	va_list args;

	if (n >= PATH_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(path + n, PATH_MAX - n, fmt, args);
	va_end(args);
}

/* The first word of a device's attribute. Return: 0 or -errno. */
static int bind_read(const struct bind_plan *plan, const char *dev, const char *name,
		     char word[BIND_WORD])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, err;

	bind_path(plan, path, "pci/devices/%s/%s", dev, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, word, BIND_WORD - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	word[n] = '\0';
	word[strcspn(word, "\n")] = '\0';
	return 0;
}

static int bind_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Whose it is; an empty word when it is nobody's. */
static void bind_owner(const struct bind_plan *plan, const char *dev, char owner[BIND_WORD])
{
	char path[PATH_MAX], link[PATH_MAX];
	const char *name;
	ssize_t n;

	bind_path(plan, path, "pci/devices/%s/driver", dev);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	name = strrchr(link, '/');
	snprintf(owner, BIND_WORD, "%.*s", BIND_WORD - 1, name ? name + 1 : link);
}

static bool bind_is(const struct bind_plan *plan, const char *dev, const char *driver)
{
	char owner[BIND_WORD];

	bind_owner(plan, dev, owner);
	return !strcmp(owner, driver);
}

/* ---- checking --------------------------------------------------------------- */

static bool bind_number(const struct bind_plan *plan, const char *dev, const char *name,
			unsigned int *number)
{
	char word[BIND_WORD];

	return !bind_read(plan, dev, name, word) && sscanf(word, "0x%x", number) == 1;
}

/* airlock's half for it; NULL for no virtio disk or network card (virtio 1.2, 4.1.2). */
static const struct bind_half *bind_half_of(const struct bind_plan *plan, const char *dev)
{
	unsigned int vendor, id;

	if (!bind_number(plan, dev, "vendor", &vendor) || vendor != BIND_VENDOR ||
	    !bind_number(plan, dev, "device", &id))
		return NULL;
	switch (id) {
	case BIND_MODERN_NET:
	case BIND_TRANSITIONAL_NET:
		return &bind_net;
	case BIND_MODERN_BLK:
	case BIND_TRANSITIONAL_BLK:
		return &bind_blk;
	default:
		return NULL;
	}
}

/* The first entry of a directory that begins like that, behind @path. */
static bool bind_find(char path[PATH_MAX], const char *begin)
{
	DIR *dir = opendir(path);
	size_t n = strlen(path);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = entry->d_name[0] != '.' && !strncmp(entry->d_name, begin, strlen(begin));
		if (found)
			snprintf(path + n, PATH_MAX - n, "/%s", entry->d_name);
	}
	closedir(dir);
	return found;
}

/*
 * Have the disk for ourselves that whoever is to lose the device made of it. Return: a file
 * descriptor, -EBUSY after saying that somebody else has it, another -errno without a disk.
 */
static int bind_claim(const struct bind_plan *plan, const char *dev)
{
	char path[PATH_MAX], node[PATH_MAX];
	int fd;

	if (bind_is(plan, dev, plan->driver))
		return -ENOENT;
	/* airlock's disk is the function's own child, mainline's that of a virtio device below. */
	bind_path(plan, path, "pci/devices/%s", dev);
	bind_find(path, "virtio");
	snprintf(path + strlen(path), PATH_MAX - strlen(path), "/block");
	if (!bind_find(path, ""))
		return -ENOENT;
	snprintf(node, sizeof(node), "/dev/%s", strrchr(path, '/') + 1);
	fd = open(node, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	if (errno != EBUSY)
		return -errno;
	ctl_error("%s: the disk is in use: unmount it first", dev);
	return -EBUSY;
}

static bool bind_is_airlock(const struct bind_plan *plan)
{
	return !strcmp(plan->driver, BIND_DRIVER);
}

/* Has airlock's half for it taken it, too? */
static bool bind_is_used(const struct bind_plan *plan, const char *dev)
{
	char path[PATH_MAX];

	bind_path(plan, path, "pci/devices/%s", dev);
	if (!bind_find(path, BIND_DRIVER "."))
		return false;
	snprintf(path + strlen(path), PATH_MAX - strlen(path), "/driver");
	return !access(path, F_OK);
}

/* Is it all there that the devices are to be given to? */
static enum ctl_status bind_check_driver(const struct bind_plan *plan)
{
	char path[PATH_MAX];

	bind_path(plan, path, "pci/drivers/%s/bind", plan->driver);
	if (!access(path, F_OK))
		return CTL_DONE;
	if (bind_is_airlock(plan))
		ctl_error("airlock is not loaded: modprobe -a airlock_blk airlock_net");
	else
		ctl_error("driver '%s' is not there: load it, or name another (" BIND_MAINLINE ")",
			  plan->driver);
	return CTL_FAILED;
}

static enum ctl_status bind_check(const struct bind_plan *plan, const char *dev)
{
	const struct bind_half *half;
	char path[PATH_MAX];
	u64 key;
	int fd;

	if (!ctl_pci_address(dev, &key))
		return ctl_misused("argument", dev, "no PCI address such as 0000:00:03.0");
	bind_path(plan, path, "pci/devices/%s", dev);
	if (access(path, F_OK)) {
		ctl_error("%s: no such device: see lspci -D", dev);
		return CTL_FAILED;
	}
	half = bind_half_of(plan, dev);
	if (!half) {
		ctl_error("%s: no virtio disk or network card: see lspci -D", dev);
		return CTL_FAILED;
	}
	bind_path(plan, path, "auxiliary/drivers/%s", half->driver);
	if (bind_is_airlock(plan) && access(path, F_OK)) {
		ctl_error("%s: %s is not loaded: modprobe %s", dev, half->module, half->module);
		return CTL_FAILED;
	}
	fd = bind_claim(plan, dev);
	if (fd >= 0)
		close(fd);
	return fd == -EBUSY ? CTL_FAILED : CTL_DONE;
}

/* ---- moving ------------------------------------------------------------------ */

/* Have the kernel offer it to whoever may have it; whose it is then tells what came of it. */
static void bind_probe(const struct bind_plan *plan, const char *dev)
{
	char path[PATH_MAX];

	bind_path(plan, path, "pci/drivers_probe");
	bind_write(path, dev);
}

/* Restrict it to a driver, or to none in particular: a line without a word. */
static int bind_override(const struct bind_plan *plan, const char *dev, const char *driver)
{
	char path[PATH_MAX], line[BIND_WORD + 1];

	bind_path(plan, path, "pci/devices/%s/driver_override", dev);
	snprintf(line, sizeof(line), "%s\n", driver);
	return bind_write(path, line);
}

/* Nobody having it is no error, nor that he let go of it himself. */
static int bind_release(const struct bind_plan *plan, const char *dev)
{
	char path[PATH_MAX];
	int err;

	bind_path(plan, path, "pci/devices/%s/driver/unbind", dev);
	err = bind_write(path, dev);
	return err == -ENOENT || err == -ENODEV ? 0 : err;
}

/* Have @plan's driver take it, whoever has it. Return: 0 or -errno; -ENODEV: it does not. */
static int bind_give(const struct bind_plan *plan, const char *dev)
{
	char owner[BIND_WORD];
	int tries, err;

	for (tries = 0; tries < BIND_TRIES; tries++) {
		bind_owner(plan, dev, owner);
		if (!strcmp(owner, plan->driver))
			return bind_is_airlock(plan) && !bind_is_used(plan, dev) ? -ENODEV : 0;
		if (tries && !*owner)
			usleep(BIND_PAUSE_US);
		err = bind_release(plan, dev);
		if (err)
			return err;
		bind_probe(plan, dev);
	}
	return -ENODEV;
}

/* It did not work: as it was before, with @owner and that @override. */
static enum ctl_status bind_undo(const struct bind_plan *plan, const char *dev,
				 const char *owner, const char *override, int why)
{
	char now[BIND_WORD];

	if (strcmp(owner, plan->driver)) {
		bind_release(plan, dev);
		if (*owner && !bind_override(plan, dev, owner))
			bind_probe(plan, dev);
	}
	bind_override(plan, dev, override);
	bind_owner(plan, dev, now);
	ctl_error("%s: %s did not take it (%s); it has %s%s now: see the kernel's log (dmesg)",
		  dev, plan->driver, strerror(-why), *now ? "driver " : "no driver", now);
	return CTL_FAILED;
}

static enum ctl_status bind_exchange(const struct bind_plan *plan, const char *dev)
{
	char owner[BIND_WORD], override[BIND_WORD];
	int err;

	bind_owner(plan, dev, owner);
	err = bind_read(plan, dev, "driver_override", override);
	if (!err)
		err = bind_override(plan, dev, plan->driver);
	if (err) {
		ctl_error("%s: driver_override: %s: %s", dev, strerror(-err),
			  err == -EACCES || err == -EPERM ? "run this as root (sudo)" :
							    "see that it is still there");
		return CTL_FAILED;
	}
	/* What the kernel prints when there is none. */
	if (!strcmp(override, "(null)"))
		override[0] = '\0';
	err = bind_give(plan, dev);
	return err ? bind_undo(plan, dev, owner, override, err) : CTL_DONE;
}

/* An interruption in its midst would leave a device without a driver. */
static enum ctl_status bind_move(const struct bind_plan *plan, const char *dev)
{
	const int fd = bind_claim(plan, dev);
	enum ctl_status status;
	sigset_t all, before;

	if (fd == -EBUSY)
		return CTL_FAILED;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	status = bind_exchange(plan, dev);
	if (fd >= 0)
		close(fd);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}

/* ---- the commands ------------------------------------------------------------- */

enum bind_long {
	OPT_TO = CTL_OPTION,
	OPT_SYSFS,
};

static const struct option bind_options[] = {
	{ "sysfs", required_argument, NULL, OPT_SYSFS },
	{ NULL, 0, NULL, 0 },
};

static const struct option unbind_options[] = {
	{ "to", required_argument, NULL, OPT_TO },
	{ "sysfs", required_argument, NULL, OPT_SYSFS },
	{ NULL, 0, NULL, 0 },
};

static const char bind_help[] =
"airlockctl bind [--sysfs DIR] DEVICE...\n"
"  Give virtio disks and network cards of this guest, by PCI address\n"
"  (0000:00:03.0), to airlock, whoever has them now. Needs root.\n"
"  --sysfs DIR    where sysfs is, " BIND_SYSFS "\n";

static const char unbind_help[] =
"airlockctl unbind [--to DRIVER] [--sysfs DIR] DEVICE...\n"
"  Give them to another driver, and to no other from then on.\n"
"  --to DRIVER    which, " BIND_MAINLINE "\n"
"  --sysfs DIR    where sysfs is, " BIND_SYSFS "\n";

static enum ctl_status bind_all(const struct bind_plan *plan, int n, char *const dev[])
{
	enum ctl_status status = CTL_DONE;
	int i;

	if (!n) {
		ctl_error("no device: give PCI addresses such as 0000:00:03.0, see lspci -D");
		return CTL_USAGE;
	}
	for (i = 0; i < n && status == CTL_DONE; i++)
		status = bind_check(plan, dev[i]);
	if (status == CTL_DONE)
		status = bind_check_driver(plan);
	for (i = 0; i < n && status == CTL_DONE; i++)
		status = bind_move(plan, dev[i]);
	return status;
}

static bool bind_is_name(const char *word)
{
	return *word && strlen(word) < BIND_WORD && !strchr(word, '/') && *word != '.';
}

static enum ctl_status bind_run_with(int argc, char **argv, const struct option *options,
				     const char *driver)
{
	struct bind_plan plan = { .sysfs = BIND_SYSFS, .driver = driver };
	int opt;

	opterr = 0;
	/* The colon: tell a missing value from the rest. */
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (opt) {
		case OPT_TO:
			if (!bind_is_name(optarg))
				return ctl_misused("--to", optarg, "no name of a driver");
			plan.driver = optarg;
			break;
		case OPT_SYSFS:
			if (!*optarg || strlen(optarg) > PATH_MAX / 2)
				return ctl_misused("--sysfs", optarg, "no directory's name");
			plan.sysfs = optarg;
			break;
		default:
			return ctl_misused_option(opt, argv[optind - 1]);
		}
	}
	return bind_all(&plan, argc - optind, argv + optind);
}

static enum ctl_status bind_run(int argc, char **argv)
{
	return bind_run_with(argc, argv, bind_options, BIND_DRIVER);
}

static enum ctl_status unbind_run(int argc, char **argv)
{
	return bind_run_with(argc, argv, unbind_options, BIND_MAINLINE);
}

const struct ctl_command ctl_bind = {
	.name = "bind",
	.help = bind_help,
	.run = bind_run,
};

const struct ctl_command ctl_unbind = {
	.name = "unbind",
	.help = unbind_help,
	.run = unbind_run,
};
