/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_INBOX_H
#define WQ_INBOX_H

/*
 * The wait-free queue in front of a pool or of the timer: many producers, one consumer at a time.
 * The consumer holds the lock behind the inbox (P or T). A producer exchanges the tail, then links
 * its predecessor. Between the two steps the inbox is half linked: the consumer cannot reach the
 * rest of the chain. The consumer takes whole chains off by exchanging the tail with the stub.
 */

#include <stdbool.h>
#include <stdint.h>

#include "waker.h"
#include "wq.h"

struct wq_inbox {
	struct wq_work *tail;     /* A; exchanged by producers and consumer */
	struct wq_waker *sleeper; /* A; the producer has to wake it; NULL: the consumer is awake */
	struct wq_work stub __attribute__((aligned(WQ_LINE))); /* inbox_next: A */
	struct wq_work *cur __attribute__((aligned(WQ_LINE))); /* P; chain taken off, not popped */
	struct wq_work *last;                                  /* P; the end of that chain */
	uint64_t nb_chains;                                    /* P; chains taken off so far */
} __attribute__((aligned(WQ_LINE)));

/** Reason why wq_inbox_pop() or wq_pwq_drain() stopped. */
enum wq_inbox_state {
	WQ_INBOX_EMPTY, /**< There are no more works. */
	WQ_INBOX_MORE,  /**< The caller's budget ended first. */
	WQ_INBOX_HALF,  /**< A producer is between its two steps. */
};

/** Make an inbox empty, without a sleeper. Context: before any other thread sees it. */
void wq_inbox_init(struct wq_inbox *in);

/**
 * Take the next work, in the order of the pushes.
 *
 * Context: the lock behind the inbox is held.
 * @param state set to WQ_INBOX_EMPTY or WQ_INBOX_HALF when NULL is returned, else unchanged.
 * @return the work, whose claim passes to the caller; NULL when none can be reached.
 */
struct wq_work *wq_inbox_pop(struct wq_inbox *in, enum wq_inbox_state *state);

/**
 * Append a work. The caller reads the sleeper afterwards and wakes it.
 *
 * Context: any thread, lcores included; wait-free. The caller holds the claim, which passes on.
 */
static inline void
wq_inbox_push(struct wq_inbox *in, struct wq_work *work)
{
	struct wq_work *prev;

	__atomic_store_n(&work->inbox_next, NULL, __ATOMIC_RELAXED);
	/*
	 * Sequentially consistent: pairs with the store of in->sleeper and the load of in->tail in
	 * pool.c, settle(). Either the pool sees the work, or the producer sees the sleeper.
	 */
	prev = __atomic_exchange_n(&in->tail, work, __ATOMIC_SEQ_CST);
	__atomic_store_n(&prev->inbox_next, work, __ATOMIC_RELEASE);
}

/**
 * Whether no push came since the last chain was taken off.
 *
 * Context: any thread; a hint without the lock behind the inbox.
 */
static inline bool
wq_inbox_quiet(const struct wq_inbox *in)
{
	return __atomic_load_n(&in->tail, __ATOMIC_SEQ_CST) == &in->stub;
}

/** Whether all pushed works have been popped. Context: the lock behind the inbox is held. */
static inline bool
wq_inbox_empty(const struct wq_inbox *in)
{
	return in->cur == NULL && wq_inbox_quiet(in);
}

/**
 * Mark the present end of the inbox: the end of the chain that is popped now, or of the next one.
 *
 * Context: the lock behind the inbox is held.
 * @return a mark for wq_inbox_reached().
 */
static inline uint64_t
wq_inbox_mark(const struct wq_inbox *in)
{
	return in->nb_chains + (wq_inbox_quiet(in) ? 0 : 1);
}

/** Whether all works before a mark have been popped. Context: as wq_inbox_mark(). */
static inline bool
wq_inbox_reached(const struct wq_inbox *in, uint64_t mark)
{
	return in->nb_chains > mark || (in->nb_chains == mark && in->cur == NULL);
}

#endif
