/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_SNAPSHOT_H
#define VSOCK_SNAPSHOT_H

/**
 * @file
 * Copies of the data of lcores, as plain values for telemetry and tools. The owning lcore makes
 * each copy in its own context, so the values of one copy belong together.
 *
 * Context of everything here: control threads. The lcores run; the port is not being destroyed
 * (port_foreach() makes sure of that). Each call waits for one iteration of the lcore's loop.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/port.h"
#include "data/stats.h"

/** Connections in one copy: DPDK's telemetry limits an answer to 16 KiB. */
#define SNAPSHOT_NB_CONNS 25
/** Counters of a port, apart from its drops. */
#define SNAPSHOT_NB_COUNTERS 16
/** Reasons of drops. */
#define SNAPSHOT_NB_DROPS (DROP_NB - 1)
/** Entries of the table that one copy looks at, so that it holds the lcore for microseconds. */
#define SNAPSHOT_NB_SCANNED 256

/** State and counters of a port. */
struct snapshot_port {
	uint64_t counters[SNAPSHOT_NB_COUNTERS]; /**< see snapshot_counter_name() */
	uint64_t drops[SNAPSHOT_NB_DROPS];       /**< see snapshot_drop_name() */
	uint32_t lcore_id;                       /**< EAL's id of the lcore that polls the port */
	uint32_t nb_conns;
	uint32_t nb_pool_chunks;
	uint16_t nb_in_flight; /**< chains of the guest's TX queue that were not handed back */
	bool active;           /**< polled; else the lcore waits for a kick */
};

/** State and counters of an lcore. */
struct snapshot_lcore {
	struct lcore_stats stats;
	uint32_t lcore_id; /**< EAL's id */
	uint32_t nb_ports;
	uint32_t nb_active; /**< ports that are polled */
	uint32_t nb_free_pkts;
	uint32_t nb_deadlines; /**< connections with a timer */
};

/** One guest's end of a connection. */
struct snapshot_conn {
	uint32_t local_port; /**< the guest's */
	uint32_t peer_cid;
	uint32_t peer_port;
	uint32_t serial;      /**< tells a connection from an earlier one of the same addresses */
	uint32_t tx_accepted; /**< payload bytes taken for the guest, modulo 2^32 */
	uint32_t backlog;     /**< bytes that the host program's socket did not take */
	uint32_t credit_from_guest; /**< bytes that the guest may send, as far as it knows */
	uint32_t credit_to_guest;   /**< bytes that the guest has room for, as far as known */
	uint64_t rx_bytes;          /**< payload from the guest */
	uint64_t tx_bytes;          /**< payload written to the guest */
	uint64_t rx_packets;        /**< packets with payload from the guest */
	uint64_t tx_packets;        /**< packets with payload written to the guest */
	uint64_t age_ms;            /**< since the connection began */
	uint64_t idle_ms;           /**< since payload moved last, or since it began */
	pid_t pid;                  /**< of the host program; 0: a guest, or not known */
	uid_t uid;                  /**< of the host program */
	const char *type;           /**< "stream" or "seqpacket"; constant */
	const char *state;          /**< see conn_state_name(); constant */
	const char *waits;          /**< what it waits for, or "nothing"; constant */
};

/** A page of a port's connections. */
struct snapshot_conns {
	uint32_t next; /**< where the next page begins; 0: this is the last one */
	uint32_t nb;   /**< valid rows */
	struct snapshot_conn rows[SNAPSHOT_NB_CONNS];
};

/**
 * @param i below SNAPSHOT_NB_COUNTERS.
 * @return the name of a counter, constant. The names are an interface for users. Context: any.
 */
const char *snapshot_counter_name(unsigned int i);

/** @return the name of a drop reason, as above. @param i below SNAPSHOT_NB_DROPS. */
const char *snapshot_drop_name(unsigned int i);

/** Copy a port's state and counters. @param out filled. */
void snapshot_port(struct port *port, struct snapshot_port *out);

/**
 * Copy a page of a port's connections.
 * @param start 0 for the first page, else snapshot_conns.next of the page before. Connections that
 * open or close between two pages may be missing.
 * @param out filled. A page may be empty although others follow: see SNAPSHOT_NB_SCANNED.
 */
void snapshot_conns(struct port *port, uint32_t start, struct snapshot_conns *out);

/**
 * Copy an lcore's state and counters.
 * @param index among the poll lcores, from 0. @param out filled.
 * @return false when there is no such lcore; @p out is untouched.
 */
bool snapshot_lcore(struct vsock_switch *sw, unsigned int index, struct snapshot_lcore *out);

#endif
