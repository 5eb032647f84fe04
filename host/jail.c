// SPDX-License-Identifier: GPL-2.0
/*
 * What the daemon may do once it serves.
 *
 * Theory
 * ------
 * Everything that has a name (images, taps, sockets) is open before the first front-end is
 * served. From then on the process needs none of the rights that it took to open it, and a
 * guest that found a way to take it over should find none. In this order:
 *
 *   user          that of --user, with its groups; its own when there is no such option
 *   capabilities  none, and none to be had again
 *   no_new_privs  no program that it could start has more
 *   Landlock      no path leads anywhere, no TCP port but those of NBD servers, and nothing to
 *                 other processes, as far as the kernel's version of it goes; sockets can be
 *                 removed at the end. (Connecting to a Unix socket that has a path is none of
 *                 Landlock's business: permissions of the user decide.)
 *   seccomp       the system calls that the sources name beside the code that makes them
 *                 (#syscalls), some only with an argument that is named, too; any other ends
 *                 the process. But opening a file is an error: the C library does so when it
 *                 trims its memory, and lives without
 *
 * What io_uring does is not seen by seccomp. The rings of queues are limited to the operations
 * that queue.c uses (queue_limit()); whoever takes the process over can make others, and
 * what holds those is Landlock alone.
 *
 * Sanitizers look into /proc, stop threads and make calls of their own: builds with them have
 * neither Landlock nor seccomp.
 *
 * The C library's own calls are named here, since they are beside no code of ours:
 *
 * #syscalls brk mmap munmap mremap mprotect madvise futex getrandom clone clone3 exit exit_group
 * #syscalls set_robust_list rseq rt_sigprocmask rt_sigaction rt_sigreturn restart_syscall
 * #syscalls sched_getaffinity sched_yield gettid getpid tgkill clock_gettime
 */
#include "jail.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JAIL_SANITIZED 1
#endif
#endif
#ifndef JAIL_SANITIZED
#define JAIL_SANITIZED 0
#endif

/**
 * struct jail_rules - what Landlock is to handle; its own header may be older
 * @files: rights to files
 * @net: TCP: to bind and to connect; since version 4
 * @scope: abstract Unix sockets and signals; since version 6
 */
struct jail_rules {
	u64 files;
	u64 net;
	u64 scope;
};

#define JAIL_NET_CONNECT	2ull	/* LANDLOCK_ACCESS_NET_CONNECT_TCP */
#define JAIL_RULE_PORT		2	/* LANDLOCK_RULE_NET_PORT */

/**
 * struct jail_port - a TCP port; likewise
 * @allowed: JAIL_NET_CONNECT
 * @port: in host order
 */
struct jail_port {
	u64 allowed;
	u64 port;
};

/* Number of rights to files that version 1 and those after it know. */
static const u8 jail_file_rights[] = { 13, 14, 15, 15, 16 };

/* ---- user and capabilities ---------------------------------------------------- */

/* The sockets are the user's: it has to remove them. */
static int jail_give_sockets(const struct options *o, const struct passwd *user)
{
	unsigned int i;

	for (i = 0; i < o->devices; i++) {
		const struct options_device *d = &o->device[i];

		if (d->socket && !d->client && lchown(d->socket, user->pw_uid, user->pw_gid)) {
			log_error(d->id, "socket path %s cannot be given to user %s: %s", d->socket,
				  o->user, strerror(errno));
			return -EPERM;
		}
	}
	return 0;
}

static int jail_drop(const struct options *o)
{
	const struct passwd *user;
	int r;

	capng_clear(CAPNG_SELECT_ALL);
	if (!o->user) {
		/* Who has no capability cannot drop those that could be had, and need not. */
		r = capng_apply(geteuid() ? CAPNG_SELECT_CAPS : CAPNG_SELECT_ALL);
		if (r)
			log_error(NULL, "cannot give up capabilities (libcap-ng: %d)", r);
		return r ? -EPERM : 0;
	}
	errno = 0;
	user = getpwnam(o->user);
	if (!user) {
		log_error(NULL, "there is no user %s: give --user another one", o->user);
		return -EINVAL;
	}
	if (geteuid()) {
		log_error(NULL, "--user %s: only root can become another user: start airlockd as that user",
			  o->user);
		return -EPERM;
	}
	r = jail_give_sockets(o, user);
	if (r)
		return r;
	r = capng_change_id((int)user->pw_uid, (int)user->pw_gid,
			    CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (r)
		log_error(NULL, "cannot become user %s (libcap-ng: %d)", o->user, r);
	return r ? -EPERM : 0;
}

/* ---- Landlock ------------------------------------------------------------------ */

/* A socket may be removed from its directory. */
static void jail_allow_removal(int rules, const char *path)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
	};
	const char *slash = strrchr(path, '/');
	char dir[4096];

	if (slash == path)
		slash++;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	beneath.parent_fd = open(dir, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return;
	/* Where this fails a file is left behind. */
	syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
}

/* The server there may have to be connected to again. Return: 0 or -errno. */
static int jail_allow_port(int rules, u16 port)
{
	const struct jail_port rule = { .allowed = JAIL_NET_CONNECT, .port = port };

	return syscall(SYS_landlock_add_rule, rules, JAIL_RULE_PORT, &rule, 0) ? -errno : 0;
}

static int jail_lock_paths(const struct options *o, const u16 *port)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
				     LANDLOCK_CREATE_RULESET_VERSION);
	struct jail_rules rules = { 0 };
	unsigned int i;
	size_t bytes;
	int fd, r = 0;

	if (version < 1) {
		log_info(NULL, "this kernel has no Landlock: paths stay within reach");
		return 0;
	}
	i = min_t(unsigned int, (unsigned int)version, ARRAY_SIZE(jail_file_rights)) - 1;
	rules.files = BIT_ULL(jail_file_rights[i]) - 1;
	rules.net = version >= 4 ? 3 : 0;
	rules.scope = version >= 6 ? 3 : 0;
	bytes = version >= 6 ? sizeof(rules) :
		version >= 4 ? offsetof(struct jail_rules, scope) : sizeof(rules.files);
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
	if (fd < 0)
		return -errno;
	for (i = 0; i < o->devices; i++) {
		if (o->device[i].socket && !o->device[i].client)
			jail_allow_removal(fd, o->device[i].socket);
		if (!r && rules.net && port[i])
			r = jail_allow_port(fd, port[i]);
	}
	if (!r && syscall(SYS_landlock_restrict_self, fd, 0))
		r = -errno;
	close(fd);
	return r;
}

/* ---- seccomp ------------------------------------------------------------------- */

static int jail_allow(scmp_filter_ctx filter, const struct jail_syscall *s)
{
	const struct scmp_arg_cmp value = {
		.arg = s->arg - 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX,
		.datum_b = s->value,
	};
	int nr = seccomp_syscall_resolve_name(s->name);

	/* Other processors have other calls for some things. */
	if (nr < 0)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, nr, s->arg ? 1 : 0, &value);
}

/*
 * Only who looks for the server of a stream, for a front-end or for an NBD server makes sockets,
 * and those of the internet are for the latter.
 */
static bool jail_is_needed(const struct options *o, const struct jail_syscall *s)
{
	const bool sockets = !strcmp(s->name, "socket") || !strcmp(s->name, "connect");
	const bool nbd = !strcmp(s->name, "setsockopt") ||
			 (!strcmp(s->name, "socket") && s->value != AF_UNIX);
	unsigned int i;

	for (i = 0; i < o->devices; i++) {
		const struct options_device *d = &o->device[i];

		if (d->nbd || (!nbd && (d->stream || d->client)))
			return true;
	}
	return !sockets && !nbd;
}

static int jail_limit_calls(const struct options *o)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	const struct jail_syscall *s;
	int r = filter ? 0 : -ENOMEM;

	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
	for (s = jail_syscalls; !r && s->name; s++) {
		if (jail_is_needed(o, s))
			r = jail_allow(filter, s);
	}
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int jail_enter(const struct options *o, const u16 *port)
{
	int r = jail_drop(o);

	if (r || !o->sandbox)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = -errno;
	if (!r && !JAIL_SANITIZED)
		r = jail_lock_paths(o, port);
	if (!r && !JAIL_SANITIZED)
		r = jail_limit_calls(o);
	if (r)
		log_error(NULL, "cannot limit what the process may do: %s: see to that, or start it with --sandbox off",
			  strerror(-r));
	return r;
}
