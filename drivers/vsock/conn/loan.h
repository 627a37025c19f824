/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LOAN_H
#define VSOCK_LOAN_H

/**
 * @file
 * The queue of packets that wait for a guest's RX buffers. A packet is a loan while its sender's
 * TX ring may be held: the payload stays in the sender's chain. Beyond that bound the payload is
 * copied to pool memory (conn/conn_copy.h), and the packet goes home. What follows a copy is copied
 * as well, until the copy is delivered. Beyond the bounds of the pool the connection is reset.
 * Context, unless a function states another: the receiving lcore.
 */

#include "conn/conn_peer.h"
#include "data/lcore.h"

/**
 * Append a packet with payload to the connection's queue: as a loan, or as a copy if
 * loan_is_possible() does not hold.
 * @return DROP_NONE: the queue owns the packet, or it was copied and sent home. DROP_PAIR_LIMIT or
 * DROP_POOL_EXHAUSTED: the caller still owns it.
 */
enum drop_reason loan_append(struct lcore *lc, struct conn *c, struct pkt *p);

/** Remove a packet from the queue after its delivery, and send it home. */
void loan_done(struct lcore *lc, struct conn *c, struct pkt *p);

/** Drop all packets that are queued for the connection's guest. */
void loan_purge(struct lcore *lc, struct conn *c);

/**
 * Copy all loans of the connection, and send the packets home.
 * @return DROP_NONE; DROP_PAIR_LIMIT or DROP_POOL_EXHAUSTED: there is no copy, and all loans are
 * still in the queue.
 */
enum drop_reason loan_revoke(struct lcore *lc, struct conn *c);

/**
 * @return true if the packet can stay a loan: it does not have to follow bytes of the copy, and the
 * connection's port may hold this part of its sender's ring.
 */
static inline bool
loan_is_possible(const struct conn *c, const struct pkt *p)
{
	return !c->has_copy && conn_peer_pair(c)->nb_held_descs + p->nb_descs <= p->ring_share;
}

#endif
