/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <rte_debug.h>

#include "conn/conn_copy.h"
#include "conn/conn_end.h"
#include "conn/conn_turn.h"
#include "conn/direct.h"
#include "conn/loan.h"
#include "conn/rx_buf.h"
#include "host/host_recv.h"
#include "lcore/conn_timer.h"
#include "lcore/lcore_port.h"
#include "switch/to_guest.h"
#include "wire/credit.h"

/** Result of a connection's turn. */
enum turn {
	TURN_IDLE,  /* the connection has nothing more to send now */
	TURN_MORE,  /* its share of the burst is used up; it has more to send */
	TURN_STUCK, /* the guest has posted no RX buffer */
	TURN_FREED, /* the connection was freed */
};

static bool
send_ctl(struct lcore *lc, struct conn *c, uint16_t op, uint32_t flags)
{
	struct vq_chain chain;

	if (!rx_buf_get(lc, c->port, &chain, lc->to_guest_segs, 0))
		return false;
	rx_buf_put(c->port, c, &chain, op, flags, 0);
	return true;
}

/* The bytes of payload that the connection may send now. */
static uint32_t
sendable(const struct conn *c)
{
	if (conn_turn_room(c) == 0)
		return 0;
	return c->is_host ? credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt)
			  : UINT32_MAX;
}

/* Copy the first bytes that wait into an RX buffer, from byte off of the buffer on. */
static void
copy_out(struct lcore *lc, struct conn *c, struct pkt *loan, const struct vq_chain *chain,
	uint32_t off, uint32_t len)
{
	uint32_t n;

	if (loan == NULL) {
		n = conn_copy_read(lc, c, chain, off, len);
	} else {
		n = seg_copy(chain->segs, chain->nb_segs, off, loan->segs, loan->nb_segs,
			loan->payload_off + loan->off, len);
		loan->off += n;
	}
	RTE_VERIFY(n == len); /* lengths were checked when the chains were popped */
	c->used_tsc = lc->now;
	if (c->is_host) {
		c->tx_cnt += n;
	} else {
		c->port->stats.guest_copied_bytes += n;
		c->port->stats.guest_payload_bytes += n;
	}
}

/* Fill one RX buffer with the next bytes of a stream, from as many packets as fit. */
static void
fill_stream(struct lcore *lc, struct conn *c, const struct vq_chain *chain, uint32_t max)
{
	uint32_t room = RTE_MIN(rx_buf_room(chain), max), len = 0;

	while (len < room && conn_has_data(c)) {
		struct pkt *loan = TAILQ_FIRST(&c->loans);
		uint32_t left = loan != NULL ? loan->len - loan->off : c->copy.bytes.len;
		uint32_t n = RTE_MIN(left, room - len);

		copy_out(lc, c, loan, chain, WIRE_HDR_LEN + len, n);
		len += n;
		if (loan != NULL && n == left)
			loan_done(lc, c, loan);
	}
	rx_buf_put(c->port, c, chain, WIRE_OP_RW, 0, len);
}

/* Fill one RX buffer with a piece of a message. Only the last piece keeps EOM and EOR. */
static void
fill_message(struct lcore *lc, struct conn *c, const struct vq_chain *chain, uint32_t max)
{
	struct pkt *loan = TAILQ_FIRST(&c->loans);
	struct conn_copy_piece piece;
	uint32_t len;

	if (loan != NULL)
		piece = (struct conn_copy_piece){loan->len - loan->off, loan->hdr.flags};
	else
		piece = conn_copy_next_piece(lc, c);
	len = RTE_MIN(piece.len, RTE_MIN(rx_buf_room(chain), max));
	copy_out(lc, c, loan, chain, WIRE_HDR_LEN, len);
	rx_buf_put(c->port, c, chain, WIRE_OP_RW, len == piece.len ? piece.flags : 0, len);
	if (loan != NULL && len == piece.len)
		loan_done(lc, c, loan);
}

static enum turn
send_data(struct lcore *lc, struct conn *c, int *budget)
{
	struct vq_chain chain;

	while (conn_has_data(c)) {
		uint32_t max = sendable(c);

		if (max == 0) {
			conn_turn_ask(lc, c);
			break; /* the guest's next credit puts it on the ready list */
		}
		if (*budget <= 0 || conn_turn_is_full(c))
			return TURN_MORE;
		if (!rx_buf_get(lc, c->port, &chain, lc->to_guest_segs, 1))
			return TURN_STUCK;
		if (c->type == WIRE_TYPE_STREAM)
			fill_stream(lc, c, &chain, max);
		else
			fill_message(lc, c, &chain, max);
		(*budget)--;
		conn_turn_ask(lc, c);
	}
	return TURN_IDLE;
}

static void
after_shutdown(struct lcore *lc, struct conn *c)
{
	if (c->shut_to_guest != WIRE_SHUTDOWN_BOTH)
		return;
	/* Both directions are shut: RST of the guest or the timeout ends the connection. */
	if (c->is_host && c->state == CONN_OPEN)
		c->state = CONN_CLOSING;
	conn_timer_set(lc, c, CONN_TIMER_CLOSE);
}

/* After the data, send SHUTDOWN, then RST, which frees the connection. */
static enum turn
send_closing(struct lcore *lc, struct conn *c, int *budget)
{
	if ((c->ctl & CONN_CTL_SHUTDOWN) != 0) {
		if (!send_ctl(lc, c, WIRE_OP_SHUTDOWN, c->shut_to_guest))
			return TURN_STUCK;
		c->ctl &= ~CONN_CTL_SHUTDOWN;
		after_shutdown(lc, c);
		(*budget)--;
	}
	if ((c->ctl & CONN_CTL_RST) != 0) {
		if (!send_ctl(lc, c, WIRE_OP_RST, 0))
			return TURN_STUCK;
		c->port->stats.resets_sent++;
		(*budget)--;
		conn_end_free(lc, c);
		return TURN_FREED;
	}
	return TURN_IDLE;
}

/* Send what the connection has for the guest, in order, until its share of the burst is used. */
static enum turn
serve(struct lcore *lc, struct conn *c, int *budget)
{
	uint8_t opening = c->ctl & (CONN_CTL_REQUEST | CONN_CTL_RESPONSE);
	enum turn t;

	c->turn_cnt = c->sent_cnt;
	if (opening != 0) {
		if (!send_ctl(lc, c,
			    opening == CONN_CTL_REQUEST ? WIRE_OP_REQUEST : WIRE_OP_RESPONSE, 0))
			return TURN_STUCK;
		c->ctl &= ~opening;
		c->request_sent = true;
		(*budget)--;
	}
	t = send_data(lc, c, budget);
	if (t != TURN_IDLE)
		return t;
	if (*budget > 0 && c->is_host && !conn_has_data(c) && host_recv_possible(c)) {
		*budget -= host_recv(lc, c, *budget);
		if (c->state == CONN_NONE)
			return TURN_FREED;
	}
	if (*budget <= 0)
		return TURN_MORE;
	if ((c->ctl & CONN_CTL_CREDIT_UPDATE) != 0) {
		if (!send_ctl(lc, c, WIRE_OP_CREDIT_UPDATE, 0))
			return TURN_STUCK;
		c->port->stats.credit_updates++;
		(*budget)--;
	}
	if ((c->ctl & CONN_CTL_CREDIT_REQUEST) != 0) {
		if (!send_ctl(lc, c, WIRE_OP_CREDIT_REQUEST, 0))
			return TURN_STUCK;
		c->ctl &= ~CONN_CTL_CREDIT_REQUEST;
		(*budget)--;
	}
	if (conn_has_data(c))
		return TURN_IDLE; /* out of credit */
	t = send_closing(lc, c, budget);
	if (t != TURN_IDLE)
		return t;
	if (c->is_host && host_recv_possible(c))
		return c->port->starved ? TURN_STUCK : TURN_MORE;
	return TURN_IDLE;
}

static bool
send_reply(struct lcore *lc, struct port *port)
{
	const struct reply *r = &port->replies[port->replies_head];
	struct vq_chain chain;
	struct wire_hdr hdr = {
		.src_cid = r->src_cid,
		.dst_cid = port->cid,
		.src_port = r->src_port,
		.dst_port = r->dst_port,
		.type = r->type,
		.op = WIRE_OP_RST,
	};

	if (!rx_buf_get(lc, port, &chain, lc->to_guest_segs, 0))
		return false;
	rx_buf_header(&chain, &hdr);
	vq_push(&port->vq[PORT_Q_TO_GUEST], &chain, WIRE_HDR_LEN);
	port->stats.to_guest_packets++;
	port->stats.resets_sent++;
	port->replies_head = (port->replies_head + 1) % LIMIT_NB_REPLIES;
	port->nb_replies--;
	return true;
}

unsigned int
to_guest_poll(struct lcore *lc, struct port *port)
{
	uint64_t before = port->stats.to_guest_packets;
	int budget = LIMIT_BURST_NB_TO_GUEST;
	struct conn *c, *served = NULL; /* the first connection that waits for a second turn */
	unsigned int used;

	if (!port->running)
		return 0;
	direct_close(lc, port);
	port->starved = false;
	while (port->nb_replies > 0 && send_reply(lc, port))
		;
	while (budget > 0 && !port->starved && (c = conn_turn_next(port)) != NULL && c != served) {
		int share = RTE_MIN(budget, LIMIT_TURN_NB_BUFFERS), left = share;
		enum turn t;

		conn_turn_begin(c);
		t = serve(lc, c, &left);
		budget -= share - left;
		/* The guest handles these buffers while the lcore goes on. */
		if (share - left >= LIMIT_TURN_NB_BUFFERS / 2)
			lcore_port_flush(port);
		if (t == TURN_FREED || t == TURN_IDLE)
			continue;
		/* Data must not stay lent for as long as the guest posts no buffers. */
		if (t == TURN_STUCK && c->timer == CONN_TIMER_NONE && !TAILQ_EMPTY(&c->loans))
			conn_timer_set(lc, c, CONN_TIMER_LOOK);
		if (!c->in_ready && t == TURN_STUCK)
			conn_turn_wait_first(c);
		else if (!c->in_ready)
			conn_turn_wait(c);
		if (served == NULL)
			served = c;
	}
	used = port->stats.to_guest_packets - before;
	if (used > 0)
		lcore_port_flush_later(lc, port);
	return used;
}
