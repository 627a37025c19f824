/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>

#include "waker.h"

void
wq_waker_sleep(struct wq_waker *w, uint64_t until_ns)
{
	uint32_t word = WQ_WAKER_AWAKE;

	if (__atomic_compare_exchange_n(
		    &w->word, &word, WQ_WAKER_ASLEEP, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		do {
			wq_os_futex_wait_until(&w->word, WQ_WAKER_ASLEEP, until_ns);
		} while (__atomic_load_n(&w->word, __ATOMIC_ACQUIRE) == WQ_WAKER_ASLEEP &&
			wq_os_now_ns() < until_ns);
	}
	/* Acquire: what was done before the wake is seen. Pairs with wq_waker_wake(). */
	__atomic_exchange_n(&w->word, WQ_WAKER_AWAKE, __ATOMIC_ACQ_REL);
}
