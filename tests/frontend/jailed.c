// SPDX-License-Identifier: GPL-2.0
/*
 *	jailed SOCKET WHAT
 *
 * Enters the daemon's jail (host/jail.c) as a daemon with that socket would, for ports one with a disk on an
 * NBD server, and tries one thing; says on standard output what came of it: "done", or the error. A system
 * call that is not allowed ends it.
 */
#include "../../host/jail.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define NBD_PORT	1	/* nobody listens there */

static char path[4096];	/* in the directory of the socket */

static int try_nothing(void) { return 0; }
static int try_open(void) { return open("/etc/passwd", O_RDONLY | O_CLOEXEC); }
static int try_create(void) { return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); }
static int try_internet(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static int try_connect(u16 port)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		       (const struct sockaddr *)&at, sizeof(at));
}

static int try_port(void) { return try_connect(NBD_PORT); }
static int try_other_port(void) { return try_connect(NBD_PORT + 1); }
static int try_exec(void) { return execl("/bin/true", "true", (char *)NULL); }
static int try_kill(void) { return kill(getppid(), 0); }
static int try_trace(void) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static int try_terminal(void) { return ioctl(STDIN_FILENO, TIOCSTI, "x"); }
static int try_user(void) { return setuid(12345); }
static int try_remove(void) { return unlink(path); }
static int try_remove_other(void) { return unlink("/etc/passwd-"); }

static const struct {
	const char *name;
	int (*fn)(void);
} tries[] = {
	{ "nothing", try_nothing },
	{ "open", try_open },
	{ "create", try_create },
	{ "internet", try_internet },
	{ "port", try_port },
	{ "other-port", try_other_port },
	{ "exec", try_exec },
	{ "kill", try_kill },
	{ "trace", try_trace },
	{ "terminal", try_terminal },
	{ "user", try_user },
	{ "remove", try_remove },
	{ "remove-other", try_remove_other },
};

int main(int argc, char **argv)
{
	struct options o = { .level = LOG_WARN, .sandbox = true, .devices = 1 };
	u16 port = 0;
	const char *said;
	unsigned int i;
	int r;

	if (argc != 3)
		return 2;
	o.device[0].socket = argv[1];
	snprintf(path, sizeof(path), "%s.file", argv[1]);
	for (i = 0; i < ARRAY_SIZE(tries) && strcmp(tries[i].name, argv[2]); i++)
		;
	if (strstr(argv[2], "port")) {
		o.device[0].nbd = "nbd://localhost:1";
		port = NBD_PORT;
	}
	if (i == ARRAY_SIZE(tries) || jail_enter(&o, &port))
		return 2;
	r = tries[i].fn();
	/* Not with stdio, which makes calls of its own. */
	said = r < 0 ? strerror(errno) : "done";
	return write(STDOUT_FILENO, said, strlen(said)) < 0;
}
