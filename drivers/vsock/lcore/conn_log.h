/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_CONN_LOG_H
#define VSOCK_CONN_LOG_H

/**
 * @file
 * Log lines about single connections, for --log-level vsock:debug. An lcore never logs by itself:
 * it puts an event into a ring, and a work of the slow path writes the line. Without the level the
 * cost is one comparison for each connection that opens or ends.
 */

#include "data/conn.h"

struct lcore;

/** Create the ring of an lcore. Context: main, before the lcore runs. @return 0; -ENOMEM. */
int conn_log_create(struct lcore *lc);

/** Free it. No effect without one. Context: main, after conn_log_stop(). */
void conn_log_free(struct lcore *lc);

/** Write the lines that are left. Context: main; the lcore has stopped, the workqueue exists. */
void conn_log_stop(struct lcore *lc);

/** The connection is open. Context: the lcore. */
void conn_log_opened(struct lcore *lc, const struct conn *c);

/** The connection ends; its entry is freed. Context: the lcore. */
void conn_log_ended(struct lcore *lc, const struct conn *c);

#endif
