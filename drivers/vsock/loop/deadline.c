/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "conn/conn_turn.h"
#include "host/host_send.h"
#include "lcore/conn_timer.h"
#include "loop/deadline.h"
#include "switch/conn_reset.h"

static void
expire(struct lcore *lc, struct conn *c)
{
	enum drop_reason reason = conn_timer_reason(c->timer);

	if (reason != DROP_NONE) {
		conn_reset(lc, c, reason);
		return;
	}
	conn_timer_set(lc, c, CONN_TIMER_NONE);
	if (conn_turn_needs_report(c)) {
		c->credit_asked = false;
		conn_turn_ask(lc, c);
		conn_turn_ready(lc, c);
	}
	/* SHUT_RD of the program raises no event, so only a send shows it. */
	if (c->is_host && c->host.epoll_out)
		host_send_backlog(lc, c);
}

void
deadline_check(struct lcore *lc, bool soon)
{
	uint64_t now = clock_ms();

	if (soon)
		lc->soon_armed = false;
	else
		lc->tick_armed = false;
	for (int t = CONN_TIMER_NONE + 1; t < CONN_NB_TIMERS; t++) {
		struct conn *c;

		while ((c = TAILQ_FIRST(&lc->timers[t])) != NULL && c->deadline_ms <= now &&
			!conn_reset_must_wait(lc, c))
			expire(lc, c);
	}
	conn_timer_tick(lc);
}
