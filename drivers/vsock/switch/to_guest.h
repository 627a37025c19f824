/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_TO_GUEST_H
#define VSOCK_TO_GUEST_H

/**
 * @file
 * Into the guest's RX buffers: connections take turns, each packet is cut to the buffer it gets.
 * Context of everything: the owning lcore.
 */

#include "data/lcore.h"

/** Serve the port's ready connections within a burst. @return packets written. */
unsigned int to_guest_poll(struct lcore *lc, struct port *port);

/** The connection has something for its guest (or may have). */
void to_guest_ready(struct lcore *lc, struct conn *c);

/** Packets with payload that the connection may send now; see pkt_window.h. */
uint32_t to_guest_room(const struct conn *c);

/** Whether the connection has filled LIMIT_TURN_LEN bytes of buffers in its turn. */
bool to_guest_turn_is_full(const struct conn *c);

/** Ask the guest how far its reader is, when that is about to matter. */
void to_guest_ask(struct lcore *lc, struct conn *c);

/**
 * Pop an RX buffer with room for a header and @p min_payload bytes; refused and too small ones go
 * back and are counted.
 * @retval true a chain. @retval false none; the port is marked starved.
 */
bool to_guest_buffer(struct lcore *lc, struct port *port, struct vq_chain *chain,
	struct vq_seg *segs, uint32_t min_payload);

/** Write the header of a packet with @p len bytes of payload in place and hand the chain over. */
void to_guest_packet(struct port *port, struct conn *c, const struct vq_chain *chain, uint16_t op,
	uint32_t flags, uint32_t len);

#endif
