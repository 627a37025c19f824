/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_PORT_H
#define VSOCK_PORT_H

/**
 * @file
 * A port: one guest as the switch sees it. This header is the control plane's view: create, give it
 * a device, take the device away, remove. The data plane's view is port_data.h.
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
 * Create a port from checked settings. No socket is opened yet.
 * Context: control threads.
 * @return 0; -EEXIST the CID or iface is in use; -ENOSPC too many ports or groups; -EINVAL the
 * lcore does not poll; -ENOMEM.
 */
int port_create(struct vsock_switch *sw, const struct port_conf *conf, struct port **out);

/**
 * Show the port to all lcores (routes) and open its host side. Lcores run.
 * Context: control threads, the switch is started.
 * @return 0; -EINVAL the switch does not have the lcore of the settings; -errno of the host side's
 * socket. One line was logged.
 */
int port_start(struct port *port);

/**
 * Give the port its device; returns when the owning lcore polls it. When the rings start where the
 * last device stood (port_device_down()), connections go on; when they start anew, all connections
 * are reset first.
 * Context: control threads; never a thread that holds a lock the lcores need (they need none).
 * @return 0; -EINVAL a ring is malformed (everything in @p dev is released).
 */
int port_device_up(struct port *port, struct port_device *dev);

/**
 * Settle the port and take its device back: returns when no lcore can touch its memory, rings or
 * fds any more, no chain is in flight and the indices are exact. Connections stay as plain values.
 * No-op without a device. Never waits for another guest.
 * Context: control threads, one at a time per port.
 * @param indices filled; may be NULL.
 * @return 0; -ENODEV there was none.
 */
int port_device_down(struct port *port, struct port_indices *indices);

/**
 * The front end is gone for good: reset all connections (the other sides learn of it).
 * Context: control threads, without a device.
 */
void port_front_end_gone(struct port *port);

/** Close the host side, remove routes, reset connections, free. Context: control threads. */
void port_destroy(struct port *port);

/**
 * Reset the connections of all ports, and wait until the guests have taken it.
 * Context: control threads. @param timeout_ms what is not taken by then is dropped.
 */
void port_reset_all(struct vsock_switch *sw, unsigned int timeout_ms);

/** Call @p fn for every started port, in order of id. Context: control threads. */
void port_foreach(struct vsock_switch *sw, void (*fn)(struct port *port, void *arg), void *arg);

/** The settings; constant over the port's life. Context: any. */
const struct port_conf *port_conf_of(const struct port *port);

/** Whether a device is attached. Context: any; a hint. */
bool port_has_device(const struct port *port);

/** A flag that gmem_guard sets when the front end took memory away. Context: any. */
volatile int *port_fault_flag(struct port *port);

#endif
