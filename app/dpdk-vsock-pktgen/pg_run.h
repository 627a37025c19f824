/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_RUN_H
#define PG_RUN_H

/**
 * @file
 * The phases of a run against a back end, its loop, and the checks of both.
 *
 * Context: one thread, the caller's.
 */

#include "pg_conf.h"
#include "pg_result.h"

/**
 * Runs a scenario through a back end: opens the connections, measures, drains, closes. SIGINT and
 * SIGTERM end the measured time early.
 *
 * @param result filled in, also after a failure
 * @return result->status
 */
enum pg_status pg_run(const struct pg_conf *conf, struct pg_result *result);

#endif /* PG_RUN_H */
