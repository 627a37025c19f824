/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_DIRECT_H
#define VSOCK_DIRECT_H

/**
 * @file
 * The direct path between two guests of one lcore: the payload is copied from the sender's chain
 * into the receiver's RX buffer. It is used only while no data is queued for this connection or for
 * another one of the receiving port. Other data is sent as a loan (switch/forward.h).
 *
 * The RX buffer of a stream stays open, so that small packets share it. It is handed over when it
 * is full, when another connection needs the port, or when the sender's burst ends. No buffer is
 * open between two bursts.
 *
 * Context of everything here: the lcore that owns both ports.
 */

#include "data/lcore.h"

/**
 * Deliver payload to the other guest.
 * @param c the sender's end; open
 * @param hdr checked; hdr->len is not 0
 * @param chain of the sender
 * @return payload bytes that were delivered, from the first byte on. If it is less than hdr->len,
 * the caller delivers the rest.
 */
uint32_t direct_send(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain);

/** Hand over the RX buffer that is open at a port. No effect if none is open. */
void direct_close(struct lcore *lc, struct port *port);

/** Hand over all open RX buffers. Call it at the end of a burst. */
void direct_close_all(struct lcore *lc);

#endif
