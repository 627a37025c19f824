/* SPDX-License-Identifier: BSD-3-Clause */
#include "st_host.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "st_daemon.h"

#define MAX_FDS        256u
#define MAX_CHUNK      65536u
#define NB_RECV        4
#define STALL_CHECK_US 500000

void
st_host_init(struct st_host *h, const char *name, unsigned int port, uint64_t stream)
{
	const char *base = st_daemon_uds(port);

	*h = (struct st_host){.name = name, .port = port, .wait_ms = 2};
	TAILQ_INIT(&h->ends);
	h->rng = st_rng(stream);
	h->policy = (struct st_policy){.max_len = 1u << 20, .half = 30, .seqpacket = 25};
	h->listen_fd[0] = vfe_host_listen(base, ST_HOST_STREAM, VFE_TYPE_STREAM);
	h->listen_fd[1] = vfe_host_listen(base, ST_HOST_SEQPACKET, VFE_TYPE_SEQPACKET);
	ST_CHECK(h->listen_fd[0] >= 0 && h->listen_fd[1] >= 0);
}

static struct st_host_end *
new_end(struct st_host *h, int fd)
{
	struct st_host_end *end = calloc(1, sizeof(*end));

	ST_CHECK(end != NULL);
	end->host = h;
	end->fd = fd;
	TAILQ_INSERT_TAIL(&h->ends, end, next);
	h->nb_ends++;
	return end;
}

static void
forget(struct st_host_end *end)
{
	struct st_host *h = end->host;

	close(end->fd);
	TAILQ_REMOVE(&h->ends, end, next);
	h->nb_ends--;
	h->nb_mine -= end->flow.initiator;
	free(end);
}

static void
drop_end(struct st_host_end *end, const char *how)
{
	char where[64];

	snprintf(where, sizeof(where), "%s: %s", end->host->name, how);
	st_flow_over(&end->flow, &end->host->stats, where);
	forget(end);
}

struct st_host_end *
st_host_open(struct st_host *h, uint32_t port)
{
	struct st_host_end *end;
	struct st_flow flow;
	int fd;

	if (h->nb_ends + 2 >= MAX_FDS)
		return NULL;
	st_flow_initiate(&flow, &h->policy, &h->rng);
	fd = vfe_host_connect(st_daemon_uds(h->port), port,
		flow.seqpacket ? VFE_TYPE_SEQPACKET : VFE_TYPE_STREAM);
	if (fd == -EAGAIN)
		return NULL;
	if (fd < 0)
		ST_FAIL("%s: connect: %d", h->name, fd);
	end = new_end(h, fd);
	end->flow = flow;
	h->nb_mine++;
	return end;
}

static void
accept_all(struct st_host *h, unsigned int i)
{
	while (h->nb_ends + 2 < MAX_FDS) {
		const int fd = vfe_host_accept(h->listen_fd[i]);

		if (fd == -EAGAIN)
			return;
		ST_CHECK(fd >= 0);
		st_flow_accept(&new_end(h, fd)->flow, &h->policy, i == 1, &h->rng);
	}
}

/* ---- one end; each returns whether it is still there ---- */

static bool
await_answer(struct st_host_end *end)
{
	uint32_t host_port;
	int rc;

	if (end->flow.plan == ST_PLAN_GIVE_UP && st_chance(&end->host->rng, 30)) {
		drop_end(end, "given up");
		return false;
	}
	rc = vfe_host_connect_finish(end->fd, &host_port);
	if (rc == -EAGAIN)
		return true;
	if (rc == -ECONNREFUSED) {
		drop_end(end, "refused");
		return false;
	}
	ST_CHECK_EQ(rc, 0);
	end->flow.opened = true;
	end->flow.moved_us = st_now_us();
	return true;
}

static bool
receive(struct st_host_end *end)
{
	static __thread uint8_t buf[MAX_CHUNK];
	struct st_flow *f = &end->flow;
	int i;

	for (i = 0; i < NB_RECV; i++) {
		const size_t want =
			f->seqpacket ? MAX_CHUNK : 1 + st_below(&end->host->rng, MAX_CHUNK);
		const ssize_t n = recv(end->fd, buf, want, 0);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			drop_end(end, "reset");
			return false;
		}
		if (n == 0) {
			end->eof = true;
			f->moved_us = st_now_us();
			return true;
		}
		st_flow_receive(f, buf, (uint32_t)n);
		if (f->seqpacket)
			st_flow_border(f);
	}
	return true;
}

static bool
transmit(struct st_host_end *end)
{
	static __thread uint8_t buf[MAX_CHUNK];
	struct st_flow *f = &end->flow;
	bool eom;

	for (;;) {
		const uint32_t len =
			st_flow_next(f, 1 + st_below(&end->host->rng, MAX_CHUNK), &eom);
		ssize_t n;

		if (len == 0)
			return true;
		st_flow_fill(f, f->tx_off, buf, len);
		n = send(end->fd, buf, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			drop_end(end, "cannot send");
			return false;
		}
		st_flow_sent(f, (uint32_t)n);
	}
}

static bool
carry_out_plan(struct st_host_end *end)
{
	struct st_flow *f = &end->flow;
	const bool complete = st_flow_complete(f);

	if (st_flow_turns(f)) {
		drop_end(end, "closed early");
		return false;
	}
	if (complete && (f->initiator || end->eof)) {
		drop_end(end, "closed");
		return false;
	}
	/* The missing bytes do not come any more. */
	if (end->eof && (f->rx_len == 0 || f->rx_off < f->rx_len)) {
		drop_end(end, "end of file");
		return false;
	}
	if (f->plan == ST_PLAN_HALF && !end->shut && st_flow_all_sent(f))
		end->shut = shutdown(end->fd, SHUT_WR) == 0;
	return true;
}

static void
handle(struct st_host_end *end, short events)
{
	if (!end->flow.opened) {
		if (!await_answer(end) || !end->flow.opened)
			return;
	} else if (events & (POLLIN | POLLHUP | POLLERR)) {
		if (!end->hold_rx && !end->eof && !receive(end))
			return;
	}
	if (transmit(end))
		carry_out_plan(end);
}

/* ---- all of them ---- */

static short
wanted(const struct st_host_end *end)
{
	short events = 0;
	bool eom;

	if (!end->eof && !end->hold_rx)
		events |= POLLIN;
	if (end->flow.opened && st_flow_next(&end->flow, 1, &eom) > 0)
		events |= POLLOUT;
	return events;
}

static void
check_stalls(struct st_host *h)
{
	const uint64_t now_us = st_now_us();
	struct st_host_end *end;
	char where[64];

	if (now_us - h->stall_checked_us < STALL_CHECK_US)
		return;
	h->stall_checked_us = now_us;
	snprintf(where, sizeof(where), "%s (port %u)", h->name, h->port);
	TAILQ_FOREACH (end, &h->ends, next) {
		if (!end->hold_rx)
			st_flow_check_stall(&end->flow, now_us, where);
	}
}

unsigned int
st_host_turn(struct st_host *h)
{
	struct pollfd fds[MAX_FDS];
	struct st_host_end *ends[MAX_FDS], *end;
	unsigned int nb = 2, i;
	int nb_events;

	for (i = 0; i < 2; i++)
		fds[i] = (struct pollfd){.fd = h->listen_fd[i], .events = POLLIN};
	TAILQ_FOREACH (end, &h->ends, next) {
		const short events = wanted(end);

		/* Without a wish a dead peer would be reported again and again. */
		fds[nb] = (struct pollfd){.fd = events != 0 ? end->fd : -1, .events = events};
		ends[nb++] = end;
	}
	nb_events = poll(fds, nb, h->wait_ms);
	for (i = 2; i < nb; i++) {
		if (fds[i].revents != 0 ||
			(!ends[i]->flow.opened && ends[i]->flow.plan == ST_PLAN_GIVE_UP))
			handle(ends[i], fds[i].revents);
		else if (ends[i]->flow.opened)
			carry_out_plan(ends[i]);
	}
	for (i = 0; i < 2; i++) {
		if (fds[i].revents & POLLIN)
			accept_all(h, i);
	}
	check_stalls(h);
	return nb_events > 0 ? (unsigned int)nb_events : 0;
}

void
st_host_finish(struct st_host *h)
{
	struct st_host_end *end;

	TAILQ_FOREACH (end, &h->ends, next)
		end->hold_rx = false;
	while (h->nb_ends > 0)
		st_host_turn(h);
}

void
st_host_fini(struct st_host *h)
{
	struct st_host_end *end;

	while ((end = TAILQ_FIRST(&h->ends)) != NULL)
		forget(end);
	close(h->listen_fd[0]);
	close(h->listen_fd[1]);
	vfe_host_unlink(st_daemon_uds(h->port), ST_HOST_STREAM);
	vfe_host_unlink(st_daemon_uds(h->port), ST_HOST_SEQPACKET);
}

void
st_host_report(const struct st_host *h)
{
	printf("%s: connections complete %" PRIu64 ", cut %" PRIu64 ", refused %" PRIu64
	       ", %" PRIu64 " KiB verified\n",
		h->name, h->stats.nb_complete, h->stats.nb_cut, h->stats.nb_refused,
		h->stats.nb_bytes >> 10);
}
