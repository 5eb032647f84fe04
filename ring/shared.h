/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Access to memory that the other side can write at any time.
 *
 * Theory
 * ------
 * A pointer into shared memory carries the type attribute __shared. Sparse
 * (noderef, address_space) and clang (noderef) refuse to dereference it, so
 * the functions below are the only way in or out, and ring/ is the only room
 * that uses them on ring structures. The rules they encode:
 *
 *  - a scalar is read by exactly one load of its full width (never torn, never
 *    repeated by the compiler) and written by exactly one store;
 *  - a value that was read is private from then on: check it, use it, never
 *    read it again;
 *  - bulk data is copied in one pass, and whoever needs to look at the data
 *    looks at the copy;
 *  - order between the two sides comes from shared_load_acquire*(),
 *    shared_store_release*() and shared_mb(); ring.h says which pairs with
 *    which. Plain loads and stores have no order.
 *
 * All scalars on the wire are little-endian (virtio 1.2, 1.4 and 2.7.6): the
 * accessors convert. They work on the uapi types __virtio16/32/64 and
 * __le16/32/64 alike, which is why they are macros that check the size only.
 */
#ifndef RING_SHARED_H
#define RING_SHARED_H

#include "os.h"

#if defined(__CHECKER__)
#define __shared __attribute__((noderef, address_space(__shared)))
#elif defined(__clang__)
#define __shared __attribute__((noderef))
#else
#define __shared
#endif

/*
 * The one way to lose the attribute. Only for this file: by way of an integer,
 * which both checkers take for intent.
 */
#define __shared_raw(type, p)	((__force type *)(__force unsigned long)(p))

/*
 * One place is written as a word and read as its parts: by the other side always, by
 * one half too. The compiler must not take them for different places.
 */
typedef u8 __attribute__((may_alias)) shared_u8;
typedef u16 __attribute__((may_alias)) shared_u16;
typedef u32 __attribute__((may_alias)) shared_u32;
typedef u64 __attribute__((may_alias)) shared_u64;
typedef u64 __attribute__((aligned(4), may_alias)) shared_pair32;

#ifdef __KERNEL__

#define __shared_get(type, p)		READ_ONCE(*__shared_raw(const type, p))
#define __shared_put(type, p, v)	WRITE_ONCE(*__shared_raw(type, p), v)
#define __shared_get_acquire(type, p)	virt_load_acquire(__shared_raw(type, p))
#define __shared_put_release(type, p, v) virt_store_release(__shared_raw(type, p), v)
/* Orders all earlier accesses before all later ones, stores before loads too. */
#define shared_mb()			virt_mb()
#define __shared_size_is(p, n)		BUILD_BUG_ON(sizeof(*(p)) != (n))

#else

#define __shared_get(type, p) \
	__atomic_load_n(__shared_raw(type, p), __ATOMIC_RELAXED)
#define __shared_put(type, p, v) \
	__atomic_store_n(__shared_raw(type, p), v, __ATOMIC_RELAXED)
#define __shared_get_acquire(type, p) \
	__atomic_load_n(__shared_raw(type, p), __ATOMIC_ACQUIRE)
#define __shared_put_release(type, p, v) \
	__atomic_store_n(__shared_raw(type, p), v, __ATOMIC_RELEASE)
#define __shared_size_is(p, n) \
	_Static_assert(sizeof(*(p)) == (n), "wrong accessor for this width")

/* Orders all earlier accesses before all later ones, stores before loads too. */
#define shared_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Set bits of a byte in which others set and clear some; earlier accesses cannot pass it. */
static inline void shared_set_bits8(u8 __shared *p, u8 bits)
{
	__atomic_fetch_or(__shared_raw(shared_u8, p), bits, __ATOMIC_RELEASE);
}

#endif /* __KERNEL__ */

/* One load each; the result is host-endian and private. */
#define shared_load16(p) ({ __shared_size_is(p, 2); \
	le16_to_cpu((__force __le16)__shared_get(shared_u16, p)); })
#define shared_load32(p) ({ __shared_size_is(p, 4); \
	le32_to_cpu((__force __le32)__shared_get(shared_u32, p)); })
#define shared_load64(p) ({ __shared_size_is(p, 8); \
	le64_to_cpu((__force __le64)__shared_get(shared_u64, p)); })
#define shared_load8(p) ({ __shared_size_is(p, 1); __shared_get(shared_u8, p); })

/*
 * Two adjacent 32-bit fields by one 8-byte load, the first one in the low half.
 * A used element is aligned to 4 only (virtio 1.2, 2.7).
 */
#define shared_load_pair32(p) ({ __shared_size_is(p, 8); \
	le64_to_cpu((__force __le64)*__shared_raw(const volatile shared_pair32, p)); })

/* One store each; @v is host-endian. */
#define shared_store16(p, v) ({ __shared_size_is(p, 2); \
	__shared_put(shared_u16, p, (__force u16)cpu_to_le16(v)); })
#define shared_store32(p, v) ({ __shared_size_is(p, 4); \
	__shared_put(shared_u32, p, (__force u32)cpu_to_le32(v)); })
#define shared_store64(p, v) ({ __shared_size_is(p, 8); \
	__shared_put(shared_u64, p, (__force u64)cpu_to_le64(v)); })
#define shared_store8(p, v) ({ __shared_size_is(p, 1); __shared_put(shared_u8, p, v); })

/* A load that later accesses cannot pass; a store that earlier ones cannot. */
#define shared_load_acquire16(p) ({ __shared_size_is(p, 2); \
	le16_to_cpu((__force __le16)__shared_get_acquire(shared_u16, p)); })
#define shared_load_acquire64(p) ({ __shared_size_is(p, 8); \
	le64_to_cpu((__force __le64)__shared_get_acquire(shared_u64, p)); })
#define shared_store_release16(p, v) ({ __shared_size_is(p, 2); \
	__shared_put_release(shared_u16, p, (__force u16)cpu_to_le16(v)); })
#define shared_store_release64(p, v) ({ __shared_size_is(p, 8); \
	__shared_put_release(shared_u64, p, (__force u64)cpu_to_le64(v)); })

/**
 * shared_copy_in() - copy from shared memory into private memory
 * @dst: private destination
 * @src: shared source; its contents may change during the copy
 * @len: bytes
 *
 * One pass. What lands in @dst may mix old and new bytes; it is checked there.
 */
static inline void shared_copy_in(void *dst, const void __shared *src, size_t len)
{
	memcpy(dst, __shared_raw(const void, src), len);
	/* Else the compiler may look at @src again in place of @dst. */
	barrier();
}

/**
 * shared_copy_out() - copy from private memory into shared memory
 * @dst: shared destination
 * @src: private source; becomes known to the other side
 * @len: bytes
 */
static inline void shared_copy_out(void __shared *dst, const void *src, size_t len)
{
	memcpy(__shared_raw(void, dst), src, len);
}

/**
 * shared_zero() - clear shared memory
 * @dst: shared destination
 * @len: bytes
 */
static inline void shared_zero(void __shared *dst, size_t len)
{
	memset(__shared_raw(void, dst), 0, len);
}

/**
 * shared_mark() - say that memory is shared from here on
 * @p: private pointer to memory that the caller is about to share or has mapped
 *
 * For region providers (guest) and the memory map (host) only.
 */
static inline void __shared *shared_mark(void *p)
{
	return (__force void __shared *)(unsigned long)p;
}

/**
 * shared_unmark() - take memory back
 * @p: pointer that shared_mark() gave
 *
 * Return: the same address as a plain pointer. For region providers and the
 * memory map when they give memory back, and for handing an address to a system
 * call, which copies by itself. Never to look at the data.
 */
static inline void *shared_unmark(const void __shared *p)
{
	return __shared_raw(void, p);
}

/* Is @p aligned to @n bytes? A word that is not may be read in two parts, at two moments. */
static inline bool shared_is_aligned(const void __shared *p, size_t n)
{
	return !((unsigned long)__shared_raw(const u8, p) % n);
}

/* @p advanced by @n bytes. */
static inline void __shared *shared_at(void __shared *p, size_t n)
{
	return (u8 __shared *)p + n;
}

#endif /* RING_SHARED_H */
