/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_HOST_H
#define ST_HOST_H

/**
 * @file
 * Host programs of one guest that hold verified connections: they accept at ST_HOST_STREAM and
 * ST_HOST_SEQPACKET, and connect where they are told.
 *
 * Context: one thread per struct.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfe.h"
#include "st_flow.h"

#define ST_HOST_STREAM    7001u
#define ST_HOST_SEQPACKET 7002u

/** One connection's end in a host program. */
struct st_host_end {
	TAILQ_ENTRY(st_host_end) next;
	struct st_flow flow;
	struct st_host *host;
	int fd;
	bool eof;
	bool shut;    /**< ST_PLAN_HALF: done. */
	bool hold_rx; /**< Does not read. */
};

struct st_host {
	const char *name;
	unsigned int port; /**< The daemon's. */
	struct st_policy policy;
	struct st_rng rng;
	TAILQ_HEAD(, st_host_end) ends;
	unsigned int nb_ends;
	unsigned int nb_mine; /**< Of these, opened here. */
	struct st_flow_stats stats;
	int listen_fd[2]; /**< Stream, seqpacket. */
	int wait_ms;      /**< Longest sleep in st_host_turn(). */
	uint64_t stall_checked_us;
};

/** Listens. Fields that are to differ from the defaults are set afterwards. */
void st_host_init(struct st_host *h, const char *name, unsigned int port, uint64_t stream);

/** Connects to a port of the guest. @return NULL when that is not possible now */
struct st_host_end *st_host_open(struct st_host *h, uint32_t port);

/** Handles what is there, or sleeps until something is. @return the number of events */
unsigned int st_host_turn(struct st_host *h);

/** Turns until no connection is left. */
void st_host_finish(struct st_host *h);

/** Closes everything. */
void st_host_fini(struct st_host *h);

/** Prints what was done. */
void st_host_report(const struct st_host *h);

#endif /* ST_HOST_H */
