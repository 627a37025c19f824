/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_FLUSH_H
#define WQ_FLUSH_H

#include "types.h"

/**
 * Wait until all works whose queueing has returned are in the lists of the pools. Works that come
 * meanwhile are not waited for.
 *
 * Context: slow path; M is held.
 */
void wq_flush_settle(struct workqueue *wq);

#endif
