/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_priv.h"

#include <assert.h>
#include <errno.h>

unsigned int
fe_tx_reclaim(struct fe_guest *g)
{
	struct fe_vring *vr = &g->vrings[FE_QUEUE_FROM_GUEST];
	unsigned int nb = 0;
	uint32_t slot, len;
	int rc;

	while ((rc = fe_vring_get(vr, &slot, &len)) != 0) {
		if (rc < 0) {
			g->stats.faults[FE_FAULT_BAD_USED]++;
			continue;
		}
		g->free_slots[g->nb_free_slots++] = slot;
		nb++;
	}
	return nb;
}

static uint32_t
ctrl_len(const struct fe_guest *g)
{
	return g->ctrl_tail - g->ctrl_head;
}

bool
fe_tx_ctrl_has_room(const struct fe_guest *g)
{
	return ctrl_len(g) + FE_CTRL_ROOM <= g->ctrl_mask + 1;
}

static void
fill_payload(const struct fe_layout *layout, uint8_t *slot, struct fe_conn *conn, uint32_t len)
{
	uint32_t skip = FE_HDR_LEN;
	uint64_t off = conn->tx_len;
	unsigned int i;

	for (i = 0; len > 0; i++) {
		const uint32_t cap = layout->cap[i];
		uint32_t n;

		if (skip >= cap) {
			skip -= cap;
			continue;
		}
		n = cap - skip < len ? cap - skip : len;
		conn->guest->ops->fill(conn, off, slot + layout->pos[i] + skip, n);
		off += n;
		len -= n;
		skip = 0;
	}
}

int
fe_tx_packet(
	struct fe_guest *g, const struct fe_hdr *hdr, const void *payload, struct fe_conn *fill_for)
{
	const struct fe_layout *layout = &g->from_guest;
	struct fe_vring *vr = &g->vrings[FE_QUEUE_FROM_GUEST];
	struct fe_seg segs[FE_VRING_MAX_SEGS];
	uint32_t left = FE_HDR_LEN + hdr->len;
	const struct fe_slot *slot;
	unsigned int nb_segs;

	if (hdr->len > layout->total_len - FE_HDR_LEN)
		return -EMSGSIZE;
	if (g->nb_free_slots == 0)
		fe_tx_reclaim(g);
	if (g->nb_free_slots == 0 || !g->running)
		return -ENOBUFS;
	slot = &g->from_guest_slots[g->free_slots[g->nb_free_slots - 1]];
	for (nb_segs = 0; left > 0; nb_segs++) {
		const uint32_t n = left < layout->cap[nb_segs] ? left : layout->cap[nb_segs];

		segs[nb_segs] = (struct fe_seg){.gpa = slot->gpa + layout->pos[nb_segs], .len = n};
		left -= n;
	}
	/* One descriptor is never worth a table. */
	if (fe_vring_add(vr, segs, nb_segs, g->free_slots[g->nb_free_slots - 1],
		    nb_segs > 1 && (g->features & FE_F_INDIRECT_DESC)) < 0) {
		if (fe_tx_reclaim(g) == 0)
			return -ENOBUFS;
		return fe_tx_packet(g, hdr, payload, fill_for);
	}
	g->nb_free_slots--;

	if (layout->cap[0] >= FE_HDR_LEN) {
		fe_hdr_encode(slot->va, hdr);
	} else {
		const struct fe_hdr wire = fe_hdr_swap(*hdr);

		fe_layout_write(layout, slot->va, 0, &wire, FE_HDR_LEN);
	}
	if (payload != NULL)
		fe_layout_write(layout, slot->va, FE_HDR_LEN, payload, hdr->len);
	else if (fill_for != NULL && g->ops->fill != NULL)
		fill_payload(layout, slot->va, fill_for, hdr->len);
	g->stats.nb_packets_from_guest++;
	if (hdr->op == FE_OP_RST) {
		g->stats.nb_rst_from_guest++;
		g->reset_some = true;
	}
	g->stats.nb_credit_from_guest += hdr->op == FE_OP_CREDIT_UPDATE;
	return 0;
}

void
fe_tx_flush_ctrl(struct fe_guest *g)
{
	while (ctrl_len(g) > 0) {
		if (fe_tx_packet(g, &g->ctrl[g->ctrl_head & g->ctrl_mask], NULL, NULL) < 0)
			return;
		g->ctrl_head++;
	}
}

int
fe_tx_ctrl(struct fe_guest *g, const struct fe_hdr *hdr)
{
	/* What waits goes first. */
	if (ctrl_len(g) == 0 && fe_tx_packet(g, hdr, NULL, NULL) == 0)
		return 0;
	if (ctrl_len(g) > g->ctrl_mask)
		return -ENOBUFS;
	g->ctrl[g->ctrl_tail++ & g->ctrl_mask] = *hdr;
	return 0;
}

static struct fe_hdr
conn_hdr(const struct fe_conn *conn, enum fe_op op, uint32_t len, uint32_t flags)
{
	return (struct fe_hdr){
		.src_cid = conn->guest->cid,
		.dst_cid = conn->peer_cid,
		.src_port = conn->local_port,
		.dst_port = conn->peer_port,
		.len = len,
		.type = conn->type,
		.op = (uint16_t)op,
		.flags = flags,
		.buf_alloc = conn->buf_alloc,
		.fwd_cnt = conn->fwd_cnt,
	};
}

int
fe_tx_conn_ctrl(struct fe_conn *conn, enum fe_op op, uint32_t flags)
{
	const struct fe_hdr hdr = conn_hdr(conn, op, 0, flags);
	int rc = fe_tx_ctrl(conn->guest, &hdr);

	if (rc == 0)
		conn->told_fwd_cnt = conn->fwd_cnt;
	return rc;
}

int
fe_tx_data(struct fe_conn *conn, const void *buf, uint32_t len, uint32_t flags)
{
	struct fe_guest *g = conn->guest;
	const uint32_t credit = fe_conn_credit(conn);
	struct fe_hdr hdr;
	int rc;

	if (conn->state != FE_CONN_OPEN || conn->shutdown_sent & FE_SHUTDOWN_SEND ||
		conn->shutdown_got & FE_SHUTDOWN_RECV)
		return -EPIPE;
	if (conn->type == FE_TYPE_SEQPACKET) {
		if (len > g->max_payload)
			return -EMSGSIZE;
		if (len > credit)
			return -EAGAIN;
	} else {
		if (len > g->max_payload)
			len = g->max_payload;
		if (len > credit)
			len = credit;
		if (len == 0)
			return -EAGAIN;
	}
	if (ctrl_len(g) > 0)
		fe_tx_flush_ctrl(g);
	if (ctrl_len(g) > 0)
		return -ENOBUFS;
	hdr = conn_hdr(conn, FE_OP_RW, len, flags);
	rc = fe_tx_packet(g, &hdr, buf, conn);
	if (rc < 0)
		return rc;
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->tx_len += len;
	g->stats.nb_data_from_guest++;
	g->stats.payload_from_guest_len += len;
	return (int)len;
}

int
fe_guest_send_raw(
	struct fe_guest *g, const struct fe_hdr *hdr, const void *payload, uint32_t payload_len)
{
	struct fe_hdr copy = *hdr;
	struct fe_hdr wire;
	struct fe_slot *slot;
	int rc;

	/* The buffer is cut by the true length; the header may then claim another. */
	copy.len = payload_len;
	rc = fe_tx_packet(g, &copy, payload, NULL);
	if (rc < 0 || hdr->len == payload_len)
		return rc;
	slot = &g->from_guest_slots[g->free_slots[g->nb_free_slots]];
	wire = fe_hdr_swap(*hdr);
	fe_layout_write(&g->from_guest, slot->va, 0, &wire, FE_HDR_LEN);
	return 0;
}

void
fe_guest_flush(struct fe_guest *g)
{
	unsigned int q;

	fe_tx_flush_ctrl(g);
	for (q = 0; q < g->conf.nb_queues; q++) {
		fe_vring_publish(&g->vrings[q]);
		fe_vring_kick(&g->vrings[q]);
	}
}
