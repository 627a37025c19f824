/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_H
#define VSOCK_VHOST_H

/**
 * @file
 * Ports on librte_vhost: one vhost-user socket for each port, one front end for each socket. All
 * callbacks of the library are in vhost.c. They attach a device to a port and detach it.
 *
 * The callbacks run in the threads of the library (vhost-events, vhost_reconn). In client mode they
 * also run in the thread that calls vhost_attach(). A callback that removes memory or a ring
 * returns only when no lcore can access it. Lcores never call the library.
 */

#include "control/port.h"

/**
 * Open the port's vhost-user socket (port_conf.iface, .client). After it a front end can connect.
 * In server mode an existing socket file is replaced only if a connect() to it is refused. In
 * client mode the library tries to connect every second until the front end listens.
 * Context: control threads; the caller holds no lock that port_*() takes.
 * @param port must live until vhost_detach().
 * @return 0; -EADDRINUSE another process listens on the path; -EEXIST the path is not a socket;
 *   -EBUSY this process uses the path; -ENOMEM; -errno of the failed call. After an error one line
 *   was logged and nothing is left open.
 */
int vhost_attach(struct port *port);

/**
 * Close the socket and disconnect the front end. After it the port has no device. Connections
 * remain as they are: reset them before, or destroy the port. It takes up to LIMIT_VHOST_MSG_MS if
 * a front end stalls within a message. No-op for a port without a socket.
 * Context: control threads, never a callback of librte_vhost.
 */
void vhost_detach(struct port *port);

#endif
