/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LO_RING_H
#define LO_RING_H

/**
 * @file
 * The device's side of a ring, split or packed. Virtio 1.2, sections 2.7 and 2.8.
 *
 * Context: the back end's thread.
 */

#include "lo.h"

/** Takes the place of the ring from SET_VRING_BASE. */
void lo_ring_set_base(struct lo_guest *guest, struct lo_ring *ring, uint32_t base);

/** @return the place of the ring for GET_VRING_BASE */
uint32_t lo_ring_base(const struct lo_ring *ring);

/** Takes the next chain. @return false when there is none */
bool lo_ring_pop(struct lo_guest *guest, struct lo_ring *ring, struct lo_chain *chain);

/** Returns a chain with @p len bytes written. */
void lo_ring_push(struct lo_ring *ring, uint16_t head, uint32_t len);

/** Calls the driver if it wants it for what was returned since the last time. */
void lo_ring_call(struct lo_guest *guest, struct lo_ring *ring);

/** Asks for kicks. @return true if there is a chain already */
bool lo_ring_arm(struct lo_guest *guest, struct lo_ring *ring);

/** Asks for no kicks. */
void lo_ring_disarm(struct lo_guest *guest, struct lo_ring *ring);

/** Adds the memory of one descriptor to the pieces of a chain. An address outside ends the test. */
void lo_ring_add_desc(const struct lo_guest *guest, struct lo_chain *chain, uint64_t gpa,
	uint32_t len, bool to_guest);

#endif /* LO_RING_H */
