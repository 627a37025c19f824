/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_VQ_FIX_H
#define TEST_VQ_FIX_H

/**
 * @file
 * A ring and the device's side of it, for the tests of chains.
 *
 * Context: one thread. What fails ends the test.
 */

#include <stdbool.h>
#include <stdint.h>

#include "raw_ring.h"

#define VQ_FIX_SIZE  16u
#define VQ_FIX_TABLE (RAW_RING_GPA0 + 0x8000 + 3) /**< Of an indirect table; unaligned. */

struct vq_fix {
	struct raw_ring d;
	struct vq vq;
	struct vq_chain c;
};

/** Where vq_fix_pop() puts the segments. */
extern struct vq_seg vq_fix_segs[VQ_CHAIN_MAX_SEGS];

/** Makes an empty ring of VQ_FIX_SIZE entries without EVENT_IDX. */
void vq_fix_open(struct vq_fix *f, bool to_guest, uint16_t start_idx);

/** Frees the ring. */
void vq_fix_close(struct vq_fix *f);

/** Writes descriptor @p idx of the ring. */
void vq_fix_desc(
	struct vq_fix *f, uint32_t idx, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);

/** Writes entry @p idx of the table at VQ_FIX_TABLE. */
void vq_fix_entry(
	struct vq_fix *f, uint32_t idx, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);

/** Offers the chain at @p head. */
void vq_fix_offer(struct vq_fix *f, uint16_t head);

/** vq_pop() into f->c and vq_fix_segs. @return what vq_pop() returned */
int vq_fix_pop(struct vq_fix *f);

/** Checks segment @p i of the popped chain. */
void vq_fix_check_seg(const struct vq_fix *f, uint16_t i, uint64_t gpa, uint32_t len);

#endif
