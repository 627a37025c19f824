/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_common.h>

#include "data/lcore.h"
#include "host/host_conn.h"
#include "lcore/lcore_port.h"
#include "loop/lcore_event.h"

#define EPOLL_NB_EVENTS 64
/*
 * Periods of epoll_wait(). While the lcore has other work, the period doubles from
 * EPOLL_BUSY_MIN_US each time that epoll reports nothing new. Without other work, the period is a
 * quarter of the time since the last new event, or twice that after many calls in vain.
 */
#define EPOLL_BUSY_MIN_US 10
#define EPOLL_BUSY_MAX_US 50
#define EPOLL_IDLE_MIN_US 1
#define EPOLL_IDLE_MAX_US 10
#define EPOLL_IDLE_SHARE  4
#define EPOLL_NB_IN_VAIN  32

static void
kick_event(struct lcore *lc, uint64_t data)
{
	uint64_t tag = data & 3;
	unsigned int q = tag == EPOLL_TAG_KICK_TO_GUEST ? PORT_Q_TO_GUEST : PORT_Q_FROM_GUEST;
	struct port *port = lcore_port_find(lc, (data >> 2) & 0xffff, data >> 32);

	if (port == NULL || port->dev.kick_fd[q] < 0)
		return;
	/* Do not read the eventfd: EPOLLET reports each write, and a read could block. */
	port->stats.kicks++;
	lcore_port_activate(lc, port);
}

unsigned int
lcore_events(struct lcore *lc, int timeout_ms)
{
	struct epoll_event evs[EPOLL_NB_EVENTS];
	bool news = false;
	uint64_t count;
	int n;

	lc->epoll_at = lc->now;
	lc->stats.epoll_calls++;
	n = epoll_wait(lc->epoll_fd, evs, EPOLL_NB_EVENTS, timeout_ms);
	for (int i = 0; i < n; i++) {
		uint64_t data = evs[i].data.u64;
		struct conn *c = (struct conn *)(uintptr_t)data;

		switch ((enum epoll_tag)(data & 3)) {
		case EPOLL_TAG_CONN:
			/* EPOLLIN of a socket that is known to be readable is not new. */
			news |= !c->host.readable || evs[i].events != EPOLLIN;
			host_conn_event(lc, c, evs[i].events);
			break;
		case EPOLL_TAG_WAKE:
			(void)!read(lc->wake_fd, &count, sizeof(count));
			break;
		default:
			news = true;
			kick_event(lc, data);
			break;
		}
	}
	lc->epoll_in_vain = news ? 0 : RTE_MIN(lc->epoll_in_vain + 1, EPOLL_NB_IN_VAIN);
	return n > 0 ? n : 0;
}

bool
lcore_events_due(const struct lcore *lc, unsigned int busy)
{
	const uint64_t us = lc->cycles_per_us;
	const bool in_vain = lc->epoll_in_vain >= EPOLL_NB_IN_VAIN;
	uint64_t pause;

	if (busy == 0 && lc->idle_since != 0) {
		pause = lc->now - lc->idle_since;
		pause = RTE_MIN(in_vain ? pause : pause / EPOLL_IDLE_SHARE, EPOLL_IDLE_MAX_US * us);
		pause = RTE_MAX(pause, EPOLL_IDLE_MIN_US * us);
	} else {
		pause = RTE_MIN(EPOLL_BUSY_MIN_US * (1 + lc->epoll_in_vain), EPOLL_BUSY_MAX_US) *
			us;
	}
	return lc->now - lc->epoll_at >= pause;
}
