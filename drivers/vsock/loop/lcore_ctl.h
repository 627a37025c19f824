/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_LCORE_CTL_H
#define VSOCK_LCORE_CTL_H

/**
 * @file
 * Requests of the control plane about ports. They run in the context of the owning lcore, through
 * lcore_msg_call(). Stop, memory change and removal begin with lcore_ctl_device_down(), which
 * settles the port: no chain is in flight, and the ring indices are exact.
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

/** Argument of lcore_ctl_port_add(). */
struct lcore_ctl_port_add {
	struct port *port;
	struct pkt_block *pkts; /**< from lcore_data_make_pkts(), or NULL; the lcore owns it */
};

/**
 * Give a port to its lcore. req->arg: struct lcore_ctl_port_add. Context: the owning lcore.
 * @return true.
 */
bool lcore_ctl_port_add(struct lcore *lc, struct ctl_request *req);

/**
 * Take a port away from its lcore. req->arg: struct port without device and connections.
 * Context: the owning lcore. @return true.
 */
bool lcore_ctl_port_remove(struct lcore *lc, struct ctl_request *req);

/**
 * Set or remove the route to a port. req->arg: struct lcore_ctl_route. Context: each lcore.
 * @return true; req->result is 0, or -ENOSPC if the table of CIDs is full.
 */
bool lcore_ctl_route(struct lcore *lc, struct ctl_request *req);

/**
 * Start polling a device. req->arg: struct lcore_ctl_device. Context: the owning lcore.
 * @return true; req->result is 0 and the port owns the device, or the error of vq_init().
 */
bool lcore_ctl_device_up(struct lcore *lc, struct ctl_request *req);

/**
 * Settle the port and release its device. req->arg: struct lcore_ctl_stop.
 * Context: the owning lcore.
 * @return false: lcore_ctl_step() completes it; true: req->result is -ENODEV, there is no device.
 */
bool lcore_ctl_device_down(struct lcore *lc, struct ctl_request *req);

/**
 * Reset all connections of a port without device, without packets to its guest.
 * req->arg: struct lcore_ctl_clear. Context: the owning lcore.
 * @return false: lcore_ctl_step() completes it; true: the port has a device again.
 */
bool lcore_ctl_clear(struct lcore *lc, struct ctl_request *req);

/**
 * Reset all connections of a port on both sides, and refuse new ones. req->arg: struct port. Repeat
 * the request until req->result, the number of connections that are left, is 0.
 * Context: the owning lcore. @return true.
 */
bool lcore_ctl_reset(struct lcore *lc, struct ctl_request *req);

/** Continue the requests that have not completed. Context: the lcore, once per iteration. */
void lcore_ctl_step(struct lcore *lc);

#endif
