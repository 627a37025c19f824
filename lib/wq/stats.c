/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "global.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "rescuer.h"
#include "timer.h"
#include "wq_stats.h"

static const char *const scope_names[WQ_NB_SCOPES] = {"cpu", "cache", "numa", "system"};

static const char *const state_names[] = {
	[WQ_WORKER_IDLE] = "idle",
	[WQ_WORKER_RUNNING] = "running",
	[WQ_WORKER_BLOCKED] = "blocked",
	[WQ_WORKER_SEEN_BLOCKED] = "seen-blocked",
	[WQ_WORKER_CPU_INTENSIVE] = "cpu-intensive",
	[WQ_WORKER_UNMANAGED] = "unmanaged",
	[WQ_WORKER_LOOKING] = "looking",
};

const char *
wq_stats_state_name(enum wq_worker_state state)
{
	return state_names[state];
}

/* Takes a snapshot of a workqueue. G is held. */
static void
snap_wq(struct workqueue *wq, struct wq_stats_wq *s)
{
	struct wq_link *l;

	*s = (struct wq_stats_wq){.flags = wq->flags, .nb_pwqs = wq->nb_pwqs};
	memcpy(s->name, wq->name, sizeof(s->name));
	pthread_mutex_lock(&wq->mutex);
	s->max_active = wq->max_active;
	pthread_mutex_unlock(&wq->mutex);
	s->delayed = wq_timer_nb_delayed(wq);
	wq_link_foreach(l, &wq->pwqs)
	{
		struct wq_pwq *pwq = wq_container_of(l, struct wq_pwq, node);

		wq_lock(&pwq->pool->lock);
		for (unsigned i = 0; i < WQ_NB_COLOURS; i++)
			s->in_flight += (uint64_t)pwq->nb_in_flight[i];
		s->active += (uint64_t)pwq->nb_active;
		s->started += pwq->stats.started;
		s->completed += pwq->stats.completed;
		s->cpu_ns += pwq->stats.cpu_ns;
		s->cpu_hogs += pwq->stats.cpu_hogs;
		s->blocked += pwq->stats.blocked;
		s->woken += pwq->stats.woken;
		s->mayday += pwq->stats.mayday;
		s->rescued += pwq->stats.rescued;
		wq_pool_unlock(pwq->pool);
	}
}

int
wq_stats_visit_wqs(int (*visit)(const struct wq_stats_wq *s, void *arg), void *arg)
{
	struct wq_link *l;
	int rc = 0;

	pthread_mutex_lock(&wq_global.mutex);
	wq_link_foreach(l, &wq_global.workqueues)
	{
		struct wq_stats_wq s;

		snap_wq(wq_container_of(l, struct workqueue, node), &s);
		rc = visit(&s, arg);
		if (rc != 0)
			break;
	}
	pthread_mutex_unlock(&wq_global.mutex);
	return rc;
}

/* Takes a snapshot of a pool. P is held. */
static void
snap_pool(const struct wq_pool *pool, struct wq_stats_pool *s)
{
	struct wq_link *l;

	*s = (struct wq_stats_pool){
		.id = pool->id,
		.cpu = pool->cpu,
		.pod = pool->pod,
		.scope = pool->cpu >= 0 ? "bound" : scope_names[pool->scope],
		.highpri = pool->highpri,
		.associated = !(pool->flags & WQ_P_DISASSOCIATED),
		.managing = pool->manager != NULL,
		.running = pool->nb_running,
		.workers = pool->nb_workers,
		.idle = pool->nb_idle,
		.started = pool->nb_started,
		.created = pool->nb_created,
		.create_failed = pool->nb_create_failed,
		.reaped = pool->nb_reaped,
		.stalls = pool->nb_stalls,
		.stalled = pool->stall_told,
		.cpus = pool->cpus,
	};
	wq_link_foreach(l, &pool->worklist) s->waiting++;
}

int
wq_stats_visit_pools(int (*visit)(const struct wq_stats_pool *s, void *arg), void *arg)
{
	uint32_t nb_pools = __atomic_load_n(&wq_global.nb_pools, __ATOMIC_ACQUIRE);
	int rc = 0;

	for (uint32_t id = 1; id <= nb_pools && rc == 0; id++) {
		struct wq_pool *pool = wq_pool_by_id(id);
		struct wq_stats_pool s;

		wq_lock(&pool->lock);
		snap_pool(pool, &s);
		wq_pool_unlock(pool);
		if (s.created > 0 || s.create_failed > 0)
			rc = visit(&s, arg);
	}
	return rc;
}

static enum wq_worker_state
state_of(const struct wq_worker *w)
{
	if (w->flags & WQ_W_IDLE)
		return WQ_WORKER_IDLE;
	if (w->current_pwq == NULL)
		return w->flags & WQ_W_RESCUER ? WQ_WORKER_IDLE : WQ_WORKER_LOOKING;
	if (w->flags & WQ_W_BLOCKED)
		return WQ_WORKER_BLOCKED;
	if (w->flags & WQ_W_SEEN_BLOCKED)
		return WQ_WORKER_SEEN_BLOCKED;
	if (w->flags & WQ_W_CPU_INTENSIVE)
		return WQ_WORKER_CPU_INTENSIVE;
	return w->flags & WQ_W_NOT_RUNNING ? WQ_WORKER_UNMANAGED : WQ_WORKER_RUNNING;
}

/* Takes a snapshot of a worker. P is held. */
static void
snap_worker(const struct wq_worker *w, struct wq_stats_worker *s)
{
	*s = (struct wq_stats_worker){
		.pool_id = w->pool != NULL ? w->pool->id : 0,
		.id = w->id,
		.tid = (int)__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE),
		.rescuer = w->flags & WQ_W_RESCUER,
		.state = state_of(w),
		.works = w->nb_works,
		.idle_ns = w->flags & WQ_W_IDLE ? wq_os_now_ns() - w->idle_since_ns : 0,
		.func = (uintptr_t)w->current_func,
	};
	memcpy(s->name, w->name, sizeof(s->name));
	if (w->current_pwq != NULL)
		memcpy(s->wq, w->current_pwq->wq->name, sizeof(s->wq));
}

static int
visit_pool_workers(
	struct wq_pool *pool, int (*visit)(const struct wq_stats_worker *s, void *arg), void *arg)
{
	struct wq_stats_worker *snaps;
	uint32_t room, nb = 0;
	struct wq_link *l;
	int rc = 0;

	wq_lock(&pool->lock);
	room = pool->nb_workers;
	wq_pool_unlock(pool);
	if (room == 0)
		return 0;
	snaps = calloc(room, sizeof(*snaps));
	if (snaps == NULL)
		return -ENOMEM;
	wq_lock(&pool->lock);
	wq_link_foreach(l, &pool->workers)
	{
		if (nb < room)
			snap_worker(wq_container_of(l, struct wq_worker, node), &snaps[nb++]);
	}
	wq_pool_unlock(pool);
	for (uint32_t i = 0; i < nb && rc == 0; i++)
		rc = visit(&snaps[i], arg);
	free(snaps);
	return rc;
}

static int
visit_rescuers(int (*visit)(const struct wq_stats_worker *s, void *arg), void *arg)
{
	struct wq_link *l;
	int rc = 0;

	pthread_mutex_lock(&wq_global.mutex);
	wq_link_foreach(l, &wq_global.workqueues)
	{
		struct wq_worker *w = wq_container_of(l, struct workqueue, node)->rescuer;
		struct wq_stats_worker s;

		if (w == NULL)
			continue;
		wq_rescuer_snapshot(w, snap_worker, &s);
		rc = visit(&s, arg);
		if (rc != 0)
			break;
	}
	pthread_mutex_unlock(&wq_global.mutex);
	return rc;
}

int
wq_stats_visit_workers(int (*visit)(const struct wq_stats_worker *s, void *arg), void *arg)
{
	uint32_t nb_pools = __atomic_load_n(&wq_global.nb_pools, __ATOMIC_ACQUIRE);
	int rc = 0;

	for (uint32_t id = 1; id <= nb_pools && rc == 0; id++)
		rc = visit_pool_workers(wq_pool_by_id(id), visit, arg);
	return rc == 0 ? visit_rescuers(visit, arg) : rc;
}

static int
dump_wq(const struct wq_stats_wq *s, void *out)
{
	fprintf(out,
		"wq %-20s flags 0x%x max_active %d in_flight %" PRIu64 " active %" PRIu64
		" delayed %" PRIu64 " started %" PRIu64 " completed %" PRIu64 " cpu_us %" PRIu64
		" hogs %" PRIu64 " blocked %" PRIu64 " woken %" PRIu64 " mayday %" PRIu64
		" rescued %" PRIu64 "\n",
		s->name, s->flags, s->max_active, s->in_flight, s->active, s->delayed, s->started,
		s->completed, s->cpu_ns / 1000, s->cpu_hogs, s->blocked, s->woken, s->mayday,
		s->rescued);
	return 0;
}

static int
dump_pool(const struct wq_stats_pool *s, void *out)
{
	fprintf(out,
		"pool %u %s cpu %d pod %d%s%s running %d workers %u idle %u waiting %u "
		"started %" PRIu64 " created %" PRIu64 " failed %" PRIu64 " reaped %" PRIu64
		" stalls %" PRIu64 "\n",
		s->id, s->scope, s->cpu, s->pod, s->highpri ? " highpri" : "",
		s->associated ? "" : " disassociated", s->running, s->workers, s->idle, s->waiting,
		s->started, s->created, s->create_failed, s->reaped, s->stalls);
	return 0;
}

static int
dump_worker(const struct wq_stats_worker *s, void *out)
{
	fprintf(out, "worker %-15s pool %u tid %d %-13s works %" PRIu64 " %s %#" PRIxPTR "\n",
		s->name, s->pool_id, s->tid, wq_stats_state_name(s->state), s->works, s->wq,
		s->func);
	return 0;
}

void
wq_stats_dump(FILE *out)
{
	wq_stats_visit_wqs(dump_wq, out);
	wq_stats_visit_pools(dump_pool, out);
	wq_stats_visit_workers(dump_worker, out);
}
