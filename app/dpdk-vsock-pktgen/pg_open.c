/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections come and go: asked for, accepted, identified by their first bytes, closed. */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "pg_clock.h"
#include "pg_end.h"
#include "pg_open.h"

#define RETRY_NS   UINT64_C(1000000)
#define REFUSED_NS UINT64_C(5000000)

int
pg_open_listen(struct pg_guest *guest)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &guest->listen};
	const struct pg_conf *conf = guest->run->conf;

	guest->listen_fd = vfe_host_listen(guest->conf->uds, conf->port, conf->type);
	if (guest->listen_fd < 0)
		return guest->listen_fd;
	guest->listen.source = PG_SOURCE_LISTEN;
	if (epoll_ctl(guest->run->epoll_fd, EPOLL_CTL_ADD, guest->listen_fd, &event) < 0)
		return -errno;
	return 0;
}

void
pg_open_accept(struct pg_guest *guest)
{
	struct pg_run *run = guest->run;
	struct pg_end *end;
	int fd;

	while ((fd = vfe_host_accept(guest->listen_fd)) >= 0) {
		end = pg_end_new(run, guest, 1);
		if (end == NULL) {
			pg_result_fail(run->result, PG_ERROR, "out of memory");
			return;
		}
		end->fd = fd;
		end->open = true;
		end->readable = true;
		pg_end_watch(end);
		pg_end_ready(end);
		run->nb_accepted++;
		run->progress_ns = run->now_ns;
	}
	if (fd != -EAGAIN && fd != -ECONNABORTED)
		pg_result_fail(run->result, PG_ERROR, "accept: %s", strerror(-fd));
}

static int
open_from_guest(struct pg_conn *conn, struct pg_end *end)
{
	const uint64_t cid = conn->path == PG_PATH_GUEST_HOST ? VFE_CID_HOST : conn->to->fe->cid;
	struct pg_run *run = end->run;
	int rc;

	rc = vfe_conn_open(conn->from->fe, cid, run->conf->port, run->conf->type, end, &end->fe);
	return rc;
}

static int
open_from_host(struct pg_conn *conn, struct pg_end *end)
{
	struct pg_run *run = end->run;

	end->fd = vfe_host_connect(conn->from->conf->uds, run->conf->port, run->conf->type);
	if (end->fd < 0)
		return end->fd;
	pg_end_watch(end);
	return 0;
}

int
pg_open_start(struct pg_conn *conn)
{
	struct pg_run *run = conn->from->run;
	struct pg_end *end;
	int rc;

	end = pg_end_new(run, conn->from, 0);
	if (end == NULL)
		return -ENOMEM;
	conn->started_ns = pg_clock_now_ns();
	rc = conn->path == PG_PATH_HOST_GUEST ? open_from_host(conn, end)
					      : open_from_guest(conn, end);
	if (rc < 0) {
		pg_end_free(end);
		conn->started_ns = 0;
		/* A full backlog or ring: again a little later. */
		if (rc == -EAGAIN || rc == -ENOBUFS) {
			conn->next_ns = run->now_ns + RETRY_NS;
			return -EAGAIN;
		}
		pg_result_fail(run->result, PG_ERROR, "connection %u cannot be asked for: %s",
			conn->idx, strerror(-rc));
		return rc;
	}
	pg_end_attach(end, conn);
	conn->state = PG_CONN_OPENING;
	return 0;
}

unsigned int
pg_open_some(struct pg_run *run)
{
	unsigned int work = 0;
	uint32_t i = 0;

	while (run->nb_opening < run->conf->nb_opening && run->next_to_open < run->nb_conns) {
		struct pg_conn *conn = &run->conns[run->next_to_open];

		if (run->now_ns < conn->next_ns || pg_open_start(conn) < 0)
			break;
		run->opening[run->nb_opening++] = run->next_to_open++;
		work++;
	}
	while (i < run->nb_opening) {
		struct pg_conn *conn = &run->conns[run->opening[i]];
		struct pg_end *end;

		if (conn->state == PG_CONN_NONE && run->now_ns >= conn->next_ns)
			work += pg_open_start(conn) == 0;
		if (conn->state >= PG_CONN_OPEN) {
			run->opening[i] = run->opening[--run->nb_opening];
			work++;
			continue;
		}
		end = conn->ends[0];
		if (end != NULL && end->open)
			work += pg_end_push(end, 1);
		i++;
	}
	return work;
}

/* The host's port is known, or the RESPONSE came: side 0 of the connection is open. */
static void
side_0_open(struct pg_end *end)
{
	end->open = true;
	if (end->conn->to->answered_ns == 0)
		end->conn->to->answered_ns = pg_clock_now_ns();
	end->run->progress_ns = end->run->now_ns;
	if (end->conn->role == PG_ROLE_CONNECT) {
		pg_end_close(end);
		return;
	}
	pg_end_message(end, PG_PREAMBLE_LEN);
	pg_end_push(end, 1);
}

void
pg_open_answer(struct pg_end *end)
{
	struct pg_run *run = end->run;
	uint32_t host_port;
	int rc = 0;

	if (end->fe == NULL)
		rc = vfe_host_connect_finish(end->fd, &host_port);
	if (rc == 0) {
		side_0_open(end);
	} else if (rc == -EAGAIN) {
		end->readable = false;
	} else if (rc == -ECONNREFUSED) {
		pg_open_ended(end);
	} else {
		pg_result_fail(run->result, PG_LOSS, "connection %u to the guest: %s",
			end->conn->idx, strerror(-rc));
	}
}

void
pg_open_identified(struct pg_end *end)
{
	struct pg_run *run = end->run;
	uint64_t preamble = 0;
	struct pg_conn *conn;
	unsigned int i;
	uint32_t idx;

	for (i = 0; i < PG_PREAMBLE_LEN; i++)
		preamble |= (uint64_t)end->preamble[i] << (8 * i);
	idx = (uint32_t)preamble;
	if ((preamble ^ PG_PREAMBLE_MARK) >> 32 != 0 || idx >= run->nb_conns) {
		pg_result_fail(run->result, PG_CORRUPTION,
			"an accepted connection starts with %016llx", (unsigned long long)preamble);
		return;
	}
	conn = &run->conns[idx];
	if (conn->state != PG_CONN_OPENING || conn->ends[1] != NULL || conn->to != end->guest) {
		pg_result_fail(run->result, PG_CORRUPTION,
			"connection %u arrived a second time, or at the wrong guest", idx);
		return;
	}
	pg_end_attach(end, conn);
	conn->state = PG_CONN_OPEN;
	conn->started_ns = 0;
	run->nb_open++;
	run->events.opened(conn);
}

/*
 * Side 0 of a connection that does not exist yet is gone. That is a failure, but for the beginning:
 * a device answers for a guest some time after its set-up has ended, and nothing tells when. For
 * what was asked after the first answer there is no excuse.
 */
static void
refused(struct pg_end *end)
{
	struct pg_run *run = end->run;
	struct pg_conn *conn = end->conn;

	if (conn->to->answered_ns != 0 && conn->started_ns > conn->to->answered_ns)
		pg_result_fail(run->result, PG_LOSS, "connection %u was refused", conn->idx);
	run->nb_refused++;
	conn->ends[0] = NULL;
	conn->state = PG_CONN_NONE;
	conn->started_ns = 0;
	conn->next_ns = run->now_ns + REFUSED_NS;
	pg_end_free(end);
}

/* connect-*: the one who asked, or the one who accepted, sees the end. */
static void
connect_ended(struct pg_end *end)
{
	struct pg_run *run = end->run;
	struct pg_conn *conn = end->conn;

	if (end->side == 1) {
		run->progress_ns = run->now_ns;
		run->nb_accepted_gone++;
		pg_end_free(end);
		return;
	}
	if (!end->open) {
		refused(end);
		return;
	}
	run->progress_ns = run->now_ns;
	if (!end->closing) {
		pg_result_fail(run->result, PG_LOSS, "connection %u was closed by the other side",
			conn->idx);
	} else {
		if (run->phase <= PG_PHASE_MEASURE)
			pg_hist_add(&run->result->hist, pg_clock_now_ns() - conn->started_ns);
		run->counts.connections++;
	}
	conn->ends[0] = NULL;
	conn->state = PG_CONN_NONE;
	conn->started_ns = 0;
	pg_end_free(end);
}

void
pg_open_ended(struct pg_end *end)
{
	struct pg_run *run = end->run;
	struct pg_conn *conn = end->conn;

	if (run->conf->scenario->role == PG_ROLE_CONNECT) {
		connect_ended(end);
		return;
	}
	if (conn == NULL) {
		pg_result_fail(
			run->result, PG_LOSS, "a connection was closed before it said what it is");
		pg_end_free(end);
		return;
	}
	if (conn->state == PG_CONN_OPENING && !end->open) {
		refused(end);
		return;
	}
	if (conn->state == PG_CONN_OPENING)
		pg_result_fail(run->result, PG_LOSS,
			"connection %u was closed before the other end had it", conn->idx);
	else if (conn->state == PG_CONN_OPEN)
		pg_result_fail(run->result, PG_LOSS,
			"connection %u was closed by the other side after %llu bytes sent, "
			"%llu received",
			conn->idx, (unsigned long long)end->tx_len,
			(unsigned long long)end->rx_len);
	run->progress_ns = run->now_ns;
	conn->ends[end->side] = NULL;
	if (conn->ends[0] == NULL && conn->ends[1] == NULL) {
		conn->state = PG_CONN_CLOSED;
		run->nb_closed++;
		run->counts.connections++;
	}
	pg_end_free(end);
}
