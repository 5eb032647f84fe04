// SPDX-License-Identifier: GPL-2.0
/*
 * Has the kernel fail each allocation once that it makes for this program, one after another.
 *
 *	failnth bind DRIVER PCI FROM SECONDS	while a driver is bound to a PCI function
 *	failnth up INTERFACE FROM SECONDS	while an interface is set up
 *
 * Theory
 * ------
 * A kernel with CONFIG_FAULT_INJECTION fails the allocation of a task whose number was written to
 * the task's fail-nth, whoever in the kernel makes it; what is read there is 0 when that has
 * happened. So for N = FROM, FROM+1, ... this does what it is told with the Nth allocation
 * failing, looks what came of it, and takes it back, until there is no Nth any more or the time is
 * over; then whoever called goes on where it ended.
 *
 * What is right is any answer but a wrong one: an error, or a success, since much of what the
 * kernel allocates can be done without. After a success all that is there has to work: of a disk
 * that has come about a block is read, a card is set up and down. After an error there is nothing to
 * take back but by the kernel, and the next N, which finds the same allocations in its way and
 * one more, would not come as far if it had not done so.
 *
 * Output: how often it was an error, a success without disk or card, one with all, then "next N" when the time was over, or "end N" when
 * there was no Nth allocation. Exit: 0; 1 when something is wrong, with a line that says what; 2
 * usage.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define FAILNTH		"/proc/thread-self/fail-nth"
#define NODE		"/run/failnth.disk"
#define BLOCK		4096

/**
 * struct target - what is done with an allocation failing
 * @attempt: does it; 0 or an errno
 * @undo: looks whether what has come about works, and takes it back. Has anything come about?
 * @name: the PCI function, or the interface
 * @dir: the driver's directory in sysfs
 * @fd: what is written to, or a socket
 */
struct target {
	int (*attempt)(struct target *t);
	bool (*undo)(struct target *t, int err);
	const char *name;
	char dir[256];
	int fd;
};

static unsigned long now_n;

static void __attribute__((format(printf, 2, 3), noreturn))
die(int status, const char *fmt, ...)
{
	va_list args;

	printf("failnth: %lu: ", now_n);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	exit(status);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(1, "%s: %s", path, strerror(errno));
	return fd;
}

/* ---- a function and its driver --------------------------------------------------------- */

/* The one entry of a directory in the function's own, "net" or "block"; false when there is none. */
static bool child_of(const struct target *t, const char *kind, char name[IFNAMSIZ])
{
	const struct dirent *entry;
	bool found = false;
	char path[512];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", t->name, kind);
	dir = opendir(path);
	if (!dir)
		return false;
	while ((entry = readdir(dir)) && !found) {
		found = entry->d_name[0] != '.';
		if (found)
			snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, entry->d_name);
	}
	closedir(dir);
	return found;
}

/* By a node of our own: the kernel does without one that it has no memory for. */
static void disk_works(const char *name)
{
	void *block = aligned_alloc(BLOCK, BLOCK);
	unsigned int major, minor;
	char path[512];
	FILE *dev;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/block/%s/dev", name);
	dev = fopen(path, "re");
	if (!block || !dev || fscanf(dev, "%u:%u", &major, &minor) != 2)
		die(1, "%s: it has no number", path);
	fclose(dev);
	if (mknod(NODE, S_IFBLK | 0600, makedev(major, minor)))
		die(1, "%s: %s", NODE, strerror(errno));
	fd = open_or_die(NODE, O_RDONLY | O_DIRECT);
	if (pread(fd, block, BLOCK, 0) != BLOCK)
		die(1, "%s: it cannot be read: %s", name, strerror(errno));
	close(fd);
	unlink(NODE);
	free(block);
}

static int set_up(int sock, const char *name, bool up)
{
	struct ifreq req = { 0 };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFFLAGS, &req))
		die(1, "%s: %s", name, strerror(errno));
	req.ifr_flags = up ? req.ifr_flags | IFF_UP : req.ifr_flags & ~IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &req) ? errno : 0;
}

static bool is_up(int sock, const char *name)
{
	struct ifreq req = { 0 };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFFLAGS, &req))
		die(1, "%s: %s", name, strerror(errno));
	return req.ifr_flags & IFF_UP;
}

static void card_works(int sock, const char *name)
{
	int err = set_up(sock, name, true);

	if (err)
		die(1, "%s: it cannot be set up: %s", name, strerror(err));
	set_up(sock, name, false);
}

static int bind_attempt(struct target *t)
{
	return pwrite(t->fd, t->name, strlen(t->name), 0) < 0 ? errno : 0;
}

static bool bind_undo(struct target *t, int err)
{
	char path[512], name[IFNAMSIZ];
	bool disk, card;
	int fd, sock;

	snprintf(path, sizeof(path), "%s/%s", t->dir, t->name);
	if (access(path, F_OK)) {
		if (!err)
			die(1, "it was bound, and is not");
		return false;
	}
	disk = child_of(t, "block", name);
	if (disk)
		disk_works(name);
	card = child_of(t, "net", name);
	if (card) {
		sock = socket(AF_INET, SOCK_DGRAM, 0);
		card_works(sock, name);
		close(sock);
	}
	snprintf(path, sizeof(path), "%s/unbind", t->dir);
	fd = open_or_die(path, O_WRONLY);
	if (write(fd, t->name, strlen(t->name)) < 0)
		die(1, "it cannot be unbound: %s", strerror(errno));
	close(fd);
	return disk || card;
}

/* ---- an interface ---------------------------------------------------------------------- */

static int up_attempt(struct target *t)
{
	return set_up(t->fd, t->name, true);
}

static bool up_undo(struct target *t, int err)
{
	const bool came = !err;

	if (is_up(t->fd, t->name) != !err)
		die(1, "it is %s after: %s", err ? "up" : "down", strerror(err));
	if (err)
		err = set_up(t->fd, t->name, true);
	if (err)
		die(1, "nor can it be set up now: %s", strerror(err));
	if (set_up(t->fd, t->name, false) || is_up(t->fd, t->name))
		die(1, "it cannot be set down");
	return came;
}

/* ---- each in turn ---------------------------------------------------------------------- */

static void fail_at(int fd, unsigned long n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lu", n);

	if (pwrite(fd, text, len, 0) != len)
		die(1, FAILNTH ": %s", strerror(errno));
}

/* Has it failed? Nothing fails any more from here on. */
static bool has_failed(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		die(1, FAILNTH ": %s", strerror(errno));
	fail_at(fd, 0);
	return !strtoul(text, NULL, 10);
}

static void each(struct target *t, time_t seconds)
{
	const time_t end = time(NULL) + seconds;
	const int fd = open_or_die(FAILNTH, O_RDWR);
	unsigned long errors = 0, without = 0, whole = 0;
	bool failed = true, came;
	int err;

	for (; failed && time(NULL) < end; now_n += failed) {
		fail_at(fd, now_n);
		err = t->attempt(t);
		failed = has_failed(fd);
		if (!failed && err)
			die(1, "nothing was made to fail, and it fails: %s", strerror(err));
		came = t->undo(t, err);
		errors += failed && err;
		without += failed && !err && !came;
		whole += failed && !err && came;
	}
	printf("%lu errors, %lu without disk or card, %lu whole\n%s %lu\n", errors, without, whole,
	       failed ? "next" : "end", now_n);
}

int main(int argc, char **argv)
{
	struct target t = { .fd = -1 };
	char path[512];

	if (argc == 6 && !strcmp(argv[1], "bind")) {
		t.attempt = bind_attempt;
		t.undo = bind_undo;
		t.name = argv[3];
		snprintf(t.dir, sizeof(t.dir), "/sys/bus/pci/drivers/%s", argv[2]);
		snprintf(path, sizeof(path), "%s/bind", t.dir);
		t.fd = open_or_die(path, O_WRONLY);
	} else if (argc == 5 && !strcmp(argv[1], "up")) {
		t.attempt = up_attempt;
		t.undo = up_undo;
		t.name = argv[2];
		t.fd = socket(AF_INET, SOCK_DGRAM, 0);
	} else {
		fputs("usage: failnth bind DRIVER PCI FROM SECONDS | up INTERFACE FROM SECONDS\n", stderr);
		return 2;
	}
	now_n = strtoul(argv[argc - 2], NULL, 10);
	each(&t, strtol(argv[argc - 1], NULL, 10));
	return 0;
}
