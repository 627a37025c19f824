/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

static uint64_t tsc_ns_per_2_24; /* written by wq_os_tsc_init() before any thread starts */

void
wq_os_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "wq: %s:%d: %s\n", file, line, what);
	abort();
}

void
wq_os_futex_wait(uint32_t *word, uint32_t value)
{
	wq_os_futex_wait_until(word, value, WQ_FOREVER);
}

void
wq_os_futex_wait_until(uint32_t *word, uint32_t value, uint64_t until_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(until_ns / WQ_NS_PER_SEC),
		.tv_nsec = (long)(until_ns % WQ_NS_PER_SEC),
	};

	/* The bitset form takes an absolute time. */
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
		until_ns == WQ_FOREVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

void
wq_os_futex_wake(uint32_t *word, int nb)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nb, NULL, NULL, 0);
}

uint64_t
wq_os_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * WQ_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

pid_t
wq_os_gettid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

void
wq_os_sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / WQ_NS_PER_SEC),
		.tv_nsec = (long)(ns % WQ_NS_PER_SEC),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

void
wq_os_yield(void)
{
	sched_yield();
}

void
wq_os_tsc_init(void)
{
	uint64_t t0 = wq_os_now_ns(), c0 = wq_os_tsc(), t1, c1;

	/* 2 ms give the rate within 0.1 %, which is enough for statistics. */
	do {
		t1 = wq_os_now_ns();
		c1 = wq_os_tsc();
	} while (t1 - t0 < 2 * WQ_NS_PER_MS);
	tsc_ns_per_2_24 = c1 > c0 ? ((t1 - t0) << 24) / (c1 - c0) : (uint64_t)1 << 24;
}

uint64_t
wq_os_tsc_to_ns(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * tsc_ns_per_2_24) >> 24);
}
