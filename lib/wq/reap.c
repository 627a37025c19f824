/* SPDX-License-Identifier: BSD-3-Clause */

/* Reaping spare workers: the monitor does it, so that no other thread waits for a join. */

#include "global.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "reap.h"

uint64_t
wq_reap_pool(struct wq_pool *pool, uint64_t now)
{
	uint64_t timeout = wq_global.cfg.idle_timeout_ms * WQ_NS_PER_MS, next = WQ_FOREVER;

	wq_lock(&pool->lock);
	while (wq_pool_too_many(pool) > 0) {
		/* The one that has been idle for the longest time. */
		struct wq_worker *w = wq_container_of(pool->idle.prev, struct wq_worker, entry);

		if (now < w->idle_since_ns + timeout) {
			next = w->idle_since_ns + timeout;
			break;
		}
		wq_pool_leave_idle(w);
		w->flags |= WQ_W_DIE;
		pool->nb_workers--;
		pool->nb_reaped++;
		wq_link_del(&w->node);
		wq_link_append(&w->node, &pool->dying);
		/* This also tells producers another sleeper than this worker. */
		wq_pool_unlock(pool);
		wq_waker_wake(&w->waker);
		pthread_join(w->thread, NULL);
		wq_lock(&pool->lock);
		wq_pool_cast_off(w);
	}
	wq_pool_unlock(pool);
	return next;
}
