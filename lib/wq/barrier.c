/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flushing one work. A barrier is a work that is linked directly behind the flushed work and moves
 * together with it. When the barrier runs, the work has run.
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
 * Puts a barrier behind @target, which is in a list of the pool, or behind the work that @w
 * executes. The barrier is in flight like its target, but is never counted as active. P is held.
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
		/* Scheduled works may be linked to each other, but not to the barrier. */
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
 * Whether the work is pending, but not in a list of this pool. It may be half linked, in transit,
 * or in another pool, or the thread that claimed it has not stored its place yet. A third thread
 * whose queueing returned false for this reason counts on the execution. A work in the timer does
 * not count.
 */
static bool
is_under_way(const struct wq_work *work)
{
	enum wq_where kind;

	/* Before the place is read: a work that is not pending has begun to execute. */
	if (!wq_work_pending(work))
		return false;
	kind = WQ_WHERE_KIND(wq_work_where(work));
	return kind != WQ_AT_TIMER && kind != WQ_AT_DISABLED;
}

/*
 * Tries once to put a barrier behind the last queueing of a work. true: *b will be completed.
 * false: *again is true if the work is moving, and false if it is idle.
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
		/* The work would wait for itself. */
		WQ_ASSERT(w != wq_current);
		insert_barrier(w->current_pwq, NULL, w, b);
	}
	wq_pool_unlock(pool);
	return w != NULL;
}

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
