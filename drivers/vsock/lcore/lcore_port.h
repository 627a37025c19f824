/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_PORT_H
#define VSOCK_LCORE_PORT_H

/**
 * @file
 * The ports of an lcore: find one, put it on the lists of the loop, stop it, notify its driver.
 * Context of everything: the lcore that owns the port.
 */

#include <stdint.h>

#include "data/lcore.h"
#include "data/stats.h"

/**
 * Find a port by id and generation.
 * @return the port; NULL if it was removed, or if another lcore owns it.
 */
static inline struct port *
lcore_port_find(struct lcore *lc, uint16_t port_id, uint32_t gen)
{
	struct port *port = port_id < LIMIT_NB_PORTS ? lc->ports[port_id] : NULL;

	return port != NULL && port->gen == gen ? port : NULL;
}

/** Poll the port's TX ring in each iteration. No effect if the port has no device. */
void lcore_port_activate(struct lcore *lc, struct port *port);

/** Put the port on the ready list: it has packets for its guest. */
void lcore_port_ready(struct lcore *lc, struct port *port);

/**
 * The guest sends nothing: ask its driver for kicks, check the rings once more, and stop polling.
 * The port stays on the list of polled ports if a ring is not empty, or if the port waits for
 * another lcore.
 */
void lcore_port_sleep(struct lcore *lc, struct port *port);

/** Stop polling the port until it gets another device. */
void lcore_port_stop(struct lcore *lc, struct port *port);

/**
 * The port's ring or memory is unusable: count @p reason and stop polling. The slow path logs it
 * and resets the port's connections. No effect if the port is stopped already.
 */
void lcore_port_broken(struct lcore *lc, struct port *port, enum drop_reason reason);

/**
 * Send RST for a pair of addresses without a connection, before all packets of connections.
 * @return false if LIMIT_NB_REPLIES of them wait already.
 */
bool lcore_port_reply(struct lcore *lc, struct port *port, const struct reply *reply);

/**
 * @return true if the port can take a new connection: a front end is there, and the device is not
 * broken. A device that its front end has stopped for a while can take one.
 */
static inline bool
lcore_port_takes_conns(const struct port *port)
{
	return port->attached && port->clear == NULL && !port->broken;
}

/** Flush the port at the end of this iteration. Calls within one iteration are merged. */
void lcore_port_flush_later(struct lcore *lc, struct port *port);

/** Show used entries to the driver now, and notify it if it asked for that. */
void lcore_port_flush(struct port *port);

#endif
