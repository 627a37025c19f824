/* SPDX-License-Identifier: BSD-3-Clause */

/* Delayed works: queueing, moving and flushing. timer.c holds those that wait. */

#include "cancel.h"
#include "current.h"
#include "os.h"
#include "queue.h"
#include "timer.h"
#include "work.h"

void
wq_delayed_init(struct wq_delayed_work *dw, wq_func_t func)
{
	wq_work_init(&dw->work, func);
	dw->wq = NULL;
	dw->expires_ns = 0;
	dw->child = NULL;
	dw->next = NULL;
	dw->prev = NULL;
	dw->cpu = -1;
}

/* The caller holds the claim. */
static void
queue_claimed(int cpu, struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us)
{
	if (delay_us == 0)
		wq_queue_push(wq_queue_route(wq, cpu), &dw->work);
	else
		wq_timer_set(cpu, wq, dw, delay_us);
}

bool
wq_queue_delayed_on(int cpu, struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us)
{
	if (wq_unlikely(__atomic_load_n(&wq->draining, __ATOMIC_ACQUIRE)) && !wq_in_work(wq))
		return false;
	if (!wq_work_claim(&dw->work))
		return false;
	queue_claimed(cpu, wq, dw, delay_us);
	return true;
}

bool
wq_queue_delayed(struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us)
{
	return wq_queue_delayed_on(-1, wq, dw, delay_us);
}

bool
wq_mod_delayed(struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us)
{
	enum wq_grab grab = wq_cancel_grab(&dw->work);

	if (grab != WQ_GRAB_DISABLED)
		queue_claimed(-1, wq, dw, delay_us);
	return grab == WQ_GRAB_PENDING;
}

bool
wq_flush_delayed(struct wq_delayed_work *dw)
{
	bool cut = false;

	/* Queue a work that waits for its time at once. Then flush it like any other work. */
	while (!cut && WQ_WHERE_KIND(wq_work_where(&dw->work)) == WQ_AT_TIMER) {
		cut = wq_timer_remove(dw);
		if (cut)
			wq_queue_push(wq_queue_route(dw->wq, dw->cpu), &dw->work);
		else
			wq_os_yield();
	}
	return wq_flush_work(&dw->work) || cut;
}
