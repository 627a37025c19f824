/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_TO_GUEST_H
#define VSOCK_TO_GUEST_H

/**
 * @file
 * Packets into a guest's RX buffers. The connections of a port take turns. A packet that is larger
 * than an RX buffer is split.
 * Context of everything: the owning lcore.
 */

#include "data/lcore.h"

/** Serve the ready connections of the port within one burst. @return packets written. */
unsigned int to_guest_poll(struct lcore *lc, struct port *port);

#endif
