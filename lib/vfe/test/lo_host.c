/* SPDX-License-Identifier: BSD-3-Clause */
#include "lo_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST_BUF_ALLOC (256u << 10)
#define CHUNK          (64u << 10)

static void
send_op(struct lo_conn *conn, enum vfe_op op, const void *payload, uint32_t len, uint32_t flags)
{
	const struct vfe_hdr hdr = {
		.src_cid = VFE_CID_HOST,
		.dst_cid = conn->guest->cid,
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.len = len,
		.type = VFE_TYPE_STREAM,
		.op = (uint16_t)op,
		.flags = flags,
		.buf_alloc = HOST_BUF_ALLOC,
		.fwd_cnt = conn->fwd_cnt,
	};

	lo_send(conn->guest, &hdr, payload);
}

static struct lo_conn *
new_conn(struct lo_guest *guest, int fd, uint32_t guest_port, uint32_t host_port)
{
	struct lo_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		abort();
	conn->backlog = malloc(HOST_BUF_ALLOC);
	if (conn->backlog == NULL)
		abort();
	conn->guest = guest;
	conn->fd = fd;
	conn->guest_port = guest_port;
	conn->host_port = host_port;
	conn->next = guest->lo->conns;
	guest->lo->conns = conn;
	return conn;
}

static void
refuse(struct lo_guest *guest, const struct vfe_hdr *to)
{
	const struct vfe_hdr hdr = vfe_hdr_reply(to, VFE_OP_RST);

	if (to->op != VFE_OP_RST)
		lo_send(guest, &hdr, NULL);
}

static void
guest_asks(struct lo_guest *guest, const struct vfe_hdr *hdr)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct lo_conn *conn;
	int fd;

	if (guest->uds == NULL || hdr->type != VFE_TYPE_STREAM) {
		refuse(guest, hdr);
		return;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%u", guest->uds, hdr->dst_port);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (fd >= 0)
			close(fd);
		refuse(guest, hdr);
		return;
	}
	conn = new_conn(guest, fd, hdr->src_port, hdr->dst_port);
	conn->open = true;
	conn->guest_alloc = hdr->buf_alloc;
	send_op(conn, VFE_OP_RESPONSE, NULL, 0, 0);
}

static void
flush_backlog(struct lo_conn *conn)
{
	const uint32_t told = conn->fwd_cnt;
	ssize_t n;

	if (conn->backlog_len == 0)
		return;
	n = send(conn->fd, conn->backlog, conn->backlog_len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		n = conn->backlog_len;
	if (n <= 0)
		return;
	conn->backlog_len -= (uint32_t)n;
	memmove(conn->backlog, conn->backlog + n, conn->backlog_len);
	conn->fwd_cnt += (uint32_t)n;
	if (conn->fwd_cnt != told)
		send_op(conn, VFE_OP_CREDIT_UPDATE, NULL, 0, 0);
}

static void
guest_data(struct lo_conn *conn, const struct vfe_hdr *hdr, const uint8_t *payload)
{
	if (hdr->len > HOST_BUF_ALLOC - conn->backlog_len) {
		send_op(conn, VFE_OP_RST, NULL, 0, 0);
		conn->dead = true;
		return;
	}
	memcpy(conn->backlog + conn->backlog_len, payload, hdr->len);
	conn->backlog_len += hdr->len;
	flush_backlog(conn);
}

void
lo_host_packet(struct lo_guest *guest, const struct vfe_hdr *hdr, const uint8_t *payload)
{
	struct lo_conn *conn = guest->lo->conns;
	char line[32];
	int len;

	while (conn != NULL &&
		(conn->dead || conn->guest != guest || conn->guest_port != hdr->src_port ||
			conn->host_port != hdr->dst_port))
		conn = conn->next;
	if (conn == NULL) {
		if (hdr->op == VFE_OP_REQUEST)
			guest_asks(guest, hdr);
		else
			refuse(guest, hdr);
		return;
	}
	conn->guest_alloc = hdr->buf_alloc;
	conn->guest_fwd = hdr->fwd_cnt;
	switch (hdr->op) {
	case VFE_OP_RESPONSE:
		conn->open = true;
		len = snprintf(line, sizeof(line), "OK %u\n", conn->host_port);
		if (send(conn->fd, line, (size_t)len, MSG_NOSIGNAL) != len)
			conn->eof = false;
		break;
	case VFE_OP_RW:
		guest_data(conn, hdr, payload);
		break;
	case VFE_OP_SHUTDOWN:
		if ((hdr->flags & VFE_SHUTDOWN_BOTH) != VFE_SHUTDOWN_BOTH)
			break;
		while (conn->backlog_len > 0)
			flush_backlog(conn);
		send_op(conn, VFE_OP_RST, NULL, 0, 0);
		conn->dead = true;
		break;
	case VFE_OP_RST:
		conn->dead = true;
		break;
	default:
		break;
	}
}

static bool
accept_host(struct lo_guest *guest)
{
	int fd;

	if (guest->uds_fd < 0)
		return false;
	fd = accept4(guest->uds_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	new_conn(guest, fd, 0, 0);
	return true;
}

/* The CONNECT line, byte by byte so that nothing behind it is taken. */
static bool
read_line(struct lo_conn *conn)
{
	while (conn->line_len < sizeof(conn->line) - 1) {
		const ssize_t n = recv(conn->fd, conn->line + conn->line_len, 1, 0);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			conn->dead = true;
			return true;
		}
		if (conn->line[conn->line_len++] != '\n')
			continue;
		if (sscanf(conn->line, "CONNECT %u\n", &conn->guest_port) != 1)
			conn->dead = true;
		conn->host_port = conn->guest->lo->next_port++;
		send_op(conn, VFE_OP_REQUEST, NULL, 0, 0);
		return true;
	}
	conn->dead = true;
	return true;
}

static bool
poll_conn(struct lo_conn *conn)
{
	static uint8_t buf[CHUNK];
	uint32_t room;
	ssize_t n;

	if (conn->host_port == 0)
		return read_line(conn);
	flush_backlog(conn);
	if (!conn->open || conn->eof || conn->guest->nb_queued > 64)
		return false;
	room = vfe_credit(conn->guest_alloc, conn->tx_cnt, conn->guest_fwd);
	if (conn->guest->lo->conf.fault == LO_FAULT_CREDIT)
		room = CHUNK;
	n = recv(conn->fd, buf, room < CHUNK ? room : CHUNK, room == 0 ? MSG_PEEK : 0);
	if (n < 0 || (n == 0 && room == 0))
		return false;
	if (n == 0) {
		conn->eof = true;
		send_op(conn, VFE_OP_SHUTDOWN, NULL, 0, VFE_SHUTDOWN_BOTH);
		return true;
	}
	send_op(conn, VFE_OP_RW, buf, (uint32_t)n, 0);
	conn->tx_cnt += (uint32_t)n;
	return true;
}

bool
lo_host_poll(struct lo *lo)
{
	struct lo_conn **link = &lo->conns;
	bool work = false;
	unsigned int i;

	for (i = 0; i < lo->conf.nb_guests; i++)
		work |= accept_host(&lo->guests[i]);
	while (*link != NULL) {
		struct lo_conn *conn = *link;

		if (!conn->dead)
			work |= poll_conn(conn);
		if (!conn->dead) {
			link = &conn->next;
			continue;
		}
		*link = conn->next;
		close(conn->fd);
		free(conn->backlog);
		free(conn);
	}
	return work;
}

void
lo_host_drop(struct lo *lo, struct lo_guest *guest)
{
	struct lo_conn *conn;

	for (conn = lo->conns; conn != NULL; conn = conn->next) {
		if (guest == NULL || conn->guest == guest)
			conn->dead = true;
	}
	lo_host_poll(lo);
}
