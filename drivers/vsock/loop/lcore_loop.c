/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "data/lcore.h"
#include "data/vsock_switch.h"
#include "host/host_conn.h"
#include "lcore/host_job.h"
#include "lcore/lcore_msg.h"
#include "lcore/lcore_port.h"
#include "loop/deadline.h"
#include "loop/lcore_ctl.h"
#include "loop/lcore_event.h"
#include "loop/lcore_loop.h"
#include "switch/forward.h"
#include "switch/from_guest.h"
#include "switch/to_guest.h"

/* The simulator has a clock of its own. */
#ifndef LCORE_TSC
#define LCORE_TSC() rte_rdtsc()
#endif

#define XRING_BURST 32

/* ---- one loop ---- */

static void
count_drop(struct lcore *lc, const struct inbox_msg *msg)
{
	struct port *port = lcore_port_find(lc, msg->port_id, msg->port_gen);

	if (port != NULL)
		port->stats.drops[msg->reason]++;
}

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
				lcore_msg_done(m->request, m->request->result);
			break;
		case INBOX_HOST_CONNECTED:
			host_conn_connected(lc, m);
			break;
		case INBOX_HOST_CONNECT:
			host_conn_connect(lc, m);
			break;
		case INBOX_DROP:
			count_drop(lc, m);
			break;
		case INBOX_CREDIT:
			host_conn_credit(lc, m);
			break;
		case INBOX_JOB_FREE:
			host_job_put(lc, m->job);
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
			/* The port sleeps without kicks for RX buffers, and needs buffers. */
			lcore_port_activate(lc, port);
		}
	}
	return total;
}

static void
flush_ports(struct lcore *lc)
{
	struct port *port;

	while ((port = TAILQ_FIRST(&lc->flush)) != NULL) {
		TAILQ_REMOVE(&lc->flush, port, flush_entry);
		port->in_flush = false;
		if (port->dev.mem != NULL)
			lcore_port_flush(port);
	}
}

static void
free_ended(struct lcore *lc)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&lc->ended)) != NULL) {
		TAILQ_REMOVE(&lc->ended, c, ready_entry);
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
			lcore_port_sleep(lc, port);
	}
}

/* Is there work that no kick will report? */
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
	/* Pairs with the fence in lcore_msg_wake(): it sees us sleep, or we see its message. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* vq_kick_enable() has checked the rings of the ports after a fence of its own. */
	if (poll_inbox(lc) + poll_lcores(lc) == 0) {
		lc->stats.sleeps++;
		lcore_events(lc, -1);
	}
	__atomic_store_n(&lc->sleeping, 0, __ATOMIC_RELAXED);
}

/* Account the time of the last iteration as busy or idle, and start the next one. */
static void
count_cycles(struct lcore *lc, bool was_busy)
{
	const uint64_t now = LCORE_TSC();

	lc->stats.total_cycles += now - lc->now;
	if (was_busy)
		lc->stats.busy_cycles += now - lc->now;
	lc->now = now;
}

int
lcore_loop_main(void *arg)
{
	struct lcore *lc = arg;
	const struct vsock_conf *conf = &lc->sw->conf;
	const uint64_t idle_cycles = conf->spin_us * lc->cycles_per_us;
	unsigned int busy = 0;

	lc->now = LCORE_TSC();
	while (!lc->quit) {
		count_cycles(lc, busy > 0);
		busy = poll_inbox(lc);
		busy += poll_lcores(lc);
		busy += poll_from_guests(lc);
		if (lc->nb_watched > 0 && lcore_events_due(lc, busy))
			busy += lcore_events(lc, 0);
		busy += poll_to_guests(lc);
		flush_ports(lc);
		lcore_msg_send_staged(lc);
		lcore_ctl_step(lc);
		free_ended(lc);
		lc->stats.loops++;
		if (busy > 0) {
			lc->stats.busy_loops++;
			lc->idle_since = 0;
			continue;
		}
		if (lc->idle_since == 0)
			lc->idle_since = lc->now;
		if (conf->spin) {
			rte_pause();
			continue;
		}
		put_idle_ports_to_sleep(lc, idle_cycles);
		if (lc->now - lc->idle_since >= idle_cycles && !something_waits(lc))
			sleep_until_kicked(lc);
	}
	/* Pairs with lcore_loop_wait(): after it, other threads may free the lcore's data. */
	__atomic_store_n(&lc->exited, 1, __ATOMIC_RELEASE);
	return 0;
}

void
lcore_loop_wait(struct lcore *lc)
{
	rte_eal_wait_lcore(lc->lcore_id);
	while (__atomic_load_n(&lc->exited, __ATOMIC_ACQUIRE) == 0)
		rte_pause();
}

static bool
quit(struct lcore *lc, struct ctl_request *req)
{
	(void)req;
	lc->quit = true;
	return true;
}

void
lcore_loop_quit(struct lcore *lc)
{
	lcore_msg_call(lc, quit, NULL);
}
