/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_EXECUTE_H
#define WQ_EXECUTE_H

#include "types.h"

/**
 * Schedule a work of the worklist, and those linked behind it, on a worker. If another worker
 * executes the same work now, they go to that one.
 *
 * Context: P is held.
 * @return true if they were scheduled on @p w.
 */
bool wq_execute_assign(struct wq_worker *w, struct wq_work *work);

/**
 * Execute all works that are scheduled on a worker.
 *
 * Context: the worker's thread; P is held, and released while functions run.
 */
void wq_execute_scheduled(struct wq_worker *w);

#endif
