/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_priv.h"

#include <assert.h>
#include <errno.h>

unsigned int
vfe_tx_reclaim(struct vfe_guest *g)
{
	struct vfe_vring *vr = &g->vrings[VFE_QUEUE_FROM_GUEST];
	unsigned int nb = 0;
	uint32_t slot, len;
	int rc;

	while ((rc = vfe_vring_get(vr, &slot, &len)) != 0) {
		if (rc < 0) {
			g->stats.faults[VFE_FAULT_BAD_USED]++;
			continue;
		}
		g->free_slots[g->nb_free_slots++] = slot;
		nb++;
	}
	return nb;
}

static uint32_t
ctrl_len(const struct vfe_guest *g)
{
	return g->ctrl_tail - g->ctrl_head;
}

bool
vfe_tx_ctrl_has_room(const struct vfe_guest *g)
{
	return ctrl_len(g) + VFE_CTRL_ROOM <= g->ctrl_mask + 1;
}

static void
fill_payload(const struct vfe_layout *layout, uint8_t *slot, struct vfe_conn *conn, uint32_t len)
{
	uint32_t skip = VFE_HDR_LEN;
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
vfe_tx_packet(struct vfe_guest *g, const struct vfe_hdr *hdr, const void *payload,
	struct vfe_conn *fill_for)
{
	const struct vfe_layout *layout = &g->from_guest;
	struct vfe_vring *vr = &g->vrings[VFE_QUEUE_FROM_GUEST];
	struct vfe_seg segs[VFE_VRING_MAX_SEGS];
	uint32_t left = VFE_HDR_LEN + hdr->len;
	const struct vfe_slot *slot;
	unsigned int nb_segs;

	if (hdr->len > layout->total_len - VFE_HDR_LEN)
		return -EMSGSIZE;
	if (g->nb_free_slots == 0)
		vfe_tx_reclaim(g);
	if (g->nb_free_slots == 0 || !g->running)
		return -ENOBUFS;
	slot = &g->from_guest_slots[g->free_slots[g->nb_free_slots - 1]];
	for (nb_segs = 0; left > 0; nb_segs++) {
		const uint32_t n = left < layout->cap[nb_segs] ? left : layout->cap[nb_segs];

		segs[nb_segs] = (struct vfe_seg){.gpa = slot->gpa + layout->pos[nb_segs], .len = n};
		left -= n;
	}
	/* One descriptor is never worth a table. */
	if (vfe_vring_add(vr, segs, nb_segs, g->free_slots[g->nb_free_slots - 1],
		    nb_segs > 1 && (g->features & VFE_F_INDIRECT_DESC)) < 0) {
		if (vfe_tx_reclaim(g) == 0)
			return -ENOBUFS;
		return vfe_tx_packet(g, hdr, payload, fill_for);
	}
	g->nb_free_slots--;

	if (layout->cap[0] >= VFE_HDR_LEN) {
		vfe_hdr_encode(slot->va, hdr);
	} else {
		const struct vfe_hdr wire = vfe_hdr_swap(*hdr);

		vfe_layout_write(layout, slot->va, 0, &wire, VFE_HDR_LEN);
	}
	if (payload != NULL)
		vfe_layout_write(layout, slot->va, VFE_HDR_LEN, payload, hdr->len);
	else if (fill_for != NULL && g->ops->fill != NULL)
		fill_payload(layout, slot->va, fill_for, hdr->len);
	g->stats.nb_packets_from_guest++;
	if (hdr->op == VFE_OP_RST) {
		g->stats.nb_rst_from_guest++;
		g->reset_some = true;
	}
	g->stats.nb_credit_from_guest += hdr->op == VFE_OP_CREDIT_UPDATE;
	return 0;
}

void
vfe_tx_flush_ctrl(struct vfe_guest *g)
{
	while (ctrl_len(g) > 0) {
		if (vfe_tx_packet(g, &g->ctrl[g->ctrl_head & g->ctrl_mask], NULL, NULL) < 0)
			return;
		g->ctrl_head++;
	}
}

int
vfe_tx_ctrl(struct vfe_guest *g, const struct vfe_hdr *hdr)
{
	/* What waits goes first. */
	if (ctrl_len(g) == 0 && vfe_tx_packet(g, hdr, NULL, NULL) == 0)
		return 0;
	if (ctrl_len(g) > g->ctrl_mask)
		return -ENOBUFS;
	g->ctrl[g->ctrl_tail++ & g->ctrl_mask] = *hdr;
	return 0;
}

static struct vfe_hdr
conn_hdr(const struct vfe_conn *conn, enum vfe_op op, uint32_t len, uint32_t flags)
{
	return (struct vfe_hdr){
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
vfe_tx_conn_ctrl(struct vfe_conn *conn, enum vfe_op op, uint32_t flags)
{
	const struct vfe_hdr hdr = conn_hdr(conn, op, 0, flags);
	int rc = vfe_tx_ctrl(conn->guest, &hdr);

	if (rc == 0)
		conn->told_fwd_cnt = conn->fwd_cnt;
	return rc;
}

int
vfe_tx_data(struct vfe_conn *conn, const void *buf, uint32_t len, uint32_t flags)
{
	struct vfe_guest *g = conn->guest;
	const uint32_t credit = vfe_conn_credit(conn);
	struct vfe_hdr hdr;
	int rc;

	if (conn->state != VFE_CONN_OPEN || conn->shutdown_sent & VFE_SHUTDOWN_SEND ||
		conn->shutdown_got & VFE_SHUTDOWN_RECV)
		return -EPIPE;
	if (conn->type == VFE_TYPE_SEQPACKET) {
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
		vfe_tx_flush_ctrl(g);
	if (ctrl_len(g) > 0)
		return -ENOBUFS;
	hdr = conn_hdr(conn, VFE_OP_RW, len, flags);
	rc = vfe_tx_packet(g, &hdr, buf, conn);
	if (rc < 0)
		return rc;
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->tx_len += len;
	g->stats.nb_data_from_guest++;
	g->stats.payload_from_guest_len += len;
	return (int)len;
}

int
vfe_guest_send_raw(
	struct vfe_guest *g, const struct vfe_hdr *hdr, const void *payload, uint32_t payload_len)
{
	struct vfe_hdr copy = *hdr;
	struct vfe_hdr wire;
	struct vfe_slot *slot;
	int rc;

	/* The buffer is cut by the true length; the header may then claim another. */
	copy.len = payload_len;
	rc = vfe_tx_packet(g, &copy, payload, NULL);
	if (rc < 0 || hdr->len == payload_len)
		return rc;
	slot = &g->from_guest_slots[g->free_slots[g->nb_free_slots]];
	wire = vfe_hdr_swap(*hdr);
	vfe_layout_write(&g->from_guest, slot->va, 0, &wire, VFE_HDR_LEN);
	return 0;
}

void
vfe_guest_flush(struct vfe_guest *g)
{
	unsigned int q;

	vfe_tx_flush_ctrl(g);
	for (q = 0; q < g->conf.nb_queues; q++) {
		vfe_vring_publish(&g->vrings[q]);
		vfe_vring_kick(&g->vrings[q]);
	}
}
