/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_SPSC_H
#define PG_SPSC_H

/**
 * @file
 * Baseline: a ring with one producer and one consumer.
 *
 * Context: the calling thread consumes; a thread of its own produces.
 */

#include "pg_conf.h"
#include "pg_result.h"

/** Passes objects from CPU to CPU through a ring. @return result->status */
enum pg_status pg_spsc(const struct pg_conf *conf, struct pg_result *result);

#endif /* PG_SPSC_H */
