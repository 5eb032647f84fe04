/* SPDX-License-Identifier: GPL-2.0 */
/* The command line. */
#ifndef HOST_OPTIONS_H
#define HOST_OPTIONS_H

#include "log.h"

#define OPTIONS_DEVICES		64u
#define OPTIONS_ID_BYTES	32u
#define OPTIONS_SERIAL_BYTES	20u	/* virtio 1.2, 5.2.6: device ID string */
#define OPTIONS_QUEUES		16u	/* of a disk, when not said */
#define OPTIONS_QUEUES_MAX	64u
#define OPTIONS_NBD_QUEUES	4u	/* likewise, on an NBD server: connections */
#define OPTIONS_NBD_TIMEOUT	10	/* seconds, when not said */
#define OPTIONS_NBD_TIMEOUT_MAX	86400
#define OPTIONS_PAIRS_MAX	16u	/* of queues of a card */
#define OPTIONS_CPUS		64u	/* that threads can be dealt out to */
#define OPTIONS_CPU_MAX		1023u	/* the highest one */
#define OPTIONS_POLL_MAX	100000u	/* microseconds */
#define OPTIONS_XDP_QUEUES	1024u	/* of an interface */
#define OPTIONS_FD_MAX		(1 << 20)

/* enum options_type - types of devices */
enum options_type {
	OPTIONS_BLK,
	OPTIONS_NET,
};

/**
 * struct options_sched - how the queues of a device are served
 * @threads: among which they are dealt out; 0: each has its own
 * @poll_us: how long a thread may look for work before it sleeps, up to OPTIONS_POLL_MAX; 0: not at
 *	all
 * @cpus: how many of @cpu there are; 0: threads run anywhere
 * @cpu: where threads run, one on each, over and over
 */
struct options_sched {
	u16 threads;
	u32 poll_us;
	u16 cpus;
	u16 cpu[OPTIONS_CPUS];
};

/**
 * struct options_device - one device that the user asked for
 * @type: its type
 * @id: its name; unique
 * @socket: path of the socket to listen on, or NULL
 * @client: the front-end listens at @socket
 * @mode: permissions of @socket, or -1: what the umask says
 * @fd: inherited socket, when @socket is NULL
 * @path: disk: the image
 * @nbd: disk: without @path: URI of an export of an NBD server
 * @nbd_timeout: disk: seconds that requests wait for that server to come back; -1: not said
 * @null: disk: without both: bytes of a disk that stands on nothing
 * @serial: disk: up to OPTIONS_SERIAL_BYTES characters, or NULL
 * @readonly: disk: refuse writes
 * @migrate: disk: its guest may go on elsewhere
 * @queues: disk: most queues; network: pairs of queues
 * @tap: network: name of a tap interface, or what was said of inherited ones, or NULL
 * @tap_fd: network: inherited taps, one for each pair of queues
 * @tap_fds: how many of these; 0: @tap is a name
 * @stream: network: path of a Unix stream socket to connect to, or NULL
 * @xdp: network: name of an interface of which it has queues, or NULL
 * @xdp_queue: network: the first of these
 * @pair: network: what another card of this process has as well, or NULL
 * @sched: how it is served
 *
 * Strings belong to struct options.
 */
struct options_device {
	enum options_type type;
	char id[OPTIONS_ID_BYTES];
	const char *socket;
	bool client;
	int mode;
	int fd;
	const char *path;
	const char *nbd;
	int nbd_timeout;
	u64 null;
	const char *serial;
	bool readonly;
	bool migrate;
	u16 queues;
	const char *tap;
	int tap_fd[OPTIONS_PAIRS_MAX];
	u16 tap_fds;
	const char *stream;
	const char *xdp;
	u16 xdp_queue;
	const char *pair;
	struct options_sched sched;
};

/**
 * struct options - the command line, checked
 * @level: of messages
 * @user: to become, or NULL
 * @sandbox: limit what the process may do
 * @device: the devices
 * @devices: how many, at least 1
 * @text: memory of the strings
 */
struct options {
	enum log_level level;
	const char *user;
	bool sandbox;
	struct options_device device[OPTIONS_DEVICES];
	unsigned int devices;
	char *text[OPTIONS_DEVICES];
};

/**
 * options_parse() - read the command line
 * @o: filled in; to be given to options_free() in any case
 * @argc: number of arguments
 * @argv: arguments; must outlive @o
 *
 * Says in one line what is wrong when there is something.
 *
 * Return: 1 to go on, 0 when all was done (--help and the like), -EINVAL.
 */
int options_parse(struct options *o, int argc, char **argv);

/**
 * options_free() - free the strings
 * @o: the options
 */
void options_free(struct options *o);

#endif /* HOST_OPTIONS_H */
