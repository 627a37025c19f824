/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_TX_H
#define VFE_TX_H

/**
 * @file
 * Packets from the guest to the device. A control packet (one without payload) that finds no
 * buffer waits in a queue of the guest; data never overtakes that queue.
 *
 * Context: the guest's thread. Internal to lib/vfe. Nothing is visible to the device before
 * vfe_vring_publish().
 */

#include "vfe_data.h"

/** Takes used buffers back. @return how many */
unsigned int vfe_tx_reclaim(struct vfe_guest *g);

/** @return true if the queue has room for all control packets that one received packet causes */
bool vfe_tx_ctrl_has_room(const struct vfe_guest *g);

/** Sends a control packet, or queues it. @return 0, or -ENOBUFS when the queue is full */
int vfe_tx_ctrl(struct vfe_guest *g, const struct vfe_hdr *hdr);

/** Sends queued control packets. @return true if none is left */
bool vfe_tx_ctrl_flush(struct vfe_guest *g);

/**
 * Sends or queues a control packet of a connection, which also carries its credit.
 *
 * @param flags of the header: VFE_SHUTDOWN_* with VFE_OP_SHUTDOWN, else 0
 * @return 0, or -ENOBUFS when the queue is full
 */
int vfe_tx_conn_ctrl(struct vfe_conn *conn, enum vfe_op op, uint32_t flags);

/**
 * Sends CREDIT_UPDATE if half of the receive buffer became free since the peer was last told.
 *
 * @return 0 (also if no packet was due), or -ENOBUFS when the queue is full
 */
int vfe_tx_conn_credit(struct vfe_conn *conn);

/**
 * Sends a data packet, with the payload that ops->fill writes. The caller has checked state and
 * credit of the connection.
 *
 * @param len payload in bytes, at most guest->max_payload
 * @param flags of the header: VFE_SEQ_*
 * @return 0, or -ENOBUFS when there is no buffer or control packets are queued
 */
int vfe_tx_conn_data(struct vfe_conn *conn, uint32_t len, uint32_t flags);

#endif /* VFE_TX_H */
