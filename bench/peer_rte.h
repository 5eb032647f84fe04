/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DPDK's rte_ring as a peer: two rings of pointers, one for full slots and one for
 * those that are free again, each with one producer and one consumer.
 *
 * Theory
 * ------
 * A pointer is handed over, nothing else: no length, no status, no checks, since in
 * DPDK both ends are one program. With a batch, pointers are taken and given in
 * bursts of up to so many. DPDK's environment is not started: a ring in memory of
 * one's own needs none of it.
 *
 * The library is not always there. Whoever links without peer_rte.c finds
 * &peer_rte to be NULL.
 */
#ifndef BENCH_PEER_RTE_H
#define BENCH_PEER_RTE_H

#include "load.h"

extern const struct subject peer_rte __attribute__((weak));

#endif /* BENCH_PEER_RTE_H */
