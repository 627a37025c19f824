/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <wq.h>
#include <wq_stats.h>

#include "control/heartbeat.h"
#include "control/host_listen.h"
#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "lcore/lcore_msg.h"

/* The message to an lcore. It is reused when the lcore has answered. */
struct beat {
	struct ctl_request request; /* first */
	bool sent;
	bool answered; /* atomic: written by the lcore */
};

struct heartbeat {
	struct vsock_switch *sw;
	uint32_t listen_turns; /* of the listener thread at the last check */
	bool listen_poked;
	struct beat beats[LIMIT_NB_LCORES];
};

int
heartbeat_start(struct vsock_switch *sw, struct heartbeat **out)
{
	struct heartbeat *hb = calloc(1, sizeof(*hb));

	if (hb == NULL)
		return -ENOMEM;
	hb->sw = sw;
	*out = hb;
	return 0;
}

void
heartbeat_free(struct heartbeat *hb)
{
	free(hb);
}

/* Context: the lcore, as a request. No thread waits for it, so it never completes. */
static bool
answer(struct lcore *lc, struct ctl_request *req)
{
	struct beat *beat = (struct beat *)(void *)req;

	(void)lc;
	__atomic_store_n(&beat->answered, true, __ATOMIC_RELEASE);
	return false;
}

static bool
lcore_is_stuck(struct beat *beat)
{
	return beat->sent && !__atomic_load_n(&beat->answered, __ATOMIC_ACQUIRE);
}

static void
send_beat(struct lcore *lc, struct beat *beat)
{
	struct inbox_msg msg = {.type = INBOX_CALL, .request = &beat->request};

	beat->request.fn = answer;
	beat->answered = false;
	/* A full inbox is no news: the lcore has to empty it by the next check. */
	beat->sent = lcore_msg_try_post(lc, &msg);
}

static int
find_stalled_pool(const struct wq_stats_pool *pool, void *arg)
{
	*(uint32_t *)arg = pool->id;
	return pool->stalled ? 1 : 0;
}

int
heartbeat_check(struct heartbeat *hb, char *culprit, size_t len)
{
	uint32_t turns = host_listen_turns(hb->sw), pool_id;

	culprit[0] = '\0';
	for (unsigned int i = 0; i < hb->sw->nb_lcores; i++) {
		struct lcore *lc = hb->sw->lcores[i];

		if (lcore_is_stuck(&hb->beats[i]))
			snprintf(culprit, len, "lcore %u", lc->lcore_id);
		else
			send_beat(lc, &hb->beats[i]);
	}
	if (hb->listen_poked && turns == hb->listen_turns)
		snprintf(culprit, len, "the listener thread");
	hb->listen_turns = turns;
	hb->listen_poked = true;
	host_listen_poke(hb->sw);
	if (wq_stats_visit_pools(find_stalled_pool, &pool_id) != 0)
		snprintf(culprit, len, "pool %u of the workqueue", pool_id);
	return culprit[0] == '\0' ? 0 : -ETIMEDOUT;
}
