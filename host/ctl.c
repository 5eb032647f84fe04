// SPDX-License-Identifier: GPL-2.0
/*
 * airlockctl: what people may ask of airlock, and tell it.
 *
 * A command is a word, and each has a file of its own; here are the table of them,
 * the help, and how things are said. A script can tell from the exit status
 * whether the answer was no (1) or the question was wrong (2), and nothing is
 * printed to stdout in either case.
 */
#include "ctl.h"

#include "ctl_audit.h"
#include "ctl_bind.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#define CTL_VERSION	"0.1.0"
#define CTL_LINE_MAX	(PATH_MAX + 1024)

static const struct ctl_command *const ctl_commands[] = {
	&ctl_audit,
	&ctl_bind,
	&ctl_unbind,
};

static const char ctl_help_head[] =
"Usage: airlockctl COMMAND [OPTION]...\n"
"       airlockctl [COMMAND] --help\n"
"       airlockctl --version\n"
"Ask what airlock does, and tell it which devices are its own.\n";

static const char ctl_help_tail[] =
"\n"
"It ends with 0 when it did what it was asked to, with 1 when it could not, with 2\n"
"when the command line cannot be.\n";

void ctl_error(const char *fmt, ...)
{
	char line[CTL_LINE_MAX];
	va_list args;
	char *c;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	fprintf(stderr, "airlockctl: %s\n", line);
}

enum ctl_status ctl_misused(const char *what, const char *arg, const char *todo)
{
	ctl_error("%s '%s': %s", what, arg, todo);
	return CTL_USAGE;
}

enum ctl_status ctl_misused_option(int why, const char *arg)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (why == ':')
		return ctl_misused("option", arg, "its value is missing: see --help");
	/* An option by a letter: @arg is another word when more letters follow. */
	if (optopt > 0 && optopt < CTL_OPTION)
		return ctl_misused("option", letter, "not known: see --help");
	if (optopt)
		return ctl_misused("option", arg, "it takes no value: see --help");
	return ctl_misused("option", arg, "not known, or short for several: see --help");
}

bool ctl_pci_address(const char *word, u64 *key)
{
	unsigned int domain, bus, slot, function;
	char again[40];

	if (sscanf(word, "%8x:%2x:%2x.%1u", &domain, &bus, &slot, &function) != 4)
		return false;
	snprintf(again, sizeof(again), "%04x:%02x:%02x.%u", domain, bus, slot, function);
	*key = (u64)domain << 16 | bus << 8 | slot << 3 | function;
	return !strcmp(word, again) && slot < 32 && function < 8;
}

static enum ctl_status ctl_help(void)
{
	unsigned int i;

	fputs(ctl_help_head, stdout);
	for (i = 0; i < ARRAY_SIZE(ctl_commands); i++)
		printf("\n%s", ctl_commands[i]->help);
	fputs(ctl_help_tail, stdout);
	return CTL_DONE;
}

static enum ctl_status ctl_version(void)
{
	puts("airlockctl " CTL_VERSION);
	return CTL_DONE;
}

static enum ctl_status ctl_run(const struct ctl_command *command, int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "--help"))
		return command->run(argc, argv);
	fputs(command->help, stdout);
	return CTL_DONE;
}

static enum ctl_status ctl_dispatch(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	bool help, version;
	unsigned int i;

	if (!word) {
		ctl_error("no command: give one, see --help");
		return CTL_USAGE;
	}
	for (i = 0; i < ARRAY_SIZE(ctl_commands); i++) {
		if (!strcmp(word, ctl_commands[i]->name))
			return ctl_run(ctl_commands[i], argc - 1, argv + 1);
	}
	help = !strcmp(word, "--help");
	version = !strcmp(word, "--version");
	if (!help && !version)
		return ctl_misused("command", word, "not known: see --help");
	if (argc != 2)
		return ctl_misused("option", word, "it goes with nothing else: give it alone");
	return help ? ctl_help() : ctl_version();
}

int main(int argc, char **argv)
{
	enum ctl_status status = ctl_dispatch(argc, argv);

	/* An answer that did not arrive is none. */
	if (status == CTL_DONE && (fflush(stdout) || ferror(stdout))) {
		ctl_error("cannot write the answer: %s", strerror(errno));
		status = CTL_FAILED;
	}
	return (int)status;
}
