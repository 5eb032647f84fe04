/* SPDX-License-Identifier: GPL-2.0 */
/* The part of a front-end's memory that a session may see. */
#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include "message.h"
#include "../ring/shared.h"

struct memory;

/* Most regions of a session. */
#define MEMORY_SLOTS	32u

/**
 * memory_open() - take a table of regions
 * @m: SET_MEM_TABLE message; its fds are taken
 * @why: set, when an error is returned, to what is wrong with it, in words
 * @memory: filled in when 0 is returned
 *
 * Maps nothing yet.
 *
 * Return: 0, -EPROTO for a table that cannot be, -ENOMEM.
 */
int memory_open(struct message *m, const char **why, struct memory **memory);

/**
 * memory_open_file() - take a log of the front-end's as if it were a region
 * @m: the message; its only fd is the file, and is taken
 * @w: the region; need not be whole pages
 * @why: set, when an error is returned, to what is wrong with it, in words
 * @memory: filled in when 0 is returned
 *
 * Return: as memory_open().
 */
int memory_open_file(struct message *m, const struct message_region *w, const char **why,
		     struct memory **memory);

/**
 * memory_add() - take one more region
 * @m: ADD_MEM_REG message; its fd is taken
 * @why: set, when an error is returned, to what is wrong with it, in words
 * @memory: the regions; NULL in it: there is none yet
 *
 * No queue runs on them. One that is there already is counted, and has to be removed as often: QEMU
 * 7.2 sends all of them for each pair of queues of a card.
 *
 * Return: 0, or -EPROTO for a region that cannot be; then nothing changed.
 */
int memory_add(struct message *m, const char **why, struct memory **memory);

/**
 * memory_remove() - forget one region
 * @m: REM_MEM_REG message
 * @why: set, when an error is returned, to what is wrong with it, in words
 * @memory: the regions, or NULL
 *
 * No queue runs on them. Return: 0, or -EPROTO when there is no such region.
 */
int memory_remove(const struct message *m, const char **why, struct memory *memory);

/**
 * memory_close() - forget the regions
 * @memory: no queue runs on it any more; NULL is ignored
 */
void memory_close(struct memory *memory);

/**
 * memory_map() - translate a guest address; a ring_map_fn
 * @ctx: the struct memory
 * @addr: guest-physical address
 * @len: bytes, at least 1
 * @write: not looked at; all of a region may be written
 *
 * Maps the granules that the range lies in when it is the first to name them.
 * Any thread.
 *
 * Return: its address here, or NULL when it is not wholly inside one region or
 * cannot be mapped.
 */
void __shared *memory_map(void *ctx, u64 addr, u32 len, bool write);

/**
 * memory_map_user() - translate an address of the front-end
 * @memory: the regions
 * @addr: address as the front-end's process sees it (ring addresses are given so)
 * @len: bytes, at least 1
 *
 * Return: as memory_map().
 */
void __shared *memory_map_user(struct memory *memory, u64 addr, size_t len);

/**
 * memory_guest() - the guest's address of what was translated
 * @memory: the regions
 * @at: address here, as memory_map() or memory_map_user() gave it, or inside of what they gave
 * @guest: set when true is returned
 *
 * Any thread. Return: false for what is in no region.
 */
bool memory_guest(const struct memory *memory, const void __shared *at, u64 *guest);

/**
 * memory_shared() - shared again, what was given to a system call
 * @at: address here of what memory_map() gave
 *
 * Return: the same address.
 */
void __shared *memory_shared(void *at);

/**
 * memory_end() - where the highest of the regions ends
 * @memory: the regions
 *
 * Return: the guest's address behind it.
 */
u64 memory_end(const struct memory *memory);

/**
 * memory_regions() - number of regions
 * @memory: the regions
 *
 * Return: from 0 to MEMORY_SLOTS.
 */
unsigned int memory_regions(const struct memory *memory);

/**
 * memory_offered() - bytes of all regions
 * @memory: the regions
 *
 * Return: bytes.
 */
u64 memory_offered(const struct memory *memory);

/**
 * memory_mapped() - bytes that were ever mapped
 * @memory: the regions
 *
 * Return: bytes.
 */
u64 memory_mapped(struct memory *memory);

/**
 * memory_faulted() - did a region's file lose pages that were mapped?
 * @memory: the regions
 *
 * Zeroed private pages took their place; the session is to be closed. Any
 * thread, cheap.
 *
 * Return: true once that happened.
 */
bool memory_faulted(const struct memory *memory);

/**
 * memory_catch_faults() - survive a front-end that truncates its files
 *
 * Installs the SIGBUS handler. Once, before the first memory_open().
 *
 * Return: 0 or -errno.
 */
int memory_catch_faults(void);

#endif /* HOST_MEMORY_H */
