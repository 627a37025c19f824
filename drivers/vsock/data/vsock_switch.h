/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_SWITCH_H
#define VSOCK_SWITCH_H

/**
 * @file
 * A switch: everything that belongs to one instance of the data plane. Several switches can run in
 * one process; they share nothing but EAL, lib/wq, the SIGBUS handler (ring/gmem_guard.h) and
 * librte_vhost. life/vsock.c creates a switch; every other part reaches it by lcore.sw or port.sw.
 *
 * Legend: [C] constant while the lcores run.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/chunk.h"
#include "vsock_limits.h"

struct host_listen;
struct lcore;
struct port_table;
struct watch;
struct workqueue;

/** Settings of a switch. */
struct vsock_conf {
	cpu_set_t slow_cpus;                     /**< where the threads of the slow path run */
	bool spin;                               /**< the lcores never sleep */
	uint32_t spin_us;                        /**< adaptive: busy-poll this long without work */
	unsigned int nb_lcores;                  /**< 0: all lcores but EAL's main lcore */
	unsigned int lcore_ids[LIMIT_NB_LCORES]; /**< EAL's ids; unused if nb_lcores is 0 */
};

struct vsock_switch {
	uint16_t id;                           /* [C] names objects of EAL */
	struct vsock_conf conf;                /* [C] */
	unsigned int nb_lcores;                /* [C] */
	unsigned int nb_launched;              /* [C] of them, those whose loop runs */
	struct lcore *lcores[LIMIT_NB_LCORES]; /* [C] */
	struct chunk_pool chunks;              /* shared by the lcores; see data/chunk.h */
	struct workqueue *slow_wq;             /* [C] works of the slow path */
	struct port_table *ports;              /* [C] control/port.c */
	struct host_listen *listen;            /* [C] control/host_listen.c */
	struct watch *watch;                   /* [C] control/watch.c */
};

#endif
