/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wq_os.h"

/* Pauses before a contended lock sleeps: longer than the longest section, shorter than a switch. */
#define LOCK_SPINS 200

static uint64_t tsc_ns_per_2_24; /* written by wq_tsc_init() before any thread starts */

void
wq_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "wq: %s:%d: %s\n", file, line, what);
	abort();
}

void
wq_futex_wait(uint32_t *word, uint32_t value)
{
	wq_futex_wait_until(word, value, WQ_FOREVER);
}

void
wq_futex_wait_until(uint32_t *word, uint32_t value, uint64_t until_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(until_ns / WQ_NS_PER_SEC),
		.tv_nsec = (long)(until_ns % WQ_NS_PER_SEC),
	};

	/* The bitset form takes an absolute time. Returns early at will: callers check again. */
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
		until_ns == WQ_FOREVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

void
wq_futex_wake(uint32_t *word, int nb)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nb, NULL, NULL, 0);
}

uint64_t
wq_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * WQ_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

pid_t
wq_gettid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

void
wq_sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / WQ_NS_PER_SEC),
		.tv_nsec = (long)(ns % WQ_NS_PER_SEC),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

void
wq_yield(void)
{
	sched_yield();
}

void
wq_tsc_init(void)
{
	uint64_t t0 = wq_now_ns(), c0 = wq_tsc(), t1, c1;

	/* 2 ms give the rate within a promille, which is enough for statistics. */
	do {
		t1 = wq_now_ns();
		c1 = wq_tsc();
	} while (t1 - t0 < 2 * WQ_NS_PER_MS);
	tsc_ns_per_2_24 = c1 > c0 ? ((t1 - t0) << 24) / (c1 - c0) : (uint64_t)1 << 24;
}

uint64_t
wq_tsc_to_ns(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * tsc_ns_per_2_24) >> 24);
}

void
wq_lock_slow(struct wq_lock *lock)
{
	for (unsigned i = 0; i < LOCK_SPINS; i++) {
		wq_pause();
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 && wq_trylock(lock))
			return;
	}
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
		wq_futex_wait(&lock->word, 2);
}

void
wq_complete(struct wq_completion *c)
{
	/* The waiter may be gone after the store; waking what is no futex is harmless. */
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	wq_futex_wake(&c->done, INT_MAX);
}

void
wq_wait_for(struct wq_completion *c)
{
	if (__atomic_load_n(&c->done, __ATOMIC_ACQUIRE))
		return;
	wq_block_begin();
	while (!__atomic_load_n(&c->done, __ATOMIC_ACQUIRE))
		wq_futex_wait(&c->done, 0);
	wq_block_end();
}

void
wq_waker_sleep(struct wq_waker *w, uint64_t until_ns)
{
	uint32_t word = WQ_WAKER_AWAKE;

	if (__atomic_compare_exchange_n(
		    &w->word, &word, WQ_WAKER_ASLEEP, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		do {
			wq_futex_wait_until(&w->word, WQ_WAKER_ASLEEP, until_ns);
		} while (__atomic_load_n(&w->word, __ATOMIC_ACQUIRE) == WQ_WAKER_ASLEEP &&
			wq_now_ns() < until_ns);
	}
	/* Acquire: what was done before the wake is seen. Pairs with wq_waker_wake(). */
	__atomic_exchange_n(&w->word, WQ_WAKER_AWAKE, __ATOMIC_ACQ_REL);
}
