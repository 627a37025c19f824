/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_debug.h>

#include "conn/conn_end.h"
#include "conn/conn_peer.h"
#include "conn/conn_share.h"
#include "conn/conn_turn.h"
#include "conn/loan.h"
#include "lcore/conn_log.h"
#include "lcore/conn_timer.h"
#include "lcore/lcore_msg.h"
#include "lcore/lcore_port.h"
#include "lcore/pkt_home.h"
#include "switch/forward.h"
#include "switch/to_guest.h"
#include "wire/credit.h"

enum drop_reason
forward_route(struct lcore *lc, const struct port *port, uint32_t dst_cid, struct conn_peer *out)
{
	const struct route *r;
	void *data;

	/* Drivers deliver packets for the guest's own CID themselves. */
	if (dst_cid == port->cid || rte_hash_lookup_data(lc->cids, &dst_cid, &data) < 0)
		return DROP_UNKNOWN_CID;
	r = &lc->routes[(uintptr_t)data];
	if ((r->groups_mask & port->groups_mask) == 0)
		return DROP_NOT_IN_GROUP;
	out->port_id = (uintptr_t)data;
	out->port_gen = r->gen;
	out->lcore = r->lcore;
	out->serial = 0;
	return DROP_NONE;
}

bool
forward_has_room(const struct lcore *lc, const struct conn_peer *peer)
{
	return peer->lcore == lc->index || !lcore_msg_is_congested(lc, peer->lcore);
}

static void
send_packet(struct lcore *lc, struct pkt *p, unsigned int to)
{
	if (to == lc->index)
		forward_arrive(lc, p);
	else
		lcore_msg_send(lc, to, p);
}

/* Set all fields but the header. */
static struct pkt *
new_packet(struct lcore *lc, struct conn *c, enum pkt_kind kind)
{
	struct pkt *p = pkt_home_get(lc);

	RTE_VERIFY(p != NULL); /* the caller has checked that one is left */
	p->kind = kind;
	p->verdict = PKT_TAKEN;
	p->returning = false;
	p->src_port_id = c->port->id;
	p->src_port_gen = c->port->gen;
	p->dst_port_id = c->peer.port_id;
	p->dst_port_gen = c->peer.port_gen;
	p->conn_serial = c->serial;
	p->peer_serial = c->peer.serial;
	p->drop = DROP_NONE;
	c->port->nb_pkts_out++;
	return p;
}

void
forward_msg(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr)
{
	struct pkt *p = new_packet(lc, c, PKT_MSG);

	p->hdr = *hdr;
	send_packet(lc, p, c->peer.lcore);
}

/*
 * The entries of a TX ring that one receiver may hold. None may hold more while all of them hold
 * 1/LIMIT_ALL_RING_SHARE. Packet objects bound both, if the port has fewer than ring entries: those
 * of one chain must be left, so that receivers which take nothing cannot stop the sender.
 */
static uint16_t
ring_share(const struct lcore *lc, const struct port *port)
{
	uint32_t all = RTE_MIN(
		(uint32_t)port->vq[PORT_Q_FROM_GUEST].size, lc->pkts_per_port - PKT_MAX_PARTS - 1);

	if (RTE_MAX(port->nb_lent_descs, port->nb_pkts_out) > all / LIMIT_ALL_RING_SHARE)
		return 0;
	return RTE_MAX(all / LIMIT_PAIR_RING_SHARE, 1u);
}

/* Set the fields of a part: up to PKT_MAX_SEGS segments from byte @p off of the first one. */
static void
fill_part(struct pkt *p, const struct vq_seg *segs, uint16_t nb_segs, uint32_t off, uint32_t left)
{
	p->nb_segs = RTE_MIN(nb_segs, PKT_MAX_SEGS);
	p->len = RTE_MIN(left, seg_total_len(segs, p->nb_segs) - off);
	p->off = 0;
	p->payload_off = off;
	memcpy(p->segs, segs, p->nb_segs * sizeof(*segs));
}

/*
 * Make all parts before the first one is sent. A packet that was sent may come back at once, and
 * the receiver may take packet objects and end the connection.
 */
void
forward_data(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr,
	const struct vq_chain *chain, uint32_t skip)
{
	const unsigned int to = c->peer.lcore;
	const uint16_t share = ring_share(lc, c->port);
	uint32_t off = WIRE_HDR_LEN + skip, left = hdr->len - skip;
	uint16_t nb_segs = chain->nb_segs, nb_descs = chain->nb_descs, nb_parts = 0;
	const struct vq_seg *segs = chain->segs;
	struct pkt *parts[PKT_MAX_PARTS];
	bool last;

	for (; nb_segs > 1 && off >= segs->len; segs++, nb_segs--)
		off -= segs->len;
	do {
		struct pkt *p = new_packet(lc, c, PKT_LOAN);

		fill_part(p, segs, nb_segs, off, left);
		last = p->len == left;
		p->hdr = *hdr;
		p->hdr.len = p->len;
		p->hdr.flags = last ? hdr->flags : 0;
		p->nb_descs = RTE_MAX(last ? nb_descs : RTE_MIN(nb_descs, p->nb_segs), 1);
		p->ring_share = share;
		parts[nb_parts++] = p;
		p->lead = parts[0];
		nb_descs -= RTE_MIN(nb_descs, p->nb_descs);
		left -= p->len;
		segs += p->nb_segs;
		nb_segs -= p->nb_segs;
		off = 0;
	} while (!last);
	parts[0]->nb_parts = nb_parts;
	parts[0]->chain_id = chain->id;
	parts[0]->chain_descs = chain->nb_descs;
	c->port->nb_lent_descs += chain->nb_descs;
	for (uint16_t i = 0; i < nb_parts; i++)
		send_packet(lc, parts[i], to);
}

void
forward_reset(struct lcore *lc, struct conn *c)
{
	struct wire_hdr hdr = {
		.src_cid = c->port->cid,
		.dst_cid = c->peer_cid,
		.src_port = c->local_port,
		.dst_port = c->peer_port,
		.type = c->type,
		.op = WIRE_OP_RST,
		.buf_alloc = c->guest_buf_alloc,
		.fwd_cnt = c->guest_fwd_cnt,
	};

	forward_msg(lc, c, &hdr);
}

/* ---- refusals ---- */

/* Reset the sender's end of a packet that was refused. Context: the sender's lcore. */
static void
reset_sender(struct lcore *lc, const struct pkt *p)
{
	struct port *port = lcore_port_find(lc, p->src_port_id, p->src_port_gen);
	struct conn *c;

	if (port == NULL)
		return;
	c = conn_find(&port->conns, p->hdr.src_port, p->hdr.dst_cid, p->hdr.dst_port);
	if (c == NULL || c->is_host || c->serial != p->conn_serial || c->state == CONN_DRAINING)
		return;
	conn_end_count(c, (enum drop_reason)p->drop);
	conn_end_guest(lc, c);
}

static void
refuse(struct lcore *lc, struct pkt *p, enum drop_reason reason)
{
	p->verdict = PKT_REFUSED;
	p->drop = reason;
	if (p->home == lc->index)
		reset_sender(lc, p);
	pkt_home_send(lc, p);
}

void
forward_revoke(struct lcore *lc, uint16_t src_port_id)
{
	struct pkt *p;

	while ((p = TAILQ_FIRST(&lc->held[src_port_id])) != NULL) {
		struct conn *c = p->conn;
		enum drop_reason reason = loan_revoke(lc, c);

		if (reason == DROP_NONE)
			continue;
		/* Bytes must not get lost: reset both ends. The packet tells the sender's. */
		p->verdict = PKT_REFUSED;
		p->drop = reason;
		if (p->home == lc->index)
			reset_sender(lc, p);
		conn_end_guest_now(lc, c);
	}
}

/* ---- at the receiver ---- */

/*
 * A new connection may use the addresses of one that is over, though its guest does not know yet.
 * The guest gets the RST first. Its data would come too late, so they are dropped.
 */
static bool
replace_ended(struct lcore *lc, struct port *port, struct conn *c)
{
	const struct reply rst = {
		.src_cid = c->peer_cid,
		.src_port = c->peer_port,
		.dst_port = c->local_port,
		.type = c->type,
	};

	if (c->state != CONN_DRAINING || !lcore_port_reply(lc, port, &rst))
		return false;
	conn_end_free(lc, c);
	return true;
}

static enum drop_reason
arrive_request(struct lcore *lc, struct port *port, const struct pkt *p)
{
	const struct wire_hdr *hdr = &p->hdr;
	struct conn *c;

	if (!lcore_port_takes_conns(port))
		return DROP_NO_GUEST;
	if (hdr->type == WIRE_TYPE_SEQPACKET && !port->seqpacket)
		return DROP_BAD_TYPE;
	if (!conn_share_has_room(port, p->src_port_id))
		return DROP_CONN_LIMIT;
	c = conn_add(&port->conns, hdr->dst_port, hdr->src_cid, hdr->src_port);
	if (c == NULL)
		return DROP_CONN_LIMIT;
	conn_init(c, port, lcore_serial(lc), hdr->type, NULL);
	c->begun_tsc = lc->now;
	c->ctl = CONN_CTL_REQUEST;
	c->peer.port_id = p->src_port_id;
	c->peer.port_gen = p->src_port_gen;
	c->peer.lcore = p->home;
	c->peer.serial = p->conn_serial;
	conn_share_take(c);
	c->buf_alloc = hdr->buf_alloc;
	c->fwd_cnt = hdr->fwd_cnt;
	conn_timer_set(lc, c, CONN_TIMER_CONNECT);
	conn_turn_ready(lc, c);
	return DROP_NONE;
}

/* Owns the packet if it returns DROP_NONE. */
static enum drop_reason
arrive_data(struct lcore *lc, struct conn *c, struct pkt *p)
{
	enum drop_reason reason;
	uint32_t len = p->len;

	if (c->state != CONN_OPEN)
		return DROP_BAD_STATE;
	if (len == 0 && c->type == WIRE_TYPE_STREAM) {
		/* There is no byte to deliver, but the packet may carry credit. */
		c->ctl |= CONN_CTL_CREDIT_UPDATE;
		conn_turn_ready(lc, c);
		pkt_home_send(lc, p);
		return DROP_NONE;
	}
	if (!credit_respected(c->guest_buf_alloc_max, c->tx_cnt + len, c->guest_fwd_cnt)) {
		reason = DROP_OVER_CREDIT;
	} else {
		/* Fill RX buffers first, because that may return chains of the sender's ring. */
		if (!c->has_copy && !loan_is_possible(c, p) && c->port->running)
			to_guest_poll(lc, c->port);
		reason = loan_append(lc, c, p);
	}
	if (reason != DROP_NONE) {
		conn_end_guest(lc, c);
		return reason;
	}
	c->tx_cnt += len;
	conn_turn_ready(lc, c);
	return DROP_NONE;
}

static enum drop_reason
arrive_op(struct lcore *lc, struct conn *c, const struct pkt *p)
{
	switch (p->hdr.op) {
	case WIRE_OP_RESPONSE:
		if (c->state != CONN_FROM_GUEST)
			return DROP_BAD_STATE;
		c->peer.serial = p->conn_serial;
		c->state = CONN_OPEN;
		c->port->stats.conns_opened++;
		conn_log_opened(lc, c);
		conn_timer_set(lc, c, CONN_TIMER_NONE);
		c->ctl |= CONN_CTL_RESPONSE;
		break;
	case WIRE_OP_SHUTDOWN:
		if (c->state != CONN_OPEN)
			return DROP_BAD_STATE;
		c->shut_to_guest |= p->hdr.flags & WIRE_SHUTDOWN_BOTH;
		c->ctl |= CONN_CTL_SHUTDOWN;
		break;
	case WIRE_OP_RST:
		if (c->state == CONN_DRAINING)
			return DROP_NONE;
		conn_end_guest(lc, c);
		return DROP_NONE;
	case WIRE_OP_CREDIT_UPDATE:
		c->ctl |= CONN_CTL_CREDIT_UPDATE;
		break;
	case WIRE_OP_CREDIT_REQUEST:
		c->ctl |= CONN_CTL_CREDIT_REQUEST;
		break;
	default:
		return DROP_BAD_OP;
	}
	conn_turn_ready(lc, c);
	return DROP_NONE;
}

void
forward_arrive(struct lcore *lc, struct pkt *p)
{
	enum drop_reason reason;
	struct port *port;
	struct conn *c;

	if (p->returning) {
		if (p->verdict == PKT_REFUSED)
			reset_sender(lc, p);
		pkt_home_arrive(lc, p);
		return;
	}
	if (p->kind == PKT_REVOKE) {
		forward_revoke(lc, p->src_port_id);
		pkt_home_send(lc, p);
		return;
	}
	port = lcore_port_find(lc, p->dst_port_id, p->dst_port_gen);
	if (port == NULL) {
		reason = DROP_NO_GUEST;
		goto answer;
	}
	if (p->hdr.op == WIRE_OP_REQUEST) {
		c = conn_find(&port->conns, p->hdr.dst_port, p->hdr.src_cid, p->hdr.src_port);
		reason = c == NULL || replace_ended(lc, port, c) ? arrive_request(lc, port, p)
								 : DROP_CONN_EXISTS;
		goto answer;
	}
	c = conn_peer_find(port, &p->hdr, p->conn_serial, p->peer_serial);
	if (c == NULL || (c->state == CONN_DRAINING && p->hdr.op != WIRE_OP_RST)) {
		reason = p->hdr.op == WIRE_OP_RST ? DROP_NONE : DROP_NO_CONN;
		goto answer;
	}
	c->buf_alloc = p->hdr.buf_alloc;
	c->fwd_cnt = p->hdr.fwd_cnt;
	if (p->hdr.op == WIRE_OP_RW) {
		reason = arrive_data(lc, c, p);
		if (reason == DROP_NONE)
			return;
	} else {
		reason = arrive_op(lc, c, p);
	}
answer:
	if (reason != DROP_NONE)
		refuse(lc, p, reason);
	else
		pkt_home_send(lc, p);
}
