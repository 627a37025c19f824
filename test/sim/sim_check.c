/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "data/lcore.h"
#include "data/port_data.h"
#include "data/vsock_switch.h"
#include "sim_guest_data.h"
#include "sim_world.h"

/* ---- the end ---- */

static const struct sim_end *
other_end(const struct sim_guest *g, const struct sim_end *e)
{
	for (unsigned int i = 0; i < SIM_NB_GUESTS; i++) {
		if (sim_guests[i].exists && sim_guests[i].cid == e->peer_cid)
			return sim_end_find(&sim_guests[i], e->peer_port, g->cid, e->port);
	}
	return NULL;
}

/* What is missing of a connection: the oracle, and a text. NULL: nothing. */
static const char *
end_misses(const struct sim_guest *g, const struct sim_end *e, char *text, size_t len)
{
	const struct sim_end *o = other_end(g, e);

	if (e->state == SIM_END_ASKED) {
		snprintf(text, len, "guest %u port %u: connect() is not answered", g->cid, e->port);
		return "told";
	}
	if (o == NULL || o->state != SIM_END_OPENED) {
		snprintf(text, len, "guest %u port %u: the end of %u:%u is not told", g->cid,
			e->port, e->peer_cid, e->peer_port);
		return "told";
	}
	if (o->rx_cnt != e->tx_cnt) {
		snprintf(text, len, "guest %u port %u: %u bytes were accepted, %u arrived at %u",
			g->cid, e->port, e->tx_cnt, o->rx_cnt, e->peer_cid);
		return "progress";
	}
	return NULL;
}

static const char *
guest_misses(const struct sim_guest *g, char *text, size_t len)
{
	const struct sim_queue *tx = &g->q[PORT_Q_FROM_GUEST];

	for (unsigned int n = 0; n < SIM_NB_ENDS; n++) {
		const struct sim_end *e = &g->ends[n];
		const char *oracle =
			e->state == SIM_END_CLOSED ? NULL : end_misses(g, e, text, len);

		if (oracle != NULL)
			return oracle;
	}
	for (unsigned int s = 0; s < tx->nb_slots; s++) {
		if (!tx->with_device[s * tx->descs_per_slot])
			continue;
		snprintf(text, len, "guest %u: chain %u does not come back", g->cid,
			s * tx->descs_per_slot);
		return "progress";
	}
	if (g->nb_owed > 0) {
		snprintf(text, len, "guest %u: an RST was not taken", g->cid);
		return "progress";
	}
	return NULL;
}

static const char *
misses(char *text, size_t len)
{
	const char *oracle = NULL;

	for (unsigned int i = 0; i < SIM_NB_GUESTS && oracle == NULL; i++) {
		if (sim_guests[i].up)
			oracle = guest_misses(&sim_guests[i], text, len);
	}
	return oracle;
}

bool
sim_guests_at_rest(void)
{
	char text[160];

	return misses(text, sizeof(text)) == NULL;
}

void
sim_guests_check_end(void)
{
	char text[160];
	const char *oracle = misses(text, sizeof(text));

	if (oracle != NULL)
		sim_fault(oracle, "%s", text);
}

/* ---- custody ---- */

/* The device has given the chain back, whether the guest has looked or not. */
static bool
is_back(const struct sim_queue *q, uint16_t head)
{
	if (!q->with_device[head])
		return true;
	for (uint16_t i = q->last_used; i != q->used->idx; i++) {
		if (q->used->ring[i % SIM_RING_SIZE].id == head)
			return true;
	}
	return false;
}

void
sim_check_custody(void)
{
	for (unsigned int l = 0; l < sim_world.sw->nb_lcores; l++) {
		struct lcore *lc = sim_world.sw->lcores[l];

		for (unsigned int i = 0; i < SIM_NB_GUESTS; i++) {
			const struct pkt *p;

			if (!sim_guests[i].exists)
				continue;
			TAILQ_FOREACH (p, &lc->held[sim_guests[i].port->id], held) {
				const struct sim_queue *q = &sim_guests[i].q[PORT_Q_FROM_GUEST];

				if (sim_guests[i].up && is_back(q, p->lead->chain_id) &&
					!sim_ignores("custody"))
					sim_fault("custody",
						"lcore %u holds a loan of chain %u of guest %u, "
						"which "
						"has it back",
						l, p->lead->chain_id, sim_guests[i].cid);
			}
		}
	}
}
