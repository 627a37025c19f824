/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PORT_H
#define VSOCK_PORT_H

/**
 * @file
 * A port is the switch's side of one guest. This header is for the control plane: it creates ports,
 * attaches and detaches their devices, and removes them. data/port_data.h is for the data plane.
 *
 * Life: port_create() → port_start() → any number of port_device_up()/port_device_down() →
 * port_destroy().
 */

#include <stdbool.h>

#include "data/port_conf.h"
#include "data/port_device.h"

struct port;
struct vsock_switch;

/** Create the table of ports of a switch. Context: main. @return 0; -ENOMEM. */
int port_table_create(struct vsock_switch *sw);

/** Free the table. No effect without one. Context: main; no port is left. */
void port_table_free(struct vsock_switch *sw);

/**
 * Create a port from checked settings. It opens no socket.
 * Context: control threads.
 * @return 0; -EEXIST the CID or iface is in use; -ENOSPC too many ports or groups; -EINVAL the
 * lcore does not poll; -ENOMEM.
 */
int port_create(struct vsock_switch *sw, const struct port_conf *conf, struct port **out);

/**
 * Open the sockets of the host side, and add the routes to all lcores. The lcores run.
 * Context: control threads, the switch is started.
 * @return 0; -EINVAL the switch does not have the lcore of the settings; -errno of the host side's
 * socket. One line was logged.
 */
int port_start(struct port *port);

/**
 * Attach a device. Returns when the owning lcore polls it. If the rings continue where the last
 * device stopped (port_device_down()), the connections go on. Otherwise all connections are reset
 * first.
 * Context: control threads.
 * @param dev the port owns it after success; it is released after an error.
 * @return 0; -EINVAL a ring is malformed.
 */
int port_device_up(struct port *port, struct port_device *dev);

/**
 * Settle the port and detach its device. Returns when no lcore can access its memory, rings or fds,
 * no chain is in flight, and the indices are exact. The connections stay. Never waits for another
 * guest.
 * Context: control threads, one at a time per port.
 * @param indices filled; may be NULL.
 * @return 0; -ENODEV there is no device.
 */
int port_device_down(struct port *port, struct port_indices *indices);

/**
 * The front end has disconnected: reset all connections towards their other sides.
 * Context: control threads, without a device.
 */
void port_front_end_gone(struct port *port);

/** Close the host side, remove routes, reset connections, and free. Context: control threads. */
void port_destroy(struct port *port);

/**
 * Reset the connections of all ports, and wait until the guests have taken the RST packets.
 * Context: control threads. @param timeout_ms after it, the remaining connections are dropped.
 */
void port_reset_all(struct vsock_switch *sw, unsigned int timeout_ms);

/** Call @p fn for every started port, in order of id. Context: control threads. */
void port_foreach(struct vsock_switch *sw, void (*fn)(struct port *port, void *arg), void *arg);

/** @return the settings; constant while the port exists. Context: any. */
const struct port_conf *port_conf_of(const struct port *port);

/** @return true if a device is attached; it can change at once. Context: any. */
bool port_has_device(const struct port *port);

/** @return the flag that ring/gmem_guard.c sets if guest memory is missing. Context: any. */
volatile int *port_fault_flag(struct port *port);

#endif
