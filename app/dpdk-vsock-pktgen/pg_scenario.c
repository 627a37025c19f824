/* SPDX-License-Identifier: BSD-3-Clause */
#include "pg_scenario.h"

#include <stddef.h>
#include <string.h>

#include "pg_memcpy.h"
#include "pg_raw.h"
#include "pg_run.h"
#include "pg_spsc.h"

#define THROUGH(path_, role_) .run = pg_run, .needs_guests = true, .path = (path_), .role = (role_)

const struct pg_scenario pg_scenario_list[] = {
	{"guest-to-host", "guests stream to host programs",
		THROUGH(PG_PATH_GUEST_HOST, PG_ROLE_STREAM)},
	{"host-to-guest", "host programs stream to guests",
		THROUGH(PG_PATH_HOST_GUEST, PG_ROLE_STREAM)},
	{"guest-to-guest", "each odd guest streams to the next one",
		THROUGH(PG_PATH_GUEST_GUEST, PG_ROLE_STREAM)},
	{"rtt-guest-host", "round trips of a guest to a host program",
		THROUGH(PG_PATH_GUEST_HOST, PG_ROLE_PING)},
	{"rtt-host-guest", "round trips of a host program to a guest",
		THROUGH(PG_PATH_HOST_GUEST, PG_ROLE_PING)},
	{"rtt-guest-guest", "round trips between guests",
		THROUGH(PG_PATH_GUEST_GUEST, PG_ROLE_PING)},
	{"connect-guest-host", "guests connect and close, over and over",
		THROUGH(PG_PATH_GUEST_HOST, PG_ROLE_CONNECT)},
	{"connect-host-guest", "host programs connect and close",
		THROUGH(PG_PATH_HOST_GUEST, PG_ROLE_CONNECT)},
	{"connect-guest-guest", "guests connect to guests and close",
		THROUGH(PG_PATH_GUEST_GUEST, PG_ROLE_CONNECT)},
	{"idle", "open connections, nothing on them but a probe each --interval",
		THROUGH(PG_PATH_ANY, PG_ROLE_IDLE)},
	{"mixed", "all directions at once, each connection on and off",
		THROUGH(PG_PATH_ANY, PG_ROLE_ON_OFF)},
	{"raw-unix", "baseline: the same stream over a Unix socket", .run = pg_raw_stream,
		.role = PG_ROLE_STREAM},
	{"raw-unix-rtt", "baseline: round trips over a Unix socket", .run = pg_raw_ping,
		.role = PG_ROLE_PING},
	{"raw-unix-connect", "baseline: connect, accept and close a Unix socket",
		.run = pg_raw_connect, .role = PG_ROLE_CONNECT},
	{"memcpy", "baseline: copies of one buffer, in the cache", .run = pg_memcpy_hot,
		.role = PG_ROLE_STREAM},
	{"memcpy-cold", "baseline: copies over 256 MiB, out of the cache", .run = pg_memcpy_cold,
		.role = PG_ROLE_STREAM},
	{"memcpy-ring", "baseline: copies between the buffers of two rings", .run = pg_memcpy_ring,
		.role = PG_ROLE_STREAM},
	{"spsc-ring", "baseline: objects from CPU to CPU through a ring, --burst at a time",
		.run = pg_spsc, .role = PG_ROLE_STREAM},
	{.name = NULL},
};

const struct pg_scenario *
pg_scenario_find(const char *name)
{
	const struct pg_scenario *scenario;

	for (scenario = pg_scenario_list; scenario->name != NULL; scenario++) {
		if (strcmp(scenario->name, name) == 0)
			return scenario;
	}
	return NULL;
}
