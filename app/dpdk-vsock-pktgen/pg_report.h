/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_REPORT_H
#define PG_REPORT_H

/**
 * @file
 * How a result is told.
 *
 * Context: main thread, after the run.
 */

#include "pg_conf.h"
#include "pg_result.h"

/** Prints a line for each figure on stdout. */
void pg_report_print(const struct pg_conf *conf, const struct pg_result *result);

/** Prints one JSON object, in one line, on stdout. */
void pg_report_print_json(const struct pg_conf *conf, const struct pg_result *result);

#endif /* PG_REPORT_H */
