/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include <wq.h>

#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "lcore/lcore_msg.h"
#include "lcore/tick.h"

struct tick {
	struct wq_delayed_work work; /* first */
	struct lcore *lc;
	bool soon;
};

static void
tick_work(struct wq_work *work)
{
	struct tick *tick = (struct tick *)(void *)wq_to_delayed(work);
	struct inbox_msg msg = {.type = INBOX_TICK, .reason = tick->soon};

	lcore_msg_post(tick->lc, &msg);
}

int
tick_create(struct lcore *lc)
{
	lc->ticks = calloc(2, sizeof(*lc->ticks));
	if (lc->ticks == NULL)
		return -ENOMEM;
	for (int soon = 0; soon < 2; soon++) {
		lc->ticks[soon].lc = lc;
		lc->ticks[soon].soon = soon;
		wq_delayed_init(&lc->ticks[soon].work, tick_work);
	}
	return 0;
}

void
tick_free(struct lcore *lc)
{
	free(lc->ticks);
	lc->ticks = NULL;
}

void
tick_stop(struct lcore *lc)
{
	for (int soon = 0; soon < 2; soon++)
		wq_cancel_delayed_sync(&lc->ticks[soon].work);
}

void
tick_ask(struct lcore *lc, bool soon)
{
	wq_queue_delayed(
		lc->sw->slow_wq, &lc->ticks[soon].work, soon ? LIMIT_TICK_SOON_US : LIMIT_TICK_US);
}
