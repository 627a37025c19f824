/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_FROM_GUEST_H
#define VSOCK_FROM_GUEST_H

/**
 * @file
 * Out of the guest's TX ring: pop, copy the header once, check the copy, find the connection, act.
 */

#include "data/lcore.h"

/**
 * Take a burst from the guest, bounded in packets and bytes. Nothing is popped that could not be
 * dealt with: when replies, packet objects or room towards another lcore run out, the chain stays
 * in the ring and port->blocked tells.
 * Context: the owning lcore. @return chains taken.
 */
unsigned int from_guest_poll(struct lcore *lc, struct port *port);

#endif
