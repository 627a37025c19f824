/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_BLOCK_INTERNAL_H
#define WQ_BLOCK_INTERNAL_H

#include "completion.h"

/**
 * Wait for a completion. A work that calls it announces that it blocks.
 *
 * Context: slow path, without any lock.
 */
void wq_block_wait(struct wq_completion *c);

#endif
