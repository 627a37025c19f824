/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <unistd.h>

#include <wq.h>

#include "data/vsock_switch.h"
#include "lcore/lcore_port.h"

void
lcore_port_activate(struct lcore *lc, struct port *port)
{
	port->idle_since = 0;
	if (port->active || !port->running)
		return;
	port->active = true;
	TAILQ_INSERT_TAIL(&lc->active, port, active_entry);
	if (port->kicks_on) {
		lc->nb_watched--;
		vq_kick_disable(&port->vq[PORT_Q_FROM_GUEST]);
		vq_kick_disable(&port->vq[PORT_Q_TO_GUEST]);
		port->kicks_on = false;
		port->rx_kicks_on = false;
	}
}

void
lcore_port_ready(struct lcore *lc, struct port *port)
{
	if (port->in_ready)
		return;
	port->in_ready = true;
	TAILQ_INSERT_TAIL(&lc->ready, port, ready_entry);
}

bool
lcore_port_reply(struct lcore *lc, struct port *port, const struct reply *reply)
{
	if (port->nb_replies == LIMIT_NB_REPLIES)
		return false;
	port->replies[(port->replies_head + port->nb_replies++) % LIMIT_NB_REPLIES] = *reply;
	lcore_port_ready(lc, port);
	return true;
}

void
lcore_port_sleep(struct lcore *lc, struct port *port)
{
	bool no_room = port->nb_replies == LIMIT_NB_REPLIES, more = false;

	if (port->blocked && !no_room)
		return; /* the port waits for another lcore, which sends no kick */
	/* No chain can be popped without room for replies, so this is no reason to stay awake. */
	if (!no_room)
		more = vq_kick_enable(&port->vq[PORT_Q_FROM_GUEST]);
	if (port->starved) {
		more |= vq_kick_enable(&port->vq[PORT_Q_TO_GUEST]);
		port->rx_kicks_on = true;
	}
	port->kicks_on = true;
	lc->nb_watched++;
	lc->stats.port_sleeps++;
	port->active = false;
	TAILQ_REMOVE(&lc->active, port, active_entry);
	if (more)
		lcore_port_activate(lc, port);
}

void
lcore_port_stop(struct lcore *lc, struct port *port)
{
	port->running = false;
	lc->nb_watched -= port->kicks_on;
	port->kicks_on = false;
	if (port->active) {
		port->active = false;
		TAILQ_REMOVE(&lc->active, port, active_entry);
	}
}

void
lcore_port_broken(struct lcore *lc, struct port *port, enum drop_reason reason)
{
	if (!port->running)
		return;
	port->stats.drops[reason]++;
	port->broken = true;
	lcore_port_stop(lc, port);
	__atomic_store_n(&port->broken_reason, (uint16_t)reason, __ATOMIC_RELAXED);
	(void)wq_queue_work(lc->sw->slow_wq, &port->broken_work);
}

/* The front end made its call eventfd block this lcore: see control/watch.h. */
static void
call_blocked(struct lcore *lc, struct port *port)
{
	/* Close both, because the last flush of the device must not block again. */
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		if (port->dev.call_fd[q] >= 0)
			close(port->dev.call_fd[q]);
		port->dev.call_fd[q] = -1;
	}
	if (port->running)
		lcore_port_broken(lc, port, DROP_CALL_BLOCKED);
	else
		port->stats.drops[DROP_CALL_BLOCKED]++;
}

static void
notify(struct port *port, enum port_queue q, uint64_t *count)
{
	struct lcore *lc = port->lcore;
	const uint32_t seq = lc->notify_seq + 1;
	const uint64_t one = 1;
	bool blocked = false;

	if (port->dev.call_fd[q] < 0)
		return;
	(*count)++;
	__atomic_store_n(&lc->notify_seq, seq, __ATOMIC_RELAXED);
	/* EAGAIN: the counter is full, so a notification is pending already. */
	while (!blocked && write(port->dev.call_fd[q], &one, sizeof(one)) < 0 && errno == EINTR)
		blocked = __atomic_load_n(&lc->blocked_seq, __ATOMIC_RELAXED) == seq;
	__atomic_store_n(&lc->notify_seq, seq + 1, __ATOMIC_RELAXED);
	if (blocked)
		call_blocked(lc, port);
}

void
lcore_port_flush_later(struct lcore *lc, struct port *port)
{
	if (port->in_flush)
		return;
	port->in_flush = true;
	TAILQ_INSERT_TAIL(&lc->flush, port, flush_entry);
}

void
lcore_port_flush(struct port *port)
{
	if (vq_flush(&port->vq[PORT_Q_TO_GUEST]))
		notify(port, PORT_Q_TO_GUEST, &port->stats.to_guest_notifications);
	if (vq_flush(&port->vq[PORT_Q_FROM_GUEST]))
		notify(port, PORT_Q_FROM_GUEST, &port->stats.from_guest_notifications);
}
