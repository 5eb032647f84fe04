/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One vhost-user message, as it comes off the socket (docs/interop/vhost-user.rst
 * of QEMU, "Message Specification").
 */
#ifndef HOST_MESSAGE_H
#define HOST_MESSAGE_H

#include "closer.h"

/* Requests of the front-end that this back-end answers, by their number. */
enum message_request {
	MESSAGE_GET_FEATURES = 1,
	MESSAGE_SET_FEATURES = 2,
	MESSAGE_SET_OWNER = 3,
	MESSAGE_RESET_OWNER = 4,
	MESSAGE_SET_MEM_TABLE = 5,
	MESSAGE_SET_LOG_BASE = 6,
	MESSAGE_SET_LOG_FD = 7,
	MESSAGE_SET_VRING_NUM = 8,
	MESSAGE_SET_VRING_ADDR = 9,
	MESSAGE_SET_VRING_BASE = 10,
	MESSAGE_GET_VRING_BASE = 11,
	MESSAGE_SET_VRING_KICK = 12,
	MESSAGE_SET_VRING_CALL = 13,
	MESSAGE_SET_VRING_ERR = 14,
	MESSAGE_GET_PROTOCOL_FEATURES = 15,
	MESSAGE_SET_PROTOCOL_FEATURES = 16,
	MESSAGE_GET_QUEUE_NUM = 17,
	MESSAGE_SET_VRING_ENABLE = 18,
	MESSAGE_SEND_RARP = 19,
	MESSAGE_NET_SET_MTU = 20,
	MESSAGE_SET_BACKEND_REQ_FD = 21,
	MESSAGE_GET_CONFIG = 24,
	MESSAGE_SET_CONFIG = 25,
	MESSAGE_GET_INFLIGHT_FD = 31,
	MESSAGE_SET_INFLIGHT_FD = 32,
	MESSAGE_RESET_DEVICE = 34,
	MESSAGE_GET_MAX_MEM_SLOTS = 36,
	MESSAGE_ADD_MEM_REG = 37,
	MESSAGE_REM_MEM_REG = 38,
	MESSAGE_SET_STATUS = 39,
	MESSAGE_GET_STATUS = 40,
	MESSAGE_REQUESTS,
};

/* A request of ours to the front-end. */
#define MESSAGE_BACKEND_CONFIG_CHANGE_MSG 2u

/* Protocol feature bits that this back-end knows. */
#define MESSAGE_F_MQ		BIT_ULL(0)
#define MESSAGE_F_LOG_SHMFD	BIT_ULL(1)
#define MESSAGE_F_RARP		BIT_ULL(2)
#define MESSAGE_F_REPLY_ACK	BIT_ULL(3)
#define MESSAGE_F_NET_MTU	BIT_ULL(4)
#define MESSAGE_F_BACKEND_REQ	BIT_ULL(5)
#define MESSAGE_F_CONFIG	BIT_ULL(9)
#define MESSAGE_F_BACKEND_SEND_FD BIT_ULL(10)
#define MESSAGE_F_INFLIGHT_SHMFD BIT_ULL(12)
#define MESSAGE_F_RESET_DEVICE	BIT_ULL(13)
#define MESSAGE_F_CONFIGURE_MEM_SLOTS BIT_ULL(15)
#define MESSAGE_F_STATUS	BIT_ULL(16)
#define MESSAGE_F_GPA_ADDRESSES	BIT_ULL(21)

/* The virtio feature bit that stands for protocol features. */
#define MESSAGE_VIRTIO_F_PROTOCOL 30
/* And the one that says: log what is written to guest memory. Drivers never see it. */
#define MESSAGE_VIRTIO_F_LOG_ALL 26

#define MESSAGE_VERSION		0x1u
#define MESSAGE_HDR_BYTES	12u
#define MESSAGE_REGIONS		8u	/* most regions of a table, and most fds */
#define MESSAGE_CONFIG_BYTES	256u	/* most bytes of configuration space */
#define MESSAGE_NOFD		BIT_ULL(8) /* in a vring fd message: no fd follows */

/* "A vring state description" */
struct message_state {
	u32 index;
	u32 num;
};

/* Flag of a vring's addresses: writes to the used ring are logged as those to @log would be. */
#define MESSAGE_ADDR_LOG	1u

/* "A vring address description"; addresses are the front-end's own. */
struct message_addr {
	u32 index;
	u32 flags;
	u64 desc;
	u64 used;
	u64 avail;
	u64 log;
};

/* One region of "Memory regions description" */
struct message_region {
	u64 guest;
	u64 bytes;
	u64 user;
	u64 offset;
};

/* "Single memory region description" */
struct message_slot {
	u64 padding;
	struct message_region region;
};

/* "Memory regions description" */
struct message_table {
	u32 regions;
	u32 padding;
	struct message_region region[MESSAGE_REGIONS];
};

/* "Inflight description"; QEMU sends it padded to a multiple of 8 bytes, and wants it so. */
struct message_inflight {
	u64 bytes;
	u64 offset;
	u16 queues;
	u16 size;
	u32 padding;
};

/* "Log description" */
struct message_log {
	u64 bytes;
	u64 offset;
};

/* "Virtio device config space" */
struct message_config {
	u32 offset;
	u32 bytes;
	u32 flags;
	u8 data[MESSAGE_CONFIG_BYTES];
};

/**
 * struct message - a message on its way in; private
 * @have: bytes received so far, header included
 * @request: enum message_request once message_receive() returned 1
 * @flags: of the header
 * @size: bytes of payload
 * @u64: payload, by the request's kind
 * @state: likewise
 * @addr: likewise
 * @table: likewise
 * @slot: likewise
 * @config: likewise
 * @inflight: likewise
 * @log: likewise
 * @fd: file descriptors that came with it, owned by the message
 * @fds: how many
 * @closer: closes those that nobody takes
 */
struct message {
	u32 have;
	struct __attribute__((packed, aligned(4))) {
		u32 request;
		u32 flags;
		u32 size;
		union {
			u64 u64;
			struct message_state state;
			struct message_addr addr;
			struct message_table table;
			struct message_slot slot;
			struct message_config config;
			struct message_inflight inflight;
			struct message_log log;
		};
	};
	int fd[MESSAGE_REGIONS];
	unsigned int fds;
	struct closer *closer;
};

/**
 * message_init() - make ready for the first message
 * @m: the message
 * @closer: of the device
 */
void message_init(struct message *m, struct closer *closer);

/**
 * message_reset() - forget a message and close what is left of its fds
 * @m: the message; ready for the next one after it
 */
void message_reset(struct message *m);

/**
 * message_receive() - take what there is of a message
 * @m: the message
 * @sock: non-blocking socket
 * @why: set, when -EPROTO is returned, to what is wrong with it, in words
 *
 * Never takes bytes of the next message. Size, flags and number of fds are
 * checked against the request before 1 is returned.
 *
 * Return: 1 for a whole message, 0 when more must come, -EPROTO for one that
 * cannot be, -ENOTCONN when the front-end went away between two messages, other
 * -errno from the socket.
 */
int message_receive(struct message *m, int sock, const char **why);

/**
 * message_wants_ack() - did the front-end ask for a reply?
 * @m: a whole message
 *
 * Return: true when NEED_REPLY is set; it counts only with REPLY_ACK negotiated.
 */
bool message_wants_ack(const struct message *m);

/**
 * message_reply() - answer a message
 * @m: the message; its payload is what is sent
 * @sock: the socket
 * @size: bytes of payload
 * @fd: goes with it and stays the caller's; -1: none
 *
 * Return: 0, -EAGAIN when the front-end does not read its answers, or -errno.
 */
int message_reply(struct message *m, int sock, u32 size, int fd);

/**
 * message_take_fd() - become the owner of a message's fd
 * @m: the message
 * @i: which, below @m->fds
 *
 * Return: the fd, or -1 when it was taken before.
 */
int message_take_fd(struct message *m, unsigned int i);

/**
 * message_name() - a request in words
 * @request: any value
 *
 * Return: a constant string, never NULL.
 */
const char *message_name(u32 request);

#endif /* HOST_MESSAGE_H */
