/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/** @file The state that the stand-ins of the simulator share. */

#include "sim.h"

struct vsock_switch;

/** The world of a run. */
struct sim_world {
	unsigned int nb_lcores;       /**< poll lcores */
	int (*lcore_main)(void *arg); /**< the loop of an lcore */
	struct sim_rand rand;         /**< rte_rand() */
	struct sim_rand schedule;     /**< who is next */
	struct vsock_switch *sw;
	uint64_t seed, step;
};

extern struct sim_world sim_world;

#endif
