/* SPDX-License-Identifier: GPL-2.0 */
/* The file in which a session's queues log what they have in flight. */
#ifndef HOST_INFLIGHT_H
#define HOST_INFLIGHT_H

#include "memory.h"

struct inflight;

/**
 * inflight_make() - make the file for a front-end that asks for one
 * @m: GET_INFLIGHT_FD message; its payload becomes the answer's
 * @features: negotiated
 * @queues: vrings of the device
 * @why: set, when an error is returned, to what is wrong, in words
 *
 * Return: fd of a sealed and zeroed memfd, the caller's, or -EPROTO.
 */
int inflight_make(struct message *m, u64 features, u16 queues, const char **why);

/**
 * inflight_open() - take a file that was made before, perhaps by another process
 * @m: SET_INFLIGHT_FD message; its fd is taken
 * @features: negotiated
 * @queues: vrings of the device
 * @why: set, when an error is returned, to what is wrong, in words
 * @inflight: filled in when 0 is returned
 *
 * Return: 0, or -EPROTO for one that cannot be.
 */
int inflight_open(struct message *m, u64 features, u16 queues, const char **why,
		  struct inflight **inflight);

/**
 * inflight_close() - forget the file
 * @inflight: no queue logs in it any more; NULL is ignored
 */
void inflight_close(struct inflight *inflight);

/**
 * inflight_part() - where a queue logs
 * @inflight: the file, or NULL
 * @index: of the vring
 * @num: its descriptors
 * @features: negotiated
 * @part: filled in when 0 is returned: ring_log_bytes() of memory, or NULL for a queue that
 *	has no log
 *
 * Return: 0, or -EINVAL when the file has a part for this queue that is too small.
 */
int inflight_part(struct inflight *inflight, u16 index, u32 num, u64 features,
		  void __shared **part);

/**
 * inflight_note() - keep something for the daemon that will go on
 * @inflight: the file, or NULL
 * @note: 7 bits
 *
 * Nothing happens with a file that has no room for it: one that another program made.
 */
void inflight_note(struct inflight *inflight, u8 note);

/**
 * inflight_recall() - what an earlier daemon kept
 * @inflight: the file
 *
 * Return: its note, or -ENOENT.
 */
int inflight_recall(struct inflight *inflight);

/**
 * inflight_faulted() - was the file truncated? Any thread, cheap.
 * @inflight: the file, or NULL
 *
 * Return: as memory_faulted().
 */
bool inflight_faulted(const struct inflight *inflight);

#endif /* HOST_INFLIGHT_H */
