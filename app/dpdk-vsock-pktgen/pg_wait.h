/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_WAIT_H
#define PG_WAIT_H

/**
 * @file
 * Events of host programs' sockets and of guests' call descriptors, and the wait for them.
 *
 * Context: the thread of the run.
 */

#include "pg_data.h"

/**
 * Waits for events of sockets and call descriptors, and handles them.
 *
 * @param timeout_ns 0: only what is there already
 * @return events handled
 */
unsigned int pg_wait_events(struct pg_run *run, uint64_t timeout_ns);

/** Reads the host's ends that may have data. @return reads that had a result */
unsigned int pg_wait_read(struct pg_run *run);

/**
 * Passes the time of a loop without work, as the option --wait says.
 *
 * @param idle_rounds rounds of the loop without work before this one
 */
void pg_wait(struct pg_run *run, unsigned int idle_rounds);

/** Asks the devices for no more calls. */
void pg_wait_over(struct pg_run *run);

#endif /* PG_WAIT_H */
