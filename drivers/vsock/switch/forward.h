/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_FORWARD_H
#define VSOCK_FORWARD_H

/**
 * @file
 * Guest to guest. A packet object goes from the sender's end of the connection to the receiver's,
 * on the same lcore by a call and on another one through the ring between them, and comes home with
 * a verdict. Nothing here recurses: what arrives never sends, it sets bits at the receiver's end.
 */

#include "data/lcore.h"

/** Find the guest that a REQUEST is for and whether it may. @return a reason to refuse, or
 * DROP_NONE with @p out filled. Context: lcore. */
enum drop_reason forward_route(
	struct lcore *lc, const struct port *port, uint32_t dst_cid, struct conn_peer *out);

/** True when the peer's lcore can take another packet now. Context: the sender's lcore. */
bool forward_has_room(const struct lcore *lc, const struct conn_peer *peer);

/**
 * Send a header-only packet to the other end. Context: the sender's lcore.
 * The caller has checked that a packet object is left.
 */
void forward_msg(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr);

/**
 * Send payload from byte @p skip on: the chain is loaned to the other end. Context and condition as
 * above.
 */
void forward_data(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr,
	const struct vq_chain *chain, uint32_t skip);

/** Tell the other end that this one is gone. Context and condition as above. */
void forward_reset(struct lcore *lc, struct conn *c);

/** A packet from another guest, or home again. Context: the lcore that took it off a ring. */
void forward_arrive(struct lcore *lc, struct pkt *p);

/**
 * Give back every loaned chain of one port that this lcore holds: copy the payload, or reset the
 * connection if there is no memory. Never waits. Context: the receiver's lcore.
 */
void forward_revoke(struct lcore *lc, uint16_t src_port_id);

#endif
