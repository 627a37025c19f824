/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_SETUP_H
#define PG_SETUP_H

/**
 * @file
 * Setup of a run.
 *
 * Context: the thread of the run.
 */

#include "pg_data.h"

/**
 * Makes guests, sockets and the plan of the connections.
 *
 * @return 0; -errno: the result says what failed, and pg_setup_undo() is still to be called
 */
int pg_setup(struct pg_run *run);

/** Frees all that pg_setup() and the run made; also after a failed pg_setup(). */
void pg_setup_undo(struct pg_run *run);

#endif /* PG_SETUP_H */
