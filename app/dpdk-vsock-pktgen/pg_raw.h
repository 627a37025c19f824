/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_RAW_H
#define PG_RAW_H

/**
 * @file
 * Baselines over a Unix socket, without a back end.
 *
 * Context: the calling thread is one end; a thread of its own is the other.
 */

#include "pg_conf.h"
#include "pg_result.h"

/** Streams in one direction. @return result->status */
enum pg_status pg_raw_stream(const struct pg_conf *conf, struct pg_result *result);

/** Sends messages that the other end sends back. @return result->status */
enum pg_status pg_raw_ping(const struct pg_conf *conf, struct pg_result *result);

/** Connects and closes, over and over. @return result->status */
enum pg_status pg_raw_connect(const struct pg_conf *conf, struct pg_result *result);

#endif /* PG_RAW_H */
