/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_PEER_H
#define VSOCK_CONN_PEER_H

/**
 * @file
 * The two ends of a connection between guests. Each guest's port has an end of its own.
 */

#include "data/port_data.h"

/**
 * Find the receiver's end for a packet of the sender's end. Serials tell a connection from an
 * earlier one with the same addresses.
 * Context: the receiver's lcore.
 * @param port        the receiver's
 * @param hdr         of the packet
 * @param conn_serial serial of the sender's end
 * @param peer_serial serial of the receiver's end as the sender knows it; 0: not yet
 * @return the end; NULL if there is none.
 */
struct conn *conn_peer_find(
	struct port *port, const struct wire_hdr *hdr, uint32_t conn_serial, uint32_t peer_serial);

/**
 * @return what the other end's guest has at the port of this end; host programs count as the own
 * port. Context: the lcore that owns the connection.
 */
static inline struct pair *
conn_peer_pair(const struct conn *c)
{
	return &c->port->pairs[c->is_host ? c->port->id : c->peer.port_id];
}

#endif
