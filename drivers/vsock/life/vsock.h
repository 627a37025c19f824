/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VSOCK_VSOCK_H
#define VSOCK_VSOCK_H

/**
 * @file
 * The switch as a whole: start it, stop it, find its lcores.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct lcore;

struct vsock_conf {
	cpu_set_t slow_cpus; /**< where the slow path's threads run */
	bool spin;           /**< lcores never sleep */
	uint32_t spin_us;    /**< adaptive: busy-poll this long without work */
};

/**
 * Create all lcores' data, start the slow path, launch the loops on every worker lcore.
 * Context: main lcore, rte_eal_init() is done.
 * @return 0; -ENODEV no lcore but the main one; -E2BIG too many; -ENOMEM; -errno. One line was
 * logged, nothing is left running.
 */
int vsock_start(const struct vsock_conf *conf);

/** Stop the loops and the slow path, free everything; no port is left. Context: main lcore. */
void vsock_stop(void);

/** Poll lcores; index 0 to that less one. Context: any, while the switch runs. */
unsigned int vsock_nb_lcores(void);
struct lcore *vsock_lcore(unsigned int index);

#endif
