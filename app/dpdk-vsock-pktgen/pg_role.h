/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_ROLE_H
#define PG_ROLE_H

/**
 * @file
 * Roles of open connections: stream, stream on and off, round trips, repeated connects.
 *
 * Context: the thread of the run.
 */

#include "pg_data.h"

/** pg_events.opened: the connection takes part in the run. */
void pg_role_opened(struct pg_conn *conn);

/** pg_events.received: checks the lengths of messages, and answers those of a round trip. */
void pg_role_received(struct pg_end *end, bool end_of_message);

/** One round over all active connections. @return packets, writes and connections */
unsigned int pg_role_step(struct pg_run *run);

/** @return true if all that was sent has arrived */
bool pg_role_drained(struct pg_run *run);

/** Fails the run if a connection has not moved for longer than --stall. */
void pg_role_check_stalls(struct pg_run *run);

#endif /* PG_ROLE_H */
