/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LO_HOST_H
#define LO_HOST_H

/**
 * @file
 * Connections between guests and host programs.
 *
 * Context: the back end's thread.
 */

#include "lo.h"

/** Handles a packet of the guest to the host. @p payload hdr->len bytes */
void lo_host_packet(struct lo_guest *guest, const struct vfe_hdr *hdr, const uint8_t *payload);

/** Moves data in both directions. @return true if something moved */
bool lo_host_poll(struct lo *lo);

/** Closes connections: of @p guest, or all with NULL. */
void lo_host_drop(struct lo *lo, struct lo_guest *guest);

#endif /* LO_HOST_H */
