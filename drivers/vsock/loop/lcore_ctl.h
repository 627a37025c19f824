/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_CTL_H
#define VSOCK_LCORE_CTL_H

/**
 * @file
 * What the control plane does to ports, in the owning lcore's context, and the one operation that
 * stop, memory change and removal start from: to settle a port. A settled port has no chain in
 * flight, exact indices, and connections that are plain values.
 */

#include "data/lcore.h"

/** Argument of lcore_ctl_device_up(). */
struct lcore_ctl_device {
	struct port *port;
	const struct port_device *dev;
};

/** Argument of lcore_ctl_device_down(). */
struct lcore_ctl_stop {
	struct port *port;
	struct port_indices *indices;
};

/** Argument of lcore_ctl_clear(). */
struct lcore_ctl_clear {
	struct port *port;
	bool detach; /**< the front end is gone: refuse requests from now on */
};

/** Argument of lcore_ctl_route(). */
struct lcore_ctl_route {
	uint16_t port_id;
	struct route route; /**< cid 0: remove */
};

/* All are ctl_fn: see lcore_msg_call(). */
bool lcore_ctl_port_add(struct lcore *lc, struct ctl_request *req); /**< arg: the port */
bool lcore_ctl_port_remove(
	struct lcore *lc, struct ctl_request *req); /**< arg: the port, cleared */
bool lcore_ctl_route(struct lcore *lc, struct ctl_request *req);
bool lcore_ctl_device_up(struct lcore *lc, struct ctl_request *req);
bool lcore_ctl_device_down(struct lcore *lc, struct ctl_request *req);
bool lcore_ctl_clear(struct lcore *lc, struct ctl_request *req);

/**
 * Begin to reset every connection, guest included; arg: the port. The result is the number of
 * connections that are not gone yet: call it until that is 0.
 */
bool lcore_ctl_reset(struct lcore *lc, struct ctl_request *req);

/** Go on with what is under way. Context: the lcore, once a loop. */
void lcore_ctl_step(struct lcore *lc);

#endif
