/* SPDX-License-Identifier: BSD-3-Clause */

/* Draining: waiting until a workqueue is empty, while only its own works may queue to it. */

#include "flush.h"
#include "link.h"
#include "pool.h"
#include "pwq.h"

/* Whether all pwqs are idle. Also counts the works that ever came. M is held. */
static bool
look(struct workqueue *wq, uint64_t *nb_inserted)
{
	bool idle = true;
	struct wq_link *l;

	wq_flush_settle(wq);
	*nb_inserted = 0;
	wq_link_foreach(l, &wq->pwqs)
	{
		struct wq_pwq *pwq = wq_container_of(l, struct wq_pwq, node);

		wq_lock(&pwq->pool->lock);
		idle = idle && wq_pwq_idle(pwq);
		*nb_inserted += pwq->nb_inserted;
		wq_pool_unlock(pwq->pool);
	}
	return idle;
}

void
wq_drain(struct workqueue *wq)
{
	bool empty;

	/* Sequentially consistent: every queueing that starts later sees it. */
	__atomic_add_fetch(&wq->draining, 1, __ATOMIC_SEQ_CST);
	do {
		uint64_t first, second;

		wq_flush(wq);
		/*
		 * A work that queues itself may move from a pool that look() has not reached yet to
		 * the inbox of one that it has passed. So look twice and compare the counts. A work
		 * that exists between the two looks was found by the first, or it came to a pool
		 * after it, at the latest when the second look emptied the inboxes.
		 */
		pthread_mutex_lock(&wq->mutex);
		empty = look(wq, &first) && look(wq, &second) && first == second;
		pthread_mutex_unlock(&wq->mutex);
	} while (!empty);
	__atomic_sub_fetch(&wq->draining, 1, __ATOMIC_SEQ_CST);
}
