/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "lcore/conn_timer.h"
#include "lcore/tick.h"

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

void
conn_timer_tick(struct lcore *lc, bool soon)
{
	soon |= !TAILQ_EMPTY(&lc->timers[CONN_TIMER_ASK]);

	if (lc->nb_timers > 0 && !lc->tick_armed) {
		lc->tick_armed = true;
		tick_ask(lc, false);
	}
	if (soon && !lc->soon_armed) {
		lc->soon_armed = true;
		tick_ask(lc, true);
	}
}

void
conn_timer_set(struct lcore *lc, struct conn *c, enum conn_timer timer)
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
	conn_timer_tick(lc, false);
}

enum drop_reason
conn_timer_reason(enum conn_timer timer)
{
	return kinds[timer].reason;
}
