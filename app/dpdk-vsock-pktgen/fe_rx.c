/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_priv.h"

#include <errno.h>

int
fe_rx_post(struct fe_guest *g, uint32_t slot_idx)
{
	const struct fe_layout *layout = &g->to_guest;
	const struct fe_slot *slot = &g->to_guest_slots[slot_idx];
	struct fe_seg segs[FE_VRING_MAX_SEGS];
	unsigned int i;

	for (i = 0; i < layout->nb_segs; i++) {
		segs[i] = (struct fe_seg){
			.gpa = slot->gpa + layout->pos[i],
			.len = layout->cap[i],
			.to_guest = true,
		};
	}
	return fe_vring_add(&g->vrings[FE_QUEUE_TO_GUEST], segs, layout->nb_segs, slot_idx,
		layout->nb_segs > 1 && (g->features & FE_F_INDIRECT_DESC));
}

static void
send_rst(struct fe_guest *g, const struct fe_hdr *to)
{
	const struct fe_hdr hdr = {
		.src_cid = to->dst_cid,
		.dst_cid = to->src_cid,
		.src_port = to->dst_port,
		.dst_port = to->src_port,
		.type = to->type,
		.op = FE_OP_RST,
	};

	/* Room was looked for before the packet was taken. */
	fe_tx_ctrl(g, &hdr);
}

static void
absorb_credit(struct fe_conn *conn, const struct fe_hdr *hdr)
{
	/* All that was sent and not yet forwarded may come forward now, nothing else. */
	if ((uint32_t)conn->tx_len - hdr->fwd_cnt > (uint32_t)conn->tx_len - conn->peer_fwd_cnt)
		conn->guest->stats.faults[FE_FAULT_CREDIT_BACK]++;
	conn->peer_buf_alloc = hdr->buf_alloc;
	conn->peer_fwd_cnt = hdr->fwd_cnt;
}

static void
conn_over(struct fe_conn *conn, bool by_peer_rst)
{
	struct fe_guest *g = conn->guest;

	if (g->ops->on_close != NULL)
		g->ops->on_close(conn, by_peer_rst);
	if (g->active == conn)
		fe_conn_free(conn);
}

static void
rx_request(struct fe_guest *g, const struct fe_hdr *hdr)
{
	struct fe_conn *conn = NULL;

	if (g->ops->on_request != NULL)
		conn = fe_conn_new(g, hdr->src_cid, hdr->src_port, hdr->dst_port, hdr->type);
	if (conn == NULL) {
		send_rst(g, hdr);
		return;
	}
	conn->peer_buf_alloc = hdr->buf_alloc;
	conn->peer_fwd_cnt = hdr->fwd_cnt;
	if (!g->ops->on_request(conn)) {
		fe_conn_free(conn);
		send_rst(g, hdr);
		return;
	}
	conn->state = FE_CONN_OPEN;
	fe_tx_conn_ctrl(conn, FE_OP_RESPONSE, 0);
	g->active = conn;
	if (g->ops->on_open != NULL)
		g->ops->on_open(conn);
}

static void
rx_data(struct fe_conn *conn, const struct fe_hdr *hdr, const struct fe_data *data)
{
	struct fe_guest *g = conn->guest;

	g->stats.nb_data_to_guest++;
	g->stats.payload_to_guest_len += data->len;
	if ((uint32_t)conn->rx_len + data->len - conn->fwd_cnt > conn->buf_alloc)
		g->stats.faults[FE_FAULT_OVER_CREDIT]++;
	if (conn->shutdown_got & FE_SHUTDOWN_SEND) {
		g->stats.faults[FE_FAULT_WRONG_OP]++;
		return;
	}
	if (conn->type == FE_TYPE_STREAM && hdr->flags != 0)
		g->stats.faults[FE_FAULT_WRONG_TYPE]++;
	if (conn->state == FE_CONN_OPEN && g->ops->on_data != NULL)
		g->ops->on_data(conn, data);
	if (g->active != conn)
		return;
	conn->rx_len += data->len;
	if (!conn->hold_data || conn->state != FE_CONN_OPEN) {
		conn->fwd_cnt += data->len;
		fe_conn_tell_credit(conn);
	}
}

static void
rx_shutdown(struct fe_conn *conn, const struct fe_hdr *hdr)
{
	struct fe_guest *g = conn->guest;

	conn->shutdown_got |= (uint8_t)(hdr->flags & FE_SHUTDOWN_BOTH);
	if (g->ops->on_shutdown != NULL)
		g->ops->on_shutdown(conn);
	if (g->active != conn || conn->shutdown_got != FE_SHUTDOWN_BOTH)
		return;
	fe_tx_conn_ctrl(conn, FE_OP_RST, 0);
	conn_over(conn, false);
}

static void
rx_conn(struct fe_conn *conn, const struct fe_hdr *hdr, const struct fe_data *data)
{
	struct fe_guest *g = conn->guest;

	g->active = conn;
	if (hdr->type != conn->type) {
		g->stats.faults[FE_FAULT_WRONG_TYPE]++;
		return;
	}
	if (hdr->op == FE_OP_RST) {
		conn_over(conn, true);
		return;
	}
	if (conn->state == FE_CONN_REQUESTED) {
		if (hdr->op != FE_OP_RESPONSE) {
			g->stats.faults[FE_FAULT_WRONG_OP]++;
			return;
		}
		absorb_credit(conn, hdr);
		conn->state = FE_CONN_OPEN;
		if (g->ops->on_open != NULL)
			g->ops->on_open(conn);
		return;
	}
	absorb_credit(conn, hdr);
	switch (hdr->op) {
	case FE_OP_RW:
		rx_data(conn, hdr, data);
		break;
	case FE_OP_SHUTDOWN:
		rx_shutdown(conn, hdr);
		break;
	case FE_OP_CREDIT_UPDATE:
		break;
	case FE_OP_CREDIT_REQUEST:
		fe_tx_conn_ctrl(conn, FE_OP_CREDIT_UPDATE, 0);
		break;
	default:
		g->stats.faults[FE_FAULT_WRONG_OP]++;
		break;
	}
}

static void
rx_dispatch(struct fe_guest *g, const struct fe_hdr *hdr, const struct fe_data *data)
{
	struct fe_conn *conn;

	g->stats.nb_packets_to_guest++;
	g->stats.nb_credit_to_guest += hdr->op == FE_OP_CREDIT_UPDATE;
	g->stats.nb_rst_to_guest += hdr->op == FE_OP_RST;
	if (g->ops->on_packet != NULL && g->ops->on_packet(g, hdr, data))
		return;
	if (hdr->dst_cid != g->cid || hdr->src_cid > UINT32_MAX) {
		g->stats.faults[FE_FAULT_WRONG_CID]++;
		return;
	}
	if (hdr->type != FE_TYPE_STREAM && hdr->type != FE_TYPE_SEQPACKET) {
		g->stats.faults[FE_FAULT_WRONG_TYPE]++;
		return;
	}
	conn = fe_conn_find(g, hdr->src_cid, hdr->src_port, hdr->dst_port);
	if (conn != NULL) {
		rx_conn(conn, hdr, data);
		g->active = NULL;
	} else if (hdr->op == FE_OP_REQUEST) {
		rx_request(g, hdr);
		g->active = NULL;
	} else if (hdr->op != FE_OP_RST) {
		/* After a reset of ours the other side's packets may still be under way. */
		g->stats.faults[FE_FAULT_NO_CONNECTION] += !g->reset_some;
		send_rst(g, hdr);
	}
}

/* The payload's pieces, behind the header. */
static void
payload_iov(const struct fe_layout *layout, const struct fe_slot *slot, uint32_t len,
	struct iovec *iov, struct fe_data *data)
{
	uint32_t skip = FE_HDR_LEN;
	unsigned int i;

	data->iov = iov;
	data->len = len;
	data->nb_iov = 0;
	for (i = 0; i < layout->nb_segs && len > 0; i++) {
		const uint32_t cap = layout->cap[i];
		uint32_t n;

		if (skip >= cap) {
			skip -= cap;
			continue;
		}
		n = cap - skip < len ? cap - skip : len;
		iov[data->nb_iov++] =
			(struct iovec){.iov_base = slot->va + layout->pos[i] + skip, .iov_len = n};
		len -= n;
		skip = 0;
	}
}

static void
rx_buffer(struct fe_guest *g, uint32_t slot_idx, uint32_t used_len)
{
	const struct fe_layout *layout = &g->to_guest;
	const struct fe_slot *slot = &g->to_guest_slots[slot_idx];
	struct iovec iov[FE_VRING_MAX_SEGS];
	struct fe_data data = {0};
	struct fe_hdr hdr;

	if (used_len < FE_HDR_LEN) {
		g->stats.faults[FE_FAULT_SHORT_PACKET]++;
		return;
	}
	if (layout->cap[0] >= FE_HDR_LEN) {
		hdr = fe_hdr_decode(slot->va);
	} else {
		fe_layout_read(layout, slot->va, 0, &hdr, FE_HDR_LEN);
		hdr = fe_hdr_swap(hdr);
	}
	if (used_len > layout->total_len || hdr.len != used_len - FE_HDR_LEN) {
		g->stats.faults[FE_FAULT_USED_LEN]++;
		return;
	}
	data.flags = hdr.flags;
	if (hdr.len > 0)
		payload_iov(layout, slot, hdr.len, iov, &data);
	rx_dispatch(g, &hdr, &data);
}

unsigned int
fe_rx_poll(struct fe_guest *g, unsigned int burst)
{
	struct fe_vring *vr = &g->vrings[FE_QUEUE_TO_GUEST];
	unsigned int nb = 0;
	uint32_t slot, len;
	int rc;

	while (nb < burst && fe_tx_ctrl_has_room(g)) {
		rc = fe_vring_get(vr, &slot, &len);
		if (rc == 0)
			break;
		if (rc < 0) {
			g->stats.faults[FE_FAULT_BAD_USED]++;
			continue;
		}
		rx_buffer(g, slot, len);
		fe_rx_post(g, slot);
		nb++;
	}
	return nb;
}
