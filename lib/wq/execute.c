/* SPDX-License-Identifier: BSD-3-Clause */

/* Executing works in a worker. */

#include <time.h>

#include "execute.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "pwq.h"
#include "work.h"

/* One execution in SAMPLE_EVERY is timed. */
#define SAMPLE_EVERY 64
/* The monitor accounts longer executions by the CPU clock of the thread. */
#define SAMPLE_MAX_NS (1 * WQ_NS_PER_MS)

bool
wq_execute_assign(struct wq_worker *w, struct wq_work *work)
{
	struct wq_worker *other = wq_pool_find_executing(w->pool, work);

	if (wq_unlikely(other != NULL)) {
		wq_pwq_move_linked(work, &other->scheduled);
		return false;
	}
	wq_pwq_move_linked(work, &w->scheduled);
	return true;
}

/* Calls the function and times some calls. Returns the time for all calls since the last sample. */
static uint64_t
call(struct wq_worker *w, struct wq_work *work)
{
	uint64_t start, ns;

	if (wq_likely(w->sample_in > 0)) {
		w->sample_in--;
		w->current_func(work);
		return 0;
	}
	w->sample_in = SAMPLE_EVERY - 1;
	start = wq_os_tsc();
	w->current_func(work);
	ns = wq_os_tsc_to_ns(wq_os_tsc() - start);
	return ns <= SAMPLE_MAX_NS ? ns * SAMPLE_EVERY : 0;
}

/* Accounts the CPU time since the last pass of the monitor. P is held. */
static void
account_long(struct wq_worker *w)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	now = (uint64_t)ts.tv_sec * WQ_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	if (now > w->seen_cpu_ns)
		w->current_pwq->stats.cpu_ns += now - w->seen_cpu_ns;
	w->seen_cpu_ns = 0;
}

/*
 * Executes one work. P is held, and released while the function runs. The function may free the
 * work, so nothing here touches the work after the call.
 */
static void
execute(struct wq_worker *w, struct wq_work *work)
{
	struct wq_pool *pool = w->pool;
	struct wq_pwq *pwq = work->pwq;
	uint64_t sampled_ns;

	w->current_work = work;
	w->current_func = work->func;
	w->current_pwq = pwq;
	w->current_colour = work->colour;
	w->current_flags = work->flags;
	w->nb_works++;
	pool->nb_started++;
	wq_link_del(&work->entry);
	wq_link_push(&w->entry, wq_pool_busy_slot(pool, work));
	if (wq_likely(!(work->flags & WQ_F_BARRIER)))
		pwq->stats.started++;
	if (wq_unlikely(pwq->wq->flags & WQ_CPU_INTENSIVE))
		wq_pool_set_worker_flags(w, WQ_W_CPU_INTENSIVE);
	__atomic_store_n(&work->last_pool, pool->id, __ATOMIC_RELAXED);
	wq_work_set_where(work, WQ_WHERE(WQ_AT_NONE, 0));
	/* The work is not pending any more: other threads may queue it. */
	wq_work_unclaim(work);
	wq_pool_unlock(pool);

	sampled_ns = call(w, work);
	WQ_ASSERT(w->block_depth == 0);

	wq_lock(&pool->lock);
	if (wq_unlikely(w->seen_cpu_ns != 0))
		account_long(w);
	if (wq_unlikely(w->flags & (WQ_W_CPU_INTENSIVE | WQ_W_SEEN_BLOCKED)))
		wq_pool_clear_worker_flags(w, WQ_W_CPU_INTENSIVE | WQ_W_SEEN_BLOCKED);
	wq_link_del(&w->entry);
	w->current_work = NULL;
	w->current_func = NULL;
	w->current_pwq = NULL;
	if (wq_likely(!(w->current_flags & WQ_F_BARRIER))) {
		pwq->stats.completed++;
		pwq->stats.cpu_ns += sampled_ns;
		if (wq_unlikely(w->flags & WQ_W_RESCUER))
			pwq->stats.rescued++;
	}
	wq_pwq_done(pwq, w->current_colour, w->current_flags);
}

void
wq_execute_scheduled(struct wq_worker *w)
{
	while (!wq_link_empty(&w->scheduled))
		execute(w, wq_container_of(w->scheduled.next, struct wq_work, entry));
}
