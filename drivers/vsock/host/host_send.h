/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_HOST_SEND_H
#define VSOCK_HOST_SEND_H

/**
 * @file
 * From the guest to a host program: sendmsg() straight from guest memory, and the backlog of bytes
 * that the socket did not take. Context of everything: the lcore that owns the port.
 */

#include "data/lcore.h"

struct vq_chain;

/** Add a packet to the connection's part of the burst. Its segments are valid until it ends. */
void host_send_add(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain);

/** Write the burst's packets of the connection to its socket. The caller returns the chains. */
void host_send_burst(struct lcore *lc, struct conn *c);

/**
 * Send a credit update to the guest, or leave it to the slow path, if one is due.
 * @param step_len bytes that were just forwarded at once; 0: none.
 */
void host_send_credit(struct lcore *lc, struct conn *c, uint32_t step_len);

/** Write the backlog to the socket, after EPOLLOUT. */
void host_send_backlog(struct lcore *lc, struct conn *c);

/**
 * The guest will not complete the message that it has begun: drop the part that waits.
 */
void host_send_drop_open(struct lcore *lc, struct conn *c);

#endif
