/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_TSC_H
#define SIM_TSC_H

/** @file Included in front of loop/lcore_loop.c, which takes its time from here. */

#include <stdint.h>

/** @return the simulated time, nanoseconds. */
uint64_t sim_tsc(void);

#define LCORE_TSC() sim_tsc()

#endif
