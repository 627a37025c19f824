/* SPDX-License-Identifier: BSD-3-Clause */

/* Letting spare workers go. The monitor does it, so that nobody else waits for a thread to end. */

#include "global.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "reap.h"

/* Takes the worker that is idle longest out, if it is over its time. P is held. */
static struct wq_worker *
pick(struct wq_pool *pool, uint64_t now, uint64_t *next)
{
	uint64_t timeout = wq_global.cfg.idle_timeout_ms * WQ_NS_PER_MS;
	struct wq_worker *w;

	if (wq_pool_too_many(pool) == 0)
		return NULL;
	w = wq_container_of(pool->idle.prev, struct wq_worker, entry);
	if (now < w->idle_since_ns + timeout) {
		*next = w->idle_since_ns + timeout;
		return NULL;
	}
	wq_pool_leave_idle(w);
	w->flags |= WQ_W_DIE;
	pool->nb_workers--;
	pool->nb_reaped++;
	wq_link_del(&w->node);
	wq_link_append(&w->node, &pool->dying);
	return w;
}

uint64_t
wq_reap_pool(struct wq_pool *pool, uint64_t now)
{
	uint64_t next = WQ_FOREVER;
	struct wq_worker *w;

	wq_lock(&pool->lock);
	while ((w = pick(pool, now, &next)) != NULL) {
		/* Settles: producers are told of another sleeper than this one. */
		wq_pool_unlock(pool);
		wq_waker_wake(&w->waker);
		pthread_join(w->thread, NULL);
		wq_lock(&pool->lock);
		pool->ids[w->id / 64] &= ~(UINT64_C(1) << w->id % 64);
		wq_link_del(&w->node);
		wq_link_push(&w->node, &pool->cast_off);
	}
	wq_pool_unlock(pool);
	return next;
}
