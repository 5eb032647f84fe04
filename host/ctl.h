/* SPDX-License-Identifier: GPL-2.0 */
/* airlockctl: what its commands are and have in common. */
#ifndef HOST_CTL_H
#define HOST_CTL_H

#include "../ring/os.h"

/**
 * enum ctl_status - how airlockctl ends
 * @CTL_DONE: it did what it was asked to
 * @CTL_FAILED: it could not, and said why
 * @CTL_USAGE: the command line cannot be, and it said what to do
 */
enum ctl_status {
	CTL_DONE,
	CTL_FAILED,
	CTL_USAGE,
};

/**
 * struct ctl_command - a command
 * @name: the word that it is called by
 * @help: its part of the help: usage and options
 * @run: do it; the first argument is @name. Output goes to stdout, and only when
 *	nothing is wrong: a command that fails has said one line on stderr instead
 */
struct ctl_command {
	const char *name;
	const char *help;
	enum ctl_status (*run)(int argc, char **argv);
};

/**
 * ctl_error() - say what is wrong
 * @fmt: text, without a newline
 *
 * One line on stderr. Control characters in it are replaced.
 */
void ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * ctl_misused() - say what is wrong with an argument
 * @what: "option", "argument" or the like
 * @arg: the argument
 * @todo: what to do
 *
 * Return: CTL_USAGE.
 */
enum ctl_status ctl_misused(const char *what, const char *arg, const char *todo);

/**
 * ctl_misused_option() - say what getopt_long() did not understand
 * @why: what it returned, ':' or '?'; its options begin with a colon, and the long
 *	ones return CTL_OPTION or more
 * @arg: the word that it read last
 *
 * Return: CTL_USAGE.
 */
enum ctl_status ctl_misused_option(int why, const char *arg);

/* Bytes of a PCI address with its end, ffffffff:ff:1f.7 at most. */
#define CTL_PCI_BYTES	17

/**
 * ctl_pci_address() - is that a PCI address, as the kernel writes them (0000:00:03.0)?
 * @word: what may be one
 * @key: set to a number that sorts
 *
 * Return: true when it is; it is then shorter than CTL_PCI_BYTES.
 */
bool ctl_pci_address(const char *word, u64 *key);

/* Above every letter, so that long options are not taken for short ones. */
#define CTL_OPTION	256

#endif /* HOST_CTL_H */
