/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "conn/conn_end.h"
#include "host/host.h"
#include "lcore/slow.h"
#include "loop/deadline.h"
#include "switch/to_guest.h"

static const struct {
	uint32_t ms;
	enum drop_reason reason;
} kinds[CONN_NB_TIMERS] = {
	[CONN_TIMER_CONNECT] = {LIMIT_CONNECT_MS, DROP_CONNECT_TIMEOUT},
	[CONN_TIMER_CLOSE] = {LIMIT_CLOSE_MS, DROP_CLOSE_TIMEOUT},
	[CONN_TIMER_LINGER] = {LIMIT_LINGER_MS, DROP_LINGER_TIMEOUT},
	[CONN_TIMER_ASK] = {LIMIT_ASK_MS, DROP_NONE},
	[CONN_TIMER_LOOK] = {LIMIT_LOOK_MS, DROP_NONE},
};

static void
arm_tick(struct lcore *lc)
{
	bool soon = !TAILQ_EMPTY(&lc->timers[CONN_TIMER_ASK]);

	if (lc->nb_timers > 0 && !lc->tick_armed) {
		lc->tick_armed = true;
		slow_tick(lc, false);
	}
	if (soon && !lc->soon_armed) {
		lc->soon_armed = true;
		slow_tick(lc, true);
	}
}

void
lcore_timer(struct lcore *lc, struct conn *c, enum conn_timer timer)
{
	if (c->timer != CONN_TIMER_NONE) {
		TAILQ_REMOVE(&lc->timers[c->timer], c, timer_entry);
		lc->nb_timers--;
	}
	c->timer = timer;
	if (timer == CONN_TIMER_NONE)
		return;
	c->deadline_ms = clock_ms() + kinds[timer].ms;
	TAILQ_INSERT_TAIL(&lc->timers[timer], c, timer_entry);
	lc->nb_timers++;
	arm_tick(lc);
}

static void
expire(struct lcore *lc, struct conn *c)
{
	if (kinds[c->timer].reason != DROP_NONE) {
		conn_end_both(lc, c, kinds[c->timer].reason);
		return;
	}
	lcore_timer(lc, c, CONN_TIMER_NONE);
	if (to_guest_room(c) == 0) {
		c->credit_asked = false;
		to_guest_ask(lc, c);
		to_guest_ready(lc, c);
	}
	/* SHUT_RD raises no event: only a try shows it. */
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
			!conn_end_must_wait(lc, c))
			expire(lc, c);
	}
	arm_tick(lc);
}
