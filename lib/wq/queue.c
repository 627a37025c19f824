/* SPDX-License-Identifier: BSD-3-Clause */

/* Queueing: the code that a polling lcore runs. It has no lock, no allocation and no loop. */

#include "global.h"
#include "queue.h"
#include "work.h"

struct wq_pwq *
wq_queue_route(const struct workqueue *wq, int cpu)
{
	if (cpu < 0)
		cpu = sched_getcpu();
	if (wq_unlikely(cpu < 0 || cpu >= wq_global.topo.nb_cpus))
		cpu = 0;
	/* Acquire: pairs with the release in wq_workqueue_reroute(). */
	return __atomic_load_n(&wq->route[cpu], __ATOMIC_ACQUIRE);
}

void
wq_queue_push(struct wq_pwq *pwq, struct wq_work *work)
{
	struct wq_inbox *in = &pwq->pool->inbox;
	struct wq_waker *sleeper;

	work->pwq = pwq;
	wq_work_set_where(work, WQ_WHERE(WQ_AT_INBOX, pwq->pool_id));
	wq_inbox_push(in, work);
	/* The work may be freed by now. Sequentially consistent: see wq_inbox_push(). */
	if (wq_likely(__atomic_load_n(&in->sleeper, __ATOMIC_SEQ_CST) == NULL))
		return;
	sleeper = __atomic_exchange_n(&in->sleeper, NULL, __ATOMIC_ACQ_REL);
	if (sleeper != NULL)
		wq_waker_wake(sleeper);
}

bool
wq_queue_work_on(int cpu, struct workqueue *wq, struct wq_work *work)
{
	if (wq_unlikely(__atomic_load_n(&wq->draining, __ATOMIC_ACQUIRE)) && !wq_in_work(wq))
		return false;
	if (!wq_work_claim(work))
		return false;
	wq_queue_push(wq_queue_route(wq, cpu), work);
	return true;
}

bool
wq_queue_work(struct workqueue *wq, struct wq_work *work)
{
	return wq_queue_work_on(-1, wq, work);
}
