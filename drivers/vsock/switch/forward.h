/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_FORWARD_H
#define VSOCK_FORWARD_H

/**
 * @file
 * Packets from guest to guest. A packet object goes from the sender's end of the connection to the
 * receiver's end: by a call on the same lcore, otherwise through the ring between the two lcores.
 * It comes home with a verdict. A packet that arrives never sends another packet object; it sets
 * bits at the receiver's end.
 */

#include "data/lcore.h"

/**
 * Find the guest that a REQUEST is for, and check that the two share a group.
 * Context: the sender's lcore.
 * @param out filled, except for the serial
 * @return DROP_NONE; DROP_UNKNOWN_CID or DROP_NOT_IN_GROUP: refuse the request.
 */
enum drop_reason forward_route(
	struct lcore *lc, const struct port *port, uint32_t dst_cid, struct conn_peer *out);

/** @return true if the peer's lcore can take another packet now. Context: the sender's lcore. */
bool forward_has_room(const struct lcore *lc, const struct conn_peer *peer);

/**
 * Send a header-only packet to the other end. The caller has checked that a packet object is left.
 * Context: the sender's lcore.
 */
void forward_msg(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr);

/**
 * Loan the chain to the other end: its payload from byte @p skip on. The caller has checked that
 * packet objects are left for all segments.
 * Context: the sender's lcore.
 */
void forward_data(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr,
	const struct vq_chain *chain, uint32_t skip);

/** Send RST to the other end. Context and condition as for forward_msg(). */
void forward_reset(struct lcore *lc, struct conn *c);

/**
 * Handle a packet object that arrives: a packet of another guest, or an object that comes home.
 * Context: the receiving lcore.
 */
void forward_arrive(struct lcore *lc, struct pkt *p);

/**
 * Give back all loaned chains of one port that this lcore holds. Copies the payload, or resets the
 * connection if there is no memory. Never waits.
 * Context: the receiver's lcore.
 */
void forward_revoke(struct lcore *lc, uint16_t src_port_id);

#endif
