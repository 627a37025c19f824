/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_FROM_GUEST_H
#define VSOCK_FROM_GUEST_H

/**
 * @file
 * Packets from a guest's TX ring: pop the chain, copy the header once, check the copy, find the
 * connection, and execute the action of wire/conn_state.h.
 */

#include "data/lcore.h"

/**
 * Handle a burst of the guest's packets, bounded by LIMIT_BURST_NB_PKTS and LIMIT_BURST_LEN. If
 * replies, packet objects or room towards another lcore run out, the chain stays in the ring and
 * port->blocked is set.
 * Context: the owning lcore. @return chains handled.
 */
unsigned int from_guest_poll(struct lcore *lc, struct port *port);

#endif
