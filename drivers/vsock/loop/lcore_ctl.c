/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_debug.h>

#include "conn/conn_end.h"
#include "lcore/lcore_msg.h"
#include "lcore/lcore_port.h"
#include "lcore/pkt_home.h"
#include "loop/lcore_ctl.h"
#include "switch/conn_reset.h"
#include "switch/forward.h"

/* ---- add, remove, routes ---- */

static void
share_packets(struct lcore *lc)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++)
		nb += lc->ports[i] != NULL;
	/* By at least two, so that one guest does not use memory that is cold otherwise. */
	lc->pkts_per_port = (lc->nb_pkts - LIMIT_NB_PKTS_RESERVED) / RTE_MAX(nb, 2u);
}

static void
share_pool(struct lcore *lc)
{
	for (unsigned int i = 0; i < LIMIT_NB_PORTS; i++) {
		if (lc->ports[i] != NULL)
			chunk_share(&lc->ports[i]->pool, lc->chunks, lc->nb_routes);
	}
}

bool
lcore_ctl_port_add(struct lcore *lc, struct ctl_request *req)
{
	const struct lcore_ctl_port_add *arg = req->arg;

	lc->ports[arg->port->id] = arg->port;
	if (arg->pkts != NULL)
		pkt_home_add(lc, arg->pkts);
	share_packets(lc);
	share_pool(lc);
	return true;
}

bool
lcore_ctl_port_remove(struct lcore *lc, struct ctl_request *req)
{
	struct port *port = req->arg;

	RTE_VERIFY(port->dev.mem == NULL && port->conns.nb_used == 0);
	if (port->in_ready)
		TAILQ_REMOVE(&lc->ready, port, ready_entry);
	if (port->in_flush)
		TAILQ_REMOVE(&lc->flush, port, flush_entry);
	lc->ports[port->id] = NULL;
	share_packets(lc);
	return true;
}

bool
lcore_ctl_route(struct lcore *lc, struct ctl_request *req)
{
	const struct lcore_ctl_route *arg = req->arg;
	struct route *r = &lc->routes[arg->port_id];

	if (r->cid != 0) {
		rte_hash_del_key(lc->cids, &r->cid);
		lc->nb_routes--;
	}
	*r = arg->route;
	if (r->cid != 0) {
		if (rte_hash_add_key_data(lc->cids, &r->cid, (void *)(uintptr_t)arg->port_id) !=
			0) {
			r->cid = 0;
			req->result = -ENOSPC;
			return true;
		}
		lc->nb_routes++;
	}
	share_pool(lc);
	return true;
}

/* ---- a device comes ---- */

static void
poll_kick(struct lcore *lc, struct port *port, enum port_queue q, enum epoll_tag tag)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLET,
		.data.u64 = (uint64_t)port->gen << 32 | (uint64_t)port->id << 2 | tag,
	};

	if (port->dev.kick_fd[q] >= 0 &&
		epoll_ctl(lc->epoll_fd, EPOLL_CTL_ADD, port->dev.kick_fd[q], &ev) != 0) {
		/* The kernel has no memory: without the fd the port is never put to sleep. */
		close(port->dev.kick_fd[q]);
		port->dev.kick_fd[q] = -1;
	}
}

bool
lcore_ctl_device_up(struct lcore *lc, struct ctl_request *req)
{
	const struct lcore_ctl_device *arg = req->arg;
	const struct port_device *dev = arg->dev;
	struct port *port = arg->port;

	RTE_VERIFY(port->dev.mem == NULL);
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		struct vq_config cfg = dev->vq[q];

		cfg.mem = dev->mem;
		req->result = vq_init(&port->vq[q], &cfg);
		if (req->result != 0)
			return true;
	}
	port->dev = *dev;
	poll_kick(lc, port, PORT_Q_TO_GUEST, EPOLL_TAG_KICK_TO_GUEST);
	poll_kick(lc, port, PORT_Q_FROM_GUEST, EPOLL_TAG_KICK_FROM_GUEST);
	vq_kick_disable(&port->vq[PORT_Q_TO_GUEST]);
	vq_kick_disable(&port->vq[PORT_Q_FROM_GUEST]);
	port->kicks_on = false;
	port->rx_kicks_on = false;
	port->seqpacket = dev->seqpacket;
	port->fault = 0;
	port->attached = true;
	port->running = true;
	port->broken = false;
	port->starved = false;
	lcore_port_activate(lc, port);
	/* Notify the driver, which may have missed used entries of the last device. */
	lcore_port_ready(lc, port);
	return true;
}

/* ---- a device goes: settle ---- */

static void
busy_add(struct lcore *lc, struct port *port)
{
	if (port->settle == NULL && port->clear == NULL)
		TAILQ_INSERT_TAIL(&lc->busy, port, busy_entry);
}

bool
lcore_ctl_device_down(struct lcore *lc, struct ctl_request *req)
{
	const struct lcore_ctl_stop *arg = req->arg;
	struct port *port = arg->port;

	if (port->dev.mem == NULL) {
		req->result = -ENODEV;
		return true;
	}
	RTE_VERIFY(port->settle == NULL);
	lcore_port_stop(lc, port);
	/* Loans on this lcore; lcore_ctl_step() calls back those on other lcores. */
	forward_revoke(lc, port->id);
	port->revoked_mask = 0;
	busy_add(lc, port);
	port->settle = req;
	return false;
}

/* The messages use the same rings as the loans, so no loan arrives after them. */
static void
revoke_elsewhere(struct lcore *lc, struct port *port)
{
	for (unsigned int to = 0; to < lc->nb_lcores; to++) {
		struct pkt *p;

		if (to == lc->index || (port->revoked_mask & (1ULL << to)) != 0)
			continue;
		p = pkt_home_get(lc);
		if (p == NULL)
			return; /* try again in the next iteration */
		p->kind = PKT_REVOKE;
		p->returning = false;
		p->verdict = PKT_TAKEN;
		p->src_port_id = port->id;
		p->src_port_gen = port->gen;
		lcore_msg_send(lc, to, p);
		port->revoked_mask |= 1ULL << to;
	}
}

/* Release the device when no chain of it is in flight. */
static bool
settle_go_on(struct lcore *lc, struct port *port)
{
	struct ctl_request *req = port->settle;
	const struct lcore_ctl_stop *arg = req->arg;

	if (port->vq[PORT_Q_FROM_GUEST].nb_in_flight > 0) {
		revoke_elsewhere(lc, port);
		return false;
	}
	lcore_port_flush(port);
	for (int q = 0; q < PORT_NB_QUEUES; q++) {
		arg->indices->last_avail[q] = port->vq[q].last_avail;
		arg->indices->used_idx[q] = port->vq[q].used_idx;
		if (port->dev.kick_fd[q] >= 0)
			epoll_ctl(lc->epoll_fd, EPOLL_CTL_DEL, port->dev.kick_fd[q], NULL);
	}
	port_device_release(&port->dev);
	port->settle = NULL;
	lcore_msg_done(req, 0);
	return true;
}

/* ---- reset all connections ---- */

/* Reset some of them in each iteration, so that other ports do not wait. */
static bool
clear_go_on(struct lcore *lc, struct port *port)
{
	struct conn_table *t = &port->conns;
	struct ctl_request *req = port->clear;
	unsigned int n = 0;

	for (; port->clear_next < t->nb_touched && n < LIMIT_CLEAR_NB_CONNS; port->clear_next++) {
		struct conn *c = &t->slab[port->clear_next];

		if (c->state == CONN_NONE)
			continue;
		if (conn_reset_must_wait(lc, c))
			return false;
		conn_end_count(c, DROP_GUEST_GONE);
		conn_reset_peer(lc, c);
		conn_end_free(lc, c);
		n++;
	}
	if (port->clear_next < t->nb_touched)
		return false;
	port->nb_replies = 0;
	port->replies_head = 0;
	port->clear = NULL;
	lcore_msg_done(req, 0);
	return true;
}

bool
lcore_ctl_clear(struct lcore *lc, struct ctl_request *req)
{
	const struct lcore_ctl_clear *arg = req->arg;
	struct port *port = arg->port;

	RTE_VERIFY(port->clear == NULL);
	if (port->running)
		return true; /* the device was broken, and the driver has restarted it meanwhile */
	if (arg->detach)
		port->attached = false;
	busy_add(lc, port);
	port->clear = req;
	port->clear_next = 0;
	return false;
}

bool
lcore_ctl_reset(struct lcore *lc, struct ctl_request *req)
{
	struct port *port = req->arg;

	port->attached = false; /* refuse new connections */
	for (uint32_t i = 0; i < port->conns.nb_touched; i++) {
		struct conn *c = &port->conns.slab[i];

		if (c->state == CONN_NONE || c->state == CONN_DRAINING ||
			conn_reset_must_wait(lc, c))
			continue;
		conn_reset(lc, c, DROP_GUEST_GONE);
	}
	req->result = port->running ? (int)port->conns.nb_used : 0;
	return true;
}

void
lcore_ctl_step(struct lcore *lc)
{
	struct port *port, *next;

	for (port = TAILQ_FIRST(&lc->busy); port != NULL; port = next) {
		bool done = true;

		next = TAILQ_NEXT(port, busy_entry);
		if (port->settle != NULL)
			done = settle_go_on(lc, port);
		else if (port->clear != NULL)
			done = clear_go_on(lc, port);
		if (done && port->settle == NULL && port->clear == NULL)
			TAILQ_REMOVE(&lc->busy, port, busy_entry);
	}
}
