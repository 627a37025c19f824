/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PG_SIZES_H
#define PG_SIZES_H

/**
 * @file
 * Message sizes: one, or a mix by weight, drawn from a sequence that the receiver can draw again.
 *
 * Context: pure functions.
 */

#include <stdint.h>

#define PG_SIZES_MAX_NB  16u
#define PG_SIZES_MAX_LEN (1u << 20)

struct pg_sizes {
	unsigned int nb;
	uint32_t len[PG_SIZES_MAX_NB];
	uint32_t upto[PG_SIZES_MAX_NB]; /**< Sum of the weights up to and with this one. */
	uint32_t max_len;
};

/** A sequence of random numbers; any seed will do. */
struct pg_rng {
	uint64_t state;
};

/** @return the next number */
uint64_t pg_sizes_random(struct pg_rng *rng);

/**
 * Reads "4096", "64K" or "64:10,1500,65536:2" (size, colon, weight; weight 1 when left out).
 *
 * @return 0, or -EINVAL: no list, a size of 0 or above PG_SIZES_MAX_LEN, too many
 */
int pg_sizes_parse(const char *text, struct pg_sizes *sizes);

/** @return the next size of a sequence */
uint32_t pg_sizes_next(const struct pg_sizes *sizes, struct pg_rng *rng);

/**
 * Reads a count of bytes with the suffixes K, M, G (powers of 1024).
 *
 * @param end where the number ends
 * @return 0, or -EINVAL
 */
int pg_sizes_parse_bytes(const char *text, uint64_t *value, const char **end);

#endif /* PG_SIZES_H */
