/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VHOST_H
#define VSOCK_VHOST_H

/**
 * @file
 * Ports on librte_vhost: one vhost-user socket per port, one front end per socket. The library's
 * callbacks are confined to vhost.c; they give a port its device and take it back.
 *
 * The callbacks run in the library's threads (vhost-events, vhost_reconn) and, in client mode, in
 * the thread that calls vhost_attach(). A callback that takes memory or a ring away returns when no
 * lcore can touch it any more; lcores never call the library.
 */

#include "control/port.h"

/**
 * Open the port's vhost-user socket (port_conf.iface, .client). From now on front ends can come.
 * In server mode a stale socket file is replaced only when connecting to it is refused. In client
 * mode a front end that is not there yet is no error: it is tried again every second.
 * Context: control threads, without a lock that port_*() needs.
 * @return 0; -EADDRINUSE another process listens on the path; -EEXIST the path is not a socket;
 *   -EBUSY this process has it already; -ENOMEM; -errno of what failed at the path. One line was
 *   logged and nothing is left behind.
 */
int vhost_attach(struct port *port);

/**
 * Close the socket: the front end is disconnected, the port is without a device, and the library
 * does not know the port any more. Connections stay as they are (reset them before, or destroy the
 * port). May take up to a second when a front end stalls in the middle of a message.
 * Context: control threads, never a callback of librte_vhost. No-op for a port without a socket.
 */
void vhost_detach(struct port *port);

#endif
