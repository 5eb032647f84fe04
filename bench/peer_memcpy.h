/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The least that can move the bytes, as peers.
 *
 * Theory
 * ------
 * peer_memcpy copies what an operation copies, on both sides, and nobody tells the
 * other anything: the limit that no hand-over can pass. It needs a payload. Since
 * without a hand-over nothing can be expected to arrive, a load that verifies is
 * run as by peer_index, with the same copies.
 *
 * peer_index hands slots over by two counters, each written by one side and alone
 * on its cache lines. A side keeps what it saw of the other's counter and looks
 * again when that is used up. It names no buffer, has no length and no status, lets
 * nothing complete out of order and checks nothing: the limit of a hand-over. With
 * a payload of 0 it is that alone.
 */
#ifndef BENCH_PEER_MEMCPY_H
#define BENCH_PEER_MEMCPY_H

#include "load.h"

extern const struct subject peer_memcpy;
extern const struct subject peer_index;

#endif /* BENCH_PEER_MEMCPY_H */
