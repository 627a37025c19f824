/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>
#include <string.h>

#include "conn/conn_turn.h"
#include "control/snapshot.h"
#include "data/drop.h"
#include "data/lcore.h"
#include "data/port_data.h"
#include "data/vsock_switch.h"
#include "lcore/lcore_msg.h"
#include "wire/conn_state.h"
#include "wire/credit.h"
#include "wire/wire.h"

/* Counters of a port. The names are an interface for users. */
static const struct {
	const char *name;
	size_t offset;
} counters[SNAPSHOT_NB_COUNTERS] = {
	{"from_guest_packets", offsetof(struct port_stats, from_guest_packets)},
	{"from_guest_bytes", offsetof(struct port_stats, from_guest_bytes)},
	{"to_guest_packets", offsetof(struct port_stats, to_guest_packets)},
	{"to_guest_bytes", offsetof(struct port_stats, to_guest_bytes)},
	{"to_guest_notifications", offsetof(struct port_stats, to_guest_notifications)},
	{"from_guest_notifications", offsetof(struct port_stats, from_guest_notifications)},
	{"kicks", offsetof(struct port_stats, kicks)},
	{"conns_opened", offsetof(struct port_stats, conns_opened)},
	{"resets_sent", offsetof(struct port_stats, resets_sent)},
	{"guest_copied_bytes", offsetof(struct port_stats, guest_copied_bytes)},
	{"guest_payload_bytes", offsetof(struct port_stats, guest_payload_bytes)},
	{"backlog_bytes", offsetof(struct port_stats, backlog_bytes)},
	{"backlogged_bytes", offsetof(struct port_stats, backlog_bytes)},
	{"host_send_calls", offsetof(struct port_stats, host_send_calls)},
	{"host_recv_calls", offsetof(struct port_stats, host_recv_calls)},
	{"credit_updates", offsetof(struct port_stats, credit_updates)},
};

const char *
snapshot_counter_name(unsigned int i)
{
	return counters[i].name;
}

const char *
snapshot_drop_name(unsigned int i)
{
	return drop_reason_name((enum drop_reason)(DROP_NONE + 1 + i));
}

struct port_arg {
	const struct port *port;
	struct snapshot_port *out;
};

/* Context: the lcore, as a request. */
static bool
copy_port(struct lcore *lc, struct ctl_request *req)
{
	const struct port_arg *arg = req->arg;
	const struct port *port = arg->port;
	struct snapshot_port *out = arg->out;

	for (size_t i = 0; i < SNAPSHOT_NB_COUNTERS; i++)
		memcpy(&out->counters[i], (const char *)&port->stats + counters[i].offset,
			sizeof(out->counters[i]));
	memcpy(out->drops, &port->stats.drops[DROP_NONE + 1], sizeof(out->drops));
	out->lcore_id = lc->lcore_id;
	out->nb_conns = port->conns.nb_used;
	out->nb_pool_chunks = port->pool.nb_used;
	/* Without a device the queue is not set up. */
	if (port->dev.mem != NULL)
		out->nb_in_flight = port->vq[PORT_Q_FROM_GUEST].nb_in_flight;
	out->active = port->active;
	return true;
}

void
snapshot_port(struct port *port, struct snapshot_port *out)
{
	struct port_arg arg = {.port = port, .out = out};

	memset(out, 0, sizeof(*out));
	lcore_msg_call(port->lcore, copy_port, &arg);
}

struct conns_arg {
	const struct port *port;
	uint32_t start;
	struct snapshot_conns *out;
};

/* What an open connection waits for. */
static const char *
open_waits(const struct conn *c)
{
	const bool pending = conn_has_data(c) || (c->is_host && c->host.readable && !c->host.eof);

	if (c->is_host && c->host.backlog.len > 0)
		return "host_program"; /* it does not read */
	if (!pending)
		return "nothing";
	if (conn_turn_is_blocked(c))
		return "guest_program"; /* it does not read */
	return c->port->starved ? "guest_buffers" : "nothing";
}

static const char *
waits(const struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_FROM_GUEST:
		return c->is_host ? "host_answer" : "peer_answer";
	case CONN_TO_GUEST:
		return "guest_answer";
	case CONN_OPEN:
		return open_waits(c);
	case CONN_CLOSING:
		return "guest_reset";
	case CONN_FLUSHING:
		return "host_program";
	case CONN_DRAINING:
		return c->port->starved ? "guest_buffers" : "guest_reset";
	default:
		return "nothing";
	}
}

static void
copy_conn(const struct lcore *lc, const struct conn *c, struct snapshot_conn *row)
{
	const uint64_t cycles_per_ms = lc->cycles_per_us * 1000;

	row->local_port = c->local_port;
	row->peer_cid = c->peer_cid;
	row->peer_port = c->peer_port;
	row->serial = c->serial;
	row->tx_accepted = c->tx_cnt;
	row->backlog = c->is_host ? c->host.backlog.len : 0;
	row->credit_from_guest = credit_free(c->buf_alloc, c->rx_cnt, c->fwd_cnt_told);
	row->credit_to_guest = credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt);
	row->rx_bytes = c->rx_cnt;
	row->tx_bytes = c->sent_cnt;
	row->rx_packets = c->rx_packets;
	row->tx_packets = c->tx_packets;
	row->age_ms = (lc->now - c->begun_tsc) / cycles_per_ms;
	row->idle_ms = c->used_tsc != 0 ? (lc->now - c->used_tsc) / cycles_per_ms : row->age_ms;
	row->pid = c->is_host ? c->host.pid : 0;
	row->uid = c->is_host ? c->host.uid : 0;
	row->type = c->type == WIRE_TYPE_SEQPACKET ? "seqpacket" : "stream";
	row->state = conn_state_name(c->state);
	row->waits = waits(c);
}

/* Context: the lcore, as a request. */
static bool
copy_conns(struct lcore *lc, struct ctl_request *req)
{
	const struct conns_arg *arg = req->arg;
	const struct conn_table *t = &arg->port->conns;
	struct snapshot_conns *out = arg->out;
	uint32_t i, end;

	end = arg->start < t->nb_touched
		? arg->start + RTE_MIN(t->nb_touched - arg->start, (uint32_t)SNAPSHOT_NB_SCANNED)
		: 0;
	for (i = arg->start; i < end && out->nb < SNAPSHOT_NB_CONNS; i++) {
		if (t->slab[i].state != CONN_NONE)
			copy_conn(lc, &t->slab[i], &out->rows[out->nb++]);
	}
	out->next = i < t->nb_touched ? i : 0;
	return true;
}

void
snapshot_conns(struct port *port, uint32_t start, struct snapshot_conns *out)
{
	struct conns_arg arg = {.port = port, .start = start, .out = out};

	memset(out, 0, sizeof(*out));
	lcore_msg_call(port->lcore, copy_conns, &arg);
}

/* Context: the lcore, as a request. */
static bool
copy_lcore(struct lcore *lc, struct ctl_request *req)
{
	struct snapshot_lcore *out = req->arg;
	const struct port *port;

	out->stats = lc->stats;
	out->lcore_id = lc->lcore_id;
	out->nb_free_pkts = lc->nb_free_pkts;
	out->nb_deadlines = lc->nb_timers;
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++)
		out->nb_ports += lc->ports[i] != NULL;
	TAILQ_FOREACH (port, &lc->active, active_entry)
		out->nb_active++;
	return true;
}

bool
snapshot_lcore(struct vsock_switch *sw, unsigned int index, struct snapshot_lcore *out)
{
	if (index >= sw->nb_lcores)
		return false;
	memset(out, 0, sizeof(*out));
	lcore_msg_call(sw->lcores[index], copy_lcore, out);
	return true;
}
