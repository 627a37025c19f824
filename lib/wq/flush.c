/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flushing a workqueue by colours. A work gets the current colour of its pwq when it comes. A
 * flusher takes this colour and gives the pwqs the next one. Its flush ends when no pwq has a work
 * of its colour in flight. The pwqs watch one colour at a time, that of the first flusher; the
 * other flushers queue behind it. If all colours are in use, flushers wait in the overflow list,
 * and share the next colour that becomes free.
 */

#include "block.h"
#include "current.h"
#include "flush.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "pwq.h"

static int
next_colour(int colour)
{
	return (colour + 1) % WQ_NB_COLOURS;
}

/*
 * A work whose queueing has returned may still be in an inbox or on its way from one pool to
 * another, without a colour. Waits until all such works have one. Works that come later may have
 * none.
 */
static void
settle_pool(struct wq_pool *pool)
{
	unsigned round = 0;
	uint64_t mark;

	wq_lock(&pool->lock);
	mark = wq_inbox_mark(&pool->inbox);
	while (!wq_inbox_reached(&pool->inbox, mark) || pool->nb_transit > 0) {
		enum wq_inbox_state state = wq_pwq_drain(pool, 64);

		if (state == WQ_INBOX_MORE && pool->nb_transit == 0)
			continue;
		/* A producer is between its two steps, or a thread moves a work: let it run. */
		wq_pool_unlock(pool);
		if (round++ < 100)
			wq_os_yield();
		else
			wq_os_sleep_ns(50 * WQ_NS_PER_US);
		wq_lock(&pool->lock);
	}
	wq_pool_unlock(pool);
}

void
wq_flush_settle(struct workqueue *wq)
{
	struct wq_link *l;

	wq_link_foreach(l, &wq->pwqs) settle_pool(wq_container_of(l, struct wq_pwq, node)->pool);
}

/* Sets the colour of works to come in all pwqs. M is held. */
static void
paint(struct workqueue *wq)
{
	struct wq_link *l;

	wq_link_foreach(l, &wq->pwqs)
	{
		struct wq_pwq *pwq = wq_container_of(l, struct wq_pwq, node);

		wq_lock(&pwq->pool->lock);
		pwq->work_colour = wq->work_colour;
		wq_pool_unlock(pwq->pool);
	}
}

/*
 * Makes a flusher the first one, and the pwqs watch for the flush colour on its behalf. M is held.
 * false: no work of that colour was in flight, so that the pwqs will not complete the flusher.
 */
static bool
lead(struct workqueue *wq, struct wq_flusher *f)
{
	bool waits = false;
	struct wq_link *l;

	__atomic_store_n(&wq->first_flusher, f, __ATOMIC_RELEASE);
	/* One for this thread: a pwq that finishes early must not complete the flush. */
	__atomic_store_n(&wq->nb_pwqs_to_flush, 1, __ATOMIC_RELAXED);
	wq_link_foreach(l, &wq->pwqs)
	{
		struct wq_pwq *pwq = wq_container_of(l, struct wq_pwq, node);

		wq_lock(&pwq->pool->lock);
		WQ_ASSERT(pwq->flush_colour == WQ_NO_COLOUR);
		if (pwq->nb_in_flight[wq->flush_colour] > 0) {
			pwq->flush_colour = wq->flush_colour;
			__atomic_add_fetch(&wq->nb_pwqs_to_flush, 1, __ATOMIC_RELAXED);
			waits = true;
		}
		wq_pool_unlock(pwq->pool);
	}
	if (__atomic_sub_fetch(&wq->nb_pwqs_to_flush, 1, __ATOMIC_ACQ_REL) == 0 && waits)
		wq_pwq_colour_done(wq);
	if (!waits)
		__atomic_store_n(&wq->first_flusher, NULL, __ATOMIC_RELEASE);
	return waits;
}

/*
 * The flush colour is done: completes its other flushers, frees the colour and makes the next
 * flusher the first one. M is held.
 */
static void
cascade(struct workqueue *wq)
{
	__atomic_store_n(&wq->first_flusher, NULL, __ATOMIC_RELEASE);
	for (;;) {
		struct wq_link *l, *tmp;
		struct wq_flusher *f;

		wq_link_foreach_safe(l, tmp, &wq->flushers)
		{
			f = wq_container_of(l, struct wq_flusher, node);
			if (f->colour != wq->flush_colour)
				break;
			wq_link_del(&f->node);
			wq_completion_done(&f->done);
		}
		wq->flush_colour = next_colour(wq->flush_colour);

		/* A colour is free now: all flushers that waited for one share it. */
		if (!wq_link_empty(&wq->overflow)) {
			wq_flush_settle(wq);
			wq_link_foreach(l, &wq->overflow)
				wq_container_of(l, struct wq_flusher, node)
					->colour = wq->work_colour;
			wq_link_splice_tail(&wq->overflow, &wq->flushers);
			wq->work_colour = next_colour(wq->work_colour);
			paint(wq);
		}

		if (wq_link_empty(&wq->flushers)) {
			WQ_ASSERT(wq->flush_colour == wq->work_colour);
			return;
		}
		f = wq_container_of(wq->flushers.next, struct wq_flusher, node);
		WQ_ASSERT(f->colour == wq->flush_colour);
		wq_link_del(&f->node);
		if (lead(wq, f))
			return;
		wq_completion_done(&f->done);
	}
}

/* Enters a flusher. M is held. false: there is nothing to wait for. */
static bool
enter(struct workqueue *wq, struct wq_flusher *f)
{
	if (next_colour(wq->work_colour) == wq->flush_colour) {
		wq_link_append(&f->node, &wq->overflow);
		return true;
	}
	wq_flush_settle(wq);
	f->colour = wq->work_colour;
	wq->work_colour = next_colour(wq->work_colour);
	paint(wq);
	if (wq->first_flusher != NULL) {
		wq_link_append(&f->node, &wq->flushers);
		return true;
	}
	WQ_ASSERT(f->colour == wq->flush_colour);
	if (lead(wq, f))
		return true;
	wq->flush_colour = wq->work_colour;
	return false;
}

void
wq_flush(struct workqueue *wq)
{
	struct wq_flusher f = {.colour = WQ_NO_COLOUR};
	bool waits;

	/* The calling work would wait for itself. */
	WQ_ASSERT(!wq_in_work(wq));
	wq_link_init(&f.node);
	pthread_mutex_lock(&wq->mutex);
	waits = enter(wq, &f);
	pthread_mutex_unlock(&wq->mutex);
	if (!waits)
		return;
	wq_block_wait(&f.done);
	/*
	 * If the pwqs completed this flusher, it is still the first one and makes the next one the
	 * first. Otherwise another first flusher has completed it. Only the first flusher itself
	 * resigns, so M is not needed to compare.
	 */
	if (__atomic_load_n(&wq->first_flusher, __ATOMIC_ACQUIRE) != &f)
		return;
	pthread_mutex_lock(&wq->mutex);
	cascade(wq);
	pthread_mutex_unlock(&wq->mutex);
}
