/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/conn_end.h"
#include "conn/conn_share.h"
#include "conn/conn_sock.h"
#include "conn/conn_turn.h"
#include "conn/loan.h"
#include "host/host_conn.h"
#include "host/host_peek.h"
#include "host/host_recv.h"
#include "host/host_send.h"
#include "lcore/conn_log.h"
#include "lcore/conn_timer.h"
#include "lcore/host_job.h"
#include "lcore/lcore_port.h"
#include "wire/credit.h"

static struct conn *
new_conn(struct lcore *lc, struct port *port, uint32_t local_port, uint32_t peer_port, uint8_t type,
	const struct wire_hdr *request, struct host_job *job)
{
	struct conn *c = conn_add(&port->conns, local_port, VSOCK_CID_HOST, peer_port);

	if (c == NULL)
		return NULL;
	conn_init(c, port, lcore_serial(lc), type, request);
	c->begun_tsc = lc->now;
	c->is_host = true;
	c->buf_alloc = port->conf.buf_alloc;
	c->host.fd = -1;
	c->host.job = job;
	c->host.burst_head = -1;
	c->host.recv_hint = 1;
	job->port_id = port->id;
	job->port_gen = port->gen;
	job->local_port = local_port;
	job->peer_port = peer_port;
	job->serial = c->serial;
	job->conn_type = type;
	job->uds = port->conf.uds;
	job->buf_alloc = port->conf.buf_alloc;
	return c;
}

enum drop_reason
host_conn_request(struct lcore *lc, struct port *port, const struct wire_hdr *hdr)
{
	struct host_job *job;
	struct conn *c;

	if (port->conf.uds[0] == '\0')
		return DROP_NO_HOST_PATH;
	job = host_job_get(lc);
	if (job == NULL)
		return DROP_NO_RESOURCES;
	c = new_conn(lc, port, hdr->src_port, hdr->dst_port, hdr->type, hdr, job);
	if (c == NULL) {
		host_job_put(lc, job);
		return DROP_CONN_LIMIT;
	}
	host_job_ask(job, HOST_JOB_CONNECT);
	return DROP_NONE;
}

/* Find the connection for an answer of the slow path. NULL: it has ended. */
static struct conn *
find_answered(struct lcore *lc, const struct inbox_msg *msg)
{
	struct port *port = lcore_port_find(lc, msg->port_id, msg->port_gen);
	struct conn *c;

	if (port == NULL)
		return NULL;
	c = conn_find(&port->conns, msg->local_port, VSOCK_CID_HOST, msg->peer_port);
	return c != NULL && c->serial == msg->serial && c->is_host ? c : NULL;
}

void
host_conn_connected(struct lcore *lc, const struct inbox_msg *msg)
{
	struct conn *c = find_answered(lc, msg);

	/* The connection ended meanwhile, and its job closes the socket. */
	if (c == NULL || c->state != CONN_FROM_GUEST)
		return;
	if (msg->fd < 0) {
		conn_end_host(lc, c, msg->reason);
		return;
	}
	c->host.fd = msg->fd;
	c->host.pid = msg->pid;
	c->host.uid = msg->uid;
	if (c->type == WIRE_TYPE_SEQPACKET)
		c->buf_alloc = RTE_MIN(c->buf_alloc, msg->buf_alloc);
	if (conn_sock_watch(lc, c) != 0) {
		conn_end_host(lc, c, DROP_NO_RESOURCES);
		return;
	}
	c->state = CONN_OPEN;
	c->port->stats.conns_opened++;
	conn_log_opened(lc, c);
	c->ctl |= CONN_CTL_RESPONSE;
	conn_turn_ready(lc, c);
}

static uint32_t
free_host_port(struct port *port, uint32_t guest_port)
{
	for (unsigned int i = 0; i <= port->conns.nb_max; i++) {
		uint32_t p = LIMIT_HOST_PORT_FIRST +
			port->host_port_next++ % (UINT32_MAX - LIMIT_HOST_PORT_FIRST);

		if (conn_find(&port->conns, guest_port, VSOCK_CID_HOST, p) == NULL)
			return p;
	}
	return 0; /* all connections of the table use this guest port */
}

static enum drop_reason
connect_to_guest(
	struct lcore *lc, struct port *port, const struct inbox_msg *msg, struct host_job *job)
{
	uint32_t host_port;
	struct conn *c;

	if (!lcore_port_takes_conns(port))
		return DROP_NO_GUEST;
	if (msg->conn_type == WIRE_TYPE_SEQPACKET && !port->seqpacket)
		return DROP_BAD_TYPE;
	if (!conn_share_has_room(port, port->id))
		return DROP_CONN_LIMIT;
	host_port = free_host_port(port, msg->local_port);
	c = host_port == 0
		? NULL
		: new_conn(lc, port, msg->local_port, host_port, msg->conn_type, NULL, job);
	if (c == NULL)
		return DROP_CONN_LIMIT;
	conn_share_take(c);
	c->host.fd = msg->fd;
	c->host.pid = msg->pid;
	c->host.uid = msg->uid;
	if (c->type == WIRE_TYPE_SEQPACKET)
		c->buf_alloc = RTE_MIN(c->buf_alloc, msg->buf_alloc);
	if (conn_sock_watch(lc, c) != 0) {
		port->stats.drops[DROP_NO_RESOURCES]++;
		conn_end_free(lc, c); /* the job closes the socket */
		return DROP_NONE;
	}
	c->ctl |= CONN_CTL_REQUEST;
	conn_timer_set(lc, c, CONN_TIMER_CONNECT);
	conn_turn_ready(lc, c);
	return DROP_NONE;
}

void
host_conn_connect(struct lcore *lc, const struct inbox_msg *msg)
{
	struct port *port = lcore_port_find(lc, msg->port_id, msg->port_gen);
	struct host_job *job = host_job_get(lc);
	enum drop_reason reason;

	if (job == NULL) {
		/* The only close() on an lcore, because no job is left that could do it. */
		close(msg->fd);
		if (port != NULL)
			port->stats.drops[DROP_NO_RESOURCES]++;
		return;
	}
	job->fd = msg->fd;
	reason = port == NULL ? DROP_NO_GUEST : connect_to_guest(lc, port, msg, job);
	if (reason == DROP_NONE)
		return;
	if (port != NULL)
		port->stats.drops[reason]++;
	host_job_ask(job, HOST_JOB_CLOSE);
}

void
host_conn_established(struct lcore *lc, struct conn *c)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "OK %u\n", c->peer_port);

	/*
	 * The line fits, because nothing was sent before and the socket's buffer is empty. A
	 * program that has closed does not get it; the guest gets what the program wrote.
	 */
	if (!c->host.hup && send(c->host.fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) != len &&
		errno != EPIPE && errno != ECONNRESET) {
		conn_end_host(lc, c, DROP_HOST_ERROR);
		return;
	}
	c->host.readable = true;
	conn_turn_ready(lc, c);
}

void
host_conn_shutdown(struct lcore *lc, struct conn *c)
{
	if ((c->shut_from_guest & WIRE_SHUTDOWN_SEND) != 0)
		host_send_drop_open(lc, c);
	if (c->shut_from_guest == WIRE_SHUTDOWN_BOTH) {
		if (c->host.backlog.len == 0) {
			conn_sock_close(lc, c);
			conn_end_guest_now(lc, c);
			return;
		}
		/* The program gets the backlog first; then the guest gets RST. */
		loan_purge(lc, c);
		c->ctl = 0;
		c->state = CONN_FLUSHING;
		conn_timer_set(lc, c, CONN_TIMER_LINGER);
		return;
	}
	if (c->host.job == NULL)
		return; /* the program has closed; SHUTDOWN or RST for the guest is queued */
	if ((c->shut_from_guest & WIRE_SHUTDOWN_RCV) != 0)
		host_job_ask(c->host.job, HOST_JOB_SHUT_RD);
	if ((c->shut_from_guest & WIRE_SHUTDOWN_SEND) != 0 && c->host.backlog.len == 0)
		host_job_ask(c->host.job, HOST_JOB_SHUT_WR);
}

/* Without credit the lcore does not read, so check for the end of file. */
static bool
at_eof(const struct conn *c)
{
	char byte;

	if (c->type == WIRE_TYPE_SEQPACKET)
		return host_peek(c->host.fd) == 0;
	return recv(c->host.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void
event_open(struct lcore *lc, struct conn *c)
{
	if (c->host.hup && (c->host.eof || (c->shut_from_guest & WIRE_SHUTDOWN_RCV) != 0)) {
		host_recv_eof(lc, c);
		return;
	}
	if (host_recv_possible(c))
		conn_turn_ready(lc, c);
	else if (c->host.readable && !conn_has_data(c) &&
		credit_free(c->guest_buf_alloc, c->tx_cnt, c->guest_fwd_cnt) == 0 && at_eof(c))
		host_recv_eof(lc, c);
}

void
host_conn_event(struct lcore *lc, struct conn *c, uint32_t events)
{
	if (c->state == CONN_NONE || c->host.fd < 0)
		return; /* an earlier event of this iteration ended it */
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		c->host.hup = true;
	if ((events & EPOLLOUT) != 0 && c->host.backlog.len > 0) {
		host_send_backlog(lc, c);
		if (c->state == CONN_NONE || c->host.fd < 0)
			return;
	}
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0)
		return;
	c->host.readable = !c->host.eof;
	switch (c->state) {
	case CONN_TO_GUEST:
		if (c->host.hup && at_eof(c)) {
			/* The program closed before the guest answered, and wrote nothing. */
			conn_sock_close(lc, c);
			conn_end_guest(lc, c);
		}
		break;
	case CONN_FLUSHING:
		if (c->host.hup)
			conn_end_host(lc, c, DROP_HOST_ERROR);
		break;
	case CONN_OPEN:
		event_open(lc, c);
		break;
	default:
		break;
	}
}

void
host_conn_credit(struct lcore *lc, const struct inbox_msg *msg)
{
	struct conn *c = find_answered(lc, msg);

	if (c == NULL || c->state != CONN_OPEN || c->fwd_cnt == c->fwd_cnt_told)
		return;
	c->ctl |= CONN_CTL_CREDIT_UPDATE;
	conn_turn_ready(lc, c);
}
