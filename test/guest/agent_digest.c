/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The digest of a stream of bytes: the bytes as one big-endian number, modulo a prime.
 *
 * Both ends of a transfer compare it. A damaged, lost, repeated or moved byte changes it, except
 * with a probability of 2^-64. An emulated CPU computes it far faster than a cryptographic hash.
 */

#include <string.h>

#include "agent.h"

/* The largest prime below 2^64, so that 2^64 is congruent to this value. */
#define DIGEST_FOLD  59
#define DIGEST_PRIME (UINT64_MAX - DIGEST_FOLD + 1)

/** @return @p value modulo the prime. */
static uint64_t
reduce(unsigned __int128 value)
{
	while (value >> 64 != 0)
		value = (value >> 64) * DIGEST_FOLD + (uint64_t)value;
	return (uint64_t)value >= DIGEST_PRIME ? (uint64_t)value - DIGEST_PRIME : (uint64_t)value;
}

void
digest_update(uint64_t *digest, const void *data, size_t data_len)
{
	const uint8_t *next = data;
	uint64_t h = *digest, word;

	for (; data_len >= sizeof(word); data_len -= sizeof(word), next += sizeof(word)) {
		memcpy(&word, next, sizeof(word));
		h = reduce((unsigned __int128)h * DIGEST_FOLD + __builtin_bswap64(word));
	}
	for (; data_len > 0; data_len--)
		h = reduce((unsigned __int128)h << 8 | *next++);
	*digest = h;
}
