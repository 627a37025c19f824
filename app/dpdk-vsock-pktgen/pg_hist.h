/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_HIST_H
#define PG_HIST_H

/**
 * @file
 * A histogram of times, log-linear: 64 steps for each doubling, so that any value is known within
 * 1.6 % and one below 128 ns exactly, at a constant price.
 *
 * Context: one thread at a time.
 */

#include <stdint.h>

#define PG_HIST_STEP_BITS 6u
#define PG_HIST_NB        ((64u - PG_HIST_STEP_BITS + 1u) << PG_HIST_STEP_BITS)

struct pg_hist {
	uint64_t nb;
	uint64_t sum_ns;
	uint64_t min_ns; /**< Exact; 0 while empty. */
	uint64_t max_ns; /**< Exact. */
	uint64_t buckets[PG_HIST_NB];
};

/** Empties it. */
void pg_hist_clear(struct pg_hist *hist);

/** Counts one value. */
void pg_hist_add(struct pg_hist *hist, uint64_t ns);

/**
 * @param share 0 to 1; 0.5 is the median
 * @return the largest value of the bucket in which that share of the values is reached, never above
 *         max_ns; 0 when empty
 */
uint64_t pg_hist_quantile(const struct pg_hist *hist, double share);

/** @return the mean in nanoseconds; 0 when empty */
double pg_hist_mean(const struct pg_hist *hist);

#endif /* PG_HIST_H */
