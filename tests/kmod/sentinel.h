/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the test module sentinel.ko know of each other; main.c has the theory.
 */
#ifndef TESTS_KMOD_SENTINEL_H
#define TESTS_KMOD_SENTINEL_H

#include <linux/fs.h>
#include <linux/netdevice.h>
#include <linux/seq_file.h>

/* ---- secret.c ------------------------------------------------------------- */

int secret_set(const char *hex);
void secret_forget(void);
int secret_take(unsigned int mib);
void secret_give(void);
void secret_fill(void *at, size_t bytes);
bool secret_is_all(const u8 *at, size_t bytes, size_t phase);
void secret_status(struct seq_file *seq);

/* ---- pattern.c ------------------------------------------------------------ */

int pattern_make(void);
void pattern_free(void);
const u8 *pattern_at(u64 at);
u64 pattern_of(u32 number);

/* ---- frames.c ------------------------------------------------------------- */

int frames_send(struct net_device *dev, const u8 *mac, u32 count);
void frames_end(void);
void frames_status(struct seq_file *seq);

/* ---- sectors.c ------------------------------------------------------------ */

int sectors_move(struct file *disk, u32 count);
void sectors_status(struct seq_file *seq);

#endif
