/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_GMEM_H
#define VSOCK_GMEM_H

/**
 * @file
 * The one door to guest memory. Every load of guest-controlled bytes goes through gmem_load() or
 * the seg_*() functions below (a fuzzer replaces the accessor and changes memory under it), every
 * store through seg_write()/seg_copy() or, for readv(), through iovecs made by seg_iov(); what was
 * stored is reported once, by vq_push(). Builds without EAL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct gmem_region {
	uint64_t gpa;  /**< first guest physical address */
	uint64_t len;  /**< bytes */
	uint8_t *va;   /**< where it is mapped */
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
 * Translate a guest physical range.
 * @return its address here, or NULL unless [gpa, gpa+len) lies inside one region (len 0: NULL).
 */
uint8_t *gmem_translate(const struct gmem *mem, uint64_t gpa, uint64_t len);

/** Copy @p len bytes of guest memory at @p src once; the compiler may not read @p src again. */
void gmem_load(void *dst, const void *src, size_t len);

/** Sum of the lengths, saturating at UINT32_MAX. */
uint32_t seg_total_len(const struct vq_seg *segs, uint16_t nb_segs);

/** Copy from segments at byte @p off into @p dst. @return bytes copied (short at the end). */
uint32_t seg_read(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, void *dst, uint32_t len);

/** Copy @p src into segments at byte @p off. @return bytes copied (short at the end). */
uint32_t seg_write(
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, const void *src, uint32_t len);

/**
 * Copy segments to segments, one copy per byte.
 * @return bytes copied: the least of @p len and what either side has behind its offset.
 */
uint32_t seg_copy(const struct vq_seg *dst, uint16_t nb_dst, uint32_t dst_off,
	const struct vq_seg *src, uint16_t nb_src, uint32_t src_off, uint32_t len);

/**
 * Describe segments from byte @p off on, at most @p len bytes, as iovecs.
 * @param iov at least nb_segs entries. @param out_len bytes described (may be less than @p len).
 * @return iovecs filled.
 */
uint16_t seg_iov(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len,
	struct iovec *iov, uint32_t *out_len);

#endif
