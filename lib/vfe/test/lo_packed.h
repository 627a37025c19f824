/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LO_PACKED_H
#define LO_PACKED_H

/** @file The device's side of the packed ring, behind lo_ring_*(). */

#include "lo.h"

bool lo_packed_pop(struct lo_guest *guest, struct lo_ring *ring, struct lo_chain *chain);
void lo_packed_push(struct lo_ring *ring, uint16_t id, uint32_t len);
bool lo_packed_call_wanted(const struct lo_ring *ring);
/* Tells the driver whether and from where on kicks are wanted. @return whether there is work */
bool lo_packed_arm(const struct lo_guest *guest, struct lo_ring *ring);
void lo_packed_disarm(struct lo_ring *ring);

/* lo_ring.c */
void lo_ring_add_desc(const struct lo_guest *guest, struct lo_chain *chain, uint64_t gpa,
	uint32_t len, bool to_guest);

#endif /* LO_PACKED_H */
