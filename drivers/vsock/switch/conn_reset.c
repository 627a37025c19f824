/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/conn_end.h"
#include "conn/conn_sock.h"
#include "switch/conn_reset.h"
#include "switch/forward.h"

bool
conn_reset_must_wait(const struct lcore *lc, const struct conn *c)
{
	return !c->is_host && lc->nb_free_pkts == 0;
}

void
conn_reset_peer(struct lcore *lc, struct conn *c)
{
	if (c->is_host)
		conn_sock_close(lc, c);
	else if (c->state != CONN_DRAINING)
		forward_reset(lc, c);
}

void
conn_reset(struct lcore *lc, struct conn *c, enum drop_reason reason)
{
	conn_end_count(c, reason);
	conn_reset_peer(lc, c);
	conn_end_guest_now(lc, c);
}
