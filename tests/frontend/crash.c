// SPDX-License-Identifier: GPL-2.0
/*
 *	crash RING KILLS SEED SOCKET IMAGE COMMAND [WORD]...
 *
 * Kills a back-end again and again while a disk is in use, and looks at what came of it.
 *
 * Theory
 * ------
 * COMMAND serves the disk IMAGE at SOCKET. It is started, killed (SIGKILL) at a random
 * moment, started again, KILLS times; the moment can be any: while it starts, while it is
 * told of the rings, in the midst of requests. The front-end goes on with the in-flight log
 * that the first one gave it, and never resets anything.
 *
 * The disk is BLOCKS blocks. Each has at most one request at a time, and a version, which
 * counts the writes that were completed: what a block must hold is known at each moment.
 * A write fills the block with its number and version; a read must find the latest
 * version. So a request
 *
 *   lost	never completes: at the end some are still in flight, after DRAIN_SECONDS;
 *   doubled	completes twice: the ring's driver half sees an id that is not in flight;
 *   differing	was served again after its completion was seen, or never, though it
 *		completed: a read, or the image itself at the end, has another version.
 *
 * Few blocks and many requests: a block is written again at once, so that a write that is
 * served too late hits a newer one.
 *
 * The last line is the summary; the status is 0 when all is well and requests were in flight
 * at half of the kills at least: else nothing was shown.
 */
#include "frontend.h"

#include "../../ring/blk_req.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS		256u
#define BLOCK_BYTES	4096u
#define WORDS		(BLOCK_BYTES / sizeof(u64))
#define DEPTH		64u
#define QUEUE_SIZE	256u
#define QUEUES		2u
#define LIFE_US_MAX	30000u	/* of a back-end, from its start or from its first request */
#define DRAIN_SECONDS	20

/**
 * struct slot - a request that can be in flight
 * @busy: it is
 * @type: VIRTIO_BLK_T_IN, OUT or FLUSH
 * @block: it is about
 * @q: its queue
 * @hdr: header, data and status, in guest memory
 */
struct slot {
	bool busy;
	u32 type;
	u32 block;
	unsigned int q;
	struct {
		struct virtio_blk_outhdr hdr;
		u8 status;
		u8 padding[47];
		u64 data[WORDS];
	} *mem;
};

static struct fe fe;
static struct slot slots[DEPTH];
static u32 versions[BLOCKS];	/* completed writes */
static bool busy[BLOCKS];
static pid_t daemon_pid = -1;
static u64 served, in_flight, killed_in_flight, differing, doubled;

static u64 word_of(u32 block, u32 version, unsigned int i)
{
	return (u64)block << 48 | (u64)version << 16 | i;
}

static bool holds(const u64 *data, u32 block, u32 version)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		/* A new image is all zeros. */
		if (data[i] != (version ? word_of(block, version, i) : 0)) {
			fprintf(stderr, "block %u, word %u: %#llx, should be of version %u\n",
				block, i, (unsigned long long)data[i], version);
			return false;
		}
	}
	return true;
}

/* ---- requests ------------------------------------------------------------------ */

static bool submit(struct slot *s)
{
	struct fe_queue *q = &fe.queue[s->q];
	bool flush = s->type == VIRTIO_BLK_T_FLUSH, out = s->type == VIRTIO_BLK_T_OUT;
	struct ring_seg seg[3] = {
		{ fe_bus(&fe, &s->mem->hdr), sizeof(s->mem->hdr) },
		{ fe_bus(&fe, s->mem->data), BLOCK_BYTES },
		{ fe_bus(&fe, &s->mem->status), 1 },
	};
	struct ring_buf buf = { .seg = seg, .out = out ? 2 : 1, .in = flush || out ? 1 : 2 };
	u64 sector = flush ? 0 : (u64)s->block * (BLOCK_BYTES / 512);
	unsigned int i;

	if (flush)
		seg[1] = seg[2];
	s->mem->hdr = (struct virtio_blk_outhdr) {
		.type = (__force __virtio32)cpu_to_le32(s->type),
		.sector = (__force __virtio64)cpu_to_le64(sector),
	};
	s->mem->status = 0xff;
	for (i = 0; i < WORDS && !flush; i++)
		s->mem->data[i] = out ? word_of(s->block, versions[s->block] + 1, i) : ~0ull;
	if (ring_drv_add(&q->ring, &buf, s) < 0)
		return false;
	s->busy = true;
	in_flight++;
	if (!flush)
		busy[s->block] = true;
	return true;
}

static void fill(void)
{
	struct slot *s;
	unsigned int i;

	for (s = slots; s < slots + DEPTH; s++) {
		if (s->busy)
			continue;
		s->q = (unsigned int)random() % QUEUES;
		s->type = random() % 64 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_FLUSH;
		if (s->type == VIRTIO_BLK_T_OUT && random() % 3 == 0)
			s->type = VIRTIO_BLK_T_IN;
		s->block = (u32)random() % BLOCKS;
		while (busy[s->block])
			s->block = (s->block + 1) % BLOCKS;
		if (!submit(s))
			break;
	}
	for (i = 0; i < QUEUES; i++)
		fe_kick(&fe.queue[i]);
}

static void finish(struct slot *s)
{
	s->busy = false;
	in_flight--;
	served++;
	if (s->mem->status != VIRTIO_BLK_S_OK) {
		fprintf(stderr, "block %u: status %u\n", s->block, s->mem->status);
		differing++;
	}
	if (s->type == VIRTIO_BLK_T_FLUSH)
		return;
	busy[s->block] = false;
	if (s->type == VIRTIO_BLK_T_OUT)
		versions[s->block]++;
	else if (!holds(s->mem->data, s->block, versions[s->block]))
		differing++;
}

/* Take what is complete. Return: false when a ring broke. */
static bool reap(void)
{
	struct ring_done done;
	unsigned int i;
	int r;

	for (i = 0; i < QUEUES; i++) {
		struct ring_drv *ring = &fe.queue[i].ring;

		do {
			ring_drv_disarm(ring);
			while ((r = ring_drv_poll(ring, &done)) > 0)
				finish(done.cookie);
			if (r < 0) {
				fprintf(stderr, "queue %u: %s\n", i,
					ring_fault_name(ring_drv_fault(ring)));
				doubled++;
				return false;
			}
		} while (ring_drv_arm(ring));
	}
	return true;
}

/* ---- the back-end --------------------------------------------------------------- */

static bool start(char **command)
{
	daemon_pid = fork();
	if (!daemon_pid) {
		execv(command[0], command);
		_exit(127);
	}
	return daemon_pid > 0;
}

static void slay(void)
{
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	daemon_pid = -1;
	fe_drop(&fe);
}

static u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

/* A process of its own kills it, so that the moment has nothing to do with ours. */
static pid_t doom(u64 us)
{
	const struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };
	pid_t pid = fork();

	if (!pid) {
		nanosleep(&t, NULL);
		kill(daemon_pid, SIGKILL);
		_exit(0);
	}
	return pid;
}

static bool dead(void)
{
	siginfo_t info = { .si_pid = 0 };

	return !waitid(P_PID, (id_t)daemon_pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

static int set_up(void)
{
	unsigned int i;
	int r;

	r = fe_log(&fe, QUEUES, QUEUE_SIZE);
	for (i = 0; i < QUEUES && !r; i++)
		r = fe_queue_open(&fe, (u16)i, QUEUE_SIZE);
	for (i = 0; i < DEPTH && !r; i++) {
		slots[i].mem = fe_alloc(&fe, sizeof(*slots[i].mem));
		r = slots[i].mem ? 0 : -ENOMEM;
	}
	return r;
}

/* One life of the back-end. Return: false when there is no use in going on. */
static bool live(char **command, const char *path, u64 features, bool last)
{
	const u64 protocol = MESSAGE_F_MQ | MESSAGE_F_REPLY_ACK | MESSAGE_F_CONFIG |
			     MESSAGE_F_INFLIGHT_SHMFD;
	const struct timespec pause = { .tv_nsec = 200000 };
	u64 end = now_us() + DRAIN_SECONDS * 1000000ull;
	bool fine = true;
	pid_t killer = 0;
	int r;

	if (!start(command))
		return false;
	/* Every fourth is killed while it starts. */
	if (!last && fe.queue[0].size && random() % 4 == 0)
		killer = doom((u64)random() % LIFE_US_MAX);
	while ((r = fe_connect(&fe, path, features, protocol)) == -ENOTCONN && !dead() &&
	       now_us() < end)
		nanosleep(&pause, NULL);
	if (!r && !fe.queue[0].size)
		r = set_up();
	if (!r)
		r = fe_resume(&fe);
	if (r && r != -ENOTCONN && !(killer && dead()))
		fine = false;
	if (!last && !killer)
		killer = doom((u64)random() % LIFE_US_MAX);
	while (!r && fine && !(last ? !in_flight || now_us() > end : dead())) {
		if (!last)
			fill();
		fine = reap();
		if (fine && in_flight)
			fe_wait(&fe, 1);
	}
	if (killer)
		waitpid(killer, NULL, 0);
	killed_in_flight += !last && in_flight;
	if (last && fine && !r) {
		kill(daemon_pid, SIGTERM);
		waitpid(daemon_pid, NULL, 0);
		fe_drop(&fe);
	} else {
		slay();
	}
	return fine;
}

/* What the image itself holds. */
static void look(const char *image)
{
	u64 data[WORDS];
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	u32 i;

	for (i = 0; i < BLOCKS; i++) {
		if (pread(fd, data, sizeof(data), (off_t)i * BLOCK_BYTES) != sizeof(data) ||
		    !holds(data, i, versions[i]))
			differing++;
	}
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	u64 features = BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | BIT_ULL(VIRTIO_BLK_F_FLUSH);
	unsigned int kills, n;
	bool fine = true;

	if (argc < 7) {
		fputs("usage: crash split|packed|ordered KILLS SEED SOCKET IMAGE COMMAND [WORD]...\n",
		      stderr);
		return 2;
	}
	if (strcmp(argv[1], "split"))
		features |= BIT_ULL(VIRTIO_F_RING_PACKED);
	if (!strcmp(argv[1], "ordered"))
		features |= BIT_ULL(VIRTIO_F_IN_ORDER);
	kills = (unsigned int)atoi(argv[2]);
	srandom((unsigned int)atoi(argv[3]));
	if (fe_open(&fe, 4u << 20)) {
		perror("guest memory");
		return 2;
	}
	for (n = 0; n < kills && fine; n++)
		fine = live(argv + 6, argv[4], features, false);
	if (fine)
		fine = live(argv + 6, argv[4], features, true);
	look(argv[5]);
	printf("%u kills: lost %llu, doubled %llu, differing %llu; %llu requests, in flight at %llu of the kills\n",
	       n, (unsigned long long)in_flight, (unsigned long long)doubled,
	       (unsigned long long)differing, (unsigned long long)served,
	       (unsigned long long)killed_in_flight);
	fe_close(&fe);
	return fine && !in_flight && !doubled && !differing && killed_in_flight * 2 >= n ? 0 : 1;
}
