/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_RESCUER_H
#define WQ_RESCUER_H

#include "types.h"

struct wq_stats_worker;

/**
 * Create the rescuer of a workqueue and start its thread.
 *
 * Context: slow path, before other threads can find @p wq.
 * @return 0; -ENOMEM; -errno of wq_thread_start().
 */
int wq_rescuer_create(struct workqueue *wq);

/**
 * Stop and free the rescuer of a workqueue, if it has one.
 *
 * Context: slow path; @p wq is drained and no other thread can find it.
 */
void wq_rescuer_destroy(struct workqueue *wq);

/**
 * Call the rescuers of the works that wait in a pool.
 *
 * Context: the monitor's thread; P is held, it may be released and taken again.
 */
void wq_rescuer_mayday(struct wq_pool *pool);

/**
 * Call @p snap under the lock that protects a rescuer.
 *
 * Context: slow path; G is held, takes P.
 * @param s passed to @p snap.
 */
void wq_rescuer_snapshot(struct wq_worker *w,
	void (*snap)(const struct wq_worker *w, struct wq_stats_worker *s),
	struct wq_stats_worker *s);

#endif
