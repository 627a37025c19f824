/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RND_H
#define RND_H

/**
 * @file
 * Random numbers that a failed test can repeat (xorshift64*).
 */

#include <stdint.h>

/** @param state must not be 0. @return the next number */
uint64_t rnd_next(uint64_t *state);

/** @return a number below @p bound */
uint32_t rnd_below(uint64_t *state, uint32_t bound);

/** @return the seed of this run, which is printed: VSOCK_TEST_SEED, or the time */
uint64_t rnd_seed(void);

#endif /* RND_H */
