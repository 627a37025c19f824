/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_COPY_H
#define VSOCK_CONN_COPY_H

/**
 * @file
 * The bytes for a guest that wait in pool memory: data of another guest that may not be lent, or a
 * message of a host program that does not fit into the guest's RX buffers. They need chunks of the
 * receiving port and nothing else. A seqpacket connection keeps a record in front of each piece of
 * a message. Context: the lcore that owns the connection.
 */

#include "data/lcore.h"

/** A piece of a message, as the record in front of it describes it. */
struct conn_copy_piece {
	uint32_t len;   /**< bytes */
	uint32_t flags; /**< WIRE_SEQ_* */
};

/**
 * Append bytes of segments to a queue that is, or becomes, part of the connection's copy.
 * @param q     the queue
 * @param segs  the segments; @param nb_segs their number; @param off byte to begin with
 * @param piece length of the bytes, and the flags of a seqpacket connection
 * @return DROP_NONE; DROP_PAIR_LIMIT or DROP_POOL_EXHAUSTED: nothing was appended.
 */
enum drop_reason conn_copy_append(struct lcore *lc, struct conn *c, struct chunk_queue *q,
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, struct conn_copy_piece piece);

/** Put a queue, which conn_copy_append() filled, in front of the connection's copy. */
void conn_copy_prepend(struct conn *c, struct chunk_queue *q);

/** Drop the bytes of a queue that conn_copy_append() filled, or of the connection's copy. */
void conn_copy_clear(struct lcore *lc, struct conn *c, struct chunk_queue *q);

/** Account a message of @p len bytes that was received into the empty copy. */
void conn_copy_received(struct conn *c, uint32_t len);

/** @return the piece of a message that is next, without the bytes that were read of it already. */
struct conn_copy_piece conn_copy_next_piece(struct lcore *lc, struct conn *c);

/**
 * Move the first @p len bytes to the segments of a chain, from byte @p off of the chain on.
 * @return bytes moved: @p len, if the copy and the chain have so many.
 */
uint32_t conn_copy_read(
	struct lcore *lc, struct conn *c, const struct vq_chain *chain, uint32_t off, uint32_t len);

#endif
