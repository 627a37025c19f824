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

#endif
