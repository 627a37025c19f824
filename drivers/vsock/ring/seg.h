/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_SEG_H
#define VSOCK_SEG_H

/**
 * @file
 * Lists of segments: pieces of guest memory that were checked against a memory table. Reads,
 * writes and copies at byte offsets, and iovecs for system calls. Builds without EAL.
 *
 * Context of everything here: as for gmem.h.
 */

#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "ring/gmem.h"

/** A piece of guest memory that has been checked against a memory table. */
struct vq_seg {
	uint8_t *va;
	uint64_t gpa;
	uint32_t len;
};

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
