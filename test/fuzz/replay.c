/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target without libFuzzer, so with any compiler: on the files that are named, or on
 * `-runs=N` random inputs. The seed is printed; VSOCK_TEST_SEED repeats it.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LEN 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t
next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* An allocation of its own for each input: reading past it is seen. */
static void
run_one(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (copy == NULL)
		abort();
	memcpy(copy + 1, bytes, len);
	LLVMFuzzerTestOneInput(copy + 1, len);
	free(copy);
}

static void
run_random(uint32_t nb_runs, uint8_t *buf)
{
	const char *text = getenv("VSOCK_TEST_SEED");
	struct timespec now;
	uint64_t state;

	clock_gettime(CLOCK_REALTIME, &now);
	state = text != NULL ? strtoull(text, NULL, 0)
			     : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	if (state == 0)
		state = 1;
	printf("seed %#" PRIx64 " (repeat with VSOCK_TEST_SEED), %" PRIu32 " runs\n", state,
		nb_runs);
	fflush(stdout);
	for (uint32_t i = 0; i < nb_runs; i++) {
		size_t len = next(&state) % (i % 16 == 0 ? 4096 : 256);

		for (size_t k = 0; k < len; k++)
			buf[k] = (uint8_t)(next(&state) >> 40);
		run_one(buf, len);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t buf[MAX_LEN];

	for (int i = 1; i < argc; i++) {
		FILE *f;
		size_t len;

		if (strncmp(argv[i], "-runs=", 6) == 0) {
			run_random((uint32_t)strtoul(argv[i] + 6, NULL, 10), buf);
			continue;
		}
		f = fopen(argv[i], "rb");
		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		len = fread(buf, 1, sizeof(buf), f);
		fclose(f);
		run_one(buf, len);
	}
	return 0;
}
