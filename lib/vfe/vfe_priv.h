/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_PRIV_H
#define VFE_PRIV_H

/**
 * @file
 * What the guest's own files share: packets in vfe_tx.c and vfe_rx.c, connections in vfe_conn.c,
 * memory in vfe_setup.c, the life of guest and rings in vfe_guest.c.
 */

#include "vfe_guest.h"

/* Most control packets that handling one packet can cause (answer, credit, a callback's own). */
#define VFE_CTRL_ROOM 8u

/* Regions of guest memory lie far apart, the first not at 0. */
#define VFE_REGION_GPA(i) ((UINT64_C(1) << 20) + ((uint64_t)(i) << 32))
#define VFE_EVENT_LEN     4u

/* vfe_setup.c */
int vfe_setup_memory(struct vfe_guest *g);
void vfe_setup_post(struct vfe_guest *g);
int vfe_setup_post_event(struct vfe_guest *g, uint32_t event);

/* vfe_tx.c */
unsigned int vfe_tx_reclaim(struct vfe_guest *g);
bool vfe_tx_ctrl_has_room(const struct vfe_guest *g);
int vfe_tx_ctrl(struct vfe_guest *g, const struct vfe_hdr *hdr);
int vfe_tx_conn_ctrl(struct vfe_conn *conn, enum vfe_op op, uint32_t flags);
void vfe_tx_flush_ctrl(struct vfe_guest *g);
/* Without a buffer, ops->fill writes the payload. */
int vfe_tx_data(struct vfe_conn *conn, const void *buf, uint32_t len, uint32_t flags);
int vfe_tx_packet(struct vfe_guest *g, const struct vfe_hdr *hdr, const void *payload,
	struct vfe_conn *fill_for);

/* vfe_rx.c */
unsigned int vfe_rx_poll(struct vfe_guest *g, unsigned int burst);
int vfe_rx_post(struct vfe_guest *g, uint32_t slot);

/* vfe_conn.c */
int vfe_conn_table_init(struct vfe_guest *g);
void vfe_conn_table_fini(struct vfe_guest *g);
void vfe_conn_table_clear(struct vfe_guest *g);
struct vfe_conn *vfe_conn_find(
	const struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, uint32_t local_port);
struct vfe_conn *vfe_conn_new(struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port,
	uint32_t local_port, uint16_t type);
void vfe_conn_free(struct vfe_conn *conn);
/* Tells the peer when half the buffer became free since it last heard. */
int vfe_conn_tell_credit(struct vfe_conn *conn);

#endif /* VFE_PRIV_H */
