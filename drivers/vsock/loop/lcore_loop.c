/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "conn/conn_end.h"
#include "switch/forward.h"
#include "switch/from_guest.h"
#include "host/host.h"
#include "data/lcore.h"
#include "loop/lcore_event.h"
#include "lcore/lcore_msg.h"
#include "loop/deadline.h"
#include "loop/settle.h"
#include "lcore/slow.h"
#include "switch/to_guest.h"

#define XRING_BURST 32

static struct lcore_conf conf = {.spin_us = 1000};

void
lcore_configure(const struct lcore_conf *c)
{
	conf = *c;
}

/* ---- ports ---- */

struct port *
lcore_port(struct lcore *lc, uint16_t port_id, uint32_t gen)
{
	struct port *port = port_id < LIMIT_NB_PORTS ? lc->ports[port_id] : NULL;

	return port != NULL && port->gen == gen ? port : NULL;
}

void
lcore_flush_later(struct lcore *lc, struct port *port)
{
	if (port->in_flush)
		return;
	port->in_flush = true;
	TAILQ_INSERT_TAIL(&lc->flush, port, flush_entry);
}

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
	lcore_port_stop(lc, port);
	port_broken_later(port, reason);
}

/* The guest does nothing: ask for kicks, look once more, stop polling. */
static void
port_sleep(struct lcore *lc, struct port *port)
{
	bool no_room = port->nb_replies == LIMIT_NB_REPLIES, more = false;

	if (port->blocked && !no_room)
		return; /* it waits for lcores, not for its guest */
	/* What cannot be popped for want of RX buffers is no reason to stay awake. */
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

/* ---- one loop ---- */

static unsigned int
poll_inbox(struct lcore *lc)
{
	struct inbox_msg msgs[8];
	unsigned int n =
		rte_ring_dequeue_burst_elem(lc->inbox, msgs, sizeof(msgs[0]), RTE_DIM(msgs), NULL);

	for (unsigned int i = 0; i < n; i++) {
		const struct inbox_msg *m = &msgs[i];

		switch ((enum inbox_type)m->type) {
		case INBOX_CALL:
			if (m->request->fn(lc, m->request))
				ctl_complete(m->request, m->request->result);
			break;
		case INBOX_HOST_CONNECTED:
			host_connected(lc, m);
			break;
		case INBOX_HOST_CONNECT:
			host_connect(lc, m);
			break;
		case INBOX_CREDIT:
			host_credit(lc, m);
			break;
		case INBOX_JOB_FREE:
			slow_job_put(lc, m->job);
			break;
		case INBOX_TICK:
			deadline_check(lc, m->reason != 0);
			break;
		}
	}
	lc->stats.inbox_messages += n;
	return n;
}

static unsigned int
poll_lcores(struct lcore *lc)
{
	struct pkt *pkts[XRING_BURST];
	unsigned int total = 0;

	for (unsigned int from = 0; from < lc->nb_lcores; from++) {
		unsigned int n;

		if (from == lc->index)
			continue;
		n = rte_ring_sc_dequeue_burst(lc->in[from], (void **)pkts, XRING_BURST, NULL);
		for (unsigned int i = 0; i < n; i++)
			rte_prefetch0(pkts[i]);
		for (unsigned int i = 0; i < n; i++)
			forward_arrive(lc, pkts[i]);
		total += n;
	}
	return total;
}

static unsigned int
poll_from_guests(struct lcore *lc)
{
	struct port *port, *next;
	unsigned int total = 0;

	for (port = TAILQ_FIRST(&lc->active); port != NULL; port = next) {
		unsigned int n = from_guest_poll(lc, port);

		next = TAILQ_NEXT(port, active_entry);
		total += n;
		if (port->fault) {
			lcore_port_broken(lc, port, DROP_MEMORY_GONE);
		} else if (n > 0) {
			port->idle_since = 0;
		} else if (port->idle_since == 0) {
			port->idle_since = lc->now;
		}
	}
	return total;
}

static unsigned int
poll_to_guests(struct lcore *lc)
{
	struct port *port, *next;
	unsigned int total = 0;

	for (port = TAILQ_FIRST(&lc->ready); port != NULL; port = next) {
		unsigned int n = to_guest_poll(lc, port);

		next = TAILQ_NEXT(port, ready_entry);
		total += n;
		if (n > 0)
			lcore_port_activate(lc, port);
		if (port->nb_replies == 0 && TAILQ_EMPTY(&port->ready)) {
			port->in_ready = false;
			TAILQ_REMOVE(&lc->ready, port, ready_entry);
		} else if (port->starved && port->running && !port->active && n == 0 &&
			!port->rx_kicks_on) {
			/* It slept with nothing to say; now it waits for buffers. */
			lcore_port_activate(lc, port);
		}
	}
	return total;
}

/* The front end has made its call eventfd block us: see watch.h. */
static void
call_blocked(struct lcore *lc, struct port *port)
{
	/* Both: the last flush of the device must not block again. */
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		if (port->call_fd[q] >= 0)
			close(port->call_fd[q]);
		port->call_fd[q] = -1;
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

	if (port->call_fd[q] < 0)
		return;
	(*count)++;
	__atomic_store_n(&lc->notify_seq, seq, __ATOMIC_RELAXED);
	/* A full counter is a notification that is still there. */
	while (!blocked && write(port->call_fd[q], &one, sizeof(one)) < 0 && errno == EINTR)
		blocked = __atomic_load_n(&lc->blocked_seq, __ATOMIC_RELAXED) == seq;
	__atomic_store_n(&lc->notify_seq, seq + 1, __ATOMIC_RELAXED);
	if (blocked)
		call_blocked(lc, port);
}

void
lcore_port_flush(struct port *port)
{
	if (vq_flush(&port->vq[PORT_Q_TO_GUEST]))
		notify(port, PORT_Q_TO_GUEST, &port->stats.to_guest_notifications);
	if (vq_flush(&port->vq[PORT_Q_FROM_GUEST]))
		notify(port, PORT_Q_FROM_GUEST, &port->stats.from_guest_notifications);
}

static void
flush_ports(struct lcore *lc)
{
	struct port *port;

	while ((port = TAILQ_FIRST(&lc->flush)) != NULL) {
		TAILQ_REMOVE(&lc->flush, port, flush_entry);
		port->in_flush = false;
		if (port->mem != NULL)
			lcore_port_flush(port);
	}
}

static void
bury(struct lcore *lc)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&lc->graves)) != NULL) {
		TAILQ_REMOVE(&lc->graves, c, ready_entry);
		conn_free(&c->port->conns, c);
	}
}

/* ---- sleeping ---- */

static void
put_idle_ports_to_sleep(struct lcore *lc, uint64_t idle_cycles)
{
	struct port *port, *next;

	for (port = TAILQ_FIRST(&lc->active); port != NULL; port = next) {
		next = TAILQ_NEXT(port, active_entry);
		if (port->idle_since != 0 && lc->now - port->idle_since > idle_cycles)
			port_sleep(lc, port);
	}
}

/* Work that no kick will tell of. */
static bool
something_waits(struct lcore *lc)
{
	struct port *port;

	if (!TAILQ_EMPTY(&lc->active) || !TAILQ_EMPTY(&lc->busy) || lc->staged_mask != 0)
		return true;
	TAILQ_FOREACH (port, &lc->ready, ready_entry) {
		if (port->running && !port->starved)
			return true;
	}
	return false;
}

static void
sleep_until_kicked(struct lcore *lc)
{
	__atomic_store_n(&lc->sleeping, 1, __ATOMIC_RELAXED);
	/* Pairs with the fence in lcore_wake(): either it sees us sleep, or we see its message. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* The ports were looked at behind a fence of their own: see vq_kick_enable(). */
	if (poll_inbox(lc) + poll_lcores(lc) == 0) {
		lc->stats.sleeps++;
		lcore_events(lc, -1);
	}
	__atomic_store_n(&lc->sleeping, 0, __ATOMIC_RELAXED);
}

/* A turn begins: the last one's time goes to the account of work or of waiting. */
static void
count_cycles(struct lcore *lc, bool was_busy)
{
	const uint64_t now = rte_rdtsc();

	lc->stats.total_cycles += now - lc->now;
	if (was_busy)
		lc->stats.busy_cycles += now - lc->now;
	lc->now = now;
}

int
lcore_main(void *arg)
{
	struct lcore *lc = arg;
	const uint64_t idle_cycles = conf.spin_us * lc->cycles_per_us;
	unsigned int busy = 0;

	lc->now = rte_rdtsc();
	while (!lc->quit) {
		count_cycles(lc, busy > 0);
		busy = poll_inbox(lc);
		busy += poll_lcores(lc);
		busy += poll_from_guests(lc);
		if (lc->nb_watched > 0 && lcore_events_due(lc, busy))
			busy += lcore_events(lc, 0);
		busy += poll_to_guests(lc);
		flush_ports(lc);
		lcore_send_staged(lc);
		settle_step(lc);
		bury(lc);
		lc->stats.loops++;
		if (busy > 0) {
			lc->stats.busy_loops++;
			lc->idle_since = 0;
			continue;
		}
		if (lc->idle_since == 0)
			lc->idle_since = lc->now;
		if (conf.spin) {
			rte_pause();
			continue;
		}
		put_idle_ports_to_sleep(lc, idle_cycles);
		if (lc->now - lc->idle_since >= idle_cycles && !something_waits(lc))
			sleep_until_kicked(lc);
	}
	/* Pairs with lcore_wait(): whoever frees what was ours comes after all of this. */
	__atomic_store_n(&lc->exited, 1, __ATOMIC_RELEASE);
	return 0;
}

void
lcore_wait(struct lcore *lc)
{
	rte_eal_wait_lcore(lc->lcore_id);
	while (__atomic_load_n(&lc->exited, __ATOMIC_ACQUIRE) == 0)
		rte_pause();
}
