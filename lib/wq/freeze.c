/* SPDX-License-Identifier: BSD-3-Clause */

/* Freezing and thawing the freezable workqueues. */

#include "global.h"
#include "link.h"
#include "pool.h"
#include "workqueue.h"

static void
set_frozen(bool frozen)
{
	struct wq_link *l;

	pthread_mutex_lock(&wq_global.mutex);
	wq_global.frozen = frozen;
	wq_link_foreach(l, &wq_global.workqueues)
	{
		struct workqueue *wq = wq_container_of(l, struct workqueue, node);

		if (!(wq->flags & WQ_FREEZABLE))
			continue;
		pthread_mutex_lock(&wq->mutex);
		wq_workqueue_apply_max_active(wq);
		pthread_mutex_unlock(&wq->mutex);
	}
	pthread_mutex_unlock(&wq_global.mutex);
}

void
wq_freeze(void)
{
	set_frozen(true);
}

void
wq_thaw(void)
{
	set_frozen(false);
}

bool
wq_freeze_busy(void)
{
	struct wq_link *l, *p;
	bool busy = false;

	pthread_mutex_lock(&wq_global.mutex);
	wq_link_foreach(l, &wq_global.workqueues)
	{
		struct workqueue *wq = wq_container_of(l, struct workqueue, node);

		if (!(wq->flags & WQ_FREEZABLE))
			continue;
		wq_link_foreach(p, &wq->pwqs)
		{
			struct wq_pwq *pwq = wq_container_of(p, struct wq_pwq, node);

			wq_lock(&pwq->pool->lock);
			busy |= pwq->nb_active > 0;
			wq_pool_unlock(pwq->pool);
		}
	}
	pthread_mutex_unlock(&wq_global.mutex);
	return busy;
}
