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
 * Devices whose probe failed so far: EAL goes on without them, an application may not want to.
 * Context: any.
 */
unsigned int vdev_nb_failed(void);

/**
 * Close the vhost-user sockets of all ports, then destroy the ports. What guests should still get
 * (resets) is sent before. Later probes wait as if the switch had never run.
 * Context: control threads; lcores still run.
 */
void vdev_stop_all(void);

#endif
