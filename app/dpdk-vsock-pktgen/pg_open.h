/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_OPEN_H
#define PG_OPEN_H

/**
 * @file
 * Connections come and go: asked for, accepted, identified by their first bytes, closed.
 *
 * Context: the thread of the run.
 */

#include "pg_data.h"

/** Listens for connections of the guest to the host port. @return 0 or -errno */
int pg_open_listen(struct pg_guest *guest);

/** Goes on with opening the connections of the start. @return steps made */
unsigned int pg_open_some(struct pg_run *run);

/** Accepts all connections that wait at the listening socket. */
void pg_open_accept(struct pg_guest *guest);

/** Asks for a connection. @return 0, -EAGAIN: later; -errno: the result says why */
int pg_open_start(struct pg_conn *conn);

/** pg_events.answer: opens side 0, or handles the refusal. */
void pg_open_answer(struct pg_end *end);

/** pg_events.identified: finds the connection of an accepted end. */
void pg_open_identified(struct pg_end *end);

/** pg_events.ended: decides whether the end was expected, and frees @p end. */
void pg_open_ended(struct pg_end *end);

#endif /* PG_OPEN_H */
