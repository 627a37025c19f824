/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFE_CONN_H
#define VFE_CONN_H

/**
 * @file
 * Stream and seqpacket connections of a guest, under credit.
 *
 * Sending only fills the ring. vfe_guest_flush() shows the packets to the device.
 *
 * Context: the guest's thread; also from the callbacks of struct vfe_guest_ops. Nothing blocks.
 *
 * Virtio 1.2, sections 5.10.6.3 (credit) and 5.10.6.5 (connections).
 */

#include "vfe_data.h"

/**
 * Asks for a connection. The library chooses a local port that is free for this peer.
 *
 * @param user stored in the connection; the caller's
 * @param out the connection, which the guest owns until on_close or vfe_conn_reset()
 * @return 0, -ENOBUFS when the queue of control packets is full, -ENOMEM
 */
int vfe_conn_open(struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, enum vfe_type type,
	void *user, struct vfe_conn **out);

/**
 * Sends one packet of payload, filled by ops->fill.
 *
 * @param len bytes; a stream sends fewer if credit or the packet's room is smaller, a seqpacket
 *            connection sends all or nothing
 * @param flags of the header (VFE_SEQ_EOM, VFE_SEQ_EOR)
 * @return bytes sent, -EAGAIN without credit, -ENOBUFS when the ring is full, -EPIPE when this
 *         direction is shut down or the connection not open, -EMSGSIZE
 */
int vfe_conn_send(struct vfe_conn *conn, uint32_t len, uint32_t flags);

/** @return bytes that the peer's credit still allows */
uint32_t vfe_conn_credit(const struct vfe_conn *conn);

/**
 * Counts @p len received bytes as consumed (with hold_data). Sends CREDIT_UPDATE once half of the
 * receive buffer became free.
 *
 * @return 0, or -ENOBUFS: the update is still due, call again with 0
 */
int vfe_conn_consume(struct vfe_conn *conn, uint32_t len);

/** Changes the size of the receive buffer and sends CREDIT_UPDATE. @return 0 or -ENOBUFS */
int vfe_conn_set_buf_alloc(struct vfe_conn *conn, uint32_t buf_alloc);

/** Sends CREDIT_REQUEST. @return 0 or -ENOBUFS */
int vfe_conn_request_credit(struct vfe_conn *conn);

/** Sends SHUTDOWN with @p flags, VFE_SHUTDOWN_*. @return 0 or -ENOBUFS */
int vfe_conn_shutdown(struct vfe_conn *conn, uint8_t flags);

/** Sends SHUTDOWN of both directions; on_close follows with the RST. @return 0 or -ENOBUFS */
int vfe_conn_close(struct vfe_conn *conn);

/** Sends RST and frees the connection, without on_close. @return 0; -ENOBUFS: nothing happened */
int vfe_conn_reset(struct vfe_conn *conn);

#endif /* VFE_CONN_H */
