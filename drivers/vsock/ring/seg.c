/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/seg.h"

uint32_t
seg_total_len(const struct vq_seg *segs, uint16_t nb_segs)
{
	uint64_t sum = 0; /* cannot overflow: at most 65535 lengths of 32 bits */

	for (uint16_t i = 0; i < nb_segs; i++)
		sum += segs[i].len;
	return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

/*
 * A position in a list of segments. It is inside a segment, or at the end of the list: never at the
 * end of a segment that another one follows.
 */
struct seg_pos {
	const struct vq_seg *seg;
	uint32_t nb_left; /* segments from seg on; if 0, seg may be NULL */
	uint32_t off;     /* bytes from the start of seg */
};

static inline struct seg_pos
pos_at(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off)
{
	struct seg_pos pos = {.seg = segs, .nb_left = nb_segs, .off = off};

	while (pos.nb_left != 0 && pos.off >= pos.seg->len) {
		pos.off -= pos.seg->len;
		pos.seg++;
		pos.nb_left--;
	}
	return pos;
}

/* Contiguous bytes at a position, at most len; 0 at the end. */
static inline uint32_t
pos_room(const struct seg_pos *pos, uint32_t len)
{
	uint32_t room;

	if (pos->nb_left == 0)
		return 0;
	room = pos->seg->len - pos->off;
	return room < len ? room : len;
}

static inline void
pos_advance(struct seg_pos *pos, uint32_t len)
{
	pos->off += len;
	while (pos->nb_left != 0 && pos->off >= pos->seg->len) {
		pos->off -= pos->seg->len;
		pos->seg++;
		pos->nb_left--;
	}
}

uint32_t
seg_read(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, void *dst, uint32_t len)
{
	struct seg_pos pos = pos_at(segs, nb_segs, off);
	uint32_t done = 0;
	uint32_t n;

	while ((n = pos_room(&pos, len - done)) != 0) {
		gmem_load((uint8_t *)dst + done, pos.seg->va + pos.off, n);
		pos_advance(&pos, n);
		done += n;
	}
	return done;
}

uint32_t
seg_write(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, const void *src, uint32_t len)
{
	struct seg_pos pos = pos_at(segs, nb_segs, off);
	uint32_t done = 0;
	uint32_t n;

	while ((n = pos_room(&pos, len - done)) != 0) {
		memcpy(pos.seg->va + pos.off, (const uint8_t *)src + done, n);
		pos_advance(&pos, n);
		done += n;
	}
	return done;
}

uint32_t
seg_copy_any(const struct vq_seg *dst, uint16_t nb_dst, uint32_t dst_off, const struct vq_seg *src,
	uint16_t nb_src, uint32_t src_off, uint32_t len)
{
	struct seg_pos to = pos_at(dst, nb_dst, dst_off);
	struct seg_pos from = pos_at(src, nb_src, src_off);
	uint32_t done = 0;
	uint32_t n;

	/* The usual case: the payload is in one segment, the header was in another one. */
	if (len != 0 && pos_room(&to, len) == len && pos_room(&from, len) == len) {
		memmove(to.seg->va + to.off, from.seg->va + from.off, len);
		gmem_load_hook(from.seg->va + from.off, len);
		return len;
	}
	while ((n = pos_room(&to, pos_room(&from, len - done))) != 0) {
		memmove(to.seg->va + to.off, from.seg->va + from.off, n);
		gmem_load_hook(from.seg->va + from.off, n);
		pos_advance(&to, n);
		pos_advance(&from, n);
		done += n;
	}
	return done;
}

uint16_t
seg_iov(const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t len, struct iovec *iov,
	uint32_t *out_len)
{
	struct seg_pos pos = pos_at(segs, nb_segs, off);
	uint16_t nb_iov = 0;
	uint32_t done = 0;
	uint32_t n;

	while ((n = pos_room(&pos, len - done)) != 0) {
		iov[nb_iov].iov_base = pos.seg->va + pos.off;
		iov[nb_iov].iov_len = n;
		nb_iov++;
		pos_advance(&pos, n);
		done += n;
	}
	*out_len = done;
	return nb_iov;
}
