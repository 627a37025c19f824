/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_QUEUE_H
#define WQ_QUEUE_H

#include "types.h"

/**
 * Find the pwq for works that are queued on a CPU.
 *
 * Context: any thread, lcores included.
 * @param cpu CPU number; -1: the caller's.
 * @return owned by @p wq.
 */
struct wq_pwq *wq_queue_route(const struct workqueue *wq, int cpu);

/**
 * Put a work into the inbox of a pool and wake the pool's sleeper.
 *
 * Context: any thread, lcores included; wait-free. The caller holds the claim, which passes to the
 * pool: the work may have run and been freed on return.
 */
void wq_queue_push(struct wq_pwq *pwq, struct wq_work *work);

#endif
