/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/conn_peer.h"
#include "conn/conn_turn.h"
#include "lcore/conn_timer.h"
#include "lcore/lcore_port.h"

void
conn_turn_ready(struct lcore *lc, struct conn *c)
{
	if (!c->in_ready && c->in_table)
		conn_turn_wait(c);
	lcore_port_ready(lc, c->port);
}

void
conn_turn_wait(struct conn *c)
{
	struct pair *pair = conn_peer_pair(c);

	if (TAILQ_EMPTY(&pair->ready))
		TAILQ_INSERT_TAIL(&c->port->ready, pair, ready_entry);
	TAILQ_INSERT_TAIL(&pair->ready, c, ready_entry);
	c->in_ready = true;
}

void
conn_turn_wait_first(struct conn *c)
{
	struct pair *pair = conn_peer_pair(c);

	if (!TAILQ_EMPTY(&pair->ready))
		TAILQ_REMOVE(&c->port->ready, pair, ready_entry);
	TAILQ_INSERT_HEAD(&c->port->ready, pair, ready_entry);
	TAILQ_INSERT_HEAD(&pair->ready, c, ready_entry);
	c->in_ready = true;
}

void
conn_turn_drop(struct conn *c)
{
	struct pair *pair = conn_peer_pair(c);

	TAILQ_REMOVE(&pair->ready, c, ready_entry);
	if (TAILQ_EMPTY(&pair->ready))
		TAILQ_REMOVE(&c->port->ready, pair, ready_entry);
	c->in_ready = false;
}

void
conn_turn_begin(struct conn *c)
{
	struct pair *pair = conn_peer_pair(c);

	conn_turn_drop(c);
	if (TAILQ_EMPTY(&pair->ready))
		return;
	TAILQ_REMOVE(&c->port->ready, pair, ready_entry);
	TAILQ_INSERT_TAIL(&c->port->ready, pair, ready_entry);
}

void
conn_turn_ask(struct lcore *lc, struct conn *c)
{
	bool stuck = conn_turn_needs_report(c);

	if (!c->credit_asked && (stuck || pkt_window_should_ask(&c->window, c->guest_buf_alloc))) {
		c->credit_asked = true;
		c->ctl |= CONN_CTL_CREDIT_REQUEST;
	}
	/* Linux sends no credit update for every packet that its reader takes. */
	if (stuck && c->timer == CONN_TIMER_NONE) {
		conn_timer_set(
			lc, c, c->nb_asked < LIMIT_NB_ASKS ? CONN_TIMER_ASK : CONN_TIMER_LOOK);
		c->nb_asked += c->nb_asked < LIMIT_NB_ASKS;
	}
}
