/* SPDX-License-Identifier: BSD-3-Clause */

/* The manager of a pool: the worker that makes the next one before it starts to work itself. */

#include <string.h>

#include "wq_internal.h"

/*
 * Called by a worker that would leave no idle one behind. P is held. true: P was dropped, look
 * again; false: somebody else manages, or creation cools down, and the worker works without a
 * spare. The monitor goes on trying then, and calls rescuers.
 */
bool
wq_manager_run(struct wq_worker *w)
{
	struct wq_pool *pool = w->pool;
	int rc;

	if (pool->manager != NULL)
		return false;
	if (wq_unlikely(pool->create_after_ns != 0) && wq_os_now_ns() < pool->create_after_ns)
		return false;
	pool->manager = w;
	wq_pool_unlock(pool);
	rc = wq_worker_create(pool);
	if (rc != 0)
		wq_log(WQ_LOG_WARNING, "pool %u: cannot create a worker: %s", pool->id,
			strerror(-rc));
	wq_lock(&pool->lock);
	pool->manager = NULL;
	pool->create_after_ns =
		rc == 0 ? 0 : wq_os_now_ns() + wq_g.cfg.create_cooldown_ms * WQ_NS_PER_MS;
	return true;
}
