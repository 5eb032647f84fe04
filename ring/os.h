/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little that ring/ needs of its surroundings, so that one source serves
 * the kernel modules, the daemon, the tests and the benches.
 *
 * In the kernel the names are the kernel's own; in user space this file
 * supplies them with the same meaning. Nothing else in ring/ asks where it is
 * being compiled.
 */
#ifndef RING_OS_H
#define RING_OS_H

#ifdef __KERNEL__

#include <linux/build_bug.h>
#include <asm/byteorder.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>

#else /* user space */

#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifdef __CHECKER__
#define __force __attribute__((force))
#else
#define __force
#endif

#define barrier()	__asm__ volatile("" : : : "memory")
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* One load, one store: for private words that two threads share. */
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define S64_MAX		INT64_MAX

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT_ULL(n)	(1ULL << (n))
#define min_t(type, a, b) \
	({ type _a = (a), _b = (b); _a < _b ? _a : _b; })
#define ALIGN(x, a)	(((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))

static inline u16 le16_to_cpu(__le16 v) { return le16toh((__force u16)v); }
static inline u32 le32_to_cpu(__le32 v) { return le32toh((__force u32)v); }
static inline u64 le64_to_cpu(__le64 v) { return le64toh((__force u64)v); }
static inline __le16 cpu_to_le16(u16 v) { return (__force __le16)htole16(v); }
static inline __le32 cpu_to_le32(u32 v) { return (__force __le32)htole32(v); }
static inline __le64 cpu_to_le64(u64 v) { return (__force __le64)htole64(v); }

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* As the kernel's: @index when it is below @size, else 0, without a branch. */
static inline size_t array_index_nospec(size_t index, size_t size)
{
	size_t mask;

#if defined(__x86_64__)
	__asm__ volatile("cmp %1, %2; sbb %0, %0"
			 : "=r"(mask) : "r"(size), "r"(index) : "cc");
#else
	mask = ~(size_t)((intptr_t)(index | (size - 1 - index)) >>
			 (sizeof(size_t) * 8 - 1));
	__asm__ volatile("" : "+r"(mask));
#endif
	return index & mask;
}

#endif /* __KERNEL__ */
#endif /* RING_OS_H */
