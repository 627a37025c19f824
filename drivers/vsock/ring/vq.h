/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VQ_H
#define VSOCK_VQ_H

/**
 * @file
 * Device side of a virtqueue (virtio 1.2, 2.7 "Split Virtqueues"): pop, push, flush, rewind. Only
 * vq.c knows the layout of the ring. Each field in guest memory is read once and then validated.
 * Builds without EAL.
 *
 * Context of all functions: the thread that owns the queue. That is an lcore, or the control plane
 * while the port is settled.
 */

#include <stdbool.h>
#include <stdint.h>

#include "ring/gmem.h"
#include "ring/seg.h"
#include "vsock_limits.h"

/** Segments of the longest chain that is accepted, those of an indirect table included. */
#define VQ_CHAIN_MAX_SEGS LIMIT_CHAIN_NB_SEGS
/** Entries of the largest ring (virtio 1.2, 2.7). */
#define VQ_MAX_SIZE 32768u

/** Addresses and negotiated features of a ring. */
struct vq_config {
	void *desc;             /**< mapped descriptor table, 16 bytes each */
	void *avail;            /**< mapped available ring */
	void *used;             /**< mapped used ring */
	uint16_t size;          /**< entries; a power of two, at most VQ_MAX_SIZE */
	uint16_t last_avail;    /**< available index to start from (SET_VRING_BASE) */
	uint16_t used_idx;      /**< used index to start from */
	bool to_guest;          /**< chains must be device-writable; else device-readable */
	bool event_idx;         /**< VIRTIO_F_EVENT_IDX (2.7.7, 2.7.10) */
	bool indirect;          /**< VIRTIO_F_INDIRECT_DESC (2.7.5.3) */
	bool notify_on_empty;   /**< VIRTIO_F_NOTIFY_ON_EMPTY (legacy) */
	const struct gmem *mem; /**< not owned; must outlive the queue; at least one region */
};

/** A descriptor chain that was popped. */
struct vq_chain {
	struct vq_seg *segs; /**< the caller's array; zero-length descriptors are left out */
	uint16_t nb_segs;
	uint16_t id;        /**< buffer id for vq_push() or vq_return() */
	uint16_t nb_descs;  /**< entries of the descriptor ring that it occupies */
	uint16_t nb_walked; /**< descriptors that were looked at, also if the chain is refused */
	uint32_t len;       /**< bytes of all segments, at most UINT32_MAX */
};

/** A queue. The fields are private to vq.c, except the three that are marked public. */
struct vq {
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	const struct gmem *mem;
	const struct gmem_region *region; /* region of the last translated address */
	uint16_t size;
	uint16_t mask;
	uint16_t last_avail;     /* public: next entry to pop */
	uint16_t avail_shadow;   /* last avail->idx seen */
	uint16_t used_idx;       /* public: next used entry, staged ones included */
	uint16_t used_flushed;   /* used index that the driver can see */
	uint16_t used_signalled; /* used index at the last notification decision */
	uint16_t nb_in_flight;   /* public: chains popped and not handed back */
	bool signalled_valid;
	bool to_guest;
	bool event_idx;
	bool indirect;
	bool notify_on_empty;
	bool kicks_wanted;
	bool broken;
};

/**
 * Initialise a queue. Does not write to guest memory: the kick setting of an earlier owner remains
 * until vq_kick_enable() or vq_kick_disable(). The first vq_flush() asks for a notification unless
 * the driver suppresses them, because the last notification of an earlier owner is unknown. Call
 * vq_init() again for a new memory table.
 * @return 0; -EINVAL wrong size, a part is NULL or misaligned, or the memory table is empty.
 */
int vq_init(struct vq *vq, const struct vq_config *cfg);

/**
 * Pop the next chain.
 * @param chain filled; chain->segs is set to @p segs.
 * @param segs at least VQ_CHAIN_MAX_SEGS entries.
 * @retval 1 a chain. Do not use its id as a key: a malicious driver may offer an id again before it
 *   was handed back.
 * @retval 0 the ring is empty.
 * @retval -EBADMSG the chain is refused: loop, too long, outside of memory, wrong direction, nested
 *   or misused indirect, or empty. chain->id is valid and counts as in flight; hand it back with
 *   vq_return().
 * @retval -EPROTO the ring is broken: the available index moved by more than the entries that the
 *   driver owns, or a head is out of range. Every later pop returns the same until vq_init().
 *   last_avail is the position of the error.
 */
int vq_pop(struct vq *vq, struct vq_chain *chain, struct vq_seg *segs);

/**
 * Undo the last @p nb pops, refused chains included. The next pops read these chains again from
 * guest memory. None of them may have been handed back.
 */
void vq_rewind(struct vq *vq, uint16_t nb);

/**
 * Hand a chain back. It is staged: the driver sees it after vq_flush(). All stores to guest memory
 * are reported here.
 * @param written_len bytes stored in the chain, from its start; 0 for a queue from the guest.
 */
void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written_len);

/** Hand a chain back in which nothing was stored. It is staged, as in vq_push(). */
void vq_return(struct vq *vq, uint16_t id);

/**
 * Make staged entries visible to the driver.
 * @return true if the driver wants a notification for these entries (2.7.7.2, 2.7.10.1). The caller
 * must send it, because the next flush decides only about its own entries. Always false if nothing
 * is staged.
 */
bool vq_flush(struct vq *vq);

/** @return entries that are staged: handed back, and not visible to the driver yet. */
static inline uint16_t
vq_nb_staged(const struct vq *vq)
{
	return vq->used_idx - vq->used_flushed;
}

/**
 * Chains that can be popped now, including those that a pop will refuse. Reads the ring only if
 * fewer than @p want chains are known.
 * @return number of chains; 0 for a broken ring. After an invalid index, the number known before,
 * but at least 1, so that the caller calls vq_pop() and gets the error.
 */
uint16_t vq_nb_avail(struct vq *vq, uint16_t want);

/**
 * Enable kicks (2.7.10), then check the ring again after a full fence. With EVENT_IDX it enables
 * one kick, so call it again before every sleep.
 * @return true if chains are available: the caller must not sleep. False for a broken ring.
 */
bool vq_kick_enable(struct vq *vq);

/**
 * Suppress kicks. A kick may still come: it may be under way, and with EVENT_IDX the driver sends
 * one every 65,536 chains.
 */
void vq_kick_disable(struct vq *vq);

#endif
