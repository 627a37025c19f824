/* SPDX-License-Identifier: BSD-3-Clause */

/* Workqueues: allocating and destroying them, and routing the works of a CPU to a pwq. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "global.h"
#include "link.h"
#include "pool.h"
#include "pwq.h"
#include "queue.h"
#include "rescuer.h"
#include "timer.h"
#include "worker.h"
#include "workqueue.h"

#define KNOWN_FLAGS                                                                                \
	(WQ_UNBOUND | WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_ORDERED | \
		WQ_AFFN_MASK)
#define AFFN_SHIFT 8

static int
scope_of(unsigned flags)
{
	unsigned affn = flags & WQ_AFFN_MASK;

	if (affn == 0)
		affn = flags & WQ_ORDERED ? WQ_AFFN_SYSTEM : WQ_AFFN_CACHE;
	return (int)(affn >> AFFN_SHIFT) - 1;
}

static int
effective_max(const struct workqueue *wq)
{
	return (wq->flags & WQ_FREEZABLE) && wq_global.frozen ? 0 : wq->max_active;
}

static int
add_pwq(struct workqueue *wq, struct wq_pool *pool)
{
	struct wq_pwq *pwq = aligned_alloc(WQ_LINE, sizeof(*pwq));

	if (pwq == NULL)
		return -ENOMEM;
	*pwq = (struct wq_pwq){
		.pool = pool,
		.pool_id = pool->id,
		.wq = wq,
		.max_active = effective_max(wq),
		.flush_colour = WQ_NO_COLOUR,
	};
	wq_link_init(&pwq->inactive);
	wq_link_init(&pwq->mayday);
	wq_link_append(&pwq->node, &wq->pwqs);
	wq->nb_pwqs++;
	return 0;
}

/* Finds or creates the unbound pool of a pod. G is held. */
static int
unbound_pool(int scope, int pod, bool highpri, struct wq_pool **out)
{
	for (uint32_t id = 1; id <= wq_global.nb_pools; id++) {
		struct wq_pool *pool = wq_global.pools[id];

		if (pool->cpu < 0 && pool->scope == scope && pool->pod == pod &&
			pool->highpri == highpri) {
			*out = pool;
			return 0;
		}
	}
	return wq_pool_create(-1, scope, pod, highpri, out);
}

/* Picks the CPU for the next ordered workqueue. G is held. */
static int
pick_ordered_cpu(void)
{
	unsigned skip = wq_global.next_ordered++ % (unsigned)CPU_COUNT(&wq_global.cpus);

	for (int c = 0;; c++) {
		if (CPU_ISSET(c, &wq_global.cpus) && skip-- == 0)
			return c;
	}
}

/* Adds a pwq for each pool that the workqueue uses. G is held. */
static int
add_pwqs(struct workqueue *wq)
{
	bool hi = wq->flags & WQ_HIGHPRI;
	int scope = scope_of(wq->flags), rc = 0;

	if (!(wq->flags & WQ_UNBOUND)) {
		if (wq->flags & WQ_ORDERED)
			return add_pwq(wq, wq_global.cpu_pools[2 * pick_ordered_cpu() + hi]);
		for (int c = 0; rc == 0 && c < wq_global.topo.nb_cpus; c++)
			rc = add_pwq(wq, wq_global.cpu_pools[2 * c + hi]);
		return rc;
	}
	for (int pod = 0; rc == 0 && pod < wq_global.topo.nb_pods[scope]; pod++) {
		struct wq_pool *pool;

		rc = unbound_pool(scope, pod, hi, &pool);
		if (rc == 0)
			rc = add_pwq(wq, pool);
		/* A single pwq keeps the order. */
		if (wq->flags & WQ_ORDERED)
			break;
	}
	return rc;
}

/* Finds the pwq for works that are queued on @cpu. G is held. */
static struct wq_pwq *
pwq_for(struct workqueue *wq, int cpu)
{
	int home = wq_global.home[cpu], scope = scope_of(wq->flags);
	struct wq_link *l;

	wq_link_foreach(l, &wq->pwqs)
	{
		struct wq_pwq *pwq = wq_container_of(l, struct wq_pwq, node);

		if ((wq->flags & WQ_ORDERED) || pwq->pool->cpu == home ||
			(pwq->pool->cpu < 0 &&
				pwq->pool->pod == wq_global.topo.pod_of[scope][home]))
			return pwq;
	}
	return NULL;
}

void
wq_workqueue_reroute(struct workqueue *wq)
{
	/* Release: pairs with wq_queue_route(). */
	for (int c = 0; c < wq_global.topo.nb_cpus; c++)
		__atomic_store_n(&wq->route[c], pwq_for(wq, c), __ATOMIC_RELEASE);
}

/* Creates a worker in each pool of the workqueue that has none. */
static int
populate(struct workqueue *wq)
{
	for (int c = 0; c < wq_global.topo.nb_cpus; c++) {
		struct wq_pool *pool = wq_queue_route(wq, c)->pool;
		bool empty;
		int rc;

		wq_lock(&pool->lock);
		empty = pool->nb_workers == 0;
		wq_unlock(&pool->lock);
		rc = empty ? wq_worker_create(pool) : 0;
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
free_wq(struct workqueue *wq)
{
	while (!wq_link_empty(&wq->pwqs)) {
		struct wq_pwq *pwq = wq_container_of(wq->pwqs.next, struct wq_pwq, node);

		wq_link_del(&pwq->node);
		free(pwq);
	}
	pthread_mutex_destroy(&wq->mutex);
	free(wq->route);
	free(wq);
}

static int
make_wq(const char *name, unsigned flags, int max_active, struct workqueue **out)
{
	struct workqueue *wq = aligned_alloc(WQ_LINE, sizeof(*wq));

	if (wq == NULL)
		return -ENOMEM;
	*wq = (struct workqueue){.flags = flags, .max_active = max_active};
	wq->route = calloc((size_t)wq_global.topo.nb_cpus, sizeof(struct wq_pwq *));
	if (wq->route == NULL) {
		free(wq);
		return -ENOMEM;
	}
	pthread_mutex_init(&wq->mutex, NULL);
	wq_link_init(&wq->node);
	wq_link_init(&wq->pwqs);
	wq_link_init(&wq->flushers);
	wq_link_init(&wq->overflow);
	wq_link_init(&wq->maydays);
	snprintf(wq->name, sizeof(wq->name), "%s", name);
	*out = wq;
	return 0;
}

/* Adds the pwqs of a new workqueue and enters it in the list of workqueues. */
static int
publish(struct workqueue *wq)
{
	int rc;

	pthread_mutex_lock(&wq_global.mutex);
	rc = add_pwqs(wq);
	if (rc == 0) {
		wq_workqueue_reroute(wq);
		wq_link_append(&wq->node, &wq_global.workqueues);
		/* The CPU set may have changed since the thread was started. */
		if (wq->rescuer != NULL)
			pthread_setaffinity_np(
				wq->rescuer->thread, sizeof(wq_global.cpus), &wq_global.cpus);
	}
	pthread_mutex_unlock(&wq_global.mutex);
	return rc;
}

int
wq_workqueue_create(
	const char *name, unsigned flags, int max_active, bool eager, struct workqueue **out)
{
	struct workqueue *wq;
	int rc;

	rc = make_wq(name, flags, max_active == 0 ? WQ_DFL_ACTIVE : max_active, &wq);
	if (rc != 0)
		return rc;
	if (flags & WQ_ORDERED)
		wq->max_active = 1;
	/* Before other threads can find the workqueue, as they read wq->rescuer freely. */
	if (flags & WQ_MEM_RECLAIM)
		rc = wq_rescuer_create(wq);
	if (rc != 0) {
		free_wq(wq);
		return rc;
	}
	rc = publish(wq);
	if (rc != 0) {
		wq_rescuer_destroy(wq);
		free_wq(wq);
		return rc;
	}
	rc = eager ? populate(wq) : 0;
	if (rc != 0) {
		wq_destroy(wq);
		return rc;
	}
	*out = wq;
	return 0;
}

int
wq_alloc(const char *name, unsigned flags, int max_active, struct workqueue **out)
{
	if ((flags & ~(unsigned)KNOWN_FLAGS) != 0 || (flags & WQ_AFFN_MASK) > WQ_AFFN_SYSTEM ||
		((flags & WQ_AFFN_MASK) != 0 && !(flags & WQ_UNBOUND)) || max_active < 0 ||
		max_active > WQ_MAX_ACTIVE)
		return -EINVAL;
	if (!__atomic_load_n(&wq_global.started, __ATOMIC_ACQUIRE))
		return -ENODEV;
	return wq_workqueue_create(name, flags, max_active, true, out);
}

int
wq_alloc_ordered(const char *name, unsigned flags, struct workqueue **out)
{
	return wq_alloc(name, flags | WQ_ORDERED, 1, out);
}

void
wq_destroy(struct workqueue *wq)
{
	if (wq == NULL)
		return;
	wq_drain(wq);
	/* A bug of the caller: the timer would queue to freed memory later. */
	WQ_ASSERT(wq_timer_nb_delayed(wq) == 0);
	pthread_mutex_lock(&wq_global.mutex);
	wq_link_del(&wq->node);
	pthread_mutex_unlock(&wq_global.mutex);
	wq_rescuer_destroy(wq);
	free_wq(wq);
}

void
wq_workqueue_apply_max_active(struct workqueue *wq)
{
	struct wq_link *l;

	wq_link_foreach(l, &wq->pwqs)
		wq_pwq_set_max_active(wq_container_of(l, struct wq_pwq, node), effective_max(wq));
}

int
wq_set_max_active(struct workqueue *wq, int max_active)
{
	if (max_active < 0 || max_active > WQ_MAX_ACTIVE || (wq->flags & WQ_ORDERED))
		return -EINVAL;
	pthread_mutex_lock(&wq_global.mutex);
	pthread_mutex_lock(&wq->mutex);
	wq->max_active = max_active == 0 ? WQ_DFL_ACTIVE : max_active;
	wq_workqueue_apply_max_active(wq);
	pthread_mutex_unlock(&wq->mutex);
	pthread_mutex_unlock(&wq_global.mutex);
	return 0;
}

const char *
wq_name(const struct workqueue *wq)
{
	return wq->name;
}

struct workqueue *
wq_system(enum wq_system_id id)
{
	return wq_global.system[id];
}
