/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_POOL_H
#define WQ_POOL_H

#include "types.h"

/**
 * Create a pool without workers and enter it in wq_global.pools.
 *
 * Context: slow path; G is held, or wq_init() runs.
 * @param cpu its CPU; -1 for an unbound pool.
 * @param scope,pod of an unbound pool, else -1.
 * @param out receives the pool; it lives until wq_pool_destroy().
 * @return 0; -ENOSPC when there are WQ_MAX_POOLS; -ENOMEM.
 */
int wq_pool_create(int cpu, int scope, int pod, bool highpri, struct wq_pool **out);

/**
 * Stop and join the workers, then free them and the pool.
 *
 * Context: slow path, from wq_exit() or a failed wq_init(): no thread queues to the pool any more.
 */
void wq_pool_destroy(struct wq_pool *pool);

/** @return the pool of an id; NULL if it was destroyed. Context: any thread. */
struct wq_pool *wq_pool_by_id(uint32_t id);

/**
 * Wake a worker or set the inbox's sleeper where the state of the pool demands it, then release P
 * and wake the chosen worker. Use it instead of wq_unlock() after every change of nb_running, of
 * the idle list, or of the waiting works.
 *
 * Context: P is held, and released.
 */
void wq_pool_unlock(struct wq_pool *pool);

/** Whether works wait in the worklist or in the inbox. Context: P is held. */
bool wq_pool_work_waits(const struct wq_pool *pool);

/** Whether works wait and no worker runs that would take them. Context: P is held. */
bool wq_pool_need_more(const struct wq_pool *pool);

/** @return the worker that executes a work now; NULL: none. Context: P is held. */
struct wq_worker *wq_pool_find_executing(struct wq_pool *pool, const struct wq_work *work);

/** @return the list of pool->busy for workers that execute @p work. Context: P is held. */
struct wq_link *wq_pool_busy_slot(struct wq_pool *pool, const struct wq_work *work);

/**
 * Count the idle workers to be reaped: two spare ones are kept, and more while many are busy.
 *
 * Context: P is held.
 */
unsigned wq_pool_too_many(const struct wq_pool *pool);

/**
 * Get the CPUs for the workers of a pool: its own CPUs within a set, or the whole set if none of
 * them is in it.
 *
 * Context: slow path. @param out filled in.
 */
void wq_pool_mask(const struct wq_pool *pool, const cpu_set_t *set, cpu_set_t *out);

/** Set flags of a worker and keep nb_running right. Context: P is held. */
void wq_pool_set_worker_flags(struct wq_worker *w, uint32_t flags);

/** Clear flags of a worker and keep nb_running right. Context: P is held. */
void wq_pool_clear_worker_flags(struct wq_worker *w, uint32_t flags);

/** Enter a worker in the idle list of its pool. Context: P is held. */
void wq_pool_enter_idle(struct wq_worker *w);

/** Take a worker from the idle list of its pool. Context: P is held. */
void wq_pool_leave_idle(struct wq_worker *w);

/**
 * Free the id of a worker that has no thread, and keep its struct: for the next worker, and because
 * a late waker may still touch it.
 *
 * Context: P is held.
 */
void wq_pool_cast_off(struct wq_worker *w);

#endif
