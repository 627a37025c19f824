/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_TIMER_H
#define VSOCK_CONN_TIMER_H

/**
 * @file
 * Timers of connections. A connection has at most one at a time:
 *
 *  CONN_TIMER_CONNECT  the guest has to answer a REQUEST;
 *  CONN_TIMER_CLOSE    the guest has to send RST after both directions were shut;
 *  CONN_TIMER_LINGER   the host program has to read the backlog after the guest closed;
 *  CONN_TIMER_ASK      time to ask a slow reader in the guest for credit again;
 *  CONN_TIMER_LOOK     the same with a longer period, or time to check whether the host program
 *                      still reads.
 *
 * Every kind has one length, so each list is in order of deadlines. The slow path sends a tick to
 * the lcore only while a timer runs; loop/deadline.c handles the tick.
 * Context of everything: the lcore that owns the connection.
 */

#include "data/lcore.h"

/** Start or restart the connection's timer; CONN_TIMER_NONE stops it. */
void conn_timer_set(struct lcore *lc, struct conn *c, enum conn_timer timer);

/**
 * Request the next tick if a timer runs and no tick is requested yet.
 * @param soon request a quick one, because some timers have expired already
 */
void conn_timer_tick(struct lcore *lc, bool soon);

/** @return the reason to reset a connection whose timer expired; DROP_NONE: it goes on. */
enum drop_reason conn_timer_reason(enum conn_timer timer);

#endif
