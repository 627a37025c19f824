/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_prefetch.h>

#include "conn/conn_end.h"
#include "conn/conn_turn.h"
#include "conn/direct.h"
#include "host/host_conn.h"
#include "host/host_recv.h"
#include "host/host_send.h"
#include "lcore/conn_log.h"
#include "lcore/conn_timer.h"
#include "lcore/lcore_port.h"
#include "switch/conn_reset.h"
#include "switch/forward.h"
#include "switch/from_guest.h"
#include "wire/credit.h"

/** The next step for a chain. */
enum chain_next {
	CHAIN_RETURN, /* return it now: no object refers to it */
	CHAIN_KEEP,   /* it is a loan, or is returned at the end of the burst */
	CHAIN_REWIND, /* leave it in the ring: a resource is short */
};

static void
reply_rst(struct lcore *lc, struct port *port, const struct wire_hdr *hdr)
{
	const struct reply rst = {
		.src_cid = hdr->dst_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
	};

	if (hdr->op != WIRE_OP_RST)
		(void)lcore_port_reply(lc, port, &rst); /* may_take() has left room */
}

/* Take the guest's credit, which every packet of a connection carries. */
static void
absorb_credit(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr)
{
	conn_take_credit(c, hdr);
	pkt_window_read(&c->window, hdr->fwd_cnt, c->sent_cnt);
	if (conn_turn_is_blocked(c))
		return;
	if (c->credit_asked && !conn_turn_sender_waits(c)) {
		c->credit_asked = false;
		c->nb_asked = 0;
	}
	if (conn_has_data(c) || (c->is_host && host_recv_possible(c)))
		conn_turn_ready(lc, c);
}

static enum chain_next
create(struct lcore *lc, struct port *port, const struct wire_hdr *hdr)
{
	enum drop_reason reason;
	struct conn_peer peer;
	struct conn *c;

	if (!port->attached) {
		reason = DROP_NO_GUEST; /* the switch is stopping */
		goto refuse;
	}
	if (hdr->dst_cid == VSOCK_CID_HOST) {
		reason = host_conn_request(lc, port, hdr);
		if (reason != DROP_NONE)
			goto refuse;
		return CHAIN_RETURN;
	}
	reason = forward_route(lc, port, hdr->dst_cid, &peer);
	if (reason != DROP_NONE)
		goto refuse;
	if (!forward_has_room(lc, &peer))
		return CHAIN_REWIND;
	c = conn_add(&port->conns, hdr->src_port, hdr->dst_cid, hdr->dst_port);
	if (c == NULL) {
		reason = DROP_CONN_LIMIT;
		goto refuse;
	}
	conn_init(c, port, lcore_serial(lc), hdr->type, hdr);
	c->begun_tsc = lc->now;
	c->peer = peer;
	conn_timer_set(lc, c, CONN_TIMER_CONNECT);
	forward_msg(lc, c, hdr);
	return CHAIN_RETURN;

refuse:
	port->stats.drops[reason]++;
	reply_rst(lc, port, hdr);
	return CHAIN_RETURN;
}

static enum chain_next
data_to_guest(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain)
{
	uint32_t done = 0;

	if (c->peer.lcore == lc->index && hdr->len > 0) {
		done = direct_send(lc, c, hdr, chain);
		if (done == hdr->len)
			return CHAIN_RETURN;
	}
	forward_data(lc, c, hdr, chain, done);
	return CHAIN_KEEP;
}

/*
 * Messages without a byte need no credit, and a credit update cannot tell that they were read. So
 * only a few of them may follow one another until the receiver has read a byte.
 */
static bool
may_send_empty(struct conn *c)
{
	if (c->empty_fwd_cnt != c->fwd_cnt) {
		c->empty_fwd_cnt = c->fwd_cnt;
		c->nb_empty = 0;
	}
	if (c->nb_empty == LIMIT_NB_EMPTY_MSGS)
		return false;
	c->nb_empty++;
	return true;
}

static enum chain_next
data(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain)
{
	if (hdr->len == 0 && c->type == WIRE_TYPE_SEQPACKET && !may_send_empty(c)) {
		conn_reset(lc, c, DROP_EMPTY_MSGS);
		return CHAIN_RETURN;
	}
	c->rx_cnt += hdr->len;
	c->rx_packets++;
	c->used_tsc = lc->now;
	if (!c->is_host)
		return data_to_guest(lc, c, hdr, chain);
	if (!credit_respected(c->buf_alloc, c->rx_cnt, c->fwd_cnt)) {
		conn_reset(lc, c, DROP_OVER_CREDIT);
		return CHAIN_RETURN;
	}
	host_send_add(lc, c, hdr, chain);
	return CHAIN_KEEP;
}

static void
shutdown_from_guest(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr)
{
	struct wire_hdr fwd = *hdr;

	if ((hdr->flags & WIRE_SHUTDOWN_BOTH) == 0)
		return; /* it says nothing */
	c->shut_from_guest |= hdr->flags & WIRE_SHUTDOWN_BOTH;
	if (c->is_host) {
		host_conn_shutdown(lc, c);
		return;
	}
	if (c->shut_from_guest == WIRE_SHUTDOWN_BOTH)
		conn_timer_set(lc, c, CONN_TIMER_CLOSE);
	fwd.flags = c->shut_from_guest;
	forward_msg(lc, c, &fwd);
}

static void
credit_from_guest(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, bool answer)
{
	if (!c->is_host) {
		if (c->state == CONN_OPEN &&
			(hdr->op == WIRE_OP_CREDIT_UPDATE || hdr->op == WIRE_OP_CREDIT_REQUEST))
			forward_msg(lc, c, hdr);
	} else if (answer) {
		c->ctl |= CONN_CTL_CREDIT_UPDATE;
		conn_turn_ready(lc, c);
	} else if (c->state == CONN_OPEN) {
		/* A guest that has made its buffer smaller may wait for credit. */
		host_send_credit(lc, c, 0);
	}
}

static void
establish(struct lcore *lc, struct conn *c, const struct wire_hdr *hdr)
{
	c->state = CONN_OPEN;
	c->port->stats.conns_opened++;
	conn_log_opened(lc, c);
	conn_timer_set(lc, c, CONN_TIMER_NONE);
	if (c->is_host)
		host_conn_established(lc, c);
	else
		forward_msg(lc, c, hdr);
}

static enum chain_next
act(struct lcore *lc, struct port *port, struct conn *c, const struct wire_hdr *hdr,
	const struct vq_chain *chain)
{
	enum conn_action action = conn_state_action(
		c != NULL ? c->state : CONN_NONE, hdr->op, c != NULL ? c->shut_from_guest : 0);
	bool op_known = hdr->op != WIRE_OP_INVALID && hdr->op <= WIRE_OP_MAX;

	if (c != NULL && c->state == CONN_TO_GUEST && !c->request_sent) {
		/* The guest has not seen the REQUEST, so it does not mean this connection. */
		port->stats.drops[hdr->op == WIRE_OP_REQUEST ? DROP_CONN_EXISTS : DROP_NO_CONN]++;
		reply_rst(lc, port, hdr);
		return CHAIN_RETURN;
	}
	switch (action) {
	case CONN_ACT_IGNORE:
		break;
	case CONN_ACT_DROP:
		port->stats.drops[DROP_LATE]++;
		break;
	case CONN_ACT_REPLY_RST:
		port->stats.drops[op_known ? DROP_NO_CONN : DROP_BAD_OP]++;
		reply_rst(lc, port, hdr);
		break;
	case CONN_ACT_CREATE:
		return create(lc, port, hdr);
	case CONN_ACT_ESTABLISH:
		establish(lc, c, hdr);
		break;
	case CONN_ACT_DATA:
		return data(lc, c, hdr, chain);
	case CONN_ACT_CREDIT:
		credit_from_guest(lc, c, hdr, false);
		break;
	case CONN_ACT_CREDIT_REPLY:
		credit_from_guest(lc, c, hdr, true);
		break;
	case CONN_ACT_SHUTDOWN:
		shutdown_from_guest(lc, c, hdr);
		break;
	case CONN_ACT_RESET:
		if (c->state == CONN_TO_GUEST)
			conn_end_count(c, DROP_GUEST_REFUSED);
		conn_reset_peer(lc, c);
		conn_end_free(lc, c);
		break;
	case CONN_ACT_DETACH:
		conn_detach(&port->conns, c);
		break;
	case CONN_ACT_VIOLATION:
		if (c->state == CONN_CLOSING && hdr->op == WIRE_OP_RW)
			conn_reset(lc, c, DROP_HOST_SHUT);
		else
			conn_reset(lc, c, op_known ? DROP_BAD_STATE : DROP_BAD_OP);
		break;
	}
	return CHAIN_RETURN;
}

/* Handle a header that wire_check() refuses. */
static enum chain_next
bad_header(struct lcore *lc, struct port *port, struct conn *c, const struct wire_hdr *hdr,
	enum wire_verdict verdict)
{
	switch (verdict) {
	case WIRE_BAD_LEN:
		/* Bytes of the stream are missing, so the connection cannot go on. */
		if (c != NULL && c->state != CONN_DRAINING)
			conn_reset(lc, c, DROP_BAD_LEN);
		else
			port->stats.drops[DROP_BAD_LEN]++;
		break;
	case WIRE_BAD_SRC_CID:
		port->stats.drops[DROP_BAD_SRC_CID]++;
		break;
	default:
		port->stats.drops[DROP_BAD_TYPE]++;
		reply_rst(lc, port, hdr);
		break;
	}
	return CHAIN_RETURN;
}

/* Copy the header once, because the guest can change it at any time. */
static inline bool
read_header(const struct vq_chain *chain, struct wire_hdr *hdr)
{
	uint8_t raw[WIRE_HDR_LEN];

	if (seg_read_head(chain->segs, chain->nb_segs, raw, sizeof(raw)) != sizeof(raw))
		return false;
	wire_decode(raw, hdr);
	return true;
}

static enum chain_next
packet(struct lcore *lc, struct port *port, const struct vq_chain *chain)
{
	enum wire_verdict verdict;
	struct wire_hdr hdr;
	struct conn *c;

	if (!read_header(chain, &hdr)) {
		port->stats.drops[DROP_SHORT_HEADER]++;
		return CHAIN_RETURN;
	}
	verdict = wire_check(&hdr, port->cid, chain->len - WIRE_HDR_LEN);
	if (verdict == WIRE_BAD_SRC_CID)
		return bad_header(lc, port, NULL, &hdr, verdict);
	c = conn_find(&port->conns, hdr.src_port, hdr.dst_cid, hdr.dst_port);
	if (hdr.type == WIRE_TYPE_SEQPACKET && !port->seqpacket)
		verdict = WIRE_BAD_TYPE; /* the driver has not negotiated seqpacket */
	if (verdict != WIRE_OK && verdict != WIRE_BAD_OP)
		return bad_header(lc, port, c, &hdr, verdict);
	if (c != NULL && hdr.type == c->type && !c->is_host && !forward_has_room(lc, &c->peer))
		return CHAIN_REWIND;
	port->stats.from_guest_packets++;
	port->stats.from_guest_bytes += hdr.len;
	if (hdr.op == WIRE_OP_RW)
		hdr.flags &= WIRE_SEQ_EOM | WIRE_SEQ_EOR; /* unknown flags are not passed on */
	if (c == NULL)
		return act(lc, port, NULL, &hdr, chain);
	if (hdr.type != c->type)
		return bad_header(lc, port, c, &hdr, WIRE_BAD_TYPE);
	/* Send the data of this burst before another operation takes effect. */
	if (c->is_host && hdr.op != WIRE_OP_RW)
		host_send_burst(lc, c);
	absorb_credit(lc, c, &hdr);
	return act(lc, port, c, &hdr, chain);
}

/* ---- a burst ---- */

/** Chains that are popped together, so that their cache misses overlap. */
#define BATCH_NB_CHAINS 8

struct batch {
	struct vq_chain chains[BATCH_NB_CHAINS];
	unsigned int nb;
	bool refused[BATCH_NB_CHAINS];
	bool broken; /* the ring is broken after these chains */
};

static void
pop_batch(struct lcore *lc, struct vq *vq, struct batch *b)
{
	b->broken = false;
	for (b->nb = 0; b->nb < BATCH_NB_CHAINS; b->nb++) {
		struct vq_chain *chain = &b->chains[b->nb];
		int ret;

		if (lc->nb_segs_used + VQ_CHAIN_MAX_SEGS > LCORE_NB_SEGS)
			break;
		ret = vq_pop(vq, chain, &lc->segs[lc->nb_segs_used]);
		if (ret == 0)
			break;
		if (ret == -EPROTO) {
			b->broken = true;
			break;
		}
		b->refused[b->nb] = ret < 0;
		lc->nb_segs_used += chain->nb_segs;
		if (ret > 0) {
			rte_prefetch0(chain->segs[0].va);
			rte_prefetch0(chain->nb_segs > 1 ? chain->segs[1].va
							 : chain->segs[0].va + RTE_CACHE_LINE_SIZE);
		}
	}
}

/* Are there packet objects for all parts of the chain, and for a reset? */
static bool
may_take(struct lcore *lc, struct port *port, const struct vq_chain *chain)
{
	uint32_t need = (chain->nb_segs <= PKT_MAX_SEGS ? 1 : PKT_MAX_PARTS) + 1;

	if (port->nb_replies == LIMIT_NB_REPLIES)
		return false;
	if (lc->nb_free_pkts < need || port->nb_pkts_out + need > lc->pkts_per_port) {
		lc->stats.pkts_exhausted++;
		return false;
	}
	return true;
}

/* What a chain takes of its guest's burst. Its payload cannot be more than all its bytes. */
static uint32_t
burst_len(const struct vq_chain *chain)
{
	uint32_t len = RTE_MIN(chain->len, LIMIT_BURST_LEN);

	return chain->nb_walked <= PKT_MAX_SEGS ? len
						: len + chain->nb_walked * LIMIT_DESC_COST_LEN;
}

/* Handle chains of the batch. Returns their number; the others are back in the ring. */
static unsigned int
take_batch(struct lcore *lc, struct port *port, const struct batch *b, uint32_t *len)
{
	struct vq *vq = &port->vq[PORT_Q_FROM_GUEST];
	unsigned int i;

	for (i = 0; i < b->nb && *len < LIMIT_BURST_LEN; i++) {
		const struct vq_chain *chain = &b->chains[i];
		enum chain_next next = may_take(lc, port, chain) ? CHAIN_RETURN : CHAIN_REWIND;

		if (next == CHAIN_RETURN && b->refused[i])
			port->stats.drops[DROP_BAD_CHAIN]++;
		else if (next == CHAIN_RETURN)
			next = packet(lc, port, chain);
		if (next == CHAIN_REWIND) {
			port->blocked = true;
			break;
		}
		*len += burst_len(chain);
		if (next == CHAIN_RETURN)
			vq_return(vq, chain->id);
	}
	if (i < b->nb)
		vq_rewind(vq, b->nb - i);
	return i;
}

static void
finish_burst(struct lcore *lc, struct port *port)
{
	struct vq *vq = &port->vq[PORT_Q_FROM_GUEST];

	for (uint16_t i = 0; i < lc->nb_touched; i++)
		host_send_burst(lc, lc->touched[i]);
	direct_close_all(lc);
	for (int16_t i = 0; i < lc->nb_burst; i++)
		vq_return(vq, lc->burst[i].chain_id);
	lc->nb_touched = 0;
	lc->nb_burst = 0;
	lc->nb_segs_used = 0;
}

unsigned int
from_guest_poll(struct lcore *lc, struct port *port)
{
	struct vq *vq = &port->vq[PORT_Q_FROM_GUEST];
	unsigned int nb = 0, taken;
	uint32_t len = 0;
	struct batch b;

	port->blocked = false;
	if (vq_nb_avail(vq, 1) == 0)
		return 0;
	do {
		pop_batch(lc, vq, &b);
		taken = take_batch(lc, port, &b, &len);
		nb += taken;
	} while (taken == BATCH_NB_CHAINS && nb < LIMIT_BURST_NB_PKTS);
	finish_burst(lc, port);
	if (b.broken)
		lcore_port_broken(lc, port, DROP_RING_BROKEN);
	if (nb > 0)
		lcore_port_flush_later(lc, port);
	return nb;
}
