// SPDX-License-Identifier: GPL-2.0
/*
 * A connection of a disk to its NBD server.
 *
 * Theory
 * ------
 * libnbd speaks the protocol. A worker never waits for the server: that the socket is ready is an
 * operation of the queue's io_uring, then libnbd is told, and blk_link_settle() looks at what has
 * come of it. While a link is not up, and while its queue stops, it also looks by the clock.
 *
 *	up -----lost-----> down ----tick----> dialling ----greeted----> up
 *	                    ^                    |
 *	                    +-----no answer------+
 *
 * A request whose step was submitted is held, until it is answered, refused or left. What is held
 * when the connection is lost is done anew when there is another: from its first step
 * on, since what was written before may be lost. Without a connection for the disk's @timeout
 * all that is held is refused, and what comes then likewise, until there is one.
 *
 * A request that was sent may so be done twice. What a server that lives on still does of a
 * connection that was given up, after another has written the same block, is beyond what a client
 * can know.
 *
 * libnbd knows nothing of shared memory: it has private buffers only. It clears them
 * before it reads into them, so that nothing of others is in what a server does not send.
 * Its callbacks must not call it: what is answered is put on a list. It closes its socket when
 * it likes; so operations, and who cuts a link, have a duplicate. When a handle is closed
 * libnbd forgets what was in flight, and no buffer is touched any more.
 *
 * Stopping. A queue that stops waits BLK_LINK_STOP_MS for what is held; then the connection is
 * given up and the requests are left in the in-flight log, or fail where there is none. With
 * nothing held the connection stays, for the next start.
 *
 * A machine that died does not say so: the kernel finds out in the disk's @timeout, or in
 * BLK_LINK_DIAL_MS where that is 0. A server that is there and does not answer is waited for.
 *
 * In the jail no name can be resolved: the address that the first connection had is used again,
 * or a Unix socket's path.
 *
 * #syscalls socket:AF_UNIX socket:AF_INET socket:AF_INET6 connect setsockopt getsockopt shutdown
 * #syscalls recvfrom sendto fcntl close
 */
#include "blk_nbd.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define BLK_LINK_MEET_MS	10000u	/* until a server has greeted, when the disk is opened */
#define BLK_LINK_DIAL_MS	5000u	/* likewise, later */
#define BLK_LINK_STOP_MS	5000u
#define BLK_LINK_TICK_MS	100u
#define BLK_LINK_PAUSE_MAX_MS	2000u	/* between attempts */

static u64 blk_link_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* ---- connecting ------------------------------------------------------------------ */

static struct nbd_handle *blk_link_handle(const struct blk_nbd *n)
{
	struct nbd_handle *h = nbd_create();

	if (!h)
		return NULL;
	nbd_set_uri_allow_transports(h, LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX);
	nbd_set_uri_allow_tls(h, LIBNBD_TLS_DISABLE);
	if (!n->export || !nbd_set_export_name(h, n->export))
		return h;
	nbd_close(h);
	return NULL;
}

/* A connection whose other end does not say that it is gone ends in bounded time. */
static void blk_link_watch(const struct blk_link *l)
{
	const unsigned int ms = l->nbd->timeout ? l->nbd->timeout : BLK_LINK_DIAL_MS;
	const int third = ms < 3000 ? 1 : (int)(ms / 3000);
	const int on = 1;

	if (l->nbd->addr.ss_family == AF_UNIX)
		return;
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPIDLE, &third, sizeof(third));
	setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPINTVL, &third, sizeof(third));
	setsockopt(l->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

/* Begin to connect. Return: 0 or -1; there may be a handle all the same. */
static int blk_link_dial(struct blk_link *l)
{
	struct blk_nbd *n = l->nbd;
	int r, fd = -1;

	l->spent = NULL;
	l->h = blk_link_handle(n);
	if (!l->h)
		return -1;
	pthread_mutex_lock(&n->lock);
	l->era = n->era;
	if (n->addr.ss_family == AF_INET || n->addr.ss_family == AF_INET6)
		r = nbd_aio_connect(l->h, (const struct sockaddr *)&n->addr, n->addr_bytes);
	else
		r = nbd_aio_connect_uri(l->h, n->store.name);
	/* The first time, its name may have several addresses, which are tried one by one. */
	if (!r && n->addr.ss_family) {
		fd = fcntl(nbd_aio_get_fd(l->h), F_DUPFD_CLOEXEC, 0);
		r = fd < 0 ? -1 : 0;
	}
	if (fd >= 0)
		l->fd = fd;
	pthread_mutex_unlock(&n->lock);
	if (fd >= 0)
		blk_link_watch(l);
	return r;
}

/* Where the server is, for later. */
static const char *blk_link_locate(struct blk_link *l)
{
	struct blk_nbd *n = l->nbd;
	struct sockaddr_in6 in;	/* the port is at the same place in either */

	n->addr_bytes = sizeof(n->addr);
	n->export = nbd_get_export_name(l->h);
	l->fd = fcntl(nbd_aio_get_fd(l->h), F_DUPFD_CLOEXEC, 0);
	if (!n->export || l->fd < 0 ||
	    getpeername(l->fd, (struct sockaddr *)&n->addr, &n->addr_bytes))
		return strerror(errno);
	blk_link_watch(l);
	memcpy(&in, &n->addr, sizeof(in));
	if (n->addr.ss_family != AF_UNIX)
		n->store.port = ntohs(in.sin6_port);
	return NULL;
}

/* What is there now cannot be used as what was there before: why not; else NULL. */
static const char *blk_link_differs(const struct blk_link *l)
{
	const struct blk_nbd *n = l->nbd;
	const int64_t bytes = nbd_get_size(l->h);
	const int64_t min = nbd_get_block_size(l->h, LIBNBD_SIZE_MINIMUM);
	const int64_t max = nbd_get_block_size(l->h, LIBNBD_SIZE_MAXIMUM);

	if (bytes <= 0 || bytes % n->store.block)
		return "the export's size cannot be";
	if (min > n->store.block)
		return "the export wants larger blocks than before";
	if (max > 0 && max < n->store.piece)
		return "the export takes smaller requests than before";
	if (!n->readonly && nbd_is_read_only(l->h) > 0)
		return "the export may only be read now";
	if (n->links > 1 && nbd_can_multi_conn(l->h) <= 0)
		return "the export has one connection only now";
	return NULL;
}

const char *blk_link_meet(struct blk_link *l)
{
	const u64 end = blk_link_now() + BLK_LINK_MEET_MS;
	const char *why;
	u64 now;
	int r;

	r = blk_link_dial(l);
	while (!r && nbd_aio_is_connecting(l->h) > 0) {
		now = blk_link_now();
		if (now >= end)
			return "it does not answer";
		r = nbd_poll(l->h, (int)(end - now)) < 0 ? -1 : 0;
	}
	if (!r && nbd_aio_is_ready(l->h) > 0) {
		l->up = true;
		return l->nbd->addr.ss_family ? blk_link_differs(l) : blk_link_locate(l);
	}
	why = nbd_get_error();
	return why ? why : "it closed the connection";
}

/* ---- requests --------------------------------------------------------------------- */

static void blk_link_hold(struct blk_link *l, struct blk_io *io)
{
	io->slot = l->holds;
	l->held[l->holds++] = io;
}

static void blk_link_release(struct blk_link *l, struct blk_io *io)
{
	struct blk_io *last = l->held[--l->holds];

	l->held[io->slot] = last;
	last->slot = io->slot;
}

/* A request does not wait for a connection any more. */
static void blk_link_refuse(struct blk_link *l, struct queue *q, struct blk_io *io)
{
	if (l->leaving) {
		blk_io_leave(q, io);
		return;
	}
	if (io->req.op == BLK_OP_FLUSH)
		blk_nbd_flush_fails(l->nbd, io);
	blk_step_done(q, io, -ENOTCONN);
}

/* None does. What comes meanwhile is refused when it comes. */
static void blk_link_refuse_all(struct blk_link *l, struct queue *q)
{
	while (l->holds) {
		struct blk_io *io = l->held[--l->holds];

		blk_link_refuse(l, q, io);
	}
}

/* By libnbd, from within a call of it. */
static int blk_link_on_answer(void *ctx, int *error)
{
	struct blk_io *io = ctx;
	struct blk_link *l = io->link;

	(void)error;
	io->next = NULL;
	*l->answered_end = io;
	l->answered_end = &io->next;
	return 0;
}

/* Can a step be sent? Else it is held until it can. */
static bool blk_link_works(const struct blk_link *l)
{
	return l->up && !l->spent &&
	       (nbd_aio_is_ready(l->h) > 0 || nbd_aio_is_processing(l->h) > 0);
}

/* Send a step. Return: 1, 0 when there is nothing to do, or -errno. */
static int blk_link_send(struct blk_link *l, struct blk_io *io)
{
	const nbd_completion_callback cb = { .callback = blk_link_on_answer, .user_data = io };
	const struct blk_step *step = &io->step;
	const bool fua = io->durable && nbd_can_fua(l->h) > 0;
	u32 flags = fua ? LIBNBD_CMD_FLAG_FUA : 0;

	switch (step->op) {
	case BLK_OP_READ:
		io->cookie = nbd_aio_pread(l->h, step->iov->iov_base, step->bytes, step->offset,
					   cb, 0);
		break;
	case BLK_OP_WRITE:
		io->unsynced |= !fua;
		io->cookie = nbd_aio_pwrite(l->h, step->iov->iov_base, step->bytes, step->offset,
					    cb, flags);
		break;
	case BLK_OP_DISCARD:
		if (nbd_can_trim(l->h) <= 0)
			return -EOPNOTSUPP;
		io->unsynced |= !fua;
		io->cookie = nbd_aio_trim(l->h, step->bytes, step->offset, cb, flags);
		break;
	case BLK_OP_ZEROES:
		if (nbd_can_zero(l->h) <= 0)
			return -EOPNOTSUPP;
		io->unsynced |= !fua;
		if (!step->unmap)
			flags |= LIBNBD_CMD_FLAG_NO_HOLE;
		io->cookie = nbd_aio_zero(l->h, step->bytes, step->offset, cb, flags);
		break;
	default:
		if (!blk_nbd_may_flush(l->nbd, io))
			return -EIO;
		if (nbd_can_flush(l->h) <= 0)
			return 0;
		io->cookie = nbd_aio_flush(l->h, cb, 0);
		break;
	}
	if (io->cookie >= 0)
		return 1;
	return nbd_get_errno() ? -nbd_get_errno() : -EIO;
}

/* What came of a step that was held: 0 or -errno. */
static void blk_link_end(struct blk_link *l, struct queue *q, struct blk_io *io, int res)
{
	blk_link_release(l, io);
	if (res && io->req.op == BLK_OP_FLUSH)
		blk_nbd_flush_fails(l->nbd, io);
	blk_step_done(q, io, res ? res : (int)io->step.bytes);
}

/* What the server said of a step. */
static void blk_link_take(struct blk_link *l, struct queue *q, struct blk_io *io)
{
	int res = 0;

	if (nbd_aio_command_completed(l->h, (u64)io->cookie) <= 0)
		res = nbd_get_errno() ? -nbd_get_errno() : -EIO;
	if (!res)
		res = blk_nbd_done(l->nbd, l, io);
	/* The connection is gone, or is to be, or has been for others: it stays held. */
	if (res == -ENOTCONN || res == -ESHUTDOWN || res == -ESTALE)
		l->spent = res == -ESHUTDOWN ? "the server ends" : "the server went away";
	else
		blk_link_end(l, q, io, res);
}

static void blk_link_take_all(struct blk_link *l, struct queue *q)
{
	struct blk_io *io;

	while ((io = l->answered)) {
		l->answered = io->next;
		if (!l->answered)
			l->answered_end = &l->answered;
		blk_link_take(l, q, io);
	}
}

/* ---- states ------------------------------------------------------------------------ */

/* The connection is of no use any more, or never was. */
static void blk_link_down(struct blk_link *l, struct queue *q, const char *why)
{
	struct blk_nbd *n = l->nbd;
	const u64 now = blk_link_now();
	u32 losses;

	nbd_close(l->h);
	l->h = NULL;
	l->spent = NULL;
	if (l->fd >= 0)
		shutdown(l->fd, SHUT_RDWR);
	queue_cancel(q, &l->op_in);
	queue_cancel(q, &l->op_out);
	if (!l->up) {
		l->next = now + l->pause;
		l->pause = min_t(u32, l->pause * 2, BLK_LINK_PAUSE_MAX_MS);
		log_debug(n->store.id, "NBD server %s: %s", n->store.name, why);
		return;
	}
	l->up = false;
	l->down = now;
	l->next = now;
	l->pause = BLK_LINK_TICK_MS;
	losses = blk_nbd_lost(n, l);
	if (losses)
		log_peer(&n->limit, LOG_WARN, n->store.id,
			 "NBD server %s: connection lost (%u times so far): %s; connecting again",
			 n->store.name, losses, why);
}

/* The other end has greeted. */
static void blk_link_greeted(struct blk_link *l, struct queue *q)
{
	struct blk_io *again[BLK_DEPTH];
	struct blk_nbd *n = l->nbd;
	u32 i, holds = l->holds;
	u64 sectors;
	bool said;

	l->spent = blk_link_differs(l);
	pthread_mutex_lock(&n->lock);
	if (l->era != n->era)
		l->spent = "another connection was lost meanwhile";
	said = n->back == n->era;
	if (!l->spent)
		n->back = n->era;
	pthread_mutex_unlock(&n->lock);
	if (l->spent)
		return;
	l->up = true;
	l->failing = false;
	if (!said)
		log_peer(&n->limit, LOG_INFO, n->store.id, "NBD server %s: connected again",
			 n->store.name);
	sectors = (u64)nbd_get_size(l->h) >> BLK_SECTOR_SHIFT;
	if (__atomic_exchange_n(&n->store.sectors, sectors, __ATOMIC_RELAXED) != sectors) {
		log_peer(&n->limit, LOG_INFO, n->store.id,
			 "NBD server %s: the export has %llu bytes now", n->store.name,
			 (unsigned long long)sectors * BLK_SECTOR);
		queue_renew_config(q);
	}
	memcpy(again, l->held, holds * sizeof(*again));
	l->holds = 0;
	for (i = 0; i < holds; i++)
		blk_io_anew(q, again[i]);
}

/* There has been no connection for too long. */
static void blk_link_fail(struct blk_link *l, struct queue *q)
{
	struct blk_nbd *n = l->nbd;
	bool said;

	pthread_mutex_lock(&n->lock);
	said = n->gone == n->era;
	n->gone = n->era;
	pthread_mutex_unlock(&n->lock);
	l->failing = true;
	if (!said)
		log_peer(&n->limit, LOG_WARN, n->store.id,
			 "NBD server %s: no connection for %u seconds: requests fail until there is one",
			 n->store.name, n->timeout / 1000);
	blk_link_refuse_all(l, q);
}

/* Nobody waits for the socket of a connection that is no more: it can go. */
static void blk_link_close_fd(struct blk_link *l)
{
	if (l->h || l->fd < 0 || l->op_in.pending || l->op_out.pending)
		return;
	pthread_mutex_lock(&l->nbd->lock);
	close(l->fd);
	l->fd = -1;
	pthread_mutex_unlock(&l->nbd->lock);
}

static void blk_link_wait(struct blk_link *l, struct queue *q, struct queue_op *op, u32 events)
{
	struct io_uring_sqe *sqe;

	if (op->pending)
		return;
	sqe = queue_sqe(q, op);
	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, l->fd, events);
	queue_submit(sqe, op);
}

static void blk_link_wait_tick(struct blk_link *l, struct queue *q)
{
	struct io_uring_sqe *sqe;

	if (l->op_tick.pending)
		return;
	sqe = queue_sqe(q, &l->op_tick);
	if (!sqe)
		return;
	l->tick.tv_nsec = BLK_LINK_TICK_MS * 1000000L;
	io_uring_prep_timeout(sqe, &l->tick, 0, 0);
	queue_submit(sqe, &l->op_tick);
}

/* Wait for what there is to wait for. */
static void blk_link_arm(struct blk_link *l, struct queue *q)
{
	unsigned int direction = l->h ? nbd_aio_get_direction(l->h) : 0;

	if (l->stopping && !l->holds) {
		queue_cancel(q, &l->op_in);
		queue_cancel(q, &l->op_out);
		queue_cancel(q, &l->op_tick);
		return;
	}
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		blk_link_wait(l, q, &l->op_in, POLLIN);
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		blk_link_wait(l, q, &l->op_out, POLLOUT);
	if (!l->up || l->stopping)
		blk_link_wait_tick(l, q);
}

/* After anything that may have changed something. */
static void blk_link_settle(struct blk_link *l, struct queue *q)
{
	/* What is done here may come by here. */
	if (l->settling)
		return;
	l->settling = true;
	do {
		if (l->h && !l->up && !l->spent && nbd_aio_is_ready(l->h) > 0)
			blk_link_greeted(l, q);
		blk_link_take_all(l, q);
		if (l->h && !l->spent &&
		    (nbd_aio_is_dead(l->h) > 0 || nbd_aio_is_closed(l->h) > 0))
			l->spent = "the server went away";
		if (l->h && l->spent)
			blk_link_down(l, q, l->spent);
		if (!l->up && !l->failing && blk_link_now() - l->down >= l->nbd->timeout)
			blk_link_fail(l, q);
	} while (l->answered);
	l->settling = false;
	blk_link_close_fd(l);
	blk_link_arm(l, q);
}

/* ---- events ------------------------------------------------------------------------- */

static void blk_link_on_in(struct queue *q, struct queue_op *op, int res)
{
	struct blk_link *l = container_of(op, struct blk_link, op_in);

	if (res >= 0 && l->h && nbd_aio_get_direction(l->h) & LIBNBD_AIO_DIRECTION_READ)
		nbd_aio_notify_read(l->h);
	blk_link_settle(l, q);
}

static void blk_link_on_out(struct queue *q, struct queue_op *op, int res)
{
	struct blk_link *l = container_of(op, struct blk_link, op_out);

	if (res >= 0 && l->h && nbd_aio_get_direction(l->h) & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(l->h);
	blk_link_settle(l, q);
}

/* The queue has waited long enough for what is held. */
static void blk_link_leave(struct blk_link *l, struct queue *q)
{
	log_peer(&l->nbd->limit, LOG_WARN, l->nbd->store.id,
		 "queue %u: NBD server %s does not answer: the queue stops with %u requests in flight",
		 q->index, l->nbd->store.name, l->holds);
	l->leaving = true;
	/* First: what they have must not be touched any more. */
	if (l->h)
		blk_link_down(l, q, "given up by a queue that stops");
	blk_link_refuse_all(l, q);
}

static void blk_link_on_tick(struct queue *q, struct queue_op *op, int res)
{
	struct blk_link *l = container_of(op, struct blk_link, op_tick);
	const u64 now = blk_link_now();

	(void)res;
	if (l->stopping && l->holds && now - l->stop >= BLK_LINK_STOP_MS) {
		blk_link_leave(l, q);
	} else if (l->h && !l->up && now - l->dial >= BLK_LINK_DIAL_MS) {
		l->spent = "no answer";
	} else if (!l->h && l->fd < 0 && now >= l->next) {
		l->dial = now;
		l->next = now + l->pause;
		if (blk_link_dial(l))
			l->spent = "it cannot be connected to";
	}
	blk_link_settle(l, q);
}

/* ---- what the disk asks for ------------------------------------------------------------ */

void blk_link_init(struct blk_link *l, struct blk_nbd *n)
{
	l->nbd = n;
	l->fd = -1;
	l->pause = BLK_LINK_TICK_MS;
	l->answered_end = &l->answered;
	l->op_in.done = blk_link_on_in;
	l->op_out.done = blk_link_on_out;
	l->op_tick.done = blk_link_on_tick;
}

void blk_link_begin(struct blk_link *l, struct queue *q)
{
	blk_link_settle(l, q);
}

void blk_link_submit(struct blk_link *l, struct queue *q, struct blk_io *io)
{
	int r = 1;

	io->link = l;
	blk_nbd_came(l->nbd, io);
	if (l->leaving || (!l->up && l->failing)) {
		blk_link_refuse(l, q, io);
		return;
	}
	blk_link_hold(l, io);
	if (blk_link_works(l))
		r = blk_link_send(l, io);
	if (r <= 0)
		blk_link_end(l, q, io, r);
	blk_link_settle(l, q);
}

void blk_link_stop(struct blk_link *l, struct queue *q)
{
	l->stopping = true;
	l->stop = blk_link_now();
	blk_link_settle(l, q);
}

void blk_link_finish(struct blk_link *l)
{
	/* Some are left when the io_uring does not work any more. */
	l->op_in.pending = false;
	l->op_out.pending = false;
	l->op_tick.pending = false;
	if (l->holds && l->up)
		blk_nbd_lost(l->nbd, l);
	if (l->holds || !l->up) {
		l->up = false;
		nbd_close(l->h);
		l->h = NULL;
	}
	l->holds = 0;
	l->answered = NULL;
	l->answered_end = &l->answered;
	l->stopping = false;
	l->leaving = false;
	blk_link_close_fd(l);
}

void blk_link_close(struct blk_link *l)
{
	/* So that it need not take it for an accident. */
	if (l->up)
		nbd_aio_disconnect(l->h, 0);
	nbd_close(l->h);
	if (l->fd >= 0)
		close(l->fd);
}
