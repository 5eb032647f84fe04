// SPDX-License-Identifier: GPL-2.0
/*
 * airlockd: serves disks and network cards to virtual machines over vhost-user.
 *
 * One process, any number of devices. This thread is the control thread: it
 * waits for signals, connections, messages of front-ends and doorbells of queue
 * workers, and never for anything else. Going up, every device is opened and
 * every socket bound before the first front-end is served, and a failure undoes
 * all of it; going down, sessions drain before anything is closed. In between the process has no
 * more rights than it needs (jail.c).
 *
 * #syscalls read write close newfstatat fstat lstat unlink unlinkat
 */
#include "device.h"
#include "jail.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "memory.h"
#include "options.h"
#include "worker.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MAIN_MMAP_BYTES	(128 << 10)

/**
 * struct daemon - the process
 * @loop: of this thread
 * @signals: SIGTERM and SIGINT end it; SIGHUP: images may have another size
 * @device: the devices
 * @listener: their sockets
 * @devices: how many of both
 * @stop: going down
 */
struct daemon {
	struct loop *loop;
	struct loop_event signals;
	struct device *device[OPTIONS_DEVICES];
	struct listener *listener[OPTIONS_DEVICES];
	unsigned int devices;
	bool stop;
};

static void main_on_signal(struct loop_event *ev)
{
	struct daemon *d = container_of(ev, struct daemon, signals);
	struct signalfd_siginfo info;
	unsigned int i;

	if (read(d->signals.fd, &info, sizeof(info)) != sizeof(info) || d->stop)
		return;
	if (info.ssi_signo == SIGHUP) {
		for (i = 0; i < d->devices; i++)
			listener_refresh(d->listener[i]);
		return;
	}
	log_info(NULL, "stopping");
	d->stop = true;
	for (i = 0; i < d->devices; i++)
		listener_stop(d->listener[i]);
}

/* Block what is waited for: workers inherit that. */
static int main_open_signals(struct daemon *d)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	d->signals.fn = main_on_signal;
	d->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals.fd < 0)
		return -errno;
	return memory_catch_faults();
}

/* Eventfds of many queues add up: take as many descriptors as we may. */
static void main_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* Before Linux 5.12 the rings of io_uring count, too. */
	limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* With the rights that are there, and again with those that are left. */
static int main_check_uring(void)
{
	const char *why;
	int r = worker_supported(&why);

	if (r)
		log_error(NULL, "io_uring is not available (%s): Linux 5.10 or later is needed, with kernel.io_uring_disabled=0 and no filter against it", why);
	return r;
}

static int main_open(struct daemon *d, const struct options *o)
{
	unsigned int i;
	int r;

	r = main_check_uring();
	if (r)
		return r;
	main_raise_limits();
	d->loop = loop_open();
	r = d->loop ? main_open_signals(d) : -errno;
	if (!r)
		r = loop_add(d->loop, &d->signals);
	if (r) {
		log_error(NULL, "cannot start: %s", strerror(-r));
		return r;
	}
	for (i = 0; i < o->devices; i++) {
		d->devices++;
		d->device[i] = device_open(&o->device[i]);
		if (!d->device[i])
			return -EINVAL;
		d->listener[i] = listener_open(d->device[i], &o->device[i]);
		if (!d->listener[i])
			return -EINVAL;
	}
	return 0;
}

static int main_jail(const struct daemon *d, const struct options *o)
{
	u16 port[OPTIONS_DEVICES];
	unsigned int i;

	for (i = 0; i < d->devices; i++)
		port[i] = d->device[i]->port;
	return jail_enter(o, port);
}

static bool main_busy(const struct daemon *d)
{
	unsigned int i;

	for (i = 0; i < d->devices; i++) {
		if (listener_busy(d->listener[i]))
			return true;
	}
	return false;
}

static int main_serve(struct daemon *d)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < d->devices && !r; i++)
		r = listener_start(d->listener[i], d->loop);
	if (r) {
		for (i = 0; i < d->devices; i++)
			listener_stop(d->listener[i]);
	}
	while (main_busy(d)) {
		int turn = loop_turn(d->loop);

		if (turn) {
			log_error(NULL, "cannot wait for events: %s", strerror(-turn));
			return turn;
		}
	}
	return r;
}

static void main_close(struct daemon *d)
{
	unsigned int i;

	for (i = 0; i < d->devices; i++) {
		listener_close(d->listener[i]);
		device_close(d->device[i]);
	}
	if (d->signals.fd >= 0)
		close(d->signals.fd);
	loop_close(d->loop);
}

int main(int argc, char **argv)
{
	struct daemon d = { .signals.fd = -1 };
	struct options o;
	int r;

	/* What is large is mapped, and given back when it is freed, whatever was freed before. */
	mallopt(M_MMAP_THRESHOLD, MAIN_MMAP_BYTES);
	r = options_parse(&o, argc, argv);
	if (r > 0) {
		log_level_set(o.level);
		r = main_open(&d, &o);
		if (!r)
			r = main_jail(&d, &o);
		if (!r)
			r = main_check_uring();
		if (!r)
			r = main_serve(&d);
		main_close(&d);
	}
	options_free(&o);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
