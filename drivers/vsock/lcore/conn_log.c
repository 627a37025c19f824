/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_log.h>

#include <wq.h>

#include "base/log_limit.h"
#include "base/vsock_log.h"
#include "data/drop.h"
#include "data/lcore.h"
#include "data/port_data.h"
#include "data/vsock_switch.h"
#include "lcore/conn_log.h"

#define NB_EVENTS 256 /* a power of two */

struct conn_event {
	uint32_t cid, local_port, peer_cid, peer_port;
	uint64_t rx_bytes, tx_bytes, age_ms;
	pid_t pid;
	uint8_t type;
	uint8_t reason; /* enum drop_reason */
	bool opened;
};

/** Events from the lcore to the worker. */
struct conn_log {
	struct wq_work work; /* first */
	struct log_limit limit;
	_Atomic uint32_t nb_put;   /* the lcore writes it */
	_Atomic uint32_t nb_taken; /* the worker writes it */
	_Atomic uint32_t nb_lost;
	struct conn_event events[NB_EVENTS];
};

static const char *
reason(const struct conn_event *e)
{
	return e->reason == DROP_NONE ? "closed" : drop_reason_name((enum drop_reason)e->reason);
}

static void
write_line(const struct conn_event *e)
{
	const char *type = e->type == WIRE_TYPE_SEQPACKET ? "seqpacket" : "stream";

	if (e->opened)
		VSOCK_LOG(DEBUG, "connection %u:%u to %u:%u: opened (%s, pid %d)", e->cid,
			e->local_port, e->peer_cid, e->peer_port, type, (int)e->pid);
	else
		VSOCK_LOG(DEBUG,
			"connection %u:%u to %u:%u: ended: %s (%" PRIu64 " bytes from the guest, "
			"%" PRIu64 " to it, %" PRIu64 " ms)",
			e->cid, e->local_port, e->peer_cid, e->peer_port, reason(e), e->rx_bytes,
			e->tx_bytes, e->age_ms);
}

static void
drain(struct conn_log *log)
{
	uint32_t taken = atomic_load_explicit(&log->nb_taken, memory_order_relaxed), lost;

	for (; taken != atomic_load_explicit(&log->nb_put, memory_order_acquire); taken++) {
		if (log_limit_take_of(&log->limit, LIMIT_CONN_LOG_NB_LINES))
			write_line(&log->events[taken % NB_EVENTS]);
		atomic_store_explicit(&log->nb_taken, taken + 1, memory_order_release);
	}
	lost = atomic_exchange(&log->nb_lost, 0);
	if (lost > 0)
		VSOCK_LOG(DEBUG, "connections: %u lines were left out: too many at once", lost);
}

static void
log_work(struct wq_work *work)
{
	drain((struct conn_log *)(void *)work);
}

static void
put(struct lcore *lc, const struct conn *c, bool opened)
{
	struct conn_log *log = lc->conn_log;
	const uint32_t at = atomic_load_explicit(&log->nb_put, memory_order_relaxed);

	if (at - atomic_load_explicit(&log->nb_taken, memory_order_acquire) == NB_EVENTS) {
		atomic_fetch_add(&log->nb_lost, 1);
		return;
	}
	log->events[at % NB_EVENTS] = (struct conn_event){
		.cid = c->port->cid,
		.local_port = c->local_port,
		.peer_cid = c->peer_cid,
		.peer_port = c->peer_port,
		.rx_bytes = c->rx_cnt,
		.tx_bytes = c->sent_cnt,
		.age_ms = (lc->now - c->begun_tsc) / (lc->cycles_per_us * 1000),
		.pid = c->is_host ? c->host.pid : 0,
		.type = c->type,
		.reason = c->end_reason,
		.opened = opened,
	};
	atomic_store_explicit(&log->nb_put, at + 1, memory_order_release);
	/* false: the work is queued already and sees the event. */
	(void)wq_queue_work(lc->sw->slow_wq, &log->work);
}

void
conn_log_opened(struct lcore *lc, const struct conn *c)
{
	if (rte_log_can_log((uint32_t)vsock_log_type, RTE_LOG_DEBUG))
		put(lc, c, true);
}

void
conn_log_ended(struct lcore *lc, const struct conn *c)
{
	if (rte_log_can_log((uint32_t)vsock_log_type, RTE_LOG_DEBUG))
		put(lc, c, false);
}

int
conn_log_create(struct lcore *lc)
{
	lc->conn_log = calloc(1, sizeof(*lc->conn_log));
	if (lc->conn_log == NULL)
		return -ENOMEM;
	wq_work_init(&lc->conn_log->work, log_work);
	return 0;
}

void
conn_log_free(struct lcore *lc)
{
	free(lc->conn_log);
	lc->conn_log = NULL;
}

void
conn_log_stop(struct lcore *lc)
{
	wq_cancel_work_sync(&lc->conn_log->work);
	drain(lc->conn_log);
}
