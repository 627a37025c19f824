/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_rx.h"

#include "vfe_table.h"
#include "vfe_tx.h"
#include "vfe_vring.h"

int
vfe_rx_post(struct vfe_guest *g, uint32_t slot_idx)
{
	const struct vfe_layout *layout = &g->to_guest;
	const struct vfe_slot *slot = &g->to_guest_slots[slot_idx];
	struct vfe_seg segs[VFE_VRING_MAX_SEGS];
	unsigned int i;

	for (i = 0; i < layout->nb_segs; i++) {
		segs[i] = (struct vfe_seg){
			.gpa = slot->gpa + layout->pos[i],
			.len = layout->cap[i],
			.to_guest = true,
		};
	}
	return vfe_vring_add(&g->vrings[VFE_QUEUE_TO_GUEST], segs, layout->nb_segs, slot_idx,
		layout->nb_segs > 1 && (g->features & VFE_F_INDIRECT_DESC));
}

static void
send_rst(struct vfe_guest *g, const struct vfe_hdr *to)
{
	const struct vfe_hdr hdr = vfe_hdr_reply(to, VFE_OP_RST);

	/* Cannot fail: vfe_rx_poll() takes a packet only if the queue has room for answers. */
	vfe_tx_ctrl(g, &hdr);
}

static void
absorb_credit(struct vfe_conn *conn, const struct vfe_hdr *hdr)
{
	/* The peer may have consumed any bytes that were sent, but never fewer than before. */
	if ((uint32_t)conn->tx_len - hdr->fwd_cnt > (uint32_t)conn->tx_len - conn->peer_fwd_cnt)
		conn->guest->stats.faults[VFE_FAULT_CREDIT_BACK]++;
	conn->peer_buf_alloc = hdr->buf_alloc;
	conn->peer_fwd_cnt = hdr->fwd_cnt;
}

static void
conn_over(struct vfe_conn *conn, bool by_peer_rst)
{
	struct vfe_guest *g = conn->guest;

	if (g->ops->on_close != NULL)
		g->ops->on_close(conn, by_peer_rst);
	if (g->active == conn)
		vfe_table_remove(conn);
}

static void
rx_request(struct vfe_guest *g, const struct vfe_hdr *hdr)
{
	struct vfe_conn *conn = NULL;

	if (g->ops->on_request != NULL)
		conn = vfe_table_add(g, hdr->src_cid, hdr->src_port, hdr->dst_port, hdr->type);
	if (conn == NULL) {
		send_rst(g, hdr);
		return;
	}
	conn->peer_buf_alloc = hdr->buf_alloc;
	conn->peer_fwd_cnt = hdr->fwd_cnt;
	if (!g->ops->on_request(conn)) {
		vfe_table_remove(conn);
		send_rst(g, hdr);
		return;
	}
	conn->state = VFE_CONN_OPEN;
	vfe_tx_conn_ctrl(conn, VFE_OP_RESPONSE, 0);
	g->active = conn;
	if (g->ops->on_open != NULL)
		g->ops->on_open(conn);
}

static void
rx_data(struct vfe_conn *conn, const struct vfe_hdr *hdr, const struct vfe_data *data)
{
	struct vfe_guest *g = conn->guest;

	g->stats.nb_data_to_guest++;
	g->stats.payload_to_guest_len += data->len;
	if ((uint32_t)conn->rx_len + data->len - conn->fwd_cnt > conn->buf_alloc)
		g->stats.faults[VFE_FAULT_OVER_CREDIT]++;
	if (conn->shutdown_got & VFE_SHUTDOWN_SEND) {
		g->stats.faults[VFE_FAULT_WRONG_OP]++;
		return;
	}
	if (conn->type == VFE_TYPE_STREAM && hdr->flags != 0)
		g->stats.faults[VFE_FAULT_WRONG_TYPE]++;
	if (conn->state == VFE_CONN_OPEN && g->ops->on_data != NULL)
		g->ops->on_data(conn, data);
	if (g->active != conn)
		return;
	conn->rx_len += data->len;
	if (!conn->hold_data || conn->state != VFE_CONN_OPEN) {
		conn->fwd_cnt += data->len;
		vfe_tx_conn_credit(conn);
	}
}

static void
rx_shutdown(struct vfe_conn *conn, const struct vfe_hdr *hdr)
{
	struct vfe_guest *g = conn->guest;

	conn->shutdown_got |= (uint8_t)(hdr->flags & VFE_SHUTDOWN_BOTH);
	if (g->ops->on_shutdown != NULL)
		g->ops->on_shutdown(conn);
	if (g->active != conn || conn->shutdown_got != VFE_SHUTDOWN_BOTH)
		return;
	vfe_tx_conn_ctrl(conn, VFE_OP_RST, 0);
	conn_over(conn, false);
}

static void
rx_conn(struct vfe_conn *conn, const struct vfe_hdr *hdr, const struct vfe_data *data)
{
	struct vfe_guest *g = conn->guest;

	g->active = conn;
	if (hdr->type != conn->type) {
		g->stats.faults[VFE_FAULT_WRONG_TYPE]++;
		return;
	}
	if (hdr->op == VFE_OP_RST) {
		conn_over(conn, true);
		return;
	}
	if (conn->state == VFE_CONN_REQUESTED) {
		if (hdr->op != VFE_OP_RESPONSE) {
			g->stats.faults[VFE_FAULT_WRONG_OP]++;
			return;
		}
		absorb_credit(conn, hdr);
		conn->state = VFE_CONN_OPEN;
		if (g->ops->on_open != NULL)
			g->ops->on_open(conn);
		return;
	}
	absorb_credit(conn, hdr);
	switch (hdr->op) {
	case VFE_OP_RW:
		rx_data(conn, hdr, data);
		break;
	case VFE_OP_SHUTDOWN:
		rx_shutdown(conn, hdr);
		break;
	case VFE_OP_CREDIT_UPDATE:
		break;
	case VFE_OP_CREDIT_REQUEST:
		vfe_tx_conn_ctrl(conn, VFE_OP_CREDIT_UPDATE, 0);
		break;
	default:
		g->stats.faults[VFE_FAULT_WRONG_OP]++;
		break;
	}
}

static void
rx_dispatch(struct vfe_guest *g, const struct vfe_hdr *hdr, const struct vfe_data *data)
{
	struct vfe_conn *conn;

	g->stats.nb_packets_to_guest++;
	g->stats.nb_credit_to_guest += hdr->op == VFE_OP_CREDIT_UPDATE;
	g->stats.nb_rst_to_guest += hdr->op == VFE_OP_RST;
	if (g->ops->on_packet != NULL && g->ops->on_packet(g, hdr, data))
		return;
	if (hdr->dst_cid != g->cid || hdr->src_cid > UINT32_MAX) {
		g->stats.faults[VFE_FAULT_WRONG_CID]++;
		return;
	}
	if (hdr->type != VFE_TYPE_STREAM && hdr->type != VFE_TYPE_SEQPACKET) {
		g->stats.faults[VFE_FAULT_WRONG_TYPE]++;
		return;
	}
	conn = vfe_table_find(g, hdr->src_cid, hdr->src_port, hdr->dst_port);
	if (conn != NULL) {
		rx_conn(conn, hdr, data);
		g->active = NULL;
	} else if (hdr->op == VFE_OP_REQUEST) {
		rx_request(g, hdr);
		g->active = NULL;
	} else if (hdr->op != VFE_OP_RST) {
		/* After a reset by this guest, packets of the peer may still arrive. */
		g->stats.faults[VFE_FAULT_NO_CONNECTION] += !g->reset_some;
		send_rst(g, hdr);
	}
}

static void
rx_buffer(struct vfe_guest *g, uint32_t slot_idx, uint32_t used_len)
{
	const struct vfe_layout *layout = &g->to_guest;
	const struct vfe_slot *slot = &g->to_guest_slots[slot_idx];
	struct iovec iov[VFE_VRING_MAX_SEGS];
	struct vfe_data data = {0};
	struct vfe_hdr hdr;

	if (used_len < VFE_HDR_LEN) {
		g->stats.faults[VFE_FAULT_SHORT_PACKET]++;
		return;
	}
	if (layout->cap[0] >= VFE_HDR_LEN) {
		hdr = vfe_hdr_decode(slot->va);
	} else {
		vfe_layout_read(layout, slot->va, 0, &hdr, VFE_HDR_LEN);
		hdr = vfe_hdr_swap(hdr);
	}
	if (used_len > layout->total_len || hdr.len != used_len - VFE_HDR_LEN) {
		g->stats.faults[VFE_FAULT_USED_LEN]++;
		return;
	}
	data.flags = hdr.flags;
	data.len = hdr.len;
	data.iov = iov;
	if (hdr.len > 0)
		data.nb_iov = vfe_layout_iov(layout, slot->va, VFE_HDR_LEN, hdr.len, iov);
	rx_dispatch(g, &hdr, &data);
}

unsigned int
vfe_rx_poll(struct vfe_guest *g, unsigned int burst)
{
	struct vfe_vring *vr = &g->vrings[VFE_QUEUE_TO_GUEST];
	unsigned int nb = 0;
	uint32_t slot, len;
	int rc;

	while (nb < burst && vfe_tx_ctrl_has_room(g)) {
		rc = vfe_vring_get(vr, &slot, &len);
		if (rc == 0)
			break;
		if (rc < 0) {
			g->stats.faults[VFE_FAULT_BAD_USED]++;
			continue;
		}
		rx_buffer(g, slot, len);
		vfe_rx_post(g, slot);
		nb++;
	}
	return nb;
}
