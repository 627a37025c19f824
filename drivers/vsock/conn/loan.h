/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LOAN_H
#define VSOCK_LOAN_H

/**
 * @file
 * What waits for a guest: loaned chains of other guests' TX rings while that is cheap, copies in
 * pool memory past the bounds, nothing past those.
 * Context, unless a function states another: the receiving lcore.
 */

#include "data/lcore.h"

/**
 * Append a packet with payload to a connection's queue: as a loan, or as a copy when the sender's
 * ring would be held too much. The packet is taken in any case.
 * @return DROP_NONE; DROP_PAIR_LIMIT or DROP_POOL_EXHAUSTED: nothing was appended, the caller still
 * has the packet.
 */
enum drop_reason loan_append(struct lcore *lc, struct conn *c, struct pkt *p);

/** @p len bytes of the queue's first packet were delivered. */
void loan_consume(struct lcore *lc, struct conn *c, struct pkt *p, uint32_t len);

/**
 * Seqpacket copies: make p->rec_left and p->rec_flags those of the first record.
 * @return false when there is none.
 */
bool loan_next_record(struct lcore *lc, struct conn *c, struct pkt *p);

/** The first packet of the queue was delivered: take it off and send it home. */
void loan_done(struct lcore *lc, struct conn *c, struct pkt *p);

/** Give up everything that waits for the connection's guest. */
void loan_purge(struct lcore *lc, struct conn *c);

/**
 * Take a loan out of its connection's queue and leave a copy of its payload in its place.
 * The caller has the packet.
 * @return DROP_NONE; DROP_PAIR_LIMIT or DROP_POOL_EXHAUSTED: there is no copy.
 */
enum drop_reason loan_call_back(struct lcore *lc, struct pkt *p);

/**
 * The descriptors of a TX ring that one receiving guest may hold. No guest may hold more while all
 * guests together hold LIMIT_ALL_RING_SHARE of the ring. Context: the sending lcore.
 */
static inline uint16_t
loan_ring_share(const struct vq *vq)
{
	if (vq->nb_in_flight > vq->size / LIMIT_ALL_RING_SHARE)
		return 0;
	return RTE_MAX(vq->size / LIMIT_PAIR_RING_SHARE, 1);
}

/** @return true if the connection's port may not hold this loan's share of its sender's ring. */
static inline bool
loan_is_over_share(const struct conn *c, const struct pkt *p)
{
	return c->port->pairs[p->src_port_id].nb_held_descs + p->nb_descs > p->ring_share;
}

#endif
