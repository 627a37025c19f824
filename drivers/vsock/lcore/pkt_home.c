/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_debug.h>

#include "lcore/lcore_msg.h"
#include "lcore/lcore_port.h"
#include "lcore/pkt_home.h"

struct pkt *
pkt_home_get(struct lcore *lc)
{
	struct pkt *p = TAILQ_FIRST(&lc->free_pkts);

	if (p == NULL)
		return NULL;
	TAILQ_REMOVE(&lc->free_pkts, p, next);
	lc->nb_free_pkts--;
	return p;
}

void
pkt_home_put(struct lcore *lc, struct pkt *p)
{
	RTE_ASSERT(p->home == lc->index);
	TAILQ_INSERT_HEAD(&lc->free_pkts, p, next);
	lc->nb_free_pkts++;
}

void
pkt_home_add(struct lcore *lc, struct pkt_block *block)
{
	for (uint32_t i = 0; i < block->nb; i++) {
		block->pkts[i].home = lc->index;
		pkt_home_put(lc, &block->pkts[i]);
	}
	block->next = lc->pkt_blocks;
	lc->pkt_blocks = block;
	lc->nb_pkts += block->nb;
}

/* The chain goes back, and its lead becomes free, when the last part is home. */
static void
part_arrives(struct lcore *lc, struct port *port, struct pkt *p)
{
	struct pkt *lead = p->lead;

	if (p != lead) {
		port->nb_pkts_out--;
		pkt_home_put(lc, p);
	}
	if (--lead->nb_parts > 0)
		return;
	vq_return(&port->vq[PORT_Q_FROM_GUEST], lead->chain_id);
	port->nb_lent_descs -= lead->chain_descs;
	lcore_port_flush_later(lc, port);
	port->nb_pkts_out--;
	pkt_home_put(lc, lead);
}

void
pkt_home_arrive(struct lcore *lc, struct pkt *p)
{
	struct port *port = lcore_port_find(lc, p->src_port_id, p->src_port_gen);

	if (port == NULL || p->kind == PKT_REVOKE) {
		/* A port is removed only after all its loans are back. */
		RTE_VERIFY(p->kind != PKT_LOAN);
		pkt_home_put(lc, p);
		return;
	}
	if (p->kind == PKT_LOAN) {
		part_arrives(lc, port, p);
		return;
	}
	port->nb_pkts_out--;
	pkt_home_put(lc, p);
}

void
pkt_home_send(struct lcore *lc, struct pkt *p)
{
	if (p->home == lc->index) {
		pkt_home_arrive(lc, p);
		return;
	}
	p->returning = true;
	lcore_msg_send(lc, p->home, p);
}
