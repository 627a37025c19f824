/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rescuers: one thread per workqueue with WQ_MEM_RECLAIM, created with it. It joins a pool whose
 * own workers are all stuck and executes the works of its workqueue there.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "current.h"
#include "execute.h"
#include "global.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "pwq.h"
#include "rescuer.h"
#include "thread.h"

void
wq_rescuer_mayday(struct wq_pool *pool)
{
	struct wq_link *l;

	wq_pwq_drain_marked(pool);
	wq_link_foreach(l, &pool->worklist)
	{
		struct wq_pwq *pwq = wq_container_of(l, struct wq_work, entry)->pwq;
		struct workqueue *wq = pwq->wq;
		bool called = false;

		if (wq->rescuer == NULL)
			continue;
		wq_lock(&wq->mayday_lock);
		if (wq_link_empty(&pwq->mayday)) {
			wq_link_append(&pwq->mayday, &wq->maydays);
			called = true;
		}
		wq_unlock(&wq->mayday_lock);
		if (called) {
			pwq->stats.mayday++;
			wq_waker_wake(&wq->rescuer->waker);
		}
	}
}

void
wq_rescuer_snapshot(struct wq_worker *w,
	void (*snap)(const struct wq_worker *w, struct wq_stats_worker *s),
	struct wq_stats_worker *s)
{
	for (;;) {
		struct wq_pool *pool = __atomic_load_n(&w->pool, __ATOMIC_ACQUIRE), *now;

		/* No call so far: nothing of it changes, so the lock of any pool will do. */
		if (pool == NULL)
			pool = wq_pool_by_id(1);
		wq_lock(&pool->lock);
		now = __atomic_load_n(&w->pool, __ATOMIC_ACQUIRE);
		if (now == NULL || now == pool) {
			snap(w, s);
			wq_pool_unlock(pool);
			return;
		}
		wq_pool_unlock(pool);
	}
}

static struct wq_pwq *
next_mayday(struct workqueue *wq)
{
	struct wq_pwq *pwq = NULL;

	wq_lock(&wq->mayday_lock);
	if (!wq_link_empty(&wq->maydays)) {
		pwq = wq_container_of(wq->maydays.next, struct wq_pwq, mayday);
		wq_link_del(&pwq->mayday);
	}
	wq_unlock(&wq->mayday_lock);
	return pwq;
}

/* Schedules all works of a pwq in the worklist on the rescuer. P is held. */
static void
take_works(struct wq_worker *w, struct wq_pwq *pwq)
{
	struct wq_link *l = pwq->pool->worklist.next;

	while (l != &pwq->pool->worklist) {
		struct wq_work *work = wq_container_of(l, struct wq_work, entry);

		if (work->pwq != pwq) {
			l = l->next;
			continue;
		}
		/* The works linked behind it move, too: find the next one first. */
		while (wq_container_of(l, struct wq_work, entry)->flags & WQ_F_LINKED)
			l = l->next;
		l = l->next;
		(void)wq_execute_assign(w, work);
	}
}

/* Joins the pool of a pwq and executes the works of the pwq there. */
static void
rescue(struct wq_worker *w, struct wq_pwq *pwq)
{
	struct wq_pool *pool = pwq->pool;
	cpu_set_t cpus;

	wq_lock(&pool->lock);
	cpus = pool->cpus;
	wq_unlock(&pool->lock);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	if (w->pool != pool) {
		/*
		 * Only this thread writes w->pool, under the lock of the old pool. So a reader that
		 * finds w->pool unchanged under that lock has the right one.
		 */
		struct wq_pool *old = w->pool != NULL ? w->pool : wq_pool_by_id(1);

		wq_lock(&old->lock);
		__atomic_store_n(&w->pool, pool, __ATOMIC_RELEASE);
		wq_unlock(&old->lock);
	}

	wq_lock(&pool->lock);
	do {
		take_works(w, pwq);
		wq_execute_scheduled(w);
		/* The pool may still be stuck: execute the works that came meanwhile, too. */
		wq_pwq_drain_marked(pool);
		take_works(w, pwq);
	} while (!wq_link_empty(&w->scheduled));
	wq_pool_unlock(pool);
}

static void *
rescuer_main(void *arg)
{
	struct wq_worker *w = arg;
	struct workqueue *wq = w->rescues;
	bool stop = false;

	wq_current = w;
	pthread_setname_np(pthread_self(), w->name);
	__atomic_store_n(&w->tid, wq_os_gettid(), __ATOMIC_RELEASE);
	while (!stop) {
		struct wq_pwq *pwq;

		wq_waker_sleep(&w->waker, WQ_FOREVER);
		stop = __atomic_load_n(&wq->rescuer_stop, __ATOMIC_ACQUIRE);
		while ((pwq = next_mayday(wq)) != NULL)
			rescue(w, pwq);
	}
	return NULL;
}

int
wq_rescuer_create(struct workqueue *wq)
{
	struct wq_worker *w = aligned_alloc(WQ_LINE, sizeof(*w));
	cpu_set_t cpus;
	int rc;

	if (w == NULL)
		return -ENOMEM;
	*w = (struct wq_worker){
		.flags = WQ_W_PREP | WQ_W_RESCUER,
		.rescues = wq,
	};
	wq_link_init(&w->entry);
	wq_link_init(&w->node);
	wq_link_init(&w->scheduled);
	snprintf(w->name, sizeof(w->name), "wq/r:%.10s", wq->name);
	wq_global_get_cpus(&cpus);
	rc = wq_thread_start(&w->thread, &cpus, rescuer_main, w);
	if (rc != 0) {
		free(w);
		return rc;
	}
	wq->rescuer = w;
	return 0;
}

void
wq_rescuer_destroy(struct workqueue *wq)
{
	struct wq_worker *w = wq->rescuer;

	if (w == NULL)
		return;
	__atomic_store_n(&wq->rescuer_stop, true, __ATOMIC_RELEASE);
	wq_waker_wake(&w->waker);
	pthread_join(w->thread, NULL);
	wq->rescuer = NULL;
	free(w);
}
