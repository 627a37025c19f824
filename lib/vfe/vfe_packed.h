/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_PACKED_H
#define VFE_PACKED_H

/**
 * @file
 * The packed ring behind vfe_vring.h. Internal to lib/vfe: only vfe_vring.c calls these.
 *
 * The ring's indices count descriptors and run freely. With sizes that are powers of two the place
 * is the index modulo the size, and the wrap counter is the bit above that, negated.
 *
 * Context: the ring's thread.
 *
 * Virtio 1.2, section 2.8.
 */

#include "vfe_ring.h"

/** Empties the ring; the device must have stopped. */
void vfe_packed_reset(struct vfe_vring *vr);

/** As vfe_vring_add(). @return 0, or -ENOSPC when there are not enough free descriptors */
int vfe_packed_add(struct vfe_vring *vr, const struct vfe_seg *segs, unsigned int nb_segs,
	uint32_t cookie, bool indirect);

/** Shows the device what was added, which must be at least one buffer. */
void vfe_packed_publish(struct vfe_vring *vr);

/** @return true if the device wants a kick for the descriptors from @p old_idx to @p new_idx */
bool vfe_packed_kick_wanted(const struct vfe_vring *vr, uint16_t old_idx, uint16_t new_idx);

/** @return 1 if there is a used buffer, else 0; only a walk could count them */
uint16_t vfe_packed_nb_used(const struct vfe_vring *vr);

/** As vfe_vring_get(). @return 1; 0: none; -EPROTO: an element that names no chain of ours */
int vfe_packed_get(struct vfe_vring *vr, uint32_t *cookie, uint32_t *len);

/** Asks for a call at the next used buffer (@p wanted), or for no calls. */
void vfe_packed_want_calls(struct vfe_vring *vr, bool wanted);

/** @return the device's place as in GET_VRING_BASE: offset, and the wrap counter in bit 15 */
uint16_t vfe_packed_base(const struct vfe_vring *vr);

#endif /* VFE_PACKED_H */
