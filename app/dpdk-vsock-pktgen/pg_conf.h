/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_CONF_H
#define PG_CONF_H

/**
 * @file
 * Settings of a run: the scenario and the values of the options. pg_options.h reads them.
 *
 * Context: read-only after the start.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfe.h"
#include "pg_result.h"
#include "pg_sizes.h"

#define PG_MAX_GUESTS 512u
#define PG_MAX_CONNS  (1u << 20)

#define PG_IO_LEN (1u << 20) /**< Largest write or read of a host program. */

struct pg_conf;

/** The two ends of a scenario. The first one opens the connection. */
enum pg_path {
	PG_PATH_GUEST_HOST,
	PG_PATH_HOST_GUEST,
	PG_PATH_GUEST_GUEST,
	PG_NB_PATHS,
	PG_PATH_ANY = PG_NB_PATHS, /**< All that the guests allow, in turn. */
};

/** Scenario of a connection. */
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

struct pg_guest_conf {
	const char *iface; /**< The back end's vhost-user socket. */
	const char *uds;   /**< Base path of the host side; NULL: none. */
	uint64_t cid;      /**< CID that the device must have; 0: any. */
	bool listen;       /**< The back end connects to @a iface. */
	char *keys;        /**< What the strings point into. */
};

enum pg_wait {
	PG_WAIT_POLL,     /**< Never sleeps; yields the CPU when there is nothing to do. */
	PG_WAIT_ADAPTIVE, /**< Polls a while, then waits for a call. */
	PG_WAIT_BLOCK,    /**< Waits for a call as soon as there is nothing to do. */
};

struct pg_conf {
	const struct pg_scenario *scenario;
	struct pg_guest_conf guests[PG_MAX_GUESTS];
	unsigned int nb_guests;

	struct pg_sizes sizes;
	enum vfe_type type;
	uint32_t nb_conns;
	uint32_t nb_idle_conns; /**< Further connections that stay silent. */
	uint32_t nb_load_conns; /**< Further connections that stream while others are measured. */
	uint32_t nb_opening;    /**< Connections opened at once at the start. */
	uint32_t port;
	bool reverse; /**< Data goes from the one that accepts. */
	bool duplex;
	uint64_t rate;        /**< Bytes per second of all senders; 0: no limit. */
	uint64_t interval_ns; /**< Between a round trip's end and the next; idle: between probes. */
	unsigned int burst;

	uint16_t ring_size;
	const char *to_guest_text;
	const char *from_guest_text;
	struct vfe_shape to_guest;
	struct vfe_shape from_guest;
	uint8_t nb_regions;
	uint8_t nb_queues;
	bool packed;
	bool event_idx;
	bool indirect;
	uint32_t buf_alloc;

	bool verify;
	uint64_t seed;
	double seconds;
	double warmup_s;
	double stall_s;
	enum pg_wait wait;
	int cpu; /**< -1: not pinned. */
	int peer_cpu;
	pid_t backend_pid; /**< 0: none. */
	bool json;
	const char *csv;
	bool live;
	bool quiet;
};

#endif /* PG_CONF_H */
