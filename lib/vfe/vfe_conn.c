/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfe_conn.h"

#include <errno.h>

#include "vfe_table.h"
#include "vfe_tx.h"

int
vfe_conn_open(struct vfe_guest *g, uint64_t peer_cid, uint32_t peer_port, enum vfe_type type,
	void *user, struct vfe_conn **out)
{
	struct vfe_conn *conn;
	int rc;

	while (vfe_table_find(g, peer_cid, peer_port, g->next_port) != NULL) {
		if (++g->next_port < VFE_TABLE_FIRST_PORT || g->next_port == UINT32_MAX)
			g->next_port = VFE_TABLE_FIRST_PORT;
	}
	conn = vfe_table_add(g, peer_cid, peer_port, g->next_port, (uint16_t)type);
	if (conn == NULL)
		return -ENOMEM;
	conn->user = user;
	conn->state = VFE_CONN_REQUESTED;
	rc = vfe_tx_conn_ctrl(conn, VFE_OP_REQUEST, 0);
	if (rc < 0) {
		vfe_table_remove(conn);
		return rc;
	}
	/* Use a port again as late as possible. */
	if (++g->next_port == UINT32_MAX)
		g->next_port = VFE_TABLE_FIRST_PORT;
	*out = conn;
	return 0;
}

uint32_t
vfe_conn_credit(const struct vfe_conn *conn)
{
	return vfe_credit(conn->peer_buf_alloc, (uint32_t)conn->tx_len, conn->peer_fwd_cnt);
}

int
vfe_conn_send(struct vfe_conn *conn, uint32_t len, uint32_t flags)
{
	const uint32_t max_payload = conn->guest->max_payload;
	const uint32_t credit = vfe_conn_credit(conn);
	int rc;

	if (conn->state != VFE_CONN_OPEN || conn->shutdown_sent & VFE_SHUTDOWN_SEND ||
		conn->shutdown_got & VFE_SHUTDOWN_RECV)
		return -EPIPE;
	if (conn->type == VFE_TYPE_SEQPACKET) {
		if (len > max_payload)
			return -EMSGSIZE;
		if (len > credit)
			return -EAGAIN;
	} else {
		if (len > max_payload)
			len = max_payload;
		if (len > credit)
			len = credit;
		if (len == 0)
			return -EAGAIN;
	}
	rc = vfe_tx_conn_data(conn, len, flags);
	return rc < 0 ? rc : (int)len;
}

int
vfe_conn_consume(struct vfe_conn *conn, uint32_t len)
{
	conn->fwd_cnt += len;
	return vfe_tx_conn_credit(conn);
}

int
vfe_conn_set_buf_alloc(struct vfe_conn *conn, uint32_t buf_alloc)
{
	conn->buf_alloc = buf_alloc;
	return vfe_tx_conn_ctrl(conn, VFE_OP_CREDIT_UPDATE, 0);
}

int
vfe_conn_request_credit(struct vfe_conn *conn)
{
	return vfe_tx_conn_ctrl(conn, VFE_OP_CREDIT_REQUEST, 0);
}

int
vfe_conn_shutdown(struct vfe_conn *conn, uint8_t flags)
{
	int rc = vfe_tx_conn_ctrl(conn, VFE_OP_SHUTDOWN, flags);

	if (rc == 0)
		conn->shutdown_sent |= flags;
	return rc;
}

int
vfe_conn_close(struct vfe_conn *conn)
{
	int rc = vfe_conn_shutdown(conn, VFE_SHUTDOWN_BOTH);

	if (rc == 0)
		conn->state = VFE_CONN_CLOSING;
	return rc;
}

int
vfe_conn_reset(struct vfe_conn *conn)
{
	int rc = vfe_tx_conn_ctrl(conn, VFE_OP_RST, 0);

	if (rc == 0)
		vfe_table_remove(conn);
	return rc;
}
