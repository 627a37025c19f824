/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_SEG_H
#define VSOCK_SEG_H

/**
 * @file
 * Lists of segments. A segment is a piece of guest memory that was checked against a memory table.
 * The functions read, write and copy at byte offsets, and make iovecs for system calls. Builds
 * without EAL.
 *
 * Context of all functions: any thread, while the memory table is mapped (see gmem.h). Offsets and
 * lengths are bytes. The caller owns the arrays.
 */

#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "ring/gmem.h"

/** A piece of guest memory that was checked against a memory table. */
struct vq_seg {
	uint8_t *va;  /**< address in this process */
	uint64_t gpa; /**< guest physical address */
	uint32_t len; /**< bytes */
};

/** @return the sum of the lengths, at most UINT32_MAX. */
uint32_t seg_total_len(const struct vq_seg *segs, uint16_t nb_segs);

/**
 * Copy from segments into a buffer.
 * @param off first byte to copy, counted from the start of the first segment.
 * @param dst at least @p len bytes.
 * @return bytes copied: less than @p len if the segments end before.
 */
uint32_t seg_read(
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, void *dst, uint32_t len);

/**
 * Copy a buffer into segments.
 * @param off first byte to write, counted from the start of the first segment.
 * @param src at least @p len bytes.
 * @return bytes copied: less than @p len if the segments end before.
 */
uint32_t seg_write(
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, const void *src, uint32_t len);

/** seg_read() at offset 0; faster if the first segment holds all bytes. @param nb_segs >= 1. */
static inline uint32_t
seg_read_head(const struct vq_seg *segs, uint16_t nb_segs, void *dst, uint32_t len)
{
	if (segs->len < len)
		return seg_read(segs, nb_segs, 0, dst, len);
	gmem_load(dst, segs->va, len);
	return len;
}

/** seg_write() at offset 0; faster if the first segment holds all bytes. @param nb_segs >= 1. */
static inline uint32_t
seg_write_head(const struct vq_seg *segs, uint16_t nb_segs, const void *src, uint32_t len)
{
	if (segs->len < len)
		return seg_write(segs, nb_segs, 0, src, len);
	memcpy(segs->va, src, len);
	return len;
}

/** seg_copy() for any number of segments. Call seg_copy() instead. */
uint32_t seg_copy_any(const struct vq_seg *dst, uint16_t nb_dst, uint32_t dst_off,
	const struct vq_seg *src, uint16_t nb_src, uint32_t src_off, uint32_t len);

/**
 * Copy segments to segments; each byte is copied once. If a guest lets them overlap, the copied
 * bytes are undefined, but no other memory is touched.
 * @return bytes copied: the smallest of @p len and the bytes after each side's offset.
 */
static inline uint32_t
seg_copy(const struct vq_seg *dst, uint16_t nb_dst, uint32_t dst_off, const struct vq_seg *src,
	uint16_t nb_src, uint32_t src_off, uint32_t len)
{
	if (nb_dst == 1 && nb_src == 1 && dst_off <= dst->len && src_off <= src->len &&
		len <= dst->len - dst_off && len <= src->len - src_off) {
		/* A guest may let them overlap. memmove() is as fast as memcpy() here. */
		memmove(dst->va + dst_off, src->va + src_off, len);
		gmem_load_hook(src->va + src_off, len);
		return len;
	}
	return seg_copy_any(dst, nb_dst, dst_off, src, nb_src, src_off, len);
}

/**
 * Describe a range of segments as iovecs, for readv() or sendmsg().
 * @param off first byte. @param len bytes at most.
 * @param iov filled; at least nb_segs entries.
 * @param out_len set to the bytes described; less than @p len if the segments end before.
 * @return number of iovecs filled.
 */
uint16_t seg_iov(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len,
	struct iovec *iov, uint32_t *out_len);

#endif
