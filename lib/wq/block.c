/* SPDX-License-Identifier: BSD-3-Clause */

/* Announced blocking: the pool starts another worker at once. */

#include <errno.h>

#include "block.h"
#include "current.h"
#include "pool.h"

void
wq_block_begin(void)
{
	struct wq_worker *w = wq_current;
	int saved = errno;

	if (w == NULL || w->current_pwq == NULL || w->block_depth++ > 0)
		return;
	wq_lock(&w->pool->lock);
	if (!(w->flags & WQ_W_NOT_RUNNING) && wq_pool_work_waits(w->pool))
		w->current_pwq->stats.woken++;
	wq_pool_set_worker_flags(w, WQ_W_BLOCKED);
	wq_pool_unlock(w->pool);
	errno = saved;
}

void
wq_block_end(void)
{
	struct wq_worker *w = wq_current;
	int saved = errno;

	if (w == NULL || w->current_pwq == NULL)
		return;
	WQ_ASSERT(w->block_depth > 0);
	if (--w->block_depth > 0)
		return;
	wq_lock(&w->pool->lock);
	/* The worker runs, so the finding of the monitor is out of date, too. */
	wq_pool_clear_worker_flags(w, WQ_W_BLOCKED | WQ_W_SEEN_BLOCKED);
	wq_pool_unlock(w->pool);
	errno = saved;
}

void
wq_block_wait(struct wq_completion *c)
{
	if (__atomic_load_n(&c->done, __ATOMIC_ACQUIRE))
		return;
	wq_block_begin();
	while (!__atomic_load_n(&c->done, __ATOMIC_ACQUIRE))
		wq_os_futex_wait(&c->done, 0);
	wq_block_end();
}
