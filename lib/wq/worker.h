/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_WORKER_H
#define WQ_WORKER_H

#include "types.h"

/**
 * Create a worker, start its thread and enter it in the idle list of its pool.
 *
 * Context: slow path, without P.
 * @return 0; -ENOMEM; -EAGAIN when the pool has WQ_MAX_WORKERS; -errno of wq_thread_start().
 */
int wq_worker_create(struct wq_pool *pool);

/** Stands for the monitor in wq_worker_manage(). */
#define WQ_WORKER_MONITOR ((struct wq_worker *)-1)

/**
 * Create a worker as the manager of a pool: one at a time, and not within
 * wq_config::create_cooldown_ms after a failure. Logs failures.
 *
 * Context: P is held, and released meanwhile.
 * @param manager the calling worker, or WQ_WORKER_MONITOR.
 * @return true if creation was tried: P was released, so the caller looks at the pool again; false
 *   if another thread manages the pool, or the last failure is too recent.
 */
bool wq_worker_manage(struct wq_pool *pool, struct wq_worker *manager);

#endif
