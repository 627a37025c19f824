/* SPDX-License-Identifier: BSD-3-Clause */
#include "rnd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t
rnd_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

uint32_t
rnd_below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)((rnd_next(state) >> 32) * bound >> 32);
}

uint64_t
rnd_seed(void)
{
	const char *text = getenv("VSOCK_TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text != NULL ? strtoull(text, NULL, 0)
			    : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	if (seed == 0)
		seed = 1;
	printf("seed %#" PRIx64 " (repeat with VSOCK_TEST_SEED)\n", seed);
	return seed;
}
