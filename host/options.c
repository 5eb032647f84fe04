// SPDX-License-Identifier: GPL-2.0
/*
 * The command line.
 *
 * Two forms. --device describes any number of devices, each by a list of
 * key=value pairs. The other follows the conventions for vhost-user back-end
 * programs (docs/interop/vhost-user.rst of QEMU, "Backend program
 * conventions"): one device by single options, and --print-capabilities for
 * management software. Both fill the same structure; what cannot be said of a
 * device by its options alone (does the file exist?) is found out when the
 * device is opened.
 */
#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define OPTIONS_VERSION		"0.1.0"

enum options_long {
	OPT_DEVICE = 256,
	OPT_SOCKET,
	OPT_FD,
	OPT_FILE,
	OPT_READONLY,
	OPT_TAP,
	OPT_STREAM,
	OPT_TYPE,
	OPT_CAPABILITIES,
	OPT_LEVEL,
	OPT_USER,
	OPT_SANDBOX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option options_long[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "socket-path", required_argument, NULL, OPT_SOCKET },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "blk-file", required_argument, NULL, OPT_FILE },
	{ "read-only", no_argument, NULL, OPT_READONLY },
	{ "tap", required_argument, NULL, OPT_TAP },
	{ "stream", required_argument, NULL, OPT_STREAM },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "print-capabilities", no_argument, NULL, OPT_CAPABILITIES },
	{ "log-level", required_argument, NULL, OPT_LEVEL },
	{ "user", required_argument, NULL, OPT_USER },
	{ "sandbox", required_argument, NULL, OPT_SANDBOX },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char options_help[] =
"Usage: airlockd --device LIST [--device LIST]... [OPTION]...\n"
"       airlockd --socket-path=PATH --blk-file=FILE [--read-only]\n"
"       airlockd --socket-path=PATH --tap=NAME | --stream=PATH\n"
"Serve disks and network cards to virtual machines over vhost-user.\n"
"\n"
"  --device type=blk,socket=PATH,path=FILE[,readonly=on][,serial=TEXT][,queues=N]\n"
"           [,migrate=on]              a disk on a file or block device; with migrate=on\n"
"                                      its guest can move to another airlockd that has\n"
"                                      the file open, too: it is locked while a queue runs\n"
"  --device type=blk,socket=PATH,nbd=URI[,nbd-timeout=SECONDS][,readonly=on]...\n"
"                                      a disk on an export of an NBD server:\n"
"                                      nbd://HOST[:PORT]/EXPORT or\n"
"                                      nbd+unix:///EXPORT?socket=PATH; requests wait so\n"
"                                      long for a server that went away (10)\n"
"  --device type=blk,socket=PATH,null=SIZE\n"
"                                      a disk on nothing, for measuring\n"
"  --device type=net,socket=PATH,tap=NAME[,queues=N]\n"
"                                      a network card on a tap interface, with N pairs\n"
"                                      of queues (ip tuntap add NAME mode tap multi_queue)\n"
"  --device type=net,socket=PATH,tap=fd:N[:N]...\n"
"                                      on a tap that is inherited open, with IFF_VNET_HDR and\n"
"                                      IFF_NO_PI: a file descriptor for each pair of queues\n"
"  --device type=net,socket=PATH,stream=PATH\n"
"                                      a network card on a Unix stream socket\n"
"                                      in the framing of QEMU's -netdev stream\n"
"                                      (passt)\n"
"  --device type=net,socket=PATH,xdp=INTERFACE[,xdp-queue=N][,queues=N]\n"
"                                      a network card on a queue of an interface (0), or\n"
"                                      on several from that on, by AF_XDP\n"
"  --device type=net,socket=PATH,pair=NAME\n"
"                                      a network card that is linked with the other one\n"
"                                      of that NAME, and with nothing else\n"
"           [,mode=OCTAL][,id=NAME][,client=on]\n"
"                                      of any device: permissions of its socket\n"
"                                      (0660), its name in messages, whether its\n"
"                                      front-end listens there; fd=N in the place of\n"
"                                      socket=PATH: a socket that is inherited\n"
"           [,threads=N][,cpus=LIST][,poll=MICROSECONDS]\n"
"                                      of any device: threads that its queues share\n"
"                                      (one for each queue), processors that these\n"
"                                      are dealt out to (2:4-7), how long each looks\n"
"                                      for work before it sleeps (0)\n"
"                                      A comma in a value is written twice: ,,\n"
"  --log-level LEVEL                   error, warn, info or debug\n"
"  --user NAME                         become that user when all is open\n"
"  --sandbox on|off                    whether the process then may do no more than it\n"
"                                      needs (on)\n"
"  --help, --version\n"
"\n"
"As a back-end program for management software, one device:\n"
"  --socket-path=PATH or --fd=N        listen at PATH, or use an inherited socket\n"
"  --blk-file=FILE, --read-only        a disk\n"
"  --tap=NAME|fd:N, --stream=PATH      a network card\n"
"  --type=block|net --print-capabilities\n"
"\n"
"It stays in the foreground and stops at SIGTERM or SIGINT.\n";

/**
 * struct options_single - the options of the back-end program form
 * @dev: the device that they describe
 * @used: one of them was given
 * @type: argument of --type, or NULL
 * @capabilities: --print-capabilities
 */
struct options_single {
	struct options_device dev;
	bool used;
	const char *type;
	bool capabilities;
};

static int options_bad(const char *what, const char *arg, const char *todo)
{
	log_error(NULL, "%s '%s': %s", what, arg, todo);
	return -EINVAL;
}

static int options_set(const char **field, const char *what, const char *arg)
{
	if (*field)
		return options_bad(what, arg, "given twice: give it once");
	if (!*arg)
		return options_bad(what, arg, "empty: give it a value");
	*field = arg;
	return 0;
}

static int options_switch(const char *what, const char *arg, bool *on)
{
	*on = !strcmp(arg, "on");
	return *on || !strcmp(arg, "off") ? 0 : options_bad(what, arg, "use on or off");
}

static int options_number(const char *what, const char *arg, long min, long max, long *value)
{
	char *end;

	errno = 0;
	*value = strtol(arg, &end, 10);
	if (errno || end == arg || *end || *value < min || *value > max) {
		log_error(NULL, "%s '%s': give a number from %ld to %ld", what, arg, min, max);
		return -EINVAL;
	}
	return 0;
}

static int options_fd(struct options_device *d, const char *what, const char *arg)
{
	long number;

	if (d->fd >= 0)
		return options_bad(what, arg, "given twice: give it once");
	if (options_number(what, arg, 3, OPTIONS_FD_MAX, &number))
		return -EINVAL;
	d->fd = (int)number;
	return 0;
}

/* A name, or fd:N:N... No interface has a name with a colon. */
static int options_tap(struct options_device *d, const char *what, const char *arg)
{
	const char *c;
	char *end;
	long fd;

	if (options_set(&d->tap, what, arg))
		return -EINVAL;
	if (strncmp(arg, "fd:", 3))
		return 0;
	for (c = arg + 2; *c; c = end) {
		fd = strtol(c + 1, &end, 10);
		if (*c != ':' || !isdigit((unsigned char)c[1]) || fd < 3 || fd > OPTIONS_FD_MAX)
			return options_bad(what, arg, "give a file descriptor, 3 or more, for each pair of queues: fd:N or fd:N:N");
		if (d->tap_fds == OPTIONS_PAIRS_MAX)
			return options_bad(what, arg, "a network card has at most 16 pairs of queues");
		d->tap_fd[d->tap_fds++] = (int)fd;
	}
	return 0;
}

static int options_id(struct options_device *d, const char *arg)
{
	const char *c;

	if (d->id[0])
		return options_bad("id", arg, "given twice: give it once");
	for (c = arg; isalnum((unsigned char)*c) || *c == '-' || *c == '_' || *c == '.'; c++)
		;
	if (c == arg || *c || strlen(arg) >= sizeof(d->id))
		return options_bad("id", arg, "use 1 to 31 letters, digits, '-', '_' or '.'");
	strcpy(d->id, arg);
	return 0;
}

static int options_mode(struct options_device *d, const char *arg)
{
	size_t n = strspn(arg, "01234567");

	if (!n || n > 4 || arg[n] || strtol(arg, NULL, 8) > 0777)
		return options_bad("mode", arg, "give octal permissions from 0 to 0777, such as 0660");
	d->mode = (int)strtol(arg, NULL, 8);
	return 0;
}

/* Of a disk that stands on nothing: a number, and perhaps a unit. */
static int options_size(struct options_device *d, const char *arg)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	d->null = strtoull(arg, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (errno || !isdigit((unsigned char)*arg) || *end || !d->null || d->null >> (62 - shift) ||
	    (d->null << shift) % 512)
		return options_bad("null", arg, "give a size, a multiple of 512, such as 8G");
	d->null <<= shift;
	return 0;
}

/* Processors, as numbers and ranges between colons; each must be there for this process. */
static int options_cpus(struct options_sched *s, const char *arg)
{
	unsigned long first, last;
	const char *at = arg;
	cpu_set_t set;
	char *end;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		return options_bad("cpus", arg, "this machine does not tell its processors: leave cpus= out");
	do {
		first = last = strtoul(at, &end, 10);
		if (isdigit((unsigned char)*at) && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
		}
		if (!isdigit((unsigned char)*at) || (*end && *end != ':') || first > last ||
		    last > OPTIONS_CPU_MAX)
			return options_bad("cpus", arg, "give numbers and ranges between colons, such as 2:4-7");
		for (; first <= last; first++) {
			if (!CPU_ISSET(first, &set))
				return options_bad("cpus", arg, "one of them is not there, or not for this process (taskset -p tells which are)");
			if (s->cpus == OPTIONS_CPUS)
				return options_bad("cpus", arg, "give at most 64");
			s->cpu[s->cpus++] = (u16)first;
		}
		at = end + 1;
	} while (*end);
	return 0;
}

/* Keys of --device. */
enum options_key {
	KEY_TYPE,
	KEY_SOCKET,
	KEY_PATH,
	KEY_SERIAL,
	KEY_READONLY,
	KEY_QUEUES,
	KEY_TAP,
	KEY_STREAM,
	KEY_ID,
	KEY_MODE,
	KEY_NULL,
	KEY_CLIENT,
	KEY_THREADS,
	KEY_CPUS,
	KEY_POLL,
	KEY_FD,
	KEY_PAIR,
	KEY_NBD,
	KEY_NBD_TIMEOUT,
	KEY_MIGRATE,
	KEY_XDP,
	KEY_XDP_QUEUE,
};

static const char *const options_keys[] = {
	[KEY_TYPE] = "type",
	[KEY_SOCKET] = "socket",
	[KEY_PATH] = "path",
	[KEY_SERIAL] = "serial",
	[KEY_READONLY] = "readonly",
	[KEY_QUEUES] = "queues",
	[KEY_TAP] = "tap",
	[KEY_STREAM] = "stream",
	[KEY_ID] = "id",
	[KEY_MODE] = "mode",
	[KEY_NULL] = "null",
	[KEY_CLIENT] = "client",
	[KEY_THREADS] = "threads",
	[KEY_CPUS] = "cpus",
	[KEY_POLL] = "poll",
	[KEY_FD] = "fd",
	[KEY_PAIR] = "pair",
	[KEY_NBD] = "nbd",
	[KEY_NBD_TIMEOUT] = "nbd-timeout",
	[KEY_MIGRATE] = "migrate",
	[KEY_XDP] = "xdp",
	[KEY_XDP_QUEUE] = "xdp-queue",
};

/* One key=value of --device; @keys has a bit for each key seen. */
static int options_pair(struct options_device *d, u32 *keys, const char *key, const char *value)
{
	unsigned int i;
	long number;

	for (i = 0; i < ARRAY_SIZE(options_keys) && strcmp(key, options_keys[i]); i++)
		;
	if (i == ARRAY_SIZE(options_keys))
		return options_bad("--device key", key, "not known: see --help");
	if (*keys & (1u << i))
		return options_bad("--device key", key, "given twice: give it once");
	*keys |= 1u << i;
	switch ((enum options_key)i) {
	case KEY_TYPE:
		if (!strcmp(value, "blk"))
			d->type = OPTIONS_BLK;
		else if (!strcmp(value, "net"))
			d->type = OPTIONS_NET;
		else
			return options_bad("type", value, "not known: use blk or net");
		return 0;
	case KEY_SOCKET:
		return options_set(&d->socket, "socket", value);
	case KEY_PATH:
		return options_set(&d->path, "path", value);
	case KEY_SERIAL:
		if (strlen(value) > OPTIONS_SERIAL_BYTES)
			return options_bad("serial", value, "use at most 20 characters");
		return options_set(&d->serial, "serial", value);
	case KEY_READONLY:
		return options_switch("readonly", value, &d->readonly);
	case KEY_QUEUES:
		if (options_number("queues", value, 1, OPTIONS_QUEUES_MAX, &number))
			return -EINVAL;
		d->queues = (u16)number;
		return 0;
	case KEY_TAP:
		return options_tap(d, "tap", value);
	case KEY_STREAM:
		return options_set(&d->stream, "stream", value);
	case KEY_ID:
		return options_id(d, value);
	case KEY_MODE:
		return options_mode(d, value);
	case KEY_NULL:
		return options_size(d, value);
	case KEY_CLIENT:
		return options_switch("client", value, &d->client);
	case KEY_THREADS:
		if (options_number("threads", value, 1, OPTIONS_QUEUES_MAX, &number))
			return -EINVAL;
		d->sched.threads = (u16)number;
		return 0;
	case KEY_CPUS:
		return options_cpus(&d->sched, value);
	case KEY_POLL:
		if (options_number("poll", value, 0, OPTIONS_POLL_MAX, &number))
			return -EINVAL;
		d->sched.poll_us = (u32)number;
		return 0;
	case KEY_FD:
		return options_fd(d, "fd", value);
	case KEY_PAIR:
		return options_set(&d->pair, "pair", value);
	case KEY_NBD:
		return options_set(&d->nbd, "nbd", value);
	case KEY_NBD_TIMEOUT:
		if (options_number("nbd-timeout", value, 0, OPTIONS_NBD_TIMEOUT_MAX, &number))
			return -EINVAL;
		d->nbd_timeout = (int)number;
		return 0;
	case KEY_MIGRATE:
		return options_switch("migrate", value, &d->migrate);
	case KEY_XDP:
		return options_set(&d->xdp, "xdp", value);
	case KEY_XDP_QUEUE:
		if (options_number("xdp-queue", value, 0, OPTIONS_XDP_QUEUES - 1, &number))
			return -EINVAL;
		d->xdp_queue = (u16)number;
		return 0;
	}
	return -EINVAL;
}

/* Does the device that @arg of --device describes make sense? */
static int options_check(const struct options_device *d, const char *arg)
{
	bool net = d->type == OPTIONS_NET;

	if (!d->socket && d->fd < 0)
		return options_bad("--device", arg, "no socket: say where its front-end connects (socket=)");
	if (d->socket && d->fd >= 0)
		return options_bad("--device", arg, "socket and fd exclude each other: give one");
	if (d->fd >= 0 && (d->client || d->mode >= 0))
		return options_bad("--device", arg, "a socket that is inherited is as it is: leave client= and mode= out");
	if (!net && !d->path && !d->null && !d->nbd)
		return options_bad("--device", arg, "a disk without a file: say which (path=, or nbd=)");
	if (d->client && d->mode >= 0)
		return options_bad("--device", arg, "a socket of the front-end's has its own permissions: leave mode= out");
	if (!!d->path + !!d->null + !!d->nbd > 1)
		return options_bad("--device", arg, "path, nbd and null exclude each other: give one");
	if (d->nbd_timeout >= 0 && !d->nbd)
		return options_bad("--device", arg, "nbd-timeout goes with nbd= only: leave it out");
	if (!net && (d->tap || d->stream || d->pair || d->xdp))
		return options_bad("--device", arg, "tap, stream, xdp and pair are for type=net only");
	if (d->xdp_queue && !d->xdp)
		return options_bad("--device", arg, "xdp-queue goes with xdp= only");
	if (net && (d->path || d->null || d->nbd || d->serial || d->readonly || d->migrate))
		return options_bad("--device", arg, "path, nbd, null, serial, readonly and migrate are for type=blk only");
	if (net && d->queues > OPTIONS_PAIRS_MAX)
		return options_bad("--device", arg, "a network card has at most 16 pairs of queues");
	if (net && !d->tap && !d->xdp && d->queues > 1)
		return options_bad("--device", arg, "only taps and xdp have more than one pair of queues: leave queues= out");
	if (d->tap_fds && d->queues && d->queues != d->tap_fds)
		return options_bad("--device", arg, "one file descriptor of a tap for each pair of queues: give as many as queues= says, or leave that out");
	if (net && !!d->tap + !!d->stream + !!d->xdp + !!d->pair != 1)
		return options_bad("--device", arg, "a network card needs one of tap=, stream=, xdp= and pair=");
	return 0;
}

/* Is it the socket, or one of the first so many taps? */
static bool options_has_fd(const struct options_device *d, unsigned int taps, int fd)
{
	unsigned int i;

	for (i = 0; i < taps && d->tap_fd[i] != fd; i++)
		;
	return i < taps || d->fd == fd;
}

/* Each of the file descriptors that are inherited is for one thing. */
static int options_check_fds(const struct options *o, const struct options_device *d)
{
	unsigned int i, j;
	bool twice = false;
	int fd = -1;

	for (i = 0; i <= d->tap_fds && !twice; i++) {
		fd = i < d->tap_fds ? d->tap_fd[i] : d->fd;
		twice = i < d->tap_fds && options_has_fd(d, i, fd);
		for (j = 0; j < o->devices && fd >= 0 && !twice; j++)
			twice = options_has_fd(&o->device[j], o->device[j].tap_fds, fd);
	}
	if (twice)
		log_error(NULL, "file descriptor %d is given twice: each is for one thing", fd);
	return twice ? -EINVAL : 0;
}

static int options_push(struct options *o, struct options_device *d)
{
	unsigned int i, n = 0;

	if (o->devices == OPTIONS_DEVICES) {
		log_error(NULL, "too many devices: at most %u in one process", OPTIONS_DEVICES);
		return -EINVAL;
	}
	for (i = 0; i < o->devices; i++)
		n += o->device[i].type == d->type;
	if (!d->id[0])
		snprintf(d->id, sizeof(d->id), "%s%u", d->type == OPTIONS_NET ? "net" : "blk", n);
	for (i = 0; i < o->devices; i++) {
		if (!strcmp(o->device[i].id, d->id))
			return options_bad("id", d->id, "two devices have it: give each its own id=");
	}
	if (options_check_fds(o, d))
		return -EINVAL;
	if (!d->queues && d->type == OPTIONS_BLK)
		d->queues = d->nbd ? OPTIONS_NBD_QUEUES : OPTIONS_QUEUES;
	else if (!d->queues)
		d->queues = d->tap_fds ? d->tap_fds : 1;
	if (d->nbd_timeout < 0)
		d->nbd_timeout = OPTIONS_NBD_TIMEOUT;
	o->device[o->devices++] = *d;
	return 0;
}

/*
 * End @text at its first comma; two commas stand for one in the text.
 * Return: what is behind that comma, or NULL.
 */
static char *options_split(char *text)
{
	char *from, *to = text;

	for (from = text; *from; from++) {
		if (*from == ',' && *++from != ',') {
			*to = '\0';
			return from;
		}
		*to++ = *from;
	}
	*to = '\0';
	return NULL;
}

/* One --device argument. */
static int options_list(struct options *o, const char *arg)
{
	struct options_device d = { .mode = -1, .fd = -1, .nbd_timeout = -1 };
	char *text, *pair, *next, *value;
	u32 keys = 0;

	if (o->devices == OPTIONS_DEVICES)
		return options_push(o, &d);
	text = strdup(arg);
	if (!text)
		return options_bad("--device", arg, "out of memory");
	o->text[o->devices] = text;
	for (pair = text; pair; pair = next) {
		next = options_split(pair);
		value = strchr(pair, '=');
		if (!value)
			return options_bad("--device", pair, "not of the form key=value");
		*value++ = '\0';
		if (options_pair(&d, &keys, pair, value))
			return -EINVAL;
	}
	if (!(keys & 1u << KEY_TYPE))
		return options_bad("--device", arg, "no type: begin with type=blk or type=net");
	if (options_check(&d, arg))
		return -EINVAL;
	return options_push(o, &d);
}

/* Do the single options make sense? */
static int options_check_single(const struct options_device *d)
{
	int kinds = !!d->path + !!d->tap + !!d->stream;
	const char *wrong = NULL;

	if (!kinds)
		wrong = "no device: give --blk-file, --tap or --stream, see --help";
	else if (kinds > 1)
		wrong = "--blk-file, --tap and --stream exclude each other: give one";
	else if (d->readonly && !d->path)
		wrong = "--read-only is for disks only: give it with --blk-file";
	else if (d->socket && d->fd >= 0)
		wrong = "--socket-path and --fd exclude each other: give one";
	else if (!d->socket && d->fd < 0)
		wrong = "no socket: give --socket-path or --fd";
	if (!wrong)
		return 0;
	log_error(NULL, "%s", wrong);
	return -EINVAL;
}

/* A wire has two ends. */
static int options_check_pairs(const struct options *o)
{
	unsigned int i, j, n;

	for (i = 0; i < o->devices; i++) {
		if (!o->device[i].pair)
			continue;
		for (j = 0, n = 0; j < o->devices; j++)
			n += o->device[j].pair && !strcmp(o->device[j].pair, o->device[i].pair);
		if (n != 2)
			return options_bad("pair", o->device[i].pair, n == 1 ?
					   "one device has it: give another one the same, they are linked with each other" :
					   "more than two devices have it: give it to two, they are linked with each other");
	}
	return 0;
}

/* The single options make one device. */
static int options_finish(struct options *o, struct options_single *s)
{
	struct options_device *d = &s->dev;

	if (!s->used) {
		if (o->devices)
			return options_check_pairs(o) ? -EINVAL : 1;
		log_error(NULL, "no device: give at least one --device, see --help");
		return -EINVAL;
	}
	if (o->devices) {
		log_error(NULL, "--device and the options for a single device exclude each other: use --device only");
		return -EINVAL;
	}
	if (options_check_single(d))
		return -EINVAL;
	d->type = d->path ? OPTIONS_BLK : OPTIONS_NET;
	return options_push(o, d) ? -EINVAL : 1;
}

static int options_capabilities(const char *type)
{
	if (type && !strcmp(type, "block")) {
		puts("{\"type\":\"block\",\"features\":[\"read-only\",\"blk-file\"]}");
		return 0;
	}
	if (type && !strcmp(type, "net")) {
		puts("{\"type\":\"net\"}");
		return 0;
	}
	return options_bad("--type", type ? type : "", "give --type=block or --type=net");
}

static int options_one(struct options *o, struct options_single *s, int opt)
{
	switch (opt) {
	case OPT_DEVICE:
		return options_list(o, optarg);
	case OPT_SOCKET:
		s->used = true;
		return options_set(&s->dev.socket, "--socket-path", optarg);
	case OPT_FD:
		s->used = true;
		return options_fd(&s->dev, "--fd", optarg);
	case OPT_FILE:
		s->used = true;
		return options_set(&s->dev.path, "--blk-file", optarg);
	case OPT_READONLY:
		s->used = true;
		s->dev.readonly = true;
		return 0;
	case OPT_TAP:
		s->used = true;
		return options_tap(&s->dev, "--tap", optarg);
	case OPT_STREAM:
		s->used = true;
		return options_set(&s->dev.stream, "--stream", optarg);
	case OPT_TYPE:
		return options_set(&s->type, "--type", optarg);
	case OPT_CAPABILITIES:
		s->capabilities = true;
		return 0;
	case OPT_LEVEL:
		if (log_level_parse(optarg, &o->level))
			return options_bad("--log-level", optarg, "use error, warn, info or debug");
		return 0;
	case OPT_USER:
		return options_set(&o->user, "--user", optarg);
	case OPT_SANDBOX:
		return options_switch("--sandbox", optarg, &o->sandbox);
	default:
		return -EINVAL;
	}
}

/* What getopt_long() did not understand. @arg: the word that it read last. */
static int options_refuse(int why, const char *arg)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (why == ':')
		return options_bad("option", arg, "its value is missing: see --help");
	/* An option by a letter: @arg is another word when more letters follow. */
	if (optopt > 0 && optopt < OPT_DEVICE)
		return options_bad("option", letter, "not known: see --help");
	if (optopt)
		return options_bad("option", arg, "it takes no value: see --help");
	return options_bad("option", arg, "not known, or short for several: see --help");
}

/* Options that print something and end it all. */
static int options_print(const char *text, int argc, const char *arg)
{
	if (argc != 2)
		return options_bad("option", arg, "it goes with nothing else: give it alone");
	fputs(text, stdout);
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	struct options_single s = { .dev.mode = -1, .dev.fd = -1, .dev.nbd_timeout = -1 };
	int opt;

	memset(o, 0, sizeof(*o));
	o->level = LOG_INFO;
	o->sandbox = true;
	opterr = 0;
	/* The colon: tell a missing value from the rest. */
	while ((opt = getopt_long(argc, argv, ":", options_long, NULL)) != -1) {
		switch (opt) {
		case OPT_HELP:
			return options_print(options_help, argc, argv[optind - 1]);
		case OPT_VERSION:
			return options_print("airlockd " OPTIONS_VERSION "\n", argc, argv[optind - 1]);
		case ':':
		case '?':
			return options_refuse(opt, argv[optind - 1]);
		default:
			if (options_one(o, &s, opt))
				return -EINVAL;
		}
	}
	if (optind < argc)
		return options_bad("argument", argv[optind], "not an option: see --help");
	if (s.capabilities)
		return options_capabilities(s.type);
	return options_finish(o, &s);
}

void options_free(struct options *o)
{
	unsigned int i;

	for (i = 0; i < OPTIONS_DEVICES; i++)
		free(o->text[i]);
}
