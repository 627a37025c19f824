/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_SCENARIO_H
#define PG_SCENARIO_H

/**
 * @file
 * What can be measured, by name.
 */

#include "pg_result.h"

struct pg_conf;

/** Who talks to whom; the first asks for the connection. */
enum pg_path {
	PG_PATH_GUEST_HOST,
	PG_PATH_HOST_GUEST,
	PG_PATH_GUEST_GUEST,
	PG_NB_PATHS,
	PG_PATH_ANY = PG_NB_PATHS, /**< All that the guests allow, in turn. */
};

/** What a connection does. */
enum pg_role {
	PG_ROLE_STREAM,  /**< Sends as much as it can. */
	PG_ROLE_ON_OFF,  /**< The same, with pauses. */
	PG_ROLE_PING,    /**< One message there, one back. */
	PG_ROLE_CONNECT, /**< Opens and closes, over and over. */
	PG_ROLE_IDLE,    /**< Nothing, but a round trip on one of them now and then. */
};

struct pg_scenario {
	const char *name;
	const char *help;
	/** Runs it and fills @p result. @return as result->status */
	enum pg_status (*run)(const struct pg_conf *conf, struct pg_result *result);
	bool needs_guests;
	enum pg_path path;
	enum pg_role role;
};

/** Ends with an entry without a name. */
extern const struct pg_scenario pg_scenarios[];

/** @return NULL when there is none of that name */
const struct pg_scenario *pg_scenario_find(const char *name);

/* pg_run.c: all that goes through a back end. */
enum pg_status pg_run(const struct pg_conf *conf, struct pg_result *result);

/* pg_raw.c: the same without a back end, over a Unix socket. */
enum pg_status pg_raw_stream(const struct pg_conf *conf, struct pg_result *result);
enum pg_status pg_raw_ping(const struct pg_conf *conf, struct pg_result *result);
enum pg_status pg_raw_connect(const struct pg_conf *conf, struct pg_result *result);

/* pg_memcpy.c: the copying alone. */
enum pg_status pg_memcpy_hot(const struct pg_conf *conf, struct pg_result *result);
enum pg_status pg_memcpy_cold(const struct pg_conf *conf, struct pg_result *result);
enum pg_status pg_memcpy_ring(const struct pg_conf *conf, struct pg_result *result);

/* pg_spsc.c: handing over from CPU to CPU. */
enum pg_status pg_spsc(const struct pg_conf *conf, struct pg_result *result);

#endif /* PG_SCENARIO_H */
