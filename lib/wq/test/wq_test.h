/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_TEST_H
#define WQ_TEST_H

/* Shared by the tests of lib/wq. Waits are bounded by events, with a generous timeout. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "wq.h"

#define TIMEOUT_MS 30000

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline uint64_t
test_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static inline void
test_sleep_us(uint64_t us)
{
	struct timespec ts = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	nanosleep(&ts, NULL);
}

static inline uint32_t
test_load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void
test_store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint32_t
test_add(uint32_t *word, uint32_t value)
{
	return __atomic_add_fetch(word, value, __ATOMIC_ACQ_REL);
}

/* Waits until a word has reached a value. */
static inline bool
test_reaches(const uint32_t *word, uint32_t value)
{
	uint64_t end = test_now_us() + (uint64_t)TIMEOUT_MS * 1000;

	while (test_load(word) < value) {
		if (test_now_us() > end)
			return false;
		test_sleep_us(100);
	}
	return true;
}

/* Burns CPU time. */
static inline void
test_burn_us(uint64_t us)
{
	uint64_t end = test_now_us() + us;

	while (test_now_us() < end)
		;
}

#define RUN(test)                                                                                  \
	do {                                                                                       \
		printf("%s\n", #test);                                                             \
		fflush(stdout);                                                                    \
		test();                                                                            \
	} while (0)

#endif
