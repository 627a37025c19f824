/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_SHARE_H
#define VSOCK_CONN_SHARE_H

/**
 * @file
 * Shares of a port's table of connections. Each connection counts for who began it: the guest
 * itself, another guest, or host programs. A part is left for each of the others, so that one of
 * them cannot use up the table. Tables with less than LIMIT_NB_CONNS_SHARED_MIN entries are not
 * divided. Context of everything: the lcore that owns the port.
 */

#include "data/lcore.h"

/**
 * Check whether somebody else may begin another connection at the port.
 * @param from id of the other guest's port; the port's own id for host programs
 */
bool conn_share_has_room(const struct port *port, uint16_t from);

/** Count a new connection for the other guest, or for host programs. Its peer is set. */
void conn_share_take(struct conn *c);

/** The connection is over. No effect if its guest began it. */
void conn_share_give(struct conn *c);

#endif
