/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "conn/conn_sock.h"
#include "lcore/conn_timer.h"
#include "lcore/host_job.h"

static int
poll_socket(struct lcore *lc, struct conn *c, int op, uint32_t more)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLET | more,
		.data.u64 = (uintptr_t)c | EPOLL_TAG_CONN,
	};

	if (epoll_ctl(lc->epoll_fd, op, c->host.fd, &ev) != 0)
		return -errno;
	lc->nb_watched += !c->host.polled;
	c->host.polled = true;
	return 0;
}

int
conn_sock_watch(struct lcore *lc, struct conn *c)
{
	return poll_socket(lc, c, EPOLL_CTL_ADD, 0);
}

void
conn_sock_want_writable(struct lcore *lc, struct conn *c, bool want)
{
	if (c->host.epoll_out == want)
		return;
	if (poll_socket(lc, c, EPOLL_CTL_MOD, want ? EPOLLOUT : 0) == 0)
		c->host.epoll_out = want;
	if (want && c->timer == CONN_TIMER_NONE)
		conn_timer_set(lc, c, CONN_TIMER_LOOK);
}

/*
 * Return true if shutdown() already tells the peer everything that close() would; the close() can
 * then be deferred. shutdown() never blocks. Only close() reports unread bytes of the program to
 * it as an error.
 */
static bool
shut(const struct conn *c)
{
	return c->host.hup ||
		(c->host.fd >= 0 && !c->host.readable && shutdown(c->host.fd, SHUT_RDWR) == 0);
}

void
conn_sock_close(struct lcore *lc, struct conn *c)
{
	bool later = c->host.job != NULL && shut(c);

	if (c->host.polled) {
		epoll_ctl(lc->epoll_fd, EPOLL_CTL_DEL, c->host.fd, NULL);
		c->host.polled = false;
		lc->nb_watched--;
	}
	c->host.fd = -1;
	c->host.readable = false;
	if (later)
		host_job_close_later(c->host.job);
	else if (c->host.job != NULL)
		host_job_ask(c->host.job, HOST_JOB_CLOSE);
	c->host.job = NULL;
	chunk_clear(&c->host.backlog, lc->chunks, &c->port->pool);
	c->host.msg_open = false;
}
