/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_GMEM_H
#define VSOCK_GMEM_H

/**
 * @file
 * The one door to guest memory. Every load of guest-controlled bytes goes through gmem_load(),
 * gmem_load16() or the seg_*() functions below (a fuzzer hooks them and changes memory under the
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
#include <sys/uio.h>

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

/** A piece of guest memory that has been checked against a memory table. */
struct vq_seg {
	uint8_t *va;
	uint64_t gpa;
	uint32_t len;
};

/**
 * Find the region that holds a guest physical range.
 * @return the region, owned by @p mem; NULL unless [gpa, gpa+len) lies inside one region (len 0:
 * NULL).
 */
const struct gmem_region *gmem_find(const struct gmem *mem, uint64_t gpa, uint64_t len);

/**
 * Translate a guest physical range.
 * @return its address here, or NULL unless [gpa, gpa+len) lies inside one region (len 0: NULL).
 */
uint8_t *gmem_translate(const struct gmem *mem, uint64_t gpa, uint64_t len);

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

/** Sum of the lengths, saturating at UINT32_MAX. */
uint32_t seg_total_len(const struct vq_seg *segs, uint16_t nb_segs);

/** Copy from segments at byte @p off into @p dst. @return bytes copied (short at the end). */
uint32_t seg_read(
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, void *dst, uint32_t len);

/** Copy @p src into segments at byte @p off. @return bytes copied (short at the end). */
uint32_t seg_write(
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, const void *src, uint32_t len);

/** seg_read() from the first byte on: quick where it is one piece. @param nb_segs at least 1. */
static inline uint32_t
seg_read_head(const struct vq_seg *segs, uint16_t nb_segs, void *dst, uint32_t len)
{
	if (segs->len < len)
		return seg_read(segs, nb_segs, 0, dst, len);
	gmem_load(dst, segs->va, len);
	return len;
}

/** seg_write() from the first byte on: quick where it is one piece. @param nb_segs at least 1. */
static inline uint32_t
seg_write_head(const struct vq_seg *segs, uint16_t nb_segs, const void *src, uint32_t len)
{
	if (segs->len < len)
		return seg_write(segs, nb_segs, 0, src, len);
	memcpy(segs->va, src, len);
	return len;
}

/** seg_copy() for any number of segments. */
uint32_t seg_copy_any(const struct vq_seg *dst, uint16_t nb_dst, uint32_t dst_off,
	const struct vq_seg *src, uint16_t nb_src, uint32_t src_off, uint32_t len);

/**
 * Copy segments to segments, one copy per byte. A guest may let them overlap: then its bytes are
 * whatever they are, and nothing else happens.
 * @return bytes copied: the least of @p len and what either side has behind its offset.
 */
static inline uint32_t
seg_copy(const struct vq_seg *dst, uint16_t nb_dst, uint32_t dst_off, const struct vq_seg *src,
	uint16_t nb_src, uint32_t src_off, uint32_t len)
{
	if (nb_dst == 1 && nb_src == 1 && dst_off <= dst->len && src_off <= src->len &&
		len <= dst->len - dst_off && len <= src->len - src_off) {
		/* memmove() costs what memcpy() does and is defined for what a guest may do. */
		memmove(dst->va + dst_off, src->va + src_off, len);
		gmem_load_hook(src->va + src_off, len);
		return len;
	}
	return seg_copy_any(dst, nb_dst, dst_off, src, nb_src, src_off, len);
}

/**
 * Describe segments from byte @p off on, at most @p len bytes, as iovecs.
 * @param iov at least nb_segs entries. @param out_len bytes described (may be less than @p len).
 * @return iovecs filled.
 */
uint16_t seg_iov(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len,
	struct iovec *iov, uint32_t *out_len);

#endif
