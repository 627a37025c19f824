/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ST_H
#define ST_H

/**
 * @file
 * Shared by all stress tests: the seed, the clock, the end of a failed test.
 *
 * Environment: VSOCKD names the daemon's executable (else the test is skipped), VSOCKD_SANITIZED=1
 * says that it is a slow one, STRESS_SEED repeats a run's random choices, STRESS_SECONDS prolongs
 * it, STRESS_TRANSITIONS sets a goal instead where a test counts them.
 *
 * Context: any thread, unless something else is said.
 */

#include <stdbool.h>
#include <stdint.h>

/** Random numbers of one thread. */
struct st_rng {
	uint64_t state;
};

/** Reads the environment and says the seed. Skips the test without a daemon. Context: main. */
void st_init(const char *name);

/** @return numbers that follow from the test's seed and @p stream */
struct st_rng st_rng(uint64_t stream);

/** @return 64 random bits */
uint64_t st_random(struct st_rng *rng);

/** @return a number below @p bound */
uint32_t st_below(struct st_rng *rng, uint32_t bound);

/** @return true in @p percent of 100 cases */
bool st_chance(struct st_rng *rng, unsigned int percent);

/** @return a well mixed function of two values */
uint64_t st_mix(uint64_t a, uint64_t b);

/** @return CLOCK_MONOTONIC in microseconds */
uint64_t st_now_us(void);

/** Sleeps. */
void st_sleep_us(uint64_t us);

/** @return the daemon's executable */
const char *st_daemon_path(void);

/** @return whether the daemon is instrumented, and slow */
bool st_sanitized(void);

/** @return when the play is over: @p seconds from now, or STRESS_SECONDS; st_now_us()'s time */
uint64_t st_play_until(double seconds);

/** @return STRESS_TRANSITIONS, 0: no goal */
uint64_t st_transitions(void);

/** @return how long nothing may happen before it counts as lost, microseconds */
uint64_t st_stall_us(void);

/** Set the function that prints and ends things when the test fails. Context: main, once. */
void st_on_failure(void (*fn)(void));

/** Ends the process with status 1 and says why. */
void st_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define ST_FAIL(...) st_fail(__FILE__, __LINE__, __VA_ARGS__)

/** Fails unless @p cond holds. */
#define ST_CHECK(cond)                                                                             \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ST_FAIL("not true: %s", #cond);                                            \
	} while (0)

/** Fails unless two integers are equal. */
#define ST_CHECK_EQ(a, b)                                                                          \
	do {                                                                                       \
		const long long st_a = (long long)(a), st_b = (long long)(b);                      \
		if (st_a != st_b)                                                                  \
			ST_FAIL("%s is %lld, not %s = %lld", #a, st_a, #b, st_b);                  \
	} while (0)

#endif /* ST_H */
