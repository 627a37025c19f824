/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_RX_BUF_H
#define VSOCK_RX_BUF_H

/**
 * @file
 * RX buffers of a guest: take one, write the packet header, hand it back to the guest.
 * Context of everything: the lcore that owns the port.
 */

#include "data/lcore.h"

/**
 * Take an RX buffer with room for a header and @p min_payload bytes. Buffers that are malformed or
 * too small go back to the guest and are counted.
 * @param chain       filled
 * @param segs        VQ_CHAIN_MAX_SEGS entries; chain->segs points to them
 * @param min_payload bytes
 * @return true: a buffer; false: there is none, and the port is marked as starved.
 */
bool rx_buf_get(struct lcore *lc, struct port *port, struct vq_chain *chain, struct vq_seg *segs,
	uint32_t min_payload);

/** @return bytes of payload that fit into the buffer. */
static inline uint32_t
rx_buf_room(const struct vq_chain *chain)
{
	return RTE_MIN(chain->len - WIRE_HDR_LEN, WIRE_PAYLOAD_MAX_LEN);
}

/** Write a packet header at the start of the buffer. */
void rx_buf_header(const struct vq_chain *chain, const struct wire_hdr *hdr);

/**
 * Hand a buffer with a packet of the connection to the guest: write the header, account credit and
 * counters. The caller has written the payload behind the header.
 * @param op    enum wire_op
 * @param flags of the header
 * @param len   payload, bytes
 */
void rx_buf_put(struct port *port, struct conn *c, const struct vq_chain *chain, uint16_t op,
	uint32_t flags, uint32_t len);

#endif
