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

/**
 * The receiver's end of what was sent, of that very incarnation. Context: the receiver's lcore.
 * @param conn_serial of the sender's end. @param peer_serial of the receiver's, as the sender knows
 * it; 0: not yet. @return the end, or NULL.
 */
struct conn *forward_find_end(
	struct port *port, const struct wire_hdr *hdr, uint32_t conn_serial, uint32_t peer_serial);

/** A packet from another guest, or home again. Context: the lcore that took it off a ring. */
void forward_arrive(struct lcore *lc, struct pkt *p);

/** Send a packet home; the verdict is in it. Context: the receiver's lcore. */
void forward_return(struct lcore *lc, struct pkt *p);

#endif
