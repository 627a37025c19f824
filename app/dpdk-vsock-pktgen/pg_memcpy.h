/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_MEMCPY_H
#define PG_MEMCPY_H

/**
 * @file
 * Baselines: the copying alone.
 *
 * Context: the calling thread.
 */

#include "pg_conf.h"
#include "pg_result.h"

/** Copies one buffer, in the cache. @return result->status */
enum pg_status pg_memcpy_hot(const struct pg_conf *conf, struct pg_result *result);

/** Copies over 256 MiB, out of the cache. @return result->status */
enum pg_status pg_memcpy_cold(const struct pg_conf *conf, struct pg_result *result);

/** Copies between the buffers of two rings. @return result->status */
enum pg_status pg_memcpy_ring(const struct pg_conf *conf, struct pg_result *result);

#endif /* PG_MEMCPY_H */
