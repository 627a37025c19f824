/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "conn/conn_end.h"
#include "conn/conn_share.h"
#include "conn/conn_sock.h"
#include "conn/conn_turn.h"
#include "conn/direct.h"
#include "conn/loan.h"
#include "lcore/conn_log.h"
#include "lcore/conn_timer.h"

void
conn_end_guest(struct lcore *lc, struct conn *c)
{
	conn_timer_set(lc, c, CONN_TIMER_NONE);
	if (!c->in_table || (c->state == CONN_TO_GUEST && !c->request_sent)) {
		conn_end_free(lc, c);
		return;
	}
	if (conn_has_data(c)) {
		c->linger_ms = clock_ms() + LIMIT_LINGER_MS;
		conn_timer_set(lc, c, CONN_TIMER_ASK);
	}
	c->state = CONN_DRAINING;
	/* Data that still waits must not come before the answer to the guest's REQUEST. */
	c->ctl = CONN_CTL_RST | (conn_has_data(c) ? c->ctl & CONN_CTL_RESPONSE : 0);
	conn_turn_ready(lc, c);
}

void
conn_end_guest_now(struct lcore *lc, struct conn *c)
{
	loan_purge(lc, c);
	conn_end_guest(lc, c);
}

void
conn_end_free(struct lcore *lc, struct conn *c)
{
	struct port *port = c->port;

	conn_log_ended(lc, c);
	if (port->open.conn == c)
		direct_close(lc, port);
	loan_purge(lc, c);
	conn_share_give(c);
	conn_timer_set(lc, c, CONN_TIMER_NONE);
	if (c->in_ready)
		conn_turn_drop(c);
	if (!c->is_host) {
		conn_free(&port->conns, c);
		return;
	}
	conn_sock_close(lc, c);
	/*
	 * This iteration's epoll events may still point to the connection, so free it in the next
	 * iteration.
	 */
	conn_detach(&port->conns, c);
	c->state = CONN_NONE;
	TAILQ_INSERT_TAIL(&lc->ended, c, ready_entry);
}

void
conn_end_host(struct lcore *lc, struct conn *c, enum drop_reason reason)
{
	conn_end_count(c, reason);
	conn_sock_close(lc, c);
	conn_end_guest_now(lc, c);
}
