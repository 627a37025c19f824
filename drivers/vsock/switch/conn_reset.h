/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_RESET_H
#define VSOCK_CONN_RESET_H

/**
 * @file
 * Resets towards the other side of a connection, be it a host program or another guest.
 * Context of everything: the lcore that owns the connection.
 */

#include "data/lcore.h"

/**
 * Reset the other side: close the host program's socket, or send RST to the other guest's end.
 * The caller has checked conn_reset_must_wait().
 */
void conn_reset_peer(struct lcore *lc, struct conn *c);

/**
 * Reset both sides and count @p reason. Packets queued for the guest are dropped.
 * The caller has checked conn_reset_must_wait(), or has handled a packet of this connection.
 */
void conn_reset(struct lcore *lc, struct conn *c, enum drop_reason reason);

/** @return true if a reset of the other side needs a packet object and none is left. */
bool conn_reset_must_wait(const struct lcore *lc, const struct conn *c);

#endif
