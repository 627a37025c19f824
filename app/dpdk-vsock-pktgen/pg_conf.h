/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_CONF_H
#define PG_CONF_H

/**
 * @file
 * The program's options.
 *
 * Context: main thread, at start.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfe.h"
#include "pg_sizes.h"

#define PG_MAX_GUESTS 512u
#define PG_MAX_CONNS  (1u << 20)

struct pg_scenario;

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

/**
 * Reads the command line. What is wrong is said in one line on stderr; --help and --version print
 * and set @p done.
 *
 * @return 0 or -EINVAL
 */
int pg_conf_parse(struct pg_conf *conf, int argc, char **argv, bool *done);

/** Frees what the options hold. */
void pg_conf_free(struct pg_conf *conf);

#endif /* PG_CONF_H */
