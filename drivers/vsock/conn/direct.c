/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_debug.h>

#include "conn/conn_peer.h"
#include "conn/conn_turn.h"
#include "conn/direct.h"
#include "conn/rx_buf.h"
#include "lcore/lcore_port.h"
#include "wire/credit.h"

/* These packets must not be overtaken by data. */
#define CTL_IN_ORDER (CONN_CTL_REQUEST | CONN_CTL_RESPONSE | CONN_CTL_SHUTDOWN | CONN_CTL_RST)

/*
 * Keep the order: use the direct path only if no data is queued for this connection or for another
 * one of the port.
 */
static struct conn *
receiver(struct lcore *lc, const struct conn *c, const struct wire_hdr *hdr)
{
	struct port *port = lcore_port_find(lc, c->peer.port_id, c->peer.port_gen);
	struct conn *to;

	if (port == NULL || !port->running || port->starved)
		return NULL;
	to = conn_peer_find(port, hdr, c->serial, c->peer.serial);
	if (to == NULL || to->state != CONN_OPEN)
		return NULL;
	if (conn_has_data(to) || (to->ctl & CTL_IN_ORDER) != 0 || conn_turn_others_wait(port, to))
		return NULL;
	if (!credit_respected(to->guest_buf_alloc_max, to->tx_cnt + hdr->len, to->guest_fwd_cnt))
		return NULL; /* forward_data() finds the same fault, and resets the connection */
	return to;
}

static bool
open_buffer(struct lcore *lc, struct conn *to)
{
	struct port *port = to->port;
	struct direct_buffer *open = &port->open;

	if (open->conn == to)
		return true;
	direct_close(lc, port);
	if (conn_turn_room(to) == 0 || !rx_buf_get(lc, port, &open->chain, lc->to_guest_segs, 1))
		return false;
	if (open->chain.nb_segs > DIRECT_MAX_SEGS) {
		vq_rewind(&port->vq[PORT_Q_TO_GUEST], 1);
		return false;
	}
	memcpy(open->segs, open->chain.segs, open->chain.nb_segs * sizeof(open->segs[0]));
	open->chain.segs = open->segs;
	open->conn = to;
	open->len = 0;
	open->room = rx_buf_room(&open->chain);
	open->flags = 0;
	open->next = lc->open_ports;
	lc->open_ports = port;
	return true;
}

void
direct_close(struct lcore *lc, struct port *port)
{
	struct direct_buffer *open = &port->open;
	struct conn *to = open->conn;
	struct port **link = &lc->open_ports;

	if (to == NULL)
		return;
	while (*link != port)
		link = &(*link)->open.next;
	*link = open->next;
	open->conn = NULL;
	rx_buf_put(port, to, &open->chain, WIRE_OP_RW, open->flags, open->len);
	/* The guest handles these buffers while the lcore goes on. */
	if (vq_nb_staged(&port->vq[PORT_Q_TO_GUEST]) >= LIMIT_TURN_NB_BUFFERS)
		lcore_port_flush(port);
	lcore_port_flush_later(lc, port);
	lcore_port_activate(lc, port);
	if (to->state != CONN_OPEN)
		return; /* these bytes ended the connection */
	conn_turn_ask(lc, to);
	if (to->ctl != 0)
		conn_turn_ready(lc, to);
}

void
direct_close_all(struct lcore *lc)
{
	while (lc->open_ports != NULL)
		direct_close(lc, lc->open_ports);
}

uint32_t
direct_send(
	struct lcore *lc, struct conn *c, const struct wire_hdr *hdr, const struct vq_chain *chain)
{
	struct conn *to = receiver(lc, c, hdr);
	const struct vq_seg *segs = chain->segs;
	uint16_t nb_segs = chain->nb_segs;
	uint32_t off = WIRE_HDR_LEN, done = 0;
	struct direct_buffer *open;

	if (to == NULL)
		return 0;
	to->buf_alloc = hdr->buf_alloc;
	to->fwd_cnt = hdr->fwd_cnt;
	open = &to->port->open;
	while (done < hdr->len && open_buffer(lc, to)) {
		uint32_t len = RTE_MIN(hdr->len - done, open->room - open->len);
		uint32_t n;

		for (; nb_segs > 1 && off >= segs->len; segs++, nb_segs--)
			off -= segs->len;
		n = seg_copy(open->segs, open->chain.nb_segs, WIRE_HDR_LEN + open->len, segs,
			nb_segs, off, len);

		RTE_VERIFY(n == len); /* lengths were checked when the chains were popped */
		open->len += len;
		off += len;
		done += len;
		if (to->type == WIRE_TYPE_SEQPACKET && done == hdr->len)
			open->flags = hdr->flags;
		if (open->len == open->room || to->type == WIRE_TYPE_SEQPACKET)
			direct_close(lc, to->port);
	}
	to->tx_cnt += done;
	to->used_tsc = lc->now;
	to->port->stats.guest_copied_bytes += done;
	to->port->stats.guest_payload_bytes += done;
	return done;
}
