/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_COMPLETION_H
#define WQ_COMPLETION_H

/*
 * An event that happens once and that other threads wait for, see wq_block_wait(). It may live on
 * the stack of the waiting thread.
 */

#include <limits.h>
#include <stdint.h>

#include "os.h"

/** Zero-initialised. */
struct wq_completion {
	uint32_t done; /* A: 0, then 1; also the futex */
};

/** Let the waiting threads go on. Context: any thread, once per completion. */
static inline void
wq_completion_done(struct wq_completion *c)
{
	/* The store may end the life of *c. Waking an address that is no futex is harmless. */
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	wq_os_futex_wake(&c->done, INT_MAX);
}

#endif
