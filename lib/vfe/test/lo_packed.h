/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LO_PACKED_H
#define LO_PACKED_H

/**
 * @file
 * The packed ring behind lo_ring.h.
 *
 * Context: the back end's thread.
 */

#include "lo.h"

/** Takes the next chain. @return false when there is none */
bool lo_packed_pop(struct lo_guest *guest, struct lo_ring *ring, struct lo_chain *chain);

/** Returns the chain @p id with @p len bytes written. */
void lo_packed_push(struct lo_ring *ring, uint16_t id, uint32_t len);

/** @return true if the driver wants a call for what was returned since the last time */
bool lo_packed_call_wanted(const struct lo_ring *ring);

/** Asks for kicks. @return true if there is a chain already */
bool lo_packed_arm(const struct lo_guest *guest, struct lo_ring *ring);

/** Asks for no kicks. */
void lo_packed_disarm(struct lo_ring *ring);

#endif /* LO_PACKED_H */
