/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_tx.h"

#include <errno.h>

#include "vfe_vring.h"

/* Control packets that handling one packet can cause: answer, credit, and those of a callback. */
#define CTRL_ROOM 8u

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
	return ctrl_len(g) + CTRL_ROOM <= g->ctrl_mask + 1;
}

/* Puts one packet on the ring; with @p fill_for, ops->fill writes its payload. */
static int
send_packet(struct vfe_guest *g, const struct vfe_hdr *hdr, struct vfe_conn *fill_for)
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
	/* A table does not pay for one descriptor. */
	if (vfe_vring_add(vr, segs, nb_segs, g->free_slots[g->nb_free_slots - 1],
		    nb_segs > 1 && (g->features & VFE_F_INDIRECT_DESC)) < 0) {
		if (vfe_tx_reclaim(g) == 0)
			return -ENOBUFS;
		return send_packet(g, hdr, fill_for);
	}
	g->nb_free_slots--;

	if (layout->cap[0] >= VFE_HDR_LEN) {
		vfe_hdr_encode(slot->va, hdr);
	} else {
		const struct vfe_hdr wire = vfe_hdr_swap(*hdr);

		vfe_layout_write(layout, slot->va, 0, &wire, VFE_HDR_LEN);
	}
	if (fill_for != NULL && g->ops->fill != NULL) {
		uint64_t off = fill_for->tx_len;
		struct iovec iov[VFE_VRING_MAX_SEGS];
		unsigned int i, nb_iov;

		nb_iov = vfe_layout_iov(layout, slot->va, VFE_HDR_LEN, hdr->len, iov);
		for (i = 0; i < nb_iov; i++) {
			g->ops->fill(fill_for, off, iov[i].iov_base, (uint32_t)iov[i].iov_len);
			off += iov[i].iov_len;
		}
	}
	g->stats.nb_packets_from_guest++;
	if (hdr->op == VFE_OP_RST) {
		g->stats.nb_rst_from_guest++;
		g->reset_some = true;
	}
	g->stats.nb_credit_from_guest += hdr->op == VFE_OP_CREDIT_UPDATE;
	return 0;
}

bool
vfe_tx_ctrl_flush(struct vfe_guest *g)
{
	while (ctrl_len(g) > 0) {
		if (send_packet(g, &g->ctrl[g->ctrl_head & g->ctrl_mask], NULL) < 0)
			return false;
		g->ctrl_head++;
	}
	return true;
}

int
vfe_tx_ctrl(struct vfe_guest *g, const struct vfe_hdr *hdr)
{
	/* Queued packets go first. */
	if (ctrl_len(g) == 0 && send_packet(g, hdr, NULL) == 0)
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
vfe_tx_conn_credit(struct vfe_conn *conn)
{
	if (conn->fwd_cnt - conn->told_fwd_cnt < conn->buf_alloc / 2 ||
		conn->fwd_cnt == conn->told_fwd_cnt)
		return 0;
	return vfe_tx_conn_ctrl(conn, VFE_OP_CREDIT_UPDATE, 0);
}

int
vfe_tx_conn_data(struct vfe_conn *conn, uint32_t len, uint32_t flags)
{
	struct vfe_guest *g = conn->guest;
	struct vfe_hdr hdr;
	int rc;

	if (!vfe_tx_ctrl_flush(g))
		return -ENOBUFS;
	hdr = conn_hdr(conn, VFE_OP_RW, len, flags);
	rc = send_packet(g, &hdr, conn);
	if (rc < 0)
		return rc;
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->tx_len += len;
	g->stats.nb_data_from_guest++;
	g->stats.payload_from_guest_len += len;
	return 0;
}
