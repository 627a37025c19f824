/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_LOCK_H
#define WQ_LOCK_H

/*
 * A lock of one word for short sections. It spins briefly, then sleeps in a futex. A polling lcore
 * never takes one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "os.h"

/** 0: free; 1: held; 2: held, and a thread may sleep in wq_lock_slow(). Zero-initialised. */
struct wq_lock {
	uint32_t word;
};

/** Take a lock that is held by another thread: spin, then sleep. Context: wq_lock(). */
void wq_lock_slow(struct wq_lock *lock);

/** Take a free lock. @return false if it is held. */
static inline bool
wq_lock_try(struct wq_lock *lock)
{
	uint32_t free = 0;

	return __atomic_compare_exchange_n(
		&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/** Take a lock. Context: any thread but polling lcores; not recursive. */
static inline void
wq_lock(struct wq_lock *lock)
{
	if (wq_unlikely(!wq_lock_try(lock)))
		wq_lock_slow(lock);
}

/** Release a lock and wake one thread that sleeps for it. Context: the thread that took it. */
static inline void
wq_unlock(struct wq_lock *lock)
{
	if (wq_unlikely(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2))
		wq_os_futex_wake(&lock->word, 1);
}

#endif
