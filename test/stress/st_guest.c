/* SPDX-License-Identifier: BSD-3-Clause */
#include "st_guest.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "st_daemon.h"
#include "st_host.h"

#define BURST          64u
#define MAX_CHUNK      65536u
#define PLUG_PAUSE_US  2000
#define STALL_CHECK_US 500000
#define LONG_WAIT_MS   1000

/* ---- what the guest's driver calls ---- */

static struct st_guest_end *
new_end(struct st_guest *g)
{
	struct st_guest_end *end = calloc(1, sizeof(*end));

	ST_CHECK(end != NULL);
	end->guest = g;
	TAILQ_INSERT_TAIL(&g->ends, end, next);
	g->nb_ends++;
	return end;
}

void
st_guest_forget(struct st_guest_end *end)
{
	struct st_guest *g = end->guest;

	TAILQ_REMOVE(&g->ends, end, next);
	g->nb_ends--;
	g->nb_mine -= end->flow.initiator;
	free(end);
}

static void
drop_end(struct st_guest_end *end, const char *how)
{
	struct st_guest *g = end->guest;
	char where[64];

	snprintf(where, sizeof(where), "%s: %s", g->name, how);
	st_flow_over(&end->flow, &g->stats, where);
	st_guest_forget(end);
}

static bool
on_request(struct vfe_conn *conn)
{
	struct st_guest *g = conn->guest->user;
	struct st_guest_end *end;

	if (conn->local_port >= ST_PORT_REFUSED)
		return false;
	if (g->junk_cid != 0 && conn->peer_cid == g->junk_cid)
		return true;
	end = new_end(g);
	end->conn = conn;
	st_flow_accept(&end->flow, &g->policy, conn->type == VFE_TYPE_SEQPACKET, &g->rng);
	end->flow.firm = g->firm_cid != 0 && conn->peer_cid == g->firm_cid;
	conn->user = end;
	return true;
}

static void
on_open(struct vfe_conn *conn)
{
	struct st_guest_end *end = conn->user;

	if (end != NULL) {
		end->flow.opened = true;
		end->flow.moved_us = st_now_us();
	}
}

static void
on_data(struct vfe_conn *conn, const struct vfe_data *data)
{
	struct st_guest_end *end = conn->user;
	unsigned int i;

	if (end == NULL)
		return;
	for (i = 0; i < data->nb_iov; i++)
		st_flow_receive(&end->flow, data->iov[i].iov_base, (uint32_t)data->iov[i].iov_len);
	if (data->flags & VFE_SEQ_EOM)
		st_flow_border(&end->flow);
}

static void
on_close(struct vfe_conn *conn, bool by_peer_rst)
{
	struct st_guest_end *end = conn->user;

	if (end != NULL)
		drop_end(end, by_peer_rst ? "RST" : "SHUTDOWN");
}

static void
on_fill(struct vfe_conn *conn, uint64_t off, uint8_t *buf, uint32_t len)
{
	const struct st_guest_end *end = conn->user;

	if (end != NULL)
		st_flow_fill(&end->flow, off, buf, len);
}

static const struct vfe_guest_ops ops = {
	.on_request = on_request,
	.on_open = on_open,
	.on_data = on_data,
	.on_close = on_close,
	.fill = on_fill,
};

/* ---- life ---- */

void
st_guest_init(struct st_guest *g, const char *name, unsigned int port, uint64_t stream)
{
	*g = (struct st_guest){.name = name, .port = port, .wait_ms = 2};
	TAILQ_INIT(&g->ends);
	g->rng = st_rng(stream);
	g->policy = (struct st_policy){.max_len = 1u << 20, .half = 30, .seqpacket = 25};
	g->conf.features = VFE_F_SEQPACKET | VFE_F_EVENT_IDX | VFE_F_INDIRECT_DESC;
	g->conf.timeout_ms = (int)(st_stall_us() / 1000);
	g->conf.ops = &ops;
}

void
st_guest_plug(struct st_guest *g)
{
	const uint64_t deadline = st_now_us() + st_stall_us();
	int rc;

	g->conf.path = st_daemon_iface(g->port);
	g->conf.user = g;
	for (;;) {
		rc = vfe_guest_create(&g->conf, &g->fe);
		if (rc == 0)
			break;
		/* A second front end is refused until the first one's end was noticed. */
		if (rc != -ECONNRESET && rc != -EPIPE)
			ST_FAIL("%s: cannot be plugged in: %d", g->name, rc);
		if (st_now_us() > deadline)
			ST_FAIL("%s: is still refused", g->name);
		st_sleep_us(PLUG_PAUSE_US);
	}
	/* Forget the ends of the last device. */
	g->fe->next_port = 0x10000 + st_below(&g->rng, 0x70000000);
	g->nb_incarnations++;
}

void
st_guest_attach(struct st_guest *g)
{
	st_guest_plug(g);
	st_daemon_await_port(g->port, "connected", 1);
}

void
st_guest_unplug(struct st_guest *g, bool orderly)
{
	struct st_guest_end *end;

	if (g->fe == NULL)
		return;
	if (!orderly)
		vfe_guest_vanish(g->fe);
	vfe_guest_destroy(g->fe);
	g->fe = NULL;
	while ((end = TAILQ_FIRST(&g->ends)) != NULL)
		st_guest_forget(end);
}

/* ---- connections ---- */

static struct st_guest_end *
request(struct st_guest_end *end, uint64_t cid, uint32_t port)
{
	struct st_guest *g = end->guest;
	int rc;

	end->flow.firm = g->firm_cid != 0 && cid == g->firm_cid;
	rc = vfe_conn_open(g->fe, cid, port,
		end->flow.seqpacket ? VFE_TYPE_SEQPACKET : VFE_TYPE_STREAM, end, &end->conn);
	if (rc == 0)
		return end;
	ST_CHECK_EQ(rc, -ENOBUFS);
	st_guest_forget(end);
	return NULL;
}

static struct st_guest_end *
new_initiator(struct st_guest *g)
{
	struct st_guest_end *end = new_end(g);

	st_flow_initiate(&end->flow, &g->policy, &g->rng);
	g->nb_mine++;
	return end;
}

struct st_guest_end *
st_guest_open(struct st_guest *g, uint64_t cid, uint32_t port)
{
	return request(new_initiator(g), cid, port);
}

struct st_guest_end *
st_guest_open_host(struct st_guest *g)
{
	struct st_guest_end *end = new_initiator(g);

	return request(end, VFE_CID_HOST, end->flow.seqpacket ? ST_HOST_SEQPACKET : ST_HOST_STREAM);
}

/* @return packets sent; -1: the ring is full */
static int
send_some(struct st_guest_end *end)
{
	struct st_guest *g = end->guest;
	int nb = 0, rc;
	uint32_t len;
	bool eom;

	for (;;) {
		len = st_flow_next(&end->flow, 1 + st_below(&g->rng, MAX_CHUNK), &eom);
		if (len == 0)
			return nb;
		rc = vfe_conn_send(end->conn, len, eom ? VFE_SEQ_EOM : 0);
		if (rc == -ENOBUFS)
			return -1;
		if (rc < 0)
			return nb; /* no credit, or the peer receives no more */
		st_flow_sent(&end->flow, (uint32_t)rc);
		nb++;
	}
}

/* @return whether the end is still there */
static bool
carry_out_plan(struct st_guest_end *end)
{
	struct vfe_conn *conn = end->conn;
	struct st_flow *f = &end->flow;

	if (conn->state == VFE_CONN_REQUESTED && f->plan == ST_PLAN_GIVE_UP &&
		st_chance(&end->guest->rng, 30) && vfe_conn_reset(conn) == 0) {
		drop_end(end, "given up");
		return false;
	}
	if (conn->state != VFE_CONN_OPEN)
		return true;
	if (f->plan == ST_PLAN_RESET && st_flow_turns(f)) {
		if (vfe_conn_reset(conn) != 0)
			return true;
		drop_end(end, "reset");
		return false;
	}
	if (f->plan == ST_PLAN_CLOSE ? st_flow_turns(f) : f->initiator && st_flow_complete(f)) {
		vfe_conn_close(conn);
		f->moved_us = st_now_us();
	} else if (f->plan == ST_PLAN_HALF && !end->shut && st_flow_all_sent(f)) {
		end->shut = vfe_conn_shutdown(conn, VFE_SHUTDOWN_SEND) == 0;
	}
	return true;
}

static void
check_stalls(struct st_guest *g)
{
	const uint64_t now_us = st_now_us();
	struct st_guest_end *end;
	char where[96];

	if (now_us - g->stall_checked_us < STALL_CHECK_US)
		return;
	g->stall_checked_us = now_us;
	TAILQ_FOREACH (end, &g->ends, next) {
		snprintf(where, sizeof(where), "%s: port %u with %" PRIu64 ":%u, credit %u",
			g->name, end->conn->local_port, end->conn->peer_cid, end->conn->peer_port,
			vfe_conn_credit(end->conn));
		st_flow_check_stall(&end->flow, now_us, where);
	}
}

unsigned int
st_guest_step(struct st_guest *g)
{
	unsigned int nb = vfe_guest_poll(g->fe, g->hold_rx ? 0 : BURST);
	struct st_guest_end *end, *next;
	bool full = false;

	for (end = TAILQ_FIRST(&g->ends); end != NULL; end = next) {
		next = TAILQ_NEXT(end, next);
		if (!carry_out_plan(end) || full || end->conn->state != VFE_CONN_OPEN)
			continue;
		if (st_flow_all_sent(&end->flow))
			continue;
		switch (send_some(end)) {
		case -1:
			full = true;
			break;
		case 0:
			break;
		default:
			nb++;
			break;
		}
	}
	/* Serve the end first that was served last. */
	end = TAILQ_FIRST(&g->ends);
	if (end != NULL) {
		TAILQ_REMOVE(&g->ends, end, next);
		TAILQ_INSERT_TAIL(&g->ends, end, next);
	}
	vfe_guest_flush(g->fe);
	check_stalls(g);
	return nb;
}

void
st_guest_wait(struct st_guest *g)
{
	struct pollfd fds[2] = {
		{.fd = vfe_guest_call_fd(g->fe, VFE_QUEUE_TO_GUEST), .events = POLLIN},
		{.fd = vfe_guest_call_fd(g->fe, VFE_QUEUE_FROM_GUEST), .events = POLLIN},
	};

	if (g->hold_rx) {
		st_sleep_us(500);
		return;
	}
	if (!vfe_guest_arm(g->fe) && poll(fds, 2, g->wait_ms) == 0 && g->wait_ms >= LONG_WAIT_MS &&
		vfe_vring_nb_used(&g->fe->vrings[VFE_QUEUE_TO_GUEST]) > 0)
		ST_FAIL("%s: packets came, and no call", g->name);
	vfe_guest_disarm(g->fe);
	vfe_guest_take_calls(g->fe);
}

void
st_guest_turn(struct st_guest *g)
{
	if (st_guest_step(g) == 0)
		st_guest_wait(g);
}

void
st_guest_finish(struct st_guest *g)
{
	while (g->nb_ends > 0)
		st_guest_turn(g);
}

/* ---- what must hold ---- */

void
st_guest_check_faults(const struct st_guest *g, enum vfe_fault excused)
{
	unsigned int i;

	for (i = 0; i < VFE_NB_FAULTS; i++) {
		if (g->fe->stats.faults[i] > 0 && i != excused)
			ST_FAIL("%s: the device's fault: %s, %" PRIu64 " times", g->name,
				vfe_guest_fault_name(i), g->fe->stats.faults[i]);
	}
}

void
st_guest_check(struct st_guest *g)
{
	const uint64_t deadline = st_now_us() + st_stall_us();
	const struct vfe_vring *from_guest = &g->fe->vrings[VFE_QUEUE_FROM_GUEST];
	const struct vfe_vring *to_guest = &g->fe->vrings[VFE_QUEUE_TO_GUEST];

	while (from_guest->nb_free != from_guest->size ||
		g->fe->nb_free_slots != g->fe->nb_from_guest_slots) {
		if (st_now_us() > deadline)
			ST_FAIL("%s: %u of %u TX descriptors never came back", g->name,
				from_guest->size - from_guest->nb_free, from_guest->size);
		st_guest_turn(g);
	}
	ST_CHECK_EQ(vfe_vring_nb_held(to_guest), g->fe->nb_to_guest_slots);
	st_guest_check_faults(g, VFE_NB_FAULTS);
}

void
st_guest_report(const struct st_guest *g)
{
	printf("%s: %" PRIu64 " incarnations, connections complete %" PRIu64 ", cut %" PRIu64
	       ", refused %" PRIu64 ", %" PRIu64 " KiB verified\n",
		g->name, g->nb_incarnations, g->stats.nb_complete, g->stats.nb_cut,
		g->stats.nb_refused, g->stats.nb_bytes >> 10);
}
