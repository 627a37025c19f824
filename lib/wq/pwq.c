/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A pwq ties a workqueue to a pool. It counts the works in flight by colour, holds back those over
 * max_active, and takes works from the pool's inbox to the pool's lists.
 */

#include "link.h"
#include "pool.h"
#include "pwq.h"
#include "work.h"

void
wq_pwq_move_linked(struct wq_work *work, struct wq_link *to)
{
	struct wq_link *l = &work->entry;
	bool linked;

	do {
		struct wq_work *cur = wq_container_of(l, struct wq_work, entry);

		l = l->next;
		linked = cur->flags & WQ_F_LINKED;
		wq_link_del(&cur->entry);
		wq_link_append(&cur->entry, to);
	} while (linked);
}

void
wq_pwq_insert(struct wq_pwq *pwq, struct wq_work *work)
{
	struct wq_pool *pool = pwq->pool;

	work->pwq = pwq;
	work->colour = (uint8_t)pwq->work_colour;
	pwq->nb_in_flight[pwq->work_colour]++;
	pwq->nb_inserted++;
	if (wq_likely(pwq->nb_active < pwq->max_active && wq_link_empty(&pwq->inactive))) {
		work->flags = 0;
		pwq->nb_active++;
		wq_link_append(&work->entry, &pool->worklist);
	} else {
		work->flags = WQ_F_INACTIVE;
		wq_link_append(&work->entry, &pwq->inactive);
	}
	wq_work_set_where(work, WQ_WHERE(WQ_AT_POOL, pool->id));
}

/* Activates as many inactive works as max_active allows. P is held. */
static void
activate(struct wq_pwq *pwq)
{
	while (pwq->nb_active < pwq->max_active && !wq_link_empty(&pwq->inactive)) {
		struct wq_work *work = wq_container_of(pwq->inactive.next, struct wq_work, entry);

		/* Never a barrier: barriers are linked behind a work and move with it. */
		wq_pwq_move_linked(work, &pwq->pool->worklist);
		work->flags &= (uint8_t)~WQ_F_INACTIVE;
		pwq->nb_active++;
	}
}

void
wq_pwq_colour_done(struct workqueue *wq)
{
	/*
	 * The first flusher is set before the count of pwqs and stays until it is completed.
	 * Acquire: pairs with the release in lead() of flush.c.
	 */
	wq_completion_done(&__atomic_load_n(&wq->first_flusher, __ATOMIC_ACQUIRE)->done);
}

void
wq_pwq_done(struct wq_pwq *pwq, unsigned colour, unsigned flags)
{
	if (!(flags & WQ_F_INACTIVE)) {
		pwq->nb_active--;
		if (wq_unlikely(!wq_link_empty(&pwq->inactive)))
			activate(pwq);
	}
	if (wq_likely(--pwq->nb_in_flight[colour] != 0 || pwq->flush_colour != (int)colour))
		return;
	pwq->flush_colour = WQ_NO_COLOUR;
	/* Acquire and release: the last pwq completes the flush for all. Pairs with lead(). */
	if (__atomic_sub_fetch(&pwq->wq->nb_pwqs_to_flush, 1, __ATOMIC_ACQ_REL) == 0)
		wq_pwq_colour_done(pwq->wq);
}

void
wq_pwq_set_max_active(struct wq_pwq *pwq, int max_active)
{
	wq_lock(&pwq->pool->lock);
	pwq->max_active = max_active;
	activate(pwq);
	wq_pool_unlock(pwq->pool);
}

bool
wq_pwq_idle(const struct wq_pwq *pwq)
{
	for (unsigned i = 0; i < WQ_NB_COLOURS; i++) {
		if (pwq->nb_in_flight[i] != 0)
			return false;
	}
	return true;
}

/*
 * Inserts a work that was last executed in another pool. If it still runs there, it has to wait in
 * that pool. P of @pool is held, and released meanwhile; pool->nb_transit tells flushers that a
 * work is in no list.
 */
static void
place_foreign(struct wq_pool *pool, struct wq_work *work, uint32_t last_id)
{
	struct wq_pwq *pwq = work->pwq;
	struct wq_pool *last = wq_pool_by_id(last_id);
	struct wq_worker *w;
	bool placed = false;

	/* The id of a pool that an earlier wq_exit() destroyed. */
	if (last == NULL) {
		wq_pwq_insert(pwq, work);
		return;
	}
	pool->nb_transit++;
	wq_pool_unlock(pool);
	wq_lock(&last->lock);
	w = wq_pool_find_executing(last, work);
	if (w != NULL && w->current_pwq->wq == pwq->wq) {
		wq_pwq_insert(w->current_pwq, work);
		placed = true;
	}
	wq_pool_unlock(last);
	wq_lock(&pool->lock);
	pool->nb_transit--;
	if (!placed)
		wq_pwq_insert(pwq, work);
}

enum wq_inbox_state
wq_pwq_drain(struct wq_pool *pool, unsigned budget)
{
	enum wq_inbox_state state;

	for (; budget > 0; budget--) {
		struct wq_work *work = wq_inbox_pop(&pool->inbox, &state);
		uint32_t last;

		if (work == NULL)
			return state;
		last = __atomic_load_n(&work->last_pool, __ATOMIC_RELAXED);
		if (wq_likely(last == 0 || last == pool->id || (work->pwq->wq->flags & WQ_ORDERED)))
			wq_pwq_insert(work->pwq, work);
		else
			place_foreign(pool, work, last);
	}
	return WQ_INBOX_MORE;
}

void
wq_pwq_drain_marked(struct wq_pool *pool)
{
	uint64_t mark = wq_inbox_mark(&pool->inbox);

	while (!wq_inbox_reached(&pool->inbox, mark)) {
		if (wq_pwq_drain(pool, 64) != WQ_INBOX_MORE)
			return;
	}
}
