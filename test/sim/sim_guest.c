/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "sim_guest.h"
#include "sim_queue.h"
#include "wire/credit.h"
#include "wire/wire.h"

#define MAX_ALLOC (1u << 18)
#define NB_PORTS  500

uint64_t sim_nb_packets, sim_nb_bytes;
bool sim_long_chains;
static bool finishing;
static uint32_t next_serial;

struct sim_guest sim_guests[SIM_NB_GUESTS];

/* ---- pairs: what the one who is asked has to know ---- */

struct asked {
	uint32_t from_cid, from_port, to_cid, to_port, serial;
};

static struct asked pairs[SIM_NB_GUESTS * SIM_NB_ENDS * 4];
static unsigned int next_pair;

static uint8_t
byte_at(uint32_t serial, bool from_asker, uint32_t off)
{
	uint32_t x = serial * 2654435761u + from_asker * 40503u + (off >> 3) * 2246822519u;

	x ^= x >> 15;
	return (uint8_t)(x + off * 31);
}

/* ---- sending ---- */

struct sim_end *
sim_end_find(struct sim_guest *g, uint32_t port, uint32_t peer_cid, uint32_t peer_port)
{
	for (unsigned int i = 0; i < SIM_NB_ENDS; i++) {
		struct sim_end *e = &g->ends[i];

		if (e->state != SIM_END_CLOSED && e->port == port && e->peer_cid == peer_cid &&
			e->peer_port == peer_port)
			return e;
	}
	return NULL;
}

/* Send a packet. @return false if the ring is full. */
static bool
send_raw(struct sim_guest *g, struct wire_hdr *hdr, const struct sim_end *e)
{
	struct sim_queue *q = &g->q[PORT_Q_FROM_GUEST];
	const int slot = sim_queue_free_slot(q);
	const uint32_t pieces = sim_chance(&g->rand, 4) ? 100 : 2; /* mostly few */
	uint32_t lens[SIM_TX_DESCS], left = hdr->len, nb = 0;
	uint8_t *p;

	if (slot < 0)
		return false;
	p = sim_queue_slot(g, PORT_Q_FROM_GUEST, (unsigned int)slot);
	wire_encode(hdr, p);
	for (uint32_t i = 0; e != NULL && i < hdr->len; i++)
		p[WIRE_HDR_LEN + i] = byte_at(e->serial, e->asked, e->tx_cnt + i);
	lens[nb++] = WIRE_HDR_LEN;
	while (left > 0) {
		uint32_t n = left;

		if (nb < q->descs_per_slot - 1 && !sim_chance(&g->rand, pieces))
			n = 1 + sim_rand(&g->rand, left < 3000 ? left : 3000);

		lens[nb++] = n;
		left -= n;
	}
	sim_queue_publish(g, PORT_Q_FROM_GUEST, (unsigned int)slot, lens, nb);
	sim_nb_packets++;
	sim_trace("%u -> op %u %u:%u -> %u:%u len %u fwd %u", g->cid, hdr->op, g->cid,
		hdr->src_port, (unsigned int)hdr->dst_cid, hdr->dst_port, hdr->len, hdr->fwd_cnt);
	return true;
}

static bool
send_op(struct sim_guest *g, struct sim_end *e, uint16_t op, uint32_t flags, uint32_t len)
{
	struct wire_hdr hdr = {
		.src_cid = g->cid,
		.dst_cid = e->peer_cid,
		.src_port = e->port,
		.dst_port = e->peer_port,
		.len = len,
		.type = WIRE_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = g->buf_alloc,
		.fwd_cnt = e->fwd_cnt,
	};

	if (!send_raw(g, &hdr, e))
		return false;
	e->told = e->fwd_cnt;
	e->tx_cnt += len;
	return true;
}

static void
close_end(struct sim_end *e)
{
	e->state = SIM_END_CLOSED;
}

static bool
owes_rst(const struct sim_guest *g, uint32_t port, uint32_t peer_cid, uint32_t peer_port)
{
	for (unsigned int i = 0; i < g->nb_owed; i++) {
		if (g->owed[i].src_port == port && g->owed[i].dst_cid == peer_cid &&
			g->owed[i].dst_port == peer_port)
			return true;
	}
	return false;
}

static bool
ask(struct sim_guest *g)
{
	struct sim_guest *to = &sim_guests[sim_rand(&g->rand, SIM_NB_GUESTS)];
	struct sim_end *e = NULL;
	/* A pair is used again late: data of its last connection may be on its way. */
	const uint32_t port = 1000 + g->next_port++ % NB_PORTS;
	const uint32_t peer_port = 2000 + sim_rand(&g->rand, 6);

	if (!to->exists || to == g || sim_end_find(g, port, to->cid, peer_port) != NULL ||
		owes_rst(g, port, to->cid, peer_port))
		return false;
	for (unsigned int i = 0; i < SIM_NB_ENDS && e == NULL; i++) {
		if (g->ends[i].state == SIM_END_CLOSED)
			e = &g->ends[i];
	}
	if (e == NULL)
		return false;
	*e = (struct sim_end){
		.state = SIM_END_ASKED,
		.port = port,
		.peer_cid = to->cid,
		.peer_port = peer_port,
		.serial = ++next_serial,
		.asked = true,
	};
	if (!send_op(g, e, WIRE_OP_REQUEST, 0, 0)) {
		e->state = SIM_END_CLOSED;
		return false;
	}
	pairs[next_pair++ % (sizeof(pairs) / sizeof(pairs[0]))] =
		(struct asked){g->cid, port, to->cid, peer_port, e->serial};
	return true;
}

static bool
send_data(struct sim_guest *g, struct sim_end *e)
{
	const uint32_t room = credit_free(e->peer_alloc, e->tx_cnt, e->peer_fwd);
	uint32_t len = 1 + sim_rand(&g->rand, sim_chance(&g->rand, 8) ? 65536 : 300);

	if (room == 0 || e->shut || e->owes_response)
		return false;
	if (len > room)
		len = room;
	return send_op(g, e, WIRE_OP_RW, 0, len);
}

/* ---- receiving ---- */

static void
reply_rst(struct sim_guest *g, const struct wire_hdr *hdr)
{
	struct wire_hdr rst = {
		.src_cid = g->cid,
		.dst_cid = hdr->src_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
		.op = WIRE_OP_RST,
	};

	if (g->nb_owed == SIM_NB_OWED)
		sim_fault("simulator", "guest %u owes too many RSTs", g->cid);
	g->owed[g->nb_owed++] = rst;
}

static void
on_request(struct sim_guest *g, const struct wire_hdr *hdr)
{
	struct sim_end *e = NULL;
	uint32_t serial = 0;

	if (sim_end_find(g, hdr->dst_port, (uint32_t)hdr->src_cid, hdr->src_port) != NULL)
		sim_fault("protocol", "guest %u: REQUEST for a connection that exists", g->cid);
	for (unsigned int i = 0; i < SIM_NB_ENDS; i++) {
		if (g->ends[i].state == SIM_END_CLOSED)
			e = &g->ends[i];
	}
	for (unsigned int i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct asked *p = &pairs[i];

		if (p->from_cid == hdr->src_cid && p->from_port == hdr->src_port &&
			p->to_cid == g->cid && p->to_port == hdr->dst_port && p->serial > serial)
			serial = p->serial;
	}
	if (serial == 0)
		sim_fault("protocol", "guest %u: REQUEST that nobody sent", g->cid);
	if (e == NULL || finishing || sim_chance(&g->rand, 10)) {
		reply_rst(g, hdr);
		return;
	}
	*e = (struct sim_end){
		.state = SIM_END_OPENED,
		.port = hdr->dst_port,
		.peer_cid = (uint32_t)hdr->src_cid,
		.peer_port = hdr->src_port,
		.serial = serial,
		.peer_alloc = hdr->buf_alloc,
		.peer_fwd = hdr->fwd_cnt,
	};
	e->owes_response = !send_op(g, e, WIRE_OP_RESPONSE, 0, 0);
}

/* Where in the stream the bytes come from: the distance from where they should be; 0: unknown. */
static int32_t
distance(const struct sim_end *e, uint32_t at, const uint8_t *data, uint32_t len)
{
	for (int32_t d = -200000; len >= 8 && d < 200000; d++) {
		uint32_t i = 0;

		while (i < 8 && data[i] == byte_at(e->serial, !e->asked, at + (uint32_t)d + i))
			i++;
		if (i == 8)
			return d;
	}
	return 0;
}

static void
on_data(struct sim_guest *g, struct sim_end *e, const struct wire_hdr *hdr, const uint8_t *data)
{
	if (e->state != SIM_END_OPENED) {
		if (!sim_ignores("order"))
			sim_fault(
				"order", "guest %u port %u: data before RESPONSE", g->cid, e->port);
		(void)send_op(g, e, WIRE_OP_RST, 0, 0);
		close_end(e);
		return;
	}
	for (uint32_t i = 0; i < hdr->len; i++) {
		const uint8_t want = byte_at(e->serial, !e->asked, e->rx_cnt + i);

		if (data[i] != want)
			sim_fault("bytes",
				"guest %u port %u from %u:%u: byte %u of the stream is %02x, not "
				"%02x; it belongs %d bytes further",
				g->cid, e->port, e->peer_cid, e->peer_port, e->rx_cnt + i, data[i],
				want, distance(e, e->rx_cnt + i, &data[i], hdr->len - i));
	}
	e->rx_cnt += hdr->len;
	sim_nb_bytes += hdr->len;
	if (e->rx_cnt - e->told > MAX_ALLOC)
		sim_fault("credit", "guest %u port %u: %u bytes", g->cid, e->port,
			e->rx_cnt - e->told);
	e->fwd_cnt = e->rx_cnt; /* its program reads at once */
}

static void
on_packet(struct sim_guest *g, const uint8_t *raw, uint32_t len)
{
	struct wire_hdr hdr;
	struct sim_end *e;

	if (len < WIRE_HDR_LEN)
		sim_fault("protocol", "guest %u: a packet of %u bytes", g->cid, len);
	wire_decode(raw, &hdr);
	sim_nb_packets++;
	sim_hash(hdr.op * 31 + hdr.len + hdr.dst_port);
	sim_trace("%u <- op %u %u:%u <- %u:%u len %u fwd %u", g->cid, hdr.op, g->cid, hdr.dst_port,
		(unsigned int)hdr.src_cid, hdr.src_port, hdr.len, hdr.fwd_cnt);
	if (hdr.dst_cid != g->cid || WIRE_HDR_LEN + hdr.len != len)
		sim_fault("protocol", "guest %u: length %u in a buffer of %u, CID %u", g->cid,
			hdr.len, len, (unsigned int)hdr.dst_cid);
	e = sim_end_find(g, hdr.dst_port, (uint32_t)hdr.src_cid, hdr.src_port);
	if (hdr.op == WIRE_OP_REQUEST) {
		on_request(g, &hdr);
		return;
	}
	if (e == NULL) {
		if (hdr.op != WIRE_OP_RST)
			reply_rst(g, &hdr);
		return;
	}
	e->peer_alloc = hdr.buf_alloc;
	e->peer_fwd = hdr.fwd_cnt;
	switch (hdr.op) {
	case WIRE_OP_RESPONSE:
		if (e->state != SIM_END_ASKED)
			sim_fault("protocol", "guest %u: RESPONSE twice", g->cid);
		e->state = SIM_END_OPENED;
		break;
	case WIRE_OP_RW:
		on_data(g, e, &hdr, raw + WIRE_HDR_LEN);
		break;
	case WIRE_OP_RST:
		close_end(e);
		break;
	case WIRE_OP_SHUTDOWN:
		if (hdr.flags == WIRE_SHUTDOWN_BOTH) {
			reply_rst(g, &hdr);
			close_end(e);
		}
		break;
	case WIRE_OP_CREDIT_REQUEST:
		(void)send_op(g, e, WIRE_OP_CREDIT_UPDATE, 0, 0);
		break;
	case WIRE_OP_CREDIT_UPDATE:
		break;
	default:
		sim_fault("protocol", "guest %u: operation %u", g->cid, hdr.op);
	}
}

/* Take chains back. @return true if there was one. */
static bool
reap(struct sim_guest *g, unsigned int n)
{
	struct sim_queue *q = &g->q[n];
	const uint16_t idx = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	uint32_t id, len;

	(void)sim_eventfd_take(q->call_fd);
	if (q->last_used == idx)
		return false;
	id = q->used->ring[q->last_used % SIM_RING_SIZE].id;
	len = q->used->ring[q->last_used % SIM_RING_SIZE].len;
	q->last_used++;
	if (id >= SIM_RING_SIZE || !q->with_device[id])
		sim_fault("custody", "guest %u queue %u: chain %u came back, but it was not there",
			g->cid, n, id);
	q->with_device[id] = false;
	if (n == PORT_Q_TO_GUEST) {
		const unsigned int slot = id / q->descs_per_slot;
		uint8_t *p = sim_queue_slot(g, n, slot);

		if (len > g->rx_len)
			sim_fault(
				"bytes", "guest %u: used length %u of %u", g->cid, len, g->rx_len);
		for (uint32_t i = len; i < g->rx_len; i++) {
			if (p[i] != sim_queue_filler(g, i))
				sim_fault("bytes",
					"guest %u: byte %u written behind used length %u", g->cid,
					i, len);
		}
		if (len > 0)
			on_packet(g, p, len);
	} else {
		uint8_t *p = sim_queue_slot(g, n, id / q->descs_per_slot);

		/* From now on the bytes are the guest's own: a late reader gets these. */
		for (uint32_t i = 0; i < WIRE_HDR_LEN + 64; i++)
			p[i] = sim_queue_filler(g, i);
	}
	return true;
}

/* ---- one step ---- */

bool
sim_guest_runnable(unsigned int i)
{
	const struct sim_guest *g = &sim_guests[i];

	return g->up && g->paused_until <= sim_now_ns;
}

static bool
credit_due(const struct sim_guest *g, const struct sim_end *e)
{
	return e->state == SIM_END_OPENED && e->fwd_cnt - e->told >= g->buf_alloc / 4;
}

void
sim_guest_step(unsigned int i)
{
	struct sim_guest *g = &sim_guests[i];
	struct sim_queue *rx = &g->q[PORT_Q_TO_GUEST];
	struct sim_end *e = &g->ends[sim_rand(&g->rand, SIM_NB_ENDS)];
	const uint32_t what = sim_rand(&g->rand, 100);
	int slot;

	if (g->nb_owed > 0 && sim_chance(&g->rand, 3)) {
		if (send_raw(g, &g->owed[0], NULL))
			memmove(&g->owed[0], &g->owed[1], --g->nb_owed * sizeof(g->owed[0]));
		return;
	}
	if (sim_chance(&g->rand, 400)) {
		g->paused_until = sim_now_ns + sim_rand(&g->rand, 2000000);
		return;
	}
	if (what < 35) {
		reap(g, PORT_Q_TO_GUEST);
	} else if (what < 55) {
		reap(g, PORT_Q_FROM_GUEST);
	} else if (what < 75) {
		slot = sim_queue_free_slot(rx);
		if (slot >= 0)
			sim_queue_post_rx(g, (unsigned int)slot);
	} else if (e->state == SIM_END_OPENED && e->owes_response) {
		e->owes_response = !send_op(g, e, WIRE_OP_RESPONSE, 0, 0);
	} else if (credit_due(g, e)) {
		(void)send_op(g, e, WIRE_OP_CREDIT_UPDATE, 0, 0);
	} else if (finishing) {
		return;
	} else if (what == 75 && e->state == SIM_END_OPENED && sim_chance(&g->rand, 20)) {
		g->buf_alloc = 1u << (12 + sim_rand(&g->rand, 7));
		(void)send_op(g, e, WIRE_OP_CREDIT_UPDATE, 0, 0);
	} else if (what < 78) {
		(void)ask(g);
	} else if (e->state != SIM_END_OPENED) {
		return;
	} else if (what < 98) {
		(void)send_data(g, e);
	} else if (sim_chance(&g->rand, 6)) {
		if (send_op(g, e, WIRE_OP_RST, 0, 0))
			close_end(e);
	} else if (!e->shut && sim_chance(&g->rand, 4)) {
		e->shut = send_op(g, e, WIRE_OP_SHUTDOWN, WIRE_SHUTDOWN_BOTH, 0);
	}
}

/* ---- the end ---- */

void
sim_guests_finish(void)
{
	finishing = true;
}
