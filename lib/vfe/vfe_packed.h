/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_PACKED_H
#define VFE_PACKED_H

/**
 * @file
 * The packed ring behind vfe_vring.h; only vfe_vring.c calls these.
 *
 * The ring's indices count descriptors and run freely. With sizes that are powers of two the place
 * is the index modulo the size, and the wrap counter is the bit above that, negated.
 *
 * Virtio 1.2, section 2.8.
 */

#include "vfe_vring.h"

void vfe_packed_reset(struct vfe_vring *vr);
int vfe_packed_add(struct vfe_vring *vr, const struct vfe_seg *segs, unsigned int nb_segs,
	uint32_t cookie, bool indirect);
void vfe_packed_publish(struct vfe_vring *vr);
/* Whether the device wants a kick for what lies between the two indices. */
bool vfe_packed_kick_wanted(const struct vfe_vring *vr, uint16_t old_idx, uint16_t new_idx);
/* 1 or 0: how many more there are only a walk could tell. */
uint16_t vfe_packed_nb_used(const struct vfe_vring *vr);
int vfe_packed_get(struct vfe_vring *vr, uint32_t *cookie, uint32_t *len);
void vfe_packed_want_calls(struct vfe_vring *vr, bool wanted);
uint16_t vfe_packed_base(const struct vfe_vring *vr);

#endif /* VFE_PACKED_H */
