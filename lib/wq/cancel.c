/* SPDX-License-Identifier: BSD-3-Clause */

/* Cancelling and disabling works. */

#include "cancel.h"
#include "link.h"
#include "os.h"
#include "pool.h"
#include "pwq.h"
#include "timer.h"
#include "work.h"

/* Locks of wq_work::disable_depth, by a hash of the work's address. */
#define NB_SLOTS 64

static struct wq_lock slots[NB_SLOTS];

static struct wq_lock *
slot_of(const struct wq_work *work)
{
	uint64_t h = (uint64_t)(uintptr_t)work * UINT64_C(0x9e3779b97f4a7c15);

	return &slots[h >> 58];
}

/* Takes a pending work out of a pool. false: it is not there, or it is half linked. */
static bool
take_from_pool(struct wq_work *work, uint32_t where)
{
	struct wq_pool *pool = wq_pool_by_id(WQ_WHERE_POOL(where));
	bool taken;

	wq_lock(&pool->lock);
	if (wq_work_where(work) == WQ_WHERE(WQ_AT_INBOX, pool->id))
		wq_pwq_drain_marked(pool);
	taken = wq_work_where(work) == WQ_WHERE(WQ_AT_POOL, pool->id);
	if (taken) {
		unsigned flags = work->flags;

		/*
		 * Barriers linked behind an inactive work go on to the worklist: among the
		 * inactive works nothing would activate them.
		 */
		if (flags & WQ_F_INACTIVE)
			wq_pwq_move_linked(work, &pool->worklist);
		wq_link_del(&work->entry);
		wq_work_set_where(work, WQ_WHERE(WQ_AT_NONE, 0));
		wq_pwq_done(work->pwq, work->colour, flags);
	}
	wq_pool_unlock(pool);
	return taken;
}

enum wq_grab
wq_cancel_grab(struct wq_work *work)
{
	for (unsigned round = 0;; round++) {
		uint32_t where;

		if (wq_work_claim(work))
			return WQ_GRAB_IDLE;
		where = wq_work_where(work);
		switch (WQ_WHERE_KIND(where)) {
		case WQ_AT_INBOX:
		case WQ_AT_POOL:
			if (take_from_pool(work, where))
				return WQ_GRAB_PENDING;
			break;
		case WQ_AT_TIMER:
			if (wq_timer_remove((struct wq_delayed_work *)(void *)work))
				return WQ_GRAB_PENDING;
			break;
		case WQ_AT_DISABLED:
			return WQ_GRAB_DISABLED;
		case WQ_AT_NONE:
			break;
		}
		if (round < 100)
			wq_os_yield();
		else
			wq_os_sleep_ns(50 * WQ_NS_PER_US);
	}
}

bool
wq_cancel_work(struct wq_work *work)
{
	enum wq_grab grab = wq_cancel_grab(work);

	if (grab != WQ_GRAB_DISABLED)
		wq_work_unclaim(work);
	return grab == WQ_GRAB_PENDING;
}

bool
wq_disable_work(struct wq_work *work)
{
	struct wq_lock *slot = slot_of(work);
	enum wq_grab grab;

	wq_lock(slot);
	/* The lock of the slot keeps other threads from disabling or enabling the work. */
	grab = wq_cancel_grab(work);
	if (grab != WQ_GRAB_DISABLED)
		wq_work_set_where(work, WQ_WHERE(WQ_AT_DISABLED, 0));
	WQ_ASSERT(work->disable_depth < UINT16_MAX);
	work->disable_depth++;
	wq_unlock(slot);
	return grab == WQ_GRAB_PENDING;
}

bool
wq_enable_work(struct wq_work *work)
{
	struct wq_lock *slot = slot_of(work);
	bool enabled;

	wq_lock(slot);
	WQ_ASSERT(work->disable_depth > 0);
	enabled = --work->disable_depth == 0;
	if (enabled) {
		wq_work_set_where(work, WQ_WHERE(WQ_AT_NONE, 0));
		wq_work_unclaim(work);
	}
	wq_unlock(slot);
	return enabled;
}

bool
wq_disable_work_sync(struct wq_work *work)
{
	bool was_pending = wq_disable_work(work);

	wq_flush_work(work);
	return was_pending;
}

bool
wq_cancel_work_sync(struct wq_work *work)
{
	bool was_pending = wq_disable_work_sync(work);

	wq_enable_work(work);
	return was_pending;
}

bool
wq_cancel_delayed(struct wq_delayed_work *dw)
{
	return wq_cancel_work(&dw->work);
}

bool
wq_cancel_delayed_sync(struct wq_delayed_work *dw)
{
	return wq_cancel_work_sync(&dw->work);
}
