/* SPDX-License-Identifier: BSD-3-Clause */

/* The CPU set, and its changes while everything runs. */

#include <errno.h>

#include "wq_internal.h"

/* Where the workers of a pool may run: its own CPUs, or the whole set when none is left. */
void
wq_cpus_pool_mask(const struct wq_pool *pool, const cpu_set_t *set, cpu_set_t *out)
{
	cpu_set_t own;

	if (pool->cpu >= 0) {
		CPU_ZERO(&own);
		CPU_SET(pool->cpu, &own);
	} else {
		wq_topology_pod_cpus(&wq_g.topo, pool->scope, pool->pod, &own);
	}
	CPU_AND(out, &own, set);
	if (CPU_COUNT(out) == 0)
		*out = *set;
}

/*
 * Workers of a CPU that leaves are not counted as running any more: the pool then works as an
 * unbound one, and finishes what it has whatever its workers do. P is held.
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
			wq_worker_clear_flags(w, WQ_W_UNBOUND);
		else
			wq_worker_set_flags(w, WQ_W_UNBOUND);
	}
}

static void
adapt_pool(struct wq_pool *pool, const cpu_set_t *set)
{
	struct wq_link *l;
	cpu_set_t cpus;

	wq_cpus_pool_mask(pool, set, &cpus);
	wq_lock(&pool->lock);
	if (pool->cpu >= 0)
		set_managed(pool, CPU_ISSET(pool->cpu, set));
	pool->cpus = cpus;
	pool->cpus_gen++;
	/* Dying workers have left the list: every thread here can still be named. */
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

	for (int c = wq_g.topo.nb_cpus; c < WQ_MAX_CPUS; c++)
		CPU_CLR(c, &set);
	if (CPU_COUNT(&set) == 0)
		return -EINVAL;
	pthread_mutex_lock(&wq_g.mutex);
	wq_g.cpus = set;
	for (int c = 0; c < wq_g.topo.nb_cpus; c++)
		wq_g.home[c] = wq_topology_nearest(&wq_g.topo, c, &set);
	/* Pools that come back are ready before works are sent there. */
	for (uint32_t id = 1; id <= wq_g.nb_pools; id++)
		adapt_pool(wq_g.pools[id], &set);
	wq_link_foreach(l, &wq_g.workqueues)
	{
		struct workqueue *wq = wq_container_of(l, struct workqueue, node);

		wq_workqueue_reroute(wq);
		if (wq->rescuer != NULL)
			pthread_setaffinity_np(wq->rescuer->thread, sizeof(set), &set);
	}
	pthread_setaffinity_np(wq_g.monitor.thread, sizeof(set), &set);
	pthread_setaffinity_np(wq_g.timer.thread, sizeof(set), &set);
	pthread_mutex_unlock(&wq_g.mutex);
	return 0;
}

void
wq_get_cpus(cpu_set_t *out)
{
	pthread_mutex_lock(&wq_g.mutex);
	*out = wq_g.cpus;
	pthread_mutex_unlock(&wq_g.mutex);
}
