/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_CLOCK_H
#define PG_CLOCK_H

/**
 * @file
 * Clocks.
 *
 * Context: any thread.
 */

#include <stdint.h>

/** @return CLOCK_MONOTONIC in nanoseconds */
uint64_t pg_clock_now_ns(void);

/** @return the CPU time of the calling thread in nanoseconds */
uint64_t pg_clock_thread_cpu_ns(void);

#endif /* PG_CLOCK_H */
