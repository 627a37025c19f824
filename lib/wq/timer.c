/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The timer: one thread, a pairing heap whose links are in the works (no allocation), and the same
 * wait-free inbox as that of the pools.
 */

#include "global.h"
#include "os.h"
#include "queue.h"
#include "thread.h"
#include "timer.h"
#include "work.h"

#define TIMER (&wq_global.timer)

/*
 * The pairing heap. dw->prev of a first child is its parent, that of other children the sibling
 * before. All functions of the heap need T.
 */
static struct wq_delayed_work *
meld(struct wq_delayed_work *a, struct wq_delayed_work *b)
{
	struct wq_delayed_work *top, *sub;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	top = b->expires_ns < a->expires_ns ? b : a;
	sub = top == a ? b : a;
	sub->prev = top;
	sub->next = top->child;
	if (sub->next != NULL)
		sub->next->prev = sub;
	top->child = sub;
	top->next = NULL;
	top->prev = NULL;
	return top;
}

/* Melds siblings in pairs, then the pairs from the last to the first. */
static struct wq_delayed_work *
meld_siblings(struct wq_delayed_work *first)
{
	struct wq_delayed_work *pairs = NULL, *top = NULL;

	while (first != NULL) {
		struct wq_delayed_work *a = first, *b = a->next;

		first = b != NULL ? b->next : NULL;
		a->next = NULL;
		if (b != NULL)
			b->next = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct wq_delayed_work *next = pairs->next;

		pairs->next = NULL;
		top = meld(top, pairs);
		pairs = next;
	}
	if (top != NULL)
		top->prev = NULL;
	return top;
}

static void
heap_insert(struct wq_delayed_work *dw)
{
	dw->child = NULL;
	dw->next = NULL;
	dw->prev = NULL;
	TIMER->heap = meld(TIMER->heap, dw);
}

static void
heap_remove(struct wq_delayed_work *dw)
{
	struct wq_delayed_work *sub = meld_siblings(dw->child);

	if (dw == TIMER->heap) {
		TIMER->heap = sub;
		return;
	}
	if (dw->prev->child == dw)
		dw->prev->child = dw->next;
	else
		dw->prev->next = dw->next;
	if (dw->next != NULL)
		dw->next->prev = dw->prev;
	TIMER->heap = meld(TIMER->heap, sub);
}

/* Takes the works of the inbox to the heap. T is held. */
static enum wq_inbox_state
drain(void)
{
	enum wq_inbox_state state;
	struct wq_work *work;

	while ((work = wq_inbox_pop(&TIMER->inbox, &state)) != NULL) {
		struct wq_delayed_work *dw = wq_to_delayed(work);

		dw->wq->nb_delayed++;
		heap_insert(dw);
		/* The pool number 1 stands for the heap, 0 for the inbox. */
		wq_work_set_where(work, WQ_WHERE(WQ_AT_TIMER, 1));
	}
	return state;
}

bool
wq_timer_remove(struct wq_delayed_work *dw)
{
	bool there;

	wq_lock(&TIMER->lock);
	drain();
	there = wq_work_where(&dw->work) == WQ_WHERE(WQ_AT_TIMER, 1);
	if (there) {
		heap_remove(dw);
		dw->wq->nb_delayed--;
		wq_work_set_where(&dw->work, WQ_WHERE(WQ_AT_NONE, 0));
	}
	wq_unlock(&TIMER->lock);
	return there;
}

uint64_t
wq_timer_nb_delayed(struct workqueue *wq)
{
	uint64_t nb;

	wq_lock(&TIMER->lock);
	if (TIMER->started)
		drain();
	nb = wq->nb_delayed;
	wq_unlock(&TIMER->lock);
	return nb;
}

/* Queues the works that are due. T is held. Returns the time of the next one. */
static uint64_t
expire(uint64_t now)
{
	while (TIMER->heap != NULL && TIMER->heap->expires_ns <= now) {
		struct wq_delayed_work *dw = TIMER->heap;

		heap_remove(dw);
		dw->wq->nb_delayed--;
		wq_work_set_where(&dw->work, WQ_WHERE(WQ_AT_NONE, 0));
		wq_queue_push(wq_queue_route(dw->wq, dw->cpu), &dw->work);
	}
	return TIMER->heap != NULL ? TIMER->heap->expires_ns : WQ_FOREVER;
}

static void *
timer_main(void *arg)
{
	pthread_setname_np(pthread_self(), "wq/timer");
	while (!__atomic_load_n(&TIMER->stop, __ATOMIC_ACQUIRE)) {
		enum wq_inbox_state state;
		uint64_t next;

		wq_lock(&TIMER->lock);
		state = drain();
		next = expire(wq_os_now_ns());
		/*
		 * Sequentially consistent store, then a load of the inbox: pairs with
		 * wq_timer_set(). A producer that comes later sees how long the thread sleeps.
		 */
		__atomic_store_n(&TIMER->sleep_until_ns, next, __ATOMIC_SEQ_CST);
		if (state != WQ_INBOX_EMPTY || !wq_inbox_empty(&TIMER->inbox))
			next = 0;
		wq_unlock(&TIMER->lock);
		if (next != 0)
			wq_waker_sleep(&TIMER->waker, next);
		else if (state == WQ_INBOX_HALF)
			wq_os_yield();
		__atomic_store_n(&TIMER->sleep_until_ns, 0, __ATOMIC_RELAXED);
	}
	return arg;
}

int
wq_timer_start(void)
{
	int rc;

	wq_inbox_init(&TIMER->inbox);
	TIMER->heap = NULL;
	TIMER->stop = false;
	TIMER->started = true;
	rc = wq_thread_start(&TIMER->thread, &wq_global.cpus, timer_main, NULL);
	if (rc != 0)
		TIMER->started = false;
	return rc;
}

void
wq_timer_stop(void)
{
	if (!TIMER->started)
		return;
	__atomic_store_n(&TIMER->stop, true, __ATOMIC_RELEASE);
	wq_waker_wake(&TIMER->waker);
	pthread_join(TIMER->thread, NULL);
	TIMER->started = false;
}

void
wq_timer_set(int cpu, struct workqueue *wq, struct wq_delayed_work *dw, uint64_t delay_us)
{
	uint64_t now = wq_os_now_ns(), until;

	dw->wq = wq;
	dw->cpu = cpu >= 0 ? cpu : sched_getcpu();
	/* A sum that overflows is centuries away: take the latest time. */
	dw->expires_ns = delay_us < (UINT64_MAX - now) / WQ_NS_PER_US
		? now + delay_us * WQ_NS_PER_US
		: WQ_FOREVER - 1;
	wq_work_set_where(&dw->work, WQ_WHERE(WQ_AT_TIMER, 0));
	now = dw->expires_ns;
	wq_inbox_push(&TIMER->inbox, &dw->work);
	/* The work may be freed by now. Sequentially consistent: see timer_main(). */
	until = __atomic_load_n(&TIMER->sleep_until_ns, __ATOMIC_SEQ_CST);
	if (now < until)
		wq_waker_wake(&TIMER->waker);
}
