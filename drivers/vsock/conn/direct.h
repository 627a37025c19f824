/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_DIRECT_H
#define VSOCK_DIRECT_H

/**
 * @file
 * The short way between two guests of one lcore: from the sender's chain straight into the
 * receiver's buffer, while nothing of that connection and of no other waits there. Whatever cannot
 * go this way goes as a loan (forward.h), behind what went before.
 *
 * A stream's buffer stays open until it is full, another connection needs the port, or the
 * sender's burst is over, so that small packets share it. Never open between two bursts.
 *
 * Context of everything here: the lcore.
 */

#include "data/lcore.h"

/**
 * Deliver data of a connection to a guest.
 * @param c the sender's end; open. @param hdr checked. @param chain of the sender.
 * @return payload bytes that were delivered, from the first on; less than hdr->len, or 0: the rest
 * is the caller's. A packet of no bytes is always the caller's.
 */
uint32_t direct_send(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain);

/** Hand over the buffer that is open at a port, if any. */
void direct_close(struct lcore *lc, struct port *port);

/** A burst is over: hand over every open buffer. */
void direct_close_all(struct lcore *lc);

#endif
