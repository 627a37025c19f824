/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FE_PRIV_H
#define FE_PRIV_H

/**
 * @file
 * What the guest's own files share: packets in fe_tx.c and fe_rx.c, connections in fe_conn.c,
 * memory in fe_setup.c, the life of guest and rings in fe_guest.c.
 */

#include "fe_guest.h"

/* Most control packets that handling one packet can cause (answer, credit, a callback's own). */
#define FE_CTRL_ROOM 8u

/* Regions of guest memory lie far apart, the first not at 0. */
#define FE_REGION_GPA(i) ((UINT64_C(1) << 20) + ((uint64_t)(i) << 32))
#define FE_EVENT_LEN     4u

/* fe_setup.c */
int fe_setup_memory(struct fe_guest *g);
void fe_setup_post(struct fe_guest *g);
int fe_setup_post_event(struct fe_guest *g, uint32_t event);

/* fe_tx.c */
unsigned int fe_tx_reclaim(struct fe_guest *g);
bool fe_tx_ctrl_has_room(const struct fe_guest *g);
int fe_tx_ctrl(struct fe_guest *g, const struct fe_hdr *hdr);
int fe_tx_conn_ctrl(struct fe_conn *conn, enum fe_op op, uint32_t flags);
void fe_tx_flush_ctrl(struct fe_guest *g);
/* Without a buffer, ops->fill writes the payload. */
int fe_tx_data(struct fe_conn *conn, const void *buf, uint32_t len, uint32_t flags);
int fe_tx_packet(struct fe_guest *g, const struct fe_hdr *hdr, const void *payload,
	struct fe_conn *fill_for);

/* fe_rx.c */
unsigned int fe_rx_poll(struct fe_guest *g, unsigned int burst);
int fe_rx_post(struct fe_guest *g, uint32_t slot);

/* fe_conn.c */
int fe_conn_table_init(struct fe_guest *g);
void fe_conn_table_fini(struct fe_guest *g);
void fe_conn_table_clear(struct fe_guest *g);
struct fe_conn *fe_conn_find(
	const struct fe_guest *g, uint64_t peer_cid, uint32_t peer_port, uint32_t local_port);
struct fe_conn *fe_conn_new(struct fe_guest *g, uint64_t peer_cid, uint32_t peer_port,
	uint32_t local_port, uint16_t type);
void fe_conn_free(struct fe_conn *conn);
/* Tells the peer when half the buffer became free since it last heard. */
int fe_conn_tell_credit(struct fe_conn *conn);

#endif /* FE_PRIV_H */
