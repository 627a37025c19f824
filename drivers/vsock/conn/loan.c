/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_debug.h>

#include "conn/loan.h"
#include "lcore/pkt_home.h"

/* The header of a message in the copy of a seqpacket connection. */
struct record {
	uint32_t len;
	uint32_t flags;
};

static struct pair *
pair_of(struct conn *c, const struct pkt *p)
{
	return &c->port->pairs[p->src_port_id];
}

static void
hold(struct lcore *lc, struct conn *c, struct pkt *p)
{
	p->conn = c;
	pair_of(c, p)->nb_held_descs += p->nb_descs;
	TAILQ_INSERT_TAIL(&lc->held[p->src_port_id], p, held);
}

static void
let_go(struct lcore *lc, struct conn *c, struct pkt *p)
{
	RTE_ASSERT(pair_of(c, p)->nb_held_descs >= p->nb_descs);
	pair_of(c, p)->nb_held_descs -= p->nb_descs;
	TAILQ_REMOVE(&lc->held[p->src_port_id], p, held);
}

/* The packet behind itself if it is a copy of the same sender's data, else a new copy after it. */
static struct pkt *
copy_packet(struct lcore *lc, struct conn *c, struct pkt *behind, uint16_t pair_port_id)
{
	struct pkt *copy = behind;

	if (copy != NULL && copy->kind == PKT_COPY && copy->src_port_id == pair_port_id)
		return copy;
	copy = pkt_home_get(lc);
	if (copy == NULL)
		return NULL;
	copy->kind = PKT_COPY;
	copy->len = 0;
	copy->off = 0;
	copy->rec_left = 0;
	copy->conn = c;
	copy->src_port_id = pair_port_id;
	copy->copy = (struct chunk_queue){0};
	if (behind != NULL)
		TAILQ_INSERT_AFTER(&c->data, behind, copy, next);
	else
		TAILQ_INSERT_HEAD(&c->data, copy, next);
	return copy;
}

static void
copy_drop_if_empty(struct lcore *lc, struct conn *c, struct pkt *copy)
{
	if (copy->copy.len == 0 && copy->rec_left == 0 && copy->copy.head == NULL) {
		TAILQ_REMOVE(&c->data, copy, next);
		pkt_home_put(lc, copy);
	}
}

/* Append bytes to a copy that follows packet behind in the queue (NULL: at its head). */
static enum drop_reason
append_copy(struct lcore *lc, struct conn *c, struct pkt *behind, uint16_t pair_port_id,
	const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, struct record rec)
{
	struct chunk_account *acct = &c->port->pool;
	struct pair *pair = &c->port->pairs[pair_port_id];
	uint32_t rec_len = c->type == WIRE_TYPE_SEQPACKET ? sizeof(rec) : 0;
	struct pkt *copy;

	if (pair->pool_len + rec_len + rec.len > LIMIT_PAIR_POOL_LEN)
		return DROP_PAIR_LIMIT;
	copy = copy_packet(lc, c, behind, pair_port_id);
	if (copy == NULL)
		return DROP_POOL_EXHAUSTED;
	if (chunk_append_record(&copy->copy, lc->chunks, acct, &rec, rec_len, segs, nb_segs, off,
		    rec.len) != 0) {
		copy_drop_if_empty(lc, c, copy);
		return DROP_POOL_EXHAUSTED;
	}
	copy->len += rec.len;
	pair->pool_len += rec_len + rec.len;
	if (!c->is_host)
		c->port->stats.guest_copied_bytes += rec.len;
	lc->stats.loans_copied++;
	return DROP_NONE;
}

static enum drop_reason
copy_loan(struct lcore *lc, struct conn *c, struct pkt *behind, const struct pkt *p)
{
	struct record rec = {.len = p->len - p->off, .flags = p->hdr.flags};

	return append_copy(
		lc, c, behind, p->src_port_id, p->segs, p->nb_segs, p->payload_off + p->off, rec);
}

enum drop_reason
loan_append(struct lcore *lc, struct conn *c, struct pkt *p)
{
	enum drop_reason reason;

	if (!loan_is_over_share(c, p)) {
		hold(lc, c, p);
		TAILQ_INSERT_TAIL(&c->data, p, next);
		return DROP_NONE;
	}
	reason = copy_loan(lc, c, TAILQ_LAST(&c->data, pkt_list), p);
	if (reason == DROP_NONE)
		pkt_home_send(lc, p);
	return reason;
}

void
loan_consume(struct lcore *lc, struct conn *c, struct pkt *p, uint32_t len)
{
	if (p->kind != PKT_COPY) {
		p->off += len;
		return;
	}
	c->port->pairs[p->src_port_id].pool_len -= len;
	chunk_consume(&p->copy, lc->chunks, &c->port->pool, len);
}

bool
loan_next_record(struct lcore *lc, struct conn *c, struct pkt *p)
{
	struct record rec;

	if (p->rec_left != 0 || p->copy.len < sizeof(rec))
		return p->rec_left != 0;
	chunk_peek(&p->copy, &rec, sizeof(rec));
	loan_consume(lc, c, p, sizeof(rec));
	p->rec_left = rec.len;
	p->rec_flags = rec.flags;
	return true;
}

void
loan_done(struct lcore *lc, struct conn *c, struct pkt *p)
{
	TAILQ_REMOVE(&c->data, p, next);
	if (p->kind == PKT_COPY) {
		chunk_clear(&p->copy, lc->chunks, &c->port->pool);
		pkt_home_put(lc, p);
		return;
	}
	let_go(lc, c, p);
	pkt_home_send(lc, p);
}

void
loan_purge(struct lcore *lc, struct conn *c)
{
	struct pkt *p;

	while ((p = TAILQ_FIRST(&c->data)) != NULL) {
		if (p->kind == PKT_COPY)
			c->port->pairs[p->src_port_id].pool_len -= p->copy.len;
		loan_done(lc, c, p);
	}
}

enum drop_reason
loan_call_back(struct lcore *lc, struct pkt *p)
{
	struct conn *c = p->conn;
	enum drop_reason reason = copy_loan(lc, c, TAILQ_PREV(p, pkt_list, next), p);

	TAILQ_REMOVE(&c->data, p, next);
	let_go(lc, c, p);
	return reason;
}
