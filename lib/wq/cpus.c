/* SPDX-License-Identifier: BSD-3-Clause */

/* Changing the CPU set while the library runs. */

#include <errno.h>

#include "global.h"
#include "link.h"
#include "pool.h"
#include "workqueue.h"

/*
 * Switches the concurrency management of a pool off when its CPU leaves the set, and on when the
 * CPU comes back. Without it the pool's workers do not count as running, as in an unbound pool, so
 * that the pool executes its works whether its workers block or not. P is held.
 */
static void
set_managed(struct wq_pool *pool, bool managed)
{
	struct wq_link *l;

	if (managed == !(pool->flags & WQ_P_DISASSOCIATED))
		return;
	pool->flags ^= WQ_P_DISASSOCIATED;
	wq_link_foreach(l, &pool->workers)
	{
		struct wq_worker *w = wq_container_of(l, struct wq_worker, node);

		if (managed)
			wq_pool_clear_worker_flags(w, WQ_W_UNBOUND);
		else
			wq_pool_set_worker_flags(w, WQ_W_UNBOUND);
	}
}

static void
adapt_pool(struct wq_pool *pool, const cpu_set_t *set)
{
	struct wq_link *l;
	cpu_set_t cpus;

	wq_pool_mask(pool, set, &cpus);
	wq_lock(&pool->lock);
	if (pool->cpu >= 0)
		set_managed(pool, CPU_ISSET(pool->cpu, set));
	pool->cpus = cpus;
	pool->cpus_gen++;
	/* Dying workers have left the list, so the thread of each worker here exists. */
	wq_link_foreach(l, &pool->workers)
	{
		struct wq_worker *w = wq_container_of(l, struct wq_worker, node);

		pthread_setaffinity_np(w->thread, sizeof(cpus), &cpus);
	}
	wq_pool_unlock(pool);
}

int
wq_set_cpus(const cpu_set_t *cpus)
{
	cpu_set_t set = *cpus;
	struct wq_link *l;

	for (int c = wq_global.topo.nb_cpus; c < WQ_MAX_CPUS; c++)
		CPU_CLR(c, &set);
	if (CPU_COUNT(&set) == 0)
		return -EINVAL;
	pthread_mutex_lock(&wq_global.mutex);
	wq_global.cpus = set;
	for (int c = 0; c < wq_global.topo.nb_cpus; c++)
		wq_global.home[c] = wq_topology_nearest(&wq_global.topo, c, &set);
	/* Adapt the pools before works are routed to those whose CPU comes back. */
	for (uint32_t id = 1; id <= wq_global.nb_pools; id++)
		adapt_pool(wq_global.pools[id], &set);
	wq_link_foreach(l, &wq_global.workqueues)
	{
		struct workqueue *wq = wq_container_of(l, struct workqueue, node);

		wq_workqueue_reroute(wq);
		if (wq->rescuer != NULL)
			pthread_setaffinity_np(wq->rescuer->thread, sizeof(set), &set);
	}
	pthread_setaffinity_np(wq_global.monitor.thread, sizeof(set), &set);
	pthread_setaffinity_np(wq_global.timer.thread, sizeof(set), &set);
	pthread_mutex_unlock(&wq_global.mutex);
	return 0;
}

void
wq_get_cpus(cpu_set_t *out)
{
	wq_global_get_cpus(out);
}
