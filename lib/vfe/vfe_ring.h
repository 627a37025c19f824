/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_RING_H
#define VFE_RING_H

/**
 * @file
 * Types of a ring, split or packed: the layout in guest memory and the driver's state.
 * vfe_vring.h has the functions.
 *
 * Virtio 1.2, sections 2.7 and 2.8.
 */

#include <stdbool.h>
#include <stdint.h>

#define VFE_VRING_MAX_SIZE 32768u
#define VFE_VRING_MAX_SEGS 40u /**< Segments of one buffer. */

#define VFE_DESC_NEXT     1u
#define VFE_DESC_WRITE    2u
#define VFE_DESC_INDIRECT 4u

#define VFE_AVAIL_NO_INTERRUPT 1u
#define VFE_USED_NO_NOTIFY     1u

struct vfe_vring_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct vfe_vring_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[]; /* followed by used_event */
};

struct vfe_vring_used_elem {
	uint32_t id;
	uint32_t len;
};

struct vfe_vring_used {
	uint16_t flags;
	uint16_t idx;
	struct vfe_vring_used_elem ring[]; /* followed by avail_event */
};

/** One piece of a buffer. */
struct vfe_seg {
	uint64_t gpa;
	uint32_t len;
	bool to_guest; /**< The device writes it. */
};

/** The driver's record of a chain that the device holds, by the chain's first descriptor. */
struct vfe_vring_head {
	uint32_t cookie;
	uint16_t nb_desc; /**< 0: not with the device. */
	uint16_t last;    /**< Last descriptor of the chain in the free list's links. */
};

struct vfe_vring_stats {
	uint64_t nb_added;
	uint64_t nb_used;
	uint64_t nb_kicks;    /**< Kicks written. */
	uint64_t nb_no_kicks; /**< Publications for which the device wanted none. */
	uint64_t nb_bad_used; /**< Used elements that name no chain of ours. */
};

struct vfe_vring {
	struct vfe_vring_desc *desc;
	struct vfe_vring_avail *avail;
	struct vfe_vring_used *used;
	struct vfe_vring_desc *indirect; /**< VFE_VRING_MAX_SEGS per descriptor, or NULL. */
	uint64_t indirect_gpa;
	struct vfe_vring_head *heads;
	uint16_t *next; /**< Links of the free list; the ring's own are never read back. */
	uint16_t size;
	uint16_t mask;
	uint16_t free_head;
	uint16_t nb_free;
	uint16_t avail_idx;     /**< Next avail entry, not yet published. */
	uint16_t published_idx; /**< Avail index that the device sees. */
	uint16_t kicked_idx;    /**< Avail index at the last decision about a kick. */
	uint16_t used_idx;      /**< Next used entry to take. */
	bool event_idx;
	bool packed;            /**< Then the indices count descriptors. */
	uint16_t first_flags;   /**< Packed: of the first descriptor that is not published. */
	uint16_t nb_chains;     /**< Packed: chains that the device holds. */
	uint16_t nb_new_chains; /**< Packed: chains that are not published. */
	int kick_fd;
	int call_fd;
	struct vfe_vring_stats stats;
};

struct vfe_vring_conf {
	uint16_t size;       /**< Power of two up to VFE_VRING_MAX_SIZE. */
	unsigned int region; /**< Region of the guest memory that the ring lies in. */
	bool event_idx;
	bool packed;
	bool indirect; /**< Tables for indirect descriptors are set up. */
};

#endif /* VFE_RING_H */
