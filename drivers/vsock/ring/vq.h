/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VQ_H
#define VSOCK_VQ_H

/**
 * @file
 * Device side of a virtqueue (virtio 1.2, 2.7 "Split Virtqueues"): pop, push, flush, rewind.
 * Nothing outside vq.c knows the layout of the ring. Everything in guest memory is read once and
 * checked. Builds without EAL.
 *
 * Context of everything here: the thread that owns the queue (an lcore, or the control plane while
 * the port is settled).
 */

#include <stdbool.h>
#include <stdint.h>

#include "ring/gmem.h"
#include "ring/seg.h"
#include "vsock_limits.h"

/** Longest chain that is accepted, descriptors of an indirect table included. */
#define VQ_CHAIN_MAX_SEGS LIMIT_CHAIN_NB_SEGS
#define VQ_MAX_SIZE       32768u

/** Where a ring lies and how it was negotiated. */
struct vq_config {
	void *desc;             /**< mapped descriptor table, 16 bytes each */
	void *avail;            /**< mapped available ring */
	void *used;             /**< mapped used ring */
	uint16_t size;          /**< entries; a power of two, at most VQ_MAX_SIZE */
	uint16_t last_avail;    /**< index to start from (GET/SET_VRING_BASE) */
	uint16_t used_idx;      /**< used index to start from */
	bool to_guest;          /**< chains must be writable by the device, else readable */
	bool event_idx;         /**< VIRTIO_F_EVENT_IDX (2.7.7, 2.7.10) */
	bool indirect;          /**< VIRTIO_F_INDIRECT_DESC (2.7.5.3) */
	bool notify_on_empty;   /**< VIRTIO_F_NOTIFY_ON_EMPTY (legacy) */
	const struct gmem *mem; /**< not owned; outlives the queue; at least one region */
};

/** A descriptor chain that was popped. */
struct vq_chain {
	struct vq_seg *segs; /**< the caller's array; zero-length descriptors are left out */
	uint16_t nb_segs;
	uint16_t id;       /**< buffer id: to be handed back with vq_push() */
	uint16_t nb_descs; /**< entries of the descriptor ring that it occupies */
	uint32_t len;      /**< bytes in all segments, saturating */
};

/** One queue. Fields are private to vq.c but for the three marked public. */
struct vq {
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	const struct gmem *mem;
	const struct gmem_region *region; /* where the last range was found */
	uint16_t size;
	uint16_t mask;
	uint16_t last_avail;     /* public: next entry to pop */
	uint16_t avail_shadow;   /* last avail->idx seen */
	uint16_t used_idx;       /* public: next used entry, staged ones included */
	uint16_t used_flushed;   /* what the driver can see */
	uint16_t used_signalled; /* used index at the last notification decision */
	uint16_t nb_in_flight;   /* public: popped and not yet pushed */
	bool signalled_valid;
	bool to_guest;
	bool event_idx;
	bool indirect;
	bool notify_on_empty;
	bool kicks_wanted;
	bool broken;
};

/**
 * Set a queue up. Leaves the ring in guest memory untouched: what an earlier owner asked for kicks
 * stays until vq_kick_enable() or vq_kick_disable(). The first vq_flush() notifies unless flags
 * forbid it, since nobody knows what the driver was told before. A new memory table needs a new
 * vq_init().
 * @return 0; -EINVAL for a bad size, NULL or misaligned parts, or an empty memory table.
 */
int vq_init(struct vq *vq, const struct vq_config *cfg);

/**
 * Pop the next chain.
 * @param chain filled; chain->segs set to @p segs. @param segs VQ_CHAIN_MAX_SEGS entries.
 * @retval 1 a chain.
 *   A lying driver may offer an id again before it was handed back: an id is no key.
 * @retval 0 the ring is empty.
 * @retval -EBADMSG a chain that was refused (loop, too long, outside of memory, wrong direction,
 *   nested or misused indirect, empty): chain->id is valid and counts as in flight; hand it back
 *   with vq_return().
 * @retval -EPROTO the ring itself is broken (avail index moved further than the driver has
 *   entries, those in flight and staged counted; head out of range): the queue is dead until
 *   vq_init(); every later pop says the same. last_avail is where it broke.
 */
int vq_pop(struct vq *vq, struct vq_chain *chain, struct vq_seg *segs);

/**
 * Un-pop the last @p nb chains: the next pops give them again, read afresh from guest memory. Only
 * the chains that were popped last, refused ones included, and none that was handed back.
 */
void vq_rewind(struct vq *vq, uint16_t nb);

/**
 * Hand a chain back in which @p written_len bytes were stored (to_guest queues); staged until
 * vq_flush(). The one place where stores to guest memory are accounted.
 */
void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written_len);

/** Hand a chain back in which nothing was stored; staged until vq_flush(). */
void vq_return(struct vq *vq, uint16_t id);

/**
 * Make staged entries visible to the driver.
 * @return true when the driver wants to be notified now (2.7.7.2, 2.7.10.1); never when nothing was
 * staged since the last time. Every flush decides on its own entries, so a notification that is
 * owed is not carried over: the caller must send it.
 */
bool vq_flush(struct vq *vq);

/** Entries that were handed back and that the driver cannot see yet. */
static inline uint16_t
vq_nb_staged(const struct vq *vq)
{
	return vq->used_idx - vq->used_flushed;
}

/**
 * Chains that can be popped now, refused ones included. The ring is only looked at when fewer than
 * @p want are known of. 0 for a broken ring; an index jump is left to vq_pop() to report and adds
 * nothing to what is known, but makes 0 a 1.
 */
uint16_t vq_nb_avail(struct vq *vq, uint16_t want);

/**
 * Ask the driver for kicks (2.7.10 / flags), then look again behind a full fence. With EVENT_IDX it
 * holds for one kick: call it again before every sleep.
 * @return true when chains are available after all (the caller must not sleep); false for a broken
 * ring.
 */
bool vq_kick_enable(struct vq *vq);

/**
 * Tell the driver that kicks are not needed. Best effort: a kick may be under way, and with
 * EVENT_IDX one may come every 65,536 chains.
 */
void vq_kick_disable(struct vq *vq);

#endif
