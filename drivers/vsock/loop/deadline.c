/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "conn/conn_turn.h"
#include "conn/loan.h"
#include "host/host_send.h"
#include "lcore/conn_timer.h"
#include "loop/deadline.h"
#include "switch/conn_reset.h"

/* Does the connection have to be looked at again, though no event may come? */
static bool
needs_look(const struct conn *c)
{
	if (c->state == CONN_DRAINING)
		return conn_has_data(c);
	/* SHUT_RD of the program raises no event, so only a send shows it. */
	return c->is_host && c->host.fd >= 0 && c->host.epoll_out;
}

static void
look(struct lcore *lc, struct conn *c)
{
	if (c->state == CONN_DRAINING && c->linger_ms <= clock_ms()) {
		/* The guest is still told of the reset, but does not get the data before. */
		c->port->stats.drops[DROP_LINGER_TIMEOUT]++;
		loan_purge(lc, c);
		conn_turn_ready(lc, c);
		return;
	}
	if (conn_turn_needs_report(c)) {
		c->credit_asked = false;
		conn_turn_ask(lc, c);
		conn_turn_ready(lc, c);
	}
	/* The sender may have no other buffers. If there is no memory, the data stay lent. */
	if (!TAILQ_EMPTY(&c->loans))
		(void)loan_revoke(lc, c);
	if (c->is_host && c->host.epoll_out)
		host_send_backlog(lc, c);
	if (c->timer == CONN_TIMER_NONE && needs_look(c))
		conn_timer_set(lc, c, CONN_TIMER_LOOK);
}

static void
expire(struct lcore *lc, struct conn *c)
{
	enum drop_reason reason = conn_timer_reason(c->timer);

	if (reason != DROP_NONE) {
		conn_reset(lc, c, reason);
		return;
	}
	conn_timer_set(lc, c, CONN_TIMER_NONE);
	look(lc, c);
}

void
deadline_check(struct lcore *lc, bool soon)
{
	unsigned int left = LIMIT_EXPIRE_NB_CONNS;
	uint64_t now = clock_ms();

	if (soon)
		lc->soon_armed = false;
	else
		lc->tick_armed = false;
	for (int t = CONN_TIMER_NONE + 1; t < CONN_NB_TIMERS; t++) {
		struct conn *c;

		while (left > 0 && (c = TAILQ_FIRST(&lc->timers[t])) != NULL &&
			c->deadline_ms <= now && !conn_reset_must_wait(lc, c)) {
			expire(lc, c);
			left--;
		}
	}
	conn_timer_tick(lc, left == 0);
}
