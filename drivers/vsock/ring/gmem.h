/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_GMEM_H
#define VSOCK_GMEM_H

/**
 * @file
 * The one door to guest memory. Every load of guest-controlled bytes goes through gmem_load(),
 * gmem_load16() or the seg_*() functions of seg.h (a fuzzer hooks them and changes memory under the
 * reader), every store through seg_write()/seg_copy() or, for readv(), through iovecs made by
 * seg_iov(); what was stored is reported once, by vq_push(). Builds without EAL.
 *
 * Context of everything here: any thread that keeps the memory table mapped. The guest writes to
 * the same memory at any time; nothing here depends on its contents.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gmem_region {
	uint64_t gpa; /**< first guest physical address; gpa + len does not wrap */
	uint64_t len; /**< bytes */
	uint8_t *va;  /**< where it is mapped */
};

/** A memory table; immutable once an lcore can see it. */
struct gmem {
	uint32_t nb_regions;
	struct gmem_region regions[];
};

/**
 * Find the region that holds a guest physical range.
 * @return the region, owned by @p mem; NULL unless [gpa, gpa+len) lies inside one region (len 0:
 * NULL).
 */
const struct gmem_region *gmem_find(const struct gmem *mem, uint64_t gpa, uint64_t len);

#ifdef GMEM_LOAD_HOOK
/** A test's own: called after every load, with what was read; may change guest memory. */
void gmem_load_hook(const void *src, size_t len);
#else
static inline void
gmem_load_hook(const void *src, size_t len)
{
	(void)src;
	(void)len;
}
#endif

/** Copy @p len bytes of guest memory at @p src once; the compiler may not read @p src again. */
static inline void
gmem_load(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	/* Memory may have changed here: what was read cannot be had from src a second time. */
	__asm__ volatile("" ::: "memory");
	gmem_load_hook(src, len);
}

/** gmem_load() of 8 bytes, at any alignment, as they lie in memory (little endian). */
static inline uint64_t
gmem_load64(const void *src)
{
	uint64_t v;

	gmem_load(&v, src, sizeof(v));
	return v;
}

/** Load a 16-bit ring field once, as it lies in memory (little endian). @p src: aligned to 2. */
static inline uint16_t
gmem_load16(const void *src)
{
	uint16_t v = __atomic_load_n((const uint16_t *)src, __ATOMIC_RELAXED);

	gmem_load_hook(src, sizeof(v));
	return v;
}

/** gmem_load16() that also makes visible what the driver stored before that field. */
static inline uint16_t
gmem_load16_acquire(const void *src)
{
	uint16_t v = __atomic_load_n((const uint16_t *)src, __ATOMIC_ACQUIRE);

	gmem_load_hook(src, sizeof(v));
	return v;
}

/** gmem_load16() that cannot pass a sequentially consistent store before it. */
static inline uint16_t
gmem_load16_seq_cst(const void *src)
{
	uint16_t v = __atomic_load_n((const uint16_t *)src, __ATOMIC_SEQ_CST);

	gmem_load_hook(src, sizeof(v));
	return v;
}

#endif
