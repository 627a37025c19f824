/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flushing one work: a barrier, itself a work, is linked right behind it and goes where it goes.
 * When the barrier runs, the work has run.
 */

#include "block.h"
#include "current.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "pwq.h"
#include "work.h"

struct barrier {
	struct wq_work work;
	struct wq_completion done;
};

static void
barrier_func(struct wq_work *work)
{
	wq_completion_done(&wq_container_of(work, struct barrier, work)->done);
}

/*
 * Puts a barrier behind a work that is in a list of the pool, or behind one that @w executes. It is
 * in flight like its target, but never counted as active. P is held.
 */
static void
insert_barrier(struct wq_pwq *pwq, struct wq_work *target, struct wq_worker *w, struct barrier *b)
{
	struct wq_work *work = &b->work;

	wq_work_init(work, barrier_func);
	b->done.done = 0;
	work->state = WQ_PENDING;
	work->pwq = pwq;
	work->flags = WQ_F_INACTIVE | WQ_F_BARRIER;
	wq_work_set_where(work, WQ_WHERE(WQ_AT_POOL, pwq->pool->id));
	if (w != NULL) {
		work->colour = w->current_colour;
		/* What is scheduled here already may be linked to each other, not to us. */
		wq_link_push(&work->entry, &w->scheduled);
	} else {
		work->colour = target->colour;
		work->flags |= target->flags & WQ_F_LINKED;
		target->flags |= WQ_F_LINKED;
		wq_link_push(&work->entry, &target->entry);
	}
	pwq->nb_in_flight[work->colour]++;
}

/*
 * Whether a queueing of the work is under way that is in no list of this pool: half linked, in
 * transit, in another pool, or in the hands of who has claimed it and not told yet where it goes.
 * To a third one, whose queueing returned false for that, the work is pending. What waits for its
 * timer is not meant.
 */
static bool
is_under_way(const struct wq_work *work)
{
	enum wq_where kind;

	/* In this order: not pending here means that the execution has begun. */
	if (!wq_work_pending(work))
		return false;
	kind = WQ_WHERE_KIND(wq_work_where(work));
	return kind != WQ_AT_TIMER && kind != WQ_AT_DISABLED;
}

/*
 * Tries once to put a barrier behind the last queueing of a work. true: *b will be completed;
 * false: *again tells whether the work was on its way, or it is idle.
 */
static bool
try_insert(struct wq_work *work, struct barrier *b, bool *again)
{
	uint32_t pool_id = WQ_WHERE_POOL(wq_work_where(work));
	struct wq_pool *pool;
	struct wq_worker *w;

	if (pool_id == 0)
		pool_id = __atomic_load_n(&work->last_pool, __ATOMIC_ACQUIRE);
	pool = pool_id != 0 ? wq_pool_by_id(pool_id) : NULL;
	if (pool == NULL) {
		*again = is_under_way(work) ||
			__atomic_load_n(&work->last_pool, __ATOMIC_ACQUIRE) != 0;
		return false;
	}
	wq_lock(&pool->lock);
	if (wq_work_where(work) == WQ_WHERE(WQ_AT_INBOX, pool->id))
		wq_pwq_drain_marked(pool);
	if (wq_work_where(work) == WQ_WHERE(WQ_AT_POOL, pool->id)) {
		insert_barrier(work->pwq, work, NULL, b);
		wq_pool_unlock(pool);
		return true;
	}
	*again = is_under_way(work) ||
		__atomic_load_n(&work->last_pool, __ATOMIC_RELAXED) != pool->id;
	w = *again ? NULL : wq_pool_find_executing(pool, work);
	if (w != NULL) {
		/* It would wait for itself. */
		WQ_ASSERT(w != wq_current);
		insert_barrier(w->current_pwq, NULL, w, b);
	}
	wq_pool_unlock(pool);
	return w != NULL;
}

/* Waits for the last queueing of a work; false: it was idle. */
bool
wq_flush_work(struct wq_work *work)
{
	struct barrier b;
	unsigned round = 0;
	bool again;

	while (!try_insert(work, &b, &again)) {
		if (!again)
			return false;
		if (round++ < 100)
			wq_os_yield();
		else
			wq_os_sleep_ns(50 * WQ_NS_PER_US);
	}
	wq_block_wait(&b.done);
	return true;
}
