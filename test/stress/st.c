/* SPDX-License-Identifier: BSD-3-Clause */
#include "st.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED      77
#define DEFAULT_SEED UINT64_C(20240229)

static uint64_t seed;
static const char *test_name;
static void (*on_failure)(void);
static pthread_mutex_t fail_mutex = PTHREAD_MUTEX_INITIALIZER;

void
st_init(const char *name)
{
	const char *text = getenv("STRESS_SEED");

	test_name = name;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (st_daemon_path() == NULL) {
		printf("%s: skipped: VSOCKD does not name the daemon's executable\n", name);
		exit(SKIPPED);
	}
	seed = text != NULL ? strtoull(text, NULL, 0) : DEFAULT_SEED;
	printf("%s: STRESS_SEED=%" PRIu64 "\n", name, seed);
	fflush(stdout);
}

uint64_t
st_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct st_rng
st_rng(uint64_t stream)
{
	return (struct st_rng){.state = st_mix(seed, stream)};
}

uint64_t
st_random(struct st_rng *rng)
{
	rng->state += UINT64_C(0x9e3779b97f4a7c15);
	return st_mix(rng->state, 1);
}

uint32_t
st_below(struct st_rng *rng, uint32_t bound)
{
	return (uint32_t)(((st_random(rng) >> 32) * bound) >> 32);
}

bool
st_chance(struct st_rng *rng, unsigned int percent)
{
	return st_below(rng, 100) < percent;
}

uint64_t
st_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void
st_sleep_us(uint64_t us)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	nanosleep(&ts, NULL);
}

const char *
st_daemon_path(void)
{
	return getenv("VSOCKD");
}

bool
st_sanitized(void)
{
	const char *text = getenv("VSOCKD_SANITIZED");

	return text != NULL && strcmp(text, "1") == 0;
}

uint64_t
st_play_until(double seconds)
{
	const char *text = getenv("STRESS_SECONDS");

	if (text != NULL)
		seconds = strtod(text, NULL);
	return st_now_us() + (uint64_t)(seconds * 1e6);
}

uint64_t
st_transitions(void)
{
	const char *text = getenv("STRESS_TRANSITIONS");

	return text != NULL ? strtoull(text, NULL, 10) : 0;
}

uint64_t
st_stall_us(void)
{
	return (st_sanitized() ? 90 : 30) * UINT64_C(1000000);
}

void
st_on_failure(void (*fn)(void))
{
	on_failure = fn;
}

void
st_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	/* One thread tells, the others wait here for the end. */
	pthread_mutex_lock(&fail_mutex);
	fprintf(stderr, "%s: %s:%d: ", test_name, file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (STRESS_SEED=%" PRIu64 ")\n", seed);
	if (on_failure != NULL)
		on_failure();
	fflush(NULL);
	/* Other threads still run: nothing of theirs is torn down. */
	_exit(1);
}
