/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_WORK_H
#define WQ_WORK_H

/*
 * The state words of a work: the claim, and the place where a claimed work is. types.h has the
 * legend of the letters.
 *
 * struct wq_work:
 *  state         A  WQ_PENDING or 0; a thread claims a work by one exchange. Set while disabled
 *  where         A  kind and pool; written by C, and under P once the work has left the inbox
 *  inbox_next    A  release by the next producer, acquire by the consumer of the inbox (P)
 *  entry         P  in pool->worklist, pwq->inactive or worker->scheduled
 *  func          I
 *  pwq           C, then P
 *  last_pool     A  id of the pool that executed it last; written under P before state becomes 0
 *  disable_depth D
 *  flags, colour P
 */

#include <stdbool.h>
#include <stdint.h>

#include "wq.h"

#define WQ_PENDING 1u

/** Kinds of places. */
enum wq_where {
	WQ_AT_NONE,     /**< Idle, or the claiming thread has not stored the place yet. */
	WQ_AT_INBOX,    /**< In the pool's inbox, or between it and the pool's lists. */
	WQ_AT_POOL,     /**< In a list of the pool. */
	WQ_AT_TIMER,    /**< In the timer's inbox (pool 0) or heap (pool 1). */
	WQ_AT_DISABLED, /**< wq_disable_work() holds the claim. */
};
/** A place: the kind, and the id of the pool. */
#define WQ_WHERE_SHIFT          16
#define WQ_WHERE(kind, pool_id) ((uint32_t)(kind) << WQ_WHERE_SHIFT | (pool_id))
#define WQ_WHERE_KIND(w)        ((enum wq_where)((w) >> WQ_WHERE_SHIFT))
#define WQ_WHERE_POOL(w)        ((w)&0xffffu)

/**
 * Claim a work. WQ_PENDING is the only bit of the word, so an exchange has the effect of a
 * fetch_or. Some compilers make a compare-and-swap loop of the latter.
 *
 * Context: any thread, lcores included.
 * @return true if the caller holds the claim now.
 */
static inline bool
wq_work_claim(struct wq_work *work)
{
	return __atomic_exchange_n(&work->state, WQ_PENDING, __ATOMIC_SEQ_CST) == 0;
}

/**
 * Give the claim back. It must be a read-modify-write: it reads the value that the last failed
 * claim wrote, so everything before that claim happens before everything after this call.
 *
 * Context: the holder of the claim.
 */
static inline void
wq_work_unclaim(struct wq_work *work)
{
	__atomic_exchange_n(&work->state, 0, __ATOMIC_SEQ_CST);
}

/** @return the place of a work, see WQ_WHERE(). Context: any thread; a hint without the lock. */
static inline uint32_t
wq_work_where(const struct wq_work *work)
{
	return __atomic_load_n(&work->where, __ATOMIC_ACQUIRE);
}

/** Store the place of a work. Context: the holder of the claim, or of P of its pool. */
static inline void
wq_work_set_where(struct wq_work *work, uint32_t where)
{
	__atomic_store_n(&work->where, where, __ATOMIC_RELEASE);
}

#endif
