/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_debug.h>

#include "conn/conn_copy.h"
#include "conn/loan.h"
#include "lcore/pkt_home.h"

static void
hold(struct lcore *lc, struct conn *c, struct pkt *p)
{
	p->conn = c;
	conn_peer_pair(c)->nb_held_descs += p->nb_descs;
	TAILQ_INSERT_TAIL(&lc->held[p->src_port_id], p, held);
}

static void
let_go(struct lcore *lc, struct conn *c, struct pkt *p)
{
	RTE_ASSERT(conn_peer_pair(c)->nb_held_descs >= p->nb_descs);
	conn_peer_pair(c)->nb_held_descs -= p->nb_descs;
	TAILQ_REMOVE(&lc->held[p->src_port_id], p, held);
}

static enum drop_reason
copy_to(struct lcore *lc, struct conn *c, struct chunk_queue *q, const struct pkt *p)
{
	struct conn_copy_piece piece = {.len = p->len - p->off, .flags = p->hdr.flags};

	return conn_copy_append(lc, c, q, p->segs, p->nb_segs, p->payload_off + p->off, piece);
}

enum drop_reason
loan_append(struct lcore *lc, struct conn *c, struct pkt *p)
{
	enum drop_reason reason;

	if (loan_is_possible(c, p)) {
		hold(lc, c, p);
		TAILQ_INSERT_TAIL(&c->loans, p, next);
		return DROP_NONE;
	}
	reason = copy_to(lc, c, &c->copy.bytes, p);
	if (reason == DROP_NONE)
		pkt_home_send(lc, p);
	return reason;
}

void
loan_done(struct lcore *lc, struct conn *c, struct pkt *p)
{
	TAILQ_REMOVE(&c->loans, p, next);
	let_go(lc, c, p);
	pkt_home_send(lc, p);
}

static void
return_all(struct lcore *lc, struct conn *c)
{
	struct pkt *p;

	while ((p = TAILQ_FIRST(&c->loans)) != NULL)
		loan_done(lc, c, p);
}

void
loan_purge(struct lcore *lc, struct conn *c)
{
	return_all(lc, c);
	conn_copy_clear(lc, c, &c->copy.bytes);
}

enum drop_reason
loan_revoke(struct lcore *lc, struct conn *c)
{
	struct chunk_queue q = {0};
	struct pkt *p;

	TAILQ_FOREACH (p, &c->loans, next) {
		enum drop_reason reason = copy_to(lc, c, &q, p);

		if (reason != DROP_NONE) {
			conn_copy_clear(lc, c, &q);
			return reason;
		}
	}
	return_all(lc, c);
	conn_copy_prepend(c, &q);
	return DROP_NONE;
}
