/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_WORKQUEUE_H
#define WQ_WORKQUEUE_H

#include "types.h"

/**
 * Create a workqueue; arguments are as of wq_alloc() and valid.
 *
 * Context: slow path.
 * @param eager true: create a worker in each pool that has none, so that a failure shows now.
 * @param out receives the workqueue, owned by the caller until wq_destroy().
 * @return 0; -ENOMEM; -ENOSPC; -errno of wq_thread_start().
 */
int wq_workqueue_create(
	const char *name, unsigned flags, int max_active, bool eager, struct workqueue **out);

/** Compute anew which pwq takes the works of each CPU. Context: slow path; G is held. */
void wq_workqueue_reroute(struct workqueue *wq);

/**
 * Pass the present limit, 0 while frozen, to all pwqs.
 *
 * Context: slow path; G and M are held.
 */
void wq_workqueue_apply_max_active(struct workqueue *wq);

#endif
