/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_PROBE_H
#define WQ_PROBE_H

#include "types.h"

/** Findings of a pass over all pools. */
struct wq_probe {
	bool active; /**< A worker runs, or works wait: look again. */
	bool waits;  /**< Works wait behind a running worker. */
	bool fresh;  /**< A worker runs an execution that was not seen before. */
	bool found;  /**< A worker was found that blocks, burns CPU, or runs again. */
};

/**
 * Look at the workers of a pool: find those that block or burn CPU in a work, and account CPU time.
 *
 * Context: the monitor's thread; takes P.
 * @param sum findings are added to it.
 */
void wq_probe_pool(struct wq_pool *pool, struct wq_probe *sum);

#endif
