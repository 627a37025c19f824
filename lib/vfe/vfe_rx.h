/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_RX_H
#define VFE_RX_H

/**
 * @file
 * Packets from the device to the guest: checks, state of the connections, callbacks.
 *
 * Context: the guest's thread. Internal to lib/vfe.
 */

#include "vfe_data.h"

/**
 * Handles received packets and posts their buffers again. Stops early when the queue of control
 * packets has no room for further answers.
 *
 * @param burst at most this many packets
 * @return packets handled
 */
unsigned int vfe_rx_poll(struct vfe_guest *g, unsigned int burst);

/** Posts buffer @p slot_idx. @return 0, or -ENOSPC when the ring has no free descriptors */
int vfe_rx_post(struct vfe_guest *g, uint32_t slot_idx);

#endif /* VFE_RX_H */
