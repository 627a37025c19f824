/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_SCENARIO_H
#define PG_SCENARIO_H

/**
 * @file
 * The scenarios by name.
 *
 * Context: read-only.
 */

#include "pg_conf.h"

/** Ends with an entry without a name. */
extern const struct pg_scenario pg_scenario_list[];

/** @return NULL when there is none of that name */
const struct pg_scenario *pg_scenario_find(const char *name);

#endif /* PG_SCENARIO_H */
