/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VDEV_H
#define VSOCK_VDEV_H

/**
 * @file
 * The vsock_vhost virtual device: --vdev 'vsock_vhost0,iface=…,cid=3' becomes a port. EAL probes
 * the devices of the command line before the switch runs; these wait for vdev_start_all(). Devices
 * that are plugged later (rte_eal_hotplug_add("vdev", …)) start at once.
 */

struct vsock_switch;

/**
 * Set the switch that vdevs become ports of. EAL's probe has no argument for it, so there is one
 * in a process. Context: main thread, before rte_eal_init().
 */
void vdev_set_switch(struct vsock_switch *sw);

/**
 * The switch runs: start all ports and open their vhost-user sockets.
 * Context: main thread, once.
 * @return 0; -errno of the first that failed (one line was logged; all are stopped and destroyed,
 *   as vdev_stop_all() does).
 */
int vdev_start_all(void);

/**
 * @return the number of devices whose probe has failed. EAL continues without them; the caller
 * decides. Context: any.
 */
unsigned int vdev_nb_failed(void);

/**
 * Log one line for each device of the command line whose probe failed. The lines are kept until
 * then, because EAL logs less useful lines behind them.
 * Context: main, after rte_eal_init(). @return vdev_nb_failed().
 */
unsigned int vdev_log_failed(void);

/** @return the number of ports. Context: any. */
unsigned int vdev_nb(void);

/**
 * Close the vhost-user sockets of all ports, then destroy the ports. Call port_reset_all() before,
 * so that guests get RST. Devices that are probed later wait for the next vdev_start_all().
 * Context: control threads; lcores still run.
 */
void vdev_stop_all(void);

#endif
