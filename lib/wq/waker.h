/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_WAKER_H
#define WQ_WAKER_H

/*
 * The place where one thread sleeps. Only the sleeping thread sets WQ_WAKER_ASLEEP. So a wake-up
 * that comes before the sleep is kept, and costs no system call.
 */

#include <stdint.h>

#include "os.h"

enum {
	WQ_WAKER_AWAKE,
	WQ_WAKER_SIGNALLED,
	WQ_WAKER_ASLEEP,
};

/** Zero-initialised. Its memory outlives every thread that may wake it. */
struct wq_waker {
	uint32_t word; /* A: one of the states above; also the futex */
};

/** Wake the thread, or make its next sleep end at once. Context: any thread, lcores included. */
static inline void
wq_waker_wake(struct wq_waker *w)
{
	/* Release: the woken thread sees what the waker did. Pairs with wq_waker_sleep(). */
	if (__atomic_exchange_n(&w->word, WQ_WAKER_SIGNALLED, __ATOMIC_ACQ_REL) == WQ_WAKER_ASLEEP)
		wq_os_futex_wake(&w->word, 1);
}

/**
 * Sleep until a wake-up. Returns at once if one came since the last sleep.
 *
 * Context: the thread that owns the waker, without any lock.
 * @param until_ns time of wq_os_now_ns() at which the sleep ends anyway; WQ_FOREVER: never.
 */
void wq_waker_sleep(struct wq_waker *w, uint64_t until_ns);

#endif
