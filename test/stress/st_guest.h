/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_GUEST_H
#define ST_GUEST_H

/**
 * @file
 * A guest that holds verified connections: it accepts at every port below ST_PORT_REFUSED, opens
 * what it is told, and sends all that it may send.
 *
 * Context: one thread per guest.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfe.h"
#include "st_flow.h"

#define ST_PORT_REFUSED 9000u /**< No listener has this port or a higher one. */

/** One connection's end in a guest. */
struct st_guest_end {
	TAILQ_ENTRY(st_guest_end) next;
	struct st_flow flow;
	struct vfe_conn *conn;
	struct st_guest *guest;
	bool shut; /**< ST_PLAN_HALF: done. */
};

struct st_guest {
	const char *name;
	unsigned int port;          /**< The daemon's. */
	struct vfe_guest_conf conf; /**< Path and callbacks are filled in by st_guest_plug(). */
	struct st_policy policy;
	struct st_rng rng;
	struct vfe_guest *fe; /**< NULL: unplugged. */
	TAILQ_HEAD(, st_guest_end) ends;
	unsigned int nb_ends;
	unsigned int nb_mine; /**< Of these, opened here. */
	struct st_flow_stats stats;
	uint64_t firm_cid; /**< Connections with it are never cut, independent of the policy
					says; 0: none. */
	uint64_t junk_cid; /**< Connections from here are not looked at; 0: none. */
	bool hold_rx;      /**< Takes and posts no RX buffers. */
	int wait_ms;       /**< Longest sleep in st_guest_wait(). */
	uint64_t stall_checked_us;
	uint64_t nb_incarnations;
};

/** Sets up; fields that are to differ from the defaults are set afterwards. */
void st_guest_init(struct st_guest *g, const char *name, unsigned int port, uint64_t stream);

/** Plugs a new guest in, trying again while the daemon is still busy with the last one. */
void st_guest_plug(struct st_guest *g);

/**
 * The same, and waits until the daemon serves it: the last message of the handshake is answered
 * before the device is there, and others' connections to it are refused until then.
 */
void st_guest_attach(struct st_guest *g);

/** Opens a verified connection to a guest. @return NULL when there is no room now */
struct st_guest_end *st_guest_open(struct st_guest *g, uint64_t cid, uint32_t port);

/** The same to the host, at the port of that type. */
struct st_guest_end *st_guest_open_host(struct st_guest *g);

/** Takes what came, sends what may be sent, carries plans out. @return 0: there was nothing */
unsigned int st_guest_step(struct st_guest *g);

/** Sleeps until the device calls, or a little. */
void st_guest_wait(struct st_guest *g);

/** st_guest_step(), and st_guest_wait() when there is nothing. */
void st_guest_turn(struct st_guest *g);

/** Turns until no connection is left. */
void st_guest_finish(struct st_guest *g);

/**
 * Checks a guest without connections: no fault of the device, all its descriptors back, all its
 * buffers posted.
 */
void st_guest_check(struct st_guest *g);

/** Fails when the device did what it must not do, @p excused (or VFE_NB_FAULTS: none) aside. */
void st_guest_check_faults(const struct st_guest *g, enum vfe_fault excused);

/** The front end dies, or (@p orderly) stops its rings first; the connections are forgotten. */
void st_guest_unplug(struct st_guest *g, bool orderly);

/** Drops an end that the guest's driver forgot: nothing is expected of it any more. */
void st_guest_forget(struct st_guest_end *end);

/** Prints what was done. */
void st_guest_report(const struct st_guest *g);

#endif /* ST_GUEST_H */
