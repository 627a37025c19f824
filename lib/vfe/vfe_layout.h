/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_LAYOUT_H
#define VFE_LAYOUT_H

/**
 * @file
 * How a packet is cut into descriptors: the shape as a user writes it, and the places of its
 * pieces in a buffer.
 *
 * A shape is a list of lengths in bytes joined by '+', for header and payload as one string of
 * bytes. The last element may be '*' (all the rest in one piece) or 'N*' (the rest in pieces of N).
 * "44+*" is how Linux sends, "4096" how it receives, "20+24+*" splits the header itself.
 *
 * Context: pure functions.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vfe_ring.h"

#define VFE_SHAPE_MAX_FIXED 16u

struct vfe_shape {
	unsigned int nb_fixed;
	uint32_t fixed[VFE_SHAPE_MAX_FIXED];
	uint32_t rest; /**< Length of the pieces behind; UINT32_MAX: one piece; 0: nothing. */
};

struct vfe_layout {
	unsigned int nb_segs;
	uint32_t pos[VFE_VRING_MAX_SEGS]; /**< Offset in the buffer's memory. */
	uint32_t cap[VFE_VRING_MAX_SEGS]; /**< Length of the piece. */
	uint32_t total_len;               /**< Sum of the lengths. */
	uint32_t slot_len;                /**< Memory that one buffer takes, gaps included. */
};

/**
 * Reads a shape.
 *
 * @return 0, or -EINVAL for text that is not a shape
 */
int vfe_shape_parse(const char *text, struct vfe_shape *shape);

/**
 * Places the pieces of buffers of up to @p max_len bytes (header included). A gap separates the
 * pieces, so that a device that joins two of them corrupts data.
 *
 * @return 0, -EINVAL when fewer bytes than a header fit, -E2BIG for more than VFE_VRING_MAX_SEGS
 *         pieces
 */
int vfe_layout_make(struct vfe_layout *layout, const struct vfe_shape *shape, uint32_t max_len);

/**
 * Lists the pieces of a buffer that hold the bytes @p off to @p off + @p len of the string that the
 * pieces form.
 *
 * @param slot the buffer's memory
 * @param iov room for VFE_VRING_MAX_SEGS elements
 * @return number of elements written
 */
static inline unsigned int
vfe_layout_iov(const struct vfe_layout *layout, const uint8_t *slot, uint32_t off, uint32_t len,
	struct iovec *iov)
{
	unsigned int i, nb_iov = 0;

	for (i = 0; i < layout->nb_segs && len > 0; i++) {
		const uint32_t cap = layout->cap[i];
		uint32_t n;

		if (off >= cap) {
			off -= cap;
			continue;
		}
		n = cap - off < len ? cap - off : len;
		/* struct iovec has no const. */
		iov[nb_iov++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)(slot + layout->pos[i] + off),
			.iov_len = n,
		};
		len -= n;
		off = 0;
	}
	return nb_iov;
}

/** Copies @p len bytes into a buffer's pieces, from byte @p off of the string that they form. */
void vfe_layout_write(const struct vfe_layout *layout, uint8_t *slot, uint32_t off,
	const void *from, uint32_t len);

/** Copies @p len bytes out of a buffer's pieces, from byte @p off of the string they form. */
void vfe_layout_read(
	const struct vfe_layout *layout, const uint8_t *slot, uint32_t off, void *to, uint32_t len);

#endif /* VFE_LAYOUT_H */
