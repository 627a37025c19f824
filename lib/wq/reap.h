/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_REAP_H
#define WQ_REAP_H

#include "types.h"

/**
 * Stop and join the spare workers of a pool that were idle for too long.
 *
 * Context: the monitor's thread; takes P.
 * @param now time of wq_os_now_ns().
 * @return time at which the next one is due; WQ_FOREVER: none.
 */
uint64_t wq_reap_pool(struct wq_pool *pool, uint64_t now);

#endif
