/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "global.h"
#include "link.h"
#include "os.h"
#include "pool.h"

void
wq_pool_mask(const struct wq_pool *pool, const cpu_set_t *set, cpu_set_t *out)
{
	cpu_set_t own;

	if (pool->cpu >= 0) {
		CPU_ZERO(&own);
		CPU_SET(pool->cpu, &own);
	} else {
		wq_topology_pod_cpus(&wq_global.topo, pool->scope, pool->pod, &own);
	}
	CPU_AND(out, &own, set);
	if (CPU_COUNT(out) == 0)
		*out = *set;
}

int
wq_pool_create(int cpu, int scope, int pod, bool highpri, struct wq_pool **out)
{
	uint32_t id = __atomic_load_n(&wq_global.nb_pools, __ATOMIC_RELAXED) + 1;
	struct wq_pool *pool;

	if (id >= WQ_MAX_POOLS)
		return -ENOSPC;
	pool = aligned_alloc(WQ_LINE, sizeof(*pool));
	if (pool == NULL)
		return -ENOMEM;
	*pool = (struct wq_pool){
		.id = id,
		.cpu = cpu,
		.scope = scope,
		.pod = pod,
		.progress_ns = wq_os_now_ns(),
		.highpri = highpri,
		.flags = cpu < 0 ? WQ_P_UNBOUND : 0,
	};
	wq_inbox_init(&pool->inbox);
	wq_link_init(&pool->worklist);
	wq_link_init(&pool->idle);
	wq_link_init(&pool->workers);
	wq_link_init(&pool->dying);
	wq_link_init(&pool->cast_off);
	for (unsigned i = 0; i < WQ_BUSY_SLOTS; i++)
		wq_link_init(&pool->busy[i]);
	if (cpu >= 0 && !CPU_ISSET(cpu, &wq_global.cpus))
		pool->flags |= WQ_P_DISASSOCIATED;
	wq_pool_mask(pool, &wq_global.cpus, &pool->cpus);
	/* The first producer wakes the monitor, and the monitor creates the first worker. */
	pool->inbox.sleeper = &wq_global.monitor.waker;
	pool->armed = true;
	/* Release: pairs with wq_pool_by_id() and with the monitor's walk. */
	__atomic_store_n(&wq_global.pools[id], pool, __ATOMIC_RELEASE);
	__atomic_store_n(&wq_global.nb_pools, id, __ATOMIC_RELEASE);
	*out = pool;
	return 0;
}

static void
free_workers(struct wq_link *list)
{
	while (!wq_link_empty(list)) {
		struct wq_worker *w = wq_container_of(list->next, struct wq_worker, node);

		wq_link_del(&w->node);
		free(w);
	}
}

/* Stops the present workers and moves them to @stopped. false: there are none. */
static bool
stop_workers(struct wq_pool *pool, struct wq_link *stopped)
{
	struct wq_link round, *l;

	wq_link_init(&round);
	wq_lock(&pool->lock);
	wq_link_splice_tail(&pool->workers, &round);
	wq_link_foreach(l, &round) wq_container_of(l, struct wq_worker, node)->flags |= WQ_W_DIE;
	wq_link_splice_tail(&pool->dying, &round);
	wq_unlock(&pool->lock);
	if (wq_link_empty(&round))
		return false;
	wq_link_foreach(l, &round)
	{
		struct wq_worker *w = wq_container_of(l, struct wq_worker, node);

		wq_waker_wake(&w->waker);
		pthread_join(w->thread, NULL);
	}
	wq_link_splice_tail(&round, stopped);
	return true;
}

void
wq_pool_destroy(struct wq_pool *pool)
{
	struct wq_link stopped;

	wq_link_init(&stopped);
	wq_lock(&pool->lock);
	__atomic_store_n(&pool->inbox.sleeper, NULL, __ATOMIC_RELAXED);
	wq_unlock(&pool->lock);
	/* A manager may still enter a new worker before it sees WQ_W_DIE: so repeat. */
	while (stop_workers(pool, &stopped))
		;
	free_workers(&stopped);
	free_workers(&pool->cast_off);
	__atomic_store_n(&wq_global.pools[pool->id], NULL, __ATOMIC_RELEASE);
	free(pool);
}

struct wq_pool *
wq_pool_by_id(uint32_t id)
{
	return __atomic_load_n(&wq_global.pools[id], __ATOMIC_ACQUIRE);
}

bool
wq_pool_work_waits(const struct wq_pool *pool)
{
	return !wq_link_empty(&pool->worklist) || !wq_inbox_empty(&pool->inbox);
}

bool
wq_pool_need_more(const struct wq_pool *pool)
{
	return pool->nb_running == 0 && wq_pool_work_waits(pool);
}

/* Wakes the worker that became idle last: its stack is most likely in the cache. P is held. */
static void
wake_idle(struct wq_pool *pool)
{
	struct wq_worker *w;

	if (wq_link_empty(&pool->idle)) {
		/* A manager is creating a worker; without one the monitor has to create it. */
		if (pool->manager == NULL)
			wq_waker_wake(&wq_global.monitor.waker);
		return;
	}
	w = wq_container_of(pool->idle.next, struct wq_worker, entry);
	if (pool->to_wake == NULL)
		pool->to_wake = w;
	else if (pool->to_wake != w)
		wq_waker_wake(&w->waker);
}

/*
 * Keeps every work from being forgotten. While no worker runs, either a worker is woken for the
 * works that wait, or inbox.sleeper tells producers the thread to wake. Must run before P is
 * released after any change of nb_running, the idle list, or the waiting works. P is held.
 */
static void
settle(struct wq_pool *pool)
{
	struct wq_inbox *in = &pool->inbox;
	struct wq_waker *waker;

	if (wq_likely(pool->nb_running > 0)) {
		/*
		 * A late producer may still take the old value and wake a worker in vain. Write the
		 * producers' cache line only if it has to change.
		 */
		if (wq_unlikely(pool->armed)) {
			pool->armed = false;
			__atomic_store_n(&in->sleeper, NULL, __ATOMIC_RELAXED);
		}
		return;
	}
	if (wq_pool_work_waits(pool)) {
		wake_idle(pool);
		return;
	}
	waker = wq_link_empty(&pool->idle)
		? &wq_global.monitor.waker
		: &wq_container_of(pool->idle.next, struct wq_worker, entry)->waker;
	/*
	 * Sequentially consistent store, then load of the tail: pairs with wq_queue_push(). If the
	 * value is stored already, every producer sees it, except those that come after the one
	 * that takes it.
	 */
	pool->armed = true;
	if (__atomic_load_n(&in->sleeper, __ATOMIC_RELAXED) != waker)
		__atomic_store_n(&in->sleeper, waker, __ATOMIC_SEQ_CST);
	if (wq_unlikely(!wq_inbox_empty(in))) {
		__atomic_store_n(&in->sleeper, NULL, __ATOMIC_RELAXED);
		wake_idle(pool);
	}
}

void
wq_pool_unlock(struct wq_pool *pool)
{
	struct wq_worker *w;

	settle(pool);
	w = pool->to_wake;
	pool->to_wake = NULL;
	wq_unlock(&pool->lock);
	/* The memory of workers lives as long as the pool: at worst this wakes one in vain. */
	if (wq_unlikely(w != NULL))
		wq_waker_wake(&w->waker);
}

struct wq_link *
wq_pool_busy_slot(struct wq_pool *pool, const struct wq_work *work)
{
	uint64_t h = (uint64_t)(uintptr_t)work * UINT64_C(0x9e3779b97f4a7c15);

	return &pool->busy[h >> 58];
}

struct wq_worker *
wq_pool_find_executing(struct wq_pool *pool, const struct wq_work *work)
{
	struct wq_link *slot = wq_pool_busy_slot(pool, work), *l;

	wq_link_foreach(l, slot)
	{
		struct wq_worker *w = wq_container_of(l, struct wq_worker, entry);

		/* The memory may have been freed and reused: then the function differs. */
		if (w->current_work == work && w->current_func == work->func)
			return w;
	}
	return NULL;
}

unsigned
wq_pool_too_many(const struct wq_pool *pool)
{
	unsigned busy = pool->nb_workers - pool->nb_idle;
	unsigned keep = 2 + busy / 4;

	return pool->nb_idle > keep ? pool->nb_idle - keep : 0;
}

/*
 * Wakes the monitor, because a worker runs or a spare worker is to be reaped later. Only one load
 * while the monitor is awake. The caller changes the pool before, under P. Pairs with disarm() in
 * monitor.c, which looks at the pool under P after it has announced its sleep.
 */
static void
arm_monitor(void)
{
	if (wq_unlikely(__atomic_load_n(&wq_global.monitor.ticking, __ATOMIC_SEQ_CST) == 0) &&
		__atomic_exchange_n(&wq_global.monitor.ticking, 1, __ATOMIC_SEQ_CST) == 0)
		wq_waker_wake(&wq_global.monitor.waker);
}

void
wq_pool_set_worker_flags(struct wq_worker *w, uint32_t flags)
{
	if (!(w->flags & WQ_W_NOT_RUNNING) && (flags & WQ_W_NOT_RUNNING))
		w->pool->nb_running--;
	w->flags |= flags;
}

void
wq_pool_clear_worker_flags(struct wq_worker *w, uint32_t flags)
{
	uint32_t old = w->flags;

	w->flags &= ~flags;
	if ((old & WQ_W_NOT_RUNNING) && !(w->flags & WQ_W_NOT_RUNNING)) {
		w->pool->nb_running++;
		/* From now on the work may block unannounced. */
		arm_monitor();
	}
}

void
wq_pool_enter_idle(struct wq_worker *w)
{
	struct wq_pool *pool = w->pool;

	w->flags |= WQ_W_IDLE;
	w->idle_since_ns = wq_os_now_ns();
	pool->nb_idle++;
	wq_link_push(&w->entry, &pool->idle);
	/* The first worker to be reaped: the monitor may sleep without a limit. */
	if (wq_unlikely(wq_pool_too_many(pool) == 1))
		arm_monitor();
}

void
wq_pool_leave_idle(struct wq_worker *w)
{
	w->flags &= ~(uint32_t)WQ_W_IDLE;
	w->pool->nb_idle--;
	wq_link_del(&w->entry);
}

void
wq_pool_cast_off(struct wq_worker *w)
{
	struct wq_pool *pool = w->pool;

	pool->ids[w->id / 64] &= ~(UINT64_C(1) << w->id % 64);
	wq_link_del(&w->node);
	wq_link_push(&w->node, &pool->cast_off);
}
