/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/conn_copy.h"
#include "conn/conn_peer.h"

/* An empty message has a record, but no byte. */
static void
update_has_copy(struct conn *c)
{
	c->has_copy = c->copy.bytes.len > 0 || c->copy.piece_left > 0;
}

enum drop_reason
conn_copy_append(struct lcore *lc, struct conn *c, struct chunk_queue *q, const struct vq_seg *segs,
	uint16_t nb_segs, uint32_t off, struct conn_copy_piece piece)
{
	uint32_t rec_len = c->type == WIRE_TYPE_SEQPACKET ? sizeof(piece) : 0;
	struct pair *pair = conn_peer_pair(c);

	if (pair->pool_len + rec_len + piece.len > LIMIT_PAIR_POOL_LEN)
		return DROP_PAIR_LIMIT;
	if (chunk_append_record(q, lc->chunks, &c->port->pool, &piece, rec_len, segs, nb_segs, off,
		    piece.len) != 0)
		return DROP_POOL_EXHAUSTED;
	pair->pool_len += rec_len + piece.len;
	update_has_copy(c);
	c->port->stats.guest_copied_bytes += piece.len;
	lc->stats.loans_copied++;
	return DROP_NONE;
}

void
conn_copy_prepend(struct conn *c, struct chunk_queue *q)
{
	chunk_join(q, &c->copy.bytes);
	c->copy.bytes = *q;
	update_has_copy(c);
}

void
conn_copy_clear(struct lcore *lc, struct conn *c, struct chunk_queue *q)
{
	if (q->len > 0)
		conn_peer_pair(c)->pool_len -= q->len;
	chunk_clear(q, lc->chunks, &c->port->pool);
	if (q == &c->copy.bytes)
		c->copy.piece_left = 0;
	update_has_copy(c);
}

void
conn_copy_received(struct conn *c, uint32_t len)
{
	c->copy.piece_left = len;
	c->copy.piece_flags = WIRE_SEQ_EOM;
	conn_peer_pair(c)->pool_len += len;
	update_has_copy(c);
}

static void
consume(struct lcore *lc, struct conn *c, uint32_t len)
{
	conn_peer_pair(c)->pool_len -= len;
	chunk_consume(&c->copy.bytes, lc->chunks, &c->port->pool, len);
}

struct conn_copy_piece
conn_copy_next_piece(struct lcore *lc, struct conn *c)
{
	struct conn_copy_piece piece;

	if (c->copy.piece_left == 0 && c->copy.bytes.len >= sizeof(piece)) {
		chunk_peek(&c->copy.bytes, &piece, sizeof(piece));
		consume(lc, c, sizeof(piece));
		c->copy.piece_left = piece.len;
		c->copy.piece_flags = piece.flags;
		update_has_copy(c);
	}
	return (struct conn_copy_piece){c->copy.piece_left, c->copy.piece_flags};
}

uint32_t
conn_copy_read(
	struct lcore *lc, struct conn *c, const struct vq_chain *chain, uint32_t off, uint32_t len)
{
	uint32_t n = chunk_read_segs(&c->copy.bytes, len, chain->segs, chain->nb_segs, off);

	consume(lc, c, n);
	if (c->type == WIRE_TYPE_SEQPACKET)
		c->copy.piece_left -= n;
	update_has_copy(c);
	return n;
}
