/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/conn_peer.h"
#include "conn/conn_share.h"

bool
conn_share_has_room(const struct port *port, uint16_t from)
{
	const uint32_t nb_max = port->conns.nb_max;
	const uint32_t part = RTE_MIN(nb_max / LIMIT_CONNS_PART_SHARE, LIMIT_NB_CONNS_PART_MAX);
	const uint32_t from_here = port->pairs[port->id].nb_conns;

	if (nb_max < LIMIT_NB_CONNS_SHARED_MIN)
		return true;
	/* One part is left for the guest itself. */
	if (port->nb_conns_of_others >= nb_max - part)
		return false;
	/* Another one is left for the other guests, or for host programs. */
	if (from == port->id)
		return from_here < nb_max - 2 * part;
	if (port->nb_conns_of_others - from_here >= nb_max - 2 * part)
		return false;
	/* And one for the guests besides this one. */
	return port->pairs[from].nb_conns < nb_max - 3 * part;
}

void
conn_share_take(struct conn *c)
{
	c->by_other = 1;
	conn_peer_pair(c)->nb_conns++;
	c->port->nb_conns_of_others++;
}

void
conn_share_give(struct conn *c)
{
	if (!c->by_other)
		return;
	c->by_other = 0;
	conn_peer_pair(c)->nb_conns--;
	c->port->nb_conns_of_others--;
}
