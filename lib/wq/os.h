/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_OS_H
#define WQ_OS_H

/*
 * The services of the machine and the system that the library uses: futexes, clocks, assertions.
 * Shared words are plain integers under __atomic builtins, so that wq.h needs no _Atomic.
 */

#include <stdint.h>
#include <sys/types.h>

/** Bytes of a cache line. */
#define WQ_LINE 64

#define wq_likely(x)   __builtin_expect(!!(x), 1)
#define wq_unlikely(x) __builtin_expect(!!(x), 0)

#define WQ_NS_PER_US  UINT64_C(1000)
#define WQ_NS_PER_MS  UINT64_C(1000000)
#define WQ_NS_PER_SEC UINT64_C(1000000000)
/** A time that never comes. */
#define WQ_FOREVER UINT64_MAX

/** Print a failed assertion to stderr and abort the program. Context: any thread. */
_Noreturn void wq_os_bug(const char *file, int line, const char *what);
/** Abort the program on a bug of the library, or on one of its user that it cannot survive. */
#define WQ_ASSERT(cond)                                                                            \
	do {                                                                                       \
		if (wq_unlikely(!(cond)))                                                          \
			wq_os_bug(__FILE__, __LINE__, #cond);                                      \
	} while (0)

/**
 * Sleep while *word equals @p value. May return early: the caller checks its condition again.
 *
 * Context: any thread but polling lcores.
 */
void wq_os_futex_wait(uint32_t *word, uint32_t value);

/**
 * wq_os_futex_wait() with a limit.
 *
 * @param until_ns time of wq_os_now_ns() at which to return; WQ_FOREVER: no limit.
 */
void wq_os_futex_wait_until(uint32_t *word, uint32_t value, uint64_t until_ns);

/** Wake up to @p nb threads that sleep on a word. Context: any thread; one system call. */
void wq_os_futex_wake(uint32_t *word, int nb);

/** @return nanoseconds of CLOCK_MONOTONIC. Context: any thread; no system call (vDSO). */
uint64_t wq_os_now_ns(void);

/** @return the kernel's id of the calling thread. Context: any thread; one system call. */
pid_t wq_os_gettid(void);

/** Sleep for @p ns nanoseconds; signals do not cut it short. Context: not a polling lcore. */
void wq_os_sleep_ns(uint64_t ns);

/** Let other threads of this CPU run. Context: not a polling lcore. */
void wq_os_yield(void);

/** Tell the processor that the thread spins. Context: any thread. */
static inline void
wq_os_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/** @return ticks of a cheap counter, for wq_os_tsc_to_ns(). Context: any thread. */
static inline uint64_t
wq_os_tsc(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return wq_os_now_ns();
#endif
}

/** Measure the rate of wq_os_tsc(); takes 2 ms. Context: before any thread of the library. */
void wq_os_tsc_init(void);

/** @return nanoseconds of a difference of wq_os_tsc(). Context: after wq_os_tsc_init(). */
uint64_t wq_os_tsc_to_ns(uint64_t ticks);

#endif
