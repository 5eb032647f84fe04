// SPDX-License-Identifier: GPL-2.0
/*
 * Starts another kernel in place of the one that runs.
 *
 *	kexec -l KERNEL INITRD CMDLINE_FILE|-	loads it
 *	kexec -e				starts what was loaded
 *
 * Theory
 * ------
 * The kernel in power loads KERNEL and INITRD itself (kexec_file_load) and puts them
 * where they can start, which takes long in an emulated machine. It is then told to leave, by
 * the same call of reboot() that would power off: it shuts all its devices down first,
 * which is what a test wants to see of a driver.
 *
 * CMDLINE_FILE holds the command line of the new kernel, one line, as /proc/cmdline
 * does; - is standard input.
 *
 * Exit: 0 loaded, 1 the kernel did not take it, 2 usage or set-up. With -e it does not return
 * when all goes well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What x86 takes, the end included. */
#define CMDLINE_BYTES	2048

static void __attribute__((format(printf, 2, 3), noreturn))
kexec_die(int status, const char *fmt, ...)
{
	va_list args;

	fputs("kexec: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

static int kexec_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		kexec_die(2, "%s: %s", path, strerror(errno));
	return fd;
}

/* The first line of the file; returns its bytes with the end, as the kernel wants it. */
static size_t kexec_read_cmdline(const char *path, char *line)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;

	if (!file || !fgets(line, CMDLINE_BYTES, file))
		kexec_die(2, "%s: no command line: %s", path,
			  !file || ferror(file) ? strerror(errno) : "it is empty");
	if (!strchr(line, '\n') && fgetc(file) != EOF)
		kexec_die(2, "%s: the command line is longer than %d bytes", path,
			  CMDLINE_BYTES - 1);
	line[strcspn(line, "\n")] = '\0';
	if (file != stdin)
		fclose(file);
	return strlen(line) + 1;
}

/* What the kernel may have meant, where the word for it does not tell. */
static const char *kexec_hint(int error)
{
	switch (error) {
	case ENOSYS:
		return " (this kernel has no kexec_file_load)";
	case EPERM:
		return " (not root, locked down, or kexec_load_disabled)";
	case EBUSY:
		return " (another load is under way)";
	case ENOEXEC:
		return " (not a kernel that this one can load)";
	case EKEYREJECTED:
	case ENODATA:
		return " (it must be signed, and is not)";
	case EADDRNOTAVAIL:
	case ENOMEM:
		return " (there is no room for it)";
	default:
		return "";
	}
}

static void kexec_load(char **argv)
{
	char cmdline[CMDLINE_BYTES];
	int kernel, initrd;
	size_t bytes;

	kernel = kexec_open(argv[0]);
	initrd = kexec_open(argv[1]);
	bytes = kexec_read_cmdline(argv[2], cmdline);
	if (syscall(SYS_kexec_file_load, kernel, initrd, bytes, cmdline, 0ul))
		kexec_die(1, "%s: cannot be loaded: %s%s", argv[0], strerror(errno),
			  kexec_hint(errno));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "-l")) {
		kexec_load(argv + 2);
		return 0;
	}
	if (argc != 2 || strcmp(argv[1], "-e"))
		kexec_die(2, "usage: kexec -l KERNEL INITRD CMDLINE_FILE|-, kexec -e");
	sync();
	reboot(LINUX_REBOOT_CMD_KEXEC);
	kexec_die(1, "what was loaded cannot be started: %s", strerror(errno));
}
