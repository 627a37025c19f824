/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FE_PACKED_H
#define FE_PACKED_H

/**
 * @file
 * The packed ring behind fe_vring.h; only fe_vring.c calls these.
 *
 * The ring's indices count descriptors and run freely. With sizes that are powers of two the place
 * is the index modulo the size, and the wrap counter is the bit above that, negated.
 *
 * Virtio 1.2, section 2.8.
 */

#include "fe_vring.h"

void fe_packed_reset(struct fe_vring *vr);
int fe_packed_add(struct fe_vring *vr, const struct fe_seg *segs, unsigned int nb_segs,
	uint32_t cookie, bool indirect);
void fe_packed_publish(struct fe_vring *vr);
/* Whether the device wants a kick for what lies between the two indices. */
bool fe_packed_kick_wanted(const struct fe_vring *vr, uint16_t old_idx, uint16_t new_idx);
/* 1 or 0: how many more there are only a walk could tell. */
uint16_t fe_packed_nb_used(const struct fe_vring *vr);
int fe_packed_get(struct fe_vring *vr, uint32_t *cookie, uint32_t *len);
void fe_packed_want_calls(struct fe_vring *vr, bool wanted);
uint16_t fe_packed_base(const struct fe_vring *vr);

#endif /* FE_PACKED_H */
