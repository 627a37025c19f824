/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VSOCK_H
#define VSOCK_VSOCK_H

/**
 * @file
 * Life of a switch: vsock_create() → vsock_start() → vsock_stop() → vsock_free(). Ports can be
 * created from vsock_create() on; they carry packets while the switch runs. Several switches can
 * exist in one process.
 */

#include "data/vsock_switch.h"

/**
 * Create a switch without lcores.
 * Context: main; EAL need not be initialized.
 * @param id names the switch's objects of EAL; unique among the switches of the process
 * @return 0; -ENOMEM.
 */
int vsock_create(uint16_t id, struct vsock_switch **out);

/**
 * Create the data of the lcores, start the slow path, and launch the loop on each lcore.
 * Context: main lcore; rte_eal_init() and wq_init() are done.
 * @return 0; -ENODEV there is no poll lcore; -E2BIG too many lcores; -ENOMEM; -EBUSY an lcore runs
 * something else; -errno. One line was logged, nothing is left running.
 */
int vsock_start(struct vsock_switch *sw, const struct vsock_conf *conf);

/**
 * Stop the loops and the slow path and free the data of the lcores. No effect if the switch is
 * stopped. Context: main lcore; no port is left.
 */
void vsock_stop(struct vsock_switch *sw);

/** Free a switch that is stopped. NULL is allowed. Context: main. */
void vsock_free(struct vsock_switch *sw);

#endif
