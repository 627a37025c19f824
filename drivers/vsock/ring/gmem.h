/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_GMEM_H
#define VSOCK_GMEM_H

/**
 * @file
 * The memory table of a guest, and loads from guest memory. All accesses to guest memory go through
 * this file and seg.h: loads through gmem_load*() and seg_*(), stores through seg_write(),
 * seg_copy() or the iovecs of seg_iov(). vq_push() reports the number of bytes that were stored. A
 * fuzzer hooks the loads and changes guest memory after each of them. Builds without EAL.
 *
 * Context of all functions: any thread, while the memory table is mapped. The guest may write to
 * the same memory at any time. No function here depends on the contents of guest memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A range of guest memory that is mapped in one piece. */
struct gmem_region {
	uint64_t gpa; /**< first guest physical address; gpa + len does not wrap */
	uint64_t len; /**< bytes */
	uint8_t *va;  /**< address of the mapping in this process */
};

/** A memory table. It does not change after an lcore was given it. */
struct gmem {
	uint32_t nb_regions;
	struct gmem_region regions[];
};

/**
 * Find the region that contains a guest physical range. Context: any.
 * @param gpa first guest physical address.
 * @param len bytes.
 * @return the region, owned by @p mem; NULL if len is 0 or if no region contains all of
 * [gpa, gpa+len).
 */
const struct gmem_region *gmem_find(const struct gmem *mem, uint64_t gpa, uint64_t len);

#ifdef GMEM_LOAD_HOOK
/**
 * A test defines it; called after every load. It may change guest memory. Context: the reader.
 * @param src address that was loaded. @param len bytes.
 */
void gmem_load_hook(const void *src, size_t len);
#else
static inline void
gmem_load_hook(const void *src, size_t len)
{
	(void)src;
	(void)len;
}
#endif

/**
 * Copy guest memory exactly once. The compiler cannot read @p src again after it. Context: any.
 * @param src guest memory, any alignment. @param len bytes.
 */
static inline void
gmem_load(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	/* The guest may have changed src: keep the compiler from reading it a second time. */
	__asm__ volatile("" ::: "memory");
	gmem_load_hook(src, len);
}

/**
 * Load 8 bytes once. Context: any.
 * @param src guest memory, any alignment. @return the value in the byte order of memory (little
 * endian).
 */
static inline uint64_t
gmem_load64(const void *src)
{
	uint64_t v;

	gmem_load(&v, src, sizeof(v));
	return v;
}

/**
 * Load a 16-bit ring field once. Context: any.
 * @param src guest memory, aligned to 2. @return the value in the byte order of memory (little
 * endian).
 */
static inline uint16_t
gmem_load16(const void *src)
{
	uint16_t v = __atomic_load_n((const uint16_t *)src, __ATOMIC_RELAXED);

	gmem_load_hook(src, sizeof(v));
	return v;
}

/** gmem_load16() with acquire order: later loads see what the driver stored before the field. */
static inline uint16_t
gmem_load16_acquire(const void *src)
{
	uint16_t v = __atomic_load_n((const uint16_t *)src, __ATOMIC_ACQUIRE);

	gmem_load_hook(src, sizeof(v));
	return v;
}

/** gmem_load16() that is not reordered with an earlier sequentially consistent store. */
static inline uint16_t
gmem_load16_seq_cst(const void *src)
{
	uint16_t v = __atomic_load_n((const uint16_t *)src, __ATOMIC_SEQ_CST);

	gmem_load_hook(src, sizeof(v));
	return v;
}

#endif
