/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_END_H
#define VSOCK_CONN_END_H

/**
 * @file
 * The end of a connection at its guest. switch/conn_reset.h also resets the other side.
 * Context of everything: the lcore that owns the connection.
 */

#include "data/lcore.h"

/** Count the reason why the connection ends, and keep it for the log. */
static inline void
conn_end_count(struct conn *c, enum drop_reason reason)
{
	c->port->stats.drops[reason]++;
	c->end_reason = reason;
}

/**
 * Reset the connection towards the guest: queued data is delivered, then RST. The entry is freed
 * after that. If the guest has not seen the REQUEST yet, the entry is freed at once.
 */
void conn_end_guest(struct lcore *lc, struct conn *c);

/** As conn_end_guest(), but queued data is dropped. */
void conn_end_guest_now(struct lcore *lc, struct conn *c);

/**
 * Reset a connection to a host program on both sides and count @p reason. Queued data is dropped.
 */
void conn_end_host(struct lcore *lc, struct conn *c, enum drop_reason reason);

/** Free the connection without a packet to the guest. The host program's socket is closed. */
void conn_end_free(struct lcore *lc, struct conn *c);

#endif
