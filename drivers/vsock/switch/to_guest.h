/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_TO_GUEST_H
#define VSOCK_TO_GUEST_H

/**
 * @file
 * Into the guest's RX buffers: connections take turns, each packet is cut to the buffer it gets.
 * Context of everything: the owning lcore.
 */

#include "data/lcore.h"

/** Serve the port's ready connections within a burst. @return packets written. */
unsigned int to_guest_poll(struct lcore *lc, struct port *port);

#endif
