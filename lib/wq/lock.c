/* SPDX-License-Identifier: BSD-3-Clause */
#include "lock.h"

/* Pauses before a thread sleeps: longer than the longest section, shorter than a switch. */
#define LOCK_SPINS 200

void
wq_lock_slow(struct wq_lock *lock)
{
	for (unsigned i = 0; i < LOCK_SPINS; i++) {
		wq_os_pause();
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 && wq_lock_try(lock))
			return;
	}
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
		wq_os_futex_wait(&lock->word, 2);
}
